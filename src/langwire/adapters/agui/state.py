"""Knows what a client sees of a graph's state, and what it may write there. Pure.

What is seen are the keys that were chosen, in JSON form, without messages; every other key of the client's state is
its own and is kept. A key that the graph has had no value for in this run is still the client's own, too. A change is
told as a JSON Patch against what the client has, or whole where that is shorter.

What two states differ in is found in their JSON text, not in Python objects: a graph may go on writing in those, `True`
and `1` are different there, and text is compared at the speed of memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal, TypeAlias, get_args

import msgspec
from langchain_core.messages import BaseMessage
from langgraph.channels import AnyValue, EphemeralValue, LastValue, UntrackedValue
from pydantic_core import from_json

from langwire import events as ours
from langwire.adapters.agui.events import StateDelta, StateSnapshot
from langwire.core._guards import is_list, is_mapping
from langwire.core._updates import is_state, state_items
from langwire.core.codec import encode, jsonable
from langwire.errors import UsageError

Events: TypeAlias = tuple[StateDelta | StateSnapshot, ...]
_Json: TypeAlias = msgspec.Raw
_Members: TypeAlias = dict[str, msgspec.Raw]
_Patch: TypeAlias = list[dict[str, Any]]

MAX_VALUE_BYTES = 2**20
"""How large a value may be to be shown, in bytes of JSON; of a larger one the client sees how it begins."""

_STEP = 32  # characters that a predicted call grows by, at least, before it is shown again
_MAX_ALIGNED = 200  # items of two lists that are aligned, which takes their product in time
_HIDDEN = frozenset({"messages", "__proto__"})
_UNPATCHABLE = frozenset({"__proto__", "prototype"})  # the client refuses a path with these
_NUMBER = "+-.0123456789Ee"

_encode = msgspec.json.Encoder().encode
_MEMBERS: msgspec.json.Decoder[_Members] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS: msgspec.json.Decoder[list[_Json]] = msgspec.json.Decoder(list[msgspec.Raw])


class _Holder(msgspec.Struct):
    values: msgspec.Raw = msgspec.Raw(b"null")


_HOLDER = msgspec.json.Decoder(_Holder)


@dataclass(frozen=True, slots=True)
class Prediction:
    """While a model writes `argument` of a call of `tool`, what it has written so far is seen under `state_key`."""

    tool: str
    argument: str
    state_key: str


class StateView:
    """What one client sees of the state in one run: reads the run's events, and says what to tell the client.

    `client_state` is what the client has (any JSON; None when that is not known), `keys` the state keys that it sees,
    `"*"` for all. Messages are never seen: they have events of their own. A value above `max_value_bytes` of JSON is
    seen as a `$truncated` mark.

    What `predict` names shows under its key before the tool has run, until the graph's own value changes, or the run
    ends. Raises `UsageError` for keys that cannot be seen.
    """

    __slots__ = ("_calls", "_keys", "_limit", "_predict", "_predicted", "_seen", "_sent", "_truth")

    def __init__(
        self,
        client_state: Any,
        keys: Collection[str] | Literal["*"] = (),
        predict: Sequence[Prediction] = (),
        *,
        max_value_bytes: int = MAX_VALUE_BYTES,
    ) -> None:
        _check_keys(keys, predict)
        self._keys, self._limit = keys, max_value_bytes
        self._sent = _exactly(client_state)
        """What the client has; None when that is no object, or none that could be written as it is."""
        self._truth = self._sent if self._sent is not None else _nearly(client_state)
        """What it has without predictions: its own keys, and the graph's values."""
        self._seen: frozenset[str] = frozenset()
        self._predicted: _Members = {}
        self._predict: dict[str, list[Prediction]] = {}
        for one in predict:
            self._predict.setdefault(one.tool, []).append(one)
        self._calls: dict[str, _Call] = {}

    def snapshot(self, values: Any) -> Events:
        """Read the `values` of the root lane's `StateSnapshot`; return what to tell: nothing, or one event."""
        if not is_state(values):  # what a function of the functional API returned
            return ()
        now = {key: _json(value, self._limit) for key, value in state_items(values) if self._shows(key)}
        for key, value in now.items():
            if self._truth.get(key) != value:
                self._predicted.pop(key, None)
        kept = {key: value for key, value in self._truth.items() if key not in self._seen or key in now}
        self._truth, self._seen = kept | now, frozenset(now)
        return self._tell()

    def start_call(self, event: ours.ToolCallStart) -> None:
        """Read the start of a tool call: it may be a predicted one."""
        predictions = self._predict.get(event.name)
        if predictions is not None:
            self._calls[event.id] = _Call(predictions)

    def delta(self, event: ours.ToolCallDelta) -> Events:
        """Read more of a call's arguments; return what to tell: nothing, or one event.

        A call is shown again when it has grown by an eighth: so all that is told of it stays below ten times its text.
        """
        call = self._calls.get(event.id)
        if call is None or not call.grow(event.args):
            return ()
        return self._show(call.predictions, call.read())

    def end_call(self, event: ours.ToolCallEnd) -> Events:
        """Read the end of a call: what it predicts is whole now, or taken back where its arguments are of no use."""
        call = self._calls.pop(event.id, None)
        if call is None:
            return ()
        for one in call.predictions:
            self._predicted.pop(one.state_key, None)
        return self._show(call.predictions, event.args)

    def settle(self) -> Events:
        """Take back, at the end of the run, what was predicted and did not come true."""
        self._calls.clear()
        self._predicted.clear()
        return self._tell()

    def _show(self, predictions: Sequence[Prediction], args: Any) -> Events:
        for one in predictions:
            if is_mapping(args) and one.argument in args:
                self._predicted[one.state_key] = _json(args[one.argument], self._limit)
        return self._tell()

    def _shows(self, key: str) -> bool:
        return key not in _HIDDEN and (self._keys == "*" or key in self._keys)

    def _tell(self) -> Events:
        if self._sent is None and not (self._seen or self._predicted):
            return ()
        before, self._sent = self._sent, self._truth | self._predicted
        whole = _encode(StateSnapshot(snapshot=self._sent))
        if before is not None:
            patch = _patch_object("", before, self._sent)
            if not patch:
                return ()
            if len(_encode(StateDelta(delta=patch))) <= len(whole):
                return (StateDelta(delta=msgspec.json.decode(_encode(patch))),)
        return (StateSnapshot(snapshot=msgspec.json.decode(_encode(self._sent))),)


