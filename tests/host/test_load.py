"""A spec becomes a graph, or one line that says why not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from langwire.errors import SpecError
from langwire.host import load_agent

AGENTS = Path(__file__).parent / "agents"
GREETER = AGENTS / "greeter.py"

Write = Callable[[str, str], Path]


@pytest.fixture(autouse=True)
def process_as_before(tmp_path: Path) -> Iterator[None]:
    """Loading changes the process on purpose; each test starts from the same one."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith((str(AGENTS), str(tmp_path))):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file below the working directory, which is an empty one."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def failure(spec: str) -> tuple[str, BaseException | None]:
    with pytest.raises(SpecError) as caught:
        load_agent(spec)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message, caught.value.__cause__


def says_hello(graph: Any) -> bool:
    return graph.invoke({"messages": "hi"})["messages"][-1].content == "hello from the sibling"


# ------------------------------------------------------------------ what loads


@pytest.mark.parametrize("name", ["graph", "shop.support", "factory", "async_factory", "with_config"])
def test_a_file_gives_a_graph_or_what_its_factory_makes(name: str) -> None:
    assert says_hello(load_agent(f"{GREETER}:{name}"))


async def test_an_async_factory_is_run_while_a_loop_is_running() -> None:
    assert says_hello(load_agent(f"{GREETER}:async_factory"))


def test_whatever_streams_is_a_graph_and_a_class_is_a_factory() -> None:
    assert type(load_agent(f"{GREETER}:Held")).__name__ == "Held"
    assert type(load_agent(f"{AGENTS / 'remote.py'}:graph")).__name__ == "RemoteGraph"


def test_blanks_are_trimmed_and_the_home_directory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(AGENTS))
    monkeypatch.setenv("USERPROFILE", str(AGENTS))
    assert says_hello(load_agent("  ~/greeter.py : graph \n"))


def test_a_dotted_module_is_imported_from_the_working_directory(write: Write) -> None:
    write("shop_a/__init__.py", "")
    write("shop_a/agents.py", GREETER.read_text().replace("from greeter_words", "from shop_a.words"))
    write("shop_a/words.py", "greeting = 'hello from the sibling'")
    assert says_hello(load_agent("shop_a.agents:graph"))


def test_a_file_of_a_package_finds_its_package_from_the_working_directory(write: Write) -> None:
    write("shop_b/__init__.py", "")
    write("shop_b/agents.py", GREETER.read_text().replace("from greeter_words", "from shop_b.words"))
    write("shop_b/words.py", "greeting = 'hello from the sibling'")
    assert says_hello(load_agent("shop_b/agents.py:graph"))


def test_siblings_can_be_imported_after_loading_too(write: Write) -> None:
    write("late/sibling_late.py", "from langgraph.pregel import Pregel")
    write(
        "late/agent_late.py",
        "class Graph:\n"
        "    def stream(self): from sibling_late import Pregel; return Pregel\n"
        "    astream = stream\n"
        "graph = Graph()\n",
    )
    assert load_agent("late/agent_late.py:graph").stream().__name__ == "Pregel"


def test_a_file_is_executed_once_however_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(AGENTS)
    link = tmp_path / "linked"
    link.symlink_to(AGENTS)
    first = load_agent("greeter:graph")
    runs = vars(sys)["_greeter_runs"]
    assert load_agent(f"{GREETER}:graph") is first
    assert load_agent(f"{link}/greeter.py:graph") is first
    assert load_agent("greeter:graph") is first
    assert vars(sys)["_greeter_runs"] == runs


def test_a_file_that_was_imported_through_a_link_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    link = tmp_path / "linked"
    link.symlink_to(AGENTS)
    monkeypatch.syspath_prepend(str(link))
    module = import_module("greeter")
    assert str(link) in str(module.__file__)
    assert load_agent(f"{GREETER}:graph") is module.graph


def test_two_files_of_one_name_are_two_modules(write: Write) -> None:
    for folder in ("one", "two"):
        write(f"{folder}/same.py", f"class Graph:\n    stream = astream = '{folder}'\ngraph = Graph()\n")
    assert [load_agent(f"{folder}/same.py:graph").stream for folder in ("one", "two")] == ["one", "two"]
    assert sys.modules["same"].graph.stream == "one"


@pytest.mark.parametrize("name", ["my-agent.py", "my.agent.py", "json.py", "this.py"])
def test_any_file_name_will_do(write: Write, name: str) -> None:
    write(name, "class Graph:\n    stream = astream = 'yes'\ngraph = Graph()\n")
    before = dict(sys.modules)
    assert load_agent(f"./{name}:graph").stream == "yes"
    assert sys.modules.get(Path(name).stem) is before.get(Path(name).stem)


def test_what_an_agent_prints_while_loading_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output may be somebody's JSON."""
    load_agent(f"{GREETER}:factory")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "noise of an import\nnoise of a factory\n"


def test_knowing_how_to_load_loads_nothing() -> None:
    code = "import sys, langwire.host; sys.exit('langgraph' in sys.modules or 'langchain_core' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ------------------------------------------------------------------ what does not


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("agent.py", "'agent.py' names no attribute: expected path/to/file.py:attr or pkg.module:attr"),
        ("", "'' names no attribute: expected"),
        (":graph", "':graph' cannot be read as a spec: expected"),
        ("agent.py:", "'agent.py:' cannot be read as a spec: expected"),
        ("agent.py:a..b", "'agent.py:a..b' cannot be read as a spec"),
        (r"C:\agents\agent.py", "cannot be read as a spec: expected path/to/file.py:attr"),
        ("my agent:graph", "'my agent' is neither a file nor a module name: expected"),
        (".agent:graph", "'.agent' is neither a file nor a module name"),
        ("notes.txt:graph", "notes.txt is not a Python file: expected path/to/file.py:attr"),
        ("agents/support:graph", "agents/support is not a Python file"),
        ("nosuch.py:graph", "nosuch.py: check the path, it starts from the working directory"),
    ],
)
def test_a_spec_that_cannot_be_read_says_what_was_expected(write: Write, spec: str, words: str) -> None:
    write("notes.txt", "")
    assert words in failure(spec)[0]


