"""The protocol as data: the checked-in files are what the code makes, and the page about it says what is so."""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import msgspec
import pytest

from langwire.adapters._shared.refusals import TABLE
from langwire.adapters.fastapi import protocol
from langwire.adapters.fastapi import schema as module
from langwire.adapters.fastapi.protocol import AnyCommand, AnyFrame
from langwire.adapters.fastapi.schema import BODIES, COMMANDS, FRAMES, json_schema, main, typescript
from langwire.core import schema as events
from langwire.core.schema import incompatibilities
from langwire.events import Event, Interrupt

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "explanation" / "protocol.md").read_text("utf-8")
NAMES = ("protocol.schema.json", "protocol.ts", "protocol.ts", "events.ts")


# ------------------------------------------------------------------ the files


def test_the_checked_in_files_are_what_the_code_makes() -> None:
    """If this fails: `python -m langwire.adapters.fastapi.schema --write`, after a look at what `--check` says."""
    assert json.loads((ROOT / "schema" / "protocol.schema.json").read_text("utf-8")) == json_schema()
    assert (ROOT / "schema" / "protocol.ts").read_text("utf-8") == typescript()
    assert main(["--check"]) == 0


def test_the_client_has_the_very_types_that_are_checked_in() -> None:
    for name in ("protocol.ts", "events.ts"):
        copy = ROOT / "web" / "client" / "src" / name
        assert copy.read_bytes() == (ROOT / "schema" / name).read_bytes()


def test_stale_files_are_told_with_what_the_change_breaks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "schema").mkdir()
    (tmp_path / "web" / "client" / "src").mkdir(parents=True)
    assert main(["--check"], root=tmp_path) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{name} is not what the code makes: run `python -m langwire.adapters.fastapi.schema --write`" for name in NAMES
    ]
    assert main(["--write"], root=tmp_path) == 0
    assert main(["--check"], root=tmp_path) == 0
    old = json_schema()
    old["$defs"]["Submit"]["properties"]["mood"] = {"type": "string"}
    old["$defs"]["Whistle"] = {"properties": {}, "required": []}
    (tmp_path / "schema" / "protocol.schema.json").write_text(json.dumps(old), "utf-8")
    capsys.readouterr()
    assert main(["--check"], root=tmp_path) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "incompatible: Submit.mood is gone",
        "incompatible: Whistle is gone",
    ]


def test_the_checked_in_schema_is_compatible_with_the_code() -> None:
    checked_in = json.loads((ROOT / "schema" / "protocol.schema.json").read_text("utf-8"))
    assert incompatibilities(checked_in, json_schema()) == []


def test_the_module_runs_as_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["schema", "--check"])
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_path(module.__file__, run_name="__main__")


# ------------------------------------------------------------------ the schema


