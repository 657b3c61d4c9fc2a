"""Lets an agent ask before it acts, and answers by rule: mail within the house goes out, other mail does not.

A turn that asks ends as `interrupted`; the answers begin the next turn of the same thread.
"""

from typing import Any

import langwire
from langwire import PlainAdapter, approve, reject, resume_command
from langwire.demo import approval as agent  # keeps its threads in memory
from langwire.events import Action


def decide(action: Action) -> Any:
    """Answer one action: approve what stays in the house, reject the rest and say why."""
    if str(action.args["to"]).endswith("@example.org"):
        return approve()
    return reject("mail goes to example.org only")


for thread, request in (("1", "Write to Ann that I am late"), ("2", "Write to bob@example.com about the price")):
    config = {"configurable": {"thread_id": thread}}
    result = langwire.run(agent, request, config, adapter=PlainAdapter())
    while result.outcome == "interrupted":
        answers = {question.id: [decide(action) for action in question.actions] for question in result.interrupts}
        result = langwire.run(agent, resume_command(result.interrupts, answers), config, adapter=PlainAdapter())
