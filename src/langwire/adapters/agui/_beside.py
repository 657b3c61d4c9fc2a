"""Knows how things beside the conversation are told: activities, and events of the application's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from langwire import events as ours
from langwire.adapters.agui import events as agui
from langwire.adapters.agui._messages import media_content, media_id
from langwire.adapters.agui._work import Work
from langwire.adapters.agui.visibility import Place, Places
from langwire.core._guards import is_mapping
from langwire.core.codec import jsonable
from langwire.events import Lane


class Beside:
    """What one run tells beside its messages. `owners` has the places of the calls, by part id."""

    __slots__ = ("_owners", "_places", "_run_id", "_shown", "_work")

    def __init__(self, run_id: str, places: Places, work: Work, owners: Mapping[str, Place]) -> None:
        self._run_id, self._places, self._work, self._owners = run_id, places, work, owners
        self._shown: Counter[str] = Counter()

    def media(self, event: ours.Media) -> list[agui.Event]:
        """Tell a block that is not text."""
        return self._activity(media_id(event), "media", media_content(event), self._places.of_node(event.source))

    def display(self, event: ours.Display) -> list[agui.Event]:
        """Tell something to show: each has a place of its own."""
        about = event.id or self._run_id
        self._shown[about] += 1
        content = {"bundle": event.bundle, "title": event.title}
        return self._activity(
            f"{about}:display-{self._shown[about]}", "display", content, self._place_of(event.id, event.lane)
        )

    def extracted(self, event: ours.Extracted) -> list[agui.Event]:
        """Tell what was read out of a tool: of each kind the last takes the place of those before."""
        place = self._place_of(event.id, event.lane)
        content = {"name": event.name, "data": event.data, "error": event.error}
        return self._activity(f"{place.subagent or self._run_id}:{event.kind}", event.kind, content, place)

    def progress(self, event: ours.Progress) -> list[agui.Event]:
        """Tell how far some work has come."""
        place = self._places.of_lane(event.lane)
        content = {"text": event.text, "percent": event.percent}
        return self._activity(f"{place.subagent or self._run_id}:progress", "progress", content, place)

    def task(self, event: ours.TaskUpdate) -> list[agui.Event]:
        """Tell how a delegated task stands."""
        content = {"taskId": event.task_id, "state": event.state, "title": event.title, "parentId": event.parent_id}
        return self._activity(f"task:{event.task_id}", "task", content, self._places.of_lane(()))

    def written(self, event: ours.Custom) -> list[agui.Event]:
        """Tell what a node wrote; `{"name": …, "value": …}` names its event itself."""
        data, name = event.data, "langgraph.custom"
        if is_mapping(data) and set(data) == {"name", "value"} and isinstance(data["name"], str):
            name, data = data["name"], data["value"]
        return self.custom(name, data, self._places.of_lane(event.lane))

    def raw(self, event: ours.Raw) -> list[agui.Event]:
        """Tell a chunk that langwire does not model."""
        place = self._places.of_lane(event.lane)
        if place.hidden:
            return []
        raw = agui.Raw(event=jsonable(event.data), source=f"langgraph.{event.mode}", subagent_run_id=place.subagent)
        return [*self._work.enter(place), raw]

    def custom(self, name: str, value: Any, place: Place) -> list[agui.Event]:
        """Tell something that the protocol has no event for."""
        if place.hidden:
            return []
        return [*self._work.enter(place), agui.Custom(name=name, value=jsonable(value), subagent_run_id=place.subagent)]

    def _place_of(self, call: str | None, lane: Lane) -> Place:
        return self._owners.get(call or "") or self._places.of_lane(lane)

    def _activity(self, id: str, kind: str, content: Mapping[str, Any], place: Place) -> list[agui.Event]:
        if place.hidden:
            return []
        snapshot = agui.ActivitySnapshot(
            message_id=id,
            activity_type=kind,
            content=jsonable({name: value for name, value in content.items() if value is not None}),
            replace=True,
            subagent_run_id=place.subagent,
        )
        return [*self._work.enter(place), snapshot]
