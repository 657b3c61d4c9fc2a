"""`langwire serve`: its app in process, the real command in a process of its own, read by its one line."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from commands.running import NOISE, QUIRKS, STRICT, Run
from langwire.adapters._shared.web import report
from langwire.commands import main
from langwire.commands.long_running import failures_as_lines
from langwire.commands.serve import CannotListen, listen
from langwire.errors import UsageError

on_unix = pytest.mark.skipif(os.name != "posix", reason="needs Unix signals")

# A router in place of the real one, which is tested elsewhere: each POST is a turn, told by the names of its events.
BOOT = """
import sys, types
from fastapi import APIRouter
from langwire.adapters._shared.streaming import sse
from langwire.commands import main

def agui_router(bridge, **_):
    router, sessions = APIRouter(), bridge.sessions

    @router.post("", response_model=None)
    async def run():
        turn = await sessions.get("thread-1").submit("hi")

        async def frames():
            async for event in turn:
                yield b"data: %b\\n\\n" % type(event).__name__.encode()

        return sse(frames())

    return router

stub = sys.modules["langwire.adapters.agui.endpoint"] = types.ModuleType("endpoint")
stub.agui_router = agui_router
sys.exit(main())
"""


class Serving:
    """A server in a process of its own that has said its line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process, self.open = process, ExitStack()
        assert process.stdout is not None
        self.line = process.stdout.readline().decode()
        found = re.search(r" at http://(\S+):(\d+)$", self.line)
        assert found is not None, f"said {self.line!r}"
        self.host, self.port = found[1], int(found[2])
        has_tasks = {"--tasks", "delegating"} & {*process.args} or process.args[-1] == "--demo"  # type: ignore[operator, index]
        faces = 4 if has_tasks else 3
        self.faces = [process.stdout.readline().decode() for _ in range(faces)]

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request, and return its answer, whose body has not been read."""
        sent = None if body is None else json.dumps(body)
        headers |= {} if body is None else {"content-type": "application/json"}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.open.callback(connection.close)
        connection.request(method, path, sent, headers)
        answer = connection.getresponse()
        self.open.callback(answer.close)
        return answer

    def ended(self, *signals: int) -> tuple[int, bytes, bytes]:
        """Send signals, and return the exit code, what else was on standard output, and standard error."""
        for number in signals:
            self.process.send_signal(number)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        rest, said = self.process.stdout.read(), NOISE.sub(b"", self.process.stderr.read())
        return self.process.wait(), rest, said


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[Serving]:
    command = [sys.executable, "-c", BOOT, "serve", "--port", "0", *arguments]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=PIPE, stderr=PIPE, env=os.environ | environment
    )
    with process:
        try:
            server = Serving(process)
            with server.open:
                yield server
        finally:
            process.kill()  # without effect on a process that has ended


# ------------------------------------------------------------------ the command


@on_unix
def test_it_says_its_address_when_it_accepts_and_ends_with_sigterm() -> None:
    with serving("--demo") as server:
        assert server.line == f"langwire: serving langwire.demo:showcase at http://127.0.0.1:{server.port}\n"
        answer = server.request("GET", "/health")
        assert answer.status == 200
        assert b'"status":"ok"' in answer.read()
        at = f"http://127.0.0.1:{server.port}"
        faces = {"page": "/", "protocol": "/v1", "AG-UI": "/agui", "tasks": "/v1/tasks"}
        assert server.faces == [f"  {face:<8}  {at}{path}\n" for face, path in faces.items()]
        for face in (*server.faces[:2], server.faces[3]):
            assert server.request("GET", face.split(at)[1].strip()).status == 200
        assert answer.headers["server"] is None
        assert server.ended(signal.SIGTERM) == (0, b"", b"")


@on_unix
def test_nobody_is_told_where_the_agent_lies() -> None:
    """T-15: who stands at the terminal knows."""
    with serving(f"{QUIRKS}:german") as server:
        assert f" serving {QUIRKS}:german at " in server.line
        health = server.request("GET", "/health").read()
        assert json.loads(health)["name"] == "quirks.py:german"
        document = server.request("GET", "/v1/openapi.json").read()
        assert json.loads(document)["info"]["title"] == "quirks.py:german"
        for told in (health, document, server.request("GET", "/v1").read(), server.request("GET", "/").read()):
            assert str(QUIRKS.parent).encode() not in told


@on_unix
def test_ctrl_c_ends_turns_and_their_open_streams() -> None:
    with serving(f"{QUIRKS}:waiting", "--drain", "0") as server:
        answer = server.request("POST", "/agui")
        told = b""
        while b"TextDelta" not in told:
            told += answer.readline()
        code, out, err = server.ended(signal.SIGINT)
        assert (code, out) == (130, b"")
        assert err.splitlines() == [b"printed at import", b"langwire: stopped"]
        assert answer.read().endswith(b"data: TurnEnd\n\n")


@on_unix
def test_a_second_ctrl_c_does_not_wait_for_a_step_that_hangs() -> None:
    with serving(f"{QUIRKS}:stuck", "--drain", "0") as server:
        answer = server.request("POST", "/agui")
        while b"TextDelta" not in answer.readline():
            pass
        server.process.send_signal(signal.SIGINT)
        while b"TurnEnd" not in answer.readline():  # the first one has arrived
            pass
        code, _, err = server.ended(signal.SIGINT)
        assert code == 130
        assert err.splitlines()[-1] == b"langwire: stopped without waiting"


@on_unix
def test_what_an_agent_prints_and_fails_of_is_on_standard_error() -> None:
    with serving(f"{QUIRKS}:printing") as server:
        server.request("POST", "/agui").read()
        _, out, err = server.ended(signal.SIGTERM)
        assert out == b"printed by a subprocess\n"
        assert b"printed at run" in err.splitlines()
    with serving(f"{QUIRKS}:before") as server:
        server.request("POST", "/agui").read()
        _, out, err = server.ended(signal.SIGTERM)
        (line,) = [line for line in err.splitlines() if b"ValueError" in line]
        assert line.startswith(b"langwire: turn ")
        assert b": ValueError: a first line" in line
        assert b"\x1b" not in err
    with serving(f"{QUIRKS}:before", "--debug") as server:
        server.request("POST", "/agui").read()
        _, out, err = server.ended(signal.SIGTERM)
        assert b"Traceback (most recent call last):" in err
        assert b"\x1b" not in err


@on_unix
def test_the_threads_are_kept_in_a_file_across_servers(tmp_path: Path) -> None:
    db = str(tmp_path / "threads.db")
    for _ in range(2):
        with serving(f"{QUIRKS}:german", "--db", db) as server:
            assert server.request("POST", "/agui").read().endswith(b"data: TurnEnd\n\n")
            assert server.ended(signal.SIGTERM)[0] == 0
    assert Path(db).stat().st_size > 0


@pytest.mark.parametrize(("given", "set"), [({}, "true"), ({"LANGGRAPH_STRICT_MSGPACK": "false"}, "false")])
def test_langgraph_is_told_to_read_strictly_before_it_is_imported(
    tmp_path: Path, given: dict[str, str], set: str
) -> None:
    """T-19. The agent's file says how it found things; it holds no agent, so nothing is served."""
    (tmp_path / "agent.py").write_text(STRICT)
    environment = {name: value for name, value in os.environ.items() if name != "LANGGRAPH_STRICT_MSGPACK"} | given
    command = [sys.executable, "-m", "langwire", "serve", f"{tmp_path / 'agent.py'}:graph", "--port", "0"]
    done = subprocess.run(command, capture_output=True, env=environment, text=True)
    assert done.stderr.splitlines()[0] == set


