"""A graph that runs elsewhere."""

from langgraph.pregel.remote import RemoteGraph

graph = RemoteGraph("agent", url="http://127.0.0.1:1")
