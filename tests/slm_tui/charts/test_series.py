from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.contract.events import (
    AnyEvent,
    Checkpoint,
    Eval,
    Event,
    EventReader,
    Prepare,
    Prepared,
    Queued,
    Resumed,
    RunStarted,
    Step,
    System,
    encode,
)  # fmt: skip
from engine.contract.run import Run
from slm_tui.charts.series import METRICS, RunSeries

START = 1_000_000.0


def step(number: int, loss: float | None = 2.0, **fields: float) -> Step:
    t = fields.pop("t", START + number)
    values = {"lr": 1e-3, "grad_norm": 1.0, "tokens": number * 100, **fields}
    return Step(step=number, loss=loss, t=t, **values)  # type: ignore[arg-type]


def evaluation(number: int, val_loss: float = 3.0) -> Eval:
    return Eval(step=number, train_loss=2.0, val_loss=val_loss, bits_per_byte=1.0, best=True, t=START + number)


def started(t: float) -> list[AnyEvent]:
    data = Prepared(directory="d", vocab_size=9, train_tokens=9, val_tokens=9, cached=True, t=t)
    return [RunStarted(pid=1, host="h", t=t), Prepare(phase="read", done=1, t=t), data]


def series(*events: AnyEvent) -> RunSeries:
    made = RunSeries()
    made.apply(events)
    return made


def write(path: Path, events: Sequence[Event], *lines: bytes) -> Path:
    path.write_bytes(b"".join(map(encode, events)) + b"".join(lines))
    return path


def curve(of: RunSeries, name: str, axis: str = "step", smoothing: float = 0.0) -> tuple[list[float], list[float]]:
    x, y = of.curve(name, axis, smoothing)  # type: ignore[arg-type]
    return x.tolist(), y.tolist()


def test_every_metric_can_be_asked_of_a_run_without_events() -> None:
    for metric in METRICS.values():
        for part in metric.curves:
            for axis in ("step", "tokens", "time"):
                assert curve(RunSeries(), part.name, axis, 0.9) == ([], [])


def test_a_point_lies_at_its_step_its_tokens_or_its_seconds_of_training() -> None:
    run = series(*started(START), step(1), step(2), evaluation(2))
    assert curve(run, "loss") == ([1, 2], [2, 2])
    assert curve(run, "loss", "tokens") == ([100, 200], [2, 2])
    assert curve(run, "loss", "time") == ([1, 2], [2, 2])
    assert curve(run, "val_loss", "tokens") == ([200], [3])


def test_an_evaluation_between_logged_steps_has_the_tokens_of_its_own_step() -> None:
    run = series(step(10), evaluation(0), evaluation(15), step(20))
    assert curve(run, "val_loss", "tokens")[0] == [0, 1500]


def test_neither_a_pause_nor_preparation_counts_as_training() -> None:
    first = [*started(START - 500), step(1, t=START - 490)]
    second = [*started(START + 9000), Resumed(step=1, t=START + 9001), step(2, t=START + 9003)]
    assert curve(series(*first, *second), "loss", "time")[0] == [10, 13]


def test_a_clock_that_was_set_back_does_not_take_time_back() -> None:
    run = series(step(1, t=START), step(2, t=START + 5), step(3, t=START - 100), step(4, t=START - 99))
    assert curve(run, "loss", "time")[0] == [0, 5, 5, 6]


@pytest.mark.parametrize("at_once", [True, False])
def test_time_is_told_by_the_clock_that_nobody_sets(at_once: bool) -> None:
    """Set back by an hour after the first step; a second process runs on a machine that has started anew."""
    begun = [
        RunStarted(pid=1, host="h", t=START, clock=500.0),
        step(1, t=START + 1, clock=501.0),
        step(2, t=START - 3598, clock=502.0),
        RunStarted(pid=2, host="h", t=START + 9000, clock=700.0),
        Resumed(step=2, t=START + 9001, clock=701.0),
        step(3, t=START + 9002, clock=702.0),
        step(4, t=START + 99_999, clock=703.0),
    ]
    run = RunSeries()
    for part in [begun] if at_once else [[event] for event in begun]:
        run.apply(part)
    assert curve(run, "loss", "time")[0] == [1, 2, 4, 5]


def test_the_clocks_in_a_file_are_read(tmp_path: Path) -> None:
    events = [step(1, t=START, clock=10.0), step(2, t=START - 500, clock=14.0), step(3, t=START - 499)]
    path = write(tmp_path / "metrics.jsonl", events)
    assert curve(RunSeries.load(path), "loss", "time")[0] == [0, 4, 5]


