"""Okta, which is asked who somebody is."""
