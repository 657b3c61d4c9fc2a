"""Stands beside the agents; they import it as a script would."""

greeting = "hello from the sibling"
