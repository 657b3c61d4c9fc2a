"""What the package is from outside: a light front door, typed, whole with its base dependencies alone."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from importlib import metadata, resources
from statistics import median

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import langwire

ALLOWED_MILLISECONDS = 50


def python(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------------ the front door


def test_importing_the_package_loads_nothing_of_others() -> None:
    loaded = "import sys; print(*sys.modules)"
    new = set(python(f"import langwire; {loaded}").split()) - set(python(loaded).split())
    rooms = {name.partition(".")[0] for name in new}
    assert rooms - sys.stdlib_module_names == {"langwire"}
    assert not new & {"asyncio", "logging", "importlib.metadata", "inspect", "dataclasses", "socket"}


def test_importing_the_package_costs_next_to_nothing() -> None:
    cost = "import time; print(time.process_time())"
    pairs = [(float(python(f"import langwire; {cost}")), float(python(f"pass; {cost}"))) for _ in range(7)]
    milliseconds = 1000 * (median(with_it for with_it, _ in pairs) - median(without for _, without in pairs))
    assert milliseconds < ALLOWED_MILLISECONDS


def test_all_names_are_there_and_in_order() -> None:
    names = langwire.__all__
    assert names == sorted(set(names))
    assert set(names) <= set(dir(langwire))
    assert dir(langwire) == sorted(dir(langwire))
    assert [name for name in names if getattr(langwire, name) is None] == []


@pytest.mark.parametrize("name", langwire.__all__)
def test_a_name_can_be_imported_by_itself(name: str) -> None:
    namespace: dict[str, object] = {}
    vars(langwire).pop(name, None)
    exec(f"from langwire import {name}", namespace)  # noqa: S102
    assert namespace[name] == getattr(langwire, name)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'langwire' has no attribute 'nothing'"):
        _ = langwire.nothing
    with pytest.raises(ImportError, match="nothing"):
        exec("from langwire import nothing")  # noqa: S102


def test_the_version_is_that_of_the_distribution() -> None:
    assert langwire.__version__ == metadata.version("langwire")


def test_the_package_is_typed() -> None:
    assert resources.files("langwire").joinpath("py.typed").is_file()


# ------------------------------------------------------------------ base dependencies alone

IMPORT_ALL = """
import importlib, json, sys
modules, forbidden = map(json.loads, sys.argv[1:])

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in forbidden:
            raise ModuleNotFoundError(f"{name} is no base dependency", name=name)

sys.meta_path.insert(0, Refuse())
for name in modules:
    importlib.import_module(name)
"""


NEED_EXTRAS = {
    "langwire.adapters._shared.gate": "web",
    "langwire.adapters._shared.refusals": "web",
    "langwire.adapters._shared.streaming": "web",
    "langwire.adapters._shared.web": "web",
    "langwire.adapters.agui._answers": "agui",
    "langwire.adapters.agui._beginning": "agui",
    "langwire.adapters.agui._blocks": "agui",
    "langwire.adapters.agui._protocol": "agui",
    "langwire.adapters.agui._reading": "agui",
    "langwire.adapters.agui._refusals": "web",
    "langwire.adapters.agui._streams": "web",
    "langwire.adapters.agui.bridge": "agui",
    "langwire.adapters.agui.endpoint": "web",
    "langwire.adapters.agui.request": "agui",
    "langwire.adapters.cli.adapter": "cli",
    "langwire.adapters.cli.cards": "cli",
    "langwire.adapters.cli.layout": "cli",
    "langwire.adapters.cli.markdown": "cli",
    "langwire.adapters.cli.screen": "cli",
    "langwire.adapters.cli.telling": "cli",
    "langwire.adapters.cli.terminal": "cli",
    "langwire.adapters.fastapi.export": "web",
    "langwire.adapters.fastapi.router": "web",
    "langwire.adapters.fastapi.sent": "web",
    "langwire.adapters.fastapi.socket": "web",
    "langwire.adapters.fastapi.threads": "web",
    "langwire.adapters.jupyter.chat": "jupyter",
    "langwire.adapters.jupyter.showing": "jupyter",
    "langwire.adapters.jupyter.stage": "jupyter",
    "langwire.adapters.jupyter.static": "jupyter",
    "langwire.app._app": "web",
    "langwire.app._security": "web",
    "langwire.app.page": "web",
    "langwire.app.tasks": "web",
    "langwire.commands.prompt": "cli",
    "langwire.commands.serve": "web",
    "langwire.sessions.otel": "otel",
    "langwire.sessions.otel_metrics": "otel",
}
MISSING = IMPORT_ALL.replace("map(json.loads, sys.argv[1:])", "[sys.argv[1]], json.loads(sys.argv[2])").replace(
    "    importlib.import_module(name)",
    "    try:\n        importlib.import_module(name)\n    except ImportError as error:\n        print(error)",
)


def base_distributions() -> set[str]:
    """The package and what comes with it when no extra is asked for."""
    found: set[str] = set()
    waiting = ["langwire"]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            needs = [Requirement(line) for line in metadata.requires(name) or ()]
            waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


def test_every_module_can_be_imported_with_base_dependencies_alone() -> None:
    base = base_distributions()
    forbidden = [
        room
        for room, owners in metadata.packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & base
    ]
    modules = [module.name for module in pkgutil.walk_packages(langwire.__path__, "langwire.")]
    modules.remove("langwire.testing.plugin")  # nobody but pytest loads it
    for module, extra in NEED_EXTRAS.items():
        modules.remove(module)
        done = python(MISSING, module, json.dumps(forbidden))
        assert done.strip().endswith(f'pip install "langwire[{extra}]"')
    assert "pytest" in forbidden
    assert {"langwire.__main__", "langwire.commands.run", "langwire.adapters.plain"} <= set(modules)
    python(IMPORT_ALL, json.dumps(modules), json.dumps(forbidden))