def test_the_time_until_a_resumed_run_has_its_turn_is_no_training() -> None:
    first = [*started(START), step(1, t=START + 10)]
    second = [Queued(2, "h", "cpu", 1, t=START + 5000), *started(START + 9000), step(2, t=START + 9003)]
    assert curve(series(*first, *second), "loss", "time")[0] == [10, 13]


def test_a_reading_of_the_machine_belongs_to_the_latest_step() -> None:
    before = System(cpu_percent=1.0, t=START)
    run = series(before, step(5), System(cpu_percent=2.0, t=START + 6))
    run.apply([System(cpu_percent=3.0, t=START + 7), step(6), System(cpu_percent=4.0, t=START + 8)])
    assert curve(run, "cpu_percent") == ([0, 5, 5, 6], [1, 2, 3, 4])
    assert curve(run, "cpu_percent", "tokens")[0] == [0, 500, 500, 600]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_resume_takes_back_the_points_after_its_step(at_once: bool) -> None:
    events: list[AnyEvent] = []
    for attempt in range(20):
        events += [step(number, float(attempt)) for number in range(attempt + 1, attempt + 6)]
        events += [evaluation(attempt + 5), System(cpu_percent=float(attempt)), Resumed(step=attempt + 1)]
    run = RunSeries()
    for part in [events] if at_once else [[event] for event in events]:
        run.apply(part)
    assert curve(run, "loss") == (list(range(1, 21)), list(range(20)))
    assert curve(run, "val_loss") == ([], [])
    assert curve(run, "cpu_percent") == ([], [])


def test_a_resume_takes_back_checkpoints_too() -> None:
    def saved(kind: str, number: int) -> Checkpoint:
        return Checkpoint(kind=kind, step=number, path="")  # type: ignore[arg-type]

    run = series(step(1), saved("best", 1), step(2), saved("last", 2), step(3), saved("last", 3))
    assert run.checkpoints == {"best": 1, "last": 3}
    run.apply([Resumed(step=2)])
    assert run.checkpoints == {"best": 1}


def test_a_checkpoint_has_a_place_on_every_axis() -> None:
    run = series(*started(START), step(1), step(2), step(3))
    assert [run.position(2, axis) for axis in ("step", "tokens", "time")] == [2, 200, 2]
    assert np.isnan(RunSeries().position(2, "time"))


def test_steps_that_come_out_of_order_are_sorted_and_none_is_lost() -> None:
    run = series(step(5, 5.0), step(1, 1.0))
    run.apply([step(3, 3.0), step(4, 4.0), step(-7, 9.0)])
    assert curve(run, "loss") == ([1, 3, 4, 5], [1, 3, 4, 5])
    for axis in ("tokens", "time"):
        x = run.curve("loss", axis)[0]  # type: ignore[arg-type]
        assert (np.diff(x) >= 0).all()


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 1e305])
def test_what_is_no_number_or_an_absurd_one_is_a_gap(value: float | None) -> None:
    _, y = series(step(1), step(2, value), step(3)).curve("loss")
    assert np.isnan(y).tolist() == [False, True, False]


def test_perplexity_is_exp_of_the_smoothed_loss_and_a_gap_beyond_a_float() -> None:
    run = series(step(1, 1.0), step(2, 3.0), step(3, 5000.0))
    assert curve(run, "perplexity")[1][:2] == pytest.approx([np.exp(1), np.exp(3)])
    smooth = run.curve("loss", smoothing=0.6)[1]
    assert curve(run, "perplexity", smoothing=0.6)[1][:2] == pytest.approx(np.exp(smooth[:2]))
    assert not np.isfinite(run.curve("perplexity")[1][2])


def test_smoothing_goes_on_as_points_come_and_starts_anew_after_a_resume() -> None:
    events: list[AnyEvent] = [step(number, float(number % 7)) for number in range(1, 2001)]
    growing = RunSeries()
    for place in range(0, 2000, 100):
        growing.apply(events[place : place + 100])
        growing.curve("loss", smoothing=0.9)
    assert curve(growing, "loss", smoothing=0.9)[1] == pytest.approx(curve(series(*events), "loss", smoothing=0.9)[1])
    growing.apply([Resumed(step=500), step(501, 8.0)])
    again = series(*events[:500], step(501, 8.0))
    assert curve(growing, "loss", smoothing=0.9)[1] == pytest.approx(curve(again, "loss", smoothing=0.9)[1])


