"""Delegated work: tasks with a durable record, the runner that does them, the tools by which agents delegate.

Names load when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langwire.tasks.artifacts import Artifact as Artifact
    from langwire.tasks.artifacts import ArtifactStore as ArtifactStore
    from langwire.tasks.client import TaskClient as TaskClient
    from langwire.tasks.context import TaskContext as TaskContext
    from langwire.tasks.context import current_task as current_task
    from langwire.tasks.dispatcher import Dispatcher as Dispatcher
    from langwire.tasks.dispatcher import InProcessDispatcher as InProcessDispatcher
    from langwire.tasks.handlers import Handler as Handler
    from langwire.tasks.handlers import HandlerContext as HandlerContext
    from langwire.tasks.memory_store import MemoryTaskStore as MemoryTaskStore
    from langwire.tasks.plans import Plan as Plan
    from langwire.tasks.plans import PlanRun as PlanRun
    from langwire.tasks.policy import TaskPolicy as TaskPolicy
    from langwire.tasks.runner import TaskRunner as TaskRunner
    from langwire.tasks.sqlite_store import SQLiteTaskStore as SQLiteTaskStore
    from langwire.tasks.states import MOVES as MOVES
    from langwire.tasks.states import TERMINAL as TERMINAL
    from langwire.tasks.states import TaskState as TaskState
    from langwire.tasks.states import outcome_to_state as outcome_to_state
    from langwire.tasks.store import TaskStore as TaskStore
    from langwire.tasks.task import Limits as Limits
    from langwire.tasks.task import Retry as Retry
    from langwire.tasks.task import Task as Task
    from langwire.tasks.task import TaskPage as TaskPage
    from langwire.tasks.task import TaskQuery as TaskQuery
    from langwire.tasks.tools import ARTIFACT_TOOLS as ARTIFACT_TOOLS
    from langwire.tasks.tools import TASK_TOOLS as TASK_TOOLS

_HOME = {
    "ARTIFACT_TOOLS": "tools",
    "Artifact": "artifacts",
    "ArtifactStore": "artifacts",
    "Dispatcher": "dispatcher",
    "Handler": "handlers",
    "HandlerContext": "handlers",
    "InProcessDispatcher": "dispatcher",
    "Limits": "task",
    "MOVES": "states",
    "MemoryTaskStore": "memory_store",
    "Plan": "plans",
    "PlanRun": "plans",
    "Retry": "task",
    "SQLiteTaskStore": "sqlite_store",
    "TASK_TOOLS": "tools",
    "TERMINAL": "states",
    "Task": "task",
    "TaskClient": "client",
    "TaskContext": "context",
    "TaskPage": "task",
    "TaskPolicy": "policy",
    "TaskQuery": "task",
    "TaskRunner": "runner",
    "TaskState": "states",
    "TaskStore": "store",
    "current_task": "context",
    "outcome_to_state": "states",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
