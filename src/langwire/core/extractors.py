"""Knows how something meant for people is read out of what a tool did: the protocol, and who is asked for which tool.

An extractor names its tools and turns one finished use of such a tool into `Extracted` and `Display` events. It is
asked once for each result, with the whole of it, whatever a wire may cut later, and whether or not the tool itself
is shown. Tools that failed are not extracted from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import msgspec

from langwire.core._displays import read_json
from langwire.core._guards import is_mapping
from langwire.core.codec import jsonable
from langwire.errors import UsageError
from langwire.events import Display, Event, Extracted, Lane

ANY_TOOL = "*"
"""Stands among an extractor's `tools` for every tool that no other extractor names."""

Extraction: TypeAlias = Extracted | Display
OnError: TypeAlias = "Callable[[ToolUse, Exception], None]"


class ToolUse(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One finished use of a tool: how it was called, and what it answered.

    `args` are the parsed arguments, None where the call is not known or did not parse. `content` is the result as the
    model reads it, text or a list of blocks; `artifact` what the tool kept for the application. `id` is the call's
    part id, None for a tool that is not shown. Read only: the values are those of the graph.
    """

    name: str
    args: Any = None
    content: Any = None
    artifact: Any = None
    id: str | None = None
    call_id: str | None = None
    lane: Lane = ()

    @cached_property
    def text(self) -> str:
        """The result's text: its content, or the text blocks of it joined."""
        if type(self.content) is str:
            return self.content
        content = jsonable(self.content)
        return "".join(map(_text_of, cast("list[Any]", content if isinstance(content, list) else [content])))

    @cached_property
    def value(self) -> Any:
        """What the tool answered as data: its artifact, else its text read as JSON, else content without a text."""
        if self.artifact is not None:
            return self.artifact
        text = self.text
        return read_json(text) if text or type(self.content) is str else self.content

    def argument(self, name: str) -> Any:
        """Return an argument by name, or None."""
        return self.args.get(name) if is_mapping(self.args) else None

    def extracted(self, kind: str, data: Any) -> Extracted:
        """Make the event that says what was read out of this use."""
        return Extracted(id=self.id, name=self.name, kind=kind, data=data, lane=self.lane)

    def display(self, bundle: dict[str, Any], *, title: str | None = None) -> Display:
        """Make the event that shows something inline: `bundle` maps MIME types to one thing in several forms."""
        return Display(id=self.id, bundle=bundle, title=title, lane=self.lane)


def _text_of(block: Any) -> str:
    text: Any = block.get("text") if is_mapping(block) else block
    return text if isinstance(text, str) else ""


@runtime_checkable
class Extractor(Protocol):
    """Reads something out of the uses of its tools.

    `tools` are names, or `"*"` for every tool that no other extractor names. `extract` is sync and pure, and makes its
    events with `use.extracted` and `use.display`. What it raises is told as an `Extracted` of the kind `error`; the
    turn goes on.
    """

    @property
    def tools(self) -> Collection[str]: ...

    def extract(self, use: ToolUse, /) -> Iterable[Extraction]: ...


class FunctionExtractor(msgspec.Struct, frozen=True):
    """An extractor made of a function."""

    tools: tuple[str, ...]
    extract: Callable[[ToolUse], Iterable[Extraction]]

    def __repr__(self) -> str:
        return getattr(self.extract, "__name__", type(self.extract).__name__)


def extractor(*tools: str) -> Callable[[Callable[[ToolUse], Iterable[Extraction]]], FunctionExtractor]:
    """Make an extractor of a function: `@extractor("search")` above `def found(use): yield use.extracted(…)`.

    `tools` are the names of its tools, `"*"` for any. Raises `UsageError` when none is given.
    """
    if not tools or not all(isinstance(name, str) for name in cast("tuple[Any, ...]", tools)):
        raise UsageError(f'@extractor came with {tools!r}: expected the names of tools, as in @extractor("search")')
    return lambda function: FunctionExtractor(tools, function)


class Extractors:
    """Who is asked for which tool; a later extractor takes a name from an earlier one.

    `on_error` is called with the use and the exception wherever one of them fails: the event that tells of it names
    the class alone. Extractors that already have an `on_error` keep theirs. Raises `UsageError` for what is no
    extractor, and for one that is async or names its tools in another way than by a list of names.
    """

    __slots__ = ("_all", "_by_tool", "on_error")

    def __init__(self, extractors: Iterable[Extractor] | Extractor, *, on_error: OnError | None = None) -> None:
        self.on_error = on_error
        if isinstance(extractors, Extractors):  # the built-ins, or checked before
            self._all, self._by_tool = extractors._all, extractors._by_tool
            self.on_error = extractors.on_error or on_error
            return
        self._all = tuple(map(_checked, _all_of(extractors)))
        self._by_tool = {name: one for one in self._all for name in one.tools}

    def __iter__(self) -> Iterator[Extractor]:
        return iter(self._all)

    def __repr__(self) -> str:
        return repr(self._all)

    def find(self, name: str | None) -> Extractor | None:
        """Return the extractor that is asked for a tool."""
        return self._by_tool.get(name or "") or self._by_tool.get(ANY_TOOL)


def _all_of(extractors: Any) -> tuple[Any, ...]:
    if isinstance(extractors, Extractor):
        return (extractors,)
    if isinstance(extractors, Iterable) and not isinstance(extractors, (str, type)):
        return tuple(cast("Iterable[Any]", extractors))
    raise UsageError(f"extractors came as {extractors!r:.80}: expected a list of extractors, [] for none")


def _checked(one: Any) -> Extractor:
    if isinstance(one, type) or not isinstance(one, Extractor):
        made = f"make one of it: {one.__name__}()" if isinstance(one, type) else 'see @extractor("tool_name")'
        raise UsageError(f"expected an extractor with `tools` and `extract`, got {one!r:.80}: {made}")
    tools: Any = one.tools
    names = cast("Collection[Any]", tools if isinstance(tools, Collection) and not isinstance(tools, str) else ())
    if not names or not all(isinstance(name, str) for name in names):
        raise UsageError(f"the tools of {one!r:.80} came as {tools!r:.80}: expected a list of the names of tools")
    if iscoroutinefunction(one.extract) or isasyncgenfunction(one.extract):
        raise UsageError(f"{one!r:.80} is async: expected an extractor that is a plain function")
    return one


def extract(extractor: Extractor, use: ToolUse, *, on_error: OnError | None = None) -> Iterable[Event]:
    """Yield what an extractor makes of a use; where it fails, the last event says so, and `on_error` is told why."""
    try:
        events: Any = extractor.extract(use)
        if not isinstance(events, Iterable):
            came = type(events).__name__
            raise TypeError(f"{extractor!r:.80} returned {came}: expected a list of events, [] for none, or yield each")
        for made in cast("Iterable[Any]", events):
            if not _is_of(use, made):
                came = type(made).__name__
                raise TypeError(f"{extractor!r:.80} made an odd {came}: make events with use.extracted and use.display")
            yield made
    except Exception as error:
        yield Extracted(id=use.id, name=use.name, kind="error", error=type(error).__name__, lane=use.lane)
        if on_error is not None:
            on_error(use, error)


def _is_of(use: ToolUse, made: Any) -> bool:
    """Whether an event is one that speaks about this use, and that every reader can read."""
    match made:
        case Display(bundle=dict(), title=str() | None):
            readable = all(isinstance(mime, str) for mime in cast("dict[Any, Any]", made.bundle))
        case Extracted(name=str(), kind=str(), error=str() | None):
            readable = True
        case _:
            return False
    return readable and (made.id, made.lane) == (use.id, use.lane)
