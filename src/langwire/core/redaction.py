"""Knows which fields of an event hold what others have said, and takes secrets out of them before anyone reads them.

A secret is a literal, given by the caller, or what a bounded pattern matches. It is masked as `[redacted]` in every
field of foreign make: texts, arguments, contents, artifacts, states, payloads, messages of errors. What says who and
where stays: ids, lanes, types, roles, names of tools, nodes, agents and models, counts of tokens, and a provider's
signatures, which are to be sent back untouched.

| value | how |
|---|---|
| text | as it stands, and with its JSON escapes read, several times over: JSON in JSON |
| text and arguments that stream | across the borders of deltas, each part by itself |
| `int`, `float` | whole, as the text of the mask |
| keys of dicts | like text; a second equal key gets `~2`, a third `~3` |
| `bytes` | as UTF-8, other bytes untouched |
| `list`, `tuple`, `dict` | a new one where something in it was masked, else the same object |
| anything else | the codec's JSON data where something in it was masked, else the same object |

Not seen: a secret in base64 or any other encoding, one that is spread over two parts or two payloads (each
`ToolOutputDelta` and `Custom` is taken by itself), and what an object holds that the codec does not write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from langwire.core._parts import parse_args
from langwire.core._patterns import SHORTEST, Pattern, read_pattern
from langwire.core._secrets import MASK, ArgsStrand, Scanner, Strand
from langwire.core.codec import MAX_DEPTH, jsonable
from langwire.errors import UsageError
from langwire.events import (
    Action,
    Citation,
    Custom,
    Display,
    ErrorInfo,
    Event,
    Extracted,
    Interrupt,
    Media,
    MessageReplaced,
    OpenCall,
    Progress,
    Raw,
    ReasoningDelta,
    ReasoningEnd,
    StateDelta,
    StateSnapshot,
    StructuredOutput,
    TaskUpdate,
    TextDelta,
    TextEnd,
    ToolCallDelta,
    ToolCallEnd,
    ToolOutputDelta,
    ToolResult,
    TurnEnd,
    TurnStart,
)

DEFAULT_PATTERNS: tuple[str, ...] = (
    r"\bsk-[A-Za-z0-9]{20,200}",  # OpenAI and others
    r"\bsk-(?:ant|proj|svcacct|admin|or)-[A-Za-z0-9_-]{16,300}",  # Anthropic, OpenAI, OpenRouter
    r"\b(?:s|r)k_(?:live|test)_[A-Za-z0-9]{16,300}",  # Stripe
    r"\bgh[opsur]_[A-Za-z0-9]{36,255}",  # GitHub
    r"\bgithub_pat_[A-Za-z0-9_]{22,255}",
    r"\bglpat-[A-Za-z0-9_-]{20,100}",  # GitLab
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}",  # AWS
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,300}",  # Slack
    r"\bAIza[A-Za-z0-9_-]{35}",  # Google
    r"\bhf_[A-Za-z0-9]{30,100}",  # Hugging Face
    r"\b(?:Bearer|bearer|BEARER) ([A-Za-z0-9._~+/=-]{20,4000})",
    r"\beyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,1500}",  # JSON web tokens
    r"""://[^\s:/@"'<>\\]{0,100}:([^\s/@"'<>\\]{1,200})@""",  # the password in a URL
)
"""Patterns of keys and tokens that say by themselves what they are."""

# The fields of foreign make. `id`, `name`, `code` and the like are ours, LangGraph's, or a name in the program.
_FIELDS: dict[type, tuple[str, ...]] = {
    TurnStart: ("input",),
    ToolCallEnd: ("args", "invalid"),
    ToolOutputDelta: ("data",),
    ToolResult: ("content", "artifact"),
    Media: ("data", "ref", "block"),
    Citation: ("data",),
    MessageReplaced: ("text",),
    StateSnapshot: ("values",),
    StateDelta: ("changes",),
    StructuredOutput: ("value",),
    Interrupt: ("value", "actions", "response_schema"),
    Custom: ("data",),
    Raw: ("data",),
    Extracted: ("data",),
    Display: ("bundle", "title"),
    Progress: ("text",),
    TaskUpdate: ("title",),
    TurnEnd: ("error", "reason", "open_calls"),
    Action: ("args", "description"),
    OpenCall: ("args",),
    ErrorInfo: ("message",),
}


