"""The browser's half of the faces: its types, its tests, and the bundle that is committed of it."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from agui.npm import CLEAN_INSTALL, hash_of, once
from langwire.adapters._shared.bundle import bundle_names, bundled

# It knows nothing of LangGraph: it is tested in one environment, the one that opens it in a browser too.
pytest.importorskip("playwright.async_api", reason="playwright is not in this environment")

WEB = Path(__file__).parents[2] / "web"
BUNDLE = WEB.parent / "src" / "langwire" / "adapters" / "_shared" / "bundle"
MOST = 300_000
"""How many bytes all scripts together may have, compressed."""

pytestmark = pytest.mark.timeout(600)  # a compiler and a browser's model in a second language


@pytest.fixture(scope="module")
def npm() -> str:
    """npm, with the packages installed. Without it these tests are left out, unless nothing may be missing."""
    found = shutil.which("npm")
    if found is None and not os.environ.get("LANGWIRE_WHOLE"):
        pytest.skip("the renderer and the page need Node 20.19 and npm")
    once(WEB, WEB / "node_modules" / ".installed", hash_of(WEB / "package-lock.json"), *CLEAN_INSTALL)
    return found or "npm"


def run(*order: str) -> None:
    """Run a program in the folder of the browser's half; what it says is the reason where it fails."""
    done = subprocess.run(order, cwd=WEB, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_its_types_fit(npm: str) -> None:
    run(npm, "run", "types")


def test_its_own_tests_pass(npm: str) -> None:
    """F-J1, F-J2, T-13, T-14 are among them, and the fold of every story."""
    run(npm, "test")


def test_the_committed_bundle_is_what_its_source_makes(npm: str, tmp_path: Path) -> None:
    """Who installs the package runs what who reads the source has read."""
    run(npm, "exec", "--", "vite", "build", "--outDir", str(tmp_path), "--emptyOutDir")
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_bytes() for path in BUNDLE.iterdir()}
    assert sorted(made) == sorted(committed) == bundle_names()
    differing = [name for name in made if made[name] != committed[name]]
    assert differing == [], "build it again with `npm run build` in web/"


def test_all_scripts_together_are_small() -> None:
    scripts = [bundled(name) for name in bundle_names() if name.endswith(".js")]
    assert sum(len(gzip.compress(script.encode())) for script in scripts) < MOST


@pytest.mark.parametrize("name", ["renderer.js", "frame.js"])
def test_a_script_that_stands_in_a_page_does_not_end_there(name: str) -> None:
    """T-14: an exported file holds both, and a browser takes the first end of a script for its end."""
    script = bundled(name).lower()
    assert "</script" not in script
    assert not re.search(r"<!--(?:(?!-->).)*<script", script, re.DOTALL), "this hides the end of the script"


@pytest.mark.parametrize("name", ["renderer.js", "frame.js"])
def test_a_script_that_stands_alone_loads_nothing(name: str) -> None:
    """An exported file opens offline, and a notebook gives the renderer no address to load from."""
    assert re.findall(r"""(?:^|[;}\n])import\s*[\w{*"'].{,40}|\bimport\(.{,40}""", bundled(name)) == []


def test_the_page_loads_nothing_but_what_is_bundled() -> None:
    loaded = re.findall(r"""(?:^|[;}\n])import[^;]*?["']([^"']+)["']""", bundled("page.js"))
    assert loaded
    assert {name.removeprefix("./") for name in loaded} <= set(bundle_names())
