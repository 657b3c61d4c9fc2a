"""Knows the wire's contract as data: a JSON Schema and TypeScript types, both made from `langwire.events`.

`python -m langwire.core.schema --check` says whether the files in `schema/` are what the code makes, `--write` makes
them. `incompatibilities` says what a change of the vocabulary would break for readers of the wire.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from langwire.events import Entry, Event

VERSION = 1
"""Counts the incompatible changes of the wire."""

Schema: TypeAlias = dict[str, Any]

_ID = f"urn:langwire:events:{VERSION}"
_DEFS = "#/$defs/"
_FOLDER = Path(__file__).parents[3] / "schema"


def json_schema() -> Schema:
    """Return the JSON Schema (2020-12) of a line on the wire: an event, or the entry of a log.

    `$defs` holds one object for each event and for what events are made of, and two of their unions: `Event`, told
    apart by `type`, and `Entry`, the same with `seq` and `at_ms` in the same flat object. Fields that are not required
    have a `default`, which they hold when they are left out.
    """
    (union,), defs = msgspec.json.schema_components([Event], ref_template=_DEFS + "{name}")
    stamps = msgspec.json.schema_components([Entry], ref_template=_DEFS + "{name}")[1]["Entry"]["properties"]
    for definition in defs.values():
        definition["description"] = inspect.cleandoc(definition["description"])
    defs["Event"] = union
    defs["Entry"] = {
        "title": "Entry",
        "description": inspect.cleandoc(Entry.__doc__ or ""),
        "allOf": [{"$ref": f"{_DEFS}Event"}],
        "type": "object",
        "properties": {name: stamps[name] for name in ("seq", "at_ms")},
        "required": ["seq", "at_ms"],
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _ID,
        "title": "LangwireEvent",
        "description": "One line of a langwire stream. Fields and types that a reader does not know are to be ignored.",
        "version": VERSION,
        "$ref": f"{_DEFS}Event",
        "$defs": defs,
    }
    return json.loads(json.dumps(schema))  # tuples become lists, as they will in the file


# ------------------------------------------------------------------ TypeScript


def typescript() -> str:
    """Return TypeScript types of the wire: an interface for each event, `LangwireEvent` as their union, and `Entry`."""
    defs: dict[str, Schema] = json_schema()["$defs"]
    events = _events(defs)
    names = [*events, *sorted(name for name in defs if name not in events and name not in ("Event", "Entry"))]
    union = "\n".join(f"  | {name}" for name in events)
    parts = [
        "// Made from langwire/events.py by `python -m langwire.core.schema --write`: do not edit.",
        f"/** Counts the incompatible changes of the wire. */\nexport const VERSION = {VERSION};",
        *(interface(defs[name]) for name in names),
        f"/** Every event, told apart by `type`. */\nexport type LangwireEvent =\n{union};",
        f"{comment(defs['Entry']['description'])}export type Entry = LangwireEvent & {fields_of(defs['Entry'])};",
    ]
    return "\n\n".join(parts) + "\n"


def _events(defs: Mapping[str, Schema]) -> dict[str, str]:
    """Return the tag of each event's definition, in the order of the vocabulary."""
    mapping: dict[str, str] = defs["Event"]["discriminator"]["mapping"]
    return {reference.removeprefix(_DEFS): tag for tag, reference in mapping.items()}


def interface(definition: Schema) -> str:
    """Return a definition of an object as a TypeScript interface, with its description."""
    return f"{comment(definition['description'])}export interface {definition['title']} {fields_of(definition)}"


def fields_of(definition: Schema) -> str:
    """Return the fields of an object as a TypeScript type in braces."""
    lines = [line for name, field in definition["properties"].items() for line in _field(definition, name, field)]
    return "\n".join(["{", *lines, "}"])


def _field(definition: Schema, name: str, field: Schema) -> Iterator[str]:
    required = name in definition["required"]
    if field.get("default") not in (None, [], {}):
        yield f"  /** Default: {json.dumps(field['default'])}. */"
    yield f"  {name}{'' if required else '?'}: {type_of(field)};"


