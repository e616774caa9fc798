"""Ending what a person has: the case, its steps and receipts, and the names of those who left."""
