"""What a program that hosts an agent needs before the first turn: the agent, and who may come in, loaded from specs."""

from langwire.host.load import load_agent as load_agent
from langwire.host.load import load_function as load_function

__all__ = ["load_agent", "load_function"]
