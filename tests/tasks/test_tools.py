"""The tools by which agents delegate: what a model gets to read, and what it can never reach."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt

from langwire import SessionAdapter
from langwire.errors import StoreError
from langwire.events import Action, ErrorInfo, Interrupt, TaskUpdate
from langwire.tasks import tools
from langwire.tasks.artifacts import ArtifactStore
from langwire.tasks.client import TaskClient
from langwire.tasks.context import CONFIG_KEY, Origin, wait_value
from langwire.tasks.memory_store import MemoryTaskStore
from langwire.tasks.policy import TaskPolicy
from langwire.tasks.runner import TaskRunner
from langwire.tasks.states import STATES
from langwire.tasks.task import Ending, Spec, Task
from langwire.tasks.tools import ARTIFACT_TOOLS, MAX_IDS, MAX_LISTED, MAX_RESULT, MAX_RESULTS, TASK_TOOLS
from langwire.testing import ScriptedModel, tool_call, tool_calls

TOOLS = {tool.name: tool for tool in (*TASK_TOOLS, *ARTIFACT_TOOLS)}
ARGS: dict[str, dict[str, Any]] = {
    "start_async_task": {"description": "count the stars"},
    "check_async_task": {"task_id": "t"},
    "list_async_tasks": {},
    "update_async_task": {"task_id": "t", "message": "the red ones"},
    "cancel_async_task": {"task_id": "t"},
    "wait_for_tasks": {"task_ids": ["t"]},
    "write_artifact": {"name": "a.md", "text": "x"},
    "read_artifact": {"name": "a.md"},
    "list_artifacts": {},
}


class Desk(TaskClient):
    """A runner whose tasks nobody works on."""

    def __init__(self, *agents: str, policy: TaskPolicy | None = None, artifacts: ArtifactStore | None = None) -> None:
        super().__init__(MemoryTaskStore())
        self.agents = dict.fromkeys(agents or ("main",))
        self.policy, self.secrets, self.artifacts = policy or TaskPolicy(), {}, artifacts

    async def delegate(
        self,
        origin: Origin,
        prompt: str,
        *,
        title: str | None = None,
        agent: str | None = None,
        call_key: str,
        after: Sequence[str] = (),
    ) -> Task:
        parent, name = origin.task, agent or origin.agents[0]
        spec = Spec(
            id=uuid4().hex,
            name=name,
            prompt=prompt,
            title=title or "",
            parent_id=parent.id if parent is not None else None,
            root_id=origin.root_id,
            ancestors=(*parent.spec.ancestors, parent.id) if parent is not None else (),
            principal=origin.principal,
            call_key=call_key,
            after=tuple(after),
            limits=self.policy.limits(name, now_ms=0, parent=parent),
        )
        (task,) = await self.store.create([spec], limited=True)
        return task

    async def cancel(self, task_id: str, reason: str = "", *, wait: float = 5.0) -> bool | Literal["stopping"]:
        return await super().cancel(task_id, reason, wait=0)

    # -------------------------------------------------------------- for tests

    def chat(self, thread_id: str = "chat", principal: str | None = None) -> Origin:
        return Origin(runner=self, root_id=f"thread:{thread_id}", thread_id=thread_id, principal=principal)

    async def running(self, **fields: Any) -> Origin:
        """The origin of a task that runs."""
        id = uuid4().hex
        limits = self.policy.limits("main", now_ms=0, parent=None)
        spec = Spec(**{"id": id, "name": "main", "root_id": id, "prompt": "work", "limits": limits, **fields})
        await self.store.create([spec])
        return self.of(await self.claimed(id))

    def of(self, task: Task) -> Origin:
        spec = task.spec
        return Origin(runner=self, root_id=spec.root_id, thread_id=task.id, principal=spec.principal, task=task)

    async def claimed(self, id: str) -> Task:
        """Let a worker have a task, with all others that may start."""
        await self.store.claim("worker", [f"agent:{name}" for name in self.agents], limit=1000, lease=1000)
        return await self.get(id)

    async def end(self, id: str, state: Any = "done", **fields: Any) -> Task:
        task = await self.get(id)
        task = await self.claimed(id) if task.state == "queued" else task
        return await self.store.finish(id, task.fence, Ending(state=state, taken=1, **fields))


def config(origin: Origin | None, thread_id: str = "run") -> Any:
    return {"configurable": {"thread_id": thread_id, **({CONFIG_KEY: origin} if origin is not None else {})}}


async def ask(origin: Origin | None, name: str, /, *, id: str = "call", **args: Any) -> str:
    call = {"type": "tool_call", "id": id, "name": name, "args": args}
    answer = await TOOLS[name].ainvoke(call, config(origin))
    assert isinstance(answer, ToolMessage)
    return answer.text


def id_in(text: str) -> str:
    (found,) = re.findall("[0-9a-f]{32}", text)
    return found


async def started(origin: Origin, description: str = "count the stars", **args: Any) -> str:
    return id_in(await ask(origin, "start_async_task", id=uuid4().hex, description=description, **args))


def graph(script: Sequence[Any], *more: BaseTool) -> Any:
    """An agent made by hand: one node runs all calls of a message, so one that interrupts makes all run again."""
    model = ScriptedModel(script=script)

    def say(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    async def asay(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def then(state: MessagesState) -> str:
        last = state["messages"][-1]
        return "tools" if isinstance(last, AIMessage) and last.tool_calls else END

    builder = StateGraph(MessagesState)
    builder.add_node("model", RunnableLambda(say, asay))
    builder.add_node("tools", ToolNode([*TASK_TOOLS, *more], handle_tool_errors=False))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", then, ["tools", END])
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=InMemorySaver())


HELLO = {"messages": [HumanMessage("hello")]}
WAIT = {"type": "tool_call", "id": "w", "name": "wait_for_tasks"}
NO_SUCH = "No such task: '{}'. Use ids that start_async_task has given you."


def answers_in(state: Any) -> list[str]:
    return [message.text for message in state["messages"] if isinstance(message, ToolMessage)]


@tool
async def pay(amount: int) -> str:
    """Pay, when a person says so."""
    return f"paid {amount}" if interrupt(f"pay {amount}?") else "not paid"


# ------------------------------------------------------------------ what a model sees


def test_a_model_sees_what_it_may_say_and_nothing_that_the_run_brings() -> None:
    seen = {name: tuple(made.tool_call_schema.model_json_schema()["properties"]) for name, made in TOOLS.items()}
    assert seen == {
        "start_async_task": ("description", "title", "agent", "after"),
        "check_async_task": ("task_id", "offset"),
        "list_async_tasks": ("status",),
        "update_async_task": ("task_id", "message"),
        "cancel_async_task": ("task_id",),
        "wait_for_tasks": ("task_ids",),
        "write_artifact": ("name", "text"),
        "read_artifact": ("name", "task_id", "offset"),
        "list_artifacts": ("task_id",),
    }
    required = {name: made.tool_call_schema.model_json_schema().get("required", []) for name, made in TOOLS.items()}
    assert required["start_async_task"] == ["description"]
    assert required["list_async_tasks"] == required["list_artifacts"] == []


def test_the_texts_say_to_write_the_whole_task_down_and_not_to_poll() -> None:
    start, check, wait = (TOOLS[n].description for n in ("start_async_task", "check_async_task", "wait_for_tasks"))
    assert "sees the description alone" in start
    assert "all in the same" in start
    assert "wait_for_tasks once" in start
    assert "Not for waiting" in check
    assert "with all ids" in wait
    assert all(made.description for made in TOOLS.values())


@pytest.mark.parametrize("name", TOOLS)
async def test_without_a_runner_the_answer_is_to_do_the_work_oneself(name: str) -> None:
    answer = await ask(None, name, **ARGS[name])
    assert answer == "Nothing can be delegated in this run: please do the work yourself."


async def test_a_graph_without_a_runner_runs_all_the_same() -> None:
    made = graph([tool_call("start_async_task", ARGS["start_async_task"]), "I did it"])
    state = await made.ainvoke(HELLO, config(None))
    assert "do the work yourself" in answers_in(state)[0]
    assert state["messages"][-1].text == "I did it"


# ------------------------------------------------------------------ starting


async def test_a_conversation_gets_an_id_at_once_and_the_task_is_written_down() -> None:
    desk = Desk()
    answer = await ask(desk.chat(principal="ann"), "start_async_task", description="count the stars", title=" stars ")
    task = await desk.get(id_in(answer))
    spec = task.spec
    assert (spec.prompt, spec.title, spec.name, spec.principal) == ("count the stars", "stars", "main", "ann")
    assert (spec.root_id, spec.parent_id, spec.ancestors) == ("thread:chat", None, ())
    assert answer == (
        f"Task {task.id} (stars) is started: queued. Go on with other work, or end your turn. Call check_async_task "
        "when you are asked, and do not look for it in between."
    )


async def test_a_task_starts_tasks_below_itself() -> None:
    desk = Desk("main", "cook", policy=TaskPolicy(delegates={"main": ["cook"]}))
    origin = await desk.running(principal="ann")
    assert origin.task is not None
    first = await started(origin)
    answer = await ask(origin, "start_async_task", description="cook them", agent=" cook ", after=[first, f" {first} "])
    spec = (await desk.get(id_in(answer.partition(")")[0]))).spec
    assert (spec.name, spec.after, spec.title) == ("cook", (first,), "")
    assert (spec.parent_id, spec.ancestors, spec.root_id) == (origin.task.id, (origin.task.id,), origin.task.id)
    assert spec.principal == "ann"
    assert "queued until 1 other tasks have ended" in answer
    assert "Call wait_for_tasks when you need its result" in answer


async def test_a_tool_node_that_runs_again_after_a_question_starts_its_task_once() -> None:
    """A node by hand, in which one call starts and one asks: the facts' own case."""
    desk = Desk()
    both = tool_calls(
        tool_call("start_async_task", ARGS["start_async_task"], id="1"), tool_call("pay", {"amount": 3}, id="2")
    )
    made = graph([both, "done"], pay)
    state = await made.ainvoke(HELLO, config(desk.chat()))
    (question,) = state["__interrupt__"]
    (task,) = (await desk.list()).tasks
    state = await made.ainvoke(Command(resume={question.id: True}), config(desk.chat()))
    assert (await desk.list()).tasks == (task,)
    assert id_in(answers_in(state)[0]) == task.id
    assert answers_in(state)[1] == "paid 3"