class Redactor:
    """Takes secrets out of events and values. Immutable: one serves all turns of a program.

    `secrets` are literals, each of four characters or more; `patterns` are bounded regular expressions, of which a
    plain group `(…)` says what part of a match is masked, and `\\b` at the beginning that no letter or digit stands
    before it. A literal is found wherever it stands. Raises `UsageError`, which never shows a secret, for a secret
    that would be found in ordinary text, and for a pattern that is not bounded.
    """

    __slots__ = ("_literals", "_scanner", "_sources")

    def __init__(self, secrets: Iterable[str] = (), *, patterns: Iterable[str] = DEFAULT_PATTERNS) -> None:
        literals, sources = _listed(secrets, "the secrets"), _listed(patterns, "the patterns")
        for number, literal in enumerate(literals, 1):
            if len(literal) < SHORTEST or not literal.strip() or literal in MASK:
                raise UsageError(
                    f"secret {number} is blank, shorter than {SHORTEST} characters, or a piece of the mask {MASK}: "
                    "it would be found in ordinary text, leave it out"
                )
        self._scanner = Scanner(literals, [_pattern(number, source) for number, source in enumerate(sources, 1)])
        self._literals, self._sources = literals, sources

    def __repr__(self) -> str:
        return f"Redactor({len(self._literals)} secrets, {len(self._sources)} patterns)"

    def adding(self, secrets: Iterable[str]) -> Redactor:
        """Return a redactor that finds what this one does, and these literals."""
        return Redactor([*self._literals, *secrets], patterns=self._sources)

    def begin(self) -> Redaction:
        """Return the redaction of one turn, to be fed its events."""
        return Redaction(self._scanner)

    def redact(self, value: Any) -> tuple[Any, int]:
        """Return a whole value with its secrets masked, and how many masks that took; without any, the same object.

        Takes any Python value, never changes it, and never raises an `Exception`.
        """
        return _redact(self._scanner, value)


class Redaction:
    """The redaction of one turn: `feed` it every event, tell what it returns.

    Joined, the deltas of a part are what a whole text would have become, however it was cut. A delta holds back only
    what could still become a secret, until the part's next delta or its end; the events of other parts do not wait,
    so such a rest can come after them, but never after its own part's end. A part that is cut off tells its rest too;
    but when that is the beginning of a literal, half of it and eight characters at least, it is masked.
    """

    __slots__ = ("_calls", "_closed", "_scanner", "_texts", "_thoughts")

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._texts: dict[str, Strand] = {}
        self._thoughts: dict[str, Strand] = {}
        self._calls: dict[str, ArgsStrand] = {}
        self._closed = 0
        """Masks outside of strands, and in those that are over."""

    @property
    def count(self) -> int:
        """How many masks were told. Those of a call's arguments count as they stream, not again at its end."""
        strands = (*self._texts.values(), *self._thoughts.values(), *self._calls.values())
        return self._closed + sum(strand.count for strand in strands)

    def feed(self, event: Event) -> list[Event]:
        """Return what is to be told for the turn's next event: the same object where nothing was to be done.

        `TurnEnd` comes with `redactions`, and after all that was still held. Never raises an `Exception`.
        """
        if isinstance(event, TextDelta):
            told = _open(self._texts, event.id, Strand, self._scanner).feed(event.text)
            return [event] if told == event.text else [_text(event.id, told)] if told else []
        if isinstance(event, ReasoningDelta):
            told = _open(self._thoughts, event.id, Strand, self._scanner).feed(event.text)
            return [event] if told == event.text else [_thought(event.id, told)] if told else []
        if isinstance(event, ToolCallDelta):
            told = _open(self._calls, event.id, ArgsStrand, self._scanner).feed(event.args)
            return [event] if told == event.args else [_args(event.id, told)] if told else []
        match event:
            case TextEnd(id=id, partial=cut):
                return [*self._rest(self._texts, id, _text, cut=cut), event]
            case ReasoningEnd(id=id, partial=cut):
                return [*self._rest(self._thoughts, id, _thought, cut=cut), event]
            case ToolCallEnd():
                return self._end_call(event)
            case TurnEnd():
                return self._end_turn(event)
            case _:
                return [self._read(event)]

    def _end_call(self, event: ToolCallEnd) -> list[Event]:
        call = self._calls.get(event.id)
        rest = self._rest(self._calls, event.id, _args, cut=event.partial)
        if call is None or not call.count:
            return [*rest, self._read(event)]
        # What the deltas say, masks included, is what the end says.
        args, invalid = parse_args(call.told)
        return [*rest, msgspec.structs.replace(event, args=args, invalid=invalid)]

    def _end_turn(self, event: TurnEnd) -> list[Event]:
        rests = [rest for id in list(self._texts) for rest in self._rest(self._texts, id, _text, cut=True)]
        rests += [rest for id in list(self._thoughts) for rest in self._rest(self._thoughts, id, _thought, cut=True)]
        rests += [rest for id in list(self._calls) for rest in self._rest(self._calls, id, _args, cut=True)]
        end: TurnEnd = self._read(event)
        if self._closed:
            end = msgspec.structs.replace(end, redactions=event.redactions + self._closed)
        return [*rests, end]

    def _rest(
        self, strands: dict[str, _AnyStrand], id: str, delta: Callable[[str, str], Event], *, cut: bool
    ) -> list[Event]:
        """Return what a part still holds, now that it is over."""
        strand = strands.pop(id, None)
        if strand is None:
            return []
        rest = strand.finish(cut=cut)
        self._closed += strand.count
        return [delta(id, rest)] if rest else []

    def _read(self, event: Any) -> Any:
        read, count = _redact(self._scanner, event) if type(event) in _FIELDS else (event, 0)
        self._closed += count
        return read


