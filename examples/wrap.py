"""Wraps an agent in three lines: every token, call and result of a turn, as it happens."""

import langwire
from langwire.demo import assistant as agent  # any compiled graph of your own

for event in langwire.stream(agent, "Plan a day in Rome"):
    print(event)
