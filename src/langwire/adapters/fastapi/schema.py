"""Knows the protocol as data: a JSON Schema and TypeScript types, both made from `langwire.adapters.fastapi.protocol`.

`python -m langwire.adapters.fastapi.schema --check` says whether the files in `schema/`, and the copies that the
TypeScript client has of them, are what the code makes; `--write` makes them.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec

from langwire.adapters.fastapi import protocol
from langwire.core import schema as events
from langwire.core.schema import Schema, as_text, check_or_write, comment, interface, type_of

COMMANDS: tuple[type[msgspec.Struct], ...] = get_args(protocol.AnyCommand)
FRAMES: tuple[type[msgspec.Struct], ...] = get_args(protocol.AnyFrame)
BODIES: tuple[type[msgspec.Struct], ...] = (
    protocol.NewThread,
    protocol.Rename,
    protocol.Thread,
    protocol.ThreadPage,
    protocol.ThreadState,
    protocol.HistoryPage,
    protocol.UploadedFile,
    protocol.About,
)

_ID = f"urn:langwire:protocol:{protocol.VERSION}"
_DEFS = "#/$defs/"
_ROOT = Path(__file__).parents[4]
_ERROR_FRAME = "ErrorFrame"
"""What `Error` is called here: a type of that name would hide JavaScript's own."""
_EVENT = "LangwireEvent"
"""What `Event` is called in TypeScript, for the same reason."""


def json_schema() -> Schema:
    """Return the JSON Schema (2020-12) of the protocol: what a client may send is `Command`, what it reads is `Frame`.

    `$defs` holds both, every command, frame, body and answer, what stands in an HTTP answer that is none (`Problem`),
    and all of the schema of events.
    """
    structs = (*COMMANDS, *FRAMES, *BODIES)
    defs = msgspec.json.schema_components([*structs, protocol.Content], ref_template=_DEFS + "{name}")[1]
    for definition in defs.values():
        definition["description"] = inspect.cleandoc(definition["description"])
    defs[_ERROR_FRAME] = {**defs.pop("Error"), "title": _ERROR_FRAME}
    defs["HistoryPage"]["properties"]["events"]["items"] = {"$ref": f"{_DEFS}Event"}
    defs["Content"] = msgspec.json.schema_components([protocol.Content], ref_template=_DEFS + "{name}")[0][0]
    defs["Command"] = _union(COMMANDS)
    own = _union(FRAMES)
    defs["Frame"] = {"anyOf": [{"$ref": f"{_DEFS}Entry"}, {"$ref": f"{_DEFS}Event"}, *own["anyOf"]]}
    defs["Problem"] = _problem(defs[_ERROR_FRAME])
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _ID,
        "title": "LangwireProtocol",
        "description": "What a client and the server say to each other. A client ignores what it does not know.",
        "version": protocol.VERSION,
        "anyOf": [{"$ref": f"{_DEFS}Command"}, {"$ref": f"{_DEFS}Frame"}],
        "$defs": {**defs, **events.json_schema()["$defs"]},
    }
    return json.loads(json.dumps(schema))  # tuples become lists, as they will in the file


def _union(structs: Sequence[type[msgspec.Struct]]) -> Schema:
    references = {str(struct.__struct_config__.tag): f"{_DEFS}{_name(struct)}" for struct in structs}
    return {
        "anyOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "type", "mapping": references},
    }


def _problem(frame: Schema) -> Schema:
    said = {name: frame["properties"][name] for name in ("code", "message", "id")}
    return {
        "title": "Problem",
        "description": "What HTTP answers in place of what was asked for.",
        "type": "object",
        "properties": {"error": {"type": "object", "properties": said, "required": ["code", "message"]}},
        "required": ["error"],
    }


def _name(struct: type[Any]) -> str:
    return _ERROR_FRAME if struct is protocol.Error else struct.__name__


# ------------------------------------------------------------------ TypeScript


def typescript() -> str:
    """Return TypeScript types of the protocol, which stand beside those of the events."""
    known = events.json_schema()["$defs"]
    defs: dict[str, Schema] = json_schema()["$defs"]
    defs["HistoryPage"]["properties"]["events"]["items"] = {"$ref": _DEFS + _EVENT}
    commands, frames = list(map(_name, COMMANDS)), list(map(_name, FRAMES))
    own = [*commands, "TextBlock", "FileBlock", *frames, *map(_name, BODIES)]
    borrowed = ", ".join(_borrowed([defs[name] for name in own], known))
    parts = [
        "// Made from langwire/adapters/fastapi/protocol.py by `python -m langwire.adapters.fastapi.schema --write`: "
        "do not edit.",
        f'import type {{ {borrowed} }} from "./events.js";',
        f"/** Counts the incompatible changes of the protocol. */\nexport const VERSION = {protocol.VERSION};",
        *(interface(defs[name]) for name in own),
        "/** What a person says: text, or pieces of text and files. */\n"
        f"export type Content = {type_of(defs['Content'])};",
        _choice("Every command, told apart by `type`.", "Command", commands),
        f"/** An event of the past: it has no number. */\nexport type PastEvent = {_EVENT} & {{ seq?: undefined }};",
        _choice("Everything that a reader gets.", "Frame", ["Entry", "PastEvent", *frames]),
        f"{comment(defs['Problem']['description'])}export interface Problem {{\n"
        f'  error: Pick<{_ERROR_FRAME}, "code" | "message" | "id">;\n}}',
    ]
    return "\n\n".join(parts) + "\n"


def _borrowed(definitions: Sequence[Schema], known: Schema) -> list[str]:
    """Return the names of the events' file that definitions of ours make use of."""
    used = re.findall(rf'"{re.escape(_DEFS)}(\w+)"', json.dumps(definitions))
    return sorted({name for name in used if name in known} - {"Event"} | {"Entry", _EVENT})


def _choice(description: str, name: str, options: Iterable[str]) -> str:
    return f"/** {description} */\nexport type {name} =\n" + "\n".join(f"  | {option}" for option in options) + ";"


# ------------------------------------------------------------------ the files


def main(arguments: Sequence[str] | None = None, *, root: Path = _ROOT) -> int:
    """Check or write the files below `root`, and return the exit code: 1 when they are stale."""
    schema, types = json_schema(), typescript()
    client = root / "web" / "client" / "src"
    texts = {
        root / "schema" / "protocol.schema.json": as_text(schema),
        root / "schema" / "protocol.ts": types,
        client / "protocol.ts": types,
        client / "events.ts": events.typescript(),
    }
    return check_or_write("langwire.adapters.fastapi.schema", schema, texts, arguments)


if __name__ == "__main__":
    sys.exit(main())
