"""The contract of the wire: the checked-in files are what the code makes, and no change of it goes unnoticed."""

from __future__ import annotations

import copy
import json
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from langwire.core import schema as module
from langwire.core.codec import to_dict
from langwire.core.schema import incompatibilities, json_schema, main, typescript
from langwire.events import (
    Action,
    Entry,
    ErrorInfo,
    Event,
    Interrupt,
    OpenCall,
    Source,
    TextStart,
    TokenUsage,
    ToolResult,
    TurnEnd,
    Usage,
)

FOLDER = Path(__file__).parents[2] / "schema"
EVENT_CLASSES: tuple[type[Any], ...] = get_args(Event)


# ------------------------------------------------------------------ the files


def test_the_checked_in_files_are_what_the_code_makes() -> None:
    """If this fails: `python -m langwire.core.schema --write`, after a look at what `--check` calls incompatible."""
    assert json.loads((FOLDER / "events.schema.json").read_text("utf-8")) == json_schema()
    assert (FOLDER / "events.ts").read_text("utf-8") == typescript()
    assert main(["--check"]) == 0


def test_the_checked_in_schema_is_compatible_with_the_code() -> None:
    checked_in = json.loads((FOLDER / "events.schema.json").read_text("utf-8"))
    assert incompatibilities(checked_in, json_schema()) == []


def test_stale_files_are_told_and_can_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], folder=tmp_path) == 1
    assert capsys.readouterr().out.splitlines() == [
        "events.schema.json is not what the code makes: run `python -m langwire.core.schema --write`",
        "events.ts is not what the code makes: run `python -m langwire.core.schema --write`",
    ]
    assert main(["--write"], folder=tmp_path) == 0
    assert main(["--check"], folder=tmp_path) == 0
    assert capsys.readouterr().out == ""
    for name in ("events.schema.json", "events.ts"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_a_stale_schema_is_told_with_what_the_change_breaks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--write"], folder=tmp_path)
    old = json_schema()
    old["$defs"]["TextDelta"]["properties"]["mood"] = {"type": "string"}
    (tmp_path / "events.schema.json").write_text(json.dumps(old), "utf-8")
    assert main(["--check"], folder=tmp_path) == 1
    stale, broken = capsys.readouterr().out.splitlines()
    assert stale.startswith("events.schema.json is not what the code makes")
    assert broken == "incompatible: TextDelta.mood is gone"


def test_the_module_runs_as_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["schema", "--check"])
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_path(module.__file__, run_name="__main__")


# ------------------------------------------------------------------ the JSON Schema


def matches(value: Any, kind: dict[str, Any], defs: dict[str, Any]) -> bool:
    """Return whether a JSON value fits a schema, for the few keywords that ours uses."""
    if "$ref" in kind:
        kind = defs[kind["$ref"].removeprefix("#/$defs/")] | {
            k: v for k, v in kind.items() if k not in ("$ref", "$defs")
        }
    if "anyOf" in kind:
        return any(matches(value, option, defs) for option in kind["anyOf"])
    if "enum" in kind:
        return value in kind["enum"]
    if not all(matches(value, part, defs) for part in kind.get("allOf", ())):
        return False
    match kind.get("type"):
        case "object":
            return (
                isinstance(value, dict)
                and all(name in value for name in kind.get("required", ()))
                and all(
                    matches(member, kind.get("properties", {}).get(name, {}), defs) for name, member in value.items()
                )
            )
        case "array":
            return isinstance(value, list) and all(matches(member, kind["items"], defs) for member in value)
        case None:
            return True
        case word:
            types = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
            return isinstance(value, types[word])


EXAMPLES: list[Any] = [
    TextStart(id="m", message_id="m", source=Source(lane=("a", "b"), node="n")),
    ToolResult(id="c", status="error", content=[{"type": "text"}], artifact=1.5),
    Usage(message_id="m", input_tokens=1, details={"cache": 1}),
    Interrupt(id="i", actions=(Action(name="a", allowed=("approve", "edit")),), response_schema={"type": "string"}),
    TurnEnd(
        outcome="error",
        error=ErrorInfo(code="KeyError", message="it failed"),
        interrupts=("i",),
        open_calls=(OpenCall(id="c", name="n", args={"a": 1}),),
        usage=TokenUsage(input_tokens=1),
        redactions=2,
    ),
]


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_what_the_codec_writes_fits_the_schema(event: Any) -> None:
    schema = json_schema()
    defs, line = schema["$defs"], to_dict(event)
    assert matches(line, schema, defs)
    assert matches({"seq": 1, "at_ms": 2, **line}, defs["Entry"], defs)
    assert not matches(line, defs["Entry"], defs)
    assert not matches({"seq": 1, "at_ms": 2}, defs["Entry"], defs)
    assert not matches({**line, "type": "nope"}, schema, defs)
    for name in defs[type(event).__name__]["required"]:
        assert not matches({key: value for key, value in line.items() if key != name}, schema, defs)


def test_each_event_has_its_definition_with_its_own_words() -> None:
    schema = json_schema()
    assert (schema["$id"], schema["version"]) == ("urn:langwire:events:1", 1)
    assert list(schema["$defs"]["Event"]["discriminator"]["mapping"]) == [
        c.__struct_config__.tag for c in EVENT_CLASSES
    ]
    for kind in (*EVENT_CLASSES, Source, Action, OpenCall, ErrorInfo, TokenUsage, Entry):
        definition = schema["$defs"][kind.__name__]
        assert definition["description"].splitlines()[0] == kind.__doc__.splitlines()[0]
        assert "\n    " not in definition["description"]


# ------------------------------------------------------------------ TypeScript


