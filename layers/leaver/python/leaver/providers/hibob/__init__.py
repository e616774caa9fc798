"""HiBob, which is asked who somebody is."""
