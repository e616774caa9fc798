"""The front door: who may post there, and with which secrets."""