def test_each_event_is_an_interface_of_the_union() -> None:
    text = typescript()
    union = re.search(r"export type LangwireEvent =\n(.*?);", text, re.DOTALL)
    assert union
    assert re.findall(r"\| (\w+)", union[1]) == [kind.__name__ for kind in EVENT_CLASSES]
    assert re.findall(r"export interface (\w+) \{\n  type: \"(\w+)\";", text) == [
        (kind.__name__, kind.__struct_config__.tag) for kind in EVENT_CLASSES
    ]


def test_an_interface_says_what_may_be_missing_and_what_it_means_then() -> None:
    assert (
        "/**\n"
        " * A node is over. `error` is the exception's class name.\n"
        " *\n"
        " * `replayed`: its saved writes were used. `left`: the run went on without an end from LangGraph.\n"
        " * `cancelled`: the turn ended under it.\n"
        " */\n"
        "export interface NodeEnd {\n"
        '  type: "node_end";\n'
        "  id: string;\n"
        '  /** Default: "ok". */\n'
        '  status?: "cancelled" | "error" | "interrupted" | "left" | "ok" | "replayed";\n'
        "  error?: string | null;\n"
        "}\n"
    ) in typescript()


@pytest.mark.parametrize(
    "line",
    [
        "  source: Source;",
        "  input?: unknown;",
        "  percent?: number | null;",
        "  redactions?: number;",
        "  partial?: boolean;",
        "  lane: ReadonlyArray<string>;",
        '  allowed?: ReadonlyArray<"approve" | "edit" | "reject" | "respond">;',
        "  open_calls?: ReadonlyArray<OpenCall>;",
        "  bundle: Readonly<Record<string, unknown>>;",
        "  details?: Readonly<Record<string, unknown>> | null;",
        "export type Entry = LangwireEvent & {\n  seq: number;\n  at_ms: number;\n};",
    ],
)
def test_each_kind_of_type_has_its_typescript(line: str) -> None:
    assert f"{line}\n" in typescript()


def test_a_comment_cannot_be_closed_by_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = json_schema()
    schema["$defs"]["TextDelta"]["description"] = "a */ b"
    monkeypatch.setattr(module, "json_schema", lambda: schema)
    assert "/** a * / b */\nexport interface TextDelta" in typescript()


# ------------------------------------------------------------------ what a change breaks


def changed(change: Callable[[dict[str, Any]], object]) -> list[str]:
    new = copy.deepcopy(json_schema())
    change(new["$defs"])
    return incompatibilities(json_schema(), new)


def drop_event(defs: dict[str, Any]) -> None:
    del defs["Custom"], defs["Event"]["discriminator"]["mapping"]["custom"]


def retag(defs: dict[str, Any]) -> None:
    mapping = defs["Event"]["discriminator"]["mapping"]
    mapping["text_piece"] = mapping.pop("text_delta")
    defs["TextDelta"]["properties"]["type"] = {"enum": ["text_piece"]}


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (drop_event, ["no event has the type 'custom' any more"]),
        (
            retag,
            ["no event has the type 'text_delta' any more", "TextDelta.type cannot be 'text_delta' any more"],
        ),
        (lambda defs: defs.pop("Source"), ["Source is gone"]),
        (lambda defs: defs["Source"]["properties"].pop("node"), ["Source.node is gone"]),
        (lambda defs: defs["Entry"]["properties"].pop("at_ms"), ["Entry.at_ms is gone"]),
        (
            lambda defs: defs["TextDelta"]["properties"].update(text={"type": "integer"}),
            ['TextDelta.text was {"type": "string"}, is {"type": "integer"}'],
        ),
        (
            lambda defs: defs["SubagentStart"]["properties"]["lane"].update(items={"type": "integer"}),
            ['SubagentStart.lane[] was {"type": "string"}, is {"type": "integer"}'],
        ),
        (
            lambda defs: defs["TurnEnd"]["properties"]["outcome"]["enum"].remove("timeout"),
            ["TurnEnd.outcome cannot be 'timeout' any more"],
        ),
        (
            lambda defs: defs["Action"]["properties"]["allowed"]["items"]["enum"].remove("edit"),
            ["Action.allowed[] cannot be 'edit' any more"],
        ),
        (
            lambda defs: defs["TextStart"]["properties"]["role"].update(default="user"),
            ["TextStart.role means 'user' where it is left out, not 'assistant'"],
        ),
        (
            lambda defs: (
                defs["TextDelta"]["properties"].update(mood={"type": "string"}),
                defs["TextDelta"]["required"].append("mood"),
            ),
            ["TextDelta.mood is required now"],
        ),
        (lambda defs: defs["Progress"]["required"].append("percent"), ["Progress.percent is required now"]),
        (lambda defs: defs["TextDelta"]["required"].remove("id"), ["TextDelta.id may be missing now"]),
    ],
)
def test_a_change_that_breaks_readers_is_found(
    change: Callable[[dict[str, Any]], object], sentences: list[str]
) -> None:
    assert changed(change) == sentences


def add_event(defs: dict[str, Any]) -> None:
    defs["Mood"] = {"title": "Mood", "properties": {"type": {"enum": ["mood"]}}, "required": ["type"]}
    defs["Event"]["discriminator"]["mapping"]["mood"] = "#/$defs/Mood"


@pytest.mark.parametrize(
    "change",
    [
        add_event,
        lambda defs: defs["TextDelta"]["properties"].update(mood={"type": "string", "default": ""}),
        lambda defs: defs["TurnEnd"]["properties"]["outcome"]["enum"].append("paused"),
        lambda defs: defs["TextDelta"].update(description="other words"),
    ],
)
def test_what_only_adds_breaks_nobody(change: Callable[[dict[str, Any]], object]) -> None:
    assert changed(change) == []
