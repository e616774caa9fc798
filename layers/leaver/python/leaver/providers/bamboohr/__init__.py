"""BambooHR, which is asked who somebody is."""
