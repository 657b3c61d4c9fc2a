"""Tasks in a SQLite file: restarts, locks, kills, bad files, a full disk, others in the same file, shared commits."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph

from langwire.errors import MissingExtra, StoreError, UnknownTask, UsageError
from langwire.events import TokenUsage
from langwire.sessions.sqlite_store import SQLiteSessionStore
from langwire.tasks import _sqlite_tables, sqlite_store
from langwire.tasks._tables import Tables
from langwire.tasks.sqlite_store import SQLiteTaskStore
from langwire.testing import ScriptedModel, text
from langwire.testing._task_suite import child, claims, ended, everything, finish, known, made, said, spec, started

KILLS = 200 if os.environ.get("LANGWIRE_SOAK") else 5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteTaskStore]:
    async with SQLiteTaskStore(path) as made:
        yield made


def is_whole(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def pragma(store: SQLiteTaskStore, text: str) -> None:
    """Set something of the connection that writes, in its thread."""
    await store._write(lambda tables: tables._db.execute(f"PRAGMA {text}"))  # type: ignore[attr-defined]


class Gate:
    """A rule that keeps the store's thread until it is opened, so that calls come together behind it."""

    def __init__(self, store: SQLiteTaskStore) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.passing = asyncio.create_task(store._write(self._hold))

    def _hold(self, _: Tables) -> None:
        self.entered.set()
        self.opened.wait(60)

    async def wait(self) -> None:
        await asyncio.to_thread(self.entered.wait, 60)


# ------------------------------------------------------------------ restarts


async def test_everything_is_there_after_a_restart(path: Path) -> None:
    async with SQLiteTaskStore(path) as store:
        parent = await started(store, "p", priority=2, principal="ann")
        await store.create([child("c", parent, after=("p",), call_key="k", args={"n": [None]})])
        await store.append_events("p", parent.fence, 1, said("one"), usage=TokenUsage(input_tokens=2, output_tokens=3))
        kept, events = await everything(store), await store.events("p")
    assert not path.with_name("tasks.db-wal").exists()  # SQLite removes it with the last connection
    async with SQLiteTaskStore(str(path)) as store:
        assert (await everything(store), await store.events("p")) == (kept, events)
        assert (await finish(store, await known(store, "p"))).usage == TokenUsage(input_tokens=2, output_tokens=3)
        assert set(await claims(store)) == {"c"}


async def test_adding_events_does_not_write_the_task_again(store: SQLiteTaskStore, path: Path) -> None:
    task = await started(store)
    with closing(sqlite3.connect(path)) as db:
        body = db.execute("SELECT body FROM langwire_tasks").fetchone()
        await store.append_events("t", task.fence, 1, said("one"), usage=TokenUsage(input_tokens=7))
        assert db.execute("SELECT body FROM langwire_tasks").fetchone() == body
    now = await known(store)
    assert (now.events, now.batch, now.usage, now.change > task.change) == (3, 1, TokenUsage(input_tokens=7), True)


async def test_what_is_forgotten_leaves_nothing_behind(store: SQLiteTaskStore, path: Path) -> None:
    parent = await ended(store, "p", "failed")
    await store.retry("p")
    parent = (await claims(store))["p"]
    await store.create([child("c", parent), child("d", parent, after=("c",))])
    await finish(store, (await claims(store))["c"])
    await finish(store, (await claims(store))["d"])
    await finish(store, await known(store, "p"))
    assert set(await store.purge(-1)) == {"p", "c", "d"}
    with closing(sqlite3.connect(path)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}  # noqa: S608
    assert {name: number for name, number in rows.items() if number} == {"langwire_schema": 1, "langwire_task_mark": 1}


# ------------------------------------------------------------------ many calls, one commit


