"""Whose access is ended: one folder for each provider, and how requests are sent."""
