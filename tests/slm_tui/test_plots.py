"""Pictures of curves: what matplotlib is given to draw, and the files that come of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.contract.errors import UserError
from engine.contract.events import Eval, Event, Resumed, Step
from engine.runs.run import Run
from slm_tui.charts.overlay import ChartOptions, Source
from slm_tui.charts.palette import DARK, LIGHT
from slm_tui.plots import SUFFIXES, checked_output, drawn, matplotlib_at_hand, metrics_named, save, sources_of

pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'slm-tui[plot]'")

RAW = ChartOptions()
BOTH = metrics_named(["loss", "perplexity"])
BEGINNINGS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture(autouse=True)
def at_hand() -> Iterator[None]:
    with matplotlib_at_hand():
        yield


def step(number: int, loss: float | None) -> Step:
    return Step(step=number, loss=loss, lr=1e-3, grad_norm=1.0, tokens=128 * number, t=1000.0 + number)


def trained(level: float = 0.0) -> list[Event]:
    """Forty steps with a gap after step 20, taken back to step 30 and gone on from there; evaluations at 20 and 40."""
    return [
        *(step(number, None if number == 21 else level + 60 / number) for number in range(1, 41)),
        Eval(step=20, train_loss=level + 3, val_loss=level + 3.1, bits_per_byte=1.5, best=True, t=1041.0),
        Eval(step=40, train_loss=99, val_loss=99, bits_per_byte=9, best=False, t=1042.0),
        Resumed(step=30, t=1043.0),
        *(step(number, level + 1.0) for number in range(31, 41)),
        Eval(step=40, train_loss=level + 1, val_loss=level + 1.2, bits_per_byte=0.6, best=True, t=1090.0),
    ]


@pytest.fixture
def runs(new_run: Callable[..., Run]) -> list[Run]:
    return [new_run(trained()), new_run(trained(0.5))]


def lines(sources: Sequence[Source], options: ChartOptions = RAW, dark: bool = False) -> list[Any]:
    return list(drawn(sources, BOTH[:1], options, dark).axes[0].get_lines())


def long_ones(found: Sequence[Any]) -> list[Any]:
    return [line for line in found if len(line.get_xdata()) > 1]


def test_one_run_is_drawn_in_full_with_its_evaluations_marked(runs: list[Run]) -> None:
    found = lines(sources_of(runs[:1]))
    train = [line for line in long_ones(found) if line.get_color() == LIGHT[0]]
    validation = next(line for line in long_ones(found) if line.get_color() == LIGHT[1])
    assert [(line.get_xdata()[0], line.get_xdata()[-1]) for line in train] == [(1, 20), (22, 40)]  # the gap breaks it
    assert list(zip(*validation.get_data(), strict=True)) == [(20, 3.1), (40, 1.2)]
    spots = {tuple(np.ravel(line.get_data())) for line in found if line.get_marker() == "o"}
    assert spots == {(20, 3.1), (40, 1.2)}


def test_points_that_a_resume_took_back_are_not_drawn(runs: list[Run]) -> None:
    values = np.concatenate([line.get_ydata() for line in lines(sources_of(runs[:1]))])
    assert values.max() == 60.0
    assert not np.isclose(values, 60 / 35).any()


def test_several_runs_have_the_dashboards_colours_and_a_dash_each(runs: list[Run]) -> None:
    found = long_ones(lines(sources_of(runs)))
    front = [line for line in found if line.get_color() in LIGHT]
    assert [line.get_color() for line in front] == [LIGHT[1], LIGHT[0]]  # the first run in front
    assert len({str(line.get_linestyle()) for line in front}) == 2
    faded = [line for line in found if line.get_color() not in LIGHT]
    assert len(faded) == 4 and all(line.get_linewidth() < 1 for line in faded)


def test_the_legend_names_the_runs_in_their_order(runs: list[Run]) -> None:
    figure = drawn(sources_of([runs[1], runs[0], runs[1]]), BOTH, RAW)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [f"a  {runs[1]}", f"b  {runs[0]}"]


def test_perplexity_is_exp_of_the_loss(runs: list[Run]) -> None:
    axes = drawn(sources_of(runs[:1]), BOTH, RAW).axes[1]
    validation = next(line for line in long_ones(axes.get_lines()) if line.get_color() == LIGHT[1])
    assert list(validation.get_ydata()) == pytest.approx([math.exp(3.1), math.exp(1.2)])
    assert axes.get_yscale() == "log"


def test_a_smoothed_curve_has_the_raw_one_behind_it(runs: list[Run]) -> None:
    raw, smoothed = (lines(sources_of(runs[:1]), ChartOptions(smoothing=weight)) for weight in (0.0, 0.9))
    assert len(long_ones(smoothed)) == len(long_ones(raw)) + 2
    assert "smoothed 0.9" in drawn(sources_of(runs[:1]), BOTH, ChartOptions(smoothing=0.9)).axes[0].get_title("right")


@pytest.mark.parametrize("axis", ["step", "tokens", "time"])
def test_the_x_axis_counts_what_is_asked_for(runs: list[Run], axis: Any) -> None:
    (source,) = sources = sources_of(runs[:1])
    axes = drawn(sources, BOTH, ChartOptions(axis=axis, x_log=True)).axes[0]
    assert axes.get_xscale() == "log"
    last = source.series.curve("val_loss", axis)[0][-1]
    assert axes.get_xlim()[1] == pytest.approx(last)


def test_a_dark_background_has_the_dark_palette(runs: list[Run]) -> None:
    assert {line.get_color() for line in long_ones(lines(sources_of(runs[:1]), dark=True))} == set(DARK[:2])


def test_what_was_not_measured_is_said(runs: list[Run]) -> None:
    axes = drawn(sources_of(runs[:1]), metrics_named(["gpu_percent"]), RAW).axes[0]
    assert [text.get_text() for text in axes.texts] == ["not measured here"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_file_is_what_its_suffix_says_and_the_same_every_time(tmp_path: Path, runs: list[Run], suffix: str) -> None:
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix.upper()}"
    for path in (first, second):
        save(path, sources_of(runs), BOTH, RAW, dark=False)
    assert first.read_bytes().startswith(BEGINNINGS[suffix])
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*.tmp")) == []


@pytest.mark.parametrize("name", ["قصص/20261121", "$x_$ & <b>", "_hidden", "日本"])
@pytest.mark.parametrize(
    "suffix", [SUFFIXES[0], *(pytest.param(suffix, marks=pytest.mark.slow) for suffix in SUFFIXES[1:])]
)
def test_any_name_can_be_drawn(tmp_path: Path, runs: list[Run], name: str, suffix: str) -> None:
    (source,) = sources_of(runs[:1])
    named = [Source(name, source.series, place) for place in range(2)]
    save(tmp_path / f"loss{suffix}", named, BOTH, RAW, dark=True)
    assert [text.get_text() for text in drawn(named, BOTH, RAW).legends[0].get_texts()] == [f"a  {name}", f"b  {name}"]


def test_a_run_without_a_step_is_no_curve(new_run: Callable[..., Run]) -> None:
    run = new_run()
    with pytest.raises(UserError, match=f"{run}: no step yet"):
        sources_of([run])


def test_a_metric_that_is_none_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"--metric perplexty: must be one of loss, .*did you mean perplexity\?"):
        metrics_named(["loss", "perplexty"])
    assert [metric.key for metric in metrics_named(["lr", "loss", "lr"])] == ["lr", "loss"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("loss.gif", r"ends in .gif; must end in .png or .svg or .pdf"),
        ("loss", "has no suffix; must end in"),
        ("there.png", "is there already; --force replaces it"),
        ("folder.png", "is there already$"),
    ],
)
def test_a_file_that_cannot_be_is_refused_in_words(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "there.png").write_text("mine")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match=said):
        checked_output(tmp_path / name, SUFFIXES, force=name == "folder.png")
    assert checked_output(tmp_path / "there.png", SUFFIXES, force=True).read_text() == "mine"