async def test_calls_that_wait_share_one_commit(store: SQLiteTaskStore) -> None:
    await store.create([spec(str(number)) for number in range(20)])
    tasks = await claims(store)
    seen: list[str] = []
    await store._write(lambda tables: tables._db.set_trace_callback(seen.append))  # type: ignore[attr-defined]
    gate = Gate(store)
    await gate.wait()
    finishing = [asyncio.create_task(finish(store, task)) for task in tasks.values()]
    await asyncio.sleep(0)
    gate.opened.set()
    assert {task.state for task in await asyncio.gather(*finishing)} == {"done"}
    assert (seen.count("BEGIN IMMEDIATE"), seen.count("SAVEPOINT one_call")) == (2, 21)  # one for all behind the gate


async def test_a_call_that_is_refused_leaves_the_others_of_its_commit_alone(store: SQLiteTaskStore) -> None:
    gate = Gate(store)
    await gate.wait()
    calls = [
        asyncio.create_task(call) for call in (made(store, spec("a")), store.retry("nobody"), made(store, spec("b")))
    ]
    await asyncio.sleep(0)
    gate.opened.set()
    a, unknown, b = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(unknown, UnknownTask)
    assert (a, b) == (await known(store, "a"), await known(store, "b"))


async def test_a_call_that_is_cancelled_before_its_turn_is_not_made_and_later_is_made_wholly(
    store: SQLiteTaskStore,
) -> None:
    """F-T3."""
    gate = Gate(store)
    await gate.wait()
    early = asyncio.create_task(made(store, spec("early")))
    await asyncio.sleep(0)
    early.cancel()
    await asyncio.wait([early])
    gate.passing.cancel()  # it has begun: it goes on
    await asyncio.wait([gate.passing])
    gate.opened.set()
    await made(store, spec("next"))
    assert await store.get("early") is None


async def test_more_calls_than_one_commit_takes_are_made_too(
    store: SQLiteTaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "_TOGETHER", 2)
    seen: list[str] = []
    await store._write(lambda tables: tables._db.set_trace_callback(seen.append))  # type: ignore[attr-defined]
    gate = Gate(store)
    await gate.wait()
    making = [asyncio.create_task(made(store, spec(str(number)))) for number in range(5)]
    await asyncio.sleep(0)
    gate.opened.set()
    assert [task.id for task in await asyncio.gather(*making)] == list("01234")
    assert seen.count("BEGIN IMMEDIATE") == 4


async def test_what_is_answered_is_on_the_disk(store: SQLiteTaskStore) -> None:
    """W5: a commit that only the operating system knows of is lost in a power cut."""
    level = await store._write(lambda tables: tables._db.execute("PRAGMA synchronous").fetchone())  # type: ignore[attr-defined]
    assert level == (2,)


