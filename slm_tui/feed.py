"""A run as a view follows it: read in a thread, drawn by the one that owns the screen.

`open_feed` and `Feed.read` may wait for the disk, so a thread calls them; what they return is taken in by `apply`,
quickly, where it is drawn. A run of a million steps opens without decoding them one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.contract import events
from engine.contract.events import AnyEvent
from engine.runs.event_search import last_of, samples_in
from engine.runs.run import Run, RunStatus, State
from slm_tui.charts.series import RunSeries
from slm_tui.progress import RunProgress

_READ_BYTES = 1 << 18  # about 1,800 events: taken in within 10 ms, so that a key is never kept waiting

_PAUSE_SECONDS = 0.001  # after every piece read: keys are answered while a sketch stands for what is being read
_LONG_BYTES = 8 << 20  # about 50,000 events: a twentieth of a second and more


@dataclass
class Feed:
    """All that is known of `run`."""

    run: Run
    progress: RunProgress
    series: RunSeries
    samples: list[events.Sample] = field(default_factory=list)
    system: events.System | None = None

    @property
    def status(self) -> RunStatus:
        return self.progress.status

    def read(self) -> list[AnyEvent] | None:
        """What has come since the last call; None where the file was replaced, and the feed must be opened anew."""
        new = self.progress.poll(_READ_BYTES)
        return None if self.progress.restarted else new

    def apply(self, new: Sequence[AnyEvent]) -> None:
        """Take in what `read` returned."""
        self.progress.apply(new)
        self.series.apply(new)
        for event in new:
            if isinstance(event, events.Sample):
                self.samples.append(event)
            elif isinstance(event, events.System):
                self.system = event

    def state(self) -> State:
        """The run's state now; looks at its lock."""
        return self.run.state(self.status)


def is_long(run: Run) -> bool:
    """Whether reading all of the run's events takes so long that a sketch should be shown first."""
    try:
        return run.metrics.stat().st_size > _LONG_BYTES
    except FileNotFoundError:
        return False


def open_feed(run: Run, *, sketched: bool = False) -> Feed:
    """All that `run` has said so far; `sketched`, only as many of its points as a screen can show, at once.

    Raises:
        UserError: its experiment.toml cannot be read.
    """
    progress = RunProgress(run)
    end = progress.leap()
    series = RunSeries.sketch(run.metrics, end) if sketched else RunSeries.load(run.metrics, end, _PAUSE_SECONDS)
    samples, system = samples_in(run.metrics, end), last_of(run.metrics, events.System, end)
    return Feed(run, progress, series, samples, system)
