"""What a folder of artifacts takes, and that no name, link or race leads out of it.

Each test runs twice: opening each part from the folder above it, and by paths, as where a platform cannot do that.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langwire.errors import ArtifactRefused, StoreError, UsageError
from langwire.tasks import artifacts
from langwire.tasks.artifacts import EXTENSIONS, Artifact, ArtifactStore

TASK = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32
SECRET = "kept elsewhere"

BAD_NAMES = [
    "",
    "/",
    "/etc/passwd.txt",
    "//host/share.txt",
    "..",
    "../secret.txt",
    f"../{OTHER}/a.md",
    "a/../../secret.txt",
    "a/..",
    "./a.md",
    "a/./b.md",
    "a//b.md",
    "a/",
    "C:/a.md",
    "C:a.md",
    "a.md:stream.txt",
    "..\\secret.txt",
    "a\\b.md",
    "\\\\host\\a.md",
    "a\x00.md",
    "a.md\x00",
    "a\n.md",
    "a\x1b[31m.md",
    "a\x7f.md",
    "a\u202egpj.md",
    "a\u2028.md",
    "half \ud83d.md",
    "CON.md",
    "con.md",
    "nul .txt",
    "NUL.tar.md",
    "com1.txt",
    "LPT9.txt",
    "COM¹.txt",
    "aux/a.md",
    "conin$.md",
    "a.md.",
    "a.md ",
    "a /b.md",
    "a./b.md",
    ".hidden.md",
    ".git/a.md",
    "a/.b.md",
    ".md",
    "a?.md",
    "a*.md",
    'a".md',
    "a|b.md",
    "a<b>.md",
    "ü" * 99 + ".md",
    "x" * 198 + ".md",
    "a/b/c/d/e/f/g/h/i.md",
    "noending",
    "a.exe",
    "a.md.exe",
    "a.md/run",
]

GOOD_NAMES = [
    "a.md",
    "A.MD",
    "notes/report.md",
    "a/b/c/d/e/f/g/h.md",
    "x" * 197 + ".md",
    "übersicht 🎈.txt",
    "console.md",
    "com10.txt",
    "a..b.md",
    "-rf.md",
    " a.md",
    "{{ tasks.a }}.md",
    "a.tar.json",
]


@pytest.fixture(autouse=True, params=[True, False], ids=["from folders", "by paths"])
def from_folders(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Where the platform cannot open from folders, there is one way to test."""
    if request.param and not artifacts._FROM_FOLDERS:
        pytest.skip("this platform cannot open from folders")
    monkeypatch.setattr(artifacts, "_FROM_FOLDERS", request.param)
    if not request.param:
        for flags in ("_FOLDER", "_READ", "_NEW"):
            monkeypatch.setattr(artifacts, flags, getattr(artifacts, flags) & ~artifacts._NO_LINK)
    return request.param


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text(SECRET)
    return tmp_path / "artifacts"


@pytest.fixture
def store(root: Path) -> ArtifactStore:
    return ArtifactStore(root)


def names(store: ArtifactStore, task_id: str = TASK) -> list[str]:
    return [artifact.name for artifact in store.list(task_id)]


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ------------------------------------------------------------------ files


def test_nothing_is_there_before_the_first_file_and_nothing_is_made_by_looking(
    store: ArtifactStore, root: Path
) -> None:
    assert store.list(TASK) == ()
    assert store.delete(TASK) is False
    with pytest.raises(ArtifactRefused, match=r"'a\.md' is no file of the task"):
        store.read(TASK, "a.md")
    assert not root.exists()


