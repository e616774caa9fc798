"""Reconciliation: who should be here by a roster, against who has something. It finds, and ends nothing."""
