"""Programs that read datasets of a hub, each in a process that begins with `datasets` imported.

The import takes over a second, and `datasets` keeps so much in memory that each question wants a process of its own.
So these are forked off one that has imported it and has read nothing. What its import takes from the environment suits
all of them: HF_HOME is a relative folder, another one wherever a program works, and the hub has one address, at which
there is a server or none.

    python tests/warm_datasets.py SOCKET        # that process: a request a connection, until its stdin is closed
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from http.server import ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hub_server import hub_server


class WarmDatasets:
    """`python -c PROGRAM ARGUMENT`, where HF_HOME is `cache` in the current folder and the hub is at `port`."""

    def __init__(self, port: int, socket_path: Path) -> None:
        self.port = port
        self._socket_path = socket_path
        self._starting = threading.Lock()
        self._server: subprocess.Popen[str] | None = None

    def serving(self, files: Mapping[str, bytes], broken: str = "") -> AbstractContextManager[ThreadingHTTPServer]:
        """The hub has `files`, for as long as the block lasts."""
        return hub_server(files, broken, self.port)

    def run(self, program: str, argument: str, folder: Path) -> str:
        """What the program prints in `folder`.

        Raises:
            AssertionError: it failed.
        """
        hub = {"HF_HOME": "cache", "HF_ENDPOINT": f"http://127.0.0.1:{self.port}"}
        environment = {**os.environ, **hub, "PYTHONPATH": os.getcwd()}
        if sys.platform != "linux":  # a process that has loaded Apple's frameworks must not be forked
            command = [sys.executable, "-c", program, argument]
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout
        with self._starting:
            if self._server is None:
                self._server = self._started(environment)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._socket_path))
            request = {"program": program, "argument": argument, "folder": str(folder), "environment": environment}
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile(encoding="utf-8") as replies:
                reply = json.loads(replies.read() or '{"error": "the process ended without an answer"}')
        assert reply["error"] is None, reply["error"]
        return str(reply["said"])

    def _started(self, environment: dict[str, str]) -> subprocess.Popen[str]:
        command = [sys.executable, __file__, str(self._socket_path)]
        pipe = subprocess.PIPE
        server = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        return server

    def close(self) -> None:
        if self._server is not None:
            self._server.communicate()


@contextlib.contextmanager
def warm_datasets() -> Iterator[WarmDatasets]:
    """Programs that ask the hub at a port kept for it: bound, so that no other process gets it, and not listening, so
    that a connection is refused until a server that shares the port listens."""
    with socket.socket() as bound, TemporaryDirectory() as folder:  # the path of a Unix socket must be short
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(("127.0.0.1", 0))
        warm = WarmDatasets(bound.getsockname()[1], Path(folder) / "socket")
        try:
            yield warm
        finally:
            warm.close()


def _serve(path: str) -> None:
    """Answer each request in a process of its own, until stdin is closed."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                try:
                    _answer(connection)
                finally:
                    os._exit(0)
            connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _answer(connection: socket.socket) -> None:
    with connection.makefile(encoding="utf-8") as requests:
        request: dict[str, Any] = json.loads(requests.readline())
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["-c", request["argument"]]
    error = None
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            exec(request["program"], {"__name__": "__main__"})
        except BaseException:  # noqa: BLE001  it is the test that is told
            error = traceback.format_exc()
    connection.sendall(json.dumps({"said": said.getvalue(), "error": error}).encode())


if __name__ == "__main__":
    import datasets  # noqa: F401
    import fsspec.implementations.http  # noqa: F401
    import huggingface_hub.hf_api  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import torch  # noqa: F401  a stream asks whether it shares memory with torch's workers

    import engine.data.sources
    import engine.data.streaming  # noqa: F401

    _serve(sys.argv[1])
