"""Both session stores keep the contract; the one in a file also stands restarts, rivals, kills, cancels, bad files."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest

from langwire.errors import StoreError, UsageError
from langwire.events import ErrorInfo
from langwire.sessions import sqlite_store
from langwire.sessions.sqlite_store import SQLiteSessionStore
from langwire.sessions.store import Answer, MemorySessionStore, Move, SessionRecord, SessionStore
from langwire.testing.faults import Fault
from langwire.testing.stores import SessionStoreContract, ask, to

T = TypeVar("T")

KILLS = 300 if os.environ.get("LANGWIRE_SOAK") else 5
RIVALS = 4
ROUNDS = 50


class TestMemorySessionStore(SessionStoreContract):
    async def make_store(self, clock: Callable[[], int]) -> SessionStore:
        return MemorySessionStore(clock=clock)


class TestSQLiteSessionStore(SessionStoreContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "sessions.db"

    async def make_store(self, clock: Callable[[], int]) -> SessionStore:
        return SQLiteSessionStore(self.path, clock=clock)


class Forgetful(MemorySessionStore):
    async def get(self, thread_id: str) -> SessionRecord | None:
        return None


class Slow(MemorySessionStore):
    """Looks, lets others in, and then writes."""

    async def _move(self, thread_id: str, move: Move[T]) -> T:
        changed, answer = move(await self.get(thread_id))
        await asyncio.sleep(0)
        if changed is not None:
            self._records[thread_id] = changed
        return answer


class Eager(MemorySessionStore):
    """Writes down each end, whoever ends."""

    async def end_turn(self, thread_id: str, turn_id: str, **end: Any) -> bool:
        record = await self.get(thread_id)
        return await super().end_turn(thread_id, (record and record.turn_id) or turn_id, **end)


class OneByOne(MemorySessionStore):
    """Takes the answers that it can."""

    async def answer(self, thread_id: str, answers: Sequence[Answer]) -> tuple[str, ...]:
        return tuple([id for answer in answers for id in await super(OneByOne, self).answer(thread_id, [answer])])


class Careless(MemorySessionStore):
    """Hands out what it keeps, and takes every id."""

    async def get(self, thread_id: str) -> SessionRecord | None:
        return self._records.get(thread_id)


LIARS: list[tuple[type[MemorySessionStore], str]] = [
    (Forgetful, "the_first_turn_makes_the_record"),
    (Slow, "of_many_who_answer_at_once_one_wins"),
    (Slow, "a_thread_is_claimed_once"),
    (Slow, "a_turn_ends_once"),
    (Eager, "the_end_of_an_older_turn_changes_nothing"),
    (OneByOne, "several_answers_are_taken_all_or_none"),
    (OneByOne, "answers_of_one_call_belong_to_one_asking_and_to_different_questions"),
    (Careless, "what_is_handed_in_and_out_is_not_what_is_kept"),
    (Careless, "no_thread_is_called_nothing_or_half_a_character"),
]


@pytest.mark.parametrize(("liar", "promise"), LIARS, ids=lambda value: getattr(value, "__name__", value))
def test_the_contract_finds_a_store_that_breaks_it(liar: type[MemorySessionStore], promise: str) -> None:
    class Broken(SessionStoreContract):
        async def make_store(self, clock: Callable[[], int]) -> SessionStore:
            return liar(clock=clock)

    with pytest.raises(AssertionError, match=" came, expected "):
        getattr(Broken(), f"test_{promise}")()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


def is_whole(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def mode_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA journal_mode").fetchone()[0]


def is_closed(path: Path) -> bool:
    return not path.with_name(f"{path.name}-wal").exists()  # SQLite removes it with the last connection


def record_in(path: Path, thread: str) -> SessionRecord:
    async def get() -> SessionRecord | None:
        async with SQLiteSessionStore(path) as store:
            return await store.get(thread)

    record = asyncio.run(get())
    assert record
    return record


# ------------------------------------------------------------------ restarts


async def test_everything_is_there_after_a_restart(path: Path) -> None:
    error = ErrorInfo(code="OSError", message="the agent failed with OSError", id="e-1")
    async with SQLiteSessionStore(path) as store:
        await store.begin_turn("t", "1", instance="a", owner="ann", title="Hi", client_message_id="m")
        await store.end_turn("t", "1", outcome="error", error=error, asked=True)
        await store.answer("t", [Answer(asked="1", interrupt_id="q", turn_id="2", value=[None], decided_by="ann")])
        kept = await store.get("t")
    assert is_closed(path)
    async with SQLiteSessionStore(str(path)) as store:
        assert await store.get("t") == kept
        assert (await store.list(owner="ann")).records == (kept,)
        assert await store.answer("t", [to("q", asked="1", turn="3")]) == ("q",)


def test_a_store_serves_one_event_loop_after_another(path: Path) -> None:
    store = SQLiteSessionStore(path)
    made = asyncio.run(store.begin_turn("t", "1", instance="a"))
    assert asyncio.run(store.get("t")) == made
    asyncio.run(store.close())


def test_a_process_that_forgets_to_close_the_store_ends_all_the_same(path: Path) -> None:
    program = """
