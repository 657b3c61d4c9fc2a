"""Knows how to get a graph, or a function, out of a spec: `path/to/file.py:attr` or `pkg.module:attr`.

A spec runs code, so it comes from the command line, the configuration or the environment, never from a request.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from langwire.errors import SpecError

_EXPECTED = "expected path/to/file.py:attr or pkg.module:attr"
_TEXT_LENGTH = 500


def load_agent(spec: str) -> Any:
    """Return the graph that a spec names, for example `agent.py:graph` or `shop.agents:support`.

    Blanks around the spec are trimmed, `~` is the home directory, the last colon divides, and the attribute may be
    dotted. It names a compiled graph (anything with `stream` and `astream`), or a function without required
    parameters, sync or async, that returns one; a function that takes a `config` gets `{}`. An async one runs in
    an event loop of its own, which is closed afterwards.

    A file's folder, and the working directory in both forms, are on `sys.path` from then on, so that siblings are
    found as if the file were run. A file is executed once a process: loading it again, or loading the module it
    already is, gives the same module. What is printed meanwhile goes to standard error.

    Raises `SpecError`, one line, for every spec that does not load; its `__cause__` is what Python raised.
    """
    with redirect_stdout(sys.stderr):
        return _graph(*_named(spec, "graph"))


def load_function(spec: str) -> Callable[..., Any]:
    """Return the function, or anything else that can be called, that a spec names, for example `login.py:who_asks`.

    A spec is read as `load_agent` does. Raises `SpecError`, one line, for every spec that does not load.
    """
    with redirect_stdout(sys.stderr):
        value, named = _named(spec, "function")
    if not callable(value):
        raise SpecError(f"{named} is a {type(value).__name__}: expected a function")
    return value


def _named(spec: str, kind: str) -> tuple[Any, str]:
    """Return what a spec names, and the spec without what may be left out. `kind` is what is expected there."""
    target, attribute = _split(spec)
    module = _module_of_file(target) if _is_file(target) else _module_of_name(target)
    return _attribute(module, attribute, target, kind), f"{target}:{attribute}"


def _split(spec: str) -> tuple[str, str]:
    target, colon, attribute = (part.strip() for part in spec.rpartition(":"))
    if not colon:
        raise SpecError(f"{spec.strip()!r} names no attribute: {_EXPECTED}")
    if not target or not all(name.isidentifier() for name in attribute.split(".")):
        raise SpecError(f"{spec.strip()!r} cannot be read as a spec: {_EXPECTED}")
    return os.path.expanduser(target), attribute


def _is_file(target: str) -> bool:
    return target.endswith(".py") or "/" in target or "\\" in target or ("." in target and os.path.exists(target))


# ------------------------------------------------------------------ the module


def _module_of_file(target: str) -> ModuleType:
    path = Path(target).resolve()
    if path.suffix != ".py":
        raise SpecError(f"{target} is not a Python file: {_EXPECTED}")
    if not path.is_file():
        raise SpecError(f"there is no file {path}: check the path, it starts from the working directory")
    loaded = _loaded_from(path)
    if loaded is not None:
        return loaded
    _make_importable(Path.cwd(), path.parent)
    name = _free_name(path)
    spec = cast("Any", importlib.util.spec_from_file_location(name, path))  # a `.py` file always has one
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        with _as_spec_error(f"importing {target}"):
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _loaded_from(path: Path) -> ModuleType | None:
    """The module that this file already is, under whatever name it was imported."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str) and os.path.basename(file) == path.name and Path(file).resolve() == path:
            return module
    return None


def _free_name(path: Path) -> str:
    """The file's own name, as its siblings would import it, unless another module has it."""
    name = path.stem
    if name.isidentifier() and name not in sys.modules and name not in sys.stdlib_module_names:
        return name
    return f"{name}_{sha256(str(path).encode()).hexdigest()[:8]}"