def test_what_is_written_is_read_and_listed(store: ArtifactStore, root: Path) -> None:
    assert store.write(TASK, "notes/report.md", "Füchse\n") == Artifact(name="notes/report.md", bytes=8)
    assert store.write(TASK, "a.png", b"\x89PNG\x00") == Artifact(name="a.png", bytes=5)
    assert store.write(OTHER, "a.md", "") == Artifact(name="a.md", bytes=0)
    assert store.read(TASK, "notes/report.md") == "Füchse\n".encode()
    assert store.read(TASK, "a.png") == b"\x89PNG\x00"
    assert store.read(OTHER, "a.md") == b""
    assert store.list(TASK) == (Artifact(name="a.png", bytes=5), Artifact(name="notes/report.md", bytes=8))
    assert (root / TASK / "notes" / "report.md").is_file()
    with pytest.raises(ArtifactRefused, match="is no file of the task"):
        store.read(OTHER, "notes/report.md")


def test_a_second_write_replaces_the_whole_file(store: ArtifactStore, root: Path) -> None:
    store.write(TASK, "a.md", "a long first text")
    store.write(TASK, "a.md", "short")
    assert store.read(TASK, "a.md") == b"short"
    assert files_below(root) == {f"{TASK}/a.md": b"short"}


def test_a_reader_keeps_the_file_that_it_opened(store: ArtifactStore, root: Path) -> None:
    """A write makes a new file beside the old one: who reads meanwhile sees one of them, never a part."""
    store.write(TASK, "a.md", "first")
    with open(root / TASK / "a.md", "rb") as reader:
        store.write(TASK, "a.md", "second")
        assert reader.read() == b"first"


def test_deleting_removes_one_task_with_all_that_is_in_it(store: ArtifactStore, root: Path) -> None:
    store.write(TASK, "a/b/c.md", "x")
    (root / TASK / ".left-over.part").write_bytes(b"x")
    store.write(OTHER, "a.md", "x")
    assert store.delete(TASK) is True
    assert store.delete(TASK) is False
    assert names(store) == []
    assert files_below(root) == {f"{OTHER}/a.md": b"x"}


def test_a_relative_root_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = ArtifactStore("below")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    store.write(TASK, "a.md", "x")
    assert (tmp_path / "below" / TASK / "a.md").is_file()


def test_no_file_handle_stays_open(store: ArtifactStore, root: Path) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("this platform does not list open files")
    before = len(os.listdir("/proc/self/fd"))
    store.write(TASK, "a/b/c.md", "x")
    os.symlink(root, root / TASK / "link")
    for work in (
        lambda: store.write(TASK, "link/c.md", "x"),
        lambda: store.write(TASK, "A/c.md", "x"),
        lambda: store.read(TASK, "a/b/none.md"),
        lambda: store.read(TASK, "link/c.md"),
    ):
        with pytest.raises(ArtifactRefused):
            work()
    store.read(TASK, "a/b/c.md")
    store.list(TASK)
    store.delete(TASK)
    assert len(os.listdir("/proc/self/fd")) == before


# ------------------------------------------------------------------ names


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused_on_read_and_write_and_makes_nothing(store: ArtifactStore, root: Path, name: str) -> None:
    """T-20, A13"""
    for work in (lambda: store.read(TASK, name), lambda: store.write(TASK, name, "x")):
        with pytest.raises(ArtifactRefused, match=r"^[^\n]* came as a file name: expected [^\n]*$"):
            work()
    assert not root.exists()


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_good_name_is_taken(store: ArtifactStore, name: str) -> None:
    assert store.write(TASK, name, "x").name == name
    assert store.read(TASK, name) == b"x"
    assert names(store) == [name]


@given(st.text() | st.text("./\\ :aC\x00~").map("{}.md".format))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    """T-20: whatever is taken as a name stays below the task's folder when the platform joins it to that."""
    store = ArtifactStore("root")
    try:
        parts = store._parts(name)
    except ArtifactRefused:
        return
    folder = os.path.join(os.sep, "root", TASK)
    inside = os.path.normpath(os.path.join(folder, *parts))
    assert inside == os.path.join(folder, *parts)
    assert inside.startswith(folder + os.sep)


