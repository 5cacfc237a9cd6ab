"""A run's state follows from its events and its lock."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest

from engine.contract.errors import UserError
from engine.contract.events import (
    EndReason,
    Eval,
    Event,
    EventWriter,
    Prepare,
    Prepared,
    Queued,
    Resumed,
    RunEnded,
    RunStarted,
    Step,
    Warning,
)
from engine.contract.run import Run, RunInfo, RunStatus
from engine.contract.workspace import Workspace

STARTED, PREPARED = RunStarted(1, "host"), Prepared("data/x", 300, 1000, 100, False)
QUEUED = Queued(1, "host", "cpu", 1)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Workspace(tmp_path).new_run("tiny")


def say(run: Run, *events: Event) -> None:
    writer = EventWriter(run.metrics)
    for event in events:
        writer(event)
    writer.close()


HOLDER = """
import sys
from pathlib import Path
from engine.contract.run import Run
lock = Run(Path(sys.argv[1])).hold_lock()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def engine(run: Run) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the run's lock."""
    command = [sys.executable, "-c", HOLDER, str(run.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def long_ago(run: Run) -> None:
    os.utime(run.path, (time.time() - 60, time.time() - 60))


def test_a_run_that_was_just_made_is_queued_and_later_lost(run: Run) -> None:
    assert run.state() == "queued"
    long_ago(run)
    assert run.state() == "lost"


def test_a_run_whose_engine_has_said_nothing_yet_is_queued_however_old(run: Run) -> None:
    with engine(run):
        long_ago(run)
        assert run.state() == "queued"


def test_a_live_run_prepares_and_then_trains_and_is_lost_when_killed(run: Run) -> None:
    with engine(run) as process:
        say(run, STARTED)
        assert run.is_alive()
        assert run.state() == "preparing"
        say(run, PREPARED)
        assert run.state() == "training"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not run.is_alive()
        assert run.state() == "lost"


def test_a_run_that_waits_for_its_device_is_queued_until_it_starts(run: Run) -> None:
    with engine(run) as process:
        long_ago(run)
        say(run, QUEUED)
        assert run.state() == "queued"
        assert (run.status().pid, run.status().host, run.status().started) == (1, "host", None)
        say(run, STARTED)
        assert run.state() == "preparing"
        assert run.status().queued is None
        say(run, RunEnded("stopped"), QUEUED)
        assert run.state() == "queued", "a resumed one waits as well"
        process.kill()
        process.wait()
        assert run.state() == "lost"


def test_a_run_that_is_cancelled_in_the_queue_is_stopped(run: Run) -> None:
    say(run, QUEUED, RunEnded("stopped"))
    assert run.state() == "stopped"
    assert run.status().queued is None


@pytest.mark.parametrize("reason", get_args(EndReason))
def test_an_ended_run_is_what_its_last_word_says(run: Run, reason: EndReason) -> None:
    say(run, STARTED, PREPARED, RunEnded(reason, error="why"))
    assert run.state() == reason
    assert run.status().error == "why"
    with engine(run):
        assert run.state() == reason, "an engine that is about to resume has not said so yet"


def test_a_resumed_run_is_alive_again_and_may_be_lost_again(run: Run) -> None:
    say(run, STARTED, PREPARED, RunEnded("failed", error="why"), RunStarted(2, "other"))
    assert run.state() == "lost"
    with engine(run):
        assert run.state() == "preparing", "what the earlier process had prepared does not count"
        say(run, PREPARED, Resumed(4))
        assert run.state() == "training"
    status = run.status()
    assert (status.pid, status.host, status.error) == (2, "other", None)


def test_a_run_that_ends_while_it_is_looked_at_is_not_taken_for_lost(run: Run) -> None:
    say(run, STARTED, PREPARED)
    seen_before = run.status()
    say(run, RunEnded("finished"))
    assert run.state(seen_before) == "finished"


def look(path: Path, seconds: float) -> bool:
    """Whether the run was ever seen alive."""
    run, end = Run(path), time.monotonic() + seconds
    return any(run.is_alive() for _ in iter(lambda: time.monotonic() < end, False))


def test_two_who_look_at_a_dead_run_do_not_take_each_other_for_its_engine(run: Run) -> None:
    with run.hold_lock():
        pass
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.starmap(look, [(run.path, 0.5)] * 2) == [False, False]


def test_only_one_engine_holds_a_run(run: Run) -> None:
    with engine(run) as process:
        with pytest.raises(UserError, match=rf"{run} is running already; slm-tui stop {run.id} ends it"):
            run.hold_lock()
        process.kill()
        process.wait()
        with run.hold_lock():
            assert run.is_alive()
    assert not run.is_alive()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP])  # the first, filelock takes for its own ways
