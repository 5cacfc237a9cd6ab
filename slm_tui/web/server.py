"""The page server: textual-serve with a door before it, places that are counted, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shlex
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp_jinja2
import psutil
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from engine.contract.errors import UserError
from slm_tui.themes import DARK, LIGHT
from slm_tui.web.door import Door, may_copy
from slm_tui.web.driver import MOST_COLUMNS, MOST_ROWS, cells
from slm_tui.web.neighbours import is_strangers

_HERE = Path(__file__).parent
_PATIENCE_SECONDS = 3.0  # for a visitor's app to end by itself
_MOST_MESSAGE = 1 << 20  # bytes that a page sends at once: a large text that is pasted
_MOST_MEMORY = 1 << 30  # bytes of a stranger's app, which wants a tenth of that unless it is fed on purpose
_WATCH_SECONDS = 5.0  # between looks at that
_MOST_DOWNLOADS = 20  # that a visitor has asked for and not fetched
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_MALFORMED = (AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)  # not by our page
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Page:
    """What is served."""

    title: str
    arguments: Sequence[str]  # of `slm_tui.web.visitor`
    is_public: bool  # the visitor's browser says whether it is dark or light, not the settings of this machine
    places: int  # visitors at a time: each is a process, and one or two more with a model once there is a story


class PageServer(Server):
    """Serves one page to its visitors, each with an app of their own."""

    def __init__(self, page: Page, door: Door, announce: Callable[[], None]) -> None:
        super().__init__("", title=page.title, templates_path=_HERE / "templates")
        self._page = page
        self._door = door
        self._announce = announce
        self._visitors: set[web.WebSocketResponse] = set()

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._at_the_door)
        app.add_routes([web.get("/ws/{scheme}", self.handle_websocket), web.static("/own", _HERE / "static")])
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Say where the page is."""
        self._announce()

    async def on_shutdown(self, app: web.Application) -> None:
        """Send everybody home."""
        await asyncio.gather(*(visitor.close(code=1001) for visitor in self._visitors if visitor.prepared))

    @web.middleware
    async def _at_the_door(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        refusal = self._door.refusal(request.path, request.headers.get("Host"), request.headers.get("Origin"))
        if self._door.own_only and _is_strangers(request):
            refusal = "this is for the user who started it, and for others with slm-tui serve --expose"
        if refusal:
            return web.Response(text=f"{refusal}\n", status=403, headers=_HEADERS)
        response = await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    @property
    def _is_full(self) -> bool:
        return len(self._visitors) >= self._page.places

    async def handle_index(self, request: web.Request) -> web.StreamResponse:
        """The page, or that there is no place left."""
        context = {"title": self._page.title, "dark": DARK, "light": LIGHT, "is_full": self._is_full}
        response = aiohttp_jinja2.render_template("page.html", request, context, status=503 if self._is_full else 200)
        sockets = f"ws://{request.host} wss://{request.host}"  # not every browser takes 'self' to include them
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src data:;"
            f" connect-src {sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """One visitor, from coming to leaving."""
        if self._is_full:
            raise web.HTTPServiceUnavailable(text="every place is taken\n")
        websocket = web.WebSocketResponse(heartbeat=15, max_msg_size=_MOST_MESSAGE)
        self._visitors.add(websocket)

        async def close() -> None:
            await websocket.close()

        visitor = _Visitor(
            self._command(request),
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        visitor.most_memory = _MOST_MEMORY if self._page.is_public else None
        width, height = (to_int(request.query.get(key, ""), 80) for key in ("width", "height"))
        try:
            await websocket.prepare(request)
            await visitor.start(cells(width, MOST_COLUMNS), cells(height, MOST_ROWS))
            with suppress(ConnectionError, *_MALFORMED):  # the first: who is answered has left
                await self._process_messages(websocket, visitor)
        finally:
            await asyncio.shield(visitor.see_off())
            if websocket.prepared:
                await websocket.close()
            self._visitors.discard(websocket)
        return websocket

    def _command(self, request: web.Request) -> str:
        arguments = [*self._page.arguments]
        if self._page.is_public:
            arguments += ["--scheme", request.match_info["scheme"]]
        if not may_copy(request.headers["Origin"]):
            arguments.append("--no-copy")
        return shlex.join(["exec", sys.executable, "-m", "slm_tui.web.visitor", *arguments])  # no shell stays


class _Visitor(AppService):
    """The process of one visitor's app."""

    process: Process | None = None
    most_memory: int | None = None  # bytes that it may take

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        self.process = await super()._open_app_process(width, height)
        return self.process

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        environment = super()._build_environment(width, height)
        environment["PYTHONSAFEPATH"] = "1"  # a module of the workspace never takes the place of ours
        environment.pop("TEXTUAL", None)  # of a developer's tools
        return environment

    async def run(self) -> None:
        """Show what the app draws; where it ends by itself, in whatever way, so does the visit."""
        watching = asyncio.create_task(self._watch())
        try:
            await super().run()
        finally:
            watching.cancel()
            await self.remote_close()

    @property
    def _downloads(self) -> list[str]:
        active = self._download_manager._active_downloads
        return [key for key, download in active.items() if download.app_service is self]

    async def on_meta(self, data: bytes) -> None:
        """What the app tells beside what it draws."""
        if len(self._downloads) < _MOST_DOWNLOADS or json.loads(data)["type"] != "deliver_file_start":
            await super().on_meta(data)

    async def _watch(self) -> None:
        """End the visit if its app takes too much memory: for what was pasted into it, perhaps."""
        while self.most_memory is not None and self.process is not None:
            with suppress(psutil.NoSuchProcess):
                if psutil.Process(self.process.pid).memory_info().rss > self.most_memory:
                    await self.remote_close()
            await asyncio.sleep(_WATCH_SECONDS)

    async def see_off(self) -> None:
        """End the app: by itself if it can, so that it ends what it has started, and then in any case."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.stop(), _PATIENCE_SECONDS)
        if self.process is not None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.process.wait(), _PATIENCE_SECONDS)
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        for key in self._downloads:
            del self._download_manager._active_downloads[key]


def _is_strangers(request: web.Request) -> bool:
    transport = request.transport
    if transport is None:  # closed already
        return True
    peer, own = (transport.get_extra_info(end) for end in ("peername", "sockname"))
    return is_strangers(peer[1], own[1])


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether an error is worth a traceback. What is no HTTP is not: those who scan for open ports send it."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at this address; port 0 is any free one.

    Raises:
        UserError: there is no such address here, or the port is taken.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = min(addresses, key=lambda found: found[0] != socket.AF_INET)
        return socket.create_server(address[:2], family=family)
    except socket.gaierror as error:
        raise UserError(f"--host {host}: {error.strerror or error}") from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(f"port {port} of {host}: {reason}; --port takes another one, 0 any free one") from None


def serve(page: Page, door: Door, listening: socket.socket, announce: Callable[[], None]) -> None:
    """Serve the page until Ctrl-C or SIGTERM; then no process of a visitor is left. `announce` is called once these are
    heeded."""
    logging.getLogger("aiohttp.server").addFilter(_is_ours)
    web.run_app(
        PageServer(page, door, announce)._make_app(),
        sock=listening,
        print=None,
        access_log=None,
        shutdown_timeout=3 * _PATIENCE_SECONDS,
    )