def type_of(field: Schema) -> str:
    """Return a schema as a TypeScript type, `unknown` where it says nothing."""
    match field:
        case {"$ref": reference}:
            return str(reference).removeprefix(_DEFS)
        case {"enum": words}:
            return " | ".join(map(json.dumps, words))
        case {"anyOf": options}:
            return " | ".join(map(type_of, options))
        case {"type": "array", "items": items}:
            return f"ReadonlyArray<{type_of(items)}>"
        case {"type": "object"}:
            return "Readonly<Record<string, unknown>>"
        case {"type": "integer"}:
            return "number"
        case {"type": word}:
            return str(word)
        case _:
            return "unknown"


def comment(text: str) -> str:
    """Return a text as a TypeScript comment, on lines of its own."""
    first, *rest = text.replace("*/", "* /").splitlines()
    if not rest:
        return f"/** {first} */\n"
    return "\n".join(["/**", *(f" * {line}".rstrip() for line in (first, *rest)), " */"]) + "\n"


# ------------------------------------------------------------------ what a change breaks


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """Return one sentence for each change from schema `old` to `new` that breaks a reader, or lines written before.

    Such changes are: an event, its tag, an object or a field that is gone; another type or default; a closed set of
    words that lost one; a field that is required now, or may be missing now. New events, new optional fields and new
    words are fine.
    """
    before, after = old["$defs"], new["$defs"]
    tags = {*_events(after).values()}
    gone = [f"no event has the type {tag!r} any more" for tag in _events(before).values() if tag not in tags]
    objects = (
        name for name in before if "properties" in before[name] and (name in after or name not in _events(before))
    )
    return gone + [sentence for name in objects for sentence in _changes(name, before[name], after.get(name))]


def _changes(name: str, old: Schema, new: Schema | None) -> Iterator[str]:
    if new is None:
        yield f"{name} is gone"
        return
    for field, kind in old["properties"].items():
        if field not in new["properties"]:
            yield f"{name}.{field} is gone"
        else:
            yield from _type_changes(f"{name}.{field}", kind, new["properties"][field])
            if field in old["required"] and field not in new["required"]:
                yield f"{name}.{field} may be missing now"
    for field in new["required"]:
        if field not in old["required"]:
            yield f"{name}.{field} is required now"


def _type_changes(path: str, old: Schema, new: Schema) -> Iterator[str]:
    if "default" in old and "default" in new and old["default"] != new["default"]:
        yield f"{path} means {new['default']!r} where it is left out, not {old['default']!r}"
    if "enum" in old and "enum" in new:
        yield from (f"{path} cannot be {word!r} any more" for word in old["enum"] if word not in new["enum"])
    elif "items" in old and "items" in new:
        yield from _type_changes(f"{path}[]", old["items"], new["items"])
    elif _bare(old) != _bare(new):
        yield f"{path} was {_bare(old)}, is {_bare(new)}"


def _bare(kind: Schema) -> str:
    return json.dumps({key: value for key, value in kind.items() if key != "default"}, sort_keys=True)


# ------------------------------------------------------------------ the files


def main(arguments: Sequence[str] | None = None, *, folder: Path = _FOLDER) -> int:
    """Check or write the files of the schema in `folder`, and return the exit code: 1 when they are stale."""
    schema = json_schema()
    texts = {folder / "events.schema.json": as_text(schema), folder / "events.ts": typescript()}
    return check_or_write("langwire.core.schema", schema, texts, arguments)


def as_text(schema: Schema) -> str:
    """Return a schema as the text of its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def check_or_write(module: str, schema: Schema, texts: Mapping[Path, str], arguments: Sequence[str] | None) -> int:
    """Do what `python -m {module}` is told to do with its files, and return the exit code: 1 when they are stale.

    `texts` has what the files are to hold; the first of them is the one of `schema`.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description="The schema of the wire.")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--check", action="store_true", help="say whether the files are what the code makes")
    choice.add_argument("--write", action="store_true", help="write the files")
    write: bool = parser.parse_args(arguments).write
    stale = [file for file, text in texts.items() if not file.exists() or file.read_text("utf-8") != text]
    if write:
        for file in stale:
            file.write_text(texts[file], "utf-8", newline="\n")
        return 0
    for file in stale:
        sys.stdout.write(f"{file.name} is not what the code makes: run `python -m {module} --write`\n")
    json_file = next(iter(texts))
    if json_file in stale and json_file.exists():
        for sentence in incompatibilities(json.loads(json_file.read_text("utf-8")), schema):
            sys.stdout.write(f"incompatible: {sentence}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