import asyncio, sys
from langwire.sessions.sqlite_store import SQLiteSessionStore
store = SQLiteSessionStore(sys.argv[1])
asyncio.run(store.begin_turn("t", "1", instance="a"))
"""
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=60)
    assert is_whole(path)


# ------------------------------------------------------------------ rivals


async def test_of_two_stores_over_one_file_one_takes_the_answer(path: Path) -> None:
    """F-T2."""
    async with SQLiteSessionStore(path) as one, SQLiteSessionStore(path) as other:
        await ask(one, "t1")
        stores = [one, other] * 20
        answers = [store.answer("thread", [to("q", turn=f"turn {n}")]) for n, store in enumerate(stores)]
        said = await asyncio.gather(*answers)
        assert sorted(said) == [(), *[("q",)] * 39]
        assert await one.get("thread") == await other.get("thread")


RIVAL = """
import asyncio, sys
from langwire.sessions.sqlite_store import SQLiteSessionStore
from langwire.testing.stores import to

path, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    async with SQLiteSessionStore(path) as store:
        for number in range(rounds):
            if await store.answer(f"thread {number}", [to("q", turn=name), to("r", turn=name)]) == ():
                print(number, flush=True)

asyncio.run(main())
"""


def test_of_many_processes_one_takes_each_answer(path: Path) -> None:
    """F-T2: they also open the file at the same moment, while it is not there yet."""
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", RIVAL, str(path), f"rival {number}", str(ROUNDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(RIVALS)
    ]
    for rival in rivals:
        assert rival.stdout
        assert rival.stdout.readline() == "ready\n"
    won: dict[str, list[str]] = {}
    for rival in rivals:
        assert rival.stdin
        rival.stdin.write("go\n")
        rival.stdin.flush()
    for number, rival in enumerate(rivals):
        won[f"rival {number}"] = rival.communicate(timeout=60)[0].split()
        assert rival.returncode == 0
    assert sorted(int(number) for numbers in won.values() for number in numbers) == list(range(ROUNDS))
    for name, numbers in won.items():
        for number in numbers:
            assert [answer.turn_id for answer in record_in(path, f"thread {number}").answers] == [name] * 2


async def test_a_move_waits_for_that_of_another_process(path: Path) -> None:
    async with SQLiteSessionStore(path) as store:
        await store.begin_turn("t", "1", instance="a")
        with closing(sqlite3.connect(path, isolation_level=None)) as rival:
            rival.execute("BEGIN IMMEDIATE")
            assert await store.get("t")  # who only reads does not wait
            ending = asyncio.create_task(store.end_turn("t", "1", outcome="complete"))
            await asyncio.sleep(0)
            rival.execute("COMMIT")
            assert await ending


async def test_a_file_that_stays_locked_is_an_error_and_then_works_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "_PATIENCE", 0.0)
    async with SQLiteSessionStore(path) as store:
        await store.begin_turn("t", "1", instance="a")
        with closing(sqlite3.connect(path, isolation_level=None)) as rival:
            rival.execute("BEGIN IMMEDIATE")
            for _ in range(2):  # with an open connection, then with a new one
                with pytest.raises(StoreError, match="database is locked"):
                    await store.end_turn("t", "1", outcome="complete")
        assert await store.end_turn("t", "1", outcome="complete")


async def test_a_file_that_is_being_read_while_it_is_opened_gets_its_mode_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What refuses the switch to WAL, without waiting, when several processes open a new file."""
    monkeypatch.setattr(sqlite_store, "_PATIENCE", 0.0)
    connect = sqlite3.connect
    with closing(connect(path, isolation_level=None, check_same_thread=False)) as rival:

        def read_meanwhile(statement: str) -> None:
            if statement.startswith("PRAGMA journal_mode"):
                rival.execute("BEGIN")
                rival.execute("SELECT * FROM langwire_sessions").fetchall()

        def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            db = connect(*args, **kwargs)
            db.set_trace_callback(read_meanwhile)
            return db

        monkeypatch.setattr(sqlite3, "connect", traced)
        async with SQLiteSessionStore(path) as store:
            assert await store.get("t") is None
            rival.execute("COMMIT")
            await store.begin_turn("t", "1", instance="a")
        monkeypatch.undo()
        assert mode_of(path) == "delete"
        async with SQLiteSessionStore(path) as store:
            assert await store.get("t")
        assert mode_of(path) == "wal"


