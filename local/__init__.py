"""Leaver on one machine: AWS emulated by moto, the providers simulated, the functions in processes."""