class _Call:
    """A predicted call that is being written."""

    __slots__ = ("_due", "_pieces", "_size", "predictions")

    def __init__(self, predictions: Sequence[Prediction]) -> None:
        self.predictions = predictions
        self._pieces: list[str] = []
        self._size, self._due = 0, 1

    def grow(self, piece: str) -> bool:
        """Take more of the arguments, and return whether it is time to show them."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size < self._due:
            return False
        self._due = self._size + max(_STEP, self._size // 8)
        return True

    def read(self) -> Any:
        """Return the arguments as far as they are written, or None where they are no JSON.

        A text that is being written is there as far as it goes, a number only when it is over.
        """
        text = "".join(self._pieces).rstrip(_NUMBER).encode(errors="replace")
        try:
            return from_json(text, allow_partial="trailing-strings")
        except ValueError:
            return None


def _check_keys(keys: Collection[str] | Literal["*"], predict: Iterable[Prediction]) -> None:
    if keys == "*":
        return
    if isinstance(keys, str):
        raise UsageError(f"state keys came as the text {keys!r:.80}: expected a list of keys, or '*' for all")
    for key in _HIDDEN.intersection(keys):
        raise UsageError(f"{key!r} came as a state key: a client does not see it there, leave it out")
    for one in predict:
        if one.state_key not in keys:
            raise UsageError(f"{one!r:.200} came, and clients do not see that state key: add it to the state keys")


# ------------------------------------------------------------------ what a client may write


def writes(client_state: Any, graph_values: Any, keys: Collection[str]) -> dict[str, Any]:
    """Return what a client has changed of the keys that it may write: its value of each that is not the thread's.

    `client_state` is what the client sent (any JSON), `graph_values` the thread's state. They are compared in the form
    in which a client sees them, so that an echo is no change; a `$truncated` mark is none either. A key that the
    client leaves out stays as it is.
    """
    given = dict(state_items(client_state)) if is_mapping(client_state) else {}
    values = dict(state_items(graph_values))
    changed: dict[str, Any] = {}
    for key in keys:
        if key not in given or _is_truncated(given[key]):
            continue
        if key not in values or _patch("", _json(values[key]), _json(given[key])):
            changed[key] = jsonable(given[key])
    return changed


def check_writable(graph: Any, keys: Collection[str]) -> None:
    """Check that a client may write these keys of a graph's state.

    Raises `UsageError` for a key that the graph does not have, that has a reducer (a client sends back all it sees, and
    a reducer would add it again in every run), or that holds messages. A `RemoteGraph` does not say what its keys are:
    there nothing is checked, and it is for you to name none that has a reducer.
    """
    channels = getattr(graph, "channels", None)
    if not is_mapping(channels):
        return
    known = sorted(graph.stream_channels_list)
    for key in sorted(keys):
        if key not in known:
            raise UsageError(
                f"{key!r:.80} came as a state key that clients write: expected one of the graph's, {', '.join(known)}"
            )
        if not isinstance(channels[key], AnyValue | EphemeralValue | LastValue | UntrackedValue):
            raise UsageError(
                f"{key!r} came as a state key that clients write, and has a reducer: "
                "what a client sends back would be added in every run; leave it out"
            )
        if _holds_messages(channels[key].typ):
            raise UsageError(
                f"{key!r} came as a state key that clients write, and holds messages: "
                "a client could put words into the agent's mouth; leave it out"
            )


def _is_truncated(value: Any) -> bool:
    return is_mapping(value) and list(value) == ["$truncated"]


def _holds_messages(kind: Any) -> bool:
    parts = get_args(kind)
    return any(map(_holds_messages, parts)) if parts else isinstance(kind, type) and issubclass(kind, BaseMessage)


# ------------------------------------------------------------------ values to JSON text


def _exactly(state: Any) -> _Members | None:
    """Return the members of a client's state, or None when it is no object that can be written as it is."""
    try:
        return _MEMBERS.decode(_encode(state)) if is_mapping(state) else None
    except Exception:  # half a surrogate pair, an integer or a depth that is too large
        return None