async def test_who_waits_is_woken_at_once_by_the_stores_own_moves(
    store: SQLiteTaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks for news of other processes in this test."""
    monkeypatch.setattr(sqlite_store, "_LOOK", 600.0)
    mark, _ = await store.changes(None)
    waiting = [asyncio.create_task(store.wait(mark, 600)) for _ in range(3)]
    await asyncio.sleep(0)
    for _ in range(2):  # there was news before it came; the second comes when the others have been looked after
        await asyncio.wait_for(store.wait(mark - 1, 600), 60)
    assert not any(task.done() for task in waiting)
    await made(store, spec("t"))
    await asyncio.wait_for(asyncio.gather(*waiting), 60)


# ------------------------------------------------------------------ locks


async def test_a_move_waits_for_that_of_another_process_and_who_reads_does_not(
    store: SQLiteTaskStore, path: Path
) -> None:
    await made(store, spec("t"))
    await known(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        claiming = asyncio.create_task(claims(store))
        await asyncio.sleep(0)
        assert (await known(store)).state == "queued"
        rival.execute("COMMIT")
        assert set(await claiming) == {"t"}


async def test_a_file_that_stays_locked_is_an_error_and_then_works_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-T1: nothing is lost, nothing has to be opened again."""
    monkeypatch.setattr(sqlite_store, "_PATIENCE", 0.0)
    async with SQLiteTaskStore(path) as store:
        task = await started(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as rival:
            rival.execute("BEGIN IMMEDIATE")
            for _ in range(2):  # with an open connection, then with a new one
                with pytest.raises(StoreError, match=r"cannot use '.*tasks\.db' as a task store: database is locked"):
                    await finish(store, task)
        assert (await finish(store, task)).state == "done"


async def test_a_file_that_cannot_be_written_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with SQLiteTaskStore(path) as store:
        await made(store, spec("t"))
        await pragma(store, "query_only = ON")
        with pytest.raises(StoreError, match="attempt to write a readonly database"):
            await store.request_cancel("t")
        assert (await known(store)).state == "queued"
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", lambda path, **how: connect(f"file:{path}?mode=ro", uri=True, **how))
        async with SQLiteTaskStore(path) as store:
            with pytest.raises(StoreError, match="attempt to write a readonly database"):
                await store.request_cancel("t")
    async with SQLiteTaskStore(path) as store:
        assert (await store.request_cancel("t")).state == "cancelled"


# ------------------------------------------------------------------ a full disk


async def test_on_a_full_disk_no_task_is_lost_and_all_goes_on_when_there_is_room(
    store: SQLiteTaskStore, path: Path
) -> None:
    task = await started(store)
    await pragma(store, "max_page_count = 60")
    ids: list[str] = []
    with pytest.raises(StoreError, match="database or disk is full"):
        for number in range(1000):
            ids.append((await made(store, spec(f"n{number}", prompt="x" * 5000))).id)
    assert ids
    await pragma(store, "max_page_count = 60")  # a full disk may have cost the connection
    with pytest.raises(StoreError, match="database or disk is full"):
        await store.append_events("t", task.fence, 1, said("x" * 100_000))
    assert set(await store.count()) == {"queued", "ongoing"}
    await pragma(store, "max_page_count = 100000")
    assert await store.append_events("t", task.fence, 1, said("x" * 100_000)) is True
    assert (await finish(store, await known(store))).events == 4
    assert list(await claims(store)) == ids
    assert is_whole(path)


async def test_calls_whose_shared_transaction_sqlite_has_ended_are_errors_all(
    store: SQLiteTaskStore, path: Path
) -> None:
    """As a disk that fails may do: nobody is told that something was kept."""
    await made(store, spec("t"))
    before = await everything(store)
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "CREATE TRIGGER fails BEFORE UPDATE ON langwire_tasks"
            " BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END"
        )
        gate = Gate(store)
        await gate.wait()
        calls = [asyncio.create_task(call) for call in (made(store, spec("u")), claims(store), made(store, spec("v")))]
        await asyncio.sleep(0)
        gate.opened.set()
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error) for error in errors] == [StoreError] * 3
        assert await everything(store) == before
        db.execute("DROP TRIGGER fails")
    assert set(await claims(store)) == {"t"}


# ------------------------------------------------------------------ files


def test_a_path_that_names_no_file_is_refused() -> None:
    for path in ("", ":memory:"):
        with pytest.raises(UsageError, match=r"expected a file \(MemoryTaskStore needs none\)"):
            SQLiteTaskStore(path)


@pytest.mark.parametrize("call", ["get", "create", "wait", "checkpointer"])
async def test_a_bad_file_is_an_error_and_stays_as_it_is(tmp_path: Path, call: str) -> None:
    (tmp_path / "notes").write_text("these are my notes\n" * 100)
    (tmp_path / "file").touch()
    wrong = {
        "notes": "file is not a database",
        "": "it is a directory; expected a file",
        "nowhere/tasks.db": "its directory does not exist; make it first",
        "file/tasks.db": "its directory does not exist; make it first",
    }
    for name, reason in wrong.items():
        async with SQLiteTaskStore(tmp_path / name) as store:

            async def opened(store: SQLiteTaskStore = store) -> None:
                async with store.checkpointer():
                    raise AssertionError

            calls: dict[str, Callable[[], Any]] = {
                "get": lambda store=store: store.get("t"),
                "create": lambda store=store: store.create([spec("t")]),
                "wait": lambda store=store: store.wait(0, 60),
                "checkpointer": opened,
            }
            for _ in range(2):
                with pytest.raises(StoreError, match=f"cannot use '.*' as a task store: {reason}"):
                    await calls[call]()
    assert (tmp_path / "notes").read_text() == "these are my notes\n" * 100


