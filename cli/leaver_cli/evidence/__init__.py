"""What an auditor does with evidence."""