async def test_a_tool_node_that_died_and_runs_again_starts_its_task_once() -> None:
    """I8: the body at least once, the transition exactly once."""
    desk, crashes = Desk(), [RuntimeError("gone")]

    @tool
    async def fetch() -> str:
        """Fetch."""
        if crashes:
            raise crashes.pop()
        return "fetched"

    both = tool_calls(tool_call("start_async_task", ARGS["start_async_task"], id="1"), tool_call("fetch", {}, id="2"))
    made = graph([both, "done"], fetch)
    with pytest.raises(RuntimeError, match="gone"):
        await made.ainvoke(HELLO, config(desk.chat()))
    assert len((await desk.list()).tasks) == 1
    state = await made.ainvoke(None, config(desk.chat()))
    (task,) = (await desk.list()).tasks
    assert id_in(answers_in(state)[0]) == task.id


async def test_a_provider_that_counts_its_calls_anew_in_each_message_starts_a_task_each_time() -> None:
    desk = Desk()
    call = tool_call("start_async_task", ARGS["start_async_task"], id="call_1")
    state = await graph([call, call, "done"]).ainvoke(HELLO, config(desk.chat()))
    assert {id_in(answer) for answer in answers_in(state)} == {task.id for task in (await desk.list()).tasks}
    assert len((await desk.list()).tasks) == 2


