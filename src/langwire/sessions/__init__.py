"""One turn of a graph and what is kept of it. The only room that calls LangGraph."""
