"""The page server in a process of its own, and its pages as a person sees them in Chromium."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import pyte
from support import wait_for

_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


class Served:
    """`slm-tui serve` at a free port."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "slm_tui", "serve", "--port", "0", *arguments],
            cwd=folder,
            env={**os.environ, "KONSOLE_VERSION": "230802"},  # a terminal that orders Arabic; a web page does not
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None and self.process.stderr is not None
        self.said = self.process.stdout.readline()
        if not self.said:
            raise AssertionError(self.process.stderr.read())
        self.url = self.said.split()[-1]

    @property
    def host(self) -> str:
        """Name and port."""
        return urlsplit(self.url).netloc

    def ask(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, str, dict[str, str]]:
        """What the server answers: status, text, headers. A `Host` among `headers` replaces the true one."""
        port = urlsplit(self.url).port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", path, headers={"Host": self.host, **(headers or {})})
            response = connection.getresponse()
            text = "" if response.status == 101 else response.read().decode(errors="replace")
            return response.status, text, dict(response.headers)
        finally:
            connection.close()

    def shake_hands(self, origin: str | None, host: str | None = None) -> int:
        """Ask for a websocket, as a page from `origin` would; the status, which is 101 where it is granted."""
        own = {} if origin is None else {"Origin": origin}
        return self.ask("/ws/dark", {**_UPGRADE, **own, "Host": host or self.host})[0]

    def offspring(self) -> list[psutil.Process]:
        """The visitors' processes, and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """End the server by a signal: its exit code and what it has said on stderr."""
        self.process.send_signal(number)
        _, words = self.process.communicate(timeout=30)
        return self.process.returncode, words


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[Served]:
    """A page server that ends with the test, as do all processes of its visitors."""
    server = Served(folder, *arguments)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            offspring = server.offspring()
            server.end()
            gone(offspring)


def gone(processes: list[psutil.Process]) -> None:
    """Wait until all of them have ended."""
    wait_for(lambda: not any(map(_lives, processes)), f"the end of {processes}", 30)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Visit:
    """A page that is open in a browser; its cells are read from what the server sends for them."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.said: list[str] = []  # on the browser's console
        self.asked: list[str] = []  # addresses
        self._screen, self._stream = pyte.Screen(80, 24), pyte.ByteStream()
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("websocket", self._follow)
        self.response = page.goto(url)

    def _follow(self, websocket: Any) -> None:
        self.asked.append(websocket.url)
        size = parse_qs(urlsplit(websocket.url).query)
        self._screen = pyte.Screen(int(size["width"][0]), int(size["height"][0]))
        self._stream = pyte.ByteStream(self._screen)
        websocket.on("framereceived", lambda frame: self._stream.feed(frame) if isinstance(frame, bytes) else None)

    @property
    def text(self) -> str:
        """The words on the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait until `condition` holds, while the browser goes on."""
        for _ in range(int(seconds / 0.02)):
            if condition():
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"no {what}:\n{self.text}\n{self.said}")

    def sees(self, *words: str) -> None:
        """Wait until the screen shows all of `words`."""
        self.until(lambda: all(word in self.text for word in words), f"{words} on the screen")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def inked(self) -> int:
        """How many of the letters' pixels are drawn."""
        count = """() => [...document.querySelectorAll("canvas.xterm-text-layer")].reduce((sum, canvas) => {
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            return sum + pixels.filter((value, place) => place % 4 === 3 && value > 0).length;
        }, 0)"""
        return int(self.page.evaluate(count))
