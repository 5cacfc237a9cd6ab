"""A run's events as columns of numbers, and what of them can be charted (pure but for reading).

Only numpy arrays are kept, so a run of a million events takes some 80 MB and is drawn in milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from engine.contract.events import AnyEvent
from slm_tui.charts.blocks import FIELDS, KINDS, Block, block_of, read_blocks, read_samples
from slm_tui.charts.columns import Columns
from slm_tui.charts.scale import HUGE, Floats
from slm_tui.charts.ticks import Kind, scientific
from slm_tui.formats import decimal, quantity, size

Axis = Literal["step", "tokens", "time"]
AXES: tuple[Axis, ...] = ("step", "tokens", "time")


@dataclass(frozen=True)
class MetricCurve:
    """One line of a chart; `name` is what `RunSeries.curve` takes."""

    name: str
    label: str = ""
    smooth: bool = True  # whether smoothing is for it: not for what has no noise, nor for a few evaluations
    points: bool = False  # a mark at each point, where there are few


@dataclass(frozen=True)
class Metric:
    """Something that can be charted."""

    key: str
    title: str
    unit: str
    curves: tuple[MetricCurve, ...]
    format: Callable[[float], str]
    log_y: bool = False  # until a person says otherwise
    kind: Kind = "number"
    shown: tuple[float, ...] = ()  # values that a linear y axis always shows, such as 0
    ceiling: float | None = None  # of the y axis, where there are values below it: beyond it, none tells anything
    empty: str = "no step yet"


def _percent(value: float) -> str:
    return f"{value:.0f} %"


def _system(key: str, title: str, unit: str, text: Callable[[float], str], kind: Kind = "number") -> Metric:
    shown = (0.0, 100.0) if key == "gpu_percent" else (0.0,)
    return Metric(key, title, unit, (MetricCurve(key),), text, kind=kind, shown=shown, empty="not measured here")


def _validation(name: str) -> MetricCurve:
    return MetricCurve(name, "validation", smooth=False, points=True)


METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric("loss", "loss", "nats/token", (MetricCurve("loss", "train"), _validation("val_loss")), decimal, True),
        Metric(
            "perplexity",
            "perplexity",
            "",
            (MetricCurve("perplexity", "train"), _validation("val_perplexity")),
            lambda value: decimal(value, 2),
            True,
            ceiling=1e6,  # worse than guessing, whatever the vocabulary
        ),
        Metric("lr", "learning rate", "", (MetricCurve("lr", smooth=False),), scientific, shown=(0.0,)),
        Metric("grad_norm", "gradient norm", "", (MetricCurve("grad_norm"),), decimal, shown=(0.0,)),
        Metric(
            "tokens_per_second", "throughput", "tokens/s", (MetricCurve("tokens_per_second"),), quantity, shown=(0.0,)
        ),
        _system("gpu_percent", "GPU use", "%", _percent),
        _system("gpu_memory_bytes", "GPU memory", "", size, "bytes"),
        _system("gpu_power_watts", "GPU power", "W", lambda value: f"{value:.0f} W"),
        _system("cpu_percent", "CPU use", "% of one core", _percent),
        _system("memory_bytes", "memory", "", size, "bytes"),
    )
}

_PLACE = ("step", "seconds")  # the first columns of every table
_TABLES = {name: (*_PLACE, *(f for f in FIELDS[name] if f != "step")) for name in ("step", "eval", "system")}
_DERIVED = {"perplexity": "loss", "val_perplexity": "val_loss"}  # exp of them, never stored
_TABLE_OF = {column: table for table, columns in _TABLES.items() for column in columns if column not in _PLACE}


class RunSeries:
    """The points of one run that count, with their step and the seconds of training until then.

    A `resumed` event takes back the points after its step. Points whose steps are not in order are sorted.
    """

    def __init__(self) -> None:
        self.revision = 0  # goes up with every change, for those who keep something derived
        self.checkpoints: dict[str, int] = {}  # the newest of each kind, "best" and "last": its step
        self._tables = {name: Columns(names) for name, names in _TABLES.items()}
        self._step = 0.0  # the latest, to which readings of the machine belong
        self._seconds = 0.0
        self._latest = {"t": np.nan, "clock": np.nan}  # of the latest event

    @classmethod
    def load(cls, path: Path, end: int | None = None, pause: float = 0.0) -> RunSeries:
        """The run as told by the whole lines in the first `end` bytes of its `metrics.jsonl`; all of it if None.

        A million events take one or two seconds, so do it in a thread; `pause`, in seconds, is for other threads to
        get on after every two thousand of them. A missing file is an empty run.
        """
        series = cls()
        for block in read_blocks(path, end):
            series._fold(block)
            if pause:
                time.sleep(pause)
        return series

    @classmethod
    def sketch(cls, path: Path, end: int | None = None) -> RunSeries:
        """The run as told by about 20,000 lines, from all over a file too long to wait for; at once."""
        series = cls()
        for block in read_samples(path, end):
            series._fold(block)
        return series

    def apply(self, events: Sequence[AnyEvent]) -> None:
        """Take in what comes next."""
        if events:
            self._fold(block_of(events))

    def curve(self, name: str, axis: Axis = "step", smoothing: float = 0.0) -> tuple[Floats, Floats]:
        """x, never falling, in steps, tokens or seconds of training, and y, NaN where there is a gap.

        `smoothing` is the weight of the past, 0 to 1. Perplexity is exp of the smoothed loss. Use the arrays
        before the next `apply`.
        """
        column = _DERIVED.get(name, name)
        table = self._tables[_TABLE_OF[column]]
        x, y = self._x(table, axis), table.smoothed(column, smoothing) if smoothing else table[column]
        if name in _DERIVED:
            with np.errstate(over="ignore"):
                y = np.exp(y)
        if np.any(x[1:] < x[:-1]):
            order = np.argsort(x, kind="stable")
            x, y = x[order], y[order]
        return x, y

    def smooth_all(self, smoothing: float) -> None:
        """Smooth every curve now, in the thread that calls this, so that drawing them need not."""
        for metric in METRICS.values():
            for part in metric.curves:
                if part.smooth and smoothing:
                    self.curve(part.name, smoothing=smoothing)

    def __len__(self) -> int:
        """How many steps it has."""
        return len(self._tables["step"]["step"])

    def position(self, step: float, axis: Axis) -> float:
        """Where `step` lies on an axis, such as a checkpoint's; NaN before the first step."""
        steps = self._tables["step"]
        if not len(steps["step"]):
            return float("nan")
        if axis == "tokens":
            return float(self._tokens_at(np.array([step]))[0])
        return step if axis == "step" else float(np.interp(step, steps["step"], steps["seconds"]))

    def _x(self, table: Columns, axis: Axis) -> Floats:
        if axis == "tokens":
            return table["tokens"] if table is self._tables["step"] else self._tokens_at(table["step"])
        return table["step" if axis == "step" else "seconds"]

    def _tokens_at(self, steps: Floats) -> Floats:
        table = self._tables["step"]
        known, tokens = table["step"], table["tokens"]
        return np.interp(steps, np.concatenate(([0.0], known)), np.concatenate(([0.0], tokens)))

    def _fold(self, block: Block) -> None:
        kind, step = block.kind, block.numbers["step"]
        sane = (step >= 0) & (step < HUGE)  # False for NaN
        resumed = (kind == KINDS["resumed"]) & sane
        moves = sane & (resumed | (kind == KINDS["step"]))
        here = np.maximum.accumulate(np.where(moves, np.arange(len(step)), -1))
        latest = np.where(here >= 0, step[here], self._step)
        place = np.where(kind == KINDS["system"], latest, step)
        limit = np.where(resumed, step, np.inf)
        limit = np.minimum.accumulate(limit[::-1])[::-1]  # of the resumes that come later
        counts = (place >= 0) & (place <= limit) & (place < HUGE)
        columns = {**block.numbers, "step": place, "seconds": self._training_seconds(block)}
        self._take_back_after(limit[0] if len(limit) else np.inf)
        for name, table in self._tables.items():
            table.append(columns, (kind == KINDS[name]) & counts)
        for index, name in zip(np.flatnonzero(kind == KINDS["checkpoint"]), block.checkpoints, strict=True):
            if counts[index]:
                self.checkpoints[name] = int(step[index])
        self._step = float(latest[-1]) if len(latest) else self._step
        self.revision += 1

    def _training_seconds(self, block: Block) -> Floats:
        """Of each event; neither a pause between a stop and a resume nor the preparation of the data counts.

        As `engine.contract.events.seconds_between` has it, for many events at once.
        """
        by = {name: np.diff(block.numbers[name], prepend=latest) for name, latest in self._latest.items()}
        passed = np.where(np.isfinite(by["clock"]), by["clock"], by["t"])
        idle = np.isin(block.kind, [KINDS[name] for name in ("queued", "run_started", "prepare", "prepared")])
        passed[idle | ~(passed >= 0)] = 0.0  # a clock that was set back, or no time given
        seconds = self._seconds + np.cumsum(passed)
        if np.any(np.isfinite(block.numbers["t"])):
            times = block.numbers["t"]
            self._latest = {"t": float(times[np.isfinite(times)][-1]), "clock": float(block.numbers["clock"][-1])}
            self._seconds = float(seconds[-1])
        return seconds

    def _take_back_after(self, step: float) -> None:
        if step == np.inf:
            return
        for table in self._tables.values():
            table.keep(table["step"] <= step)
        self.checkpoints = {kind: at for kind, at in self.checkpoints.items() if at <= step}