def test_the_last_colon_divides_so_that_a_drive_stays_a_drive() -> None:
    message, _ = failure(r"C:\agents\nosuch.py:graph")
    assert r"C:\agents\nosuch.py: check the path" in message


def test_a_missing_module_is_told_from_a_missing_import(write: Write) -> None:
    write("shop_c/__init__.py", "")
    write("shop_c/agents.py", "import nosuch_library.part")
    write("plain_c.py", "import nosuch_library")
    for spec, missing in (
        ("nosuch_module:graph", "nosuch_module"),
        ("nosuch_package.agents:graph", "nosuch_package"),
        ("shop_c.nosuch:graph", "shop_c.nosuch"),
    ):
        message, cause = failure(spec)
        assert message.startswith(f"there is no module {missing} (looked in {os.getcwd()} and")
        assert isinstance(cause, ModuleNotFoundError)
    for spec, importer in (("shop_c.agents:graph", "shop_c.agents"), ("plain_c.py:graph", "plain_c.py")):
        message, cause = failure(spec)
        assert message == (
            f"importing {importer} needs the module nosuch_library, which is not there: install it, or check its name"
        )
        assert isinstance(cause, ModuleNotFoundError)


@pytest.mark.parametrize(
    ("code", "words", "cause"),
    [
        ("raise ValueError('no key\\n for the model')", "raised ValueError: no key for the model", ValueError),
        ("raise ValueError", "raised ValueError", ValueError),
        ("def (", "raised SyntaxError: invalid syntax (bad_d.py, line 1)", SyntaxError),
        ("import sys; sys.exit('no key')", "raised SystemExit: no key", SystemExit),
        ("from json import nosuch", "raised ImportError: cannot import name 'nosuch'", ImportError),
        ("from .tools import x", "no known parent package (name it as pkg.module:attr)", ImportError),
        ("raise ModuleNotFoundError('no extra')", "raised ModuleNotFoundError: no extra", ModuleNotFoundError),
    ],
)
def test_what_an_import_raises_is_named(write: Write, code: str, words: str, cause: type[BaseException]) -> None:
    write("bad_d.py", code)
    for spec in ("bad_d.py:graph", *([] if "parent" in words else ["bad_d:graph"])):
        message, raised = failure(spec)
        assert message.startswith(f"importing {spec.partition(':')[0]} ")
        assert words in message
        assert isinstance(raised, cause)


def test_a_failed_import_leaves_no_half_module_behind(write: Write) -> None:
    path = write("mended.py", "1/0")
    failure("mended.py:graph")
    path.write_text("class Graph:\n    stream = astream = 'mended'\ngraph = Graph()\n")
    assert load_agent("mended.py:graph").stream == "mended"


def test_ctrl_c_is_not_an_error_of_the_spec(write: Write) -> None:
    write("slow_e.py", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_agent("slow_e.py:graph")
    assert "slow_e" not in sys.modules


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("grap", "greeter.py has no grap: did you mean graph? its graphs are graph"),
        ("zzz", "greeter.py has no zzz: its graphs are graph"),
        ("shop.suport", "greeter.py has no shop.suport: did you mean support? its graphs are graph"),
        ("name", "greeter.py:name is a str: expected a compiled graph, or a function that returns one"),
        ("nothing", "greeter.py:nothing is None: expected"),
        ("sys", "greeter.py:sys is a module: expected"),
        ("builder", "greeter.py:builder is a StateGraph that is not compiled: compile it: graph.compile()"),
        ("gives_a_builder", "gives_a_builder returned a StateGraph that is not compiled: compile it"),
        ("gives_nothing", "gives_nothing returned None: expected a compiled graph"),
        ("needs_more", "needs_more needs arguments (model, prompt): give them defaults, or name a function"),
        ("fails", "greeter.py:fails raised ValueError: no key for the model"),
        ("fails_async", "greeter.py:fails_async raised ValueError: no key"),
    ],
)
def test_an_attribute_that_is_no_agent_says_what_it_is(name: str, words: str) -> None:
    message, cause = failure(f"{GREETER}:{name}")
    assert words in message
    assert isinstance(cause, ValueError) == ("ValueError" in words)
    assert isinstance(cause, AttributeError) == ("has no" in words)


def test_a_module_without_graphs_says_so_and_one_that_fails_to_answer_too(write: Write) -> None:
    write("empty_f.py", "from langgraph.graph.state import CompiledStateGraph")
    assert failure("empty_f.py:graph")[0] == "empty_f.py has no graph: no graph was found in it"
    write("lazy_f.py", "def __getattr__(name): raise ValueError('no key')")
    assert failure("lazy_f.py:graph")[0] == "reading graph of lazy_f.py raised ValueError: no key"


def test_a_callable_without_a_signature_is_just_called(write: Write) -> None:
    write("c_made.py", "graph = type\nmade = dict\n")
    assert "made returned a dict" in failure("c_made.py:made")[0]
