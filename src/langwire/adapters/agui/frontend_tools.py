"""Knows the tools that run in the client: how a model is given them, and how their calls wait for their results.

A client's tools and context ride in the run's own config, under `CONFIG_KEY`. A call of such a tool is a LangGraph
interrupt: the run pauses, the client works, and the answer that the next run brings is the call's result. What is said
to the model for its client is said in the prompt of that one call and never kept in the thread.

`FrontendTools` does it for agents of `create_agent`; the functions below do it for graphs made by hand. LangGraph and
LangChain are imported where they are used: `frontend_call` is read where neither has to be.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from langwire.core._guards import is_list, is_mapping
from langwire.errors import MissingExtra
from langwire.events import Interrupt

if TYPE_CHECKING:
    from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
    from langchain_core.messages import AnyMessage, SystemMessage, ToolCall, ToolMessage
    from langgraph.prebuilt.tool_node import ToolCallRequest
    from langgraph.types import Command

    _Middleware = AgentMiddleware[Any, Any, Any]
else:
    _Middleware = object

CONFIG_KEY = "__agui"
"""Where `config["configurable"]` has what a client brought to a run.

It holds `tools` (each with `name`, `description` and `parameters`, a JSON Schema), `context` (each with `description`
and `value`) and `pending`, the names of the tools whose calls wait. It reaches subgraphs and remote graphs, and because
of its two underscores neither LangGraph nor its server copies it into the metadata of checkpoints.
"""

NOT_ANSWERED = "No result: this call was left unanswered."
"""What the model reads for a call that never got a result."""

_TYPE = "frontend_tool_call"
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}

# ------------------------------------------------------------------ calls that wait


class FrontendCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a client's tool that waits for its result. `args` are as the model wrote them."""

    tool_call_id: str
    name: str
    args: Mapping[str, Any]


def frontend_call(interrupt: Interrupt) -> FrontendCall | None:
    """Return the call that waits behind a question; None for a question that is for a person.

    The answer, given under the interrupt's id, is `{"content": …, "error": …, "id": …}`: `content` is a text or a list
    of LangChain's content blocks, `error` a text that says why the call failed, or None, and `id` that of the message
    in which the client has the result, where it has one.
    """
    value = interrupt.value
    if not is_mapping(value) or value.get("type") != _TYPE:
        return None
    try:
        return msgspec.convert({**value}, FrontendCall)
    except msgspec.ValidationError:  # somebody else's question that has the same type
        return None


# ------------------------------------------------------------------ what the model is told


def client_tools(config: Mapping[str, Any], own: Iterable[Any] = ()) -> list[dict[str, Any]]:
    """Return the client's tools in OpenAI's form, which every `bind_tools` takes.

    `own` are the agent's tools, as `bind_tools` takes them: a tool of the client with the name of one is left out.
    """
    brought = _brought(config, "tools")
    names = {_name_of(tool) for tool in own} if brought else set[str | None]()
    bound: dict[str, dict[str, Any]] = {}
    for tool in brought:
        name = tool["name"]
        if name not in names:
            function = {
                "name": name,
                "description": tool.get("description") or "",
                "parameters": tool.get("parameters") or _NO_PARAMETERS,
            }
            bound.setdefault(name, {"type": "function", "function": function})
    return list(bound.values())


def client_context(config: Mapping[str, Any]) -> str | None:
    """Return what the client says of itself, as a text for the system message of one call; None when it is silent."""
    lines = [f"- {item['description']}: {item['value']}" for item in _brought(config, "context")]
    return "\n".join(["The user's application says of itself:", *lines]) if lines else None


