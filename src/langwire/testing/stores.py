"""Knows what a session store promises, as a suite of tests that any store can be put through.

Each test is one sentence of the contract. They are plain methods that run an event loop of their own, and raise
`AssertionError` by themselves, so any test runner will do: no plugin, no fixture, no rewritten assertions.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from itertools import count
from typing import Any, Generic, TypeVar, get_args

from msgspec import UNSET
from msgspec.structs import replace

from langwire.errors import UsageError
from langwire.events import ErrorInfo, Outcome
from langwire.sessions.store import REMEMBERED, Answer, SessionStore

T = TypeVar("T")

ODD_IDS = ("ü 🎈 \u202e", 'it\'s "quoted"; DROP TABLE x --', "%_*?", "../..", "a\x00b", "a", "a\nb", " ", "x" * 10_000)
HALF = "\ud83d"
"""Half a character, as JSON from anywhere may hold it."""

KEPT: tuple[Any, ...] = (
    None,
    True,
    0,
    -(2**63),
    2**64 - 1,
    0.1,
    "",
    "ü 🎈 \x00 \u2028",
    [],
    {},
    {"decisions": [{"type": "edit", "edited_action": {"name": "pay", "args": {"sum": 1.5, "to": None}}}, [[{"": 1}]]]},
)
NOT_KEPT: tuple[Any, ...] = (float("nan"), b"bytes", (1, 2), {1: "one"}, {"a", "b"}, object(), HALF)


class Clock:
    """A clock that stands still until it is set: `clock.now` in Unix milliseconds."""

    def __init__(self, now: int = 1_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def case(test: Callable[[Any, Any, Clock], Awaitable[None]]) -> Callable[[Any], None]:
    """Make a test of a coroutine method that takes a new store and its clock; its suite has `make_store(clock)`."""

    async def over_a_store(suite: Any) -> None:
        clock = Clock()
        store = await suite.make_store(clock)
        try:
            await test(suite, store, clock)
        finally:
            await store.close()

    def run(self: Any) -> None:
        asyncio.run(over_a_store(self))

    run.__name__, run.__qualname__, run.__doc__ = test.__name__, test.__qualname__, test.__doc__
    return run


class SessionStoreContract(ABC):
    """What every `SessionStore` does. Subclass it in a test module, and say how a store is made:

        class TestMyStore(SessionStoreContract):
            async def make_store(self, clock):
                return MyStore(clock=clock)

    `make_store` is called once a test, in the loop that the test runs in, and returns a store that knows nothing yet
    and takes its time from `clock` (Unix milliseconds). The suite closes it.
    """

    @abstractmethod
    async def make_store(self, clock: Callable[[], int]) -> SessionStore:
        """Return a new, empty store."""

    # -------------------------------------------------------------- turns

    @case
    async def test_nothing_is_known_of_a_thread_before_its_first_turn(self, store: SessionStore, clock: Clock) -> None:
        expect(await store.get("thread"), None)
        expect((await store.list()).records, ())

    @case
    async def test_the_first_turn_makes_the_record(self, store: SessionStore, clock: Clock) -> None:
        made = await store.begin_turn("thread", "t1", instance="here", owner="ann", title="Hello")
        expect(await store.get("thread"), made)
        expect((made.thread_id, made.created_ms, made.updated_ms), ("thread", clock.now, clock.now))
        expect((made.owner, made.title, made.turn_id, made.instance), ("ann", "Hello", "t1", "here"))
        expect((made.running, made.outcome, made.error, made.asked, made.answers), (True, None, None, None, ()))

    @case
    async def test_owner_and_title_are_set_once(self, store: SessionStore, clock: Clock) -> None:
        await store.begin_turn("thread", "t1", instance="here")
        await store.begin_turn("thread", "t2", instance="here", owner="ann", title="Hello")
        record = await store.begin_turn("thread", "t3", instance="there", owner="eve", title="Mine")
        expect((record.owner, record.title, record.turn_id, record.instance), ("ann", "Hello", "t3", "there"))

    @case
    async def test_a_turn_ends_with_its_outcome_and_its_error(self, store: SessionStore, clock: Clock) -> None:
        error = ErrorInfo(code="TimeoutError", message="the agent failed with “TimeoutError” \x00", id="e-1")
        for number, outcome in enumerate(get_args(Outcome)):
            clock.now += 10
            await store.begin_turn("thread", f"t{number}", instance="here")
            expect(await store.end_turn("thread", f"t{number}", outcome=outcome, error=error), True)
            record = await known(store)
            expect((record.running, record.outcome, record.error), (False, outcome, error))
            expect((record.created_ms, record.updated_ms), (1_000_010, clock.now))
        await store.begin_turn("thread", "last", instance="here")
        expect(await store.end_turn("thread", "last", outcome="complete"), True)
        expect((await known(store)).error, None)

    @case
    async def test_the_last_outcome_stays_while_the_next_turn_runs(self, store: SessionStore, clock: Clock) -> None:
        await store.begin_turn("thread", "t1", instance="here")
        await store.end_turn("thread", "t1", outcome="timeout")
        record = await store.begin_turn("thread", "t2", instance="here")
        expect((record.running, record.outcome), (True, "timeout"))

    @case
    async def test_the_end_of_an_older_turn_changes_nothing(self, store: SessionStore, clock: Clock) -> None:
        """F-S5, W4: whether the newer turn runs or has ended, a late end of the old one is not written."""
        await store.begin_turn("thread", "old", instance="here")
        running = await store.begin_turn("thread", "new", instance="here")
        expect(await store.end_turn("thread", "old", outcome="cancelled", asked=True), False)
        expect(await store.get("thread"), running)
        await store.end_turn("thread", "new", outcome="complete")
        ended = await store.get("thread")
        expect(await store.end_turn("thread", "old", outcome="cancelled", asked=True), False)
        expect(await store.get("thread"), ended)

    @case
    async def test_a_turn_ends_once(self, store: SessionStore, clock: Clock) -> None:
        await store.begin_turn("thread", "t1", instance="here")
        ends = [store.end_turn("thread", "t1", outcome=outcome) for outcome in get_args(Outcome)]
        expect(sorted(await asyncio.gather(*ends)), [False] * (len(ends) - 1) + [True])

    @case
    async def test_a_turn_of_a_deleted_thread_ends_without_a_trace(self, store: SessionStore, clock: Clock) -> None:
        await store.begin_turn("thread", "t1", instance="here")
        await store.delete("thread")
        expect(await store.end_turn("thread", "t1", outcome="complete"), False)
        expect(await store.get("thread"), None)

    @case
    async def test_what_does_not_fit_a_record_is_refused(self, store: SessionStore, clock: Clock) -> None:
        wrong: Any = "finished"
        before = await store.begin_turn("thread", "t1", instance="here")
        await refused(store.end_turn("thread", "t1", outcome=wrong))
        await refused(store.begin_turn("thread", "", instance="here"))
        await refused(store.begin_turn("thread", HALF, instance="here"))
        await refused(store.claim("thread", ""))
        await refused(store.answer("thread", [to("", turn="t2")]))
        expect(await store.get("thread"), before)

    @case
    async def test_a_clients_message_ids_are_remembered(self, store: SessionStore, clock: Clock) -> None:
        for number in range(REMEMBERED + 5):
            await store.begin_turn("thread", f"t{number}", instance="here", client_message_id=f"m{number}")
        await store.begin_turn("thread", "again", instance="here", client_message_id="m50")
        record = await store.begin_turn("thread", "without", instance="here")
        kept = [(f"m{number}", f"t{number}") for number in range(5, REMEMBERED + 5) if number != 50]
        expect(record.client_message_ids, (*kept, ("m50", "again")))

    # -------------------------------------------------------------- answers

    @case
    async def test_an_end_with_open_questions_is_an_asking(self, store: SessionStore, clock: Clock) -> None:
        await ask(store, "t1")
        expect((await known(store)).asked, "t1")
        await store.answer("thread", [to("q", asked="t1", turn="t2")])
        await ask(store, "t2")
        record = await known(store)
        expect((record.asked, record.answers, record.asked_before), ("t2", (), ("t1",)))
        await store.begin_turn("thread", "t3", instance="here")
        expect((await known(store)).asked, "t2")
        await store.end_turn("thread", "t3", outcome="complete")
        record = await known(store)
        expect((record.asked, record.answers, record.asked_before), (None, (), ("t1", "t2")))

    @case
    async def test_an_end_may_leave_the_asking_and_its_answers_as_they_are(
        self, store: SessionStore, clock: Clock
    ) -> None:
        await ask(store, "t1")
        await store.answer("thread", [to("q", asked="t1", turn="t2")])
        before = await store.begin_turn("thread", "t2", instance="here")
        await store.end_turn("thread", "t2", outcome="cancelled", asked=None)
        record = await known(store)
        expect(
            (record.outcome, record.running, record.asked, record.answers), ("cancelled", False, "t1", before.answers)
        )

    @case
    async def test_who_decided_is_known_when_the_asking_is_over(self, store: SessionStore, clock: Clock) -> None:
        """T-8: who and when stay; what was answered does not."""
        await ask(store, "t1")
        given = Answer(
            asked="t1", interrupt_id="q", turn_id="t2", value={"n": 1}, decisions=("edit",), decided_by="ann"
        )
        await store.answer("thread", [given])
        await store.begin_turn("thread", "t2", instance="here")
        await store.end_turn("thread", "t2", outcome="complete")
        record = await known(store)
        expect(record.answers, ())
        expect(record.answered, (replace(given, value=UNSET, at_ms=clock.now),))

    @case
    async def test_a_thread_that_went_back_asks_nothing_and_has_no_outcome(
        self, store: SessionStore, clock: Clock
    ) -> None:
        await store.rewind("thread")
        expect(await store.get("thread"), None)
        await ask(store, "t1")
        await store.rewind("thread")
        record = await known(store)
        expect((record.outcome, record.error, record.asked, record.asked_before), (None, None, None, ("t1",)))
        expect(record.running, False)
        expect(await store.answer("thread", [to("q", asked="t1", turn="t2")]), ("q",))

    @case
    async def test_an_answer_tells_what_who_and_when(self, store: SessionStore, clock: Clock) -> None:
        """T-8."""
        await ask(store, "t1")
        clock.now += 7
        given = Answer(
            asked="t1", interrupt_id="q", turn_id="t2", value={"n": 1}, decisions=("edit", "reject"), decided_by="ann"
        )
        expect(await store.answer("thread", [given]), ())
        record = await known(store)
        expect(record.answers, (replace(given, at_ms=clock.now),))
        expect(record.updated_ms, clock.now)

    @case
    async def test_a_question_is_answered_once(self, store: SessionStore, clock: Clock) -> None:
        """T-8, W7."""
        await ask(store, "t1")
        expect(await store.answer("thread", [to("q", turn="t2", value="yes")]), ())
        expect(await store.answer("thread", [to("q", turn="t3", value="no")]), ("q",))
        expect([(answer.turn_id, answer.value) for answer in (await known(store)).answers], [("t2", "yes")])

    @case
    async def test_of_many_who_answer_at_once_one_wins(self, store: SessionStore, clock: Clock) -> None:
        """F-T2."""
        await ask(store, "t1")
        answers = [store.answer("thread", [to("q", turn=f"turn {number}")]) for number in range(50)]
        said = await asyncio.gather(*answers)
        expect(sorted(said), [(), *[("q",)] * 49])
        expect([answer.turn_id for answer in (await known(store)).answers], [f"turn {said.index(())}"])

    @case
    async def test_several_answers_are_taken_all_or_none(self, store: SessionStore, clock: Clock) -> None:
        await ask(store, "t1")
        await store.answer("thread", [to("b", turn="t2"), to("d", turn="t2")])
        before = await store.get("thread")
        clock.now += 1
        several = [to(interrupt, turn="t3") for interrupt in "dcba"]
        expect(await store.answer("thread", several), ("d", "b"))
        expect(await store.get("thread"), before)
        expect(await store.answer("thread", several[1::2]), ())
        expect([answer.interrupt_id for answer in (await known(store)).answers], ["b", "d", "c", "a"])

    @case
    async def test_no_answers_are_none(self, store: SessionStore, clock: Clock) -> None:
        expect(await store.answer("thread", []), ())
        expect(await store.get("thread"), None)

    @case
    async def test_an_interrupt_that_is_asked_again_can_be_answered_again(
        self, store: SessionStore, clock: Clock
    ) -> None:
        await ask(store, "t1")
        expect(await store.answer("thread", [to("q", asked="t1", turn="t2")]), ())
        await ask(store, "t2")
        expect(await store.answer("thread", [to("q", asked="t2", turn="t3")]), ())
        expect(await store.answer("thread", [to("q", asked="t2", turn="t4")]), ("q",))

    @case
    async def test_an_answer_to_an_asking_that_is_over_comes_too_late(self, store: SessionStore, clock: Clock) -> None:
        """F-T2: a click that waited while others answered, whether its own question was answered or not."""
        await ask(store, "t1")
        await store.answer("thread", [to("q", asked="t1", turn="t2")])
        await ask(store, "t2")
        await ask(store, "t3")
        late = [to(interrupt, asked=asked, turn="late") for asked in ("t1", "t2") for interrupt in ("q", "r")]
        expect([await store.answer("thread", [answer]) for answer in late], [("q",), ("r",), ("q",), ("r",)])
        await store.begin_turn("thread", "t4", instance="here")
        await store.end_turn("thread", "t4", outcome="complete")
        before = await store.get("thread")
        late.append(to("q", asked="t3", turn="late"))
        expect([await store.answer("thread", [answer]) for answer in late], [("q",), ("r",), ("q",), ("r",), ("q",)])
        expect(await store.get("thread"), before)

    @case
    async def test_the_askings_before_are_the_last_ones(self, store: SessionStore, clock: Clock) -> None:
        for number in range(REMEMBERED + 3):
            await ask(store, f"t{number}")
        expect((await known(store)).asked_before, tuple(f"t{number}" for number in range(2, REMEMBERED + 2)))

    @case
    async def test_an_answer_to_another_asking_than_the_open_one_is_not_taken(
        self, store: SessionStore, clock: Clock
    ) -> None:
        await ask(store, "t1")
        before = await store.get("thread")
        expect(await store.answer("thread", [to("q", asked="checkpoint", turn="t2")]), ("q",))
        expect(await store.get("thread"), before)

    @case
    async def test_a_question_that_came_from_elsewhere_can_be_answered(self, store: SessionStore, clock: Clock) -> None:
        """A thread without a record, or whose last turn here left no question, may hold one of another program's."""
        await store.begin_turn("used", "t1", instance="here")
        await store.end_turn("used", "t1", outcome="complete")
        for thread in ("new", "used"):
            expect(await store.answer(thread, [to("q", asked="checkpoint", turn="t2")]), ())
            expect(await store.answer(thread, [to("q", asked="checkpoint", turn="t3")]), ("q",))
            expect(await store.answer(thread, [to("r", asked="checkpoint", turn="t3")]), ())
            record = await known(store, thread)
            expect((record.asked, [answer.interrupt_id for answer in record.answers]), ("checkpoint", ["q", "r"]))

    @case
    async def test_answers_of_one_call_belong_to_one_asking_and_to_different_questions(
        self, store: SessionStore, clock: Clock
    ) -> None:
        await refused(store.answer("thread", [to("q", asked="t1", turn="t3"), to("r", asked="t2", turn="t3")]))
        await refused(store.answer("thread", [to("q", turn="t3"), to("q", turn="t3")]))
        expect(await store.get("thread"), None)

    @case
    async def test_withdrawn_answers_are_open_again(self, store: SessionStore, clock: Clock) -> None:
        await ask(store, "t1")
        await store.answer("thread", [to("a", turn="t2"), to("b", turn="t2")])
        await store.answer("thread", [to("c", turn="other")])
        await store.withdraw("thread", "t2")
        record = await known(store)
        expect((record.asked, [answer.interrupt_id for answer in record.answers]), ("t1", ["c"]))
        expect(await store.answer("thread", [to("a", turn="t3"), to("b", turn="t3")]), ())

    @case
    async def test_a_withdrawn_turn_has_taken_no_message(self, store: SessionStore, clock: Clock) -> None:
        await store.begin_turn("thread", "t1", instance="here", client_message_id="m1")
        await store.begin_turn("thread", "t2", instance="here", client_message_id="m2")
        await store.withdraw("thread", "t2")
        expect((await known(store)).client_message_ids, (("m1", "t1"),))

    @case
    async def test_withdrawing_what_nobody_gave_changes_nothing(self, store: SessionStore, clock: Clock) -> None:
        await store.withdraw("thread", "t1")
        expect(await store.get("thread"), None)
        await ask(store, "t1")
        await store.answer("thread", [to("q", turn="t2")])
        before = await store.get("thread")
        clock.now += 1
        await store.withdraw("thread", "t3")
        expect(await store.get("thread"), before)

    @case
    async def test_the_value_of_an_answer_comes_back_as_it_was(self, store: SessionStore, clock: Clock) -> None:
        await ask(store, "t1")
        await store.answer("thread", [to(f"q{index}", turn="t2", value=value) for index, value in enumerate(KEPT)])
        came = [answer.value for answer in (await known(store)).answers]
        expect(repr(came), repr(list(KEPT)))  # as text, for 1 equals True

    @case
    async def test_a_value_that_is_no_json_is_not_kept_but_its_answer_is(
        self, store: SessionStore, clock: Clock
    ) -> None:
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        values = (*NOT_KEPT, deep)
        await ask(store, "t1")
        answers = [to(f"q{index}", turn="t2", value=value) for index, value in enumerate(values)]
        expect(await store.answer("thread", answers), ())
        expect([answer.value for answer in (await known(store)).answers], [UNSET] * len(values))
        expect(await store.answer("thread", answers[:1]), ("q0",))

    # -------------------------------------------------------------- threads

    @case
    async def test_a_thread_is_claimed_once(self, store: SessionStore, clock: Clock) -> None:
        await store.begin_turn("used", "t1", instance="here")
        for thread in ("new", "used"):
            claims = await asyncio.gather(*(store.claim(thread, owner) for owner in ("ann", "eve", "bob")))
            expect(sorted(claims), [False, False, True])
            owner = ("ann", "eve", "bob")[claims.index(True)]
            expect((await known(store, thread)).owner, owner)
            expect(await store.claim(thread, owner), True)
            expect(thread in [record.thread_id for record in (await store.list(owner=owner)).records], True)

    @case
    async def test_a_claim_for_nobody_makes_the_record_alone(self, store: SessionStore, clock: Clock) -> None:
        expect(await store.claim("thread", None), True)
        made = await known(store)
        expect((made.owner, made.turn_id, made.running), (None, None, False))
        expect((made.created_ms, made.updated_ms), (clock.now, clock.now))
        clock.now += 1
        expect(await store.claim("thread", None), True)
        expect(await store.get("thread"), made)
        expect(await store.claim("thread", "ann"), True)
        expect((await known(store)).owner, "ann")

    @case
    async def test_a_claim_for_nobody_takes_a_thread_from_nobody(self, store: SessionStore, clock: Clock) -> None:
        """T-2."""
        await store.claim("thread", "ann")
        before = await store.get("thread")
        clock.now += 1
        expect(await store.claim("thread", None), False)
        expect(await store.get("thread"), before)

    @case
    async def test_a_title_can_be_changed(self, store: SessionStore, clock: Clock) -> None:
        expect(await store.set_title("thread", "Nobody's"), False)
        expect(await store.get("thread"), None)
        begun = await store.begin_turn("thread", "t1", instance="here", title="First")
        clock.now += 1
        expect(await store.set_title("thread", "Zweiter 🎈"), True)
        expect(await store.get("thread"), replace(begun, title="Zweiter 🎈"))
        expect(await store.set_title("thread", None), True)
        expect((await known(store)).title, None)

    @case
    async def test_half_a_character_in_a_title_does_not_stop_a_turn(self, store: SessionStore, clock: Clock) -> None:
        """F-W5."""
        expect((await store.begin_turn("thread", "t1", instance="here", title=f"a{HALF}")).title, "a\ufffd")
        await store.set_title("thread", f"b{HALF}")
        expect((await known(store)).title, "b\ufffd")

    @case
    async def test_the_list_begins_with_what_was_used_last(self, store: SessionStore, clock: Clock) -> None:
        for thread in "abcd":
            await store.begin_turn(thread, "t1", instance="here")
            clock.now += 1
        await store.end_turn("b", "t1", outcome="complete")
        await store.set_title("a", "Not used by this")
        listed = await store.list()
        expect([record.thread_id for record in listed.records], ["b", "d", "c", "a"])
        expect(listed.records[0], await known(store, "b"))
        expect(listed.before, None)

    @case
    async def test_the_list_of_an_owner_has_no_other_threads(self, store: SessionStore, clock: Clock) -> None:
        for thread, owner in (("a", "ann"), ("b", "eve"), ("c", None), ("d", "ann")):
            await store.begin_turn(thread, "t1", instance="here", owner=owner)
        first = await store.list(owner="ann", limit=1)
        expect([record.thread_id for record in first.records], ["d"])
        second = await store.list(owner="ann", limit=1, before=first.before)
        expect(([record.thread_id for record in second.records], second.before), (["a"], None))
        expect((await store.list(owner="Ann")).records, ())

    @case
    async def test_pages_are_stable(self, store: SessionStore, clock: Clock) -> None:
        """Many threads were used in the same millisecond; while one pages, one is used, one made and one deleted."""
        threads = [*(f"thread {number:02}" for number in range(20)), *ODD_IDS]
        for thread in threads:
            await store.begin_turn(thread, "t1", instance="here")
        clock.now += 1
        seen: list[str] = []
        before: str | None = None
        for number in count():
            page = await store.list(limit=4, before=before)
            seen += [record.thread_id for record in page.records]
            before = page.before
            if before is None:
                break
            await store.begin_turn(seen[0], "t2", instance="here")
            await store.begin_turn(f"new {number}", "t1", instance="here")
        expect(seen, sorted(threads, reverse=True))

    @case
    async def test_a_full_last_page_is_the_last(self, store: SessionStore, clock: Clock) -> None:
        for thread in "abcd":
            await store.begin_turn(thread, "t1", instance="here")
        first = await store.list(limit=2)
        expect(first.before is None, False)
        expect((await store.list(limit=2, before=first.before)).before, None)

    @case
    async def test_a_place_that_is_none_and_a_limit_of_none_are_refused(
        self, store: SessionStore, clock: Clock
    ) -> None:
        for before in ("", "x", "1", "1:", ":a", "-1:a", "9" * 19 + ":a", f"1:{HALF}", "٣:a"):
            await refused(store.list(before=before))
        for limit in (0, -1):
            await refused(store.list(limit=limit))
            await refused(store.stale(clock.now, limit))

    @case
    async def test_what_is_deleted_is_gone(self, store: SessionStore, clock: Clock) -> None:
        expect(await store.delete("thread"), False)
        await store.begin_turn("thread", "t0", instance="here", owner="ann", title="Hello", client_message_id="m")
        await ask(store, "t1")
        await store.answer("thread", [to("q", turn="t2")])
        expect(await store.delete("thread"), True)
        expect(await store.delete("thread"), False)
        expect(await store.get("thread"), None)
        expect((await store.list()).records, ())
        expect(await store.stale(clock.now + 1), ())
        expect(await store.answer("thread", [to("q", turn="t2")]), ())
        record = await store.begin_turn("thread", "t3", instance="here")
        expect((record.owner, record.title, record.client_message_ids, record.asked_before), (None, None, (), ()))

    @case
    async def test_stale_threads_come_with_the_oldest_first(self, store: SessionStore, clock: Clock) -> None:
        start = clock.now
        for thread in "cabd":
            await store.begin_turn(thread, "t1", instance="here")
            clock.now += 1
        await store.end_turn("c", "t1", outcome="complete")
        expect(await store.stale(start + 1), ())
        expect(await store.stale(start + 3), ("a", "b"))
        expect(await store.stale(start + 100), ("a", "b", "d", "c"))
        expect(await store.stale(start + 100, 2), ("a", "b"))

    @case
    async def test_any_text_can_be_a_thread_id(self, store: SessionStore, clock: Clock) -> None:
        for thread in ODD_IDS:
            await store.begin_turn(thread, f"turn {thread}", instance=thread, owner=thread, title=thread)
        for thread in ODD_IDS:
            await store.end_turn(thread, f"turn {thread}", outcome="interrupted", asked=True)
            expect(await store.answer(thread, [to(thread, asked=f"turn {thread}", turn=thread)]), ())
            record = await known(store, thread)
            expect((record.thread_id, record.owner, record.title), (thread, thread, thread))
            expect([answer.interrupt_id for answer in record.answers], [thread])
            expect([record.thread_id for record in (await store.list(owner=thread)).records], [thread])
        expect(set(await store.stale(clock.now + 1)), set(ODD_IDS))
        page = await store.list(limit=1)
        for thread in sorted(ODD_IDS, reverse=True):
            expect([record.thread_id for record in page.records], [thread])
            page = await store.list(limit=1, before=page.before)
        for number, thread in enumerate(ODD_IDS, 1):
            expect(await store.delete(thread), True)
            expect(len((await store.list()).records), len(ODD_IDS) - number)

    @case
    async def test_no_thread_is_called_nothing_or_half_a_character(self, store: SessionStore, clock: Clock) -> None:
        for thread in ("", HALF):
            for call in calls(store, thread).values():
                await refused(call())

    # -------------------------------------------------------------- the store itself

    @case
    async def test_time_never_goes_back_in_a_record(self, store: SessionStore, clock: Clock) -> None:
        """F-T6: a clock that is set back."""
        made = await store.begin_turn("thread", "t1", instance="here")
        clock.now -= 3_600_000
        await store.end_turn("thread", "t1", outcome="complete")
        expect((await known(store)).updated_ms, made.updated_ms)

    @case
    async def test_what_is_handed_in_and_out_is_not_what_is_kept(self, store: SessionStore, clock: Clock) -> None:
        value = {"list": [1]}
        await ask(store, "t1")
        await store.answer("thread", [to("q", turn="t2", value=value)])
        value["list"].append(2)
        (await known(store)).answers[0].value["list"].append(3)
        (await store.list()).records[0].answers[0].value["list"].append(4)
        (await store.begin_turn("thread", "t2", instance="here")).answers[0].value["list"].append(5)
        expect((await known(store)).answers[0].value, {"list": [1]})

    @case
    async def test_a_store_that_was_closed_opens_again(self, store: SessionStore, clock: Clock) -> None:
        made = await store.begin_turn("thread", "t1", instance="here")
        await store.close()
        await store.close()
        expect(await store.get("thread"), made)

    @case
    async def test_a_call_that_is_cancelled_is_made_wholly_or_not_at_all(
        self, store: SessionStore, clock: Clock
    ) -> None:
        """Each call, cancelled at each of its awaits; the store goes on, and no lock stays behind."""
        for name in calls(store, "any"):
            for at in count(1):
                thread, twin = f"{name} {at}", f"{name} {at}, not cancelled"
                for id in (thread, twin):
                    await ask(store, "t1", id)
                    await store.answer(id, [to("q", turn="t2")])
                    await store.begin_turn(id, "t2", instance="here")
                before = await store.get(thread)
                cancelled = await _is_cancelled(_CancelAt(at, calls(store, thread)[name]()))
                await calls(store, twin)[name]()
                made = await store.get(twin)
                after = await store.get(thread)
                expect(after in (before, made and replace(made, thread_id=thread)), True)
                expect((await store.begin_turn(thread, "t3", instance="here")).turn_id, "t3")
                if not cancelled:
                    break


