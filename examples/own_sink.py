"""Counts what a turn tells: a sink is any object with `handle(entry)`, and `run` hands it every event."""

from collections import Counter

import langwire
from langwire.demo import assistant as agent
from langwire.events import Entry, TextDelta


class Counting:
    """A sink that counts events by kind, and takes the time to the first text."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.started_at: int | None = None
        self.first_text_ms: int | None = None

    def handle(self, entry: Entry, /) -> None:
        """Count one event; its entry carries a number and a time in milliseconds."""
        if self.started_at is None:
            self.started_at = entry.at_ms
        self.kinds[type(entry.event).__name__] += 1
        if self.first_text_ms is None and isinstance(entry.event, TextDelta):
            self.first_text_ms = entry.at_ms - self.started_at


counting = Counting()
result = langwire.run(agent, "Plan a day in Rome", adapter=counting)
for kind, number in counting.kinds.most_common():
    print(f"{number:4} {kind}")
print(f"{result.outcome}: first text after {counting.first_text_ms} ms")
