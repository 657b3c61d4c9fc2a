"""Knows how Markdown of a model is shown on a terminal, and which of it is finished while it is still being written.

Raw HTML and images stay the text that they are, links show their address and are links to http, https and mailto
alone. Nothing is lost: what has no form here is shown as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from langwire.adapters.cli.layout import ACCENT, CODE, FAINT, Hanging, Stack, missing
from langwire.adapters.cli.words import safe

try:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode as Node
    from rich import box
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.syntax import Syntax
    from rich.table import Table
    from rich.text import Text
except ImportError as error:
    raise missing() from error

_MOST_HIGHLIGHTED = 20_000
"""Characters of code; above that it is shown without colours, which take long."""
_GOOD_DEAL = 1.2
"""By how much a text must have grown."""
_DEEPEST = 100
_TOO_DEEP = re.compile(r"^(?:[ \t]*(?:>|[-+*](?=[ \t])|\d+[.)](?=[ \t]))){20}", re.MULTILINE)
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`\n]*\n)|~{3,}).*\n")
_LINK = re.compile(r"(?:https?|mailto):", re.IGNORECASE)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST}).enable(["table", "strikethrough"])
    parser.disable("reference")
    parser.validateLink = lambda url: _LINK.match(url) is not None  # type: ignore[method-assign]
    return parser


_PARSER = _parser()
_BLOCKS = _parser()
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])


# ------------------------------------------------------------------ what is finished


class Growing:
    """A text that grows, and gives away those blocks of it that nothing to come can change."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._looked_at = 0

    def add(self, text: str) -> None:
        """Let it grow."""
        self._pieces.append(text)

    @property
    def rest(self) -> str:
        """What has not been given away."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def finished(self, *, at_once: bool = True) -> str:
        """Give away all blocks but the last; of a line that is not over nothing is known.

        Unless it has to be `at_once`, a long text is not looked into before there is a good deal more of it.
        """
        text = self.rest
        whole = text.rfind("\n") + 1
        if whole <= self._looked_at or (not at_once and whole < self._looked_at * _GOOD_DEAL):
            return ""
        self._looked_at = whole
        if _is_open_fence(text[:whole]):
            return ""  # it may become long, and is not read again and again
        begins = [token.map[0] for token in _BLOCKS.parse(text[:whole]) if token.level == 0 and token.map]
        begins = [line for line in begins if line]
        if not begins:
            return ""
        at = _offset(text, begins[-1])
        self._pieces, self._looked_at = [text[at:]], 0
        return text[:at]

    def all(self) -> str:
        """Give away all there is."""
        text, self._pieces, self._looked_at = self.rest, [], 0
        return text


def _is_open_fence(text: str) -> bool:
    fence = _FENCE.match(text)
    return fence is not None and not re.compile(rf"^ {{0,3}}{fence[1]}+[ \t]*$", re.MULTILINE).search(text, fence.end())


def _offset(text: str, line: int) -> int:
    at = 0
    for _ in range(line):
        at = text.index("\n", at) + 1
    return at


# ------------------------------------------------------------------ how it is shown


class Markdown:
    """Markdown as rich shows it: `text` may be anything at all."""

    def __init__(self, text: str) -> None:
        self.text = safe(text).strip("\n")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if _TOO_DEEP.search(self.text):
            yield Text(self.text)
        else:
            yield Stack(_blocks(Node(_PARSER.parse(self.text)), options.max_width))


def _blocks(node: Node, width: int) -> list[RenderableType]:
    return [block for child in node.children for block in _block(child, width)]


def _block(node: Node, width: int) -> Iterator[RenderableType]:
    match node.type:
        case "heading":
            yield _inline(node, "bold underline" if node.tag == "h1" else "bold")
        case "fence" | "code_block":
            yield Hanging("  ", [_code(safe(node.content).rstrip("\n"), node.info.split(maxsplit=1)[:1])])
        case "blockquote":
            yield Hanging("│ ", _blocks(node, max(1, width - 2)), style=FAINT)
        case "bullet_list" | "ordered_list":
            yield _list(node, width)
        case "hr":
            yield Text("─" * min(width, 24), FAINT)
        case "table":
            yield _table(node, width)
        case _:  # a paragraph
            yield _inline(node)


def _code(code: str, info: Iterable[str]) -> Text:
    if len(code) > _MOST_HIGHLIGHTED:
        return Text(code)
    language = next(iter(info), "text")
    shown = Syntax(code, language, theme="ansi_dark", word_wrap=True).highlight(code)
    shown.justify = None
    shown.rstrip()
    return shown


def _list(node: Node, width: int) -> RenderableType:
    number = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    marks = [f"{number + place}. " if number is not None else "• " for place in range(len(node.children))]
    wide = max(map(len, marks))
    items = [
        Hanging(mark.rjust(wide), [Stack(_blocks(item, max(1, width - wide)), gap=_is_loose(item))], once=True)
        for mark, item in zip(marks, node.children, strict=True)
    ]
    return Stack(items, gap=any(map(_is_loose, node.children)))


def _is_loose(item: Node) -> bool:
    return any(child.type == "paragraph" and not child.hidden for child in item.children)


def _table(node: Node, width: int) -> RenderableType:
    head, *rows = [row.children for part in node.children for row in part.children]
    if len(head) * 6 > width:
        return Stack([_record(head, row) for row in rows] or [_record(head, head)])
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, border_style=FAINT, header_style="bold")
    for cell in head:
        align = str(cell.attrs.get("style", ""))
        justify = "right" if "right" in align else "center" if "center" in align else "left"
        table.add_column(_inline(cell), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*map(_inline, row))
    return table


def _record(head: list[Node], row: list[Node]) -> RenderableType:
    """A row of a table that is too wide, with the name of the column before each cell."""
    return Text("\n").join(
        Text.assemble(_inline(name, "bold"), ": ", _inline(cell)) for name, cell in zip(head, row, strict=True)
    )


# ------------------------------------------------------------------ within a line

_STYLES = {"strong": "bold", "em": "italic", "s": "strike", "link": ACCENT}


def _inline(node: Node, style: str = "") -> Text:
    text = Text(style=style)
    for child in node.children:
        _append(text, child, "")
    return text


def _append(text: Text, node: Node, style: str) -> None:
    match node.type:
        case "text" | "text_special":
            text.append(safe(node.content), style)
        case "softbreak":
            text.append(" ", style)
        case "hardbreak":
            text.append("\n", style)
        case "image":
            text.append(f"[image] {safe(node.content)}", style)
            _append_address(text, safe(str(node.attrs.get("src", ""))), "")
        case "code_inline":
            text.append(safe(node.content), f"{style} {CODE}")
        case _:
            before = len(text)
            for child in node.children:
                _append(text, child, f"{style} {_STYLES.get(node.type, '')}".strip())
            if node.type == "link":
                _append_address(text, safe(str(node.attrs.get("href", ""))), text.plain[before:])


def _append_address(text: Text, address: str, said: str) -> None:
    """Show where a link leads, unless that is what it says."""
    if said not in (address, address.removeprefix("mailto:")):
        text.append(f" ({address})", FAINT)