async def test_two_calls_under_one_id_in_one_message_are_told_apart_by_asking_for_another_call() -> None:
    desk = Desk()
    calls = [tool_call("start_async_task", {"description": text}, id="1") for text in ("one", "two")]
    state = await graph([tool_calls(*calls), "done"]).ainvoke(HELLO, config(desk.chat()))
    assert len((await desk.list()).tasks) == 1
    assert any("Call start_async_task once more" in answer for answer in answers_in(state))


async def test_a_limit_that_is_reached_is_told_as_text_on_which_a_model_can_act() -> None:
    """T-9."""
    desk = Desk(policy=TaskPolicy(max_children=2, max_depth=1))
    origin = await desk.running()
    child = await started(origin)
    await started(origin)
    assert "Task" not in (too_many := await ask(origin, "start_async_task", description="a third one"))
    grandchild = desk.of(await desk.claimed(child))
    assert "Task" not in (too_deep := await ask(grandchild, "start_async_task", description="deeper"))
    assert too_many
    assert too_deep
    assert too_many != too_deep
    assert len((await desk.list()).tasks) == 3


@pytest.mark.parametrize(
    ("name", "args", "answer"),
    [
        ("start_async_task", {"description": " \n"}, "description is blank"),
        ("start_async_task", {"description": "x", "agent": "cook"}, "no agent 'cook' for you: use one of main"),
        ("start_async_task", {"description": "x", "after": ["nobody"]}, "No such task: 'nobody'"),
        ("start_async_task", {"description": "half a \ud800"}, "This was not taken: "),
        ("list_async_tasks", {"status": "late"}, f"no status 'late': use {', '.join(STATES)}"),
        ("update_async_task", {"task_id": "own", "message": " "}, "message is blank"),
        ("wait_for_tasks", {"task_ids": []}, "0 task ids came: name one to 32"),
        ("wait_for_tasks", {"task_ids": [str(n) for n in range(MAX_IDS + 1)]}, "33 task ids came: name one to 32"),
        ("check_async_task", {"task_id": ""}, "No such task: ''"),
        ("check_async_task", {"task_id": "\ud800"}, "No such task: '\\ud800'"),
        ("check_async_task", {"task_id": "x" * 10_000}, "No such task: 'xxx"),
    ],
)
async def test_what_makes_no_sense_is_answered_with_what_would(name: str, args: dict[str, Any], answer: str) -> None:
    """Bad input: blank prompts, unknown agents, unknown ids."""
    origin = await Desk().running()
    if args.get("task_id") == "own":
        args = {**args, "task_id": await started(origin)}
    told = await ask(origin, name, **args)
    assert answer in told
    assert len(told) < 300


async def test_where_no_agent_may_be_asked_the_answer_is_to_do_it_oneself() -> None:
    desk = Desk()
    desk.agents = {}
    assert "do the work yourself" in await ask(desk.chat(), "start_async_task", description="x", agent="cook")


# ------------------------------------------------------------------ whose tasks


@pytest.mark.parametrize(
    "name", ["check_async_task", "update_async_task", "cancel_async_task", "read_artifact", "list_artifacts"]
)
async def test_a_foreign_task_is_answered_like_one_that_never_was(name: str, tmp_path: Path) -> None:
    """F-T5, T-10: neither a sibling, a parent, itself, another conversation's nor another principal's."""
    desk = Desk(artifacts=ArtifactStore(tmp_path))
    origin = await desk.running()
    assert origin.task is not None
    child, sibling = await started(origin), await started(origin)
    alien = await started(desk.chat("other", principal="bob"))
    own = desk.of(await desk.claimed(child))
    foreign = [sibling, origin.task.id, alien, "never"] + ([] if "artifact" in name else [child])
    before = [await desk.store.get(id) for id in foreign]
    for asking, ids in ((own, foreign), (desk.chat("other"), [alien, child]), (desk.chat("mine", "bob"), [alien])):
        for id in ids:
            answer = await ask(asking, name, **{**ARGS[name], "task_id": id})
            assert answer == f"No such task: {id!r}. Use ids that start_async_task has given you."
    assert [await desk.store.get(id) for id in foreign] == before


async def test_foreign_tasks_are_neither_waited_for_nor_listed_nor_built_upon() -> None:
    """F-T5, T-10; a task that waited for its parent, or for itself, would never wake."""
    desk = Desk()
    origin = await desk.running()
    assert origin.task is not None
    child, sibling = await started(origin), await started(origin)
    own = desk.of(await desk.claimed(child))
    grandchild = await started(own)
    waits = waiting(grandchild, sibling, child, origin.task.id)
    (question,) = (await waits.ainvoke(HELLO, config(own)))["__interrupt__"]
    assert question.value == wait_value([grandchild])
    (told,) = answers_in(await waits.ainvoke(Command(resume={question.id: None}), config(own)))
    assert told == (
        f"No such task: '{sibling}', '{child}', '{origin.task.id}'. Use ids that start_async_task has given you.\n\n"
        f"Task {grandchild}: queued."
    )
    assert "No such task" in await ask(own, "start_async_task", description="x", after=[sibling])
    assert id_in(await ask(own, "list_async_tasks")) == grandchild
    assert await ask(desk.chat(), "list_async_tasks") == "There are no tasks."


