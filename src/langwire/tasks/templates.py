"""Knows the four forms by which a plan's step takes what other steps made, and how text is put in their place.

| form | becomes |
|---|---|
| `{{ tasks.draft }}` | the result of the step `draft` |
| `{{ tasks.draft.files }}` | the names of its artifacts, one a line |
| `{{ input.topic }}` | the plan run's input `topic` |
| `{{ secrets.token }}` | the secret of that name |

Blanks inside the braces do not matter. What is no text becomes compact JSON. A literal `{{` is written `{{{{`; a `}}`
or a single brace stands for itself. Nothing else may stand behind `{{`. What was put in is never looked at again, so a
result that holds a form stays as it is.

The work is linear in the size of the template: no part of it is looked at twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import msgspec

from langwire.errors import InvalidPlan

NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}+"
"""What names of steps, inputs and secrets look like, as a regular expression."""

MAX_LEVELS = 64
"""How many levels of lists and objects `render_value` and `names_in` go down."""

_Sources: TypeAlias = Mapping[str, Mapping[str, Any]]

# The group that matched says what the form asks for; none did where the braces hold something else.
_OPENING = re.compile(
    r"(?P<literal>(?:\{\{\{\{)++)|\{\{(?:[ \t]*+(?:"
    rf"tasks\.(?P<files>{NAME})\.files|tasks\.(?P<tasks>{NAME})|input\.(?P<inputs>{NAME})|secrets\.(?P<secrets>{NAME})"
    r")[ \t]*+\}\})?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What templates ask for: `tasks` whose result and `files` whose artifacts they name, `inputs` and `secrets`."""

    tasks: frozenset[str]
    files: frozenset[str]
    inputs: frozenset[str]
    secrets: frozenset[str]


def names_in(template: Any) -> Names:
    """Return what a template asks for, or all templates in a JSON value.

    Raises `InvalidPlan`, which names it, for anything behind `{{` that is no form.
    """
    found: dict[str, set[str]] = {"tasks": set(), "files": set(), "inputs": set(), "secrets": set()}

    def look(text: str) -> str:
        for opening in _OPENING.finditer(text):
            kind = _kind(opening)
            if kind != "literal":
                found[kind].add(opening[kind])
        return text

    _with_texts(template, look)
    return Names(**{kind: frozenset(names) for kind, names in found.items()})


def render(
    template: str,
    *,
    tasks: Mapping[str, Any],
    files: Mapping[str, Sequence[str]],
    inputs: Mapping[str, Any],
    secrets: Mapping[str, str],
) -> str:
    """Return the template with values in the place of its forms.

    `tasks` are the results and `files` the names of the artifacts of steps, by the names of the steps. Raises
    `InvalidPlan` for what is no form, and for a name without a value.
    """
    return _text(template, {"tasks": tasks, "files": files, "inputs": inputs, "secrets": secrets})


def render_value(
    value: Any,
    *,
    tasks: Mapping[str, Any],
    files: Mapping[str, Sequence[str]],
    inputs: Mapping[str, Any],
    secrets: Mapping[str, str],
) -> Any:
    """Return a JSON value with each text in it rendered; keys stay as they are.

    A text that is one form and nothing else becomes the value itself: a result that is an object stays one, and files
    are a list of names. Raises as `render` does, and `InvalidPlan` for a value of more than 64 levels.
    """
    sources: _Sources = {"tasks": tasks, "files": files, "inputs": inputs, "secrets": secrets}

    def change(text: str) -> Any:
        whole = _OPENING.fullmatch(text)
        if whole is None or _kind(whole) == "literal":
            return _text(text, sources)
        found = _found(whole, sources)
        return list(found) if whole.lastgroup == "files" else found

    return _with_texts(value, change)


def _text(template: str, sources: _Sources) -> str:
    def change(opening: re.Match[str]) -> str:
        if _kind(opening) == "literal":
            return opening[0][: len(opening[0]) // 2]
        found = _found(opening, sources)
        if opening.lastgroup == "files":
            return "\n".join(found)
        return found if isinstance(found, str) else msgspec.json.encode(found).decode()

    return _OPENING.sub(change, template)


def _kind(opening: re.Match[str]) -> str:
    if opening.lastgroup is not None:
        return opening.lastgroup
    came, closing, _ = opening.string[opening.start() : opening.start() + 80].partition("}}")
    raise InvalidPlan(
        f"{came + closing!a} came in a template: expected {{{{ tasks.<name> }}}}, {{{{ tasks.<name>.files }}}}, "
        "{{ input.<key> }} or {{ secrets.<name> }}; write {{{{ for a literal {{"
    )


def _found(form: re.Match[str], sources: _Sources) -> Any:
    kind = _kind(form)
    try:
        return sources[kind][form[kind]]
    except KeyError:
        known = ", ".join(sorted(sources[kind])) or "none"
        raise InvalidPlan(f"{form[0]} has no value here: expected one of these {kind}: {known:.200}") from None


def _with_texts(value: Any, change: Callable[[str], Any], level: int = 0) -> Any:
    """Return a JSON value with each text in it changed."""
    if isinstance(value, str):
        return change(value)
    if not isinstance(value, Mapping | list):
        return value
    if level == MAX_LEVELS:
        raise InvalidPlan(f"a value of more than {MAX_LEVELS} levels came: expected lists and objects of fewer")
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {key: _with_texts(item, change, level + 1) for key, item in items}
    return [_with_texts(item, change, level + 1) for item in cast("list[Any]", value)]