def _module_of_name(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise SpecError(f"{name!r} is neither a file nor a module name: {_EXPECTED}")
    _make_importable(Path.cwd())
    try:
        with _as_spec_error(f"importing {name}", ModuleNotFoundError):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            where = f"looked in {Path.cwd()} and where Python finds modules"
            raise SpecError(f"there is no module {error.name} ({where}): check the name, or name a file") from error
        raise _spec_error(f"importing {name}", error) from error


def _make_importable(*folders: Path) -> None:
    """Put folders on the path, the last one first; one that is there keeps its place."""
    for folder in map(str, folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)


# ------------------------------------------------------------------ the attribute


def _attribute(module: ModuleType, attribute: str, target: str, kind: str) -> Any:
    value: Any = module
    for name in attribute.split("."):
        try:
            with _as_spec_error(f"reading {name} of {target}", AttributeError):
                value = getattr(value, name)
        except AttributeError as error:
            raise SpecError(f"{target} has no {attribute}: {_advice(module, value, name, kind)}") from error
    return value


def _advice(module: ModuleType, owner: Any, name: str, kind: str) -> str:
    close = get_close_matches(name, [other for other in dir(owner) if not other.startswith("_")])
    looks = _looks_like_graph if kind == "graph" else inspect.isfunction
    found = [key for key, value in vars(module).items() if looks(value)]
    said = [
        f"did you mean {' or '.join(close)}?" if close else "",
        f"its {kind}s are {', '.join(found)}" if found else f"no {kind} was found in it",
    ]
    return " ".join(filter(None, said))


def _looks_like_graph(value: Any) -> bool:
    """Asks the class, not the value: a module may hold objects that do not like to be asked."""
    kind = cast("Any", type(value))
    return all(hasattr(kind, name) for name in ("stream", "astream", "get_state"))


# ------------------------------------------------------------------ the graph


def _graph(value: Any, spec: str) -> Any:
    if _is_graph(value):
        return value
    if not callable(value) or _is_uncompiled(value):
        raise SpecError(_refusal(spec, "is", value))
    made = _made_by(value, spec)
    if _is_graph(made):
        return made
    raise SpecError(_refusal(spec, "returned", made))


def _is_graph(value: Any) -> bool:
    return not isinstance(value, type) and hasattr(value, "stream") and hasattr(value, "astream")


def _is_uncompiled(value: Any) -> bool:
    return not isinstance(value, type) and hasattr(value, "compile") and hasattr(value, "add_node")


def _refusal(spec: str, verb: str, value: Any) -> str:
    if _is_uncompiled(value):
        return f"{spec} {verb} a {type(value).__name__} that is not compiled: compile it: graph.compile()"
    what = "None" if value is None else f"a {type(value).__name__}"
    return f"{spec} {verb} {what}: expected a compiled graph, or a function that returns one"


def _made_by(factory: Callable[..., Any], spec: str) -> Any:
    arguments = _arguments(factory, spec)
    with _as_spec_error(f"calling {spec}"):
        made = factory(**arguments)
        return _awaited(made) if inspect.isawaitable(made) else made


def _arguments(factory: Callable[..., Any], spec: str) -> dict[str, Any]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # some callables written in C have no signature
        return {}
    required = [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if required == ["config"]:
        return {"config": {}}
    if required:
        names = ", ".join(required)
        raise SpecError(f"{spec} needs arguments ({names}): give them defaults, or name a function without any")
    return {}


def _awaited(made: Awaitable[Any]) -> Any:
    async def wait() -> Any:
        return await made

    if not _in_loop():
        return asyncio.run(wait())
    with ThreadPoolExecutor(1) as thread:  # this thread's loop is running: another one needs a thread of its own
        return thread.submit(asyncio.run, wait()).result()


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def _as_spec_error(doing: str, *but: type[Exception]) -> Generator[None]:
    """Foreign code runs here: whatever it raises becomes one line, except Ctrl-C."""
    try:
        yield
    except but:
        raise
    except (Exception, SystemExit) as error:
        raise _spec_error(doing, error) from error


def _spec_error(doing: str, error: BaseException) -> SpecError:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return SpecError(f"{doing} needs the module {error.name}, which is not there: install it, or check its name")
    text = " ".join(str(error).split())[:_TEXT_LENGTH]
    hint = " (name it as pkg.module:attr)" if "relative import with no known parent" in text else ""
    return SpecError(f"{doing} raised {type(error).__name__}{': ' if text else ''}{text}{hint}")
