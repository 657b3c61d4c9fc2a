"""The scripted model says what its script says, however it is asked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage

import langwire.testing
from langwire.errors import UsageError
from langwire.testing import Fault, ScriptedModel, reasoning, text, tool_call, tool_calls, usage


def whole(pieces: list[Any]) -> AIMessage:
    return ScriptedModel(script=[pieces]).invoke("hi")


# ------------------------------------------------------------------ the model


def test_the_step_is_the_number_of_answers_in_the_prompt() -> None:
    model = ScriptedModel(script=["one", "two"])
    turn = [HumanMessage("hi"), AIMessage("one")]
    assert model.invoke("hi").text == "one"
    assert model.invoke("hi").text == "one"
    assert model.invoke(turn).text == "two"
    assert model.invoke([*turn, AIMessage("two")]).text == "two"


def test_a_step_can_be_made_from_the_prompt() -> None:
    model = ScriptedModel(script=[lambda prompt: text("you said ", prompt[-1].text)])
    assert model.invoke("hi").text == "you said hi"


@pytest.mark.parametrize(
    ("step", "pieces"),
    [
        (text("Hel", "lo"), ["Hel", "lo"]),
        (["Hel", AIMessageChunk(content="lo")], ["Hel", "lo"]),
        ("Hello", ["Hello"]),
        (AIMessage("Hello"), ["Hello"]),
    ],
)
async def test_streaming_gives_the_pieces_and_asking_their_whole(step: Any, pieces: list[str]) -> None:
    model = ScriptedModel(script=[step])
    assert [chunk.text for chunk in model.stream("hi") if chunk.text] == pieces
    assert [chunk.text async for chunk in model.astream("hi") if chunk.text] == pieces
    for answer in (model.invoke("hi"), await model.ainvoke("hi")):
        assert type(answer) is AIMessage
        assert answer.text == "Hello"


def test_a_model_that_cannot_stream_gives_one_piece() -> None:
    model = ScriptedModel(script=[text("Hel", "lo", id="m-1", usage=usage(1, 2))], streaming=False)
    assert [(chunk.text, chunk.id) for chunk in model.stream("hi") if chunk.text] == [("Hello", "m-1")]


def test_a_finished_message_keeps_its_calls_when_it_is_streamed() -> None:
    call = {"name": "add", "args": {"a": 1}, "id": "call_1", "type": "tool_call"}
    model = ScriptedModel(script=[AIMessage("", id="m-1", tool_calls=[call])])
    first, *_ = model.stream("hi")
    assert first.id == "m-1"
    assert first.tool_calls == [call]
    assert model.invoke("hi").tool_calls == [call]


def test_an_error_comes_where_it_stands() -> None:
    model = ScriptedModel(script=[["half ", RuntimeError("gone")]])
    said: list[str] = []
    with pytest.raises(RuntimeError, match="gone"):
        said.extend(chunk.text for chunk in model.stream("hi"))
    assert said == ["half "]
    with pytest.raises(RuntimeError, match="gone"):
        model.invoke("hi")


@pytest.mark.parametrize("step", [ValueError("no"), lambda _prompt: ValueError("no"), [ValueError("no")]])
@pytest.mark.parametrize("streaming", [True, False])
def test_a_step_can_be_an_error(step: Any, streaming: bool) -> None:
    with pytest.raises(ValueError, match="no"):
        list(ScriptedModel(script=[step], streaming=streaming).stream("hi"))


def test_an_error_raised_many_times_does_not_gather_tracebacks() -> None:
    model = ScriptedModel(script=[ValueError("no")])

    def depth() -> int:
        with pytest.raises(ValueError, match="no") as caught:
            model.invoke("hi")
        return len(caught.traceback)

    assert depth() == depth()


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_fault_among_the_pieces_is_met_at_its_nth_use(streaming: bool) -> None:
    fault = Fault(at=2, error=ConnectionError("gone"))
    model = ScriptedModel(script=[["Hel", fault, "lo"]], streaming=streaming)
    assert model.invoke("hi").text == "Hello"
    with pytest.raises(ConnectionError, match="gone"):
        await model.ainvoke("hi")
    assert "".join([chunk.text async for chunk in model.astream("hi")]) == "Hello"
    assert (await model.ainvoke("hi")).text == "Hello"
    assert fault.calls == 4


@pytest.mark.parametrize("ask", ["ainvoke", "astream"])
async def test_a_model_that_hangs_says_what_it_has_and_can_be_cancelled(ask: str) -> None:
    hangs, said = Fault(), list[str]()
    model = ScriptedModel(script=[["Hel", hangs, "lo"]])

    async def read() -> None:
        if ask == "ainvoke":
            await model.ainvoke("hi")
        async for chunk in model.astream("hi"):
            said.append(chunk.text)

    reading = asyncio.create_task(read())
    await hangs.reached
    assert said == (["Hel"] if ask == "astream" else [])
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_model_that_hangs_goes_on_when_it_is_released() -> None:
    hangs = Fault()
    answer = asyncio.create_task(ScriptedModel(script=[["Hel", hangs, "lo"]]).ainvoke("hi"))
    await hangs.reached
    assert not answer.done()
    hangs.release()
    assert (await answer).text == "Hello"


def test_the_script_stays_as_it_was() -> None:
    """LangChain writes ids and metadata into the chunks that it is given."""
    chunks, message = text("hi"), AIMessage("hi")
    list(ScriptedModel(script=[chunks]).stream("hi"))
    ScriptedModel(script=[message]).invoke("hi")
    assert [chunk.id for chunk in (*chunks, message)] == [None, None, None]


async def test_the_delay_is_waited_before_every_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("langwire.testing.model.asyncio.sleep", wait)
    monkeypatch.setattr("langwire.testing.model.time.sleep", waited.append)
    model = ScriptedModel(script=[["a", "b"]], delay=0.5)
    list(model.stream("hi"))
    assert waited == [0.5, 0.5]
    assert [chunk.text async for chunk in model.astream("hi") if chunk.text] == ["a", "b"]
    assert waited == [0.5] * 4


def test_bound_tools_leave_their_names() -> None:
    def add(a: int) -> int:
        return a

    class Named:
        name = "search"

    described = {"type": "function", "function": {"name": "mul", "parameters": {}}}
    model = ScriptedModel(script=["hi"])
    bound = model.bind_tools([add, Named(), described, {"name": "div"}], tool_choice="any")
    assert bound.tool_names == ("add", "search", "mul", "div")
    assert bound.invoke("hi").text == "hi"
    assert model.tool_names == ()


def test_an_empty_script_is_refused_and_an_empty_answer_is_not() -> None:
    with pytest.raises(UsageError, match="got an empty script, expected at least one step"):
        ScriptedModel(script=[])
    assert whole([]).content == ""


PIECE = "which is a piece of an answer: expected a list of pieces for each step"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"script": "hello"}, "script came as a str: expected a list of steps"),
        ({}, "script came as a NoneType: expected a list of steps"),
        ({"script": text("Hel", "lo")}, f"step 1 came as a AIMessageChunk, {PIECE}"),
        ({"script": ["hi", Fault()]}, f"step 2 came as a Fault, {PIECE}"),
        ({"script": ["hi", None]}, "step 2 came as a NoneType: expected a str, an AIMessage, an exception or a list"),
        ({"script": [ValueError]}, "step 1 came as a type: expected"),
        ({"script": [HumanMessage("hi")]}, "step 1 came as a HumanMessage: expected"),
        ({"script": [["hi", text("you")]]}, "piece 2 of step 1 came as a list: expected a str, an AIMessageChunk"),
        ({"script": [["hi", AIMessage("you")]]}, "piece 2 of step 1 came as a AIMessage: expected"),
        ({"script": ["hi"], "dealy": 1}, "unknown keyword dealy: expected script, delay, streaming"),
    ],
)
def test_what_is_no_script_is_refused(given: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as refused:
        ScriptedModel(**given)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        (None, "what step 2 returned came as a NoneType: expected a str, an AIMessage, an exception or a list"),
        (Fault(), f"what step 2 returned came as a Fault, {PIECE}"),
        ([None], "piece 1 of what step 2 returned came as a NoneType"),
    ],
)
def test_what_a_step_returns_is_checked_when_its_turn_comes(returned: Any, complaint: str) -> None:
    model = ScriptedModel(script=["hi", lambda _prompt: returned])
    assert model.invoke("hi").text == "hi"
    with pytest.raises(UsageError, match=complaint):
        model.invoke([AIMessage("hi")])


def test_a_model_keeps_the_keywords_that_every_model_has_and_may_be_a_field() -> None:
    model = ScriptedModel(script=["hi"], tags=["mine"], name="tester", disable_streaming=True)
    assert model.tags == ["mine"]
    assert ScriptedModel.model_validate(model) is model


def test_the_model_says_what_it_is() -> None:
    assert ScriptedModel(script=["hi"])._llm_type == "scripted"


# ------------------------------------------------------------------ the builders


def test_text_ends_with_a_reason_and_its_usage() -> None:
    *parts, reason, counted = text("a", "b", id="m-1", usage=usage(1, 2), finish="length")
    assert [part.content for part in parts] == ["a", "b"]
    assert reason.response_metadata["finish_reason"] == "length"
    assert counted.usage_metadata == {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    assert {chunk.id for chunk in (*parts, reason, counted)} == {"m-1"}


@pytest.mark.parametrize("args", [{"a": 1, "b": 2}, ['{"a": 1', ', "b": 2}']])
def test_a_call_comes_together_from_its_fragments(args: Any) -> None:
    answer = whole(tool_call("add", args, id="call_7", text="Let me add.", usage=usage(1, 1)))
    assert answer.text == "Let me add."
    assert answer.tool_calls == [{"name": "add", "args": {"a": 1, "b": 2}, "id": "call_7", "type": "tool_call"}]
    assert answer.usage_metadata is not None


def test_a_call_head_carries_name_id_and_index() -> None:
    head, body, _ = tool_call("add", {}, id=None, index=3)
    assert head.tool_call_chunks[0] == {"name": "add", "args": "", "id": None, "index": 3, "type": "tool_call_chunk"}
    assert body.tool_call_chunks[0] == {"name": None, "args": "{}", "id": None, "index": 3, "type": "tool_call_chunk"}


@pytest.mark.parametrize(("interleaved", "fragments"), [(False, [1, 1, 1, 1, 1, 0, 0]), (True, [2, 2, 1, 0, 0])])
def test_several_calls_follow_each_other_or_share_chunks(interleaved: bool, fragments: list[int]) -> None:
    pieces = tool_calls(
        tool_call("one", {"x": 1}, id="a", text="first "),
        tool_call("two", ['{"x"', ": 2}"], id="b", text="second"),
        interleaved=interleaved,
        usage=usage(1, 1),
    )
    assert [len(piece.tool_call_chunks) for piece in pieces] == fragments
    answer = whole(pieces)
    assert answer.text == "first second"
    assert [(call["name"], call["args"], call["id"]) for call in answer.tool_calls] == [
        ("one", {"x": 1}, "a"),
        ("two", {"x": 2}, "b"),
    ]


def test_thinking_stands_apart_from_the_text() -> None:
    answer = whole([*reasoning("Let me ", "see.", signature="c2ln"), *text("Yes.")])
    assert answer.text == "Yes."
    assert answer.content[0] == {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln", "index": 0}
    assert len(reasoning("a", "b")) == 2


def test_usage_holds_details_only_where_there_are_any() -> None:
    assert usage(3, 4) == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    full = usage(3, 4, cache_read=1, cache_creation=2, reasoning=3)
    assert full.get("input_token_details") == {"cache_read": 1, "cache_creation": 2}
    assert full.get("output_token_details") == {"reasoning": 3}


# ------------------------------------------------------------------ the package


def test_importing_the_package_loads_no_langchain() -> None:
    code = "import sys, langwire.testing; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "langwire.testing" in loaded.split()
    assert not [name for name in loaded.split() if name.startswith(("langchain", "langgraph"))]


def test_every_public_name_loads() -> None:
    assert dir(langwire.testing) == langwire.testing.__all__
    assert all(getattr(langwire.testing, name) is not None for name in langwire.testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = langwire.testing.nothing  # type: ignore[attr-defined]
