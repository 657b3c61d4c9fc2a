"""A server in a process of its own, on a SQLite file: `server_process.py FILE FOLDER`.

It prints its address. Its agent answers `re: <what was said>`, word by word. Asked to `wait`, it says three words and
waits until somebody opens the pipe `FOLDER/go`, unless there is a file `FOLDER/goes_on`. Asked to `pay` it asks first.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from agui.served import listening
from langwire.adapters.fastapi import langwire_router
from langwire.sessions.sqlite import sqlite_sessions
from langwire.testing import Fault, ScriptedModel

WORDS = 3
"""So many words are said before the agent waits."""


def agent(folder: Path) -> Any:
    """The agent, without a checkpointer."""

    async def say(state: MessagesState) -> Any:
        asked = state["messages"][-1].text
        waits = asked == "wait" and not (folder / "goes_on").exists()
        stop = Fault()
        words = [f"word{number} " for number in range(WORDS)]
        model = ScriptedModel(script=[[*words, *([stop] if waits else []), f"re: {asked}"]])
        opening = asyncio.create_task(_opened(folder / "go", stop)) if waits else None
        said = await model.ainvoke(state["messages"])
        if opening is not None:
            await opening
        return {"messages": [said]}

    async def pay(state: MessagesState) -> Any:
        if state["messages"][-2].text == "pay":
            interrupt("pay?")

    builder = StateGraph(MessagesState)
    builder.add_node("say", say)
    builder.add_node("pay", pay)
    builder.add_edge(START, "say")
    builder.add_edge("say", "pay")
    return builder.compile()


async def _opened(pipe: Path, stop: Fault) -> None:
    await asyncio.to_thread(pipe.read_bytes)
    stop.release()


async def main(file: str, folder: str) -> None:
    async with sqlite_sessions(agent(Path(folder)), file) as sessions:
        router = langwire_router(sessions, abandon_after=None)
        app = FastAPI()
        app.include_router(router, prefix="/chat")
        async with listening(app) as address:
            sys.stdout.write(f"{address}\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