@on_unix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_line_that_cannot_be_written_is_the_end() -> None:
    command = [sys.executable, "-c", BOOT, "serve", "--demo", "--port", "0"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=full, stderr=PIPE)
    assert done.returncode == 1
    said = NOISE.sub(b"", done.stderr)
    assert said == b"langwire: cannot write to standard output: No space left on device\n"


# ------------------------------------------------------------------ what cannot be served


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere.py:graph"], "there is no file"),
        (["--demo", "nobody"], "langwire.demo has no nobody"),
        (
            ["--demo", "--host", "no.such.host.invalid"],
            "there is no host 'no.such.host.invalid': give --host 127.0.0.1",
        ),
        (["--demo", "--host", "x" * 70], "there is no host 'xxx"),
        (["--demo", "--db", "/no/such/folder/threads.db"], "/no/such/folder/threads.db"),
    ],
)
def test_what_cannot_be_served_is_one_line(run: Run, arguments: list[str], line: str) -> None:
    done = run("serve", "--port", "0", *arguments)
    assert (done.code, done.out) == (1, "")
    (said,) = done.lines
    assert said.startswith("langwire: ")
    assert line in said


def test_a_traceback_is_shown_when_asked_for(run: Run) -> None:
    done = run("serve", "--port", "0", "nowhere.py:graph", "--debug")
    assert done.code == 1
    assert "Traceback (most recent call last):" in done.lines
    assert done.lines[-1].startswith("langwire: there is no file")