@pytest.mark.filterwarnings("ignore:flock not supported")
def test_on_a_filesystem_without_locks_no_engine_starts_and_none_is_alive(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_flock(file: object, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", no_flock)  # no such filesystem can be counted on where tests run
    with pytest.raises(UserError, match=r"on a filesystem without locks \(flock\).*; wants the workspace on another"):
        run.hold_lock()
    (run.path / "engine.lock").touch()
    assert not run.is_alive()


def test_looking_at_a_run_makes_no_files(run: Run) -> None:
    assert not run.is_alive()
    assert (run.info(), run.status(), list(run.path.iterdir())) == (None, RunStatus(), [])


def evaluation(step: int, loss: float) -> Eval:
    return Eval(step, loss, loss, 1.0, False)


def test_evaluations_after_the_step_resumed_from_are_superseded(run: Run) -> None:
    say(run, STARTED, evaluation(10, 3.0), evaluation(20, 2.0), evaluation(30, 1.0), RunStarted(2, "h"), Resumed(20))
    assert [each.step for each in run.status().evals] == [10, 20]
    best = run.status().best
    assert best is not None
    assert best.step == 20
    say(run, evaluation(30, 2.5))
    assert [(each.step, each.val_loss) for each in run.status().evals] == [(10, 3.0), (20, 2.0), (30, 2.5)]


def test_steps_after_the_one_resumed_from_do_not_count(run: Run) -> None:
    say(run, STARTED, *(Step(n, 1.0, 1.0, 1.0, n) for n in range(1, 31)), RunStarted(2, "h"), Resumed(20))
    assert run.status().step == 20
    say(run, Step(21, 1.0, 1.0, 1.0, 21))
    assert run.status().step == 21


def test_a_status_is_the_same_at_once_and_event_by_event(run: Run) -> None:
    events: list[Event] = [STARTED, PREPARED, *(Step(n, 1.0, 1.0, 1.0, n) for n in range(9)), evaluation(8, 1.0)]
    say(run, *events, Warning("mind"), RunEnded("finished"))
    followed = RunStatus.of(events)  # type: ignore[arg-type]
    for event in (Warning("mind"), RunEnded("finished")):
        followed.apply(event)
    seen = run.status()
    assert (seen.evals, seen.warnings, seen.last_word) == (followed.evals, ["mind"], "finished")
    assert seen.last_step == followed.last_step == events[10]
    assert seen.data == followed.data == PREPARED


def test_preparation_is_shown_until_it_is_over() -> None:
    progress = Prepare("tokenize", 3, 10)
    assert RunStatus.of([STARTED, progress]).preparing == progress
    assert RunStatus.of([STARTED, progress, PREPARED]).preparing is None


def test_the_time_between_a_stop_and_a_resume_is_not_counted() -> None:
    status = RunStatus.of(
        [
            RunStarted(1, "h", t=100.0),
            Step(1, 1.0, 1.0, 1.0, 1, t=130.0),
            RunEnded("stopped", t=140.0),
            RunStarted(2, "h", t=1000.0),
            RunEnded("finished", t=1005.0),
        ]
    )
    assert (status.seconds, status.started, status.updated) == (45.0, 100.0, 1005.0)


def test_time_is_told_by_the_clock_that_nobody_sets() -> None:
    """Set back by an hour in the first process; the second one runs on a machine that has started anew."""
    status = RunStatus.of(
        [
            RunStarted(1, "h", t=10_000.0, clock=500.0),
            Step(1, 1.0, 1.0, 1.0, 1, t=6_430.0, clock=530.0),
            RunEnded("stopped", t=6_440.0, clock=540.0),
            Queued(2, "h", "cpu", 1, t=20_000.0, clock=3.0),
            RunStarted(2, "h", t=20_100.0, clock=103.0),
            RunEnded("finished", t=20_105.0, clock=108.0),
        ]
    )
    assert (status.seconds, status.started, status.updated) == (45.0, 10_000.0, 20_105.0)


def test_the_time_in_a_queue_is_not_counted() -> None:
    status = RunStatus.of(
        [
            Queued(1, "h", "cpu", 2, t=100.0),
            Queued(1, "h", "cpu", 1, t=150.0),
            RunStarted(1, "h", t=200.0),
            RunEnded("stopped", t=210.0),
            Queued(2, "h", "cpu", 1, t=300.0),
            RunEnded("stopped", t=400.0),
            Queued(3, "h", "cpu", 1, t=500.0),
            RunStarted(3, "h", t=600.0),
            RunEnded("finished", t=605.0),
        ]
    )
    assert (status.seconds, status.started, status.updated) == (15.0, 200.0, 605.0)


def test_run_json_comes_back_as_written(run: Run) -> None:
    info = RunInfo(run.id, run.name, "2026-11-21T01:33:55+00:00", ["x"], {"torch": "2"}, None, "host", "cpu", 1)
    assert run.info() is None
    run.info_file.write_bytes(b'{"run_id": "\xff"}')
    assert run.info() is None, "as damaged as any other, though it is JSON"
    run.write_info(info)
    assert run.info() == info
    assert b"\n" in run.info_file.read_bytes(), "for people to read"


def test_a_runs_experiment_is_the_file_beside_it(run: Run, tiny: str) -> None:
    run.experiment_file.write_text(tiny, encoding="utf-8")
    assert run.experiment().train.max_steps == 24
