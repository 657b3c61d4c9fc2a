"""Writes docs/reference.md and the event table of the README from the docstrings.

`python tests/docs/reference_page.py` writes both files; a test says when they are not what the code makes.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

import langwire
from langwire import errors, events, testing
from langwire.core import conformance
from langwire.testing import corpus

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
REFERENCE = ROOT / "docs" / "reference.md"

BEGIN, END = "<!-- events: begin -->\n", "<!-- events: end -->\n"

_SECTION = re.compile(r"^# -{10,} (.+)$|^class (\w+)\(", re.M)
_SENTENCE = re.compile(r"(.+?[.?!])(?=\s|$)", re.S)
_HEAD = """\
# Reference

Made from the docstrings by `python tests/docs/reference_page.py`: do not edit.

"""

# Beside what `langwire` itself exports.
_FURTHER = {
    "langwire.core.transcript": ["Message", "Strand", "Call", "Result", "Subagent"],
    "langwire.core.interrupts": ["Decision", "resume_map", "read_interrupt"],
    "langwire.core.conformance": ["Problem", "Checker"],
    "langwire.core.codec": ["encode", "encode_entry", "to_dict", "decode", "decode_entry", "jsonable"],
    "langwire.core.schema": ["json_schema", "typescript", "incompatibilities"],
    "langwire.adapters.plain": ["PlainEncoder"],
    "langwire.sessions.session": ["SessionState", "History"],
    "langwire.sessions.log": ["Log", "Reader", "Reset"],
    "langwire.sessions.store": ["SessionStore", "SessionRecord", "Answer", "Page", "MemorySessionStore"],
    "langwire.sessions.summary": ["TurnSummary"],
    "langwire.tasks": [
        "TaskRunner",
        "TaskClient",
        "Task",
        "TaskQuery",
        "TaskPage",
        "TaskPolicy",
        "Limits",
        "Retry",
        "Plan",
        "PlanRun",
        "HandlerContext",
        "TaskContext",
        "current_task",
        "ArtifactStore",
        "TaskStore",
        "MemoryTaskStore",
        "SQLiteTaskStore",
        "Dispatcher",
        "InProcessDispatcher",
        "outcome_to_state",
    ],
    "langwire.host": ["load_agent"],
}


# ------------------------------------------------------------------ the events


def event_groups() -> dict[str, list[type]]:
    """Return the events by the headings under which the vocabulary has them."""
    members = set(get_args(events.Event))
    groups: dict[str, list[type]] = {}
    group: list[type] = []
    for heading, name in _SECTION.findall(inspect.getsource(events)):
        if heading:
            group = groups.setdefault(heading, [])
        elif getattr(events, name) in members:
            group.append(getattr(events, name))
    return {heading: group for heading, group in groups.items() if group}


def event_table() -> str:
    """Return the README's table: one line for each event, with the first sentence of what it says."""
    lines = ["| event | says |", "|---|---|"]
    for heading, group in event_groups().items():
        lines.append(f"| **{heading}** | |")
        lines += [f"| `{event.__name__}` | {_escaped(_first_sentence(event))} |" for event in group]
    return "\n".join(lines) + "\n"


