"""What a worker does next with a thread that another worker may have left at any moment."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from langwire.core.interrupts import BREAKPOINT
from langwire.events import Interrupt
from langwire.sessions.session import SessionState
from langwire.tasks._recovery import BREAKPOINT_KEY, MESSAGE_KEY, Answer, Finished, GoOn, Pause, Send, next_step
from langwire.tasks.context import wait_value
from langwire.tasks.task import InboxMessage, TaskAnswer, digest

INBOX = (InboxMessage(id="t:0", text="first"), InboxMessage(id="t:1", text="second"))
QUESTION = Interrupt(id="q", value="pay?")
OTHER = Interrupt(id="r", value="ship?")
WAIT = Interrupt(id="w", value=wait_value(["child"]))
PARKED = {"w": ("child",)}


def standing(**given: Any) -> SessionState:
    fields: dict[str, Any] = {
        "thread_id": "t",
        "running": None,
        "waiting": 0,
        "unfinished": False,
        "outcome": None,
        "error": None,
        "interrupts": (),
        "answered": (),
        "next": (),
        "checkpoint_id": "c",
        "values": {},
        "position": "l:0",
        "metadata": {MESSAGE_KEY: "t:0"},
    }
    return SessionState(**(fields | given))


def answered(id: str, value: Any = "yes") -> TaskAnswer:
    return TaskAnswer(interrupt_id=id, value=value)


def test_a_thread_that_holds_nothing_is_sent_the_first_message():
    assert next_step(None, INBOX, ()) == Send(0)


@pytest.mark.parametrize("left", [{"next": ("b",)}, {"unstarted": True}, {"pending": True}])
def test_a_run_that_was_cut_off_goes_on_without_any_input(left: dict[str, Any]):
    assert next_step(standing(**left), INBOX, ()) == GoOn(0)


def test_an_open_question_stays_open():
    assert next_step(standing(interrupts=(QUESTION,), next=("a",)), INBOX, ()) == Pause((QUESTION,))


def test_an_answer_that_no_run_has_taken_is_given():
    step = next_step(standing(interrupts=(QUESTION,), next=("a",)), INBOX, (answered("q"), answered("gone")))
    assert step == Answer(0, {"q": "yes"})


def test_questions_are_answered_together_or_not_at_all():
    questions = (QUESTION, OTHER)
    assert next_step(standing(interrupts=questions), INBOX, (answered("q"),)) == Pause(questions)
    both = next_step(standing(interrupts=questions), INBOX, (answered("q"), answered("r", None)))
    assert both == Answer(0, {"q": "yes", "r": None})


def test_a_wait_is_over_when_the_task_may_be_claimed_again():
    assert next_step(standing(interrupts=(WAIT,)), INBOX, (), parked=PARKED) == Answer(0, {"w": None})


@pytest.mark.parametrize("parked", [None, {"w": ("another",)}])
def test_a_wait_that_was_not_written_down_before_its_worker_died_is_no_wait_that_is_over(parked: Any):
    assert next_step(standing(interrupts=(WAIT,)), INBOX, (), parked=parked) == Pause((WAIT,))


def test_a_wait_beside_a_question_lasts_until_that_is_answered():
    both = standing(interrupts=(WAIT, QUESTION))
    assert next_step(both, INBOX, (), parked=PARKED) == Pause((WAIT, QUESTION))
    step = next_step(both, INBOX, (answered("q"),), parked=PARKED)
    assert step == Answer(0, {"q": "yes", "w": None})


def test_a_breakpoint_is_asked_until_it_is_answered():
    state = standing(next=("pay",))
    step = next_step(state, INBOX, (), stops_at=["pay"])
    assert isinstance(step, Pause)
    assert step.questions[0].id == BREAKPOINT
    assert next_step(state, INBOX, (), stops_at="*") == step
    assert next_step(state, INBOX, (answered(BREAKPOINT),), stops_at=["pay"]) == GoOn(0)
    assert next_step(state, INBOX, (), stops_at=["other"]) == GoOn(0)


def test_the_answer_to_one_breakpoint_is_none_to_the_next():
    """The run that took it says so in its checkpoints: where they name this answer, the question is a later one."""
    given = (TaskAnswer(interrupt_id=BREAKPOINT, at_ms=5),)
    at = {"next": ("pay",), "metadata": {MESSAGE_KEY: "t:0", BREAKPOINT_KEY: "5"}}
    assert isinstance(next_step(standing(**at), INBOX, given, stops_at=["pay"]), Pause)
    before = {"next": ("pay",), "metadata": {MESSAGE_KEY: "t:0", BREAKPOINT_KEY: "4"}}
    assert next_step(standing(**before), INBOX, given, stops_at=["pay"]) == GoOn(0)


@pytest.mark.parametrize("stops_at", [(), "*"])
def test_a_message_that_was_not_taken_in_is_sent_again(stops_at: Any):
    """Its id is the same, so the thread holds it once; it is no breakpoint either."""
    assert next_step(standing(next=("__start__",)), INBOX, (), stops_at=stops_at) == Send(0)
    assert next_step(standing(next=("__start__",), metadata={MESSAGE_KEY: "t:1"}), INBOX, ()) == Send(1)
    assert next_step(standing(next=("__start__",), metadata={}), INBOX, ()) == Send(0)


def test_a_finished_thread_is_sent_the_message_after_the_one_it_has_worked_through():
    assert next_step(standing(), INBOX, ()) == Send(1)
    assert next_step(standing(metadata={MESSAGE_KEY: "t:1"}), INBOX, ()) == Finished()


def test_a_finished_thread_is_no_finished_task_because_of_an_earlier_message():
    """A thread that was finished before a followup came must not count as the end of that followup."""
    assert next_step(standing(), INBOX[:1], ()) == Finished()
    assert next_step(standing(), INBOX, ()) == Send(1)


def test_a_checkpoint_without_the_mark_is_tied_to_a_message_by_the_messages_that_it_holds():
    told = [HumanMessage("first", id="t:0"), AIMessage("done", id="a"), HumanMessage("second", id="t:1")]
    values = {"messages": told}
    assert next_step(standing(metadata={}, values=values), INBOX, ()) == Finished()
    assert next_step(standing(metadata={}, values={}), INBOX, ()) == Send(0)


def test_an_answer_to_another_question_of_the_same_id_is_none():
    """Within one node, LangGraph 1.1 gives all questions the same id: a yes to the first must not pay the second."""
    given = TaskAnswer(interrupt_id="q", asked=digest(QUESTION), value="yes")
    assert next_step(standing(interrupts=(QUESTION,)), INBOX, (given,)) == Answer(0, {"q": "yes"})
    second = Interrupt(id="q", value="pay a million?")
    assert next_step(standing(interrupts=(second,)), INBOX, (given,)) == Pause((second,))