async def test_two_runners_in_one_process_never_see_each_others_tasks() -> None:
    made = graph([tool_call("start_async_task", ARGS["start_async_task"]), tool_call("list_async_tasks"), "done"])
    one, other = Desk(), Desk()
    states = await asyncio.gather(
        *(made.ainvoke(HELLO, config(desk.chat(), thread_id=str(at))) for at, desk in enumerate((one, other)))
    )
    for state, desk in zip(states, (one, other), strict=True):
        (task,) = (await desk.list()).tasks
        assert [id_in(answer) for answer in answers_in(state)] == [task.id, task.id]


async def test_a_grandchild_is_steered_like_a_child() -> None:
    desk = Desk()
    origin = await desk.running()
    grandchild = await started(desk.of(await desk.claimed(await started(origin))))
    assert "is cancelled" in await ask(origin, "cancel_async_task", task_id=grandchild)


# ------------------------------------------------------------------ looking


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ({"state": "done", "result": "42 stars"}, "done.\nResult:\n42 stars"),
        ({"state": "done", "result": {"stars": 42}}, 'done.\nResult:\n{"stars":42}'),
        ({"state": "done", "result": ""}, "done.\nIt has no result."),
        (
            {"state": "done", "result": "see", "artifacts": ("a.md", "b.md")},
            "done.\nIts files, for read_artifact: a.md, b.md\nResult:\nsee",
        ),
        ({"state": "failed", "error": ErrorInfo(code="E", message="it is cloudy")}, "failed: it is cloudy."),
        ({"state": "failed"}, "failed: nobody knows why."),
        ({"state": "cancelled"}, "cancelled."),
        (
            {"state": "review_needed", "interrupts": (Interrupt(id="i", actions=(Action(name="pay"),) * 2),)},
            "waits for a person to decide on pay, which you cannot do for them.",
        ),
        (
            {"state": "review_needed", "interrupts": (Interrupt(id="i", value="which?"),)},
            "waits for a person to decide, which you cannot do for them.",
        ),
    ],
)
async def test_how_a_task_stands_is_told_in_plain_words(ending: dict[str, Any], told: str) -> None:
    """T-11: what a paused task asks is for a person, and the text says so."""
    desk = Desk()
    id = await started(desk.chat(), title="stars")
    await desk.end(id, **ending)
    assert await ask(desk.chat(), "check_async_task", task_id=f" {id} ") == f"Task {id} (stars): {told}"


async def test_a_task_that_has_begun_and_one_that_is_being_stopped_are_told() -> None:
    desk = Desk()
    id = await started(desk.chat())
    assert await ask(desk.chat(), "check_async_task", task_id=id) == f"Task {id}: queued."
    await desk.claimed(id)
    assert await ask(desk.chat(), "check_async_task", task_id=id) == f"Task {id}: ongoing."
    assert "told to stop, and ends soon" in await ask(desk.chat(), "cancel_async_task", task_id=id)
    assert await ask(desk.chat(), "check_async_task", task_id=id) == f"Task {id}: is being stopped."
    await desk.end(id, "cancelled")
    told = await ask(desk.chat(), "check_async_task", task_id=id)
    assert told == f"Task {id}: cancelled: its result is not needed any more."


async def test_a_long_result_is_cut_with_how_to_read_on_and_can_be_read_to_its_end() -> None:
    desk, result = Desk(), "".join(f"star {n}\n" for n in range(1200))
    id = await started(desk.chat())
    await desk.end(id, result=result)
    read, offset = "", 0
    while True:
        told = await ask(desk.chat(), "check_async_task", task_id=id, offset=offset)
        assert len(told) < MAX_RESULT + 300
        part, cut, note = told.partition("Result:\n")[2].partition("\n[Cut: ")
        read += part
        if not cut:
            break
        end = offset + MAX_RESULT
        expected = (
            f"these are characters {offset} to {end} of {len(result)}. Read on with check_async_task and offset={end}.]"
        )
        assert note == expected
        offset = end
    assert read == result
    after = await ask(desk.chat(), "check_async_task", task_id=id, offset=10**6)
    assert after.endswith(f"[It ends before character 1000000: it has {len(result)}.]")
    assert await ask(desk.chat(), "check_async_task", task_id=id, offset=-5) == await ask(
        desk.chat(), "check_async_task", task_id=id
    )


async def test_a_list_names_the_tasks_newest_first_and_can_be_narrowed_to_a_status() -> None:
    desk = Desk()
    done, queued = await started(desk.chat(), title="first"), await started(desk.chat(), title="second")
    assert await ask(desk.chat(), "list_async_tasks", status="done") == "There are no tasks that are done."
    await desk.end(done)
    told = f"- Task {done} (first): done"
    await desk.end(queued, "cancelled")
    assert await ask(desk.chat(), "list_async_tasks", status=" ") == f"- Task {queued} (second): cancelled\n{told}"
    assert await ask(desk.chat(), "list_async_tasks", status="done") == told


async def test_a_list_holds_what_was_started_for_the_one_who_asks_however_much_others_have() -> None:
    """T-10: several people may talk in one conversation."""
    desk = Desk(policy=TaskPolicy(max_active=100))
    ours = await started(desk.chat(principal="ann"))
    nobodys = await started(desk.chat())
    for _ in range(MAX_LISTED):
        await started(desk.chat(principal="bob"))
    assert await ask(desk.chat(principal="ann"), "list_async_tasks") == f"- Task {ours}: queued"
    assert await ask(desk.chat(), "list_async_tasks") == f"- Task {nobodys}: queued"
    assert len((await ask(desk.chat(principal="bob"), "list_async_tasks")).splitlines()) == MAX_LISTED


