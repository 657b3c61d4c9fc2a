"""What a run tells gets into the store in joined batches, each once, however often the store fails."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from langwire.errors import LeaseLost, StoreError, UsageError
from langwire.events import Event, ReasoningDelta, TextDelta, TokenUsage, ToolCallDelta, Usage
from langwire.sessions._deltas import joined, runs_of
from langwire.tasks import MemoryTaskStore, Task
from langwire.tasks._recorder import Recorder
from langwire.tasks.task import Ending, Limits, Spec
from langwire.testing.task_faults import FaultStore


def delta(text: str, id: str = "p") -> TextDelta:
    return TextDelta(id=id, text=text)


async def ongoing(store: MemoryTaskStore, **limits: Any) -> Task:
    await store.create([Spec(id="t", name="main", root_id="t", limits=Limits(**limits))])
    (task,) = await store.claim("w", ["agent:main"], lease=60)
    return task


async def events(store: MemoryTaskStore, task: Task) -> list[Event]:
    page = await store.events(task.id, after=2)  # that it was queued, and that it is ongoing
    return [entry.event for entry in page.entries]


class Patience:
    """Counts the tries, and gives up after some of them."""

    def __init__(self, most: int = 99) -> None:
        self.failed, self.most = 0, most

    async def __call__(self, failed: int, error: StoreError) -> None:
        self.failed = failed
        if failed >= self.most:
            raise LeaseLost("given up") from error


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ([], []),
        ([delta("a")], [delta("a")]),
        ([delta("a"), delta("b"), delta("c")], [delta("abc")]),
        ([delta("a"), delta("b", "q"), delta("c")], [delta("a"), delta("b", "q"), delta("c")]),
        (
            [delta("a"), delta("b"), ReasoningDelta(id="p", text="x"), ReasoningDelta(id="p", text="y"), delta("z")],
            [delta("ab"), ReasoningDelta(id="p", text="xy"), delta("z")],
        ),
        (
            [ToolCallDelta(id="c", args='{"a":'), ToolCallDelta(id="c", args="1}")],
            [ToolCallDelta(id="c", args='{"a":1}')],
        ),
        ([Usage(message_id="m"), Usage(message_id="m")], [Usage(message_id="m"), Usage(message_id="m")]),
    ],
)
def test_neighbouring_deltas_of_a_part_are_joined(told: Sequence[Event], kept: Sequence[Event]):
    assert [joined(run) for run in runs_of(told, lambda event: event)] == kept


async def until(store: MemoryTaskStore, number: int) -> None:
    while (await store.events("t")).last < number:
        mark, _ = await store.changes(None)
        if (await store.events("t")).last < number:
            await store.wait(mark, 10)


async def test_what_is_told_is_written_soon_and_the_rest_is_left_for_the_last_write():
    store = MemoryTaskStore()
    task = await ongoing(store)
    recorder = Recorder(store, task, over_budget=pytest.fail, patience=Patience(), refused=pytest.fail)
    for text in "abc":
        recorder.tell(delta(text))
    recorder.tell(Usage(message_id="m", input_tokens=3, output_tokens=4))
    await until(store, 4)
    recorder.tell(delta("d"))
    assert await recorder.rest() == ([delta("d")], None)
    assert recorder.batch == 2
    assert await events(store, task) == [delta("abc"), Usage(message_id="m", input_tokens=3, output_tokens=4)]
    kept = await store.get("t")
    assert kept is not None
    assert kept.usage == TokenUsage(input_tokens=3, output_tokens=4)


async def test_what_was_spent_and_not_written_goes_with_the_rest():
    store = MemoryTaskStore()
    recorder = Recorder(store, await ongoing(store), over_budget=pytest.fail, patience=Patience(), refused=pytest.fail)
    recorder.tell(Usage(message_id="m", input_tokens=3, output_tokens=4))
    told, usage = await recorder.rest()
    assert (len(told), usage) == (1, TokenUsage(input_tokens=3, output_tokens=4))


@pytest.mark.parametrize("at", ["before", "after"])
async def test_a_batch_that_the_store_failed_is_written_once_all_the_same(at: Any):
    """I4: also when it had been written, and the answer got lost."""
    store = MemoryTaskStore()
    task = await ongoing(store)
    patience = Patience()
    faulty = FaultStore(store, fail_nth=1, at=at, on=["append_events"])
    recorder = Recorder(faulty, task, over_budget=pytest.fail, patience=patience, refused=pytest.fail)
    recorder.tell(delta("a"))
    await until(store, 3)
    recorder.tell(delta("b"))
    await until(store, 4)
    assert await recorder.rest() == ([], None)
    assert await events(store, task) == [delta("a"), delta("b")]
    assert patience.failed == 1


async def test_a_run_that_has_lost_its_lease_writes_nothing_more(monkeypatch: pytest.MonkeyPatch):
    """I2."""
    store = MemoryTaskStore()
    task = await ongoing(store)
    await store.finish("t", task.fence, Ending(state="done", taken=1))
    monkeypatch.setattr("langwire.tasks._recorder._FIRST_PAUSE", 0)
    counting = FaultStore(store, fail_nth=None)
    recorder = Recorder(counting, task, over_budget=pytest.fail, patience=Patience(), refused=pytest.fail)
    before = (await store.events("t")).last
    for text in "abc":
        recorder.tell(delta(text))
        for _ in range(20):
            await asyncio.sleep(0)
    assert (await store.events("t")).last == before
    assert counting.calls == 1


async def test_a_root_that_has_spent_too_much_is_reported():
    store = MemoryTaskStore()
    stopped = asyncio.Event()
    task = await ongoing(store, max_tokens=5)
    recorder = Recorder(store, task, over_budget=stopped.set, patience=Patience(), refused=pytest.fail)
    recorder.tell(Usage(message_id="m", input_tokens=3, output_tokens=2))
    await asyncio.wait_for(stopped.wait(), 10)


async def test_a_batch_that_the_record_cannot_keep_costs_that_batch_alone():
    store = MemoryTaskStore()
    task = await ongoing(store)
    faulty = FaultStore(store, fail_nth=1, error=UsageError("no JSON"), on=["append_events"])
    refused: list[UsageError] = []
    recorder = Recorder(faulty, task, over_budget=pytest.fail, patience=Patience(), refused=refused.append)
    recorder.tell(delta("lost"))
    await asyncio.wait_for(faulty.reached.wait(), 10)
    recorder.tell(delta("kept"))
    await until(store, 3)
    assert await events(store, task) == [delta("kept")]
    assert recorder.batch == 2
    assert [str(error) for error in refused] == ["no JSON"]
