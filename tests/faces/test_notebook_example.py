"""The notebook among the examples: it runs, and is kept with what it shows, for readers who run nothing.

`LANGWIRE_GOLDEN=1` runs it anew and keeps what came of it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from faces.test_notebook_static import check

nbclient = pytest.importorskip("nbclient", reason="nbclient is not in this environment")
nbformat = pytest.importorskip("nbformat", reason="nbformat is not in this environment")

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"

CELLS = [
    (
        "markdown",
        "# An agent in a notebook\n\n"
        "The agent is the demo's: it needs no key. Give `Chat` your own graph, compiled.\n\n"
        "Run this notebook to write to it; without a kernel you see how the conversation stood when it was saved.",
    ),
    (
        "code",
        "from langwire import approve\n"
        "from langwire.adapters.jupyter import Chat, show\n"
        "from langwire.demo import showcase\n\n"
        "chat = Chat(showcase)\n"
        "chat",
    ),
    (
        "markdown",
        "Write to it above, or from code. Either way the cell above shows what happens, and this one could do\n"
        "something else meanwhile. It pauses where it asks: there are buttons for that above.",
    ),
    (
        "code",
        'tour = await chat.send("Plan a weekend in Lisbon")\n'
        "tour.outcome, [action.name for question in tour.interrupts for action in question.actions]",
    ),
    ("markdown", "From code, too, each action gets its own decision."),
    (
        "code",
        "answers = {question.id: [approve() for _ in question.actions] for question in tour.interrupts}\n"
        "end = await chat.answer(answers)\n"
        "end.outcome, end.usage.total_tokens",
    ),
    ("markdown", "What is over can be shown by itself: a result, a transcript, or events that were recorded."),
    ("code", "show(end)"),
    ("markdown", 'And it goes into one file that opens anywhere: `chat.save("weekend.html")`.'),
]


def executed() -> Any:
    """Return the notebook after a run in a kernel of its own."""
    make = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    cells = [make[kind](source, id=f"cell-{number}") for number, (kind, source) in enumerate(CELLS)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbclient.NotebookClient(notebook, timeout=60, record_timing=False, store_widget_state=False).execute()
    return notebook


def outputs_of(notebook: Any) -> list[list[Any]]:
    return [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def saved_in(outputs: list[Any]) -> str:
    """The HTML of what a reader without a kernel sees."""
    return "".join("".join(output["data"].get("text/html", "")) for output in outputs)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_example_runs_and_shows_in_its_first_cell_all_that_was_said() -> None:
    notebook = executed()
    if os.environ.get("LANGWIRE_GOLDEN"):
        nbformat.write(notebook, NOTEBOOK)
    talk, tour, end, shown = outputs_of(notebook)
    assert tour[0]["data"]["text/plain"].startswith("('interrupted', ['")
    assert end[0]["data"]["text/plain"].startswith("('complete', ")
    for part in (talk, shown):
        assert "Lisbon" in check(saved_in(part)).text
    assert "Plan a weekend in Lisbon" in saved_in(talk)


def test_the_example_is_kept_with_what_it_shows_and_without_the_renderer() -> None:
    """T-13: and what it shows is plain HTML."""
    kept = json.loads(NOTEBOOK.read_text("utf-8"))
    sources = [(cell["cell_type"], "".join(cell["source"])) for cell in kept["cells"]]
    assert sources == CELLS, "run this test with LANGWIRE_GOLDEN=1"
    assert all(outputs_of(kept))
    assert "widgets" not in kept["metadata"]
    for outputs in (outputs_of(kept)[0], outputs_of(kept)[3]):
        check(saved_in(outputs))
    assert NOTEBOOK.stat().st_size < 200_000