async def test_a_long_list_says_that_it_is_cut() -> None:
    desk = Desk(policy=TaskPolicy(max_active=100))
    ids = [await started(desk.chat()) for _ in range(MAX_LISTED + 1)]
    told = await ask(desk.chat(), "list_async_tasks")
    assert re.findall("[0-9a-f]{32}", told) == ids[:0:-1]
    assert told.endswith("There are older ones, which are left out here.")


# ------------------------------------------------------------------ steering


async def test_a_message_reaches_a_task_that_runs_and_begins_one_again_that_has_ended() -> None:
    desk = Desk()
    id = await started(desk.chat())
    told = await ask(desk.chat(), "update_async_task", task_id=id, message="the red ones")
    assert told == f"Task {id} has your message, and reads it when it has come to the end of what it does now."
    assert [said.text for said in (await desk.get(id)).inbox] == ["count the stars", "the red ones"]
    task = await desk.claimed(id)
    await desk.store.finish(id, task.fence, Ending(state="done", taken=2))
    told = await ask(desk.chat(), "update_async_task", id="2", task_id=id, message="and the blue ones")
    assert told == f"Task {id} begins again with your message."
    assert (await desk.get(id)).state == "queued"


async def test_a_message_is_taken_once_however_often_its_node_runs() -> None:
    """I8."""
    desk = Desk()
    id = await started(desk.chat())
    say = tool_call("update_async_task", {"task_id": id, "message": "the red ones"}, id="1")
    made = graph([tool_calls(say, tool_call("pay", {"amount": 3}, id="2")), "done"], pay)
    state = await made.ainvoke(HELLO, config(desk.chat()))
    await made.ainvoke(Command(resume={state["__interrupt__"][0].id: True}), config(desk.chat()))
    assert [said.text for said in (await desk.get(id)).inbox] == ["count the stars", "the red ones"]


async def test_a_task_that_is_being_stopped_takes_no_message() -> None:
    desk = Desk()
    id = await started(desk.chat())
    await desk.claimed(id)
    await desk.store.request_cancel(id)
    assert "takes no messages" in await ask(desk.chat(), "update_async_task", task_id=id, message="wait")


async def test_a_message_answers_no_question_that_waits_for_a_person() -> None:
    """T-11: a parent cannot approve what its child asks."""
    desk = Desk()
    origin = await desk.running()
    child = await started(origin)
    await desk.end(child, "review_needed", interrupts=(Interrupt(id="i", actions=(Action(name="pay"),)),))
    for message in ("approve", '{"type": "approve"}', "yes"):
        await ask(origin, "update_async_task", id=message, task_id=child, message=message)
    task = await desk.get(child)
    assert (task.state, task.answers, len(task.interrupts)) == ("review_needed", (), 1)
    assert not any("resume" in name or "answer" in name or "approve" in name for name in TOOLS)


async def test_a_cancel_says_whether_it_came_in_time() -> None:
    """F-T3."""
    desk = Desk()
    queued, done = await started(desk.chat()), await started(desk.chat())
    await desk.end(done)
    assert (
        await ask(desk.chat(), "cancel_async_task", task_id=done)
        == f"Task {done} had ended before: nothing was stopped."
    )
    assert await ask(desk.chat(), "cancel_async_task", task_id=queued) != ""
    assert (await desk.get(done)).state == "done"


class Broken(MemoryTaskStore):
    """A store whose reads or writes fail."""

    async def create(self, *_: Any, **__: Any) -> Any:
        raise StoreError("the disk is full")

    async def get(self, task_id: str) -> Any:
        raise StoreError("the disk is gone")

    async def list(self, *_: Any, **__: Any) -> Any:
        raise StoreError("the disk is gone")


@pytest.mark.parametrize("name", TASK_TOOLS, ids=lambda made: made.name)
async def test_a_store_that_fails_fails_no_run(name: BaseTool) -> None:
    """F-T1, I10; and nothing of the error itself reaches the model."""
    desk = Desk()
    desk.store = Broken()
    answer = await ask(desk.chat(), name.name, **ARGS[name.name])
    assert answer.startswith("The tasks cannot be reached right now.")
    assert "disk" not in answer


# ------------------------------------------------------------------ waiting


def waiting(*ids: str, then: Any = "done") -> Any:
    return graph([tool_call("wait_for_tasks", {"task_ids": list(ids)}, id="w"), then], pay)


async def test_a_task_that_waits_parks_and_gets_all_results_when_it_wakes() -> None:
    desk = Desk()
    origin = await desk.running()
    assert origin.task is not None
    first, second = await started(origin, title="a"), await started(origin, title="b")
    await desk.end(first, result="one")
    made = waiting(first, second, first)
    state = await made.ainvoke(HELLO, config(origin))
    (question,) = state["__interrupt__"]
    assert question.value == wait_value([first, second])
    await desk.end(second, "failed", error=ErrorInfo(code="E", message="it is cloudy"))
    parked = await desk.end(origin.task.id, "queued", parked={question.id: (first, second)}, counted=True)
    woken = desk.of(await desk.claimed(parked.id))
    state = await made.ainvoke(Command(resume={question.id: None}), config(woken))
    (answer,) = answers_in(state)
    assert answer == f"Task {first} (a): done.\nResult:\none\n\nTask {second} (b): failed: it is cloudy."


