"""`leaver doctor`: an installation, row by row, each with what to do about it."""