def _nearly(state: Any) -> _Members:
    return _MEMBERS.decode(_encode(jsonable(state))) if is_mapping(state) else {}


def _json(value: Any, limit: int | None = None) -> _Json:
    """Return the JSON text of a value of any make, without the messages in it, or a mark when it is too large."""
    line = encode(ours.StateSnapshot(values=value))
    if b'"additional_kwargs"' in line:
        value = _without_messages(jsonable(value))
        line = encode(ours.StateSnapshot(values=value))
    if limit is not None and len(line) > limit:
        line = encode(ours.StateSnapshot(values=value), max_value_bytes=limit)
    return _HOLDER.decode(line).values


def _without_messages(data: Any) -> Any:
    if _is_message(data):
        return None
    if is_mapping(data):
        return {key: _without_messages(value) for key, value in data.items() if not _is_message(value)}
    if is_list(data):
        return [_without_messages(value) for value in data if not _is_message(value)]
    return data


def _is_message(data: Any) -> bool:
    return is_mapping(data) and data.keys() >= {"type", "content", "additional_kwargs"}


# ------------------------------------------------------------------ JSON text to patches


def _patch(path: str, old: _Json, new: _Json) -> _Patch:
    """Return the operations that make `new` of `old`, none where they are the same, or one that is shorter."""
    if old == new:
        return []
    whole = [{"op": "replace", "path": path, "value": new}]
    inside = _patch_inside(path, old, new)
    return whole if inside is None or len(_encode(inside)) > len(_encode(whole)) else inside


def _patch_inside(path: str, old: _Json, new: _Json) -> _Patch | None:
    openings = bytes((memoryview(old)[0], memoryview(new)[0]))
    if openings == b"[[":
        return _patch_array(path, _ITEMS.decode(old), _ITEMS.decode(new))
    if openings == b"{{":
        before, after = _MEMBERS.decode(old), _MEMBERS.decode(new)
        if _UNPATCHABLE.isdisjoint(before) and _UNPATCHABLE.isdisjoint(after):
            return _patch_object(path, before, after)
    return None


def _patch_object(path: str, old: _Members, new: _Members) -> _Patch:
    patch: _Patch = [{"op": "remove", "path": _join(path, key)} for key in old if key not in new]
    for key, value in new.items():
        if key in old:
            patch += _patch(_join(path, key), old[key], value)
        else:
            patch.append({"op": "add", "path": _join(path, key), "value": value})
    return patch


def _patch_array(path: str, old: list[_Json], new: list[_Json]) -> _Patch:
    start = _same_beginning(old, new)
    same_end = _same_beginning(old[start:][::-1], new[start:][::-1])
    old, new = old[start : len(old) - same_end], new[start : len(new) - same_end]
    patch: _Patch = []
    for first, end, new_first, new_end in reversed(_blocks(old, new)):  # from the end, so that indices stay true
        pairs = min(end - first, new_end - new_first)
        behind = f"{path}/{start + first + pairs}"
        patch += [{"op": "remove", "path": behind}] * (end - first - pairs)
        patch += [{"op": "add", "path": behind, "value": item} for item in reversed(new[new_first + pairs : new_end])]
        for n in range(pairs):
            patch += _patch(f"{path}/{start + first + n}", old[first + n], new[new_first + n])
    return patch


def _same_beginning(old: list[_Json], new: list[_Json]) -> int:
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _blocks(old: list[_Json], new: list[_Json]) -> list[tuple[int, int, int, int]]:
    """Return where two lists differ, in order: from and to in the old one, from and to in the new one."""
    if len(old) + len(new) > _MAX_ALIGNED:
        return [(0, len(old), 0, len(new))]
    matcher = SequenceMatcher(None, [bytes(item) for item in old], [bytes(item) for item in new], autojunk=False)
    return [opcode[1:] for opcode in matcher.get_opcodes() if opcode[0] != "equal"]


def _join(path: str, key: str) -> str:
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