async def test_a_task_asks_to_wait_even_where_there_is_nothing_to_wait_for() -> None:
    """Whether it asks depends on nothing that may be otherwise when its node runs again."""
    desk = Desk()
    origin = await desk.running()
    child = await started(origin)
    await desk.end(child, result="one")
    for ids, waited in (([child], [child]), (["never"], [])):
        made = waiting(*ids)
        (question,) = (await made.ainvoke(HELLO, config(origin)))["__interrupt__"]
        assert question.value == wait_value(waited)
        (told,) = answers_in(await made.ainvoke(Command(resume={question.id: None}), config(origin)))
        assert told == (f"Task {child}: done.\nResult:\none" if waited else NO_SUCH.format("never"))


async def test_a_task_whose_store_fails_asks_to_wait_all_the_same() -> None:
    """I10: and looks again when it goes on at once."""
    desk = Desk()
    origin = await desk.running()
    child = await started(origin)
    kept, desk.store = desk.store, Broken()
    for store, told in ((kept, f"Task {child}: queued."), (Broken(), tools._UNREACHABLE)):
        made = waiting(child)
        desk.store = Broken()
        (question,) = (await made.ainvoke(HELLO, config(origin)))["__interrupt__"]
        assert question.value == wait_value([])
        desk.store = store
        assert answers_in(await made.ainvoke(Command(resume={question.id: None}), config(origin))) == [told]


@pytest.mark.parametrize("meanwhile", ["nothing", "deleted", "the store fails"])
async def test_the_answer_to_the_next_question_of_a_node_stays_its_own(meanwhile: str) -> None:
    """T-11: its node has waited before, and runs again as the question of a person is answered."""
    desk = Desk()
    origin = await desk.running()
    child = await started(origin)
    said: list[Any] = []

    async def deploy(state: MessagesState, config: RunnableConfig) -> Any:
        await TOOLS["wait_for_tasks"].ainvoke(WAIT | {"args": {"task_ids": [child]}}, config)
        said.append(interrupt("deploy?"))
        said.append(interrupt("really?"))
        return {}

    made = StateGraph(MessagesState).add_node("deploy", deploy).add_edge(START, "deploy")
    made = made.compile(checkpointer=InMemorySaver())
    (wait,) = (await made.ainvoke(HELLO, config(origin)))["__interrupt__"]
    assert wait.value == wait_value([child])
    await desk.end(child)
    (first,) = (await made.ainvoke(Command(resume={wait.id: None}), config(origin)))["__interrupt__"]
    if meanwhile == "deleted":
        await desk.delete(child)
    if meanwhile == "the store fails":
        desk.store = Broken()
    (second,) = (await made.ainvoke(Command(resume={first.id: False}), config(origin)))["__interrupt__"]
    assert (first.value, second.value) == ("deploy?", "really?")
    await made.ainvoke(Command(resume={second.id: "no"}), config(origin))
    assert said == [False, False, "no"]


async def test_a_conversation_is_told_at_once_how_its_tasks_stand() -> None:
    desk = Desk()
    first, second = await started(desk.chat()), await started(desk.chat())
    await desk.end(first, result="one")
    told = await ask(desk.chat(), "wait_for_tasks", task_ids=[first, second])
    assert f"Task {first}: done.\nResult:\none\n\nTask {second}: ongoing." in told
    assert "This conversation is not held up" in told
    await desk.end(second, result="two")
    told = await ask(desk.chat(), "wait_for_tasks", task_ids=[first, second])
    assert told.endswith("Result:\ntwo")


async def test_many_long_results_share_the_room_of_one_answer() -> None:
    desk = Desk()
    ids = [await started(desk.chat()) for _ in range(MAX_IDS)]
    for id in ids:
        await desk.end(id, result="x" * 10_000)
    told = await ask(desk.chat(), "wait_for_tasks", task_ids=ids)
    assert MAX_RESULTS <= told.count("x") < MAX_RESULTS + MAX_IDS * 20
    assert len(told) < 2 * MAX_RESULTS
    assert told.count("Read on with check_async_task") == MAX_IDS


# ------------------------------------------------------------------ sync code


async def test_sync_code_in_a_thread_delegates_through_the_loop_of_the_runner() -> None:
    desk = Desk()
    origin = await desk.running()
    made = graph(
        [
            tool_call("start_async_task", ARGS["start_async_task"]),
            lambda messages: tool_call("wait_for_tasks", {"task_ids": [id_in(messages[-1].text)]}),
            "done",
        ]
    )
    state = await asyncio.to_thread(made.invoke, HELLO, config(origin))
    (task,) = await desk.descendants(origin.root_id)
    assert state["__interrupt__"][0].value == wait_value([task.id])


