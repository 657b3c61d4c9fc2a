"""Hints reach the workers of a process, from any thread, and say no more than that there may be something to do."""

import asyncio
import threading

from langwire.tasks import InProcessDispatcher, Task
from langwire.tasks.task import Spec


def task(id: str) -> Task:
    return Task(spec=Spec(id=id, name="main", root_id=id), number=1)


async def test_each_receiver_gets_a_hint():
    dispatcher = InProcessDispatcher()
    receivers = [dispatcher.receive(), dispatcher.receive()]
    waiting = [asyncio.ensure_future(anext(receiver)) for receiver in receivers]
    await asyncio.sleep(0)
    await dispatcher.send(task("a"))
    assert await asyncio.gather(*waiting) == ["a", "a"]
    await dispatcher.close()


async def test_hints_that_nobody_has_read_become_one():
    dispatcher = InProcessDispatcher()
    receiver = dispatcher.receive()
    waiting = asyncio.ensure_future(anext(receiver))
    await asyncio.sleep(0)
    for id in ("a", "b", "c"):
        await dispatcher.send(task(id))
    assert await waiting == "c"


async def test_a_hint_that_nobody_waits_for_is_lost_and_one_from_a_thread_arrives():
    dispatcher = InProcessDispatcher()
    await dispatcher.send(task("lost"))
    receiver = dispatcher.receive()
    waiting = asyncio.ensure_future(anext(receiver))
    await asyncio.sleep(0)
    thread = threading.Thread(target=lambda: asyncio.run(dispatcher.send(task("found"))))
    thread.start()
    assert await asyncio.wait_for(waiting, 10) == "found"
    thread.join()
    await receiver.aclose()
    await dispatcher.send(task("nobody is left"))


def test_a_receiver_whose_loop_is_closed_does_not_fail_the_sender():
    dispatcher = InProcessDispatcher()
    loop = asyncio.new_event_loop()
    receiver = dispatcher.receive()
    pending = loop.create_task(anext(receiver))
    loop.run_until_complete(asyncio.sleep(0))
    loop.stop()
    loop.close()
    asyncio.run(dispatcher.send(task("a")))
    assert not pending.done()
    pending._log_destroy_pending = False  # type: ignore[attr-defined]
