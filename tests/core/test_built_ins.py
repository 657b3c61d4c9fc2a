"""What the built-in extractors read out of the payloads of the tools they know."""

from __future__ import annotations

import base64
import dataclasses
import json
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from langwire import decode, encode
from langwire.core.codec import to_dict
from langwire.core.extractors import FunctionExtractor
from langwire.events import Display, Extracted
from langwire.extractors import BUILT_INS, ToolUse, any_tool, compression, displays, memory, reflections, skills, todos

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n....").decode()
WEBP = base64.b64encode(b"RIFF....WEBPVP8 ").decode()
SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"


def read(extractor: FunctionExtractor, name: str = "", /, **use: Any) -> list[Any]:
    """What an extractor reads out of one use of its first tool, or of the tool that is named."""
    made = list(extractor.extract(ToolUse(name=name or extractor.tools[0], **use)))
    return [event.data if isinstance(event, Extracted) else event.bundle for event in made]


def shown(**fields: Any) -> Any:
    """The bundle that `display_inline` makes of a payload, handed over as its artifact."""
    bundles = read(displays, artifact=fields)
    assert len(bundles) <= 1
    return bundles[0] if bundles else None


def peak(work: Callable[[], Any]) -> int:
    """How many bytes a piece of work held at most, above what there was before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------ todos

LIST = [{"content": "look 'around'", "status": "completed", "id": 1}, {"content": 'say "hi"\n', "status": "pending"}]


@pytest.mark.parametrize(
    "use",
    [
        {"args": {"todos": LIST}},
        {"args": {"todos": json.dumps(LIST)}},
        {"content": f"Updated todo list to {LIST}"},
        {"content": f"A person changed [the call].\nUpdated todo list to {LIST}", "args": {"todos": ["the old list"]}},
        {"content": [{"type": "text", "text": f"Updated todo list to {LIST}"}]},
        {"content": json.dumps({"todos": LIST})},
        {"content": json.dumps(LIST)},
        {"content": str(LIST)},
        {"artifact": {"todos": LIST}, "content": "done"},
        {"artifact": LIST},
        {"args": {"todos": "none that reads"}, "content": str(LIST)},
    ],
)
def test_todos_are_read_wherever_they_are(use: dict[str, Any]) -> None:
    assert read(todos, **use) == [LIST]


def test_what_an_agent_calls_a_todo_gets_a_content_and_a_status() -> None:
    given = ["look", {"title": "think", "state": "done"}, {"task": "go", "owner": "ann"}, 4, {"content": ""}]
    assert read(todos, args={"todos": given}) == [
        [
            {"content": "look", "status": "pending"},
            {"title": "think", "state": "done", "content": "think", "status": "done"},
            {"task": "go", "owner": "ann", "content": "go", "status": "pending"},
        ]
    ]


def test_an_empty_list_of_todos_says_that_it_was_cleared() -> None:
    assert read(todos, args={"todos": []}) == [[]]
    assert read(todos, content="Updated todo list to []") == [[]]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "done",
        "[1, 2]",
        "Updated todo list to [",
        "Updated todo list to [open(1)]",
        r"Updated todo list to ['\d']",
        "[" * 10_000 + "]" * 10_000,
        "[" + "-" * 10_000 + "1]",
        "[{[]: 1}]",
        "['\ud800']",
        "{'todos': [1]}",
    ],
)
def test_a_text_without_todos_tells_nothing(content: str) -> None:
    assert read(todos, content=content, args={"todos": 4}) == []


def test_a_text_of_odd_escapes_makes_the_compiler_say_nothing() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert read(todos, content=r"Updated todo list to ['\d']") == []
    assert said == []


@pytest.mark.parametrize(
    "use",
    [
        {"artifact": {"success": False, "todos": LIST}, "args": {"todos": LIST}},
        {"args": {"todos": LIST}, "content": '{"error": "no such list"}'},
        {"args": {"todos": LIST}, "content": "Error: a todo needs a status"},
        {"args": {"todos": LIST}, "content": " error while writing"},
    ],
)
def test_todos_that_were_not_written_are_not_told(use: dict[str, Any]) -> None:
    assert read(todos, **use) == []


@pytest.mark.parametrize(
    "text", ["[" + "'a'," * 500_000 + "]", "[" + "a" * 2_000_000 + "]", "[" + "1," * 1_000_000 + "1]"]
)
def test_a_text_too_long_for_todos_is_not_taken_apart(text: str) -> None:
    """A list of numbers is JSON, and is decoded for what it may say of a failure: once, and never copied."""
    for use in ({"content": text}, {"content": f"Updated todo list to {text}"}, {"args": {"todos": text}}):
        assert peak(lambda use=use: read(todos, **use)) < 10 * len(text)  # type: ignore[misc]
    assert read(todos, content=text) == []


def test_a_long_list_of_todos_is_read_up_to_its_limit() -> None:
    for count, told in ((19_000, 1), (21_000, 0)):
        text = str(["a"] * count)
        assert (len(read(todos, content=text)), len(read(todos, args={"todos": text}))) == (told, told)
        assert len(read(todos, content=text.replace("'", '"'))) == told
    assert len(read(todos, artifact=["a"] * 21_000)[0]) == 21_000  # what is data already costs no reading


# ------------------------------------------------------------------ reflections


@pytest.mark.parametrize(
    ("use", "told"),
    [
        ({"args": {"reflection": "Enough?"}, "content": "Reflection recorded: Enough?"}, ["Enough?"]),
        ({"args": {"thought": "Hm."}, "content": "ok"}, ["Hm."]),
        ({"content": '{"reflection": "Hm."}'}, ["Hm."]),
        ({"content": "Hm.", "args": {"reflection": " "}}, ["Hm."]),
        ({"content": '{"ok": true}'}, []),
        ({"content": " \n"}, []),
        ({"args": {"reflection": ["no text"]}}, []),
    ],
)
def test_a_reflection_is_the_thought_or_else_the_result(use: dict[str, Any], told: list[str]) -> None:
    assert read(reflections, **use) == told


# ------------------------------------------------------------------ displays: tables


@pytest.mark.parametrize(
    "data",
    [
        [{"city": "Rome", "°C": 27.5}, {"city": "Oslo"}],
        {"columns": ["city", "°C"], "rows": [["Rome", 27.5], ["Oslo"]]},
        {"columns": [{"name": "city"}, {"name": "°C"}], "rows": [["Rome", 27.5], ["Oslo", None]]},
        {"columns": ["city", "°C"], "rows": [{"°C": 27.5, "city": "Rome"}, {"city": "Oslo"}]},
        {"columns": ["city", "°C"], "index": [0, 1], "data": [["Rome", 27.5], ["Oslo", None]]},
        {
            "schema": {"fields": [{"name": "city"}, {"name": "°C"}]},
            "data": [{"city": "Rome", "°C": 27.5}, {"city": "Oslo"}],
        },
        {"city": {"0": "Rome", "1": "Oslo"}, "°C": {"0": 27.5}},
        {"city": ["Rome", "Oslo"], "°C": [27.5]},
        '[{"city": "Rome", "°C": 27.5}, {"city": "Oslo"}]',
        {"0": {"city": "Rome", "°C": 27.5}, "1": {"city": "Oslo", "°C": None}},
        {
            "schema": {
                "fields": [{"name": "index", "type": "integer"}, {"name": "city"}, {"name": "°C"}],
                "primaryKey": ["index"],
            },
            "data": [{"index": 0, "city": "Rome", "°C": 27.5}, {"index": 1, "city": "Oslo", "°C": None}],
        },
        {"index": [0, 1], "columns": ["city", "°C"], "data": [["Rome", 27.5], ["Oslo", None]], "index_names": [None]},
        {"columns": ["city", "°C"], "index": "no labels", "data": [["Rome", 27.5], ["Oslo", None]]},
        {"columns": ["city", "°C"], "index": ["one too few"], "data": [["Rome", 27.5], ["Oslo", None]]},
    ],
)
def test_a_table_is_one_table_however_it_is_written(data: Any) -> None:
    bundle = shown(display_type="table", data=data)
    assert bundle["application/json"] == {"columns": ["city", "°C"], "rows": [["Rome", 27.5], ["Oslo", None]]}
    assert bundle["text/plain"] == "city  °C\nRome  27.5\nOslo"
    assert bundle["text/html"] == (
        "<table><thead><tr><th>city</th><th>°C</th></tr></thead>"
        "<tbody><tr><td>Rome</td><td>27.5</td></tr><tr><td>Oslo</td><td></td></tr></tbody></table>"
    )


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"city": {"a": "Rome", "b": "Oslo"}, "°C": {"a": 27.5, "b": 8}}, ""),  # columns
        ({"a": {"city": "Rome", "°C": 27.5}, "b": {"city": "Oslo", "°C": 8}}, ""),  # index
        ({"columns": ["city", "°C"], "index": ["a", "b"], "data": [["Rome", 27.5], ["Oslo", 8]]}, ""),  # split
        (
            {
                "columns": ["city", "°C"],
                "index": ["a", "b"],
                "data": [["Rome", 27.5], ["Oslo", 8]],
                "index_names": ["key"],
            },
            "key",
        ),  # tight
        (
            {
                "schema": {"fields": [{"name": n} for n in ("index", "city", "°C")], "primaryKey": ["index"]},
                "data": [{"index": "a", "city": "Rome", "°C": 27.5}, {"index": "b", "city": "Oslo", "°C": 8}],
            },
            "",
        ),  # table
        (
            {
                "schema": {"fields": [{"name": n} for n in ("key", "city", "°C")], "primaryKey": ["key"]},
                "data": [{"key": "a", "city": "Rome", "°C": 27.5}, {"key": "b", "city": "Oslo", "°C": 8}],
            },
            "key",
        ),
    ],
)
def test_a_table_of_pandas_keeps_the_labels_of_its_rows(data: Any, name: str) -> None:
    for written in (data, json.dumps(data)):
        bundle = shown(display_type="dataframe", data=written)
        assert bundle["application/json"] == {
            "columns": [name, "city", "°C"],
            "rows": [["a", "Rome", 27.5], ["b", "Oslo", 8]],
        }


def table(data: Any) -> tuple[list[str], list[list[Any]]]:
    made = shown(display_type="table", data=data)["application/json"]
    return made["columns"], made["rows"]


def test_dicts_of_dicts_are_columns_unless_something_says_that_they_are_rows() -> None:
    assert table({"0": {"0": 1, "1": 2}, "1": {"0": 3, "1": 4}}) == (["0", "1"], [[1, 3], [2, 4]])
    assert table({"x": {"r": 1, "s": 2}, "y": {"r": 3, "s": 4}}) == (["", "x", "y"], [["r", 1, 3], ["s", 2, 4]])
    assert table({"0": {"x": 1, "y": 3}, "1": {"x": 2}}) == (["x", "y"], [[1, 3], [2, None]])
    mixed = {"r": {"x": 1, "y": "one", "z": None}, "s": {"x": 2.5, "y": "two", "z": None}}
    assert table(mixed) == (["", "x", "y", "z"], [["r", 1, "one", None], ["s", 2.5, "two", None]])
    neither = {"r": {"x": 1, "y": "one"}, "s": {"x": "two", "y": 2}}
    assert table(neither) == (["", "r", "s"], [["x", 1, "two"], ["y", "one", 2]])
    assert table({"x": {"1": 1, "0": 2}}) == (["", "x"], [["1", 1], ["0", 2]])  # sorted rows are not merely counted


def test_counted_rows_keep_a_label_that_has_a_name() -> None:
    named = {"columns": ["x"], "index": [0, 1], "data": [[5], [6]], "index_names": ["id", None, "at"]}
    assert table(named) == (["id, at", "x"], [[0, 5], [1, 6]])


def test_rows_without_names_of_columns_are_a_table_without_a_head() -> None:
    bundle = shown(display_type="table", data=[["Rome", 27.5], ["Oslo"]])
    assert bundle["application/json"] == {"columns": ["", ""], "rows": [["Rome", 27.5], ["Oslo", None]]}
    assert bundle["text/plain"] == "Rome  27.5\nOslo"
    assert "<thead></thead>" in bundle["text/html"]


def test_rows_wider_than_their_columns_lose_nothing() -> None:
    bundle = shown(display_type="table", data={"columns": ["a"], "rows": [[1, True], []]})
    assert bundle["application/json"] == {"columns": ["a", ""], "rows": [[1, True], [None, None]]}


def test_an_empty_table_is_one_without_a_text() -> None:
    bundle = shown(display_type="table", data={"columns": [], "rows": []})
    assert bundle["application/json"] == {"columns": [], "rows": []}
    assert "text/plain" not in bundle
    assert shown(display_type="table", data={"columns": ["a"], "rows": []})["text/plain"] == "a"


SPARSE = 3_000


@pytest.mark.parametrize(
    "data",
    [
        [{f"k{i}": i} for i in range(SPARSE)],
        {"columns": [f"k{i}" for i in range(SPARSE)], "rows": [[]] * SPARSE},
        {"columns": [f"k{i}" for i in range(SPARSE)], "rows": [{}] * SPARSE},
        {f"r{i}": {f"k{i}": i} for i in range(SPARSE)},
        {"k": [1] * SPARSE} | {f"k{i}": [] for i in range(SPARSE)},
        [[1] * SPARSE] + [[]] * SPARSE,
    ],
)
def test_what_is_mostly_holes_stays_as_it_is(data: Any) -> None:
    """A cell for each row and column of the smallest of these would be 60 times its size."""
    text = json.dumps(data)
    assert peak(lambda: shown(display_type="table", data=text)) < 40 * len(text)
    bundle = shown(display_type="table", data=text)
    assert set(bundle) == {"application/json", "text/plain"}
    assert bundle["application/json"] == data
    assert len(bundle["text/plain"]) <= 10_001


def test_a_small_or_a_well_filled_table_may_have_holes() -> None:
    assert len(table([{f"k{i}": i} for i in range(100)])[0]) == 100
    assert len(table([{"a": 1, "b": 2} if i % 2 else {"c": 3} for i in range(20_000)])[1]) == 20_000


def test_a_wide_table_is_whole_as_data_and_narrow_for_the_eye() -> None:
    rows = [["x" * 80] * 3_000] + [[""] * 3_000] * 9
    data = {"columns": [f"k{i}" for i in range(3_000)], "rows": rows}
    bundle = shown(display_type="table", data=data)
    assert bundle["application/json"] == data
    assert (bundle["text/html"].count("<th>"), bundle["text/html"].count("<td>")) == (100, 1_000)
    assert bundle["text/html"].endswith("<p>… 2900 more columns</p>")
    assert len(bundle["text/plain"]) == 10_001


def test_no_cell_of_a_table_becomes_markup() -> None:
    bundle = shown(display_type="dataframe", data=[{"<b>": "<script>alert('1')</script>", "x": ["&"]}])
    assert "<script" not in bundle["text/html"]
    assert "<th>&lt;b&gt;</th>" in bundle["text/html"]
    assert "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;" in bundle["text/html"]
    assert "[&quot;&amp;&quot;]" in bundle["text/html"]


def test_a_long_table_is_whole_as_data_and_short_for_the_eye() -> None:
    rows = [[number, "x" * 200 + "\n"] for number in range(102)]
    bundle = shown(display_type="table", data={"columns": ["n", "x"], "rows": rows})
    assert bundle["application/json"]["rows"] == rows
    lines = bundle["text/plain"].splitlines()
    assert (len(lines), lines[1], lines[-1]) == (102, f"0   {'x' * 79}…", "… 2 more rows")
    assert bundle["text/html"].count("<tr>") == 101
    assert bundle["text/html"].endswith("</table><p>… 2 more rows</p>")
    one_more = shown(display_type="table", data={"columns": ["n", "x"], "rows": rows[:101]})
    assert one_more["text/plain"].endswith("… 1 more row")


def test_a_table_of_no_known_form_is_shown_as_the_data_it_is() -> None:
    for data in ([1, 2], [[1], 2], [], {"a": 1}, {"a": [1], "b": 2}, {"rows": 4}, {}, 7):
        assert shown(display_type="table", data=data)["application/json"] == data
    assert shown(display_type="dataframe", data="<table></table>") == {"text/html": "<table></table>"}
    assert shown(display_type="dataframe", data="a b\n1 2") == {"text/plain": "a b\n1 2"}


# ------------------------------------------------------------------ displays: images, charts, documents


@pytest.mark.parametrize(
    ("data", "bundle"),
    [
        (PNG, {"image/png": PNG}),
        ("/9j/4AAQ", {"image/jpeg": "/9j/4AAQ"}),
        ("R0lGODlh", {"image/gif": "R0lGODlh"}),
        (WEBP, {"image/webp": WEBP}),
        (f"{PNG[:12]}\n{PNG[12:]}\n", {"image/png": PNG}),
        ("_9j_4AAQ-_8", {"image/jpeg": "/9j/4AAQ+/8="}),
        (base64.b64encode(SVG.encode()).decode(), {"image/svg+xml": SVG}),
        ("Qk0=", {"image/bmp": "Qk0="}),
        (f"data:image/png;base64,{PNG}", {"image/png": PNG}),
        (f"data:image/png;charset=x;base64,{PNG}", {"image/png": PNG}),
        (base64.b64decode(PNG), {"image/png": PNG}),
        ({"base64": PNG}, {"image/png": PNG}),
        ({"image_url": {"url": f"data:image/png;base64,{PNG}"}}, {"image/png": PNG}),
        ({"source": {"type": "base64", "media_type": "image/bmp", "data": "Qk0="}}, {"image/bmp": "Qk0="}),
        (SVG, {"image/svg+xml": SVG}),
        ("data:image/svg+xml,%3Csvg%2F%3E", {"image/svg+xml": "<svg/>"}),
        (f"data:image/svg+xml;base64,{base64.b64encode(SVG.encode()).decode()}", {"image/svg+xml": SVG}),
        (
            'https://example.org/a.png?b=1&c="',
            {
                "text/html": '<img src="https://example.org/a.png?b=1&amp;c=&quot;">',
                "text/plain": 'https://example.org/a.png?b=1&c="',
            },
        ),
    ],
)
def test_an_image_comes_in_base64_as_bytes_or_by_a_url(data: Any, bundle: dict[str, Any]) -> None:
    assert shown(display_type="image", data=data) == bundle


@pytest.mark.parametrize("claimed", [None, "image/png", "image/tiff", "text/html"])
@pytest.mark.parametrize(
    "data",
    [
        "charts/sales.png",
        "/etc/hosts",
        "/home/ann/out",
        "/home/ann/out.../",
        "/home/ann/o16",
        "/home/ann/output",
        "file:///etc/hosts",
        "javascript:alert(1)",
        "data:text/html,<script>",
        "data:image/png,no",
        "data:image/png;base64,no!",
        "data:image/png;base64,QUJD",
        "data:image/svg+xml;base64,A",
        "iVBORw0KGgoAA",
    ],
)
def test_a_path_is_not_opened_and_what_is_no_image_is_shown_as_text(data: str, claimed: str | None) -> None:
    assert shown(display_type="image", data=data, mime_type=claimed) == {"text/plain": data}
    if claimed and claimed.startswith("image/"):
        assert shown(display_type=claimed, data=data) == {"text/plain": data}


def test_what_is_no_image_and_no_text_is_shown_as_data() -> None:
    for data in ({"odd": 1}, [1], {"base64": "/home/ann/out"}):
        assert shown(display_type="image", data=data)["application/json"] == data
    assert shown(display_type="image", data="") is None


def test_an_image_that_nothing_gives_away_is_what_it_is_said_to_be() -> None:
    assert shown(display_type="image", data="QUJD", mime_type="image/tiff") == {"image/tiff": "QUJD"}
    assert shown(display_type="image/tiff; x=1", data="QUJD") == {"image/tiff": "QUJD"}
    assert shown(display_type="image", data="QUJDR", mime_type="image/tiff") == {"text/plain": "QUJDR"}
    assert shown(display_type="image", data="QUI", mime_type="image/tiff") == {"text/plain": "QUI"}
    assert shown(display_type="image", data="QUJD", mime_type="text/html") == {"text/plain": "QUJD"}
    assert shown(display_type="image", data="QUJD", mime_type="image/png") == {"text/plain": "QUJD"}
    assert shown(display_type="image", data=PNG, mime_type="image/bmp") == {"image/png": PNG}


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        ({"data": [{"type": "bar"}], "layout": {}}, "application/vnd.plotly.v1+json"),
        ({"$schema": "https://vega.github.io/schema/vega-lite/v6.json"}, "application/vnd.vegalite.v6+json"),
        ({"$schema": "https://vega.github.io/schema/vega/v5.json"}, "application/vnd.vega.v5+json"),
        ({"mark": "bar"}, "application/vnd.vegalite.v5+json"),
    ],
)
def test_a_chart_is_named_after_its_maker(data: dict[str, Any], mime: str) -> None:
    assert shown(display_type="plot", data=data) == {mime: data}
    assert shown(display_type="plotly", data=json.dumps(data)) == {mime: data}


def test_a_chart_may_be_an_image_a_page_or_only_data() -> None:
    assert shown(display_type="plot", data=PNG) == {"image/png": PNG}
    assert shown(display_type="plot", data="<div>chart</div>")["text/html"] == "<div>chart</div>"
    assert shown(display_type="plot", data=[1])["application/json"] == [1]


@pytest.mark.parametrize(
    ("kind", "data", "bundle"),
    [
        ("markdown", "# Hi", {"text/markdown": "# Hi", "text/plain": "# Hi"}),
        ("text", "Hi", {"text/plain": "Hi"}),
        ("json", {"a": 1}, {"application/json": {"a": 1}, "text/plain": '{\n  "a": 1\n}'}),
        ("json", '{"a": 1}', {"application/json": {"a": 1}, "text/plain": '{\n  "a": 1\n}'}),
        ("json", "no", {"application/json": "no", "text/plain": '"no"'}),
        ("html", {"a": 1}, {"application/json": {"a": 1}, "text/plain": '{\n  "a": 1\n}'}),
        ("text/markdown", "# Hi", {"text/markdown": "# Hi", "text/plain": "# Hi"}),
        ("Vega-Lite", {"mark": "bar"}, {"application/vnd.vegalite.v5+json": {"mark": "bar"}}),
    ],
)
def test_a_document_is_shown_as_it_is_and_as_text(kind: str, data: Any, bundle: dict[str, Any]) -> None:
    assert shown(display_type=kind, data=data) == bundle


def test_json_that_is_nested_without_end_ends_somewhere() -> None:
    bundle = shown(display_type="json", data="[" * 500 + "]" * 500)
    assert "$deep" in bundle["text/plain"]


@pytest.mark.parametrize("text", ["[" + "1," * 300_000 + "1]", json.dumps([{"a": [1, "x"]}] * 20_000)])
def test_long_json_is_decoded_once_and_its_text_is_its_beginning(text: str) -> None:
    decoded = peak(lambda: json.loads(text))
    whole = json.dumps({"display_type": "json", "data": json.loads(text)})
    for use in ({"artifact": {"display_type": "json", "data": text}}, {"content": whole}):
        assert peak(lambda use=use: read(displays, **use)) < 1.5 * decoded + 2 * len(text)  # type: ignore[misc]
        bundle = read(displays, **use)[0]
        assert bundle["application/json"] == json.loads(text)
        assert (len(bundle["text/plain"]), bundle["text/plain"][-1]) == (10_001, "…")


def test_a_long_page_is_read_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langwire.core._displays._PAGE_CHARACTERS", 100_000)
    page = "<p>" * 80_000
    assert peak(lambda: shown(display_type="html", data=page + "late")) < 15 * len(page)
    assert shown(display_type="html", data=page + "late") == {"text/html": page + "late"}


def test_a_page_or_a_bundle_without_a_word_has_no_text() -> None:
    assert shown(display_type="html", data="<img src='x'>") == {"text/html": "<img src='x'>"}
    assert read(displays, artifact={"text/html": "<hr>", "text/plain": " \n"}) == [{"text/html": "<hr>"}]
    assert read(displays, artifact={"text/plain": ""}) == []
    assert shown(display_type="text", data="") is None


def test_the_text_of_a_page_is_its_words() -> None:
    page = (
        "<style>p {}</style><h1>Rome &amp;\nOslo</h1><script>if (a<b && c>d) say('<i>no</i>')</script >"
        "<table><tr><td>1</td><td>< 2</td></tr></table><p>a<br>b</p>"
    )
    assert shown(display_type="html", data=page) == {
        "text/html": page,
        "text/plain": "Rome & Oslo\n1 < 2\na\nb",
    }


def test_the_text_of_a_long_document_is_its_beginning() -> None:
    bundle = shown(display_type="html", data="x" * 20_000)
    assert (len(bundle["text/html"]), bundle["text/plain"]) == (20_000, "x" * 10_000 + "…")


def test_hostile_pages_take_no_longer_than_others() -> None:
    """Each of these takes minutes where a pattern looks at a character more than a few times."""
    for piece in ("<", "<script>", "<p ", "&", "</script"):
        page = piece * 200_000
        assert shown(display_type="html", data=page)["text/html"] == page


def test_hostile_base64_takes_no_longer_than_others() -> None:
    for data in ("A" * 1_000_000 + "!", "A " * 500_000 + "!", " " * 1_000_000 + "!"):
        assert "image/png" not in (shown(display_type="image", data=data, mime_type="image/png") or {})


# ------------------------------------------------------------------ displays: where they come from


def test_a_display_has_the_title_of_its_payload() -> None:
    use = ToolUse(
        name="display_inline", artifact=[{"display_type": "text", "data": "x", "title": "Sales"}, {"text/plain": "y"}]
    )
    assert list(displays.extract(use)) == [
        Display(bundle={"text/plain": "x"}, title="Sales"),
        Display(bundle={"text/plain": "y"}),
    ]


PAYLOAD = {"display_type": "text", "data": "Hi"}


@pytest.mark.parametrize(
    "use",
    [
        {"artifact": PAYLOAD, "content": "shown"},
        {"content": json.dumps(PAYLOAD)},
        {"content": [{"type": "text", "text": json.dumps(PAYLOAD)}], "artifact": {"rows": 3}},
        {"content": PAYLOAD},
        {"args": PAYLOAD, "content": "shown"},
    ],
)
def test_a_display_is_found_in_artifact_result_or_arguments(use: dict[str, Any]) -> None:
    assert read(displays, **use) == [{"text/plain": "Hi"}]


def test_arguments_are_not_shown_of_what_was_refused() -> None:
    assert read(displays, args=PAYLOAD, content="Error: no such data") == []
    assert read(displays, artifact=PAYLOAD, content="Errors over time are shown") == [{"text/plain": "Hi"}]


@pytest.mark.parametrize(
    ("payload", "bundle"),
    [
        ({"display_type": "hologram", "data": "x"}, {"text/plain": "x"}),
        ({"display_type": 4, "data": "x" * 20_000}, {"text/plain": "x" * 10_000 + "…"}),
        ({"display_type": "hologram", "data": "[1]"}, {"application/json": [1], "text/plain": "[\n  1\n]"}),
        ({"display_type": "text/html", "data": 4}, {"application/json": 4, "text/plain": "4"}),
    ],
)
def test_what_asks_to_be_shown_in_no_known_form_is_shown_as_text(payload: Any, bundle: dict[str, Any]) -> None:
    assert read(displays, artifact=payload) == [bundle]


@pytest.mark.parametrize(
    "payload",
    [
        {"text/html": "<b>7</b>", "title": "Sales"},
        {"Text/HTML; charset=utf-8": "<b>7</b>", "title": "Sales"},
        {"display_type": "text/html; charset=utf-8", "data": "<b>7</b>", "title": "Sales"},
        {"output_type": "display_data", "data": {"text/html": ["<b>7", "</b>"]}, "metadata": {}, "title": "Sales"},
    ],
)
def test_a_bundle_may_have_a_title_parameters_and_come_as_an_output_of_a_notebook(payload: Any) -> None:
    use = ToolUse(name="display_inline", artifact=payload)
    assert list(displays.extract(use)) == [Display(bundle={"text/plain": "7", "text/html": "<b>7</b>"}, title="Sales")]


def test_images_among_the_blocks_of_a_result_are_shown() -> None:
    content = [{"type": "text", "text": "a map"}, {"type": "image", "base64": "Qk0=", "mime_type": "image/bmp"}]
    assert read(displays, content=content) == [{"image/bmp": "Qk0="}]


@pytest.mark.parametrize(
    "use",
    [
        {"content": json.dumps({**PAYLOAD, "status": "error"}), "args": PAYLOAD},
        {"content": '{"error": "no such file"}', "args": PAYLOAD},
        {"artifact": [{**PAYLOAD, "status": "error"}]},
        {"artifact": {"display_type": "text"}},
        {"artifact": {"title": "Sales"}},
        {"artifact": {"output_type": "stream", "text": "x"}},
        {"artifact": {"src/main.py": "x"}},
        {"artifact": {"text/html": 4, "image/png": {"$bytes": 4}, "text/plain": {"$bytes": 4}}},
        {"artifact": {}},
        {"content": "done", "args": {"path": "chart.png"}},
        {},
    ],
)
def test_nothing_is_shown_of_what_failed_or_is_not_known(use: dict[str, Any]) -> None:
    assert read(displays, **use) == []


def test_a_ready_bundle_is_passed_on_in_plain_data() -> None:
    bundle = {
        "text/html": ["<b>7</b>\n", "<i>8</i>"],
        "image/png": b"png",
        "text/latex": None,
        "image/svg+xml": SVG.encode(),
        "application/vnd.plotly.v1+json": {"data": [Decimal(1)]},
    }
    assert read(displays, artifact=bundle) == [
        {
            "text/plain": "7 8",
            "text/html": "<b>7</b>\n<i>8</i>",
            "image/png": "cG5n",
            "image/svg+xml": SVG,
            "application/vnd.plotly.v1+json": {"data": ["1"]},
        }
    ]


# ------------------------------------------------------------------ displays: objects that show themselves


class Frame:
    """Shows itself as a table of pandas does."""

    def _repr_html_(self) -> str:
        return "<table></table>"

    def __repr__(self) -> str:
        return "a\n1"


class Picture:
    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return b"png", {"width": 4}

    def _repr_jpeg_(self) -> None:
        return None

    def _repr_html_(self) -> str:
        raise RuntimeError("no page today")


class Chart:
    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return {"application/vnd.vegalite.v5+json": {"mark": "bar"}}, {}

    def _repr_html_(self) -> str:
        raise AssertionError("a bundle is enough")


class Figure:
    """A figure of plotly, outside a notebook."""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {}

    def to_plotly_json(self) -> dict[str, Any]:
        return {"data": [{"y": (1, 2)}]}

    def _repr_html_(self) -> str:
        raise AssertionError("a page would be megabytes")

    def __repr__(self) -> str:
        return "y" * 20_000


class Eager:
    """Answers to any name, as a proxy or a mock does."""

    def __getattr__(self, name: str) -> Any:
        return lambda **_: "<b>anything</b>"


class Broken:
    def _repr_mimebundle_(self, **_: Any) -> Any:
        return "no bundle"

    def _repr_html_(self) -> Any:
        return ()

    def _repr_json_(self) -> Any:
        return {1: self}

    def __repr__(self) -> str:
        raise RuntimeError("no name today")


@pytest.mark.parametrize(
    ("artifact", "bundle"),
    [
        (Frame(), {"text/html": "<table></table>", "text/plain": "a\n1"}),
        (Picture(), {"image/png": "cG5n"}),
        (Chart(), {"application/vnd.vegalite.v5+json": {"mark": "bar"}}),
        (
            Figure(),
            {"application/vnd.plotly.v1+json": {"data": [{"y": [1, 2]}]}, "text/plain": "y" * 10_000 + "…"},
        ),
        (
            Broken(),
            {
                "application/json": {"1": {"$type": "Broken"}},
                "text/plain": '{\n  "1": {\n    "$type": "Broken"\n  }\n}',
            },
        ),
    ],
)
def test_an_object_shows_itself_as_in_a_notebook(artifact: Any, bundle: dict[str, Any]) -> None:
    assert read(displays, artifact=artifact) == [bundle]
    assert shown(display_type="table", data=artifact) == bundle
    assert read(displays, artifact=[artifact, artifact]) == [bundle, bundle]


def test_an_object_that_answers_to_any_name_is_not_asked() -> None:
    assert read(displays, artifact=Eager()) == []


# ------------------------------------------------------------------ skills, memory, compression


@pytest.mark.parametrize(
    ("name", "use", "told"),
    [
        (
            "skill_manage",
            {"args": {"action": "create", "name": "pdf", "category": "docs", "content": "four"}, "content": "ok"},
            [{"action": "create", "name": "pdf", "category": "docs", "characters": 4}],
        ),
        ("skill_manage", {"content": '{"action": "delete", "name": "pdf"}'}, [{"action": "delete", "name": "pdf"}]),
        ("skill_manage", {"args": {"action": "patch", "name": "pdf"}, "content": '{"success": false}'}, []),
        ("skill_manage", {"content": "created"}, []),
        ("skill_view", {}, []),
        (
            "skill_view",
            {"args": {"name": "pdf"}, "content": "read me"},
            [{"action": "load", "name": "pdf", "characters": 7}],
        ),
        (
            "skill_view",
            {"args": {"name": "pdf", "file_path": "a.md"}, "content": '{"content": "four", "name": "pdf"}'},
            [{"action": "load", "name": "pdf", "file_path": "a.md", "characters": 4}],
        ),
        (
            "load_skill",
            {"args": {"skill_name": "pdf"}, "content": "four"},
            [{"action": "load", "name": "pdf", "characters": 4}],
        ),
        ("load_skill", {"args": {"skill_name": "pdf"}, "content": '{"error": "none"}'}, []),
        ("load_skill", {"args": {"skill_name": "pdf"}, "content": "Error: no such skill"}, []),
    ],
)
def test_what_was_done_to_a_skill(name: str, use: dict[str, Any], told: list[Any]) -> None:
    assert read(skills, name, **use) == told


@pytest.mark.parametrize(
    ("name", "use", "told"),
    [
        (
            "memory",
            {
                "args": {"action": "add", "target": "user", "content": "four"},
                "content": '{"success": true, "index": 2}',
            },
            [{"action": "add", "target": "user", "index": 2, "characters": 4}],
        ),
        (
            "memory",
            {"args": {"command": "create", "path": "/memories/a.md", "file_text": "four"}, "content": "File created"},
            [{"action": "create", "path": "/memories/a.md", "characters": 4}],
        ),
        (
            "manage_memory",
            {"args": {"content": "four"}, "content": "created memory 7d1f"},
            [{"action": "create", "id": "7d1f", "characters": 4}],
        ),
        (
            "manage_memory",
            {"args": {"action": "delete", "id": "7d1f"}, "content": "Deleted memory 7d1f"},
            [{"action": "delete", "id": "7d1f"}],
        ),
        ("search_memory", {"args": {"query": "tea"}, "content": "[]"}, [{"action": "search", "query": "tea"}]),
        ("memory", {"args": {"action": "add", "target": "user"}, "content": '{"success": false}'}, []),
        (
            "memory",
            {"args": {"action": "add", "target": "user"}, "content": '{"action": "replace", "index": 1}'},
            [{"action": "replace", "target": "user", "index": 1}],
        ),
        ("memory", {"content": "hm"}, []),
        ("memory", {"args": {"command": "create", "path": "/a.md"}, "content": "\nERROR: no such folder"}, []),
        ("memory", {"args": {"action": "read"}}, []),
        ("search_memory", {"content": "[]"}, []),
        ("memory", {"args": {"action": ["odd"]}}, []),
    ],
)
def test_what_was_done_to_a_memory(name: str, use: dict[str, Any], told: list[Any]) -> None:
    assert read(memory, name, **use) == told


@pytest.mark.parametrize(
    ("name", "use", "told"),
    [
        (
            "__compression__",
            {"content": '{"before_tokens": 47000, "after_tokens": 9000, "ratio": 5.2, "other": 1}'},
            [{"before_tokens": 47000, "after_tokens": 9000, "ratio": 5.2}],
        ),
        (
            "compact_conversation",
            {"args": {}, "content": "Conversation compacted. Summarized 12 messages into a concise summary."},
            [{"messages": 12}],
        ),
        (
            "compact_conversation",
            {"content": "Nothing to compact yet"},
            [{"skipped": True, "reason": "Nothing to compact yet"}],
        ),
        ("compact_conversation", {"content": "Compaction failed: an error occurred"}, []),
        ("__compression__", {"args": {"ratio": 2}, "content": '{"success": false}'}, []),
    ],
)
def test_how_a_conversation_was_made_shorter(name: str, use: dict[str, Any], told: list[Any]) -> None:
    assert read(compression, name, **use) == told


# ------------------------------------------------------------------ any tool


@pytest.mark.parametrize(
    ("use", "result"),
    [
        ({"content": "007"}, "007"),
        ({"content": "7"}, "7"),
        ({"content": '{"a": 1}'}, {"a": 1}),
        ({"content": "[1]"}, [1]),
        ({"content": "seven", "artifact": 7}, 7),
        ({"content": [{"type": "web_search_result", "url": "x"}]}, [{"type": "web_search_result", "url": "x"}]),
    ],
)
def test_any_tool_tells_its_arguments_and_its_result(use: dict[str, Any], result: Any) -> None:
    assert read(any_tool, "look", args={"q": 1}, **use) == [{"args": {"q": 1}, "result": result}]


# ------------------------------------------------------------------ any payload


@dataclasses.dataclass
class Record:
    display_type: str = "table"
    data: Any = None


class Hostile:
    """Raises whatever is asked of it, but for its class, which hypothesis asks for too."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__" and type(self) is Hostile:
            return Hostile
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("iter")

    def __repr__(self) -> str:
        raise RuntimeError("repr")