# ------------------------------------------------------------------ kills

VICTIM = """
import asyncio, sys
from itertools import count
from langwire.sessions.sqlite_store import SQLiteSessionStore
from langwire.testing.stores import to

async def main():
    async with SQLiteSessionStore(sys.argv[1]) as store:
        for number in count(int(sys.argv[2])):
            await store.begin_turn("thread", f"{number}", instance="here")
            print(3 * number, flush=True)
            await store.end_turn("thread", f"{number}", outcome="interrupted", asked=True)
            print(3 * number + 1, flush=True)
            await store.answer("thread", [to("q", asked=f"{number}", turn=f"{number + 1}")])
            print(3 * number + 2, flush=True)

asyncio.run(main())
"""


def moves_in(record: SessionRecord) -> int:
    """Return the number of the victim's last move that is in the file."""
    assert record.turn_id
    return 3 * int(record.turn_id) + (0 if record.running else 1 + len(record.answers))


def test_a_killed_process_leaves_every_move_that_it_was_told_of(path: Path) -> None:
    """Killed in the middle of a move, that one is there wholly or not at all."""
    chance, first = random.Random(7), 0
    for _ in range(KILLS):
        victim = subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(path), str(first)], stdout=subprocess.PIPE, text=True
        )
        assert victim.stdout
        told = [victim.stdout.readline() for _ in range(chance.randint(1, 60))]
        victim.kill()
        told += victim.stdout.readlines()
        victim.stdout.close()
        victim.wait()
        assert is_whole(path)
        kept = moves_in(record_in(path, "thread"))
        assert kept - int(told[-1]) in (0, 1)
        first = kept // 3 + 1


# ------------------------------------------------------------------ cancels


async def test_a_call_that_is_cancelled_in_the_middle_of_its_transaction_leaves_no_lock(path: Path) -> None:
    fault = Fault(at=2)

    def clock() -> int:
        fault.meet()
        return 1

    async with SQLiteSessionStore(path, clock=clock) as store, SQLiteSessionStore(path) as other:
        await store.begin_turn("t", "1", instance="a")
        ending = asyncio.create_task(store.end_turn("t", "1", outcome="complete"))
        await fault.reached  # it holds the lock now
        waiting = asyncio.create_task(store.claim("t", "ann"))
        await asyncio.sleep(0)
        for call in (ending, waiting):
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        fault.release()
        record = await other.begin_turn("t", "2", instance="b")
        assert (record.outcome, record.owner) == ("complete", None)
        assert (await store.begin_turn("t", "3", instance="a")).turn_id == "3"


async def test_a_close_that_is_cancelled_closes_all_the_same(path: Path) -> None:
    fault = Fault()

    def clock() -> int:
        fault.meet()
        return 1

    store = SQLiteSessionStore(path, clock=clock)
    begins = asyncio.create_task(store.begin_turn("t", "1", instance="a"))
    await fault.reached
    closes = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    closes.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closes
    fault.release()
    await begins
    await asyncio.wrap_future(store._thread.submit(int))  # the thread has done what it was given before
    assert is_closed(path)


