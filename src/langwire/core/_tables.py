"""Knows the forms in which a table is written as data, and how one reads as text and as HTML.

Its data keeps every row and the labels of the rows; its text and its HTML, made for the eye, hold the first hundred
rows and columns. What would be mostly holes is no table: the work and the outcome stay near the size of what came in.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any, TypeAlias, TypeGuard

import msgspec

_ROWS = 100
_COLUMNS = 100
_CELL_CHARACTERS = 80
_FEW_CELLS = 10_000
_CELLS_A_VALUE = 4
"""A table of more than a few cells has at most so many of them for each value, row and column that came."""

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
        cells = [[_shortened(_cell(value)) for value in row[:_COLUMNS]] for row in (*self._head, *self.rows[:_ROWS])]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
        return "\n".join([*lines, *self._left_out()])

    @property
    def html(self) -> str:
        """A `<table>`, with every cell escaped."""
        head = "".join(_html_row("th", row) for row in self._head)
        body = "".join(_html_row("td", row) for row in self.rows[:_ROWS])
        more = "".join(f"<p>{said}</p>" for said in self._left_out())
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>{more}"

    @property
    def _head(self) -> list[Row]:
        return [self.columns] if any(self.columns) else []

    def _left_out(self) -> list[str]:
        more = {"row": len(self.rows) - _ROWS, "column": len(self.columns) - _COLUMNS}
        return [f"… {count} more {noun}{'s' if count > 1 else ''}" for noun, count in more.items() if count > 0]


def read_table(data: Any) -> Table | None:
    """Read a table out of JSON data; None where it holds none, or one that is mostly holes.

    Takes what pandas writes, in each of its orients, and what people do: a list of records or of rows; `rows` (or
    `data`) that are lists or records, with `columns` (or a `schema` of `fields`) and an `index` beside them; columns by
    name, as lists; dicts of dicts. Labels of rows become the first column, unless they have no name and only count.
    """
    if not _is_fields(data):
        return _of_rows(data, None)
    schema: Any = data.get("schema")
    fields: dict[str, Any] = schema if _is_fields(schema) else {}
    named: Any = data.get("columns", fields.get("fields"))
    columns = [_column(column) for column in named] if _is_list(named) else None
    rows: Any = data.get("rows", data.get("data"))
    if not _are_records(rows) and (columns is None or not _is_list(rows)):
        return _of_records(data) or _of_columns(data)
    table = _of_rows(rows, columns)
    if table is None:
        return None
    if fields.get("primaryKey") == ["index"] == table.columns[:1]:  # the name that pandas gives to an index without one
        labels = [row[0] for row in table.rows]
        return _labelled(Table(table.columns[1:], [row[1:] for row in table.rows]), labels)
    names: Any = data.get("index_names")
    name = ", ".join(filter(None, map(_cell, names))) if _is_list(names) else ""
    return _labelled(table, data.get("index"), name)


def _of_rows(rows: Any, columns: list[str] | None) -> Table | None:
    """A list of records or of rows."""
    if not _is_list(rows) or not (rows or columns is not None):
        return None
    if all(_is_list(row) for row in rows):
        return _even(columns or [], rows)
    if not _are_records(rows):
        return None
    columns = columns or _names_in(rows)
    if not _fits(len(rows), len(columns), sum(map(len, rows))):
        return None
    return Table(columns, [[row.get(name) for name in columns] for row in rows])


def _of_records(data: dict[str, Any]) -> Table | None:
    """A dict of dicts: rows by label, or columns by name, each with its values by label."""
    inner = list(data.values())
    if not _are_records(inner):
        return None
    names = _names_in(inner)
    if not _fits(len(names), len(data), sum(map(len, inner))):
        return None
    if _are_rows(data, names):
        return _labelled(Table(names, [[row.get(name) for name in names] for row in inner]), list(data))
    return _labelled(Table(list(data), [[column.get(name) for column in inner] for name in names]), names)


def _are_rows(data: dict[str, Any], names: list[str]) -> bool:
    """Tell rows from columns. Counted labels are those of rows; else what is of one kind is a column, if only one is.

    What neither tells is taken for columns, which pandas writes where it is not told otherwise.
    """
    if _only_count(names) or _only_count(data):
        return not _only_count(names)
    inner = list(data.values())
    if not any(_is_mixed(one.values()) for one in inner):
        return False
    return not any(_is_mixed(one.get(name) for one in inner) for name in names)


def _is_mixed(values: Iterable[Any]) -> bool:
    kinds = {type(value).__name__ for value in values if value is not None}
    return len({"float" if kind == "int" else kind for kind in kinds}) > 1


def _of_columns(data: dict[str, Any]) -> Table | None:
    columns = list(data.values())
    if not columns or not all(_is_list(column) for column in columns):
        return None
    if not _fits(max(map(len, columns)), len(columns), sum(map(len, columns))):
        return None
    return Table(list(data), [list(row) for row in zip_longest(*columns)])


def _even(columns: list[str], rows: list[Row]) -> Table | None:
    width = max(len(columns), *map(len, rows), 0)
    if not _fits(len(rows), width, sum(map(len, rows))):
        return None
    return Table(
        columns + [""] * (width - len(columns)),
        [row + [None] * (width - len(row)) for row in rows],
    )


def _fits(height: int, width: int, values: int) -> bool:
    """Whether a table with so many values has no more holes than it may have."""
    return height * width <= max(_FEW_CELLS, _CELLS_A_VALUE * (values + height + width))


def _labelled(table: Table, labels: Any, name: str = "") -> Table:
    if not _is_list(labels) or len(labels) != len(table.rows) or (not name and _only_count(labels)):
        return table
    rows = [[label, *row] for label, row in zip(labels, table.rows, strict=True)]
    return Table([name, *table.columns], rows)


def _only_count(labels: Iterable[Any]) -> bool:
    return all(_cell(label) == str(number) for number, label in enumerate(labels))


def _names_in(records: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record))


def _column(column: Any) -> str:
    return _cell(column.get("name") if _is_fields(column) else column)


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()


def _shortened(cell: str) -> str:
    line = " ".join(cell[: 2 * _CELL_CHARACTERS].split())
    return line if len(line) <= _CELL_CHARACTERS else f"{line[: _CELL_CHARACTERS - 1]}…"


def _html_row(tag: str, row: Row) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(_cell(value))}</{tag}>" for value in row[:_COLUMNS]) + "</tr>"


def _are_records(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    return _is_list(value) and bool(value) and all(_is_fields(one) for one in value)


def _is_fields(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
