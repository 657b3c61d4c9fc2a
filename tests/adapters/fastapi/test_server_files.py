"""Files of threads: whose they are, how many there may be, and how a browser gets them."""

from __future__ import annotations

import pytest

from langwire.adapters.fastapi.files import OCTETS, Files, headers_of
from langwire.errors import InputTooLarge, UsageError


def test_a_file_is_what_was_put_there() -> None:
    files = Files()
    told = files.put("t", "image/png", b"data")
    assert (told.mime, told.bytes) == ("image/png", 4)
    assert files.get("t", told.file_id) == ("image/png", b"data")


def test_a_file_belongs_to_one_thread() -> None:
    """T-2: an id that is known from elsewhere opens nothing."""
    files = Files()
    told = files.put("a", "image/png", b"data")
    assert files.get("b", told.file_id) is None
    assert files.get("a", "other") is None


def test_the_same_file_twice_is_one() -> None:
    files = Files()
    first, size = files.put("t", "image/png", b"data"), files.bytes
    assert files.put("t", "IMAGE/PNG; charset=x", b"data") == first
    assert files.bytes == size
    assert files.put("t", "image/gif", b"data").file_id != first.file_id


@pytest.mark.parametrize("mime", ["", "x", "audio/a\r\nset-cookie: b", "audio/é", "a/" + 200 * "b", "/png", "\ud800/x"])
def test_what_is_no_type_is_octets(mime: str) -> None:
    """T-22: a type comes from a model or a client, and goes into a header."""
    assert Files().put("t", mime, b"data").mime == OCTETS


def test_a_file_that_is_too_large_is_refused() -> None:
    """T-4."""
    files = Files(max_file=10)
    files.put("t", "a/b", b"x" * 10)
    with pytest.raises(InputTooLarge, match="a file of 11 bytes came: expected 10 at most"):
        files.put("t", "a/b", b"x" * 11)
    assert Files(max_file=10, max_thread=5).max_file == 5


@pytest.mark.parametrize("limit", ["max_file", "max_thread", "max_bytes"])
def test_a_limit_that_lets_nothing_in_is_a_mistake(limit: str) -> None:
    with pytest.raises(UsageError, match="expected 1 or more"):
        Files(**{limit: 0})


def test_the_longest_unused_file_of_a_full_thread_goes_first() -> None:
    files = Files(max_thread=3 * 1024 + 300, max_file=100)
    one, two, three = (files.put("t", "a/b", bytes([n]) * 100).file_id for n in range(3))
    other = files.put("u", "a/b", b"x").file_id
    assert files.get("t", one) is not None
    four = files.put("t", "a/b", b"4" * 100).file_id
    assert [files.get("t", id) is not None for id in (one, two, three, four)] == [True, False, True, True]
    assert files.get("u", other) is not None


def test_the_longest_unused_file_of_all_goes_when_all_are_too_many() -> None:
    files = Files(max_bytes=2 * 1024 + 200, max_file=100)
    one = files.put("a", "a/b", b"1" * 100).file_id
    two = files.put("b", "a/b", b"2" * 100).file_id
    files.put("a", "a/b", b"1" * 100)
    three = files.put("c", "a/b", b"3" * 100).file_id
    assert [files.get(*key) is not None for key in (("a", one), ("b", two), ("c", three))] == [True, False, True]
    assert files.bytes == 2 * 1024 + 200


def test_a_thousand_empty_files_are_not_free() -> None:
    files = Files(max_bytes=100 * 1024)
    kept = [files.put("t", f"a/{number}", b"").file_id for number in range(1000)]
    assert sum(files.get("t", id) is not None for id in kept) == 100


def test_a_file_that_just_fits_is_kept_alone() -> None:
    files = Files(max_file=10, max_thread=10, max_bytes=10)
    files.put("a", "a/b", b"1" * 10)
    assert files.get("b", files.put("b", "a/b", b"2" * 10).file_id) is not None
    assert files.get("b", files.put("b", "a/b", b"3" * 10).file_id) is not None


def test_a_thread_that_is_forgotten_leaves_nothing() -> None:
    files = Files()
    kept = [files.put("t", f"a/{number}", b"x").file_id for number in range(3)]
    other = files.put("u", "a/b", b"x")
    files.forget("t")
    files.forget("t")
    assert [files.get("t", id) for id in kept] == [None, None, None]
    assert files.get("u", other.file_id) is not None
    files.forget("u")
    assert files.bytes == 0


@pytest.mark.parametrize(
    ("mime", "served", "how"),
    [
        ("image/png", "image/png", "inline"),
        ("audio/mpeg", "audio/mpeg", "inline"),
        ("video/mp4", "video/mp4", "inline"),
        ("application/pdf", "application/pdf", "inline"),
        ("text/plain", "text/plain; charset=utf-8", "inline"),
        ("image/svg+xml", OCTETS, "attachment"),
        ("text/html", OCTETS, "attachment"),
        ("application/xhtml+xml", OCTETS, "attachment"),
        ("text/javascript", OCTETS, "attachment"),
    ],
)
def test_a_browser_never_takes_a_file_for_a_page(mime: str, served: str, how: str) -> None:
    """T-14: an upload must not become a script of our own."""
    headers = headers_of(mime)
    assert (headers["content-type"], headers["content-disposition"]) == (served, how)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
