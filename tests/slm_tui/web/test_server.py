"""The page server before real sockets: who gets in, what is there, and what is left of those who leave."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from support import wait_for

from engine.contract.errors import UserError
from engine.runs.workspace import Workspace

aiohttp = pytest.importorskip("aiohttp", reason="textual-serve is not installed: pip install 'slm-tui[web]'")
pytest.importorskip("textual_serve", reason="textual-serve is not installed: pip install 'slm-tui[web]'")

from web_pages import Served, gone, served  # noqa: E402

from slm_tui.web import server as server_module  # noqa: E402
from slm_tui.web.door import Door  # noqa: E402
from slm_tui.web.server import listen  # noqa: E402


@pytest.fixture
def server(workspace: Workspace) -> Iterator[Served]:
    with served(workspace.root) as server:
        yield server


@asynccontextmanager
async def visiting(
    server: Served, path: str = "/ws/dark?width=80&height=24"
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A page's websocket, up to the first thing that was drawn."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{server.url}{path}", headers={"Origin": server.url}) as websocket,
    ):
        await websocket.receive_bytes()
        yield websocket


def test_its_page_loads_nothing_from_elsewhere_and_may_not(server: Served) -> None:
    status, page, headers = server.ask("/")
    assert status == 200 and "slm-tui" in page
    assert "http://" not in page and "https://" not in page
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';") and "frame-ancestors 'none'" in policy
    assert f"connect-src ws://{server.host} wss://{server.host};" in policy
    assert headers["X-Frame-Options"] == "DENY"


def test_other_sites_are_refused_whatever_they_ask_for(server: Served) -> None:
    assert server.shake_hands(server.url) == 101
    assert server.shake_hands("http://evil.example") == 403
    assert server.shake_hands(None) == 403
    assert server.shake_hands("http://evil.example", host="evil.example") == 403
    for path in ("/", "/static/js/textual.js", "/download/x"):
        assert server.ask(path, {"Host": "evil.example"})[0] == 403
        assert server.ask(path, {"Origin": "http://evil.example"})[0] == 403


def test_there_is_the_page_and_nothing_else(server: Served) -> None:
    assert server.ask("/own/page.js")[0] == server.ask("/static/js/textual.js")[0] == 200
    for path in ("/static/", "/static/js", "/ws", "/static/%2e%2e/server.py", "/own/..%2ftemplates/page.html"):
        assert server.ask(path)[0] in (403, 404), path
    assert server.ask("/download/unknown")[0] == 404


async def test_who_leaves_leaves_no_process_behind(server: Served) -> None:
    async with visiting(server):
        offspring = server.offspring()
        assert len(offspring) == 1  # the app, and no shell around it
    gone(offspring)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
async def test_the_server_ends_with_all_that_it_has_started(server: Served, number: signal.Signals) -> None:
    async with visiting(server), visiting(server):
        offspring = server.offspring()
        assert len(offspring) == 2
        code, said = server.end(number)
        assert (code, said) == (0, "Ctrl+C ends it.\n")
    gone(offspring)


@pytest.mark.parametrize("until", [b"", b"quit"], ids=["starting", "idle"])
async def test_a_server_that_is_killed_leaves_no_process_behind(server: Served, until: bytes) -> None:
    async with visiting(server) as websocket:
        drawn = b""
        while until not in drawn:
            drawn += await websocket.receive_bytes()
        offspring = server.offspring()
        assert offspring
        server.end(signal.SIGKILL)
    gone(offspring)


async def test_an_app_that_dies_ends_the_visit(server: Served) -> None:
    async with visiting(server) as websocket:
        (app,) = server.offspring()
        app.kill()
        async for _ in websocket:
            pass
        assert websocket.closed
    assert server.shake_hands(server.url) == 101


async def test_an_app_that_hangs_is_ended_all_the_same(server: Served) -> None:
    async with visiting(server):
        (app,) = server.offspring()
        app.suspend()
    gone([app])


async def test_places_are_counted_and_given_back(workspace: Workspace) -> None:
    with served(workspace.root, "--visitors", "1") as server:
        async with visiting(server):
            status, page, _ = server.ask("/")
            assert status == 503 and "Every place is taken" in page and "textual.js" not in page
            assert server.shake_hands(server.url) == 503
        wait_for(lambda: server.ask("/")[0] == 200, "a free place")


async def test_nonsense_ends_the_visit_and_nothing_else(server: Served) -> None:
    for nonsense in ("{", "[]", "5", "[" * 100_000, '["stdin", 5]', '["resize", {}]', '["resize", "x"]', '["focus"'):
        async with visiting(server) as websocket:
            await websocket.send_str(nonsense)
            async for _ in websocket:
                pass
        assert server.process.poll() is None
    async with visiting(server) as websocket:
        await websocket.send_str('["ping", "1"]')
        while (message := await websocket.receive()).type is not aiohttp.WSMsgType.TEXT:
            pass
        assert message.json() == ["pong", "1"]
    assert server.end() == (0, "Ctrl+C ends it.\n")  # nothing of it is worth a traceback


async def test_who_leaves_while_being_answered_is_no_error(server: Served) -> None:
    async with visiting(server) as websocket:
        offspring = server.offspring()
        await asyncio.gather(*(websocket.send_json(["ping", "x" * 1000]) for _ in range(3000)))
        websocket._writer.transport.abort()
        await asyncio.sleep(0)  # it is done by the loop
        gone(offspring)
    assert server.end() == (0, "Ctrl+C ends it.\n")


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"\x16\x03\x01\x02\r\n\r\n"])
def test_what_is_no_request_is_answered_and_no_error(server: Served, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as scanner:
        scanner.sendall(sent)
        assert b"400 Bad Request" in scanner.recv(100)
    assert server.end() == (0, "Ctrl+C ends it.\n")


async def test_no_window_is_believed_to_be_huge(server: Served) -> None:
    async with visiting(server, "/ws/dark?width=100000000&height=100000000") as websocket:
        await websocket.send_json(["resize", {"width": 10**9, "height": 10**9}])
        await websocket.send_json(["resize", {"width": "x", "height": None}])
        await websocket.send_json(["resize", {"width": -5, "height": 0}])
        await websocket.send_json(["stdin", "\x1b[48;99999999;99999999;1;1t"])
        await websocket.send_json(["resize", {"width": 60, "height": 20}])
        await websocket.send_json(["stdin", "?"])
        drawn = b""
        while b"keys that work here" not in drawn:
            drawn += await websocket.receive_bytes()
        (app,) = server.offspring()
        assert app.memory_info().rss < 400e6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
async def test_what_writes_the_stories_ends_with_the_server(
    trained_workspace: Workspace, number: signal.Signals
) -> None:
    with served(trained_workspace.root, "--stories", "tiny") as server:
        async with visiting(server):
            wait_for(lambda: len(server.offspring()) == 2, "a process that writes stories")
            offspring = server.offspring()
            server.end(number)
        gone(offspring)


_ASK = """
import encodings.idna, http.client, os, sys  # all of it while it can be read
if sys.argv[2:]:
    os.setuid(int(sys.argv[2]))
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("GET", "/")
print(connection.getresponse().status)
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0, reason="only root may be another user, and Linux tells"
)
def test_the_dashboard_is_for_its_own_user_and_stories_for_all(trained_workspace: Workspace) -> None:
    def asked_by(user: int | None, server: Served) -> str:
        command = [sys.executable, "-c", _ASK, server.url.rpartition(":")[2], *([str(user)] if user else [])]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with served(trained_workspace.root) as dashboard, served(trained_workspace.root, "--stories", "tiny") as stories:
        assert (asked_by(None, dashboard), asked_by(None, stories)) == ("200", "200")
        assert (asked_by(65534, dashboard), asked_by(65534, stories)) == ("403", "200")
    with served(trained_workspace.root, "--expose") as exposed:
        assert asked_by(65534, exposed) == "200"


