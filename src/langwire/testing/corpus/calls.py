"""Cases about tool calls: how models write them, and what tools answer."""

from __future__ import annotations

from typing import Annotated, Any

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import BaseTool, InjectedToolCallId, tool
from langgraph.config import get_stream_writer
from langgraph.graph import MessagesState
from langgraph.prebuilt import ToolRuntime
from langgraph.types import Command

from langwire.testing.corpus._case import Graph, Saver, case
from langwire.testing.corpus._parts import (
    add,
    always_fails,
    chain,
    chat,
    chunk,
    fragment,
    get_weather,
    loop,
    says,
    script,
)
from langwire.testing.model import ScriptedModel, Step, text, tool_call, tool_calls

ROME = {"city": "Rome"}


def _called(saver: Saver, first: Step, *tools: BaseTool, last: Step = "done") -> Graph:
    """An agent that calls once, with `first`, and then ends."""
    return loop(saver, script(first, last), tools or [get_weather, add])


# ------------------------------------------------------------------ how calls are written


@case()
def tool_call_streamed(saver: Saver) -> Graph:
    """A call whose arguments come in three pieces, with text before it in the same chunk as its head."""
    call = tool_call("get_weather", ['{"ci', 'ty": "Par', 'is"}'], text="Let me look. ")
    return _called(saver, call, last=text("It is ", "sunny."))


@case()
def text_beside_fragment(saver: Saver) -> Graph:
    """Text, then text in the very chunk that opens the call: none of it may get lost."""
    return _called(saver, ["Let me ", *tool_call("get_weather", ROME, text="check now.")])


@case()
def parallel_tools(saver: Saver) -> Graph:
    """Two calls of one message whose pieces take turns, chunk by chunk."""
    one, two = ('{"city"', ': "Rome"}'), ('{"a": 1', ', "b": 2}')
    step = [
        chunk(tool_call_chunks=[fragment(name="get_weather", id="call_a", index=0)]),
        chunk(tool_call_chunks=[fragment(name="add", id="call_b", index=1)]),
        *(
            chunk(tool_call_chunks=[fragment(part, index=at)])
            for pair in zip(one, two, strict=True)
            for at, part in enumerate(pair)
        ),
    ]
    return _called(saver, step, last=text("Rome is sunny, the sum is 3."))


@case()
def interleaved_in_a_chunk(saver: Saver) -> Graph:
    """Two calls whose pieces share each chunk."""
    return _called(
        saver,
        tool_calls(
            tool_call("get_weather", ['{"city"', ': "Rome"}'], id="call_a"),
            tool_call("add", ['{"a": 1', ', "b": 2}'], id="call_b"),
            interleaved=True,
        ),
    )


@case()
def one_shot_arguments(saver: Saver) -> Graph:
    """Two calls, each whole in one piece."""
    return _called(
        saver,
        [
            chunk(tool_call_chunks=[fragment('{"city": "Rome"}', name="get_weather", id="call_a", index=0)]),
            chunk(tool_call_chunks=[fragment('{"a": 1, "b": 2}', name="add", id="call_b", index=1)]),
        ],
    )


@case()
def calls_without_index(saver: Saver) -> Graph:
    """Whole calls without an index, told apart by their ids alone."""
    return _called(
        saver,
        [
            chunk(tool_call_chunks=[fragment('{"city": "Rome"}', name="get_weather", id="call_a", index=None)]),
            chunk(tool_call_chunks=[fragment('{"city": "Oslo"}', name="get_weather", id="call_b", index=None)]),
        ],
    )


@case()
def id_in_every_fragment(saver: Saver) -> Graph:
    """A call that repeats its id in each piece."""
    return _called(
        saver,
        [
            chunk(tool_call_chunks=[fragment(name="get_weather", id="call_a")]),
            chunk(tool_call_chunks=[fragment('{"city": ', id="call_a")]),
            chunk(tool_call_chunks=[fragment('"Rome"}', id="call_a")]),
        ],
    )


@case()
def call_without_id(saver: Saver) -> Graph:
    """A call that has no id at all, so that no tool can answer it; the graph ends there."""
    step = [chunk(tool_call_chunks=[fragment('{"city": "Rome"}', name="get_weather")])]
    return chain(saver, chat=chat(script(step)))


@case()
def same_call_id_twice(saver: Saver) -> Graph:
    """The second round of an agent uses the call id of the first again."""
    return loop(
        saver,
        script(
            tool_call("get_weather", ROME, id="call_1"),
            tool_call("get_weather", {"city": "Oslo"}, id="call_1"),
            "done",
        ),
        [get_weather],
    )


@case()
def no_arguments(saver: Saver) -> Graph:
    """A call to a tool that takes nothing, without a single piece of arguments."""

    @tool
    def now() -> str:
        """Tell the time."""
        return "noon"

    return _called(saver, tool_call("now"), now)


@case()
def truncated_arguments(saver: Saver) -> Graph:
    """Arguments that stop in the middle: LangChain repairs them to an empty dict, and the tool complains."""
    return _called(saver, tool_call("get_weather", ["{broken"]), last=text("That went wrong."))


@case()
def invalid_tool_calls(saver: Saver) -> Graph:
    """A finished message with a call that LangChain could not parse."""
    broken = AIMessage(
        "",
        id="bad-1",
        invalid_tool_calls=[
            {"name": "add", "args": "{1", "id": "call_x", "error": "not json", "type": "invalid_tool_call"}
        ],
    )
    return chain(saver, hand=says(broken))


