"""A story as a Markdown document: every event in its place, and nothing of what was said passes for ours."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from faces.golden import NAMES, entries, events, golden
from langwire.adapters.markdown import to_markdown
from langwire.core.transcript import Transcript
from langwire.events import (
    Action,
    Citation,
    Custom,
    Display,
    Entry,
    ErrorInfo,
    Event,
    Extracted,
    Interrupt,
    Media,
    MessageReplaced,
    MessagesRemoved,
    OpenCall,
    Progress,
    ReasoningDelta,
    Source,
    SubagentStart,
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
)

READER = MarkdownIt("commonmark").enable("table")
HERE = Source(agent="agent")
DONE = TurnEnd(outcome="complete")


@pytest.mark.parametrize("name", NAMES)
def test_every_story_reads_as_it_should(name: str) -> None:
    golden("markdown", name, "md", to_markdown(entries(name)))


@pytest.mark.parametrize("name", NAMES)
def test_no_story_runs_loads_or_misleads(name: str) -> None:
    """T-12, T-14: raw HTML, images and other links than http, https and mailto are shown as the text that they are."""
    tokens = [one for token in READER.parse(to_markdown(entries(name))) for one in (token, *(token.children or ()))]
    assert not [token for token in tokens if token.type.startswith("html") or token.type == "image"]
    hrefs = [str(token.attrs["href"]) for token in tokens if token.type == "link_open"]
    assert [href for href in hrefs if not re.match("(https?://|mailto:)", href)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_transcript_and_its_events_read_the_same(name: str) -> None:
    of_events = to_markdown(events(name))
    without_times = re.sub(r" in \d+\.\d s$", "", to_markdown(entries(name)), flags=re.M)
    assert re.sub(r"^(## Turn \d+), .*$", r"\1", without_times, flags=re.M) == of_events
    if "citation" not in str(events(name)).lower():
        assert sorted(to_markdown(Transcript.of(events(name))).split("\n")) == sorted(of_events.split("\n"))


def shown(*told: Event) -> str:
    """What stands in the document below the heading of the only turn."""
    return to_markdown(told).removeprefix("# Transcript\n\n## Turn 1\n\n")


def said(text: str, id: str = "m", source: Source = HERE, **more: Any) -> list[Event]:
    return [TextStart(id=id, message_id=id, source=source, **more), TextDelta(id=id, text=text), TextEnd(id=id)]


def test_a_persons_words_are_told_once() -> None:
    given = {"messages": [{"role": "user", "id": "u1", "content": "Hello"}]}
    told = to_markdown([TurnStart(turn_id="t", input=given), *said("Hello", "u1", Source(), role="user"), DONE])
    assert told.count("Hello") == 1
    assert "### You\n\nHello\n\n*complete*" in told
    assert to_markdown([*said("Hi", "u2", Source(), role="user")]).count("### You\n\nHi") == 1


def test_what_a_person_sent_beside_words_is_named() -> None:
    blocks = [{"type": "text", "text": "Look:"}, {"type": "image", "mime_type": "image/png", "base64": "AAAA"}, 7]
    assert "Look:\n\n[image image/png]\n\n[content]" in to_markdown(
        [TurnStart(turn_id="t", input={"messages": [{"role": "user", "content": blocks}], "other": "text"})]
    )
    assert "### You\n\nHi" in to_markdown([TurnStart(turn_id="t", input="Hi")])


def test_a_story_without_its_beginning_is_told_all_the_same() -> None:
    assert shown(
        TextDelta(id="a", text="late"),
        ReasoningDelta(id="r", text="hm"),
        ToolCallDelta(id="c", args="{"),
        ToolOutputDelta(id="d", data="half"),
        ToolResult(id="e", content=None, name="lost"),
        TextEnd(id="unknown"),
        MessageReplaced(message_id="nobody", text="x", source=HERE),
    ) == (
        "### Assistant\n\nlate\n\n> *Thinking*\n>\n> hm\n\n**Tool** `c`: no result\n\nArguments:\n\n```\n{\n```\n\n"
        "**Tool** `d`: no result\n\nOutput:\n\n```\nhalf\n```\n\n**Tool** `lost`: done\n\nResult:\n\n```json\nnull\n"
        "```\n\n*It still runs.*\n"
    )
    assert to_markdown([]) == "# Transcript\n"


def test_a_question_says_whether_it_was_answered() -> None:
    asked = Interrupt(id="q", value="Which?", actions=(Action(name="go", args={}, allowed=("approve", "reject")),))
    waits = TurnEnd(outcome="interrupted", interrupts=("q",))
    first = [TurnStart(turn_id="t"), asked, waits]
    assert "**Question** (waits for an answer)\n\nMay `go` be called?" in to_markdown(first)
    assert "Allowed: approve, reject" in to_markdown(first)
    again = [TurnStart(turn_id="u", cause="resume"), asked, waits]
    assert to_markdown([*first, *again]).count("**Question**") == 1
    assert "(waits for an answer)" in to_markdown([*first, *again])
    assert "(answered)" in to_markdown([*first, TurnStart(turn_id="u", cause="resume")])
    assert "(dropped)" in to_markdown([*first, TurnStart(turn_id="u")])
    answered = [*first, TurnStart(turn_id="u", cause="resume"), TurnEnd(outcome="complete"), TurnStart(turn_id="v")]
    assert "(answered)" in to_markdown(answered)
    assert "(not answered)" in to_markdown([TurnStart(turn_id="t"), asked, TurnEnd(outcome="error")])
    assert "Paused before:" in to_markdown([Interrupt(id="breakpoint", kind="breakpoint", value=["tools"])])


def test_a_task_is_told_once_with_its_newest_state() -> None:
    told = shown(
        TaskUpdate(task_id="t1", state="queued", title="Look *it* up"),
        TaskUpdate(task_id="t2", state="ongoing"),
        TaskUpdate(task_id="t1", state="review_needed", title="Look *it* up"),
    )
    assert told == "**Task** Look \\*it\\* up: review needed\n\n**Task** `t2`: ongoing\n\n*It still runs.*\n"


def test_the_work_of_lanes_stands_in_quotes_no_deeper_than_one_can_read() -> None:
    lanes = [tuple(f"node:{at}" for at in range(depth)) for depth in range(1, 31)]
    told = shown(*[event for at, lane in enumerate(lanes) for event in said(f"at {at}", f"m{at}", Source(lane=lane))])
    quoted = {line.rpartition("> at ")[2]: line.count("> ") for line in told.splitlines() if "> at " in line}
    assert quoted["0"] == 1
    assert max(quoted.values()) == 12
    assert len(quoted) == 30


def test_a_lane_of_a_call_that_nobody_knows_stands_by_itself() -> None:
    lane = SubagentStart(lane=("tools:1",), id="nobody")
    assert shown(lane, *said("found it", source=Source(lane=("tools:1",)))).startswith(
        "> **Inside**\n>\n> **Assistant:**\n>\n> found it\n"
    )
    assert to_markdown([lane, lane]).count("Inside") == 1


def test_what_was_changed_reads_as_it_is_now() -> None:
    told = to_markdown(
        [
            *said("secret"),
            *said(" more", "m/1"),
            MessageReplaced(message_id="m", text="hidden", source=HERE),
            ToolCallStart(id="c", name="look", message_id="m", source=HERE),
            ToolResult(id="c", content="raw", message_id="r"),
            MessageReplaced(message_id="r", text="cleaned", source=HERE),
            *said("gone", "x"),
            MessagesRemoved(ids=("x",)),
        ]
    )
    assert "secret" not in told
    assert "hidden" in told
    assert "raw" not in told
    assert "cleaned" in told
    assert "### agent *(removed later)*\n\ngone" in told


def test_blocks_of_code_are_longer_than_any_in_them() -> None:
    told = shown(
        ToolCallStart(id="c", name="run", message_id="m", source=HERE),
        ToolCallEnd(id="c", name="run", args={"code": "```"}),
        ToolResult(id="c", content=[{"type": "text", "text": "````\n## mine"}], status="error"),
    )
    assert '````json\n{\n  "code": "```"\n}\n````' in told
    assert "`````\n````\n## mine\n`````" in told


def test_a_message_of_media_alone_is_the_persons_who_sent_it() -> None:
    picture = Media(id="m", message_id="m", kind="image", source=HERE, mime="image/png", data="AAA=", role="user")
    told = shown(picture)
    assert told.startswith("### You\n\n*(image/png")
    assert "Assistant" not in told


def test_displays_media_and_data_are_told_in_words() -> None:
    told = shown(
        Display(bundle={"text/markdown": "# *hi*", "image/png": "AAAA" * 1000}, title="A <b>"),
        Display(bundle={"text/html": "<b>"}),
        Media(id="m", message_id="m", kind="image", source=HERE, mime="image/png", data="AAA="),
        Media(id="m", message_id="m", kind="file", source=HERE, ref="https://example.org/`x`"),
        Media(id="m", message_id="m", kind="odd", source=HERE, block={"a": 1}),
        Extracted(name="x", kind="error", error="KeyError"),
        Extracted(name="todo", kind="todos", data=["plain", {"content": "done", "status": "completed"}]),
        Citation(id="q", data={"title": "T"}),
        Citation(id="q", data=7),
        Custom(data=""),
        Progress(text="half"),
    )
    assert "**A \\<b\\>**\n\n#### *hi*\n\n*(image/png, 2 kB: not in this text)*" in told
    assert "**Shown**\n\n" in told
    assert "*(image/png, 2 bytes: not in this text)*" in told
    assert "*(file)* `https://example.org/'x'`" in told
    assert '*(odd)* {"a":1}' in told
    assert "x: failed with KeyError" in told
    assert "- [ ] plain\n- [x] done" in told
    assert "Sources:\n\n- T\n- 7" in told
    assert "**Custom**\n\n*(empty)*" in told
    assert "half" not in told


def test_the_end_of_a_turn_says_what_came_of_it() -> None:
    call = OpenCall(id="c", name="send_email")
    end = TurnEnd(outcome="cancelled", reason="changed *my* mind", open_calls=(call,), redactions=2)
    assert shown(end) == "*cancelled · changed \\*my\\* mind · no result of send\\_email · 2 redacted*\n"
    error = ErrorInfo(code="ValueError", message="the agent failed")
    assert shown(TurnEnd(outcome="error", error=error)) == "*error*\n\n**Failed:** ValueError: the agent failed\n"


def test_times_are_told_where_there_are_some() -> None:
    told = [TurnStart(turn_id="t"), ToolCallEnd(id="c", name="look"), ToolResult(id="c", content="x"), DONE]
    entries = [Entry(seq=at, at_ms=1_760_000_000_000 + 1200 * at, event=event) for at, event in enumerate(told, 1)]
    assert "## Turn 1, 2025-10-09 08:53 UTC\n\n**Tool** `look`: done in 1.2 s\n" in to_markdown(entries)


@given(st.lists(st.sampled_from([event for name in NAMES for event in events(name)]), max_size=30))
def test_no_order_of_events_makes_it_fail(told: list[Event]) -> None:
    assert to_markdown(told).startswith("# Transcript\n")
