"""Prints what it costs to parse recorded streams, and to parse and encode them: microseconds a chunk, ratio to a floor.

The floor takes the text out of each chunk and does nothing else; the floor of the wire also makes JSON of it.
Rounds of all contenders are interleaved, and ratios are medians over the rounds: the machine's drift falls out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from statistics import median
from time import process_time
from typing import Any

from benchmarks.streams import STREAMS
from langwire import StreamParser
from langwire.core.codec import encode

ROUNDS = 9

Contender = Callable[[Sequence[Any]], int]


def floor(chunks: Sequence[Any]) -> int:
    told = 0
    for _, mode, data in chunks:
        if mode == "messages" and data[0].content:
            told += 1
    return told


def floor_wire(chunks: Sequence[Any]) -> int:
    told = 0
    for _, mode, data in chunks:
        if mode == "messages" and (content := data[0].content):
            told += len(json.dumps({"text": content}).encode())
    return told


def parse(chunks: Sequence[Any]) -> int:
    parser = StreamParser(modes=["messages", "updates"], subgraphs=True)
    return sum(len(parser.feed(chunk)) for chunk in chunks) + len(parser.close())


def parse_wire(chunks: Sequence[Any]) -> int:
    parser = StreamParser(modes=["messages", "updates"], subgraphs=True)
    told = 0
    for chunk in chunks:
        for event in parser.feed(chunk):
            told += len(encode(event))
    return told + len(parser.close())


def timed(contender: Contender, chunks: Sequence[Any]) -> float:
    started = process_time()
    contender(chunks)
    return (process_time() - started) / len(chunks) * 1e6


def main() -> None:
    contenders: dict[str, tuple[Contender, Contender]] = {
        "parse": (parse, floor),
        "parse + wire": (parse_wire, floor_wire),
    }
    print(f"{'stream':<12}{'what':<16}{'us a chunk':>12}{'floor':>10}{'ratio':>9}")
    for name, make in STREAMS.items():
        chunks = make()
        for what, (contender, base) in contenders.items():
            rounds = [(timed(contender, chunks), timed(base, chunks)) for _ in range(ROUNDS)]
            ours, floors = median(ours for ours, _ in rounds), median(floor for _, floor in rounds)
            ratio = median(ours / floor for ours, floor in rounds)
            print(f"{name:<12}{what:<16}{ours:>12.2f}{floors:>10.2f}{ratio:>8.1f}x")


if __name__ == "__main__":
    main()