# ------------------------------------------------------------------ what the tests say often


def expect(came: object, wanted: object) -> None:
    """Raise `AssertionError` when what came is not what is wanted."""
    __tracebackhide__ = True
    if came != wanted:
        raise AssertionError(f"{came!r:.2000} came, expected {wanted!r:.2000}")


async def refused(call: Awaitable[object]) -> None:
    """Raise `AssertionError` when the call is made after all."""
    __tracebackhide__ = True
    try:
        came = await call
    except UsageError:
        return
    raise AssertionError(f"{came!r:.2000} came, expected a UsageError")


async def known(store: SessionStore, thread: str = "thread") -> Any:
    """Return a record that is there."""
    record = await store.get(thread)
    expect(record is None, False)
    return record


async def ask(store: SessionStore, turn: str, thread: str = "thread") -> None:
    """Let a turn end with questions open."""
    await store.begin_turn(thread, turn, instance="here")
    expect(await store.end_turn(thread, turn, outcome="interrupted", asked=True), True)


def to(interrupt: str, *, turn: str, asked: str = "t1", value: Any = None) -> Answer:
    """Return an answer."""
    return Answer(asked=asked, interrupt_id=interrupt, turn_id=turn, value=value)


def calls(store: SessionStore, thread: str) -> dict[str, Callable[[], Coroutine[Any, Any, object]]]:
    """Return each call about a thread that runs its turn `t2`, by its name."""
    return {
        "get": lambda: store.get(thread),
        "begin_turn": lambda: store.begin_turn(thread, "t3", instance="there", client_message_id="m"),
        "end_turn": lambda: store.end_turn(thread, "t2", outcome="complete"),
        "answer": lambda: store.answer(thread, [to("r", turn="t2"), to("s", turn="t2")]),
        "withdraw": lambda: store.withdraw(thread, "t2"),
        "set_title": lambda: store.set_title(thread, "Title"),
        "claim": lambda: store.claim(thread, "ann"),
        "delete": lambda: store.delete(thread),
    }


class _CancelAt(Generic[T]):
    """Awaits a call, and cancels the task that does so at the call's await number `at` (from 1)."""

    def __init__(self, at: int, call: Coroutine[Any, Any, T]) -> None:
        self._at, self._call = at, call

    def __await__(self) -> Generator[Any, None, T]:
        steps = self._call.__await__()
        step: Callable[[], Any] = partial(next, steps)
        number = 0
        while True:
            number += 1
            try:
                waits_for = step()
            except StopIteration as done:
                return done.value
            task = asyncio.current_task()
            if number == self._at and task is not None:
                task.cancel()
            try:
                yield waits_for
                step = partial(next, steps)
            except BaseException as error:
                step = partial(steps.throw, error)


async def _is_cancelled(call: _CancelAt[Any]) -> bool:
    async def wait() -> None:
        await call

    task = asyncio.create_task(wait())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return task.cancelled()