def all_answered(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the messages with a result for every call; one that never got any is said to be `NOT_ANSWERED`.

    A call is left without a result when the user says something else instead, and providers refuse a prompt with
    such a call in it. It is made up for the prompt alone: the thread holds what has happened.
    """
    from langchain_core.messages import ToolMessage

    told: list[AnyMessage] = []
    for at, message in enumerate(messages):
        told.append(message)
        for call in _unanswered(messages, at):
            told.append(
                ToolMessage(content=NOT_ANSWERED, name=call["name"], tool_call_id=call["id"] or "", status="error")
            )
    return told


# ------------------------------------------------------------------ the node that runs the tools


def route_calls(state: Any, *, node: str = "tools", messages_key: str = "messages") -> list[Any] | Literal["__end__"]:
    """Send each call of the last answer to `node` as a task of its own, or end: the edge behind the model.

    In one task the calls would pause together, and when the run goes on, those of the graph's own tools would run
    again. A task of its own ends when its tool has run, whatever the others wait for.
    """
    # `list[Any]` holds `Send`s: LangGraph looks for what the annotations of an edge name, and here it is not imported.
    from langchain_core.messages import AIMessage
    from langgraph.types import Send

    messages: Sequence[AnyMessage] = state[messages_key] if is_mapping(state) else getattr(state, messages_key)
    last = max((at for at, message in enumerate(messages) if isinstance(message, AIMessage)), default=None)
    calls = [] if last is None else _unanswered(messages, last)
    return [Send(node, [call]) for call in calls] or "__end__"


def wrap_client_call(
    request: ToolCallRequest, execute: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
) -> ToolMessage | Command[Any]:
    """Let the client run its own tool: the `wrap_tool_call` of a `ToolNode`. Any other call is executed."""
    result = _of_client(request)
    return execute(request) if result is None else result


async def awrap_client_call(
    request: ToolCallRequest, execute: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]
) -> ToolMessage | Command[Any]:
    """Let the client run its own tool: the `awrap_tool_call` of a `ToolNode`. Any other call is executed."""
    result = _of_client(request)
    return await execute(request) if result is None else result


# ------------------------------------------------------------------ the middleware


class FrontendTools(_Middleware):
    """Middleware that gives an agent of `create_agent` the tools and the context of the client that runs it.

    `create_agent(model, tools, middleware=[FrontendTools()])`. Put it first: what stands before it and catches every
    exception of a tool would catch the pause, and what hides a tool of the agent before it lets a client's take its
    name. Calls that never got a result are answered in the prompt: see `all_answered`.

    Raises `MissingExtra` where langchain is not installed.
    """

    def __new__(cls) -> FrontendTools:
        """Make one. The class becomes LangChain's only now, so that nobody else needs langchain."""
        try:
            from langchain.agents.middleware import AgentMiddleware
        except ImportError as missing:
            raise MissingExtra("FrontendTools is for agents of langchain: pip install langchain") from missing
        made: Any = type(cls.__name__, (cls, AgentMiddleware), {"__module__": cls.__module__})
        return super().__new__(made)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Bind the client's tools, show its context, and answer what was left unanswered, for this call only."""
        return handler(_for_client(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Do the same in async code."""
        return await handler(_for_client(request))

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
    ) -> ToolMessage | Command[Any]:
        """Pause at a call of the client's tool; its answer is the result."""
        return wrap_client_call(request, handler)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]
    ) -> ToolMessage | Command[Any]:
        """Do the same in async code."""
        return await awrap_client_call(request, handler)


def _for_client(request: ModelRequest[Any]) -> ModelRequest[Any]:
    from langgraph.config import get_config

    config = get_config()
    own = chain(request.tools, _structured(request.response_format))
    return request.override(
        tools=[*request.tools, *client_tools(config, own)],
        system_message=_with_text(request.system_message, client_context(config)),
        messages=all_answered(request.messages),
    )


def _structured(response_format: Any) -> Iterator[Any]:
    """Yield the tools by which the model may give its structured response: the agent adds them behind this.

    They take half a millisecond to make, so they are made only for a client that has tools.
    """
    from langchain.agents.structured_output import AutoStrategy, ProviderStrategy, ToolStrategy

    if response_format is None:
        return
    given = cast("AutoStrategy[Any]", response_format)
    schema = given.schema if isinstance(response_format, AutoStrategy | ProviderStrategy | ToolStrategy) else given
    yield from ToolStrategy(cast("Any", schema)).schema_specs


def _with_text(message: SystemMessage | None, text: str | None) -> SystemMessage | None:
    from langchain_core.messages import SystemMessage

    if text is None:
        return message
    if message is None:
        return SystemMessage(content=text)
    content = cast("str | list[Any]", message.content)
    return message.model_copy(
        update={"content": f"{content}\n\n{text}" if isinstance(content, str) else [*content, _block(text)]}
    )


# ------------------------------------------------------------------ one call


def _of_client(request: ToolCallRequest) -> ToolMessage | None:
    """Return the result of a call of the client's tool, once it is there; None for any other call.

    A tool of the agent is the agent's, whatever the client calls its own. A call that waited is the client's also
    when the client, which has been reloaded, does not name the tool any more.
    """
    from langgraph.config import get_config
    from langgraph.types import interrupt

    call, config = request.tool_call, get_config()
    names = {*_brought(config, "pending"), *(tool["name"] for tool in _brought(config, "tools"))}
    if request.tool is not None or call["name"] not in names:
        return None
    answer = interrupt({"type": _TYPE, "tool_call_id": call["id"], "name": call["name"], "args": call["args"]})
    return _result(call, answer)


def _result(call: ToolCall, answer: Any) -> ToolMessage:
    """Return the answer as the call's result. One that comes from elsewhere than AG-UI may be any value."""
    from langchain_core.messages import ToolMessage

    given: Mapping[str, Any] = answer if is_mapping(answer) and "content" in answer else {"content": answer}
    content, error, id = given["content"], given.get("error"), given.get("id")
    if not isinstance(content, str) and not is_list(content):
        content = json.dumps(content, default=str)
    return ToolMessage(
        content=_with_error(content, error),
        name=call["name"],
        tool_call_id=call["id"] or "",
        status="success" if error is None else "error",
        id=id if isinstance(id, str) else None,
    )


def _with_error(content: str | Sequence[Any], error: str | None) -> Any:
    """Add the error where the content does not say it: the model reads nothing else."""
    if not error or error in str(content):
        return content
    if isinstance(content, str):
        return f"{content}\n{error}".lstrip()
    return [*content, _block(error)]


def _unanswered(messages: Sequence[AnyMessage], at: int) -> list[ToolCall]:
    """Return the calls of a message that got no result before the model spoke again. A call id may come anew then."""
    from langchain_core.messages import AIMessage, ToolMessage

    message, answered = messages[at], set[str | None]()
    if not isinstance(message, AIMessage) or not message.tool_calls:
        return []
    for later in messages[at + 1 :]:
        if isinstance(later, AIMessage):
            break
        if isinstance(later, ToolMessage):
            answered.add(later.tool_call_id)
    return [call for call in message.tool_calls if call["id"] not in answered]


def _brought(config: Mapping[str, Any], what: str) -> Sequence[Any]:
    configurable: Mapping[str, Any] = config.get("configurable", {})
    return configurable.get(CONFIG_KEY, {}).get(what, ())


def _name_of(tool: Any) -> str | None:
    if is_mapping(tool):
        return tool.get("function", tool).get("name")
    return getattr(tool, "name", None) or getattr(tool, "__name__", None)


def _block(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