@case()
def finished_call(saver: Saver) -> Graph:
    """A call in a finished message that never streamed."""
    call = AIMessage("Looking.", id="ai-1", tool_calls=[{"name": "get_weather", "args": ROME, "id": "call_1"}])
    return loop(saver, ScriptedModel(script=[call, "done"], streaming=False), [get_weather])


@case()
def call_by_hand(saver: Saver) -> Graph:
    """A node returns a call and its result as dicts."""
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
    return chain(
        saver,
        hand=says(
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "3", "tool_call_id": "call_1"},
        ),
    )


@case(
    input={
        "messages": [
            {"role": "user", "content": "weather?", "id": "h-1"},
            AIMessage("", id="a-1", tool_calls=[{"name": "get_weather", "args": ROME, "id": "call_old"}]),
        ]
    }
)
def call_left_open(saver: Saver) -> Graph:
    """The input ends in a call of an earlier turn, and a node answers it."""
    return chain(saver, answer=says(ToolMessage("sunny", tool_call_id="call_old", name="get_weather", id="t-1")))


# ------------------------------------------------------------------ what tools answer


@case()
def tool_error(saver: Saver) -> Graph:
    """A tool raises, and its node turns that into an answer with status error."""
    return _called(saver, tool_call("always_fails", {"what": "it"}), always_fails, last=text("The tool failed."))


@case()
def unknown_tool(saver: Saver) -> Graph:
    """A call to a tool that does not exist."""
    return _called(saver, tool_call("no_such_tool", {}), last=text("No such tool."))


@case()
def quiet_error(saver: Saver) -> Graph:
    """One tool answers with status error and raises nothing; another says "Error: 0" and means it well."""

    @tool
    def refuse(tool_call_id: Annotated[str, InjectedToolCallId]) -> ToolMessage:
        """Refuse without raising."""
        return ToolMessage("not today", tool_call_id=tool_call_id, name="refuse", status="error")

    @tool
    def count_errors() -> str:
        """Count the errors."""
        return "Error: 0 of 12"

    return _called(
        saver,
        tool_calls(tool_call("refuse", {}, id="call_r"), tool_call("count_errors", {}, id="call_c")),
        refuse,
        count_errors,
    )


@case()
def tool_artifact(saver: Saver) -> Graph:
    """A tool returns content for the model and an artifact for the application."""

    @tool(response_format="content_and_artifact")
    def search(query: str) -> tuple[str, dict[str, list[int]]]:
        """Search."""
        return f"2 rows for {query}", {"rows": [1, 2]}

    return _called(saver, tool_call("search", {"query": "z"}), search)


@case()
def tool_blocks(saver: Saver) -> Graph:
    """A tool returns a list of blocks, another one a dict."""

    @tool
    def draw() -> list[dict[str, str]]:
        """Draw."""
        return [{"type": "text", "text": "a dot"}, {"type": "image", "url": "https://example.org/dot.png"}]

    @tool
    def describe() -> dict[str, int]:
        """Describe."""
        return {"width": 1}

    return _called(
        saver, tool_calls(tool_call("draw", id="call_d"), tool_call("describe", id="call_e")), draw, describe
    )


@case()
def tool_commands(saver: Saver) -> Graph:
    """Two tools of one node return Commands, so that the node's update is a list."""

    @tool
    def note(what: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Write a note."""
        return Command(update={"messages": [ToolMessage(f"noted {what}", tool_call_id=tool_call_id, name="note")]})

    step = tool_calls(tool_call("note", {"what": "a"}, id="call_a"), tool_call("note", {"what": "b"}, id="call_b"))
    return _called(saver, step, note)


@case()
def channel_written_twice(saver: Saver) -> Graph:
    """A node returns two Commands that write the same channel, so that its update is a list."""

    def write(_state: MessagesState) -> list[Command[Any]]:
        return [Command(update={"messages": [AIMessage(word, id=f"{word}-1")]}) for word in ("one", "two")]

    return chain(saver, node=write)


@case()
def tools_apart(saver: Saver) -> Graph:
    """Each call of a message runs as a task of its own under the same node name."""
    step = tool_calls(tool_call("get_weather", ROME, id="call_a"), tool_call("add", {"a": 1, "b": 2}, id="call_b"))
    return loop(saver, script(step, "done"), [get_weather, add], apart=True)


@case()
def tool_progress(saver: Saver) -> Graph:
    """A tool writes its progress to the custom stream."""

    @tool
    def work(steps: int) -> str:
        """Work."""
        writer = get_stream_writer()
        for step in range(steps):
            writer({"progress": step + 1, "of": steps})
        return "worked"

    return _called(saver, tool_call("work", {"steps": 2}), work)


@case(needs="langgraph.prebuilt:ToolRuntime.emit_output_delta")
def tool_output_delta(saver: Saver) -> Graph:
    """A tool streams its output, which the tools mode shows."""

    @tool
    def dictate(runtime: ToolRuntime[Any, Any]) -> str:
        """Dictate."""
        for word in ("one ", "two"):
            runtime.emit_output_delta(word)
        return "one two"

    return _called(saver, tool_call("dictate"), dictate)


@case()
def model_in_a_tool(saver: Saver) -> Graph:
    """A tool asks a model that streams, and the model's message is thrown away."""
    inner = script(text("dis", "carded"))

    @tool
    def think(about: str) -> str:
        """Think."""
        return f"{len(inner.invoke(about).text)} letters"

    return _called(saver, tool_call("think", {"about": "it"}), think)