def test_a_failure_that_is_not_ours_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A router that is broken stands for whatever else may go wrong."""
    monkeypatch.setitem(sys.modules, "langwire.adapters.agui.endpoint", None)
    done = run("serve", "--port", "0", "--demo")
    assert done.code == 1
    assert done.lines[-1].startswith("langwire: ModuleNotFoundError: ")


def test_a_port_that_is_taken_is_one_line(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run("serve", "--demo", "--port", str(port))
    assert (done.code, done.out) == (1, "")
    (line,) = done.lines
    assert line.startswith(f"langwire: cannot listen at 127.0.0.1:{port} (Address already in use): give another --port")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104
def test_nobody_else_is_served_without_being_asked_who_they_are(run: Run, host: str) -> None:
    """T-2."""
    done = run("serve", "--demo", "--host", host)
    assert (done.code, done.out) == (64, "")
    (line,) = done.lines
    assert f"{host} is an address for others" in line
    assert "--authorize pkg.module:function" in line


@pytest.mark.parametrize("arguments", [[], ["my.py:graph", "--demo", "team"]])
def test_one_agent_is_expected(run: Run, arguments: list[str]) -> None:
    done = run("serve", *arguments)
    assert (done.code, done.out) == (64, "")
    assert done.lines == ["langwire: serve expected one agent: langwire serve SPEC, or langwire serve --demo"]


@pytest.mark.parametrize("port", ["70000", "-1", "http", "²"])
def test_a_port_is_a_number(run: Run, port: str) -> None:
    with pytest.raises(SystemExit, match="64"):
        run("serve", "--demo", f"--port={port}")


def test_a_missing_extra_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("langwire.commands.serve", "langwire.adapters._shared.web"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    done = run("serve", "--demo")
    assert done.code == 1
    assert done.lines == ['langwire: serving on the web needs an extra: pip install "langwire[web]"']


# ------------------------------------------------------------------ the address


def test_every_address_of_localhost_has_the_same_port() -> None:
    sockets = listen("localhost", 0)
    names = [each.getsockname() for each in sockets]
    for each in sockets:
        each.close()
    assert len({name[1] for name in names}) == 1
    assert {name[0] for name in names} <= {"127.0.0.1", "::1"}


def found(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[int, str]) -> None:
    """Let every host be these addresses, which a machine under test may not be set up for."""
    answers = [(family, socket.SOCK_STREAM, 6, "", (address, 0)) for family, address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)


def test_an_address_that_this_machine_has_not_got_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # A family that no system knows is refused as an address of IPv6 is where there is none.
    found(monkeypatch, (99, "::1"), (socket.AF_INET, "127.0.0.1"))
    (only,) = listen("localhost", 0)
    with closing(only):
        assert only.getsockname()[0] == "127.0.0.1"
    found(monkeypatch, (99, "::1"))
    with pytest.raises(CannotListen, match="cannot listen at localhost:0"):
        listen("localhost", 0)


def test_a_port_that_is_taken_at_one_address_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.2", 0)) as other:
        port = other.getsockname()[1]
        found(monkeypatch, (socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.2"))
        with pytest.raises(CannotListen, match="Address already in use"):
            listen("localhost", port)
        socket.create_server(("127.0.0.1", port)).close()  # the first one was let go


def test_a_name_with_one_address_for_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, (socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "192.0.2.1"))
    with pytest.raises(UsageError, match="an address for others"):
        listen("both", 0)


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_an_address_of_ipv6_is_said_in_brackets(run: Run) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("needs IPv6")
    with serving("--demo", "--host", "::1") as server:
        assert server.host == "[::1]"


# ------------------------------------------------------------------ who may come in

LOGIN = """
def who(request):
    return {"Bearer of-ann": "ann"}.get(request.headers.get("authorization"))

