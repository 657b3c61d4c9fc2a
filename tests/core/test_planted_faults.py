"""The suite catches every fault of `faults.py`: each is planted in a copy of the package, and the tests run on that.

As a soak each fault has to be found by the whole of this folder, whichever test it is that fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from faults import FAULTS, Fault

import langwire

SOAK = bool(os.environ.get("LANGWIRE_SOAK"))
PACKAGE = Path(langwire.__file__).parent
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FOLDER = [str(HERE), f"--ignore={__file__}"]

PLUGINS_NOBODY_NEEDS = ("anyio", "hypothesispytest", "langsmith_plugin", "pytest_cov")
"""Loading them takes longer than the test."""

WITNESS = """
import sys
from pathlib import Path

def pytest_unconfigure():
    files = [str(module.__file__) for name, module in sys.modules.items() if name.partition(".")[0] == "langwire"]
    Path(__file__).with_suffix(".txt").write_text("\\n".join(files))
"""
"""A plugin that writes down where the modules of langwire were imported from."""

pytestmark = pytest.mark.timeout(3000)  # a soak takes a minute for each


class Run(NamedTuple):
    code: int
    imported: tuple[Path, ...]
    """The files of langwire's modules: those of the copy as `langwire/…`, any other by its whole path."""
    said: str


def run_tests(folder: Path, tests: Sequence[str], fault: Fault | None = None) -> Run:
    """Run tests on a copy of the package in `folder`, with a fault planted in it."""
    copy = folder / "src"
    shutil.copytree(PACKAGE, copy / "langwire", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "schema", folder / "schema")  # which the package looks for beside its sources
    (copy / "witness.py").write_text(WITNESS)
    if fault is not None:
        source = copy / "langwire" / "core" / fault.file
        source.write_text(source.read_text().replace(fault.old, fault.new))
    plugins = ["witness", "no:cacheprovider", *(f"no:{name}" for name in PLUGINS_NOBODY_NEEDS)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", *(f"-p{plugin}" for plugin in plugins), *tests],
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    witness = copy / "witness.txt"
    files = map(Path, witness.read_text().splitlines() if witness.exists() else ())
    imported = tuple(file.relative_to(copy) if file.is_relative_to(copy) else file for file in files)
    return Run(done.returncode, imported, done.stdout + done.stderr)


def environment(folder: Path) -> dict[str, str]:
    """Nothing that steers this run, coverage above all; the copy first; compiled tests are shared by all runs."""
    steering = ("COV", "LANGWIRE_", "PYTEST_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(steering)} | {
        "PYTHONPATH": str(folder / "src"),
        "PYTHONPYCACHEPREFIX": str(folder.with_name("compiled")),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "examples"),
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Run]]]:
    """The runs of all faults, two at a time: each test waits for its own."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {
            fault.name: pool.submit(
                run_tests, tmp_path_factory.mktemp("fault"), FOLDER if SOAK else [str(HERE / fault.caught_by)], fault
            )
            for fault in FAULTS
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_caught(fault: Fault, runs: dict[str, Future[Run]]) -> None:
    """Code 1 says that tests failed; any other, that they did not run."""
    run = runs[fault.name].result()
    assert run.code == 1, f"{fault.about}\n{run.said}"
    assert_the_copy_was_imported(run)
    assert Path("langwire/core", fault.file) in run.imported


def test_without_a_fault_the_same_tests_pass_in_the_same_way(tmp_path: Path) -> None:
    run = run_tests(tmp_path, FOLDER if SOAK else sorted({str(HERE / fault.caught_by) for fault in FAULTS}))
    assert run.code == 0, run.said
    assert_the_copy_was_imported(run)


def assert_the_copy_was_imported(run: Run) -> None:
    """Nothing came from where langwire is installed, the plugin that pytest finds there by itself included."""
    assert Path("langwire/testing/plugin.py") in run.imported
    assert [file for file in run.imported if file.is_absolute()] == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fits_its_file_once_and_names_a_test(fault: Fault) -> None:
    assert (PACKAGE / "core" / fault.file).read_text().count(fault.old) == 1
    assert fault.new != fault.old
    file, _, test = fault.caught_by.partition("::")
    assert f"def {test}(" in (HERE / file).read_text()


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len({(fault.file, fault.old, fault.new) for fault in FAULTS}) == len(FAULTS)
