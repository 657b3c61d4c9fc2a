"""Measures what langwire costs, as ratios to a floor in the same run. `make bench` prints the table."""
