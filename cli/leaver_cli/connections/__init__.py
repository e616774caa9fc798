"""How connections are made, shown, refreshed and ended by an operator."""