class Merciless(Hostile):
    """Raises even when asked for its class, as `isinstance` does."""


class HostileDict(dict[str, Any]):
    def get(self, *_: Any) -> Any:  # type: ignore[override]
        raise RuntimeError("get")

    def items(self) -> Any:
        raise RuntimeError("items")


KINDS = ("table", "image", "plot", "html", "json", "text", "markdown", "text/html", "image/svg+xml")
WORDS = (
    *("todos", "content", "status", "state", "reflection", "thought", "display_type", "data", "title", "type", "image"),
    *("action", "name", "skill_name", "command", "success", "error", "file_text", "messages", "before_tokens"),
    *("columns", "rows", "schema", "fields", "$schema", "mark", "source", "base64", "$bytes", "mime_type", "url"),
)


def as_written(value: Any) -> str:
    try:
        return f"Updated todo list to {value!r}"
    except Exception:
        return ""


keys = st.sampled_from([*WORDS, *KINDS, "text/plain", "image/png", "a"])
texts = st.one_of(
    st.sampled_from([*KINDS, *WORDS, PNG, SVG, "data:image/png;base64,AA", "data:image/svg+xml;base64,A", "error", ""]),
    st.text(st.sampled_from("[]{}()'\"\\,: <>/=;ab1-é\n\ud800"), max_size=12),
    st.sampled_from(["Updated todo list to ", "created memory ", "Summarized 9 messages", "[" * 300, '{"data":']),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts, st.binary(max_size=4))
