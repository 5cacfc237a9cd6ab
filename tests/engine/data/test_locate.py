"""`data.files`: paths, globs and URLs; the mirror comes first, a download is kept."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.contract.errors import UserError
from engine.contract.events import Event, Prepare
from engine.data.locate import locate
from engine.runs.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "workspace"
    root.mkdir()
    return Workspace(root)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/missing.txt":
            self.send_error(404)
            return
        self.send_response(200)
        content = b"a story" * 1000
        self.send_header("Content-Length", str(len(content) + (9 if path == "/broken.txt" else 0)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def found(entry: str, workspace: Workspace, mirror: Path | None = None) -> list[str]:
    return [file.name for file in locate([entry], workspace, mirror, lambda event: None)]


def address(server: http.server.ThreadingHTTPServer) -> str:
    return f"127.0.0.1:{server.server_address[1]}"


def test_a_glob_is_sorted_and_relative_to_the_workspace(workspace: Workspace) -> None:
    for name in ("b.txt", "a.txt", "deep/c.txt", "a.csv"):
        (workspace.root / name).parent.mkdir(exist_ok=True)
        (workspace.root / name).touch()
    assert found("*.txt", workspace) == ["a.txt", "b.txt"]
    assert found("**/*.txt", workspace) == ["a.txt", "b.txt", "deep/c.txt"]
    assert found(str(workspace.root / "a.csv"), workspace) == [str(workspace.root / "a.csv")]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(workspace: Workspace) -> None:
    (workspace.root / "story [1].txt").touch()
    assert found("story [1].txt", workspace) == ["story [1].txt"]


def test_a_missing_file_names_the_nearest(workspace: Workspace) -> None:
    (workspace.root / "stories.txt").touch()
    with pytest.raises(UserError, match=r"storys\.txt: no such file in .*; did you mean stories\.txt\?"):
        found("storys.txt", workspace)


def test_a_home_that_there_is_not_is_a_missing_file(workspace: Workspace) -> None:
    with pytest.raises(UserError, match=r"^data\.files: ~nobody-of-this-name/a\.txt: no such file"):
        found("~nobody-of-this-name/a.txt", workspace)


def test_a_folder_is_no_file(workspace: Workspace) -> None:
    (workspace.root / "corpus").mkdir()
    with pytest.raises(UserError, match=r"corpus is a folder; name its files, such as corpus/\*\.csv"):
        found("corpus", workspace)


def test_the_mirror_comes_before_the_network(workspace: Workspace, tmp_path: Path) -> None:
    mirrored = tmp_path / "mirror" / "no.such.host.invalid" / "deep" / "a b.csv"
    mirrored.parent.mkdir(parents=True)
    mirrored.touch()
    files = locate(["https://no.such.host.invalid/deep/a%20b.csv"], workspace, tmp_path / "mirror", lambda event: None)
    assert [(file.path, file.name) for file in files] == [(mirrored, "https://no.such.host.invalid/deep/a%20b.csv")]


def test_a_download_is_kept_for_the_next_time(workspace: Workspace, server: http.server.ThreadingHTTPServer) -> None:
    events: list[Event] = []
    url = f"http://{address(server)}/deep/stories.txt?download=true"
    first = locate([url], workspace, None, events.append)
    kept = workspace.data / "downloads" / address(server) / "deep" / "stories.txt?download=true"
    assert first[0].path == kept
    assert kept.read_bytes() == b"a story" * 1000
    last = events[-1]
    assert isinstance(last, Prepare)
    assert (last.phase, last.done, last.total) == ("download", 7000, 7000)

    server.server_close()  # no second download is possible
    assert locate([url], workspace, None, events.append) == first


@pytest.mark.parametrize(
    ("name", "wanted"), [("missing.txt", "the server answered 404"), ("broken.txt", "lost after 7,000 of 7,009")]
)
def test_a_failed_download_leaves_nothing(
    workspace: Workspace, server: http.server.ThreadingHTTPServer, name: str, wanted: str
) -> None:
    with pytest.raises(UserError, match=wanted):
        found(f"http://{address(server)}/{name}", workspace)
    left = [path for path in (workspace.data / "downloads").rglob("*") if path.is_file()]
    assert [path.suffix for path in left] in ([], [".lock"])


def test_without_a_network_the_message_tells_of_the_mirror(workspace: Workspace, tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/stories.txt"
        with pytest.raises(UserError) as caught:
            locate([url, "a.txt", "http://host/b?c=1&d=2"], workspace, tmp_path, lambda event: None)
    message = str(caught.value)
    assert f"wget -x -P DIR {url} 'http://host/b?c=1&d=2'\n" in message, "every file that the network has"
    assert "SLM_DATA_MIRROR=DIR" in message
    assert str(tmp_path / "127.0.0.1") in message


@pytest.mark.parametrize(
    "url", ["https:///a.txt", "https://host", "https://host/../../a.txt", "https://host/%2e%2e/a.txt"]
)
def test_a_url_cannot_leave_the_mirror(workspace: Workspace, tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="wants https://HOST/PATH"):
        found(url, workspace, tmp_path)
