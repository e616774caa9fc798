"""What an operator sees of cases, and decides about them."""