@pytest.mark.parametrize(
    "task_id", ["", ".", "..", "../x", "a/b", "/a", "A" * 32, "a.b", "con", "-a", "a\n", "ü", "a" * 129]
)
def test_a_bad_task_id_is_refused_everywhere(store: ArtifactStore, root: Path, task_id: str) -> None:
    root.mkdir()
    for work in (
        lambda: store.write(task_id, "a.md", "x"),
        lambda: store.read(task_id, "a.md"),
        lambda: store.list(task_id),
        lambda: store.delete(task_id),
    ):
        with pytest.raises(ArtifactRefused, match="came as a task id: expected small letters"):
            work()
    assert list(root.iterdir()) == []


def test_two_forms_of_one_letter_are_one_name(store: ArtifactStore) -> None:
    assert store.write(TASK, "u\u0308.md", "x").name == "\u00fc.md"
    assert store.read(TASK, "\u00fc.md") == store.read(TASK, "u\u0308.md") == b"x"


def test_a_name_in_another_case_is_refused(store: ArtifactStore) -> None:
    """On platforms that take no notice of case the second would be written over the first."""
    store.write(TASK, "Notes/Report.md", "first")
    with pytest.raises(
        ArtifactRefused, match=r"'report\.md' came where the task has 'Notes/Report\.md': expected the same"
    ):
        store.write(TASK, "Notes/report.md", "second")
    with pytest.raises(ArtifactRefused, match="'notes' came where the task has 'Notes'"):
        store.write(TASK, "notes/other.md", "second")
    assert names(store) == ["Notes/Report.md"]
    assert store.read(TASK, "Notes/Report.md") == b"first"


def test_only_allowed_kinds_are_taken_read_and_listed(root: Path) -> None:
    store = ArtifactStore(root, allowed_extensions=[".TXT", ".tar.gz"])
    store.write(TASK, "a.txt", "x")
    store.write(TASK, "b.tar.gz", b"x")
    (root / TASK / "c.md").write_text("x")
    assert names(store) == ["a.txt", "b.tar.gz"]
    for work in (lambda: store.read(TASK, "c.md"), lambda: store.write(TASK, "c.gz", "x")):
        with pytest.raises(ArtifactRefused, match=r"expected an ending among \.tar\.gz, \.txt"):
            work()


@pytest.mark.parametrize("extensions", [["md"], [""], ".md"])
def test_an_extension_without_its_dot_is_a_mistake(root: Path, extensions: Any) -> None:
    with pytest.raises(UsageError, match="came as an allowed extension: expected a dot in front"):
        ArtifactStore(root, allowed_extensions=extensions)


def test_programs_are_not_among_the_usual_kinds() -> None:
    assert not {".exe", ".sh", ".bat", ".so", ".dll", ".com", ".cmd", ".ps1", ".pth"} & set(EXTENSIONS)


# ------------------------------------------------------------------ sizes


def test_a_file_that_is_too_large_is_refused(root: Path) -> None:
    store = ArtifactStore(root, max_bytes=10)
    store.write(TASK, "a.md", "x" * 10)
    for data, size in (("x" * 11, 11), ("ü" * 6, 12), (b"x" * 100, 100)):
        with pytest.raises(ArtifactRefused, match=f"{size} bytes came for 'b.md': expected at most 10"):
            store.write(TASK, "b.md", data)
    assert names(store) == ["a.md"]


def test_text_with_half_a_character_is_refused(store: ArtifactStore, root: Path) -> None:
    with pytest.raises(ArtifactRefused, match=r"the text for 'a\.md' holds half a character"):
        store.write(TASK, "a.md", "half \ud83d")
    assert not root.exists()


def test_a_file_that_grew_to_10_gb_is_refused_without_reading_it(store: ArtifactStore, root: Path) -> None:
    """T-20"""
    store.write(TASK, "a.md", "x")
    with open(root / TASK / "a.md", "r+b") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(ArtifactRefused, match=r"'a\.md' has more than 10485760 bytes by now"):
        store.read(TASK, "a.md")
    assert store.list(TASK) == (Artifact(name="a.md", bytes=10 * 2**30),)


