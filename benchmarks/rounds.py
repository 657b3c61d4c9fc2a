"""How time is taken: contenders side by side, so that the machine's drift falls out of their ratios."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping
from statistics import quantiles
from time import process_time
from typing import TypeAlias

import msgspec

Seconds: TypeAlias = list[float]
"""CPU time of one contender, round by round."""


class Spread(msgspec.Struct, frozen=True):
    """A median between its quartiles."""

    low: float
    middle: float
    high: float


def spread(values: Iterable[float]) -> Spread:
    """Return median and quartiles; of a single value, that value."""
    values = list(values)
    return Spread(*quantiles(values, method="inclusive")) if len(values) > 1 else Spread(*values * 3)


def ratio(one: Seconds, other: Seconds, *, by: float = 1.0) -> Spread:
    """Return how many times `other` goes into `one`, each round for itself, times `by`."""
    return spread(ours / theirs * by for ours, theirs in zip(one, other, strict=True))


def interleaved(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Seconds]:
    """Run every contender once a round, another one first each time, and return the CPU seconds of each.

    What was made before the first round is no work for the garbage collector, which rests while the clock runs.
    """
    names = list(contenders)
    taken: dict[str, Seconds] = {name: [] for name in names}
    gc.collect()
    gc.freeze()
    try:
        for number in range(rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                taken[name].append(_timed(contenders[name]))
    finally:
        gc.unfreeze()
    return taken


def _timed(contender: Callable[[], object]) -> float:
    gc.collect()
    gc.disable()
    try:
        started = process_time()
        contender()
        return process_time() - started
    finally:
        gc.enable()
