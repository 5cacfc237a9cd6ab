"""One run's directory: its files, its lock, and the state that follows from its events and that lock.

runs/NAME/20261121T013355-7f3a/
    experiment.toml  run.json  metrics.jsonl  train.log  engine.lock  checkpoints/best/  checkpoints/last/
"""

from __future__ import annotations

import errno
import fcntl
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
from filelock import FileLock, Timeout

from engine.contract import event_search, events
from engine.contract.errors import UserError
from engine.contract.events import AnyEvent, Eval, Step, seconds_between
from engine.contract.experiment import Experiment
from engine.contract.files import replace_file
from engine.contract.loading import load_experiment

State = Literal["queued", "preparing", "training", "finished", "early_stopped", "stopped", "failed", "diverged", "lost"]
RESUMABLE: tuple[State, ...] = ("stopped", "failed", "lost", "diverged")
_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOLCK)  # what a filesystem without flock answers
_START_SECONDS = 30  # a launched engine takes its lock within this, also on a busy machine


class RunInfo(msgspec.Struct):
    """`run.json`, written once by the engine that started the run."""

    run_id: str
    name: str
    created: str  # ISO 8601, UTC
    command: list[str]
    versions: dict[str, str]
    git_commit: str | None
    host: str
    device: str
    seed: int


@dataclass(frozen=True)
class Run:
    """A run's directory."""

    path: Path

    def __str__(self) -> str:
        return f"{self.name}/{self.id}"

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def name(self) -> str:
        return self.path.parent.name

    @property
    def workspace_folder(self) -> Path:
        return self.path.parents[2]

    @property
    def experiment_file(self) -> Path:
        return self.path / "experiment.toml"

    @property
    def info_file(self) -> Path:
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "train.log"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def experiment(self) -> Experiment:
        """The experiment as it was started, overrides applied."""
        return load_experiment(self.experiment_file)

    def info(self) -> RunInfo | None:
        """`run.json`, or None before the engine has written it, or where it is damaged: the run is readable still."""
        try:
            return msgspec.json.decode(self.info_file.read_bytes(), type=RunInfo)
        except (OSError, ValueError):  # msgspec's, and bytes that are not UTF-8
            return None

    def write_info(self, info: RunInfo) -> None:
        replace_file(self.info_file, msgspec.json.format(msgspec.json.encode(info)))

    def lock(self) -> FileLock:
        """The lock that an engine holds while it lives."""
        return FileLock(self.path / "engine.lock")

    def hold_lock(self) -> FileLock:
        """Take the lock for this process's life.

        Raises:
            UserError: another engine holds it, or the filesystem has no locks.
        """
        lock = self.lock()
        try:
            lock.acquire(timeout=2)  # longer than `is_alive` of another process holds it
        except Timeout:
            raise UserError(f"{self} is running already; slm-tui stop {self.id} ends it") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        if lock.is_locked and type(lock) is FileLock:  # it may have become a mere file, which outlives a killed engine
            return lock
        lock.release()
        raise UserError(
            f"{self.path} is on a filesystem without locks (flock), by which a run tells that it is alive; "
            "wants the workspace on another one, such as a local disk"
        )

    def is_alive(self) -> bool:
        """Whether an engine process holds the lock now."""
        try:
            with open(self.path / "engine.lock", "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look see no engine in each other
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno not in _NO_LOCKS:  # where there are none, no engine starts
                raise
        return False

    def status(self) -> RunStatus:
        """What the events say, without every step: enough for a list."""
        return RunStatus.of(event_search.glance(self.metrics)[0])

    def state(self, status: RunStatus | None = None) -> State:
        """The run's state now, derived from its events and its lock."""
        status = status or self.status()
        if status.last_word is not None:
            return status.last_word
        if status.pid is None and self._was_just_made():
            return "queued"
        if not self.is_alive():
            return self._end_since() or "lost"
        if status.pid is None or status.queued:
            return "queued"
        return "training" if status.trains else "preparing"

    def _was_just_made(self) -> bool:
        try:
            return time.time() - self.path.stat().st_mtime < _START_SECONDS
        except OSError:  # deleted meanwhile
            return False

    def _end_since(self) -> events.EndReason | None:
        """How the run ended, where that was said after its status was read; looks at the last events alone."""
        told = (events.RunEnded, events.RunStarted, events.Queued)
        recent = event_search.last_events(self.metrics)
        last = next((event for event in reversed(recent) if isinstance(event, told)), None)
        return last.reason if isinstance(last, events.RunEnded) else None


@dataclass
class RunStatus:
    """Where a run stands: a fold over its events, which may go on being applied as they come."""

    pid: int | None = None
    host: str | None = None
    started: float | None = None  # unix seconds, first start
    latest: AnyEvent | None = None
    seconds: float = 0.0  # that engine processes worked on it, not those in a queue or between a stop and a resume
    queued: events.Queued | None = None  # what it waits for, while it does
    trains: bool = False
    last_word: events.EndReason | None = None
    error: str | None = None
    preparing: events.Prepare | None = None
    data: events.Prepared | None = None
    step: int = 0  # optimizer steps that count: a resume takes back those after its checkpoint
    last_step: Step | None = None
    evals: list[Eval] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, run_events: Iterable[AnyEvent]) -> RunStatus:
        status = cls()
        for event in run_events:
            status.apply(event)
        return status

    @property
    def updated(self) -> float | None:
        """When the run last said something, in unix seconds."""
        return self.latest.t if self.latest is not None else None

    @property
    def best(self) -> Eval | None:
        """The evaluation with the lowest validation loss."""
        return min(self.evals, key=lambda evaluation: evaluation.val_loss, default=None)

    @property
    def imported(self) -> bool:
        """Whether its weights were trained elsewhere: a training finishes on data that it has prepared."""
        return self.last_word == "finished" and self.data is None and self.step == 0

    def apply(self, event: AnyEvent) -> None:
        """Take in the next event."""
        begins = isinstance(event, events.RunStarted | events.Queued)
        if self.latest is not None and self.queued is None and not begins:
            self.seconds += seconds_between(self.latest, event)
        self.latest = event
        if isinstance(event, events.RunStarted | events.Queued):
            self.pid, self.host = event.pid, event.host
            self.trains, self.last_word, self.error = False, None, None
            self.queued = event if isinstance(event, events.Queued) else None
            if self.queued is None:
                self.started = self.started or event.t
        elif isinstance(event, events.Prepare):
            self.preparing = event
        elif isinstance(event, events.Prepared):
            self.data, self.preparing, self.trains = event, None, True
        elif isinstance(event, Step):
            self.step, self.last_step = event.step, event
        elif isinstance(event, Eval):
            self.evals.append(event)
        elif isinstance(event, events.Resumed):
            self.evals = [evaluation for evaluation in self.evals if evaluation.step <= event.step]
            self.step = event.step
        elif isinstance(event, events.Warning):
            self.warnings.append(event.message)
        elif isinstance(event, events.RunEnded):
            self.last_word, self.error, self.queued = event.reason, event.error, None