async def test_sync_code_that_would_hold_up_the_loop_of_the_runner_is_told_to_do_the_work_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would wait for ever for what only the loop can do that it holds up."""
    monkeypatch.setattr(tools, "PATIENCE", 0.1)
    desk = Desk()
    made = graph([tool_call("start_async_task", ARGS["start_async_task"]), "done"])
    assert "do the work yourself" in answers_in(made.invoke(HELLO, config(desk.chat())))[0]
    assert (await desk.list()).tasks == ()


def test_sync_code_without_a_loop_is_told_to_do_the_work_itself() -> None:
    async def over() -> Origin:
        return Desk().chat()

    for origin in (None, Desk().chat(), asyncio.run(over())):
        made = graph([tool_call("start_async_task", ARGS["start_async_task"]), "done"])
        assert "do the work yourself" in answers_in(made.invoke(HELLO, config(origin)))[0]


# ------------------------------------------------------------------ files


async def test_a_task_writes_reads_and_lists_its_files_and_its_parent_reads_them(tmp_path: Path) -> None:
    desk = Desk(artifacts=ArtifactStore(tmp_path))
    origin = await desk.running()
    child = await started(origin)
    own = desk.of(await desk.claimed(child))
    assert await ask(own, "list_artifacts") == "There are no files."
    assert await ask(own, "write_artifact", name="notes/a.md", text="größer") == "Wrote 'notes/a.md', 6 characters."
    assert await ask(own, "write_artifact", name="b.md", text="") == "Wrote 'b.md', 0 characters."
    assert await ask(own, "list_artifacts") == "- b.md (0 bytes)\n- notes/a.md (8 bytes)"
    assert await ask(own, "read_artifact", name="b.md", task_id=" ") == "'b.md' is empty."
    assert await ask(own, "read_artifact", name="notes/a.md", task_id=child) == "größer"
    assert await ask(origin, "read_artifact", name="notes/a.md", task_id=child) == "größer"
    assert await ask(origin, "list_artifacts", task_id=child) == await ask(own, "list_artifacts")
    assert await ask(origin, "list_artifacts") == "There are no files."


async def test_what_cannot_be_a_file_or_be_read_is_answered_with_what_can(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    origin = await Desk(artifacts=store).running()
    assert origin.task is not None
    assert "expected" in await ask(origin, "write_artifact", name="../../etc/passwd", text="x")
    assert "expected" in await ask(origin, "read_artifact", name="/etc/passwd")
    assert "expected" in await ask(origin, "read_artifact", name="none.md")
    store.write(origin.task.id, "a.png", b"\x89PNG\xff")
    assert (
        await ask(origin, "read_artifact", name="a.png")
        == "'a.png' is no text: it has 5 bytes that only a program can read."
    )
    store.write(origin.task.id, "long.md", "x" * 20_000)
    assert "Read on with read_artifact and offset=16000" in await ask(origin, "read_artifact", name="long.md")
    assert await ask(origin, "read_artifact", name="long.md", offset=16_000) == "x" * 4_000


async def test_a_conversation_has_no_files_of_its_own_but_reads_those_of_its_tasks(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    desk = Desk(artifacts=store)
    id = await started(desk.chat())
    store.write(id, "a.md", "x")
    assert "Only a task has files" in await ask(desk.chat(), "write_artifact", name="a.md", text="x")
    assert "say whose you mean" in await ask(desk.chat(), "read_artifact", name="a.md")
    assert "say whose you mean" in await ask(desk.chat(), "list_artifacts")
    assert await ask(desk.chat(), "read_artifact", name="a.md", task_id=id) == "x"


@pytest.mark.parametrize("made", ARTIFACT_TOOLS, ids=lambda made: made.name)
async def test_a_runner_without_files_says_so(made: BaseTool) -> None:
    answer = await ask(await Desk().running(), made.name, **ARGS[made.name])
    assert answer == "No files are kept in this run: put what there is to say into your answer."


# ------------------------------------------------------------------ in a session, and in LangChain's own agent


async def test_a_chat_whose_checkpointer_is_sync_only_delegates_too(tmp_path: Path) -> None:
    """Such a graph is driven in a thread."""
    sqlite = pytest.importorskip("langgraph.checkpoint.sqlite")
    desk = Desk()

    class Tasks:
        def configurable(self, thread_id: str, principal: str | None, push: Any) -> dict[str, Any]:
            return {CONFIG_KEY: desk.chat(thread_id, principal)}

    made = graph([tool_call("start_async_task", ARGS["start_async_task"]), "done"])
    with sqlite.SqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
        made.checkpointer = saver
        async with SessionAdapter(made, tasks=Tasks()) as sessions:
            result = await (await sessions.get("chat").submit("hello", principal="ann")).wait()
    assert result.text == "done"
    (task,) = (await desk.list()).tasks
    assert (task.spec.root_id, task.spec.principal) == ("thread:chat", "ann")


async def test_langchains_own_agent_starts_once_beside_an_approval() -> None:
    agents = pytest.importorskip("langchain.agents")
    middleware = pytest.importorskip("langchain.agents.middleware")
    desk = Desk()

    def call(messages: list[BaseMessage]) -> Any:
        return tool_calls(
            tool_call("start_async_task", ARGS["start_async_task"], id="1"), tool_call("pay", {"amount": 3}, id="2")
        )

    made = agents.create_agent(
        ScriptedModel(script=[call, "done"]),
        [*TASK_TOOLS, pay],
        middleware=[middleware.HumanInTheLoopMiddleware(interrupt_on={"start_async_task": True})],
        checkpointer=InMemorySaver(),
    )
    state = await made.ainvoke(HELLO, config(desk.chat()))
    state = await made.ainvoke(Command(resume={"decisions": [{"type": "approve"}]}), config(desk.chat()))
    (question,) = state["__interrupt__"]
    assert question.value == "pay 3?"
    state = await made.ainvoke(Command(resume={question.id: True}), config(desk.chat()))
    (task,) = (await desk.list()).tasks
    assert [id_in(answers_in(state)[0]), answers_in(state)[1]] == [task.id, "paid 3"]


# ------------------------------------------------------------------ with a runner that works


def lead(messages: list[BaseMessage]) -> Any:
    """Delegate three parts, one of which needs a person, and wait for all."""
    said = messages[0].text
    if said == "part 1":
        return tool_call("pay", {"amount": 3})
    if said != "lead":
        return f"answer to {said}"
    return tool_calls(*(tool_call("start_async_task", {"description": f"part {n}"}, id=f"c{n}") for n in range(3)))


def gather(messages: list[BaseMessage]) -> Any:
    if messages[0].text != "lead":
        return messages[-1].text
    ids = [id_in(message.text) for message in messages if isinstance(message, ToolMessage)]
    return tool_call("wait_for_tasks", {"task_ids": ids}, id="w")


async def test_a_parent_that_waits_leaves_its_worker_to_its_children_and_a_person_answers_what_they_ask() -> None:
    """T-11, and a deadlock at concurrency 1 if a parent that waits kept its worker."""
    made = graph([lead, gather, lambda messages: messages[-1].text], pay)
    async with TaskRunner({"main": made}, concurrency=1) as runner:
        id = await runner.enqueue("lead", principal="ann")
        async for entry in runner.events(id, follow=True):
            if isinstance(entry.event, TaskUpdate) and entry.event.state == "review_needed":
                break
        assert isinstance(entry.event, TaskUpdate)
        task = await runner.get(entry.event.task_id)
        assert (task.spec.prompt, task.spec.parent_id, task.spec.principal) == ("part 1", id, "ann")
        assert [asked.value for asked in task.interrupts] == ["pay 3?"]
        assert await runner.resume(task.id, {task.interrupts[0].id: True})
        parent = await runner.wait(id, timeout=60)
        children = await runner.children(id)
    assert (parent.state, parent.attempt) == ("done", 1)
    assert [child.result for child in children] == ["answer to part 0", "paid 3", "answer to part 2"]
    for child in children:
        assert f"Task {child.id} ({child.spec.prompt}): done.\nResult:\n{child.result}" in parent.result


REFUSED = {"value": False, "decisions": [{"type": "reject", "message": "no"}]}


def dangerous(shape: str, said: list[bool]) -> BaseTool:
    """A tool that asks a person, with a plain question or for a decision, after what it has to look up first."""

    @tool
    async def danger() -> str:
        """Delete something, once a person has allowed it."""
        for _ in range(200):
            await asyncio.sleep(0)
        if shape == "value":
            said.append(interrupt("really delete?"))
        else:
            asked = {"action_requests": [{"name": "danger", "args": {}}], "review_configs": []}
            said.append(interrupt(asked)["decisions"][0]["type"] == "approve")
        return "deleted" if said[-1] else "kept"

    return danger


async def refuse(runner: TaskRunner, id: str) -> Task:
    """Say no to all that a task asks, until it has ended."""
    while not (task := await runner.wait(id, timeout=30)).ended:
        answers = {asked.id: REFUSED["decisions"] if asked.actions else False for asked in task.interrupts}
        assert await runner.resume(id, answers)
    return task


@pytest.mark.parametrize("shape", ["value", "decisions"])
@pytest.mark.parametrize("order", [1, -1], ids=["the wait first", "the question first"])
async def test_a_no_to_a_question_beside_a_wait_arrives_as_no(shape: str, order: int) -> None:
    """T-11: a node by hand runs both calls of a message, and again when either has its answer."""
    said: list[bool] = []

    def start(messages: list[BaseMessage]) -> Any:
        return tool_call("start_async_task", {"description": "child"}) if messages[0].text == "lead" else "one"

    def both(messages: list[BaseMessage]) -> Any:
        calls = [tool_call("wait_for_tasks", {"task_ids": [id_in(messages[-1].text)]}, id="w"), tool_call("danger")]
        return tool_calls(*calls[::order])

    made = graph([start, both, lambda messages: "\n".join(answers_in({"messages": messages}))], dangerous(shape, said))
    async with TaskRunner({"main": made}) as runner:
        task = await refuse(runner, await runner.enqueue("lead"))
    assert said == [False]
    assert "\nkept" in task.result
    assert "done.\nResult:\none" in task.result


async def test_a_node_that_waits_and_then_asks_gets_a_no_as_no() -> None:
    """T-11; also when what it waits for has been deleted by the time that a person says it."""

    async def start(state: MessagesState, config: RunnableConfig) -> Any:
        if state["messages"][0].text == "child":
            return {"messages": [AIMessage("one")]}
        call = {"type": "tool_call", "name": "start_async_task", "id": "1", "args": {"description": "child"}}
        return {"messages": [await TOOLS["start_async_task"].ainvoke(call, config)]}

    async def deploy(state: MessagesState, config: RunnableConfig) -> Any:
        if state["messages"][0].text == "child":
            return {}
        id = id_in(state["messages"][-1].text)
        await TOOLS["wait_for_tasks"].ainvoke(WAIT | {"args": {"task_ids": [id]}}, config)
        return {"messages": [AIMessage(f"a person said {interrupt('deploy?')!r}")]}

    builder = StateGraph(MessagesState).add_node("start", start).add_node("deploy", deploy)
    made = builder.add_edge(START, "start").add_edge("start", "deploy").compile()
    async with TaskRunner({"main": made}) as runner:
        id = await runner.enqueue("lead")
        task = await runner.wait(id, timeout=30)
        assert [asked.value for asked in task.interrupts] == ["deploy?"]
        (child,) = await runner.children(id)
        assert await runner.delete(child.id)
        assert (await refuse(runner, id)).result == "a person said False"


async def test_copies_that_all_delegate_to_more_copies_come_to_an_end() -> None:
    """T-9, F-T4: the fan-out bomb."""
    bomb = tool_calls(*(tool_call("start_async_task", {"description": "boom"}, id=f"c{n}") for n in range(3)))
    policy = TaskPolicy(max_total=30, max_depth=9, max_active=1000)
    async with TaskRunner({"main": graph([bomb, "done"])}, policy=policy) as runner:
        id = await runner.enqueue("boom")
        ended, below = [id], ()
        while len(ended) != 1 + len(below := await runner.descendants(id)) or not below:
            ended = [task.id for task in await runner.gather([id, *(task.id for task in below)], timeout=60)]
        assert await runner.count() == {"done": 30}