def test_a_task_has_no_more_files_than_allowed_and_refusals_leave_no_folders(root: Path) -> None:
    store = ArtifactStore(root, max_files=2)
    store.write(TASK, "a.md", "x")
    store.write(TASK, "b/c.md", "x")
    for name in ("d.md", "b/d.md", "e/f/g.md"):
        with pytest.raises(ArtifactRefused, match="is one too many: expected the name of one of 2 files"):
            store.write(TASK, name, "x")
    assert sorted(os.listdir(root / TASK)) == ["a.md", "b"]
    store.write(TASK, "b/c.md", "again")
    store.write(OTHER, "d.md", "x")
    assert store.read(TASK, "b/c.md") == b"again"


# ------------------------------------------------------------------ what is in the way


def link_file(folder: Path) -> None:
    os.symlink(folder.parent.parent / "secret.txt", folder / "secret.txt")


def link_folder(folder: Path) -> None:
    os.symlink(folder.parent.parent / "outside", folder / "in")


def link_nowhere(folder: Path) -> None:
    os.symlink(folder.parent.parent / "new.txt", folder / "secret.txt")


def link_inside(folder: Path) -> None:
    (folder / "real.txt").write_text("real")
    os.symlink("real.txt", folder / "secret.txt")


def link_loop(folder: Path) -> None:
    os.symlink("secret.txt", folder / "secret.txt")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "secret.txt")


def listening(folder: Path) -> None:
    # A path to a socket may have about 100 characters.
    here = os.open(".", os.O_RDONLY)
    os.chdir(folder)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("secret.txt")
    os.fchdir(here)
    os.close(here)


def folder_in_its_place(folder: Path) -> None:
    (folder / "secret.txt").mkdir()


def file_in_a_folders_place(folder: Path) -> None:
    (folder / "in").write_text("x")


IN_THE_WAY = [
    (link_file, "secret.txt"),
    (link_folder, "in/secret.txt"),
    (link_folder, "in/new.txt"),
    (link_nowhere, "secret.txt"),
    (link_inside, "secret.txt"),
    (link_loop, "secret.txt"),
    (pipe, "secret.txt"),
    (listening, "secret.txt"),
    (folder_in_its_place, "secret.txt"),
    (file_in_a_folders_place, "in/secret.txt"),
]


@pytest.mark.parametrize(("put", "name"), IN_THE_WAY)
def test_what_is_no_plain_file_is_not_read_written_or_listed(
    store: ArtifactStore, root: Path, put: Callable[[Path], None], name: str
) -> None:
    """T-20, A13: neither is it opened, which would wait for ever at a pipe."""
    store.write(TASK, "a.md", "x")
    put(root / TASK)
    before = files_below(root.parent)
    for work in (lambda: store.read(TASK, name), lambda: store.write(TASK, name, "x")):
        with pytest.raises(
            ArtifactRefused, match=r"is no plain file in plain folders|is no file of the task"
        ) as refusal:
            work()
        assert str(root) not in str(refusal.value)
    assert files_below(root.parent) == before
    assert name not in names(store)


