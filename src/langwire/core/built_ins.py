"""Knows the tools that agents commonly have, and what of their use is meant for people.

What a tool says that it did counts for more than what it was asked to do. A payload in no known form tells nothing,
and neither does an answer that says of itself that it failed (`success` is false, an `error`, the status `error`, a
text that begins with "Error" where only a report is expected).
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Iterator
from typing import Any, TypeGuard, cast

from langwire.core._displays import displays_of, read_json
from langwire.core.codec import jsonable
from langwire.core.extractors import ANY_TOOL, Extraction, Extractors, ToolUse, extractor

# ------------------------------------------------------------------ todos


@extractor("write_todos", "TodoWrite", "todo_write")
def todos(use: ToolUse) -> Iterator[Extraction]:
    """The list of todos that an agent keeps: `todos`, a list of `{"content", "status"}` with whatever else was there.

    An empty list is told too: the agent has cleared it.
    """
    for payload in () if _failed(use) or _begins_with_error(use) else _todo_payloads(use):
        items = _todos(payload)
        if items is not None:
            yield use.extracted("todos", items)
            return


def _todo_payloads(use: ToolUse) -> Iterator[Any]:
    yield use.text.rpartition("Updated todo list to ")[2]  # what was written, also after a person has edited it
    yield _record(use.args, "todos")
    if use.artifact is not None or len(use.text) <= _LIST_CHARACTERS:
        yield jsonable(use.value)


_LIST_CHARACTERS = 100_000
"""No list of todos is longer as text; what is, is not looked into."""


def _todos(payload: Any) -> list[dict[str, Any]] | None:
    if _is_record(payload):
        payload = payload.get("todos")
    if isinstance(payload, str) and len(payload) <= _LIST_CHARACTERS:
        payload = read_json(payload) or _literal(payload)
    if not isinstance(payload, list):
        return None
    items = cast("list[Any]", payload)
    read = [todo for todo in map(_todo, items) if todo is not None]
    return read if read or not items else None


def _todo(item: Any) -> dict[str, Any] | None:
    fields: dict[str, Any] = item if _is_record(item) else {"content": item}
    content = _text_in(fields, "content", "title", "task", "text")
    if not content:
        return None
    status = _text_in(fields, "status", "state") or "pending"
    return {**fields, "content": content, "status": status}


_ESCAPE = re.compile(r"\\.?", re.DOTALL)
_ESCAPES_OF_REPR = frozenset(f"\\{character}" for character in "\\'nrtxuU")


def _literal(text: str) -> Any:
    """A list as `repr` writes it: no other escapes, on which the Python compiler comments."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]") and _ESCAPES_OF_REPR.issuperset(_ESCAPE.findall(text))):
        return None
    try:
        return jsonable(literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


# ------------------------------------------------------------------ reflections


@extractor("think_tool", "think")
def reflections(use: ToolUse) -> Iterator[Extraction]:
    """What an agent thinks aloud by way of a tool: `reflection`, a text."""
    names = ("reflection", "thought")
    thoughts = [record.get(name) for record in (_record(use.args, *names), _answer(use, *names)) for name in names]
    for text in (*thoughts, "" if type(use.value) is dict else use.text):
        if isinstance(text, str) and text.strip():
            yield use.extracted("reflection", text)
            return


# ------------------------------------------------------------------ displays


@extractor("display_inline")
def displays(use: ToolUse) -> Iterator[Extraction]:
    """What a tool shows: `Display` events, out of its artifact, its result or, if it says nothing, its arguments.

    Takes `{"display_type": …, "data": …, "title": …}` (table, image, plot, html, markdown, text, json), a MIME bundle,
    an image block, an object with Jupyter's display methods as artifact, or a list of these.
    """
    for payload, plain in () if _failed(use) else _display_payloads(use):
        shown = list(displays_of(payload, plain=plain))
        if shown:
            for bundle, title in shown:
                yield use.display(bundle, title=title)
            return


def _display_payloads(use: ToolUse) -> Iterator[tuple[Any, bool]]:
    """Where something to show may be, each with whether it was read out of JSON text."""
    if use.artifact is not None:
        yield use.artifact, False
        yield read_json(use.text), True
    else:
        yield use.value, bool(use.text)  # which is read once
    yield use.content, False
    if not _begins_with_error(use):
        yield use.args, False


# ------------------------------------------------------------------ skills, memory, compression


@extractor("skill_manage", "skill_view", "load_skill")
def skills(use: ToolUse) -> Iterator[Extraction]:
    """What an agent does to its skills: `skill`, a dict of `action` and whatever else is known of it.

    That is `name`, `category`, `file_path` and, of what was written or read, the number of `characters`.
    """
    said = _said(use, "action", "name", "category", "file_path")
    written = ("content", "file_content", "new_string")
    text = _text_in(_record(use.args, *written), *written)
    if use.name != "skill_manage":
        said = {"action": "load"} | said
        text = _text_in(_answer(use, "content"), "content") or use.text
    yield from _done(use, "skill", said | _size(text))


@extractor("memory", "manage_memory", "search_memory")
def memory(use: ToolUse) -> Iterator[Extraction]:
    """What an agent does to its memory: `memory`, a dict of `action` and whatever else is known of it.

    That is `target`, `path`, `new_path`, `id`, `index`, `query` and, of what was written, the number of `characters`.
    """
    said = _said(use, "action", "target", "path", "new_path", "id", "index", "query")
    report = re.match(r"(create|update|delete)d memory (\S+)", use.text, re.IGNORECASE)
    if report is not None:
        said |= {"action": report[1].lower(), "id": report[2]}
    if use.name == "search_memory":
        said = {"action": "search"} | said
    written = ("content", "file_text", "new_str")
    yield from _done(use, "memory", said | _size(_text_in(_record(use.args, *written), *written)))


@extractor("__compression__", "compact_conversation")
def compression(use: ToolUse) -> Iterator[Extraction]:
    """How a conversation was made shorter: `compression`, a dict of the sizes that are known.

    That is `before_tokens`, `after_tokens`, `ratio`, `section_count`, `messages`, and `skipped` with its `reason`.
    """
    said = _said(use, "before_tokens", "after_tokens", "ratio", "section_count", "messages", "skipped", "reason")
    summed_up = re.search(r"[Ss]ummarized (\d{1,9}) messages", use.text)
    if summed_up is not None:
        said["messages"] = int(summed_up[1])
    elif use.text.startswith("Nothing to compact"):
        said |= {"skipped": True, "reason": use.text}
    if said and not _failed(use):
        yield use.extracted("compression", said)


_ALSO = {"action": "command", "name": "skill_name"}


def _said(use: ToolUse, *names: str) -> dict[str, Any]:
    """What the answer says of these, else the arguments: texts, numbers, yes and no."""
    asked = (*names, *_ALSO.values())
    known = _record(use.args, *asked) | _answer(use, *asked)
    values = {name: known.get(name, known.get(_ALSO.get(name, ""))) for name in names}
    return {name: value for name, value in values.items() if isinstance(value, (str, int, float))}


def _done(use: ToolUse, kind: str, said: dict[str, Any]) -> Iterator[Extraction]:
    """Tell what was done, if it is known what to, and if it did not fail."""
    if "action" in said and len(said) > 1 and not _failed(use) and not _begins_with_error(use):
        yield use.extracted(kind, said)


def _begins_with_error(use: ToolUse) -> bool:
    return use.text.lstrip()[:5].lower() == "error"


def _failed(use: ToolUse) -> bool:
    answer = _answer(use, "success", "status", "error")
    return answer.get("success") is False or answer.get("status") == "error" or bool(answer.get("error"))


def _text_in(fields: dict[str, Any], *names: str) -> str:
    return next((fields[name] for name in names if isinstance(fields.get(name), str)), "")


def _size(text: str) -> dict[str, Any]:
    return {"characters": len(text)} if text else {}


# ------------------------------------------------------------------ any tool


@extractor(ANY_TOOL)
def any_tool(use: ToolUse) -> Iterator[Extraction]:
    """Every tool that no other extractor names: `tool`, a dict of its `args` and its `result`.

    The result is data where it came as data: the artifact, or JSON that is a list or an object. Else it is the text.
    """
    value = use.value
    data = use.artifact is not None or type(value) in (dict, list)
    yield use.extracted("tool", {"args": use.args, "result": value if data else use.text})


# ------------------------------------------------------------------ what was asked, what was answered


def _answer(use: ToolUse, *names: str) -> dict[str, Any]:
    return _record(use.value, *names)


def _record(value: Any, *names: str) -> dict[str, Any]:
    """These fields of a record as plain data, whatever was in it; nothing of what is none. Reads no others."""
    record: Any = value if type(value) in (dict, list, str) else jsonable(value)
    if not _is_record(record):
        return {}
    return {name: jsonable(record[name]) for name in names if name in record}


def _is_record(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


BUILT_INS = Extractors((todos, reflections, displays, skills, memory, compression))
"""What is extracted by default; `any_tool` is not among them."""
