"""Keeping connections alive: the record, its access tokens, the refresh, and whoever revokes a grant."""
