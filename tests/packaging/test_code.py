"""Rules of the code that no linter keeps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "langwire"
LONGEST = 60


def functions() -> Iterator[tuple[str, int]]:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                yield f"{path.relative_to(SOURCE)}:{node.name}", length


@pytest.mark.skipif(not SOURCE.exists(), reason="the source is not at hand")
def test_no_function_is_longer_than_a_screen() -> None:
    assert [name for name, length in functions() if length > LONGEST] == []
