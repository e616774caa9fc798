"""What Leaver costs in time, memory, calls and money; `make bench` runs all of it."""
