"""Metrics out: a csv file that a data frame reads, and event files that TensorBoard reads."""

from __future__ import annotations

import csv
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.commands.export_ import export
from engine.contract.errors import UserError
from engine.contract.events import Eval, Event, EventWriter, Resumed, RunEnded, RunStarted, Sample, Step, System
from engine.interop.metrics import columns
from engine.runs.run import Run
from engine.runs.workspace import Workspace

EVENTS = [
    RunStarted(1, "here", t=100.0),
    Step(1, 4.0, 1e-3, 0.5, 128, None, t=101.0),
    System(cpu_percent=150.0, t=101.5),
    Step(2, None, 1e-3, None, 256, 900.0, t=102.0),
    Step(3, 99.0, 1e-3, None, 384, 900.0, t=103.0),
    Resumed(2, t=200.0),
    Step(3, 3.0, 1e-3, 0.25, 384, 1000.0, 0.5, t=201.0),
    Eval(3, 3.5, 3.25, 1.5, True, 384, t=202.0),
    Sample(3, "Once", "Once there was", t=203.0),
    RunEnded("finished", t=204.0),
]


def run_with(tmp_path: Path, tiny: str, events: list[Event]) -> Run:
    run = Workspace(tmp_path).new_run("tiny")
    run.experiment_file.write_text(tiny, encoding="utf-8")
    emit = EventWriter(run.metrics)
    for event in events:
        emit(event)
    emit.close()
    return run


def test_the_csv_file_has_a_line_for_each_figure_that_counts(tmp_path: Path, tiny: str) -> None:
    run = run_with(tmp_path, tiny, EVENTS)
    done = export(run, "best", "csv", tmp_path / "metrics.csv")
    with open(tmp_path / "metrics.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["event"], line["step"], line["loss"]) for line in lines] == [
        ("step", "1", "4.0"),
        ("system", "1", ""),
        ("step", "2", ""),
        ("step", "3", "3.0"),
        ("eval", "3", ""),
    ]
    assert done.points == 5
    assert (lines[1]["t"], lines[1]["cpu_percent"], lines[1]["tokens"]) == ("101.5", "150.0", "")
    assert (lines[3]["tokens"], lines[3]["mfu"]) == ("384", "0.5")
    assert (lines[4]["val_loss"], lines[4]["best"]) == ("3.25", "True")
    assert float(lines[4]["perplexity"]) == pytest.approx(math.exp(3.25))


def test_the_columns_are_those_that_the_documentation_has() -> None:
    import engine.interop.metrics as documented

    told = (documented.__doc__ or "").split("Columns:")[1]
    assert [name for name in columns() if name not in told] == []


def records(path: Path) -> Iterator[bytes]:
    """The records of an event file: length, its checksum, content, its checksum."""
    content = path.read_bytes()
    place = 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        yield content[place + 12 : place + 12 + length]
        place += 12 + length + 4


def test_tensorboard_gets_every_curve_and_story(tmp_path: Path, tiny: str) -> None:
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event as Recorded

    run = run_with(tmp_path, tiny, EVENTS)
    export(run, "best", "tensorboard", tmp_path / "board")
    (file,) = (tmp_path / "board").iterdir()
    assert file.name.startswith("events.out.tfevents.")
    read: dict[tuple[str, int], tuple[float, Any]] = {}
    for record in records(file):
        event = Recorded.FromString(record)
        for value in event.summary.value:
            text = b"".join(value.tensor.string_val).decode()
            read[value.tag.removesuffix("/text_summary"), event.step] = (event.wall_time, text or value.simple_value)
    assert read["train/loss", 1] == (101.0, 4.0)
    assert read["train/loss", 3] == (201.0, 3.0)
    assert ("train/loss", 2) not in read  # it was not finite
    assert read["eval/val_loss", 3] == (202.0, 3.25)
    assert read["eval/perplexity", 3][1] == pytest.approx(math.exp(3.25), rel=1e-6)
    assert read["system/cpu_percent", 1][1] == 150.0
    assert read["sample/Once", 3][1] == "Once there was"
    assert "n_layer = 2" in read["experiment", 0][1]


@pytest.mark.parametrize("format", ["csv", "tensorboard"])
def test_a_run_without_figures_exports_nothing(tmp_path: Path, tiny: str, format: Any) -> None:
    run = run_with(tmp_path, tiny, [RunStarted(1, "here"), RunEnded("failed")])
    with pytest.raises(UserError, match="has no metrics yet"):
        export(run, "best", format, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.glob(".out*")) == []
