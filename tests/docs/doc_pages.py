"""Knows how a page of the docs is read and run: its Python in order, its `langwire` lines, and what they print.

On a page, in the order in which they stand:

- a `python` block is run, all blocks of a page in one namespace, with `await` allowed at the top. `agent` is there
  from the beginning: a demo agent, which `<!-- agent: approval -->` before a block changes for another one;
- a `python` block whose first line is `# name.py` is saved under that name instead;
- of a `sh` block every command that uses `langwire` is run, and must end with code 0, or with the code that its
  comment names (`# exit code 2`); other commands belong to the reader's machine;
- an `output` block is what the block before it prints, where `…` stands for anything;
- a `text` block is only shown, and an `nginx` block runs in a test of its own.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from langwire.demo import agents

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
_AGENT = re.compile(r"<!-- agent: (\w+) -->\s*\Z")
_FILE = re.compile(r"# (\w+\.py)\n")
_CODE = re.compile(r"# .*exit code (\d+)")
_MY_AGENT = "from langwire.demo import assistant as graph\n"


class Block(NamedTuple):
    """A fenced block: its language, its text, the line it begins on, and the agent that is named before it."""

    language: str
    text: str
    line: int
    agent: str | None


def blocks_of(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    for match in _BLOCK.finditer(page):
        agent = _AGENT.search(page, 0, match.start())
        yield Block(match[1], match[2], page.count("\n", 0, match.start()) + 2, agent[1] if agent else None)


def run_page(path: Path, folder: Path) -> None:
    """Run a page in `folder`. Raises what its code raises, and `AssertionError` for what it says wrongly."""
    (folder / "my_agent.py").write_text(_MY_AGENT, "utf-8")
    names: dict[str, Any] = {"__name__": "page", "agent": agents.build_assistant(0)}
    printed = ""
    with chdir(folder), asyncio.Runner() as loop:
        for block in blocks_of(path.read_text("utf-8")):
            if block.agent is not None:
                names["agent"] = getattr(agents, f"build_{block.agent}")(0)
            file = _FILE.match(block.text)
            if block.language == "output":
                _compare(block.text, printed, f"{path.name}:{block.line}")
            elif block.language == "sh":
                printed = "".join(_shell(line, folder) for line in block.text.splitlines() if _is_ours(line))
            elif block.language == "python" and file:
                (folder / file[1]).write_text(block.text, "utf-8")
            elif block.language == "python":
                printed = _python(block, path, names, loop)


def _python(block: Block, path: Path, names: dict[str, Any], loop: asyncio.Runner) -> str:
    """Run a block as if its lines stood in a file where they stand on the page; return what it printed."""
    text = "\n" * (block.line - 1) + block.text
    code = compile(text, str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    with redirect_stdout(io.StringIO()) as out:
        result = eval(code, names)  # noqa: S307  # the pages are our own
        if inspect.iscoroutine(result):
            loop.run(result)
    return out.getvalue()


def _is_ours(line: str) -> bool:
    return re.search(r"(^|\| )langwire ", line) is not None


def _shell(line: str, folder: Path) -> str:
    """Run a command without a terminal; return what it printed on standard output."""
    code = _CODE.search(line)
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    expected = int(code[1]) if code else 0
    assert done.returncode == expected, f"{line!r} ended with {done.returncode}, not {expected}: {done.stderr}"
    return done.stdout


def _compare(expected: str, printed: str, where: str) -> None:
    pattern = ".*".join(re.escape(piece) for piece in _trimmed(expected).split("…"))
    assert re.fullmatch(pattern, _trimmed(printed), re.S), (
        f"{where} says\n{expected}\nbut what was printed is\n{printed}"
    )


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
