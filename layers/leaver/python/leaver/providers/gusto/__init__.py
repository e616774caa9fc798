"""Gusto, which is asked who somebody is."""
