"""Secrets do not leave: in no text, no argument, no payload, however the stream cuts them."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import re
from collections import deque, namedtuple
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage

from langwire.core.codec import encode, to_dict
from langwire.core.conformance import check
from langwire.core.redaction import _FIELDS, DEFAULT_PATTERNS, Redactor
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
    NodeEnd,
    OpenCall,
    Progress,
    Raw,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    Source,
    StateDelta,
    StateSnapshot,
    StructuredOutput,
    TaskUpdate,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    ToolOutputDelta,
    ToolResult,
    TurnEnd,
    TurnStart,
    Usage,
)
from langwire.testing import CASES
from turns import CASE_NAMES, turns_of

SOAK = bool(os.environ.get("LANGWIRE_SOAK"))
TRIES = 200 if SOAK else 4
MASK = "[redacted]"

SECRETS = [
    "hunter2",
    "hunter2-prod",
    'pa"ss"',
    "C:\\new\\key",
    "line one\nline two",
    "café-Crème",
    "k€y-🦊-🔑",
    "8675309",
    "a.b*c[d]$e(",
    "aaaa",
    "sla/sh\ted",
]
CARRIER = "My key is this, ok?"
SOURCE = Source()


def splits(text: str) -> Iterable[list[str]]:
    """Every way to cut a text in two, a few to cut it in more pieces, and into single characters."""
    for place in range(len(text) + 1):
        yield [text[:place], text[place:]]
    dice = random.Random(ascii(text))
    for _ in range(TRIES):
        cuts = sorted(dice.randrange(len(text) + 1) for _ in range(dice.randrange(1, 8)))
        yield [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    yield list(text)


def strand(kind: type[Any], pieces: Sequence[str], *, partial: bool = False) -> list[Event]:
    """The events of a turn that has one part."""
    start: Event
    if kind is TextDelta:
        start, end = TextStart(id="m", message_id="m", source=SOURCE), TextEnd(id="m", partial=partial)
    elif kind is ReasoningDelta:
        start, end = ReasoningStart(id="m", message_id="m", source=SOURCE), ReasoningEnd(id="m", partial=partial)
    else:
        start = ToolCallStart(id="c", call_id="c", name="t", message_id="m", source=SOURCE, provider=True)
        args, invalid = parsed("".join(pieces))
        end = ToolCallEnd(id="c", call_id="c", name="t", args=args, invalid=invalid, partial=partial)
    field = "args" if kind is ToolCallDelta else "text"
    deltas = [kind(id="c" if kind is ToolCallDelta else "m", **{field: piece}) for piece in pieces]
    return [TurnStart(turn_id="1"), start, *deltas, end, TurnEnd(outcome="complete")]


def parsed(text: str) -> tuple[Any, str | None]:
    try:
        return (json.loads(text) if text else {}), None
    except ValueError:
        return None, text


def told(redactor: Redactor, events: Iterable[Event]) -> list[Event]:
    redaction = redactor.begin()
    return [one for event in events for one in redaction.feed(event)]


def text_of(events: Iterable[Event]) -> str:
    pieces = [event.args if isinstance(event, ToolCallDelta) else event.text for event in events if is_delta(event)]
    return "".join(pieces)


def is_delta(event: Event) -> bool:
    return isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta)


def end_of(events: Sequence[Event]) -> Any:
    return events[-2]


def forms(secret: str) -> set[str]:
    """A secret as it stands, and as JSON text inside JSON text writes it, several levels down."""
    found = {secret}
    for _ in range(3):
        found |= {json.dumps(form, ensure_ascii=ascii)[1:-1] for form in found for ascii in (True, False)}
    return found


def leaks(told: Iterable[Event], secrets: Iterable[str]) -> list[str]:
    """The secrets that can be read in the events: in one of them, on the wire, or in the joined deltas."""
    events = list(told)
    text = "\n".join([text_of(events), *(encode(event).decode() for event in events)])
    return [secret for secret in secrets if any(form in text for form in forms(secret))]


# ------------------------------------------------------------------ text that streams


@pytest.mark.parametrize("kind", [TextDelta, ReasoningDelta])
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_masked_at_every_place_however_the_text_is_cut(kind: type[Any], secret: str) -> None:
    """T-16: each secret x every split x every position."""
    redactor = Redactor(SECRETS)
    for place in range(len(CARRIER) + 1):
        text = CARRIER[:place] + secret + CARRIER[place:]
        expected = CARRIER[:place] + MASK + CARRIER[place:]
        for pieces in splits(text):
            events = told(redactor, strand(kind, pieces))
            assert text_of(events) == expected
            assert leaks(events, [secret]) == []
            assert events[-1] == TurnEnd(outcome="complete", redactions=1)
            assert check(events) == []


def test_a_text_without_secrets_passes_as_the_same_events() -> None:
    redaction = Redactor(SECRETS).begin()
    events = strand(TextDelta, ["The ", "quick ", "brown f", "ox ", "jumps\n", "ünter 🦊 ", "", "12 dogs. "])
    told = [redaction.feed(event) for event in events]
    assert all(len(one) == 1 and one[0] is event for one, event in zip(told, events, strict=True))
    assert redaction.count == 0


def test_nothing_is_held_but_the_longest_beginning_of_a_secret() -> None:
    """T-16: text without secrets is never delayed by more than the longest possible beginning of one."""
    secrets = ["hunter2", "hunger-strike", "aaaa", "tea-12345"]
    redactor = Redactor(secrets, patterns=())
    dice = random.Random(7)
    for _ in range(60 * TRIES):
        redaction, came, out = redactor.begin(), "", ""
        for _ in range(30):
            piece = dice.choice(["hu", "h", "unt", "er", "hung", "aa", "b", " ", "te", "a-1", "é", "the "])
            if any(secret in came + piece for secret in secrets):
                continue
            came += piece
            out += text_of(redaction.feed(TextDelta(id="m", text=piece)))
            beginnings = [
                length for secret in secrets for length in range(len(secret)) if came.endswith(secret[:length])
            ]
            assert out == came[: len(came) - max(beginnings)]
        assert out + text_of(redaction.feed(TextEnd(id="m"))) == came


@pytest.mark.parametrize(
    ("secrets", "text", "expected", "count"),
    [
        (["aaaa"], "aaa aaaa aaaaaaa", f"aaa {MASK} {MASK}", 2),
        (["hunter2", "hunter2-prod"], "hunter2-pro hunter2-prod", f"{MASK}-pro {MASK}", 2),
        (["secret-one", "one-more"], "a secret-one-more b", f"a {MASK} b", 1),
        (["abcd", "cdef", "efgh"], "abcdefgh", MASK, 1),
        (["hunter2"], "hunter2hunter2", MASK + MASK, 2),
        (["hunter2"], "hunter hunter", "hunter hunter", 0),
        (["a\\nb!"], r"a\nb! a\\nb!", f"{MASK} {MASK}", 2),
        (['q"uo'], r'"{\"a\": \"q\\\"uo\"}"', r'"{\"a\": \"[redacted]\"}"', 1),
        (["line\nend"], r"C:\line\nend", rf"C:\{MASK}", 1),
        (["nope"], r"a \nope b", rf"a {MASK} b", 1),
    ],
)
def test_what_overlaps_is_one_mask_and_what_touches_is_two(
    secrets: list[str], text: str, expected: str, count: int
) -> None:
    redactor = Redactor(secrets)
    assert redactor.redact(text) == (expected, count)
    for pieces in splits(text):
        events = told(redactor, strand(TextDelta, pieces))
        assert (text_of(events), events[-1].redactions) == (expected, count)  # type: ignore[union-attr]


def test_a_secret_that_repeats_itself_for_ever_is_told_as_one_mask_and_not_held() -> None:
    redaction = Redactor(["aaaa"]).begin()
    out = [text_of(redaction.feed(TextDelta(id="m", text="aa"))) for _ in range(1000)]
    assert "".join(out) == MASK
    assert len(redaction._texts["m"]._held) < 4
    assert text_of(redaction.feed(TextDelta(id="m", text=" !"))) == " !"


PIECES = st.sampled_from(
    [*SECRETS, *(secret[:-1] for secret in SECRETS), *(secret[1:] for secret in SECRETS), "\\", '"', "\\u00", "\\ud83e"]
    + [
        "\ud83e",
        "\udd8a",
        "\\udd8a",
        "n",
        "u",
        "/",
        "\\\\",
        " ",
        "0",
        "a",
        "sk-",
        "ghp_",
        "x" * 40,
        "eyJ",
        ".eyJ",
        "://u:p@",
    ]
    + [json.dumps(secret, ensure_ascii=ascii) for secret in SECRETS for ascii in (True, False)]
    + [json.dumps(json.dumps(secret)) for secret in SECRETS]
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=8).map("".join), st.randoms(use_true_random=False))
@settings(max_examples=3000 if SOAK else 300, deadline=None)
def test_a_text_reads_the_same_however_it_was_cut(text: str, dice: random.Random) -> None:
    redactor = Redactor(SECRETS, patterns=[*DEFAULT_PATTERNS, r"\bno-[0-9]{2,3}", "[0-9]{1,2}(no-)u?1", "a{4,6}"])
    whole = redactor.redact(text)
    cuts = sorted(dice.randrange(len(text) + 1) for _ in range(dice.randrange(6)))
    for pieces in ([text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)], list(text)):
        events = told(redactor, strand(TextDelta, pieces))
        assert (text_of(events), events[-1].redactions) == whole  # type: ignore[union-attr]
        assert not [secret for secret in SECRETS for form in forms(secret) if form in text_of(events)]


@given(
    st.lists(st.text('ab"\\n/é🦊u0', min_size=4, max_size=9).filter(lambda text: text.strip()), min_size=1, max_size=3),
    st.lists(st.text('ab"\\n/é🦊u0', max_size=9), max_size=5),
    st.randoms(use_true_random=False),
)
@settings(max_examples=3000 if SOAK else 300, deadline=None)
def test_no_secret_is_left_in_any_text_or_arguments(secrets: list[str], pieces: list[str], dice: random.Random) -> None:
    redactor = Redactor(secrets)
    text = dice.choice(secrets).join(pieces)
    args = json.dumps({"a": text, text: [1, text]}, ensure_ascii=dice.random() < 0.5)
    for kind, stream in ((TextDelta, text), (ToolCallDelta, args)):
        size = dice.randrange(1, 5)
        events = told(redactor, strand(kind, [stream[start : start + size] for start in range(0, len(stream), size)]))
        assert check(events) == []
        out = text_of(events)
        assert not [secret for secret in secrets if secret in out]
        if kind is ToolCallDelta:
            assert not [secret for secret in secrets for held in strings(end_of(events).args) if secret in held]


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for half in pair for text in strings(half)]
    return [text for item in value for text in strings(item)] if isinstance(value, list) else [str(value)]


# ------------------------------------------------------------------ parts and their ends


def test_what_is_held_is_told_before_the_end_of_its_part() -> None:
    redaction = Redactor(["hunter2"]).begin()
    assert redaction.feed(TextDelta(id="m", text="the hunt")) == [TextDelta(id="m", text="the ")]
    assert redaction.feed(TextDelta(id="m", text="er")) == []
    assert redaction.feed(ReasoningDelta(id="m/1", text="hunter1")) == [ReasoningDelta(id="m/1", text="hunter1")]
    end = TextEnd(id="m")
    assert redaction.feed(end) == [TextDelta(id="m", text="hunter"), end]
    assert redaction.feed(end) == [end]


def test_parts_of_the_same_id_and_different_kinds_do_not_mix() -> None:
    redaction = Redactor(["hunter2"]).begin()
    events = [TextDelta(id="m", text="hunt"), ReasoningDelta(id="m", text="er2"), ToolCallDelta(id="m", args="[1]")]
    assert [redaction.feed(event) for event in events] == [[], [events[1]], [events[2]]]


def test_the_turn_does_not_end_before_all_is_told() -> None:
    """Events of a run that was killed may lack the ends of parts; what was held is told, as of parts cut off."""
    redaction = Redactor(["hunter2-prod"]).begin()
    for event in (
        TextDelta(id="a", text="hunt"),
        ReasoningDelta(id="b", text="hunter2-"),
        ToolCallDelta(id="c", args="12"),
    ):
        assert redaction.feed(event) == []
    assert redaction.feed(TurnEnd(outcome="cancelled")) == [
        TextDelta(id="a", text="hunt"),
        ReasoningDelta(id="b", text=MASK),
        ToolCallDelta(id="c", args="12"),
        TurnEnd(outcome="cancelled", redactions=1),
    ]


@pytest.mark.parametrize(
    ("secret", "rest", "partial", "expected"),
    [
        ("0123456789abcdef", "01234567", True, MASK),
        ("0123456789abcdef", "0123456", True, "0123456"),
        ("0123456789abcdefgh", "01234567", True, "01234567"),
        ("0123456789abcdefgh", "012345678", True, MASK),
        ("0123456789abcdef", "0123456789abcde", False, "0123456789abcde"),
        ('0"1"2"3"4"5"', r"0\"1\"2\"3\"", True, MASK),
        ("hunter2", "hunter", True, "hunter"),
    ],
)
def test_of_a_literal_that_was_cut_off_half_and_eight_characters_are_masked(
    secret: str, rest: str, partial: bool, expected: str
) -> None:
    redactor = Redactor([secret])
    for kind in (TextDelta, ReasoningDelta):
        for pieces in splits(f"so {rest}"):
            events = told(redactor, strand(kind, pieces, partial=partial))
            assert text_of(events) == f"so {expected}"
            assert check(events) == []


def test_redactions_counts_the_masks_of_the_whole_turn() -> None:
    redaction = Redactor(["hunter2"]).begin()
    redaction.feed(TextDelta(id="m", text="hunter2 "))
    redaction.feed(ToolCallDelta(id="c", args='{"a": "hunter2"}'))
    redaction.feed(ToolCallEnd(id="c", name="t", args={"a": "hunter2"}))
    assert redaction.count == 2
    redaction.feed(ToolResult(id="c", content="hunter2 hunter2", artifact={"hunter2": 1}))
    assert redaction.count == 5
    end = TurnEnd(outcome="error", error=ErrorInfo(code="E", message="hunter2"), redactions=10)
    assert redaction.feed(end) == [
        TurnEnd(outcome="error", error=ErrorInfo(code="E", message=MASK), redactions=16),
    ]


def test_what_is_certain_is_told_at_once() -> None:
    redaction = Redactor(["hunter2"], patterns=[r"\bAKIA[A-Z0-9]{16}", "id-(?:a|b){4}"]).begin()
    for secret in ("hunter2", "AKIA" + "X1" * 8, "id-abba"):
        assert redaction.feed(TextDelta(id="m", text=f"my {secret}")) == [TextDelta(id="m", text=f"my {MASK}")]
        redaction.feed(TextDelta(id="m", text=". "))


def test_turns_do_not_share_what_is_open() -> None:
    redactor = Redactor(["hunter2"])
    first, second = redactor.begin(), redactor.begin()
    assert first.feed(TextDelta(id="m", text="hunt")) == []
    assert second.feed(TextDelta(id="m", text="er2")) == [TextDelta(id="m", text="er2")]
    assert (first.count, second.count) == (0, 0)


# ------------------------------------------------------------------ arguments


@pytest.mark.parametrize("ascii", [True, False])
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_in_arguments_is_masked_in_every_form_however_they_are_cut(secret: str, ascii: bool) -> None:
    """T-16: also in JSON-escaped args and across args deltas. The joined args parse to those of the end."""
    redactor = Redactor(SECRETS)
    for place in range(0, len(CARRIER) + 1, 1 if SOAK else 5):
        text, masked = (CARRIER[:place] + held + CARRIER[place:] for held in (secret, MASK))
        inside = json.dumps({"in": text}, ensure_ascii=ascii)
        args = json.dumps({"k": text, secret: [secret, {"n": 1.5}], "j": inside}, ensure_ascii=ascii)
        expected = {"k": masked, MASK: [MASK, {"n": 1.5}], "j": json.dumps({"in": masked}, ensure_ascii=ascii)}
        for pieces in splits(args):
            events = told(redactor, strand(ToolCallDelta, pieces))
            assert json.loads(text_of(events)) == expected
            assert end_of(events).args == expected
            assert check(events) == []
            assert leaks(events, [secret]) == []
            assert events[-1] == TurnEnd(outcome="complete", redactions=4)


@pytest.mark.parametrize(
    "text", [r'{"k": "\u0068unter\u0032"}', r'{"k": "slash\/of"}', r'{"k": "\u00E9\ud83e\uDD8Aé🦊"}']
)
def test_escapes_that_nobody_had_to_write_hide_nothing(text: str) -> None:
    redactor = Redactor(["hunter2", "slash/of", "é🦊é🦊"])
    for pieces in splits(text):
        events = told(redactor, strand(ToolCallDelta, pieces))
        assert end_of(events).args == {"k": MASK}
        assert text_of(events) == f'{{"k": "{MASK}"}}'


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ('{"pin": 8675309, "n": 12}', {"pin": MASK, "n": 12}),
        ('{"pin":8675309}', {"pin": MASK}),
        ("8675309", MASK),
        ("[-1.8675309, 8675308, 86753090]", [MASK, 8675308, MASK]),
        ("[8.675309e6, 8.675309e3, true, null]", [MASK, 8675.309, True, None]),
        ("[1.8675.309, -8675309x]", None),
        ("[NaN, Infinity, 1e999]", [float("nan"), float("inf"), float("inf")]),
    ],
)
def test_a_number_that_holds_a_secret_becomes_the_text_of_the_mask(args: str, expected: Any) -> None:
    redactor = Redactor(["8675309"], patterns=())
    for pieces in splits(args):
        events = told(redactor, strand(ToolCallDelta, pieces))
        assert repr(end_of(events).args) == repr(expected)
        assert check(events) == []
    assert repr(redactor.redact(parsed(args)[0])[0]) == repr(expected)


@pytest.mark.parametrize("levels", range(4))
def test_strings_of_arguments_are_read_as_deep_as_any_text(levels: int) -> None:
    text = 'pa"ss"'
    for _ in range(levels):
        text = json.dumps(text)
    args, redactor = {"k": text}, Redactor(SECRETS)
    events = told(redactor, strand(ToolCallDelta, [json.dumps(args)]))
    assert redactor.redact(args) == (end_of(events).args, 1)


def test_arguments_without_secrets_pass_untouched() -> None:
    args = '{"a": "\\u00e9 \\/ \\d", "b":[1.50, 2e5 ,true],"c":{}}'
    for pieces in splits(args):
        sent = strand(ToolCallDelta, pieces)
        events = told(Redactor(["hunter2"]), sent)
        assert text_of(events) == args
        assert end_of(events) is end_of(sent)


@pytest.mark.parametrize(
    "text",
    [
        "{'key': 'hunter2'}",
        '{"a": "hunter2',
        "hunter2",
        '{"a": hunter2, "b}',
        '"pa"ss"" and pa"ss"',
        '{"a": "x\\hunter2"',
    ],
)
def test_arguments_that_do_not_parse_are_masked_as_text(text: str) -> None:
    redactor = Redactor(SECRETS)
    for pieces in splits(text):
        events = told(redactor, strand(ToolCallDelta, pieces, partial=True))
        assert leaks(events, SECRETS) == []
        assert check(events) == []
        assert end_of(events).invalid is None or MASK in end_of(events).invalid
    assert redactor.redact(ToolCallEnd(id="c", name="t", invalid=text))[1] > 0


@pytest.mark.parametrize(
    ("secret", "args", "expected"),
    [
        ('"quoted"', '{"quoted": 1}', {MASK: 1}),
        ('a": "b', '{"xa": "bx", "c": 2}', None),
        ("09, 4", "[8675309, 4, 5]", [MASK, 5]),
        ('"a", "b"', '["a", "b", "c"]', [MASK, "c"]),
        ('x", "y', '["ax", "yb"]', [f"a{MASK}b"]),
        (': "x', '{"a": "xy"}', None),
    ],
)
def test_a_secret_that_holds_the_marks_of_json_itself_is_masked_too(secret: str, args: str, expected: Any) -> None:
    """Such a mask may make arguments invalid; then the end says that, and nothing is told that was a secret."""
    for pieces in splits(args):
        events = told(Redactor([secret]), strand(ToolCallDelta, pieces))
        assert leaks(events, [secret]) == []
        assert check(events) == []
        assert end_of(events).args == expected


def test_a_long_run_of_digits_is_not_held_for_ever() -> None:
    redaction = Redactor(["8675309"], patterns=()).begin()
    redaction.feed(ToolCallDelta(id="c", args="["))
    out = [text_of(redaction.feed(ToolCallDelta(id="c", args="12345"))) for _ in range(1000)]
    assert len("".join(out)) >= 4500


def test_the_end_of_a_call_without_deltas_is_masked() -> None:
    redaction = Redactor(["hunter2"]).begin()
    end = ToolCallEnd(id="c", name="hunter2", args={"a": ["hunter2"]})
    assert redaction.feed(end) == [ToolCallEnd(id="c", name="hunter2", args={"a": [MASK]})]


# ------------------------------------------------------------------ the fields of events

HIDDEN = "hunter2"


@pytest.mark.parametrize(
    "event",
    [
        TurnStart(turn_id="1", input={"messages": [HIDDEN]}),
        ToolCallEnd(id="c", name="t", args=[HIDDEN]),
        ToolCallEnd(id="c", name="t", invalid=HIDDEN),
        ToolOutputDelta(id="c", data=HIDDEN),
        ToolResult(id="c", content=HIDDEN, artifact={"a": HIDDEN}),
        Media(id="m", message_id="m", kind="image", source=SOURCE, data=HIDDEN, ref=HIDDEN, block=[HIDDEN]),
        Citation(id="m", data={"url": HIDDEN}),
        MessageReplaced(message_id="m", text=HIDDEN, source=SOURCE),
        StateSnapshot(values={HIDDEN: 1}),
        StateDelta(node="n", changes=(HIDDEN,)),
        StructuredOutput(value=HIDDEN),
        Interrupt(
            id="i",
            value=HIDDEN,
            actions=(Action(name="t", args={"a": HIDDEN}, description=HIDDEN), Action(name="t")),
            response_schema={"default": HIDDEN},
        ),
        Custom(data=HIDDEN),
        Raw(mode="x", data=HIDDEN),
        Extracted(name="t", kind="k", data=HIDDEN),
        Display(bundle={"text/plain": HIDDEN}, title=HIDDEN),
        Progress(text=HIDDEN),
        TaskUpdate(task_id="t", state="done", title=HIDDEN),
        TurnEnd(
            outcome="error",
            error=ErrorInfo(code="E", message=HIDDEN),
            reason=HIDDEN,
            open_calls=(OpenCall(id="c", name="t", args={"a": HIDDEN}),),
        ),
    ],
    ids=lambda event: type(event).__name__,
)
def test_every_field_of_foreign_make_is_masked(event: Event) -> None:
    redaction = Redactor([HIDDEN]).begin()
    [read] = redaction.feed(event)
    expected = json.loads(encode(event).replace(HIDDEN.encode(), MASK.encode()))
    if isinstance(event, TurnEnd):
        expected["redactions"] = redaction.count
    assert to_dict(read) == expected
    assert type(read) is type(event)
    assert redaction.count == encode(event).count(HIDDEN.encode())
    if isinstance(read, Interrupt):
        assert [type(action) for action in read.actions] == [Action, Action]


def test_every_field_is_masked_or_known_to_be_ours() -> None:
    """A new field of foreign make must not be forgotten: it is masked, or it is added here."""
    ids = "id turn_id thread_id message_id call_id task_id parent_id checkpoint_id ids interrupts"
    names = "name node role kind code model mode mime type status outcome cause state allowed lane parent source"
    others = "provider refusal partial replayed percent usage redactions input_tokens output_tokens attempt"
    ours = set(f"{ids} {names} {others}".split())
    provider = {(ReasoningEnd, "signature"), (ReasoningEnd, "encrypted"), (Usage, "details")}
    streams = {(TextDelta, "text"), (ReasoningDelta, "text"), (ToolCallDelta, "args")}
    classes = {(NodeEnd, "error"), (Extracted, "error")}
    for kind in (*get_args(Event), Action, OpenCall, ErrorInfo):
        for field in msgspec.structs.fields(kind):
            kept = field.name in ours or (kind, field.name) in provider | streams | classes
            assert kept != (field.name in _FIELDS.get(kind, ())), (kind, field.name)


def test_ids_names_and_signatures_stay() -> None:
    source = Source(node=HIDDEN, lane=(HIDDEN,))
    events: list[Event] = [
        TextStart(id=HIDDEN, message_id=HIDDEN, source=source, role=HIDDEN),
        ReasoningEnd(id=HIDDEN, signature=HIDDEN, encrypted=HIDDEN),
        ToolResult(id=HIDDEN, call_id=HIDDEN, name=HIDDEN, message_id=HIDDEN, source=source),
        TurnEnd(outcome="error", error=ErrorInfo(code=HIDDEN, message="", id=HIDDEN)),
    ]
    redaction = Redactor([HIDDEN]).begin()
    for event in events:
        [read] = redaction.feed(event)
        assert read is event


# ------------------------------------------------------------------ values

Pair = namedtuple("Pair", "user password")


@dataclasses.dataclass
class Login:
    user: str
    password: str


class Word(str):
    pass


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a", ("b", HIDDEN)], ["a", ("b", MASK)]),
        ({"a": {HIDDEN: 1}, HIDDEN: 2, MASK: 3}, {"a": {MASK: 1}, MASK: 2, f"{MASK}~2": 3}),
        ({1: HIDDEN}, {"1": MASK}),
        (Pair("ann", HIDDEN), {"user": "ann", "password": MASK}),
        (Login("ann", HIDDEN), {"user": "ann", "password": MASK}),
        ([Login("ann", "x"), Login("ann", HIDDEN)], [Login("ann", "x"), {"user": "ann", "password": MASK}]),
        (b"\xff" + HIDDEN.encode(), b"\xff" + MASK.encode()),
        (bytearray(HIDDEN.encode()), MASK.encode()),
        (Word(HIDDEN), MASK),
        (PurePosixPath("/x", HIDDEN), f"/x/{MASK}"),
        ({HIDDEN}, [MASK]),
        (deque([HIDDEN]), [MASK]),
        ('{"a": "hunter\\u0032"}', f'{{"a": "{MASK}"}}'),
    ],
)
def test_a_value_is_masked_and_keeps_its_form_where_json_has_one(value: Any, expected: Any) -> None:
    before = repr(value)
    masked, count = Redactor([HIDDEN]).redact(value)
    assert (masked, type(masked)) == (expected, type(expected))
    assert count == before.count("hunter")
    assert repr(value) == before


@pytest.mark.parametrize(
    ("value", "expected"),
    [(8675309, MASK), (1.8675309, MASK), (Decimal("8675309.5"), MASK + ".5"), (True, True), (12, 12)],
)
def test_numbers_are_masked_by_their_text(value: Any, expected: Any) -> None:
    assert Redactor(["8675309", "True"]).redact(value) == (expected, int(value != expected))


def test_what_holds_no_secret_stays_the_same_object() -> None:
    redactor = Redactor([HIDDEN])
    for value in (["a", {"b": (1, 2.5, None)}], Login("a", "b"), AIMessage("hello"), b"\xff\x00", {1: 2}, object()):
        assert redactor.redact(value) == (value, 0)
        assert redactor.redact(value)[0] is value


def test_messages_are_masked_one_by_one() -> None:
    """A history is a list of messages: those without a secret stay what they are."""
    clean, dirty = HumanMessage("hello", id="1"), AIMessage("it is hunter2", id="2")
    (first, second), count = Redactor([HIDDEN]).redact([clean, dirty])
    assert first is clean
    assert (second["content"], second["id"], second["type"], count) == (f"it is {MASK}", "2", "ai", 1)


def test_odd_values_never_raise() -> None:
    class Rude:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

    loop: list[Any] = [HIDDEN]
    loop.append(loop)
    deep: Any = HIDDEN
    for _ in range(500):
        deep = [deep]
    shared: Any = [HIDDEN]
    for _ in range(30):
        shared = [shared, shared]
    redactor = Redactor([HIDDEN])
    assert redactor.redact(loop) == ([MASK, {"$cycle": "list"}], 1)
    assert redactor.redact(deep) == (deep, 0)  # the codec does not write it either
    assert redactor.redact(shared)[1] == 2**30
    for value in (float("nan"), float("-inf"), 10**5000, "\ud83e", "\udd8a\ud83e", Rude(), Rude, ..., len):
        assert redactor.redact(value) == (value, 0)
        assert redactor.redact([value, HIDDEN])[1] == 1
    for event in (
        Custom(data=loop),
        TurnStart(turn_id="1", input=Rude()),
        TurnEnd(outcome="complete", open_calls=(OpenCall(id="c", name="t", args=loop),)),
    ):
        assert leaks(redactor.begin().feed(event), [HIDDEN]) == []


def test_halves_of_a_pair_hide_no_secret() -> None:
    redactor = Redactor(["key 🦊"])
    assert redactor.redact("my key \ud83e\udd8a!") == (f"my {MASK}!", 1)
    assert Redactor(["key \ud83e\udd8a"]).redact("my key 🦊!") == (f"my {MASK}!", 1)
    redactor = Redactor(["🦊-🦊-"], patterns=())
    for pieces in splits("a\ud83e\udd8a-\ud83e\udd8a-b"):
        assert text_of(told(redactor, strand(TextDelta, pieces))) == f"a{MASK}b"


# ------------------------------------------------------------------ patterns

KEYS = [
    "sk-" + "aB3" * 16,
    "sk-ant-api03-" + "aB3_-" * 18,
    "sk-proj-" + "aB3_-" * 20,
    "sk_live_" + "aB3" * 8,
    "rk_test_" + "aB3" * 8,
    "ghp_" + "aB3" * 12,
    "github_pat_" + "aB3_" * 20,
    "glpat-" + "aB3_-" * 4,
    "AKIA" + "ABCD" * 4,
    "ASIA" + "ABC4" * 4,
    "xoxb-123456789-" + "aB3" * 6,
    "AIza" + "aB3_-" * 7,
    "hf_" + "aB3" * 11,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("before", "after"), [("my ", " !"), ("", ""), ('{"a":"', '"}'), ("x\n", "\n"), ("k=", "&"), (r"\n", r"\n")]
)
def test_common_keys_are_masked_however_they_are_cut(key: str, before: str, after: str) -> None:
    redactor = Redactor()
    text = before + key + after
    assert redactor.redact(text) == (before + MASK + after, 1)
    for pieces in splits(text):
        assert text_of(told(redactor, strand(TextDelta, pieces))) == before + MASK + after


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.def-ghi~jkl+mno/pqr==", f"Authorization: Bearer {MASK}"),
        ("postgresql://admin:s3cr3t!@db.internal/prod", f"postgresql://admin:{MASK}@db.internal/prod"),
        ("redis://:s3cr3t@cache:6379 and http://a.b:80/c@d", f"redis://:{MASK}@cache:6379 and http://a.b:80/c@d"),
    ],
)
def test_only_the_group_of_a_pattern_is_masked(text: str, expected: str) -> None:
    for pieces in splits(text):
        assert text_of(told(Redactor(), strand(TextDelta, pieces))) == expected


@pytest.mark.parametrize(
    "text",
    [
        "task-0123456789abcdef01234567",
        "a desk-",
        "the bearer of news",
        "sk-short",
        "https://example.com:80/path?q=a@b",
        "MAKIA" + "A" * 16,
        "eyJ.eyJ.",
        "://",
        "risk-management-in-practice-for-all",
        "monkey s",
    ],
)
def test_what_only_resembles_a_key_is_told(text: str) -> None:
    for pieces in splits(text):
        assert text_of(told(Redactor(), strand(TextDelta, pieces))) == text


def test_an_edge_counts_where_a_literal_begins_alike() -> None:
    redactor = Redactor(["sk-a-literal"])
    for pieces in splits("task-0123456789abcdef01234567 task-a-literal"):
        events = told(redactor, strand(TextDelta, pieces))
        assert text_of(events) == f"task-0123456789abcdef01234567 ta{MASK}"


def test_a_match_that_can_grow_is_held_until_it_has_grown() -> None:
    redaction = Redactor(patterns=["id-[0-9]{4,6}(?:x|yz)?"]).begin()
    assert [
        text_of(redaction.feed(TextDelta(id="m", text=piece))) for piece in ("an id", "-1234", "56", "y", "z.")
    ] == [
        "an ",
        "",
        "",
        "",
        f"{MASK}.",
    ]


def test_a_mask_inside_a_certain_match_waits_for_what_overlaps_it() -> None:
    redaction = Redactor(["cd-efg"], patterns=["ab(cd)-e"]).begin()
    assert [text_of(redaction.feed(TextDelta(id="m", text=piece))) for piece in ("ab", "cd-", "e", "fg", "!")] == [
        "",
        "",
        "ab",
        MASK,
        "!",
    ]
    redaction = Redactor(["cd-efg"], patterns=["ab(cd)-e"]).begin()
    assert [text_of(redaction.feed(TextDelta(id="m", text=piece))) for piece in ("abcd-e", "!")] == ["ab", f"{MASK}-e!"]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"pin:\d{4}", "pin:1234 pin:12", f"{MASK} pin:12"),
        (r"(?:ab|c{2,3}d?){2}", "abccd. cccd", f"{MASK}. cccd"),
        (r"[^]x]{3}\]{1,2}", "xab-]]", f"x{MASK}"),
        (r"\b(?:no|yes)-\x41\u0042.{0,2}", "ano-AB yes-AB!!!", f"ano-AB {MASK}!"),
        (r"key=(\w{1,5}|\$\{\w{1,9}\})", "key=${home} key=a", f"key={MASK} key={MASK}"),
        (r"aaaa|bbbb", "aaaa bbbb aaa", f"{MASK} {MASK} aaa"),
        (r"(?:|x)tail", "xtail", MASK),
        (r"x?tail", "tail y xtail", f"{MASK} y {MASK}"),
        (r"[a-c]{4,5}", "abcabca", MASK),
    ],
)
def test_a_pattern_of_ones_own_reads_as_python_reads_it(pattern: str, text: str, expected: str) -> None:
    redactor = Redactor(patterns=[pattern])
    assert redactor.redact(text)[0] == expected
    for pieces in splits(text):
        assert text_of(told(redactor, strand(TextDelta, pieces))) == expected


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("abcd*", "character 5"),
        ("abcd+", "character 5"),
        ("abcd{3,}", "character 5"),
        ("abcd{,3}", "character 5"),
        ("abcd{3,2}", "character 10"),
        ("abcd{0}", "character 8"),
        ("abcde??", "character 7"),
        ("^abcd", "character 1"),
        ("abcd$", "character 5"),
        (r"abcd\b", "character 5"),
        (r"(?:ab)cd\1", "character 9"),
        ("(?=abcd)", "character 2"),
        ("(?i)abcd", "character 2"),
        ("(abcd", "character 1"),
        ("abcd)", "character 5"),
        ("abcd[", "character 5"),
        ("ab(?:c?){3}d", "character 12"),
        ("(abcd){2}", "character 10"),
        ("(abcd)(efgh)", "several groups"),
        (r"\babcd|efgh", "need a group"),
        ("abc", "3 to 3 characters"),
        ("", "0 to 0 characters"),
        ("a{9000}", "9000 to 9000 characters"),
        ("a" * 201, "longer than 200"),
        ("abc[z-a]", "classes"),
    ],
)
def test_a_pattern_without_bounds_or_with_unknown_marks_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused:
        Redactor(patterns=["abcd", pattern])
    assert str(refused.value).startswith("pattern 2 cannot be used: ")
    assert refused.value.__cause__ is None


# ------------------------------------------------------------------ the redactor itself


@pytest.mark.parametrize("secret", ["", "   ", "\n\n\n\n\n", "abc", "redacted", "[redacted]"])
def test_a_secret_that_ordinary_text_holds_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(
        UsageError, match=r"secret 2 is blank, shorter than 4 characters, or a piece of the mask"
    ) as refused:
        Redactor(["hunter2", secret])
    assert "hunter2" not in repr(refused.value)


@pytest.mark.parametrize(
    ("secrets", "came"), [("hunter2", "one text"), (["hunter2", None], "NoneType"), ([b"hunter2"], "bytes")]
)
def test_secrets_come_as_a_list_of_texts(secrets: Any, came: str) -> None:
    with pytest.raises(UsageError, match=f"the secrets came as {came}: expected a list of texts") as refused:
        Redactor(secrets)
    assert "hunter2" not in repr(refused.value)
    with pytest.raises(UsageError, match="the patterns came as one text"):
        Redactor(patterns="abcd")


def test_a_redactor_does_not_show_its_secrets() -> None:
    redactor = Redactor(iter(["hunter2", "hunter3"]))
    assert repr(redactor) == f"Redactor(2 secrets, {len(DEFAULT_PATTERNS)} patterns)"
    assert "hunter" not in repr(redactor.begin())


def test_without_secrets_and_patterns_nothing_is_masked() -> None:
    redactor = Redactor(patterns=())
    text = r'any "text" \n 🦊 ' + KEYS[0]
    assert redactor.redact(text) == (text, 0)
    assert text_of(told(redactor, strand(TextDelta, list(text)))) == text


# ------------------------------------------------------------------ real turns


@pytest.mark.parametrize("name", CASE_NAMES)
async def test_redacted_turns_obey_the_grammar(name: str) -> None:
    """Every word of five letters that is said is taken for a secret; none is left, and all parts are in order."""
    for turn in await turns_of(CASES[name], ("messages", "updates", "tasks", "custom")):
        words = {word for word in re.findall(r"[^\W_]{5,}", said(turn.events)) if word not in MASK}
        events = told(Redactor(words), turn.events)
        assert check(events, open_calls=turn.open_calls) == []
        left = said(events)
        assert [word for word in words if word in left] == []
        assert check(told(Redactor(), turn.events), open_calls=turn.open_calls) == []


def said(events: Iterable[Event]) -> str:
    """What others have said in the events: the text of each part, and the payloads."""
    parts: dict[str, list[Event]] = {}
    payloads: list[Any] = []
    for event in events:
        if is_delta(event):
            parts.setdefault(f"{type(event)} {event.id}", []).append(event)  # type: ignore[union-attr]
        else:
            fields = to_dict(event)
            payloads += [fields.get(name) for name in ("input", "args", "content", "data", "value", "changes")]
    return "\n".join([*map(text_of, parts.values()), *strings(payloads)])


def test_a_redactor_with_more_secrets_finds_what_the_first_one_does_as_well() -> None:
    first = Redactor(["hunter2-one"], patterns=[r"tok_[a-z]{4}"])
    second = first.adding(["hunter2-two"])
    assert second.redact("hunter2-one hunter2-two tok_abcd")[0] == f"{MASK} {MASK} {MASK}"
    assert first.redact("hunter2-two")[0] == "hunter2-two"
    assert repr(second) == "Redactor(2 secrets, 1 patterns)"
