"""Knows how to make anything fail or hang at its n-th call, and nothing of what the calls do.

A fault is put into a copy of an object (`faulty`), a stream (`faulty_stream`), the script of a model (as a piece), or
code of your own (`fault.meet()`). A test waits for `fault.reached`, never for seconds.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import aclosing, suppress
from copy import copy
from functools import wraps
from threading import Lock
from types import new_class
from typing import Any, TypeVar, cast, overload

from langwire.errors import UsageError

T = TypeVar("T")

_PATIENCE = 30.0
"""How long a test waits for what it expects, in seconds: a run that failed before never meets its fault."""


class Signal:
    """Something that happens once: `wait()` for it in any thread, or `await` it in any event loop.

    Both raise `TimeoutError` after `timeout` seconds.
    """

    def __init__(self, timeout: float | None = None) -> None:
        self._future: Future[None] = Future()
        self._timeout = timeout

    def set(self) -> None:
        """Let it happen. Without effect the second time."""
        with suppress(InvalidStateError):
            self._future.set_result(None)

    def is_set(self) -> bool:
        """Return whether it has happened."""
        return self._future.done()

    def wait(self) -> None:
        """Wait until it has happened."""
        self._future.result(self._timeout)

    def __await__(self) -> Generator[Any, None, None]:
        # Shielded: who stops waiting does not stop the others.
        happened = asyncio.shield(asyncio.wrap_future(self._future))
        return asyncio.wait_for(happened, self._timeout).__await__()


class Fault:
    """Something that goes wrong at call number `at` (from 1), and at no other.

    With an `error` that call raises it, without the traceback of earlier runs; of a class one is made. Without one it
    hangs until `release()`, or until the task that hangs is cancelled. `calls` counts the calls, which may come from
    several threads. `reached` is the `Signal` that the fault was met: `fault.reached.wait()`, or
    `await fault.reached`, for 30 seconds at most. Raises `UsageError` for an `at` or an `error` that is none.
    """

    def __init__(self, at: int = 1, error: BaseException | type[BaseException] | None = None) -> None:
        if type(at) is not int or at < 1:
            raise UsageError(f"a fault at call {at!r} is never met: expected a number, 1 or more")
        self.at, self.error = at, _one_of(error)
        self.calls = 0
        self.reached = Signal(_PATIENCE)
        self._released = Signal()
        self._lock = Lock()

    def release(self) -> None:
        """Let the call that hangs go on, or not hang if it is still to come."""
        self._released.set()

    def meet(self) -> None:
        """Count a call; fail or hang if it is the one."""
        if self._is_it():
            self._released.wait()

    async def ameet(self) -> None:
        """Count a call; fail or hang if it is the one: `meet`, async."""
        if self._is_it():
            await self._released

    def _is_it(self) -> bool:
        """Whether the call has to hang. Raises the fault's error if the call has to fail."""
        with self._lock:
            self.calls += 1
            met = self.calls == self.at
        if met:
            self.reached.set()
            if self.error is not None:
                raise fresh(self.error)
        return met


def _one_of(error: BaseException | type[BaseException] | None) -> BaseException | None:
    """Return the exception, or one of its class."""
    made = error() if isinstance(error, type) else error
    if made is None or isinstance(made, BaseException):  # pyright: ignore[reportUnnecessaryIsInstance]
        return made
    raise UsageError(
        f"a fault's error came as a {type(made).__name__}: expected an exception, such as OSError('disk full')"
    )


def fresh(error: BaseException) -> BaseException:
    """Return the error without its traceback: one that is raised many times would gather those of every run."""
    return error.with_traceback(None)


# ------------------------------------------------------------------ putting a fault into things


@overload
def faulty_stream(stream: AsyncIterable[T], fault: Fault) -> AsyncIterator[T]: ...
@overload
def faulty_stream(stream: Iterable[T], fault: Fault) -> Iterator[T]: ...
def faulty_stream(stream: Iterable[T] | AsyncIterable[T], fault: Fault) -> Iterator[T] | AsyncIterator[T]:
    """Return the stream with a fault in it: each item is a call, and the one that meets the fault does not come.

    `Fault(at=4, error=…)` lets three items through. A hanging item comes once it is released. The stream itself is
    closed when its reader stops.
    """
    return _aitems(stream, fault) if isinstance(stream, AsyncIterable) else _items(stream, fault)


def _items(stream: Iterable[T], fault: Fault) -> Iterator[T]:
    try:
        for item in stream:
            fault.meet()
            yield item
    finally:
        if isinstance(stream, Generator):
            cast("Generator[T]", stream).close()


async def _aitems(stream: AsyncIterable[T], fault: Fault) -> AsyncGenerator[T, None]:
    try:
        async for item in stream:
            await fault.ameet()
            yield item
    finally:
        if inspect.isasyncgen(stream):
            await stream.aclose()


def faulty(obj: T, fault: Fault, *methods: str) -> T:
    """Return a copy of an object whose named methods meet a fault before they do anything.

    For savers, stores, graphs and whatever else a test wants to break. The copy is an instance of the same class and
    shares its data with the original, which stays whole. All named methods count into the one fault; of a generator,
    sync or async, each item is a call. A method that calls another named one counts twice: name the one that is
    called (`put` in a sync run, `aput` in an async one). Raises `UsageError` for a name that is no method.
    """
    kind = type(obj)
    if not methods:
        raise UsageError(f"no methods came: expected the names of those of {kind.__name__} that meet the fault")
    wrapped = {name: _wrapped(kind, name, fault) for name in methods}
    copied: Any = copy(obj)
    # Without a dict of its own the new class has the layout of the old one, which lets the copy change into it.
    copied.__class__ = new_class(kind.__name__, (kind,), {}, lambda body: body.update({"__slots__": (), **wrapped}))
    return copied


def _wrapped(kind: type, name: str, fault: Fault) -> Callable[..., Any]:
    method: Any = inspect.getattr_static(kind, name, None)
    if not inspect.isfunction(method):
        raise UsageError(f"{name!r} came for a {kind.__name__}: expected the name of one of its methods")
    make = next((make for fits, make in _MAKERS if fits(method)), _call)
    return wraps(method)(make(method, fault))


def _call(method: Callable[..., Any], fault: Fault) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        fault.meet()
        return method(*args, **kwargs)

    return call


def _coroutine(method: Callable[..., Any], fault: Fault) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        await fault.ameet()
        return await method(*args, **kwargs)

    return call


def _generator(method: Callable[..., Any], fault: Fault) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from _items(method(*args, **kwargs), fault)

    return call


def _async_generator(method: Callable[..., Any], fault: Fault) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async with aclosing(_aitems(method(*args, **kwargs), fault)) as items:
            async for item in items:
                yield item

    return call


_MAKERS = (
    (inspect.iscoroutinefunction, _coroutine),
    (inspect.isgeneratorfunction, _generator),
    (inspect.isasyncgenfunction, _async_generator),
)
