"""Knows what a task store promises, as a suite of tests that any store can be put through.

Each test is one sentence of the contract. They are plain methods that run an event loop of their own, and raise
`AssertionError` by themselves, so any test runner will do: no plugin, no fixture, no rewritten assertions.
"""

from __future__ import annotations

from abc import ABC

from langwire.testing._task_finishing import Finishing
from langwire.testing._task_making import Making
from langwire.testing._task_reading import Reading
from langwire.testing._task_steering import Steering
from langwire.testing._task_working import Working
from langwire.testing.stores import Clock as Clock


class TaskStoreContract(Making, Steering, Working, Finishing, Reading, ABC):
    """What every `TaskStore` does. Subclass it in a test module, and say how a store is made:

        class TestMyStore(TaskStoreContract):
            async def make_store(self, clock):
                return MyStore(clock=clock)

    `make_store` is called once a test, in the loop that the test runs in, and returns a store that knows nothing yet
    and takes its time from `clock` (Unix milliseconds). The suite closes it. `other_store` may return another store
    object over the same tasks, as a second process would have it; the tests of two stores need one.
    """