nobody = "not a function"
"""


@on_unix
def test_others_are_served_once_they_say_who_they_are(tmp_path: Path) -> None:
    """T-2."""
    (tmp_path / "login.py").write_text(LOGIN)
    with serving("--demo", "--host", "0.0.0.0", "--authorize", f"{tmp_path / 'login.py'}:who") as server:  # noqa: S104
        assert server.request("GET", "/v1").status == 401
        assert server.request("GET", "/v1", authorization="Bearer of-ann").status == 200
        assert server.request("GET", "/v1", authorization="Bearer of-ann", host="any.example").status == 200
        assert server.request("GET", "/ready").status == 200


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nobody", "login.py:nobody is a str: expected a function"),
        ("whoo", "login.py has no whoo: did you mean who? (its functions are who)"),
    ],
)
def test_a_login_that_does_not_load_is_one_line(run: Run, tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / "login.py").write_text(LOGIN)
    done = run("serve", "--demo", "--port", "0", "--authorize", f"{tmp_path / 'login.py'}:{name}")
    assert (done.code, done.out) == (1, "")
    assert line.partition(":")[0] in done.lines[-1]
    assert line.partition("(")[0].partition(": ")[2].strip(" ;,") in done.lines[-1]


def taken(server: Serving, **headers: str) -> int:
    """Begin a turn on a new thread, and return the status of that."""
    thread = json.load(server.request("POST", "/v1/threads", {}, **headers))["thread_id"]
    return server.request("POST", f"/v1/threads/{thread}/submit", {"input": "hi"}, **headers).status


@on_unix
def test_so_many_turns_run_at_once(tmp_path: Path) -> None:
    """T-4."""
    with serving(f"{QUIRKS}:waiting", "--max-turns", "2", "--drain", "0") as server:
        assert [taken(server) for _ in range(3)] == [202, 202, 429]
    (tmp_path / "login.py").write_text(LOGIN)
    login = ("--authorize", f"{tmp_path / 'login.py'}:who")
    with serving(f"{QUIRKS}:waiting", "--max-turns", "8", "--drain", "0", *login) as server:
        assert [taken(server, authorization="Bearer of-ann") for _ in range(3)] == [202, 202, 429]


@pytest.mark.parametrize("number", ["0", "-1", "many", "1.5", "²"])
def test_a_limit_of_turns_is_a_number(run: Run, number: str) -> None:
    with pytest.raises(SystemExit, match="64"):
        run("serve", "--demo", f"--max-turns={number}")


@on_unix
def test_a_page_of_another_site_may_ask_when_it_is_named() -> None:
    """T-1."""
    with serving("--demo", "--origin", "https://a.example", "--origin", "http://localhost:5173") as server:
        for origin, status in [("https://a.example", 200), ("http://localhost:5173", 200), ("https://b.example", 403)]:
            assert server.request("GET", "/v1", origin=origin).status == status


def test_an_origin_that_is_none_is_a_wrong_call(run: Run) -> None:
    done = run("serve", "--demo", "--port", "0", "--origin", "*")
    assert (done.code, done.out) == (64, "")
    assert "came as an origin" in done.lines[-1]


# ------------------------------------------------------------------ tasks


@on_unix
def test_the_delegating_demo_has_a_board() -> None:
    with serving("--demo", "delegating") as server:
        assert server.faces[3] == f"  tasks     http://127.0.0.1:{server.port}/v1/tasks\n"
        assert server.request("GET", "/v1/tasks").read() == b'{"tasks":[]}'
        assert server.ended(signal.SIGTERM) == (0, b"", b"")


@on_unix
def test_tasks_are_kept_in_a_file_that_other_commands_read(tmp_path: Path, run: Run) -> None:
    db = str(tmp_path / "tasks.db")
    with serving("langwire.demo:delegating", "--tasks", db) as server:
        thread = json.load(server.request("POST", "/v1/threads", {}))["thread_id"]
        taken = server.request("POST", f"/v1/threads/{thread}/submit", {"input": "A weekend in Rome"})
        position = json.load(taken)["position"]
        told = server.request("GET", f"/v1/threads/{thread}/events?after={position}")
        while b'"turn_end"' not in told.readline():
            pass
        assert len(json.load(server.request("GET", "/v1/tasks"))["tasks"]) == 3
        told.close()
        assert server.ended(signal.SIGTERM)[0] == 0
    listed = run("tasks", "list", "--db", db, "--json")
    assert {json.loads(line)["spec"]["title"] for line in listed.out.splitlines()} == {"weather", "train", "letter"}


# ------------------------------------------------------------------ how it is stopped, what it logs


@on_unix
def test_a_turn_may_end_by_itself_when_it_is_stopped() -> None:
    with serving("--demo", "assistant", "--drain", "30") as server:
        answer = server.request("POST", "/agui")
        while b"TextDelta" not in answer.readline():
            pass
        server.process.send_signal(signal.SIGTERM)
        assert b"TurnEnd" in answer.read()
        code, _, err = server.ended()
        assert (code, err) == (0, b"")


@on_unix
def test_the_log_is_json_when_asked_for() -> None:
    with serving(f"{QUIRKS}:before", "--log", "json") as server:
        server.request("POST", "/agui").read()
        _, out, err = server.ended(signal.SIGTERM)
        assert out == b""
        records = [json.loads(line) for line in err.splitlines() if line.startswith(b"{")]
        (request,) = [record for record in records if record["logger"] == "langwire.access"]
        assert request["access"]["path"] == "/agui"
        (turn,) = [record for record in records if "turn" in record]
        assert turn["request_id"] == request["request_id"]
        assert any("ValueError: a first line" in record["message"] for record in records)


@pytest.mark.parametrize("seconds", ["-1", "inf", "nan", "soon"])
def test_draining_takes_seconds(run: Run, seconds: str) -> None:
    with pytest.raises(SystemExit, match="64"):
        run("serve", "--demo", f"--drain={seconds}")


# ------------------------------------------------------------------ in this process


class Told:
    """A standard output that lets another thread wait for a line."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""
        self.whole = threading.Event()

    def write(self, text: str) -> int:
        self.text += text
        if "\n" in text:
            self.whole.set()
        return len(text)

    def flush(self) -> None: ...


