"""The queue for a device: one engine at a time, the others in the order of their run ids. OS locks are all of it.

    STATE/slm-tui/queue/HOST/DEVICE/
        device.lock          held by the engine that has the device; says which run it is
        RUN_ID-PID.ticket    held by an engine that waits

STATE is the user's, so that the runs of every workspace meet here; HOST is in the path because a home may be shared
among machines. A process that is killed gives up its locks with its life, so nothing here can go stale.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import platformdirs

from engine.contract.events import Emit, Queued
from engine.runs.devices import DeviceName
from engine.runs.run import Run
from engine.runs.workspace import Workspace

POLL_SECONDS = 0.25  # a waiting process looks so often; each look costs about a tenth of a millisecond
_ARRIVAL_SECONDS = 10.0  # an engine that was started takes its ticket within this, or is not waited for


class _Holder(msgspec.Struct):
    """What `device.lock` says: who took it last. Where it is not free, that is who has it."""

    run: str  # its directory
    pid: int


def queue_folder(device: DeviceName) -> Path:
    """Where this user's runs on this machine queue for `device`."""
    return platformdirs.user_state_path("slm-tui") / "queue" / socket.gethostname() / device.key


def wait_for_turn(device: DeviceName, run: Run, emit: Emit) -> None:
    """Take `device` for `run` until this process ends; while another has it, wait, and say so by `queued` events.

    It is never given back before that: a GPU's memory is free only when its process has gone.

    Raises:
        OSError: the queue's files cannot be used.
    """
    folder = queue_folder(device)
    folder.mkdir(parents=True, exist_ok=True)
    ticket = folder / f"{run.id}-{os.getpid()}.ticket"
    place = _lock(ticket)
    while place is None:  # another process looked at it just now
        time.sleep(POLL_SECONDS / 10)
        place = _lock(ticket)
    try:
        held = _wait(folder, ticket.name, device.label, run, emit)
        with suppress(OSError):  # a full disk: the others will not know whom they wait for
            os.ftruncate(held, 0)
            os.pwrite(held, msgspec.json.encode(_Holder(str(run.path), os.getpid())), 0)
    finally:
        ticket.unlink(missing_ok=True)
        os.close(place)


def _wait(folder: Path, ticket: str, label: str, run: Run, emit: Emit) -> int:
    """Wait until no smaller ticket is held and the device is free: the descriptor that holds its lock."""
    lock, said = folder / "device.lock", None
    while True:
        holder = _holder(lock)
        latest = {Path(holder.run).name} if holder else set()
        tickets = (path.name for path in folder.glob("*.ticket") if path.name < ticket and _is_held(path))
        before = {name.rpartition("-")[0] for name in tickets} | (_on_their_way(run) - latest)  # ids of runs
        if not before and (held := _lock(lock)) is not None:
            return held
        before |= latest
        if said != before:
            said = before
            queued = Queued(os.getpid(), socket.gethostname(), label, len(before))
            if holder is not None:
                queued.holder, queued.holder_pid = holder.run, holder.pid
            emit(queued)
        time.sleep(POLL_SECONDS)


def _on_their_way(run: Run) -> set[str]:
    """Earlier runs of the workspace that were made a moment ago and have said nothing: they come without a ticket yet.

    Two engines that are started at once may come here in either order.
    """

    def is_new(each: Run) -> bool:
        return time.time() - each.path.stat().st_mtime < _ARRIVAL_SECONDS

    def has_spoken(each: Run) -> bool:
        return each.metrics.exists() and each.metrics.stat().st_size > 0

    with suppress(FileNotFoundError):  # one was deleted meanwhile: the next look sees the others
        if is_new(run):  # else every earlier one has had its time
            earlier = (each for each in Workspace(run.workspace_folder).list_runs() if each.id < run.id)
            return {each.id for each in earlier if is_new(each) and not has_spoken(each)}
    return set()


def _holder(lock: Path) -> _Holder | None:
    try:
        return msgspec.json.decode(lock.read_bytes(), type=_Holder)
    except (FileNotFoundError, ValueError):  # it has not said so yet, or not whole
        return None


def _lock(path: Path) -> int | None:
    """Lock the file at `path`, made if need be: the descriptor that holds it, or None where another process does."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # deleted between the two calls: nobody else would see this lock


def _is_held(ticket: Path) -> bool:
    """Whether a process holds `ticket`. One whose process has gone is cleared away."""
    try:
        with open(ticket, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two who look see each other, until the next look
            if os.path.samestat(os.fstat(file.fileno()), os.stat(ticket)):  # it may be a new one by now
                ticket.unlink()
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
