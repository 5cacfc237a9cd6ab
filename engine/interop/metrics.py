"""A run's metrics for other tools: a csv file for spreadsheets and data frames, or TensorBoard's event files.

The csv file has a line for each step, evaluation and look at the machine, in the order in which they came. Columns:

    event     "step", "eval" or "system": which of the other columns are filled
    t         when, in unix seconds
    step      optimizer step; of "system": the latest step before it
    tokens    seen so far
    loss lr grad_norm tokens_per_second mfu                               of "step"
    train_loss val_loss bits_per_byte best perplexity                     of "eval"; perplexity is exp(val_loss)
    gpu_percent gpu_memory_bytes gpu_memory_total_bytes gpu_power_watts cpu_percent memory_bytes      of "system"

What is unknown is empty. Steps that a resume took back are left out, here and in TensorBoard.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from engine.contract.errors import UserError
from engine.contract.events import Eval, EventReader, Resumed, Sample, Step, System
from engine.contract.run import Run

Point = Step | Eval | System | Sample
_GROUPS = {Step: "train", Eval: "eval", System: "system"}  # TensorBoard's, before the slash
_NO_FIGURES = ("t", "step", "best")


def columns() -> list[str]:
    """The csv file's."""
    names = [field.name for kind in (Step, Eval, System) for field in msgspec.structs.fields(kind)]
    first = ("event", "t", "step", "tokens")
    return [name for name in dict.fromkeys([*first, *names, "perplexity"]) if name != "clock"]


def write_csv(path: Path, run: Run) -> int:
    """Write the csv file; how many lines of figures it has.

    Raises:
        UserError: the run has no figures yet.
    """
    lines = 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns())
        writer.writeheader()
        for step, point in points(run):
            if not isinstance(point, Sample):
                kind = str(point.__struct_config__.tag)
                writer.writerow({"event": kind, "t": point.t, "step": step, **_figures(point)})
                lines += 1
    if not lines:
        raise UserError(f"{run} has no metrics yet")
    return lines


def write_tensorboard(folder: Path, run: Run) -> int:
    """Write an event file into the empty `folder`; how many points it has.

    Raises:
        UserError: the run has no figures yet, or tensorboardX is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise UserError(
            '--format tensorboard wants the package tensorboardX: pip install "slm-tui[tensorboard]"'
        ) from None
    count = 0
    with SummaryWriter(str(folder)) as writer:
        for step, point in points(run):
            count += 1
            if isinstance(point, Sample):
                writer.add_text(f"sample/{point.prompt or 'new story'}", point.text, step, walltime=point.t)
                continue
            for name, value in _figures(point).items():
                if value is not None and name not in _NO_FIGURES:
                    writer.add_scalar(f"{_GROUPS[type(point)]}/{name}", value, step, walltime=point.t)
        writer.add_text("experiment", _indented(run.experiment_file), 0)
    if not count:
        raise UserError(f"{run} has no metrics yet")
    return count


def points(run: Run) -> Iterator[tuple[int, Point]]:
    """Each figure's step and event, in their order, without those that a resume took back."""
    kept: list[tuple[int, Point]] = []
    step = 0
    reader = EventReader(run.metrics)
    while events := reader.read():
        for event in events:
            if isinstance(event, Resumed):
                step = event.step
                kept = [entry for entry in kept if entry[0] <= step]
            elif isinstance(event, Step | Eval | Sample):
                step = event.step
                kept.append((step, event))
            elif isinstance(event, System):
                kept.append((step, event))
    yield from kept


def _figures(point: Step | Eval | System) -> dict[str, Any]:
    no_figures = ("t", "clock", "step")
    figures = {name: value for name, value in msgspec.structs.asdict(point).items() if name not in no_figures}
    if isinstance(point, Eval):
        figures["perplexity"] = math.exp(min(point.val_loss, 700))  # the largest that a float holds is e^709
    return figures


def _indented(path: Path) -> str:
    """A file as Markdown shows it, letter for letter."""
    return "".join(f"    {line}\n" for line in path.read_text(encoding="utf-8-sig").splitlines())