async def test_a_move_that_fails_changes_nothing_and_leaves_no_lock(path: Path) -> None:
    fault = Fault(at=2, error=ArithmeticError("no time"))

    def clock() -> int:
        fault.meet()
        return 1

    async with SQLiteSessionStore(path, clock=clock) as store, SQLiteSessionStore(path) as other:
        begun = await store.begin_turn("t", "1", instance="a")
        with pytest.raises(ArithmeticError, match="no time"):
            await store.end_turn("t", "1", outcome="complete")
        assert await other.get("t") == begun
        assert await other.set_title("t", "Hello")
        assert await store.end_turn("t", "1", outcome="complete")


# ------------------------------------------------------------------ files


def test_a_path_that_names_no_file_is_refused() -> None:
    for path in ("", ":memory:"):
        with pytest.raises(UsageError, match="expected a file"):
            SQLiteSessionStore(path)


def test_a_file_that_sqlite_did_not_write_is_an_error_and_stays_as_it_is(path: Path) -> None:
    path.write_text("these are my notes\n" * 100)
    store = SQLiteSessionStore(path)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"cannot use '.*sessions\.db' .*: file is not a database"):
            asyncio.run(store.get("t"))
    assert path.read_text() == "these are my notes\n" * 100


async def test_a_directory_and_a_path_to_nowhere_are_errors(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with SQLiteSessionStore(tmp_path) as store:
        with pytest.raises(StoreError, match="it is a directory; expected a file"):
            await store.get("t")
    for name in ("nowhere/sessions.db", "file/sessions.db"):
        async with SQLiteSessionStore(tmp_path / name) as store:
            with pytest.raises(StoreError, match="its directory does not exist"):
                await store.get("t")


async def test_a_store_works_as_soon_as_its_directory_is_there(tmp_path: Path) -> None:
    async with SQLiteSessionStore(tmp_path / "later" / "sessions.db") as store:
        with pytest.raises(StoreError):
            await store.get("t")
        (tmp_path / "later").mkdir()
        assert await store.get("t") is None


async def test_tables_of_a_newer_version_are_an_error(path: Path) -> None:
    async with SQLiteSessionStore(path) as store:
        await store.get("t")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE langwire_schema SET version = 2")
    async with SQLiteSessionStore(path) as store:
        with pytest.raises(StoreError, match="have version 2, and this langwire knows version 1: upgrade langwire"):
            await store.get("t")


async def test_a_transaction_that_sqlite_has_ended_itself_is_an_error(path: Path) -> None:
    """As on a full disk."""
    async with SQLiteSessionStore(path) as store:
        begun = await store.begin_turn("t", "1", instance="a")
        with closing(sqlite3.connect(path)) as db:
            db.execute(
                "CREATE TRIGGER full BEFORE UPDATE ON langwire_sessions"
                " BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END"
            )
            with pytest.raises(StoreError, match="database or disk is full"):
                await store.end_turn("t", "1", outcome="complete")
            assert await store.get("t") == begun
            db.execute("DROP TRIGGER full")
        assert await store.end_turn("t", "1", outcome="complete")


async def test_a_record_that_was_spoilt_is_an_error_and_the_others_are_there(path: Path) -> None:
    async with SQLiteSessionStore(path) as store:
        for thread in ("t", "u"):
            await store.begin_turn(thread, "1", instance="a")
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE langwire_sessions SET body = '{}' WHERE thread_id = 't'")
        with pytest.raises(StoreError, match="missing required field"):
            await store.end_turn("t", "1", outcome="complete")
        assert await store.end_turn("u", "1", outcome="complete")
        assert await store.delete("t")


async def test_the_tables_live_beside_those_of_others_and_readers_do_not_stop_writers(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE sessions (mine TEXT)")
        db.execute("PRAGMA user_version = 41")
    async with SQLiteSessionStore(path) as store:
        await store.begin_turn("t", "1", instance="a")
    with closing(sqlite3.connect(path)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == {"sessions", "langwire_schema", "langwire_sessions"}
        assert db.execute("PRAGMA user_version").fetchone() == (41,)
    assert mode_of(path) == "wal"