@pytest.mark.parametrize("put", [pipe, listening])
def test_what_is_no_plain_file_is_not_even_opened(
    store: ArtifactStore, root: Path, put: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-20: opening some devices does something by itself."""
    store.write(TASK, "a.md", "x")
    put(root / TASK)
    real, opened = os.open, list[str]()
    monkeypatch.setattr(os, "open", lambda path, *args, **kwargs: (opened.append(path), real(path, *args, **kwargs))[1])
    assert store.read(TASK, "a.md") == b"x"
    assert opened[-1].endswith("a.md")
    for work in (lambda: store.read(TASK, "secret.txt"), lambda: store.write(TASK, "secret.txt", "x")):
        with pytest.raises(ArtifactRefused):
            work()
    assert not [path for path in opened if path.endswith("secret.txt")]


@pytest.mark.parametrize("put", [put for put, _ in IN_THE_WAY])
def test_deleting_removes_links_and_never_what_they_lead_to(
    store: ArtifactStore, root: Path, put: Callable[[Path], None]
) -> None:
    store.write(TASK, "a.md", "x")
    put(root / TASK)
    assert store.delete(TASK) is True
    assert os.listdir(root) == []
    assert files_below(root.parent) == {"secret.txt": SECRET.encode(), "outside/secret.txt": SECRET.encode()}


def test_a_task_folder_that_is_a_link_is_refused_everywhere(store: ArtifactStore, root: Path) -> None:
    store.write(OTHER, "a.md", "x")
    os.symlink(root.parent / "outside", root / TASK)
    for work in (
        lambda: store.write(TASK, "secret.txt", "x"),
        lambda: store.read(TASK, "secret.txt"),
        lambda: store.list(TASK),
        lambda: store.delete(TASK),
    ):
        with pytest.raises(ArtifactRefused, match="is no plain file in plain folders"):
            work()
    assert files_below(root.parent / "outside") == {"secret.txt": SECRET.encode()}


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    os.symlink(tmp_path / "outside", root)
    store = ArtifactStore(root)
    store.write(TASK, "a.md", "x")
    assert (tmp_path / "outside" / TASK / "a.md").read_text() == "x"
    assert names(store) == ["a.md"]


def test_what_others_put_in_is_listed_only_if_it_can_be_read_by_its_name(store: ArtifactStore, root: Path) -> None:
    store.write(TASK, "a.md", "x")
    folder = root / TASK
    deep = folder.joinpath(*"bcdefghi")
    deep.mkdir(parents=True)
    (deep / "too-deep.md").write_text("x")
    (deep.parent / "deep.md").write_text("x")
    for name in (".hidden.md", "run.exe", "two\nlines.md", "a:b.md", "u\u0308.md", "con.md"):
        (folder / name).write_text("x")
    (folder / ".git").mkdir()
    (folder / ".git" / "a.md").write_text("x")
    with open(os.fsencode(folder) + b"/\xff.md", "wb"):
        pass
    assert names(store) == ["a.md", "b/c/d/e/f/g/h/deep.md"]
    assert [store.read(TASK, name) for name in names(store)] == [b"x", b"x"]


def test_a_folder_that_leads_elsewhere_on_windows_counts_as_a_link() -> None:
    plain = SimpleNamespace(st_mode=stat.S_IFDIR, st_file_attributes=stat.FILE_ATTRIBUTE_DIRECTORY)
    junction = SimpleNamespace(st_mode=stat.S_IFDIR, st_file_attributes=stat.FILE_ATTRIBUTE_REPARSE_POINT | 16)
    assert [artifacts._is_folder(found) for found in (plain, junction)] == [True, False]  # type: ignore[arg-type]
    linked = SimpleNamespace(st_mode=stat.S_IFREG, st_file_attributes=stat.FILE_ATTRIBUTE_REPARSE_POINT)
    assert not artifacts._is_file(linked)  # type: ignore[arg-type]


def test_a_list_goes_no_deeper_than_names_do(store: ArtifactStore, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(TASK, "a.md", "x")
    root.joinpath(TASK, *"d" * 50).mkdir(parents=True)
    real, looked = os.listdir, list[object]()
    monkeypatch.setattr(os, "listdir", lambda path: (looked.append(path), real(path))[1])
    assert names(store) == ["a.md"]
    assert len(looked) == artifacts.MAX_DEPTH


def test_a_file_that_is_just_being_written_may_be_gone_when_it_is_looked_at(
    store: ArtifactStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(TASK, "a.md", "x")
    new = root / TASK / ".0123456789abcdef.part"
    new.write_text("x")
    race = After(monkeypatch, "listdir", new.unlink, of="")
    assert names(store) == ["a.md"]
    assert race.swapped


# ------------------------------------------------------------------ races


by_held_folders = pytest.mark.parametrize("from_folders", [True], indirect=True)
"""By paths, a folder cannot be held on to."""


class After:
    """Does something once, right after the n-th call of a function of `os` (the call itself is made as ever)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, function: str, swap: Callable[[], None], *, of: str) -> None:
        real = getattr(os, function)
        self.swapped = False

        def call(path: Any, *args: Any, **kwargs: Any) -> Any:
            answer = real(path, *args, **kwargs)
            if not self.swapped and str(path).endswith(of):
                self.swapped = True
                swap()
            return answer

        monkeypatch.setattr(os, function, call)


