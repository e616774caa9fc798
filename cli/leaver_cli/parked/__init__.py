"""What is dead-lettered, and how an operator puts it back."""
