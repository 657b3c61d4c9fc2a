"""An agent that asks before it sends an email, with every answer a person may give.

`agent_run` comes with langwire: it runs an agent to its end and answers its questions by rule. Run these tests with
`pytest examples/test_agents`.
"""

import pytest

from langwire import approve, edit, reject, respond
from langwire.demo.agents import build_approval


@pytest.fixture
def agent():
    return build_approval(delay=0)  # your own agent here


def test_sends_the_email_that_was_approved(agent, agent_run):
    run = agent_run(agent, "Tell Ann that I am late", answers={"send_email": approve()})
    assert run.outcome == "complete"
    assert [call["to"] for call in run.calls("send_email")] == ["ann@example.org"]
    assert run.text == "Done. Sent to ann@example.org."
    assert run.problems == []


def test_sends_nothing_without_an_answer(agent, agent_run):
    run = agent_run(agent, "Tell Ann that I am late")
    assert run.outcome == "interrupted"
    assert [action.name for question in run.questions for action in question.actions] == ["send_email"]
    assert run.results("send_email") == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reject("not today"), "Nothing was sent. You said no: not today."),
        (respond("Call her instead"), 'Nothing was sent yet. You answered: "Call her instead"'),
        (
            lambda action: edit(action.args | {"to": "bo@example.org"}),
            "Done. Sent to bo@example.org as you changed it.",
        ),
    ],
    ids=["reject", "respond", "edit"],
)
def test_does_what_the_answer_says(agent, agent_run, answer, said):
    assert agent_run(agent, "Tell Ann that I am late", answers={"send_email": answer}).text == said


def test_approves_mail_within_the_house_only(agent, agent_run):
    def decide(action):
        return approve() if action.args["to"].endswith("@example.org") else reject("not out of the house")

    run = agent_run(agent, "Write to bo@elsewhere.org about the price", answers={"send_email": decide})
    assert [result.status for result in run.results("send_email")] == ["error"]
