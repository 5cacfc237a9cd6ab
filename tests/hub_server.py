"""A hub on this machine, with one repository `owner/name`; `owner/gated` is gated, and no other one is there."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789" * 4


class _Server(ThreadingHTTPServer):
    def server_bind(self) -> None:
        if self.server_address[1]:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()


@contextmanager
def hub_server(files: Mapping[str, bytes], broken: str = "", port: int = 0) -> Iterator[ThreadingHTTPServer]:
    """Serve `files` until the end of the block; the connection breaks in the middle of the file `broken`.

    `port` may be one that is kept (`warm_datasets`); 0 is any.
    """
    server = _Server(("127.0.0.1", port), _hub_of(files, broken))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        close(server)
        thread.join()


@contextmanager
def in_place_of_the_hub(
    files: Mapping[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ThreadingHTTPServer]:
    """`huggingface_hub` asks a server of `files` instead of the real one, and keeps what it downloads in `cache`."""
    from huggingface_hub import constants

    with hub_server(files) as server:
        template = address(server) + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", address(server))
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        yield server


def address(server: ThreadingHTTPServer) -> str:
    """What HF_ENDPOINT is set to."""
    return f"http://127.0.0.1:{server.server_port}"


def close(server: ThreadingHTTPServer) -> None:
    """The network is gone from here on."""
    server.shutdown()
    server.server_close()


def _hub_of(files: Mapping[str, bytes], broken: str) -> type[BaseHTTPRequestHandler]:
    hashes = {name: hashlib.sha1(files[name]).hexdigest() for name in files}
    names = [{"type": "file", "path": name, "size": len(files[name]), "oid": hashes[name]} for name in files]
    info = {"id": "owner/name", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].replace("/datasets/owner", "/owner", 1)
            name = path.partition("/owner/name/resolve/")[2].partition("/")[2]
            content = files.get(name)
            if path.startswith("/api/") and "/owner/name" in path:
                content = json.dumps(names if f"/tree/{COMMIT}" in path else info).encode()
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")) if content else None
            if content and wanted:
                content = content[int(wanted[1]) : int(wanted[2]) + 1]
            self.send_response(404 if content is None else 206 if wanted else 200)
            if content is None:
                missing = "EntryNotFound" if name else "RepoNotFound"
                self.send_header("X-Error-Code", "GatedRepo" if "gated" in path else missing)
            self.send_header("ETag", f'"{hashes.get(name)}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write((content or b"")[: 10 if name and name == broken else None])

        def do_POST(self) -> None:
            """Which of the paths that the body names there are."""
            asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
            content = json.dumps([entry for entry in names if entry["path"] in asked]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None: ...

    return Hub
