"""What the functions share: the providers' clients, what is stored, the cases, and the way from queue to operation."""