def test_a_port_that_is_taken_is_told() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} of 127.0.0.1: .*in use; --port takes another one"):
            listen("127.0.0.1", port)


def test_an_address_that_is_not_of_this_machine_is_told() -> None:
    with pytest.raises(UserError, match=r"192\.0\.2\.1"):
        listen("192.0.2.1", 0)
    with pytest.raises(UserError, match=r"--host nowhere\.invalid"):
        listen("nowhere.invalid", 0)


@pytest.mark.skipif(not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"), reason="no IPv6 on this machine")
def test_the_loopback_of_ipv6_is_one_too() -> None:
    with listen("::1", 0) as listening:
        assert listening.getsockname()[0] == "::1"


async def test_a_stranger_whose_app_takes_too_much_memory_is_sent_away(
    trained_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_MOST_MEMORY", 1)
    for is_public in (True, False):
        page = server_module.Page("page", ["--workspace", str(trained_workspace.root)], is_public, 1)
        app = await server_module.PageServer(page, Door(), lambda: None)._make_app()
        runner = aiohttp.web.AppRunner(app)
        await runner.setup()
        with listen("127.0.0.1", 0) as listening:
            await aiohttp.web.SockSite(runner, listening).start()
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(f"{url}/ws/dark", headers={"Origin": url}) as websocket,
            ):
                kinds = {(await websocket.receive()).type for _ in range(3)}
            await runner.cleanup()
        assert (aiohttp.WSMsgType.CLOSED in kinds or aiohttp.WSMsgType.CLOSE in kinds) is is_public