foreign = st.sampled_from([Frame, Picture, Chart, Broken, Eager, Hostile, HostileDict, object]).map(lambda make: make())
odd = st.sampled_from([lambda: Record, lambda: Decimal("NaN"), lambda: 10**5000, lambda: 1e999]).map(
    lambda make: make()
)
values = st.recursive(
    st.one_of(scalars, foreign, odd),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(keys, inner, max_size=4),
        st.builds(Record, st.sampled_from(KINDS), inner),
        st.fixed_dictionaries({"display_type": st.sampled_from(KINDS), "data": inner}),
        st.fixed_dictionaries({"todos": inner}),
        inner.map(lambda value: to_dict(Extracted(name="", kind="", data=value)).get("data")).map(json.dumps),
        inner.map(as_written),
    ),
    max_leaves=10,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=600)
@example(args=None, content="[" * 100_000, artifact=None)
@example(args={"todos": "[" + "{'a':" * 5_000}, content='{"a":' * 5_000, artifact=None)
@example(args=None, content=None, artifact={"display_type": "table", "data": '{"a":' * 900 + "1" + "}" * 900})
@given(args=values, content=values, artifact=values)
def test_no_payload_breaks_a_built_in_and_what_it_tells_is_json(args: Any, content: Any, artifact: Any) -> None:
    for extractor in (*BUILT_INS, any_tool):
        for name in extractor.tools:
            for event in extractor.extract(ToolUse(name=name, args=args, content=content, artifact=artifact)):
                assert (event.id, event.lane) == (None, ())
                assert to_dict(decode(encode(event))) == to_dict(event)
                if isinstance(event, Display):
                    assert event.bundle
                    assert all(isinstance(form, str) for mime, form in event.bundle.items() if mime[:5] == "text/")
                    json.dumps(event.bundle)


@pytest.mark.parametrize("kind", [Merciless, Hostile, HostileDict, Eager])
def test_an_object_that_raises_whatever_it_is_asked_breaks_nothing(kind: type) -> None:
    for value in (kind(), [kind()], {"todos": kind(), "data": kind(), "display_type": "table"}):
        for extractor in (*BUILT_INS, any_tool):
            for name in extractor.tools:
                for event in extractor.extract(ToolUse(name=name, args=value, content=value, artifact=value)):
                    assert to_dict(decode(encode(event))) == to_dict(event)
                read = list(extractor.extract(ToolUse(name=name, content=value)))
                assert read == [] or extractor is any_tool or kind.__name__ in read[0].bundle["text/plain"]


def test_a_cell_of_any_size_and_kind_reads() -> None:
    bundle = shown(display_type="table", data=[{"a": 10**5000, "b": float("nan"), "c": {1, 2}}])
    assert bundle["application/json"]["rows"][0][1:] == [None, [1, 2]]
