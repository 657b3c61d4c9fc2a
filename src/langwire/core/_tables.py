"""Knows the forms in which a table is written as data, and how one reads as text and as HTML.

Its data keeps every row; its text and its HTML, made for the eye, hold the first hundred.
"""

from __future__ import annotations

import html
from itertools import zip_longest
from typing import Any, TypeAlias, TypeGuard

import msgspec

_ROWS = 100
_CELL_CHARACTERS = 80

Row: TypeAlias = list[Any]


class Table(msgspec.Struct, frozen=True):
    """Columns by name, and rows as wide as these. The cells are JSON data."""

    columns: list[str]
    rows: list[Row]

    @property
    def data(self) -> dict[str, Any]:
        """The whole table, in the one form that every reader of it needs to know."""
        return {"columns": self.columns, "rows": self.rows}

    @property
    def text(self) -> str:
        """Aligned columns, a row a line; long cells are shortened."""
        cells = [[_shortened(_cell(value)) for value in row] for row in (self.columns, *self.rows[:_ROWS])]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
        return "\n".join([*lines, *self._left_out()])

    @property
    def html(self) -> str:
        """A `<table>`, with every cell escaped."""
        body = "".join(_html_row("td", row) for row in self.rows[:_ROWS])
        more = "".join(f"<p>{said}</p>" for said in self._left_out())
        return f"<table><thead>{_html_row('th', self.columns)}</thead><tbody>{body}</tbody></table>{more}"

    def _left_out(self) -> list[str]:
        more = len(self.rows) - _ROWS
        return [f"… {more} more row{'s' if more > 1 else ''}"] if more > 0 else []


def read_table(data: Any) -> Table | None:
    """Read a table out of JSON data; None where it holds none.

    Takes a list of records; `rows` (or `data`) that are lists or records, with `columns` (or a `schema` of `fields`)
    beside them; and columns by name, as lists or as dicts by row: what pandas writes, and what people do.
    """
    if not _is_fields(data):
        return _of_records(data, None)
    rows: Any = data.get("rows", data.get("data"))
    schema: Any = data.get("schema")
    named: Any = data.get("columns", schema.get("fields") if _is_fields(schema) else None)
    columns = [_column(column) for column in named] if _is_list(named) else None
    if columns is not None and _is_list(rows) and all(_is_list(row) for row in rows):
        return _even(columns, rows)
    return _of_records(rows, columns) or _of_columns(data)


def _of_records(rows: Any, columns: list[str] | None) -> Table | None:
    if not _is_list(rows) or not rows or not all(_is_fields(row) for row in rows):
        return None
    columns = columns or list(dict.fromkeys(name for row in rows for name in row))
    return Table(columns, [[row.get(name) for name in columns] for row in rows])


def _of_columns(data: dict[str, Any]) -> Table | None:
    columns = list(data.values())
    if columns and all(_is_fields(column) for column in columns):
        keys = dict.fromkeys(key for column in columns for key in column)
        return Table(list(data), [[column.get(key) for column in columns] for key in keys])
    if columns and all(_is_list(column) for column in columns):
        return Table(list(data), [list(row) for row in zip_longest(*columns)])
    return None


def _even(columns: list[str], rows: list[Row]) -> Table:
    width = max(len(columns), *map(len, rows), 0)
    return Table(
        columns + [""] * (width - len(columns)),
        [row + [None] * (width - len(row)) for row in rows],
    )


def _column(column: Any) -> str:
    return _cell(column.get("name") if _is_fields(column) else column)


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()


def _shortened(cell: str) -> str:
    line = " ".join(cell[: 2 * _CELL_CHARACTERS].split())
    return line if len(line) <= _CELL_CHARACTERS else f"{line[: _CELL_CHARACTERS - 1]}…"


def _html_row(tag: str, row: Row) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(_cell(value))}</{tag}>" for value in row) + "</tr>"


def _is_fields(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
