from __future__ import annotations

import numpy as np

from engine.contract.events import Checkpoint, Eval, Step
from slm_tui.charts.chart import Curve, readings, render
from slm_tui.charts.overlay import ChartOptions, Source, curves_of, entries_of, notes_of, place_text, view_of
from slm_tui.charts.series import METRICS, RunSeries

LOSS, LR = METRICS["loss"], METRICS["lr"]


def run(evaluated: bool = True, base: float = 2.0) -> RunSeries:
    series = RunSeries()
    for number in range(1, 101):
        loss = base + number % 5
        series.apply([Step(step=number, loss=loss, lr=1e-3, grad_norm=1.0, tokens=number * 10, t=float(number))])
        if evaluated and number % 50 == 0:
            series.apply([Eval(step=number, train_loss=2, val_loss=base, bits_per_byte=1, best=True, t=float(number))])
            series.apply([Checkpoint(kind="best", step=number, path="", t=float(number))])
    return series


def shown(curves: list[Curve]) -> list[tuple[str, int, bool]]:
    return [(curve.label, curve.colour, curve.faded) for curve in curves]


def test_one_run_shows_training_and_validation_in_colours_of_their_own() -> None:
    curves = curves_of([Source("r", run(), 3)], LOSS, ChartOptions())
    assert shown(curves) == [("train", 3, False), ("validation", 4, False)]


def test_smoothed_the_raw_curve_stays_behind_and_evaluations_are_left_alone() -> None:
    curves = curves_of([Source("r", run())], LOSS, ChartOptions(smoothing=0.9))
    assert shown(curves) == [("train", 0, True), ("validation", 1, False), ("", 0, False)]
    assert np.ptp(curves[2].y[50:]) < 1 < np.ptp(curves[0].y[50:])
    assert curves[1].y.tolist() == [2, 2]
    measured = run().curve("loss")[1][-1]
    assert entries_of(curves, LOSS, None)[0].value == LOSS.format(float(measured))


def test_several_runs_have_a_colour_and_a_letter_each_and_stand_by_their_evaluations() -> None:
    sources = [Source("a run", run(), 0), Source("another", run(evaluated=False, base=7), 5)]
    curves = curves_of(sources, LOSS, ChartOptions())
    assert shown(curves) == [("", 0, True), ("another", 5, False), ("a run", 0, False)]
    assert [curve.letter for curve in curves] == ["", "b", "a"]
    entries = entries_of(curves, LOSS, None)
    assert [(entry.mark, entry.label, entry.value) for entry in entries] == [
        ("a", "a run", "2.000"),
        ("b", "another", "7.000"),
    ]


def test_a_run_without_any_value_keeps_its_place_among_several() -> None:
    curves = curves_of([Source("new", RunSeries(), 0), Source("old", run(), 1)], LOSS, ChartOptions())
    assert [(entry.mark, entry.value) for entry in entries_of(curves, LOSS, None)] == [
        ("a", "none yet"),
        ("b", "2.000"),
    ]


def test_values_are_the_last_ones_or_those_under_the_cross_hair() -> None:
    curves = curves_of([Source("r", run())], LOSS, ChartOptions())
    assert [entry.value for entry in entries_of(curves, LOSS, None)] == ["2.000", "2.000"]
    assert [entry.value for entry in entries_of(curves, LOSS, readings(curves, 14))] == ["6.000", "2.000"]


def test_loss_is_logarithmic_until_a_person_says_otherwise_and_the_rate_is_not() -> None:
    def log(metric: str, choice: bool | None) -> bool:
        return view_of([], METRICS[metric], ChartOptions(y_log=choice), []).y_log

    assert [log("loss", None), log("lr", None), log("loss", False), log("lr", True)] == [True, False, False, True]


def test_a_checkpoint_is_marked_for_one_run_on_every_axis() -> None:
    source = Source("r", run())
    steps = [view_of([source], LOSS, ChartOptions(axis=axis), []).marks for axis in ("step", "tokens", "time")]
    assert steps == [((100, "◆"),), ((1000, "◆"),), ((99, "◆"),)]
    assert view_of([source, source], LOSS, ChartOptions(), []).marks == ()


def test_options_of_another_chart_are_adopted_but_for_the_y_axis() -> None:
    mine, other = ChartOptions(y_log=False), ChartOptions("tokens", x_log=True, y_log=True, smoothing=0.9)
    assert mine.adopting(other) == ChartOptions("tokens", x_log=True, y_log=False, smoothing=0.9)


def test_notes_say_what_was_done_to_the_curves() -> None:
    def notes(sources: list[Source], options: ChartOptions) -> list[str]:
        curves = curves_of(sources, LOSS, options)
        view = view_of(sources, LOSS, options, curves)
        return notes_of(view, render(curves, view, 60, 20), LOSS, options, curves)

    assert notes([Source("r", run())], ChartOptions(smoothing=0.9)) == ["nats/token", "log", "smoothed 0.9"]
    assert notes([Source("r", run(base=-1))], ChartOptions())[0] == "42 values of 0 or less left out"
    assert "validation, training faded" in notes([Source("r", run()), Source("s", run(), 1)], ChartOptions())
    assert notes([Source("r", RunSeries())], ChartOptions()) == ["nats/token"]


def test_a_place_is_told_in_the_axis_own_words() -> None:
    assert [place_text(10_200, "step"), place_text(1.2e6, "tokens"), place_text(750, "time")] == [
        "step 10,200",
        "1.2M tokens",
        "12 min 30 s",
    ]