def same(one: RunSeries, other: RunSeries) -> bool:
    parts = [part.name for metric in METRICS.values() for part in metric.curves]
    return one.checkpoints == other.checkpoints and all(
        np.array_equal(x, y, equal_nan=True)
        for name in parts
        for axis in ("step", "tokens", "time")
        for x, y in zip(one.curve(name, axis), other.curve(name, axis), strict=True)  # type: ignore[arg-type]
    )


def history() -> list[AnyEvent]:
    events: list[AnyEvent] = [*started(START)]
    for number in range(1, 12_000):
        events.append(step(number, None if number % 900 == 0 else 2 + 1 / number, tokens_per_second=5.0 + number))
        if number % 50 == 0:
            events += [evaluation(number), Checkpoint(kind="last", step=number, path="p", t=START + number)]
            events.append(System(cpu_percent=90.0, memory_bytes=2**40 + number, t=START + number))
        if number % 3000 == 0:
            events += [*started(START + number), Resumed(step=number - 100, t=START + number)]
    return events


def test_a_file_loads_into_what_its_events_apply_to(tmp_path: Path) -> None:
    path = write(tmp_path / "metrics.jsonl", history())
    assert path.stat().st_size > 1 << 20  # more than is read at a time
    applied = RunSeries()
    reader = EventReader(path)
    while events := reader.read():
        applied.apply(events)
    assert same(RunSeries.load(path), applied)


def test_a_file_is_loaded_up_to_an_end_and_events_go_on_from_there(tmp_path: Path) -> None:
    events = history()
    whole = write(tmp_path / "whole.jsonl", events)
    head = len(b"".join(map(encode, events[:7001])))
    run = RunSeries.load(whole, head + 30)  # in the middle of a line, which is left out
    run.apply(events[7001:])
    assert same(run, RunSeries.load(whole))


ODD_LINES = [
    b'{"event":"step","step":7,"lo\n',
    b'{"event":"step","step":7,"loss":1.0,"lr":1,"grad_norm":1,"tokens":1}, {"event":"resumed","step":0}\n',
    b'{"event":"step","step":"7"}\n',
    b"null\n[]\n3\n\n",
    b"\xff\xfe\x00\n",
    b'{"event":"step","step":1' + b"0" * 400 + b"}\n",
    b'{"event":"tomorrow","step":[1,{"a":2}]}\n',
    b'{"event":"sample","step":1,"prompt":"","text":"' + b"x" * (3 << 20) + b'"}\n',
    b'{"event":"system","cpu_percent":null,"later":"\\u001b[31m"}\n',
]


@pytest.mark.parametrize("odd", ODD_LINES, ids=range(len(ODD_LINES)))
def test_an_odd_line_costs_nothing_but_itself(tmp_path: Path, odd: bytes) -> None:
    events = [step(number) for number in range(10, 4000)]
    lines = [encode(event) for event in events]
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"".join(lines[:2000]) + odd + b"".join(lines[2000:]) + odd)
    x = RunSeries.load(path).curve("loss")[0].tolist()
    assert [number for number in x if number >= 10] == [float(event.step) for event in events]


def test_a_torn_last_line_waits_and_a_missing_file_is_empty(tmp_path: Path) -> None:
    path = write(tmp_path / "metrics.jsonl", [step(1)], encode(step(2))[:-1])
    assert curve(RunSeries.load(path), "loss")[0] == [1]
    assert curve(RunSeries.load(tmp_path / "none"), "loss") == ([], [])
    assert curve(RunSeries.sketch(tmp_path / "none"), "loss") == ([], [])


def test_a_sketch_of_a_long_file_spans_it_and_of_a_short_one_is_complete(tmp_path: Path) -> None:
    short = write(tmp_path / "short.jsonl", history())
    assert same(RunSeries.sketch(short), RunSeries.load(short))
    long = write(tmp_path / "long.jsonl", [step(number) for number in range(120_000)])
    x, _ = RunSeries.sketch(long).curve("loss")
    assert 10_000 < len(x) < 60_000 and x[0] == 0 and x[-1] == 119_999


def test_a_real_run_has_its_curves(new_run: Callable[..., Run]) -> None:
    run = new_run([*started(START), step(1), evaluation(1), step(2)])
    assert curve(RunSeries.load(run.metrics), "loss")[0] == [1, 2]
