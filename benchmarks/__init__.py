"""What Leaver costs in time, calls and money, as ratios that are measured in one run; `make bench` runs all of it."""