async def test_a_store_works_as_soon_as_its_directory_is_there(tmp_path: Path) -> None:
    async with SQLiteTaskStore(tmp_path / "later" / "tasks.db") as store:
        with pytest.raises(StoreError):
            await store.get("t")
        (tmp_path / "later").mkdir()
        assert await store.get("t") is None


async def test_a_task_that_was_spoilt_is_an_error_and_the_others_are_there(store: SQLiteTaskStore, path: Path) -> None:
    await store.create([spec("t"), spec("u")])
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE langwire_tasks SET body = '{}' WHERE id = 't'")
        db.execute("UPDATE langwire_task_events SET event = '{\"type\": \"newer\"}' WHERE task_id = 'u'")
    with pytest.raises(StoreError, match="missing required field"):
        await store.request_cancel("t")
    with pytest.raises(StoreError, match="as a langwire event"):
        await store.events("u")
    assert (await store.request_cancel("u")).state == "cancelled"


# ------------------------------------------------------------------ versions


async def test_tables_of_a_newer_version_are_an_error(path: Path) -> None:
    async with SQLiteTaskStore(path) as store:
        await made(store, spec("t"))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE langwire_schema SET version = 2 WHERE component = 'tasks'")
    async with SQLiteTaskStore(path) as store:
        for call in (store.get("t"), store.retry("t")):
            with pytest.raises(
                StoreError, match=r"tasks in .* have version 2, and this langwire knows version 1: upgrade"
            ):
                await call
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE langwire_schema SET version = 1 WHERE component = 'tasks'")
    async with SQLiteTaskStore(path) as store:
        assert await known(store)


async def test_tables_of_an_older_version_are_brought_up_once_and_all_is_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SQLiteTaskStore(path) as store:
        task = await made(store, spec("t"))
    more = (("CREATE TABLE newer (a TEXT)", "INSERT INTO newer VALUES ('once')"), ("INSERT INTO newer VALUES ('too')",))
    monkeypatch.setattr(sqlite_store, "VERSIONS", (*_sqlite_tables.VERSIONS, *more))
    for _ in range(2):
        async with SQLiteTaskStore(path) as store:
            assert (await known(store), await claims(store, 0)) == (task, {})
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT a FROM newer").fetchall() == [("once",), ("too",)]
        assert db.execute("SELECT * FROM langwire_schema").fetchall() == [("tasks", 3)]


async def test_a_version_that_cannot_be_made_leaves_the_one_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with SQLiteTaskStore(path) as store:
        await made(store, spec("t"))
    with monkeypatch.context() as patched:
        broken = ("CREATE TABLE newer (a TEXT)", "INSERT INTO nowhere VALUES (1)")
        patched.setattr(sqlite_store, "VERSIONS", (*_sqlite_tables.VERSIONS, broken))
        async with SQLiteTaskStore(path) as store:
            with pytest.raises(StoreError, match="no such table: nowhere"):
                await store.get("t")
    async with SQLiteTaskStore(path) as store:
        assert await known(store)


# ------------------------------------------------------------------ others in the same file


async def test_sessions_checkpoints_and_tasks_live_in_one_file(path: Path) -> None:
    builder = StateGraph(MessagesState)
    model = ScriptedModel(script=[text("hello")])

    async def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    config: Any = {"configurable": {"thread_id": "t"}}
    async with SQLiteSessionStore(path) as sessions, SQLiteTaskStore(path) as tasks, tasks.checkpointer() as saver:
        graph = builder.compile(checkpointer=saver)
        task = await started(tasks)
        await asyncio.gather(
            graph.ainvoke({"messages": [("user", "hi")]}, config),
            sessions.begin_turn("t", "1", instance="here"),
            tasks.append_events("t", task.fence, 1, said("one")),
        )
        assert (await finish(tasks, await known(tasks))).state == "done"
    async with (
        SQLiteSessionStore(path) as sessions,
        SQLiteTaskStore(path) as tasks,
        AsyncSqliteSaver.from_conn_string(str(path)) as saver,
    ):
        state = await builder.compile(checkpointer=saver).aget_state(config)
        assert [message.text for message in state.values["messages"]] == ["hi", "hello"]
        assert await sessions.get("t")
        assert (await known(tasks)).state == "done"
    with closing(sqlite3.connect(path)) as db:
        assert dict(db.execute("SELECT * FROM langwire_schema").fetchall()) == {"sessions": 1, "tasks": 1}
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_the_tables_of_checkpoints_are_made_before_any_run(store: SQLiteTaskStore, path: Path) -> None:
    async with store.checkpointer(), store.checkpointer():
        with closing(sqlite3.connect(path)) as db:
            names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"checkpoints", "writes"} <= names