_AnyStrand = TypeVar("_AnyStrand", bound=Strand)


def _open(strands: dict[str, _AnyStrand], id: str, kind: type[_AnyStrand], scanner: Scanner) -> _AnyStrand:
    strand = strands.get(id)
    if strand is None:
        strand = strands[id] = kind(scanner)
    return strand


def _text(id: str, text: str) -> Event:
    return TextDelta(id=id, text=text)


def _thought(id: str, text: str) -> Event:
    return ReasoningDelta(id=id, text=text)


def _args(id: str, text: str) -> Event:
    return ToolCallDelta(id=id, args=text)


# ------------------------------------------------------------------ what a redactor is made of


def _listed(values: Iterable[str], what: str) -> list[str]:
    """Return the texts as a list. Raises `UsageError`, without showing them, for anything else."""
    listed = list(values)
    kinds = {type(value).__name__ for value in listed if type(value) is not str}
    if isinstance(values, str) or kinds:
        came = ", ".join(sorted(kinds)) or "one text"
        raise UsageError(f"{what} came as {came}: expected a list of texts")
    return listed


def _pattern(number: int, source: str) -> Pattern:
    try:
        return read_pattern(source)
    except UsageError as error:
        raise UsageError(f"pattern {number} cannot be used: {error}") from None


# ------------------------------------------------------------------ values


_RECORDS = frozenset({Action, OpenCall})
_TEXT = frozenset({str})


def _redact(scanner: Scanner, value: Any) -> tuple[Any, int]:
    """Return an event, a part of one or any value with its secrets masked, and how many masks that took."""
    kind = _kind(value)
    if kind in _FIELDS:
        read = {name: _redact(scanner, getattr(value, name)) for name in _FIELDS[kind]}
        count = sum(masks for _, masks in read.values())
        return (
            msgspec.structs.replace(value, **{name: new for name, (new, _) in read.items()}) if count else value
        ), count
    if kind is tuple and _RECORDS.issuperset(map(type, value)):
        items: list[tuple[Any, int]] = [_redact(scanner, item) for item in value]
        count = sum(masks for _, masks in items)
        return (tuple(item for item, _ in items) if count else value), count
    try:
        return _Walk(scanner).read(value, 0)
    except _Endless:
        plain, count = _Walk(scanner).read(jsonable(value), 0)
        return (plain if count else value), count


def _kind(value: object) -> type:
    """Return the class of a value, of which nothing else is known."""
    return type(value)


class _Endless(Exception):
    """A container inside itself, or too deep."""


class _Walk:
    """One pass over one value: remembers where it is and what it has met."""

    __slots__ = ("_met", "_path", "_scanner")

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._path: set[int] = set()
        self._met: dict[int, tuple[Any, Any, int]] = {}  # holds what it has met, so that no id is used again

    def read(self, value: Any, depth: int) -> tuple[Any, int]:
        kind = _kind(value)
        if kind is str:
            return self._scanner.redact(value)
        if value is None or kind is bool:
            return value, 0
        if kind is int or kind is float:
            return self._number(value)
        if kind is bytes or kind is bytearray:
            text, count = self._scanner.redact(value.decode("utf-8", "surrogateescape"))
            return (text.encode("utf-8", "surrogateescape") if count else value), count
        if kind is list or kind is tuple or (kind is dict and _TEXT.issuperset(map(type, list(value)))):
            return self._container(value, depth)
        data, count = self.read(jsonable(value), 0)
        return (data if count else value), count

    def _number(self, value: float) -> tuple[Any, int]:
        try:
            count = self._scanner.redact(repr(value))[1]
        except ValueError:  # an integer too long for Python to print
            count = 0
        return (MASK, 1) if count else (value, 0)

    def _container(self, value: Any, depth: int) -> tuple[Any, int]:
        identity = id(value)
        if identity in self._met:
            return self._met[identity][1:]
        if identity in self._path or depth > MAX_DEPTH + 1:  # plain data of the codec is no deeper
            raise _Endless
        self._path.add(identity)
        new, count = self._items(value, depth + 1) if type(value) in (list, tuple) else self._dict(value, depth + 1)
        self._path.discard(identity)
        self._met[identity] = value, (new if count else value), count
        return self._met[identity][1:]

    def _items(self, value: Any, depth: int) -> tuple[Any, int]:
        read = [self.read(item, depth) for item in list(value)]  # from a copy: another thread may be writing
        return type(value)(item for item, _ in read), sum(count for _, count in read)

    def _dict(self, value: dict[str, Any], depth: int) -> tuple[Any, int]:
        result: dict[str, Any] = {}
        total = 0
        for key, member in list(value.items()):
            name, masks = self._scanner.redact(key)
            new, more = self.read(member, depth)
            total += masks + more
            free, number = name, 1
            while free in result:
                number += 1
                free = f"{name}~{number}"
            result[free] = new
        return result, total
