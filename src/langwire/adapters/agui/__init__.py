"""AG-UI: what LangGraph agents do, told to any AG-UI frontend.

Three levels: `agui_app` and `agui_router` serve an agent over HTTP; an `AGUIBridge` takes requests and gives events,
without any transport; an `AGUIEncoder` tells the events of a turn, without sessions. Names are imported when they are
first used: an encoder needs no extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langwire.adapters.agui._refused import Refused as Refused
    from langwire.adapters.agui.bridge import AGUIBridge as AGUIBridge
    from langwire.adapters.agui.bridge import AGUIRun as AGUIRun
    from langwire.adapters.agui.encoder import AGUIEncoder as AGUIEncoder
    from langwire.adapters.agui.encoder import Run as Run
    from langwire.adapters.agui.endpoint import agui_app as agui_app
    from langwire.adapters.agui.endpoint import agui_router as agui_router
    from langwire.adapters.agui.frames import sse_frame as sse_frame
    from langwire.adapters.agui.frontend_tools import FrontendTools as FrontendTools
    from langwire.adapters.agui.state import Prediction as Prediction
    from langwire.adapters.agui.verify import Verifier as Verifier
    from langwire.adapters.agui.visibility import Visibility as Visibility

_HOMES = {
    "AGUIBridge": "bridge",
    "AGUIEncoder": "encoder",
    "AGUIRun": "bridge",
    "FrontendTools": "frontend_tools",
    "Prediction": "state",
    "Refused": "_refused",
    "Run": "encoder",
    "Verifier": "verify",
    "Visibility": "visibility",
    "agui_app": "endpoint",
    "agui_router": "endpoint",
    "sse_frame": "frames",
}

__all__ = [
    "AGUIBridge",
    "AGUIEncoder",
    "AGUIRun",
    "FrontendTools",
    "Prediction",
    "Refused",
    "Run",
    "Verifier",
    "Visibility",
    "agui_app",
    "agui_router",
    "sse_frame",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
