"""What the functions share: the providers' clients, the vault, the records, and the way from queue to operation."""