def swap_for_link(path: Path, target: Path) -> None:
    path.rename(path.with_name("moved"))
    os.symlink(target, path)


def test_a_file_that_becomes_a_link_after_it_was_looked_at_is_not_read(
    store: ArtifactStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-20"""
    store.write(TASK, "secret.txt", "mine")
    file = root / TASK / "secret.txt"
    race = After(monkeypatch, "stat", lambda: swap_for_link(file, root.parent / "secret.txt"), of="secret.txt")
    with pytest.raises(ArtifactRefused, match="is no plain file in plain folders"):
        store.read(TASK, "secret.txt")
    assert race.swapped


def test_a_file_that_becomes_a_pipe_after_it_was_looked_at_holds_nobody_up(
    store: ArtifactStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(TASK, "a.md", "mine")
    file = root / TASK / "a.md"

    def swap() -> None:
        file.unlink()
        os.mkfifo(file)

    race = After(monkeypatch, "stat", swap, of="a.md")
    with pytest.raises(ArtifactRefused, match="is no plain file in plain folders"):
        store.read(TASK, "a.md")
    assert race.swapped


def test_a_file_that_becomes_a_folder_after_it_was_looked_at_is_not_read(
    store: ArtifactStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(TASK, "a.md", "mine")
    file = root / TASK / "a.md"

    def swap() -> None:
        file.unlink()
        file.mkdir()

    race = After(monkeypatch, "stat", swap, of="a.md")
    with pytest.raises(ArtifactRefused, match="is no plain file in plain folders"):
        store.read(TASK, "a.md")
    assert race.swapped


def test_a_file_that_is_written_anew_while_it_is_opened_is_read(
    store: ArtifactStore, root: Path, monkeypatch: pytest.MonkeyPatch, from_folders: bool
) -> None:
    store.write(TASK, "a.md", "first")
    race = After(monkeypatch, "stat", lambda: void(store.write(TASK, "a.md", "second")), of="a.md")
    if from_folders:
        assert store.read(TASK, "a.md") == b"second"
    else:  # what it was opened as cannot be told from what a link led to: the reader has to ask again
        with pytest.raises(ArtifactRefused):
            store.read(TASK, "a.md")
        assert store.read(TASK, "a.md") == b"second"
    assert race.swapped


def void(_: object) -> None:
    return None


@by_held_folders
def test_a_folder_that_becomes_a_link_once_it_is_open_leads_nowhere(
    store: ArtifactStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-20: reads and writes go to the folder that was opened, or are refused."""
    for work in ("read", "write"):
        store.write(TASK, "in/secret.txt", "mine")
        folder = root / TASK / "in"
        with monkeypatch.context() as patch:
            race = After(patch, "open", lambda at=folder: swap_for_link(at, root.parent / "outside"), of="in")
            if work == "read":
                assert store.read(TASK, "in/secret.txt") == b"mine"
            else:
                with pytest.raises(ArtifactRefused, match="is no plain file in plain folders"):
                    store.write(TASK, "in/secret.txt", "leaked")
        assert race.swapped
        assert files_below(root.parent / "outside") == {"secret.txt": SECRET.encode()}
        shutil.rmtree(root)


@by_held_folders
def test_the_last_folder_that_becomes_a_link_before_the_write_gets_nothing(
    store: ArtifactStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(TASK, "in/secret.txt", "mine")
    folder = root / TASK / "in"
    race = After(monkeypatch, "stat", lambda: swap_for_link(folder, root.parent / "outside"), of="secret.txt")
    store.write(TASK, "in/secret.txt", "again")
    assert race.swapped
    assert (root / TASK / "moved" / "secret.txt").read_text() == "again"
    assert files_below(root.parent / "outside") == {"secret.txt": SECRET.encode()}


@by_held_folders
def test_a_folder_that_is_swapped_all_the_time_never_leads_out(store: ArtifactStore, root: Path) -> None:
    """T-20: somebody swaps a folder and a link as fast as they can while files are read, written and listed."""
    store.write(TASK, "in/secret.txt", "mine")
    folder, moved = root / TASK / "in", root / TASK / "moved"
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            with suppress(OSError):  # a write may have made the folder anew
                swap_for_link(folder, root.parent / "outside")
            if folder.is_symlink():
                folder.unlink()
            else:
                shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                moved.rename(folder)

    swapper = threading.Thread(target=swap)
    swapper.start()
    results = {"read": 0, "refused": 0}
    try:
        rounds = 0
        while rounds < 100 or not all(results.values()):
            rounds += 1
            for work in (lambda: store.read(TASK, "in/secret.txt"), lambda: store.write(TASK, "in/secret.txt", "mine")):
                try:
                    assert work() != SECRET.encode()
                    results["read"] += 1
                except (ArtifactRefused, StoreError):
                    results["refused"] += 1
            try:
                assert {artifact.bytes for artifact in store.list(TASK)} <= {4}
            except (ArtifactRefused, StoreError):
                results["refused"] += 1
    finally:
        done.set()
        swapper.join()
    assert files_below(root.parent / "outside") == {"secret.txt": SECRET.encode()}


# ------------------------------------------------------------------ a disk that fails


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(store: ArtifactStore, root: Path) -> None:
    store.write(TASK, "a.md", "first")
    with pytest.MonkeyPatch.context() as patch:

        def no_space(fd: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a/path")

        patch.setattr(os, "fsync", no_space)
        with pytest.raises(
            StoreError, match=f"the files of task '{TASK}' cannot be read or written: No space"
        ) as error:
            store.write(TASK, "a.md", "second")
    assert "/a/path" not in str(error.value)
    assert files_below(root) == {f"{TASK}/a.md": b"first"}


def test_a_write_whose_folder_is_deleted_meanwhile_says_so(
    store: ArtifactStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(TASK, "a.md", "first")
    real = os.fsync

    def fsync(fd: int) -> None:
        real(fd)
        assert store.delete(TASK)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreError, match="cannot be read or written: No such file"):
        store.write(TASK, "a.md", "second")
    assert os.listdir(root) == []


def test_a_write_that_is_broken_off_stays_broken_off(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(fd: int) -> None:
        assert store.delete(TASK)  # so that there is nothing left to tidy up
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        store.write(TASK, "a.md", "x")


def test_an_error_without_words_is_told_by_its_name(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(fd: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(StoreError, match="cannot be read or written: PermissionError"):
        store.write(TASK, "a.md", "second")


def test_a_root_that_is_a_file_is_told_apart_from_a_bad_name(root: Path) -> None:
    root.write_text("x")
    store = ArtifactStore(root)
    with pytest.raises(StoreError, match=r"the root of all artifacts cannot be opened: .*; expected a folder"):
        store.write(TASK, "a.md", "x")
    if artifacts._FROM_FOLDERS:
        with pytest.raises(StoreError, match="the root of all artifacts cannot be opened"):
            store.list(TASK)