def readme_with_table(readme: str) -> str:
    """Return the README with its table as the code makes it."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + event_table() + END + after


# ------------------------------------------------------------------ the reference


def reference() -> str:
    """Return the whole page."""
    parts = [_HEAD + _paragraphs(langwire)]
    parts += ["## `langwire`", *(_entry(name, getattr(langwire, name)) for name in langwire.__all__ if name[0] != "_")]
    parts += ["## `langwire.events`", _paragraphs(events)]
    for heading, group in event_groups().items():
        parts += [f"### Events: {heading}", *map(_struct, group)]
    shared = [events.Source, events.Action, events.OpenCall, events.ErrorInfo, events.TokenUsage, events.Entry]
    parts += ["### What events are made of, and the entry of a log", *map(_struct, shared)]
    parts += ["## `langwire.errors`", _drawn(errors)]
    for module, names in _FURTHER.items():
        home = importlib.import_module(module)
        said = _drawn(home) if home is conformance else _paragraphs(home)
        parts += [f"## `{module}`", said, *(_entry(name, getattr(home, name)) for name in names)]
    parts += ["## `langwire.testing`", *(_entry(name, getattr(testing, name)) for name in testing.__all__)]
    return "\n\n".join(parts) + "\n"


def _entry(name: str, value: Any) -> str:
    if inspect.isfunction(value):
        return f"### `{name}{_signature(value)}`\n\n{_paragraphs(value)}"
    if isinstance(value, type) and issubclass(value, msgspec.Struct):
        return _struct(value)
    if isinstance(value, type):
        return _class(name, value)
    assert value is corpus.CASES, f"{name} is neither a function nor a class: say what describes it"
    return f"### `{name}`\n\n{_paragraphs(corpus)}"


def _struct(kind: type[msgspec.Struct]) -> str:
    annotations = inspect.get_annotations(kind)
    rows = [
        f"| `{field.name}` | `{_escaped(annotations[field.name])}` | {_default(field)} |" for field in _fields(kind)
    ]
    table = "\n".join(["| field | type | default |", "|---|---|---|", *rows])
    return f"### `{kind.__name__}`\n\n{_paragraphs(kind)}\n\n{table}"


def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def _shown(value: object) -> str:
    """A default as source has it: a function by its name, which its repr lacks."""
    return value.__name__ if inspect.isfunction(value) else repr(value)


def _default(field: msgspec.structs.FieldInfo) -> str:
    return "" if field.required else f"`{field.default!r}`"


def _class(name: str, kind: type) -> str:
    made = "__init__" in vars(kind) and not getattr(kind, "_is_protocol", False)
    head = f"### `{name}{_signature(vars(kind)['__init__'], bound=True) if made else ''}`"
    return "\n\n".join([head, _paragraphs(kind), *_members(kind)])


def _members(kind: type) -> Iterator[str]:
    """The public methods and properties that a class has of itself and that say what they do."""
    for name, member in vars(kind).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if name.startswith(("_", "model_")) or not inspect.isfunction(function) or not function.__doc__:
            continue
        signature = "" if isinstance(member, property) else _signature(function, bound=True)
        asynchronous = "async " if inspect.isasyncgenfunction(function) else ""
        said = " ".join(_paragraphs(function).split())
        yield f"- `{asynchronous}{name}{signature}`: {said}"


def _signature(function: Callable[..., Any], *, bound: bool = False) -> str:
    """A signature as the source has it. `inspect` would write the same one differently from Python to Python."""
    parts: list[str] = []
    kinds = inspect.Parameter
    parameters = list(inspect.signature(function).parameters.values())[bound:]
    for number, parameter in enumerate(parameters):
        if parameter.kind is kinds.KEYWORD_ONLY and "*" not in "".join(part[:1] for part in parts):
            parts.append("*")
        stars = {kinds.VAR_POSITIONAL: "*", kinds.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = "" if parameter.default is kinds.empty else f" = {_shown(parameter.default)}"
        parts.append(f"{stars}{parameter.name}: {parameter.annotation}{default}")
        following = parameters[number + 1 : number + 2]
        if parameter.kind is kinds.POSITIONAL_ONLY and (not following or following[0].kind is not parameter.kind):
            parts.append("/")
    returned = inspect.signature(function).return_annotation
    return f"({', '.join(parts)}) -> {returned}"


# ------------------------------------------------------------------ words


def _paragraphs(value: Any) -> str:
    return inspect.cleandoc(value.__doc__ or "")


def _drawn(module: Any) -> str:
    """A docstring whose indents mean something."""
    return f"```text\n{_paragraphs(module)}\n```"


def _first_sentence(kind: type) -> str:
    text = " ".join(_paragraphs(kind).partition("\n\n")[0].split())
    found = _SENTENCE.match(text)
    return found[1] if found else text


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write both files."""
    REFERENCE.write_text(reference(), "utf-8")
    README.write_text(readme_with_table(README.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
