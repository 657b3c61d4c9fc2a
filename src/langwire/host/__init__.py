"""What a program that hosts an agent needs before the first turn: the agent itself, loaded from a spec."""

from langwire.host.load import load_agent as load_agent

__all__ = ["load_agent"]
