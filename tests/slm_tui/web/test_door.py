"""Who is let in, by the headers that browsers write themselves."""

from __future__ import annotations

import socket

import pytest

from engine.contract.errors import UserError
from slm_tui.web.door import Door, is_loopback, may_copy, public_origin

HERE = "127.0.0.1:8000"
HERE_TOO = [HERE, "localhost:9000", "LOCALHOST", "[::1]:8000", "192.168.1.7:8000", f"{socket.gethostname()}:8000"]


@pytest.mark.parametrize("host", HERE_TOO)
def test_a_server_is_called_by_digits_as_localhost_or_by_its_machines_name(host: str) -> None:
    assert Door().refusal("/", host, None) is None
    assert Door().refusal("/ws/dark", host, f"http://{host}") is None


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "127.0.0.1:x",
        "evil.example@127.0.0.1",
        "[evil]",
        "127.0.0.1, evil.example",
        "١٢٧.0.0.1",
    ],
)
def test_a_name_that_may_lead_anywhere_is_refused(host: str | None) -> None:
    assert Door().refusal("/", host, None)
    assert Door().refusal("/ws/dark", host, f"http://{host}")


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "file://",
        "http://127.0.0.1",
        "http://127.0.0.1:8001",
        "ws://127.0.0.1:8000",
        "http://localhost:8000",
        "http://127.0.0.1:8000.evil.example",
        "http://evil@127.0.0.1:8000",
    ],
)
def test_a_page_of_another_site_is_refused(origin: str) -> None:
    assert Door().refusal("/ws/dark", HERE, origin)
    assert Door().refusal("/", HERE, origin)


def test_a_websocket_wants_to_know_which_page_opens_it() -> None:
    assert Door().refusal("/ws/dark", HERE, None)


def test_behind_a_proxy_the_public_name_is_one_too() -> None:
    door = Door(public_origin("https://Stories.example/"))
    for host in ("stories.example", HERE):
        assert door.refusal("/", host, None) is None
        assert door.refusal("/ws/light", host, "https://stories.example") is None
    assert door.refusal("/", "other.example", None)
    assert door.refusal("/ws/light", HERE, "https://other.example")


@pytest.mark.parametrize(
    "path",
    [
        "/ws",
        "/ws/",
        "/ws/other",
        "/static/",
        "/static",
        "/static/js/",
        "/static/../server.py",
        "/static/js",
        "//",
        "/download/",
        "/own/../templates/page.html",
        "/robots.txt",
        "/static/js/textual.js/",
    ],
)
def test_nothing_else_is_there(path: str) -> None:
    assert Door().refusal(path, HERE, f"http://{HERE}") == "there is nothing here"


@pytest.mark.parametrize(
    "url",
    [
        "stories.example",
        "ftp://a.example",
        "https://",
        "https://a.example/below",
        "https://a.example?x",
        "http://[",
        "http://[1]",
        "x",
    ],
)
def test_a_public_address_is_a_whole_site(url: str) -> None:
    with pytest.raises(UserError, match="must be http:// or https://"):
        public_origin(url)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("HTTPS://Stories.example:443/", "https://stories.example"),
        ("http://a.example:80", "http://a.example"),
        ("https://a.example:80", "https://a.example:80"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_public_address_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert public_origin(url) == origin


def test_browsers_let_encrypted_and_local_pages_copy() -> None:
    assert may_copy("https://stories.example") and may_copy("http://localhost:1") and may_copy("http://[::1]:8000")
    assert not may_copy("http://192.168.1.7:8000") and not may_copy("null")


def test_loopback_is_all_of_it_and_nothing_else() -> None:
    assert is_loopback("127.0.0.1") and is_loopback("127.8.9.1") and is_loopback("::1")
    assert not is_loopback("0.0.0.0") and not is_loopback("::") and not is_loopback("localhost")
