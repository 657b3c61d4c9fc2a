"""Knows how a bounded pattern is read, and how to ask of a text that is not all there: may this become a match?

A pattern is a small regular expression whose matches have a longest length: characters, classes, groups, `|`, `?`,
`{n}` and `{m,n}`. One that can be endless (`*`, `+`, `{n,}`) or that looks around is refused. From the tree that is
read here come two expressions for `re`: one for the whole pattern, and one for a *beginning* of it that touches the
end of the text and can still grow.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, NoReturn, TypeAlias

from langwire.errors import UsageError

SHORTEST = 4
"""Characters that anything masked has at least: shorter ones would be found in ordinary words."""
LONGEST = 8_192
"""Characters that a pattern may match at most: so much of a stream it can hold back."""
MAX_SOURCE = 200
"""Characters of a pattern: `re` nests as deep as a pattern is long where it looks for a beginning."""

_BOUND = re.compile(r"\{(\d{1,5})(?:,(\d{1,5}))?\}")
_CHARACTER = re.compile(r"\\(?:[dDwWsSnrtfv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[^\w\s])|[^\\*+?{^$()|\[]")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)
_EDGE = r"(?<![A-Za-z0-9])"


class Character(NamedTuple):
    """One character of the text: a literal, an escape or a class, as `re` writes it."""

    source: str


class Repeat(NamedTuple):
    """A node, `low` to `high` times."""

    node: Node
    low: int
    high: int


class Choice(NamedTuple):
    """A group: one of its branches. `masked` for the one that is written with plain parentheses."""

    branches: tuple[Nodes, ...]
    masked: bool = False


Node: TypeAlias = Character | Repeat | Choice
Nodes: TypeAlias = tuple[Node, ...]


class Pattern(NamedTuple):
    """A pattern that has been read.

    `whole` matches it, its group 1 what is to be masked; `beginning` matches what touches the end of a text and can
    still become a match, or a longer one. `edge`: it does not stand right after a letter or digit.
    """

    nodes: Nodes
    edge: bool
    whole: re.Pattern[str]
    beginning: str


@lru_cache(maxsize=256)
def read_pattern(source: str) -> Pattern:
    """Read a pattern. Raises `UsageError` for one that is not bounded, or uses what is not known here."""
    if len(source) > MAX_SOURCE:
        raise UsageError(f"it is longer than {MAX_SOURCE} characters")
    nodes, edge = _Reader(source).read()
    low, high = _lengths(nodes)
    if low < SHORTEST or high > LONGEST:
        raise UsageError(
            f"it matches {low} to {high} characters, allowed are {SHORTEST} to {LONGEST}: change its bounds"
        )
    before, body = _EDGE * edge, _whole(nodes)
    try:
        whole = re.compile(before + (body if _groups(nodes) else f"({body})"))
    except re.error:
        raise UsageError("one of its classes cannot be read: check its ranges") from None
    return Pattern(nodes, edge, whole, before + _beginning(nodes))


class _Reader:
    """Reads one pattern from left to right."""

    def __init__(self, source: str) -> None:
        self._source, self._at = source, 0

    def read(self) -> tuple[Nodes, bool]:
        edge = self._take(r"\b")
        branches = self._branches()
        if self._at < len(self._source):
            self._refuse("closes no group")
        if edge and len(branches) > 1:
            raise UsageError(r"the alternatives after its `\b` need a group: \b(?:…|…)")
        nodes = branches[0] if len(branches) == 1 else (Choice(branches),)
        if _groups(nodes) > 1:
            raise UsageError("it has several groups that say what is masked: write (?:…) for all but one")
        return nodes, edge

    def _branches(self) -> tuple[Nodes, ...]:
        branches = [self._sequence()]
        while self._take("|"):
            branches.append(self._sequence())
        return tuple(branches)

    def _sequence(self) -> Nodes:
        nodes: list[Node] = []
        while self._at < len(self._source) and self._source[self._at] not in "|)":
            nodes.append(self._bounds(self._node()))
        return tuple(nodes)

    def _node(self) -> Node:
        if self._source.startswith("(", self._at):
            return self._group()
        kind = _CLASS if self._source[self._at] == "[" else _CHARACTER
        found = kind.match(self._source, self._at)
        if found is None:
            self._refuse("is not known here, or has no upper bound: write bounds like {8,64}, or escape it")
        self._at = found.end()
        return Character(found[0])

    def _group(self) -> Choice:
        start = self._at
        plain = self._take("(?:")
        if not plain:
            self._at += 1
        if self._source.startswith("?", self._at):
            self._refuse("begins what is not known here: only (…) and (?:…) are")
        branches = self._branches()
        if not self._take(")"):
            self._at = start
            self._refuse("opens a group that is not closed")
        return Choice(branches, masked=not plain)

    def _bounds(self, node: Node) -> Node:
        low, high = 1, 1
        if self._take("?"):
            low = 0
        elif found := _BOUND.match(self._source, self._at):
            self._at = found.end()
            low, high = int(found[1]), int(found[2] or found[1])
        else:
            return node
        if low > high or high == 0 or _groups((node,)) or not _lengths((node,))[0]:
            self._refuse("follows bounds that cannot be: from few to many, of what is not empty, nor masked as (…)")
        return Repeat(node, low, high)

    def _take(self, text: str) -> bool:
        taken = self._source.startswith(text, self._at)
        self._at += len(text) * taken
        return taken

    def _refuse(self, why: str) -> NoReturn:
        raise UsageError(f"what stands at its character {self._at + 1} {why}")


# ------------------------------------------------------------------ what is read out of the tree


def _groups(nodes: Nodes) -> int:
    """Return how many groups say what is masked."""
    count = 0
    for node in nodes:
        if isinstance(node, Repeat):
            count += _groups((node.node,))
        elif isinstance(node, Choice):
            count += node.masked + sum(map(_groups, node.branches))
    return count


def _lengths(nodes: Nodes) -> tuple[int, int]:
    """Return the fewest and the most characters that a sequence matches."""
    fewest = most = 0
    for node in nodes:
        low = high = 1
        if isinstance(node, Repeat):
            low, high = _lengths((node.node,))
            low, high = low * node.low, high * node.high
        elif isinstance(node, Choice):
            lows, highs = zip(*map(_lengths, node.branches), strict=True)
            low, high = min(lows), max(highs)
        fewest, most = fewest + low, most + high
    return fewest, most


def _whole(nodes: Nodes) -> str:
    """Write a sequence back, for `re`."""
    return "".join(map(_node, nodes))


def _node(node: Node) -> str:
    if isinstance(node, Character):
        return node.source
    if isinstance(node, Repeat):
        return f"{_node(node.node)}{{{node.low},{node.high}}}"
    return f"({'' if node.masked else '?:'}{'|'.join(map(_whole, node.branches))})"


def _beginning(nodes: Nodes) -> str:
    """Write the expression of what begins a sequence, ends the text, and can still grow; it may be no text at all.

    Such a beginning lies in the first node, or is the whole first node and a beginning of the rest.
    """
    if not nodes:
        return r"(?!)"
    first, rest = nodes[0], nodes[1:]
    if isinstance(first, Character):
        inside = r"\Z"
    elif isinstance(first, Repeat):
        inside = f"{_node(first.node)}{{0,{first.high - 1}}}{_beginning((first.node,))}"
    else:
        inside = "|".join(map(_beginning, first.branches))
    return f"(?:{inside}|{_node(first)}{_beginning(rest)})" if rest else f"(?:{inside})"


def openings(nodes: Nodes, depth: int) -> set[tuple[str, ...]]:
    """Return how a sequence may begin: `depth` characters, each as `re` writes it, or fewer where it ends before."""
    if not nodes or not depth:
        return {()}
    first, rest = nodes[0], nodes[1:]
    if isinstance(first, Character):
        return {(first.source, *more) for more in openings(rest, depth - 1)}
    if isinstance(first, Choice):
        return {opening for branch in first.branches for opening in openings((*branch, *rest), depth)}
    again: Nodes = (Repeat(first.node, max(first.low - 1, 0), first.high - 1),) if first.high > 1 else ()
    found = openings((first.node, *again, *rest), depth)
    return found if first.low else found | openings(rest, depth)