def served_here(
    monkeypatch: pytest.MonkeyPatch, *signals: int, debug: bool = False, meanwhile: Callable[[], None] = lambda: None
) -> int:
    """Run the command in this process, and send it signals when it has said its line; return its exit code."""
    out = Told()
    monkeypatch.setattr(sys, "stdout", out)

    def stop() -> None:
        out.whole.wait()
        meanwhile()
        for number in signals:
            os.kill(os.getpid(), number)

    stopper = threading.Thread(target=stop)
    stopper.start()
    try:
        return main(["serve", "--demo", "--port", "0", *(["--debug"] if debug else [])])
    finally:
        stopper.join()


@on_unix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signals_are_given_back(monkeypatch: pytest.MonkeyPatch, number: int, code: int) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert served_here(monkeypatch, number) == code
    assert signal.getsignal(signal.SIGTERM) == before


@on_unix
def test_a_ctrl_c_that_is_ignored_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts us in the background may have said so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert served_here(monkeypatch, signal.SIGINT, signal.SIGTERM) == 0
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def goes_wrong() -> None:
    """Let the log have what our code, and uvicorn's, say when something goes wrong."""
    try:
        raise ConnectionError("gone\n  for \x1b[31mgood")
    except ConnectionError as error:
        report(error)
        logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=error)
    logging.getLogger("langwire").warning("a word")
    logging.getLogger("langwire").info("unheard")


@on_unix
def test_what_goes_wrong_is_one_line_each(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert served_here(monkeypatch, signal.SIGTERM, meanwhile=goes_wrong) == 0
    first, second, third = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"langwire: error [0-9a-f]{16}: ConnectionError: gone", first)
    assert second == "langwire: Exception in ASGI application: ConnectionError: gone"
    assert third == "langwire: a word"


@on_unix
def test_what_goes_wrong_is_shown_whole_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served_here(monkeypatch, signal.SIGTERM, debug=True, meanwhile=goes_wrong) == 0
    said = capsys.readouterr().err
    assert said.count("Traceback (most recent call last):") == 2
    assert "\x1b" not in said
    assert logging.getLogger("langwire").handlers == []


def test_a_websocket_that_was_refused_with_an_answer_is_no_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """uvicorn calls it an error; anybody could fill the terminal with that."""
    server = logging.getLogger("uvicorn.error")
    with failures_as_lines("uvicorn.error"):
        server.error("ASGI callable returned without completing handshake.")
        server.error("the disk is full")
    assert capsys.readouterr().err == "langwire: the disk is full\n"
