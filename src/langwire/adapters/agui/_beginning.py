"""Knows what a run begins with: what its client has already, what it lacks, and which ids are taken."""

from __future__ import annotations

import msgspec

from langwire.adapters.agui import events as agui
from langwire.adapters.agui._names import without_number
from langwire.adapters.agui._parts import parts_of
from langwire.adapters.agui._protocol import AssistantMessage, Message, RunAgentInput, ToolMessage, UserMessage
from langwire.adapters.agui._stand import Stand
from langwire.adapters.agui._streams import Beginning
from langwire.adapters.agui.encoder import Run
from langwire.adapters.agui.request import Continue, Edit, Plan, Regenerate, Resume, Submit, calls_besides, missing


def beginning_of(run: RunAgentInput, stand: Stand, chosen: Plan, *, alone: bool) -> Beginning:
    """Return what the client gets at the start: all messages, where it lacks some or the thread went back.

    A run that was not `alone` comes after another, of which it is not known yet what it will have said.
    """
    sent = chosen.messages if isinstance(chosen, Submit | Edit) else ()
    new = {message["id"] for message in sent}
    others = [message for message in _others(run, stand) if message.id not in new]
    if isinstance(chosen, Resume):  # what is new beside the answers stays with the client until its next run
        known = {held.id for held in stand.messages}
        others += [said for said in run.messages if isinstance(said, UserMessage) and said.id not in known]
    return Beginning(
        behind=not alone or _is_behind(run, stand, chosen),
        goes_on=isinstance(chosen, Resume | Continue),
        had=[message.id for message in run.messages],
        new=[_as_ours(message) for message in run.messages if message.id in new],
        others=[_as_ours(message) for message in others],
    )


def _others(run: RunAgentInput, stand: Stand) -> list[Message]:
    """Return the messages that the client keeps and the thread does not.

    Some that the thread holds were told under another id: from a provider that gives it in a later chunk, from the
    reducer, or for the client's own result of a call. Each is looked up once, for both lists may be long.
    """
    had, known = {message.id for message in run.messages}, {held.id for held in stand.messages}
    calls = {call for held in stand.messages for call in held.call_ids}
    late = [held for held in stand.messages if held.role == "assistant" and held.id not in had]
    renamed = {(held.call_ids, text) for held in late if isinstance(text := parts_of(held.content), str)}

    def is_other(message: Message) -> bool:
        if isinstance(message, UserMessage) or message.id in known:
            return False
        if isinstance(message, ToolMessage):
            return without_number(message.tool_call_id) not in calls
        if isinstance(message, AssistantMessage):
            made = tuple(without_number(call.id) for call in message.tool_calls or ())
            return (made, message.content or "") not in renamed
        return True

    return [message for message in run.messages if is_other(message)]


def _is_behind(run: RunAgentInput, stand: Stand, chosen: Plan) -> bool:
    """Return whether the client lacks messages of the thread, or has some that the thread goes back from."""
    if not isinstance(chosen, Edit | Regenerate):
        return missing(run, stand)
    kept = kept_of(stand, chosen)
    if kept is stand:  # a checkpoint: what it holds is not known yet
        return True
    gone, had = {held.id for held in stand.messages[len(kept.messages) :]}, {message.id for message in run.messages}
    gone -= {message["id"] for message in chosen.messages} if isinstance(chosen, Edit) else set()
    return bool(gone & had) or missing(run, kept)


def kept_of(stand: Stand, chosen: Plan) -> Stand:
    """Return where the thread stands when the run begins: without the messages that it goes back from."""
    if not isinstance(chosen, Edit | Regenerate):
        return stand
    ids = [held.id for held in stand.messages]
    if chosen.point not in ids:
        return stand
    return msgspec.structs.replace(stand, messages=stand.messages[: ids.index(chosen.point)])


def without(stand: Stand, hidden: frozenset[str]) -> Stand:
    """Return where a thread stands for a client that is not shown some of its messages."""
    if not hidden:
        return stand
    return msgspec.structs.replace(stand, messages=tuple(held for held in stand.messages if held.id not in hidden))


def run_for(
    run: RunAgentInput,
    stand: Stand | None = None,
    kept: Stand | None = None,
    hidden: frozenset[str] = frozenset(),
) -> Run:
    """Return what the encoder has to know of a run; `kept` is what stays of where its thread stands."""
    held = kept.messages if kept is not None else ()
    calls = [call for message in held if message.role != "tool" for call in message.call_ids]
    return Run(
        thread_id=run.thread_id,
        run_id=run.run_id,
        parent_run_id=run.parent_run_id,
        calls=(*calls, *(calls_besides(run, stand) if stand is not None else ())),
        messages=frozenset(message.id for message in held),
        hidden=hidden,
        tools=frozenset(tool.name for tool in run.tools or ()),
        answered=frozenset(message.tool_call_id for message in run.messages if isinstance(message, ToolMessage)),
    )


def _as_ours(message: Message) -> agui.Message:
    return msgspec.convert(message.model_dump(mode="json", by_alias=True, exclude_none=True), agui.Message)
