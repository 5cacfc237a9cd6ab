"""`slm-tui serve`: what it refuses, what it warns of, what it prints. Its pages: tests/slm_tui/web."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runs.workspace import Workspace

pytest.importorskip("textual_serve", reason="textual-serve is not installed: pip install 'slm-tui[web]'")

from web_pages import Served, served

Program = Callable[..., "subprocess.CompletedProcess[str]"]
CODE = "anyone who reaches it can run code on this machine as you"
STORIES = "anyone who reaches it can have stories written on this machine, with its processors and its memory"


def test_without_a_word_it_is_the_dashboard_for_this_machine_alone(workspace: Workspace) -> None:
    with served(workspace.root) as server:
        assert server.said == f"slm-tui: {server.url}\n"
        assert server.url.startswith("http://127.0.0.1:")
        assert server.end() == (0, "Ctrl+C ends it.\n")


@pytest.mark.parametrize("way", [("--host", "0.0.0.0"), ("--host", "::"), ("--public-url", "https://lab.example")])
def test_other_machines_are_let_in_only_if_one_says_so(program: Program, way: tuple[str, str]) -> None:
    result = program("serve", "--port", "0", *way)
    wanted = f"slm-tui: {' '.join(way)}: {CODE}; --expose says that you want that\n"
    assert (result.returncode, result.stdout, result.stderr) == (2, "", wanted)


@pytest.mark.parametrize(("what", "danger"), [((), CODE), (("--stories", "tiny"), STORIES)], ids=["all", "stories"])
def test_who_says_so_is_warned_of_what_comes_with_it(
    trained_workspace: Workspace, what: tuple[str, ...], danger: str
) -> None:
    with served(trained_workspace.root, *what, "--host", "0.0.0.0", "--expose") as server:
        assert server.url.startswith(f"http://{socket.gethostname()}:")
        assert server.ask("/", {"Host": f"192.0.2.7:{server.url.rpartition(':')[2]}"})[0] == 200
        code, said = server.end()
    assert code == 0 and said.startswith(f"Careful: {danger}. There is no password")


def test_behind_a_proxy_the_public_address_is_printed_and_known(workspace: Workspace) -> None:
    server = Served(workspace.root, "--public-url", "https://Lab.example/", "--expose")
    try:
        assert server.said == "slm-tui: https://lab.example\n"
    finally:
        server.end()


def test_a_port_that_is_taken_is_told(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = program("serve", "--port", str(port))
    assert result.returncode == 2
    assert result.stderr.startswith(f"slm-tui: port {port} of 127.0.0.1: ") and "--port takes another" in result.stderr


def test_a_run_that_cannot_write_is_told(program: Program, new_run: Callable[..., object]) -> None:
    assert "no experiment or run 'nothing'" in program("serve", "--stories", "nothing").stderr
    run = new_run()
    assert f"{run} has no best checkpoint" in program("serve", "--stories", "tiny").stderr


def test_the_missing_extra_is_named(program: Program, tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "textual_serve.py").write_text("raise ImportError('not here')")
    result = program("serve", PYTHONPATH=str(tmp_path / "without"))
    wanted = "slm-tui: serve needs textual-serve, which is not installed: pip install 'slm-tui[web]'\n"
    assert (result.returncode, result.stderr) == (2, wanted)