def is_ours(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == protocol.__name__


def test_the_schema_and_the_types_have_every_shape_of_the_protocol() -> None:
    """A shape that is added to the protocol, and to none of its unions, would be unknown to clients."""
    shapes = {name for name, value in vars(protocol).items() if is_ours(value)} - {"Command", "Frame", "Error"}
    shapes |= {"ErrorFrame", "Problem", "Content"}
    assert shapes <= json_schema()["$defs"].keys()
    assert all(re.search(rf"^export (interface|type) {name} ", typescript(), re.M) for name in shapes)
    assert {*FRAMES, *COMMANDS, *BODIES} <= {value for value in vars(protocol).values() if is_ours(value)}


def test_no_frame_is_called_what_an_event_is() -> None:
    """Frames and events are told apart by `type` alone."""
    tags = [struct.__struct_config__.tag for struct in (*get_args(Event), *FRAMES)]
    assert len(set(tags)) == len(tags)


def valid(name: str, value: Any) -> bool:
    schema = {**json_schema(), "$ref": f"#/$defs/{name}"}
    del schema["anyOf"]
    return jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Command", protocol.Submit(ref="1", input=[{"type": "text", "text": "hi"}], when_busy="enqueue")),
        ("Command", protocol.Resume(answers={"q": {"type": "approve"}})),
        ("Frame", protocol.Hello(protocol=1, thread_id="t", position="a:1", running="x")),
        ("Frame", protocol.Error(code="too_deep", message="no", ref="1")),
        ("Frame", Interrupt(id="q")),
        ("ErrorFrame", protocol.Error(code="too_deep", message="no")),
        ("ThreadState", protocol.ThreadState(thread_id="t", position="a:1", interrupts=(Interrupt(id="q"),))),
        ("HistoryPage", protocol.HistoryPage(events=[msgspec.Raw(b'{"type":"text_end","id":"m"}')], position="a:1")),
        ("ThreadPage", protocol.ThreadPage(threads=(protocol.Thread(thread_id="t", created_ms=1, updated_ms=2),))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_structs_write_fits_the_schema(name: str, value: Any) -> None:
    line = json.loads(msgspec.json.encode(value))
    assert valid(name, line)
    required = json_schema()["$defs"][{"Error": "ErrorFrame"}.get(type(value).__name__, type(value).__name__)][
        "required"
    ]
    assert not any(valid(name, {key: line[key] for key in line if key != gone}) for gone in required)


def test_a_command_with_a_field_that_is_not_known_does_not_fit() -> None:
    assert valid("Command", {"type": "submit", "input": "hi"})
    assert not valid("Command", {"type": "submit", "input": "hi", "inptu": 1})
    assert valid("Content", "hi")
    assert not valid("Content", [{"type": "image_url", "url": "http://example.org"}])
    assert valid("Problem", {"error": {"code": "too_deep", "message": "no"}})
    assert not valid("Problem", {"error": {"message": "no"}})


def test_types_of_the_events_are_borrowed_and_not_told_again() -> None:
    assert 'import type { Entry, ErrorInfo, Interrupt, LangwireEvent } from "./events.js";' in typescript()
    assert "export interface Interrupt " not in typescript()
    assert "events: ReadonlyArray<LangwireEvent>;" in typescript()
    assert json_schema()["$defs"]["TurnEnd"] == events.json_schema()["$defs"]["TurnEnd"]


# ------------------------------------------------------------------ the page


def table(heading: str) -> Iterator[list[str]]:
    """Yield the cells of the rows of the table whose first column is called that."""
    _, _, rest = PAGE.partition(f"| {heading} |")
    for row in rest.split("\n\n")[0].splitlines()[2:]:
        yield [cell.strip() for cell in row.strip("|").split(" | ")]


def test_the_page_names_every_frame_command_and_reason() -> None:
    told = {name for row in table("frame") for name in re.findall(r"`(\w+)`", row[0])}
    assert told == {struct.__struct_config__.tag for struct in FRAMES}
    assert {row[0].strip("`") for row in table("command")} == {struct.__struct_config__.tag for struct in COMMANDS}
    assert {row[0].strip("`") for row in table("reason")} == set(get_args(protocol.ResetReason))


def test_the_page_has_every_code_with_its_status() -> None:
    """The codes of langwire's errors, and those that the rooms of the web write by hand."""
    told = {(int(row[0]), row[1].strip("`")) for row in table("status")}
    sources = [
        *(ROOT / "src" / "langwire" / "adapters" / "_shared").glob("*.py"),
        *(ROOT / "src" / "langwire" / "adapters" / "fastapi").glob("*.py"),
    ]
    written = re.compile(r'(?:Refused|problem)\(\s*(\d{3}),\s*"(\w+)"')
    found = {(int(status), code) for path in sources for status, code in written.findall(path.read_text("utf-8"))}
    by_name = {(422, "invalid_body"), (422, "invalid_frame"), (404, "not_found"), (405, "method_not_allowed")}
    assert told == found | set(TABLE.values()) | by_name


def test_the_page_has_every_code_with_which_a_socket_is_closed() -> None:
    source = (ROOT / "src" / "langwire" / "adapters" / "fastapi" / "socket.py").read_text("utf-8")
    assert [row[0] for row in table("close code")] == sorted(set(re.findall(r"\b1[01]\d\d\b", source)))


def test_the_page_has_every_address() -> None:
    from fastapi.routing import APIRoute, APIWebSocketRoute

    from langwire.adapters.fastapi import langwire_router
    from langwire.demo import assistant

    served: set[str] = set()
    for route in langwire_router(assistant).routes:
        if isinstance(route, APIRoute) and route.path != "/":
            served |= {f"{method} {route.path}".strip() for method in route.methods}
        elif isinstance(route, APIWebSocketRoute):
            served.add(f"WS {route.path}")
    assert {row[0].strip("`") for row in table("address")} == served


EXAMPLES = [line for line in PAGE.splitlines() if re.match(r"(→ |← |data: |)\{\"", line)]


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_of_the_page_is_what_a_server_says_or_takes(line: str) -> None:
    said = line[line.index("{") :]
    if line.startswith("→"):
        assert msgspec.json.decode(said, type=AnyCommand)
        assert valid("Command", json.loads(said))
    elif line.startswith(("←", "data:")):
        assert msgspec.json.decode(said, type=AnyFrame | Event)
        assert valid("Entry" if '"seq"' in said else "Frame", json.loads(said))
    else:
        shape = {
            "title": protocol.NewThread,
            "input": protocol.Submit,
            "thread_id": protocol.Thread,
            "type": protocol.Ack,
        }
        assert msgspec.json.decode(said, type=shape[next(iter(json.loads(said)))])


def test_the_examples_are_found() -> None:
    assert len(EXAMPLES) == 24
