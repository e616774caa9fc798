"""What comes in and what goes out: commands, HR events, announcements, and the queues and the bus that carry them."""
