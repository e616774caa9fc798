"""`leaver reconcile`: who was forgotten."""
