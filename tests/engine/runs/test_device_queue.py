"""One engine at a time on a device, in the order of run ids, whatever dies: with processes that wait as engines do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support import events_of, taken_device, wait_for

from engine.contract.events import EventWriter, Queued, RunStarted
from engine.runs.device_queue import queue_folder, wait_for_turn
from engine.runs.devices import DeviceName
from engine.runs.run import Run
from engine.runs.workspace import Workspace

CPU = DeviceName("cpu", "cpu")
WAITER = """
import sys
from pathlib import Path
from engine.runs import device_queue
from engine.runs.devices import DeviceName
from engine.contract.events import EventWriter, RunStarted
from engine.runs.run import Run
device_queue._ARRIVAL_SECONDS = 600  # however long a busy machine takes to start the others
run = Run(Path(sys.argv[1]))
emit = EventWriter(run.metrics)
device_queue.wait_for_turn(DeviceName("cpu", "cpu"), run, emit)
emit(RunStarted(0, "host"))
with open(sys.argv[2], "a") as order:
    order.write(run.id + " ")
"""
Wait = Callable[[Run], "subprocess.Popen[bytes]"]


@pytest.fixture
def order(tmp_path: Path) -> Path:
    """Where the runs that had their turn are noted, one after the other."""
    path = tmp_path / "order"
    path.touch()
    return path


@pytest.fixture
def wait(order: Path) -> Iterator[Wait]:
    """Starts a process that queues for the cpu, which is taken, and has ended as soon as it has had its turn."""
    with ExitStack() as processes:

        def start(run: Run) -> subprocess.Popen[bytes]:
            process = subprocess.Popen([sys.executable, "-c", WAITER, str(run.path), str(order)])
            processes.enter_context(process)
            processes.callback(process.kill)
            wait_for(lambda: run.status().pid is not None, "its place in the queue")
            return process

        yield start


@contextmanager
def taken(run: Run, device: str = "cpu") -> Iterator[subprocess.Popen[str]]:
    """A process that has taken the free `device` for `run`, which says so, until its stdin is closed."""
    with taken_device(run, device) as holder:
        EventWriter(run.metrics)(RunStarted(holder.pid, "host"))
        yield holder


def runs(folder: Path, count: int) -> list[Run]:
    return [Workspace(folder).new_run("tiny") for _ in range(count)]


def test_the_device_goes_from_run_to_run_in_the_order_of_their_ids(tmp_path: Path, order: Path, wait: Wait) -> None:
    holding, first, second, third = runs(tmp_path, 4)
    with taken(holding) as holder:
        waiting = [wait(run) for run in (third, first, second)]
        holder.communicate()
        assert [process.wait(timeout=60) for process in waiting] == [0, 0, 0]
    assert order.read_text().split() == [first.id, second.id, third.id]


def test_two_that_start_at_once_keep_the_order_of_their_ids(tmp_path: Path, order: Path, wait: Wait) -> None:
    first, second = runs(tmp_path, 2)
    waiting = wait(second)
    assert [(event.ahead, event.holder) for event in events_of(second) if isinstance(event, Queued)] == [(1, None)]
    wait(first)
    assert waiting.wait(timeout=60) == 0
    assert order.read_text().split() == [first.id, second.id]


def test_a_run_whose_engine_never_came_holds_up_nobody(tmp_path: Path, order: Path, wait: Wait) -> None:
    lost, first, second = runs(tmp_path, 3)
    os.utime(lost.path, (0, 0))
    with taken(first) as holder:
        process = wait(second)
        assert [event.ahead for event in events_of(second) if isinstance(event, Queued)] == [1]
        holder.communicate()
        assert process.wait(timeout=60) == 0


def test_runs_of_different_workspaces_wait_for_each_other(tmp_path: Path, order: Path, wait: Wait) -> None:
    (here,), (there,) = runs(tmp_path / "here", 1), runs(tmp_path / "there", 1)
    with taken(here) as holder:
        process = wait(there)
        (event,) = events_of(there)
        assert isinstance(event, Queued)
        assert (event.device, event.ahead, event.holder, event.holder_pid) == ("cpu", 1, str(here.path), holder.pid)
        assert order.read_text() == ""
        holder.communicate()
        assert process.wait(timeout=60) == 0
    assert order.read_text().split() == [there.id]


def test_runs_on_different_devices_do_not_wait(tmp_path: Path) -> None:
    on_cpu, on_mps = runs(tmp_path, 2)
    with taken(on_cpu), taken(on_mps, "mps"):
        pass


def test_a_holder_that_is_killed_frees_the_device(tmp_path: Path, wait: Wait) -> None:
    holding, run = runs(tmp_path, 2)
    with taken(holding) as holder:
        process = wait(run)
        holder.kill()
        assert process.wait(timeout=60) == 0


def test_a_killed_waiter_holds_up_nobody_and_leaves_nothing_behind(tmp_path: Path, order: Path, wait: Wait) -> None:
    holding, dead, run = runs(tmp_path, 3)
    with taken(holding) as holder:
        killed = wait(dead)
        killed.kill()
        killed.wait()
        assert [path.name for path in queue_folder(CPU).glob("*.ticket")] == [f"{dead.id}-{killed.pid}.ticket"]
        process = wait(run)
        holder.communicate()
        assert process.wait(timeout=60) == 0
    assert order.read_text().split() == [run.id]
    assert [path.name for path in queue_folder(CPU).iterdir()] == ["device.lock"]


def test_a_waiting_run_says_again_when_what_it_waits_for_changes(tmp_path: Path, wait: Wait) -> None:
    holding, first, second = runs(tmp_path, 3)

    def told() -> list[tuple[int, str | None]]:
        return [(event.ahead, event.holder) for event in events_of(second) if isinstance(event, Queued)]

    with taken(holding):
        ahead = wait(first)
        wait(second)
        assert told() == [(2, str(holding.path))]
        ahead.kill()
        wait_for(lambda: len(told()) > 1, "word of one less before it")
        assert told()[1:] == [(1, str(holding.path))]


def test_each_user_and_each_machine_has_a_queue_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = queue_folder(CPU)
    assert mine.is_relative_to(tmp_path) and socket.gethostname() in mine.parts
    assert queue_folder(DeviceName("cuda:0", "GPU-1")) != queue_folder(DeviceName("cuda:0", "GPU-2"))
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    on_another_machine = queue_folder(CPU)
    for variable in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "another home"))
    assert len({mine, on_another_machine, queue_folder(CPU)}) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_an_error_not_a_wait(tmp_path: Path) -> None:
    queue_folder(CPU).mkdir(parents=True)
    queue_folder(CPU).chmod(0o500)
    with pytest.raises(PermissionError):
        wait_for_turn(CPU, runs(tmp_path, 1)[0], lambda event: None)