async def test_tables_of_checkpoints_that_cannot_be_made_are_an_error(
    store: SQLiteTaskStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "_PATIENCE", 0.0)
    await store.changes(None)  # the store's own tables are made, and it reads: that is not what fails
    with closing(sqlite3.connect(path, isolation_level=None)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"cannot use '.*tasks\.db' as a task store: database is locked"):
            async with store.checkpointer():
                raise AssertionError
    async with store.checkpointer() as saver:
        assert saver.is_setup


async def test_checkpoints_need_an_extra(store: SQLiteTaskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiosqlite", None)
    with pytest.raises(MissingExtra, match=r'pip install "langwire\[sqlite\]"'):
        async with store.checkpointer():
            pass


async def test_who_waits_sleeps_on_while_others_write_to_the_same_file(store: SQLiteTaskStore, path: Path) -> None:
    mark, _ = await store.changes(None)
    waiting = asyncio.create_task(store.wait(mark, 60))
    async with SQLiteSessionStore(path) as sessions, SQLiteTaskStore(path) as other:
        for number in range(3):
            await sessions.begin_turn("t", str(number), instance="here")
            late = asyncio.create_task(other.wait(mark, 0.05))  # at least one look of the other one's
            await asyncio.wait([late])
        assert not waiting.done()
        await made(other, spec("t"))
        await waiting
    assert (await store.changes(mark))[1] == (await known(store),)


# ------------------------------------------------------------------ other processes

MAKER = """
import asyncio, sys
from itertools import count
from langwire.tasks.sqlite_store import SQLiteTaskStore
from langwire.tasks.task import Ending
from langwire.testing._task_suite import said, spec

async def work(store, worker, number):
    id = f"{sys.argv[2]}-{worker}-{number}"
    await store.create([spec(id, name=id)])
    (task,) = await store.claim(worker, [f"agent:{id}"], lease=30)
    await store.append_events(task.id, task.fence, 1, said("one", "two"))
    await store.finish(task.id, task.fence, Ending(state="done", taken=1, batch=2), said("three"))
    print(id, flush=True)

async def main():
    async with SQLiteTaskStore(sys.argv[1]) as store:
        async def worker(name):
            for number in count():
                await work(store, name, number)
        await asyncio.gather(*(worker(name) for name in "wxyz"))

asyncio.run(main())
"""


def test_what_a_killed_process_has_said_is_true(path: Path) -> None:
    """I4, I8: each task that it called done is done, once, with all its events, whenever the kill came."""
    chance = random.Random(6)
    said_so: list[str] = []
    for number in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", MAKER, str(path), str(number)], stdout=subprocess.PIPE, text=True
        ) as maker:
            assert maker.stdout
            said_so += [maker.stdout.readline().strip() for _ in range(chance.randrange(1, 40))]
            maker.kill()
            said_so += [line.strip() for line in maker.stdout if line.endswith("\n")]
    assert is_whole(path)
    asyncio.run(check_said(path, said_so))


async def check_said(path: Path, said_so: list[str]) -> None:
    async with SQLiteTaskStore(path) as store:
        for id in said_so:
            task, page = await known(store, id), await store.events(id)
            assert (task.state, task.attempt, task.fence) == ("done", 1, 1)
            assert [entry.seq for entry in page.entries] == [1, 2, 3, 4, 5, 6]
        for task in (await store.list(limit=100_000)).tasks:
            page = await store.events(task.id)
            assert [entry.seq for entry in page.entries] == list(range(1, task.events + 1))
