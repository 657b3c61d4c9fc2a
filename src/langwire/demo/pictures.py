"""Knows how to draw what the demo agents show: a sunset and a bar chart, as PNG and SVG, without any library.

The bytes are the same wherever they are made: nothing is compressed.
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from struct import pack

_WIDTH, _HEIGHT = 96, 54
_SKY = [
    (round(52 + 200 * down), round(62 + 110 * down), round(110 - 30 * down)) for down in (at / 31 for at in range(32))
]
_PALETTE = [*_SKY, (255, 236, 179), (38, 50, 72), (47, 111, 171), (250, 250, 248)]
_SUN, _SEA, _BAR, _PAPER = range(32, 36)


def sunset() -> str:
    """Draw a sun over the sea, as a PNG in base64."""

    def colour(x: int, y: int) -> int:
        if y >= 38:
            return _SEA if (x + y * 7) % 11 or abs(x - 48) > 52 - y else _SUN
        return _SUN if (x - 48) ** 2 + (y - 36) ** 2 < 130 else y * 31 // 37

    return _png([[colour(x, y) for x in range(_WIDTH)] for y in range(_HEIGHT)])


def chart_png(bars: Mapping[str, int]) -> str:
    """Draw numbers from 0 to 40 as a chart of bars, as a PNG in base64."""
    room = _WIDTH // len(bars)
    heights = [number * (_HEIGHT - 4) // 40 for number in bars.values()]

    def colour(x: int, y: int) -> int:
        at = x // room
        inside = at < len(heights) and 2 <= x % room < room - 2
        return _BAR if inside and _HEIGHT - y <= heights[at] else _PAPER

    return _png([[colour(x, y) for x in range(_WIDTH)] for y in range(_HEIGHT)])


def chart_svg(bars: Mapping[str, int], unit: str) -> str:
    """Draw numbers from 0 to 40 as a chart of bars with their names, as an SVG document."""
    drawn = "".join(
        f'<rect x="{20 + 70 * at}" y="{190 - 4 * number}" width="46" height="{4 * number}" rx="4" fill="#2f6fab"/>'
        f'<text x="{43 + 70 * at}" y="{182 - 4 * number}">{number}{escape(unit)}</text>'
        f'<text x="{43 + 70 * at}" y="212">{escape(name)}</text>'
        for at, (name, number) in enumerate(bars.items())
    )
    width = 20 + 70 * len(bars)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 225" width="{width}" height="225">'
        f'<g font-family="system-ui, sans-serif" font-size="13" text-anchor="middle" fill="#7a8694">{drawn}</g></svg>'
    )


def _png(rows: Sequence[Sequence[int]]) -> str:
    """Write rows of colours of the palette as a PNG in base64."""
    head = pack(">IIBBBBB", len(rows[0]), len(rows), 8, 3, 0, 0, 0)
    palette = bytes(part for colour in _PALETTE for part in colour)
    body = _stored(b"".join(b"\0" + bytes(row) for row in rows))
    parts = ((b"IHDR", head), (b"PLTE", palette), (b"IDAT", body), (b"IEND", b""))
    chunks = (pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data)) for name, data in parts)
    return b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()


def _stored(data: bytes) -> bytes:
    """Wrap up to 64 kB as zlib does, in one block that is not compressed."""
    return b"\x78\x01\x01" + pack("<HH", len(data), len(data) ^ 0xFFFF) + data + pack(">I", zlib.adler32(data))
