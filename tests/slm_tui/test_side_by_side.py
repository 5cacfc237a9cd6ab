"""The comparison on a terminal: runs as columns where they fit, or else as rows."""

from __future__ import annotations

import io

from rich.console import Console

from slm_tui.compare import Comparison, Difference
from slm_tui.facts import Best, RunFacts
from slm_tui.side_by_side import print_comparison


def facts(name: str, loss: float | None) -> RunFacts:
    best = None if loss is None else Best(name, 8, loss, 20.0, 1.5)
    return RunFacts(
        name, "", "finished", 24, 24, 3072, best, 65.0, 500.0, 30_000_000, "cuda:0", "here", None, None, [], None
    )


def printed(runs: list[RunFacts], differences: list[Difference], width: int = 80, terminal: bool = True) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    comparison = Comparison(runs, {"val_loss": [runs[0].run]} if len(runs) > 1 else {}, differences, ["Mind this."])
    print_comparison(console, comparison, "abcdefghijkl"[: len(runs)])
    return [line.rstrip() for line in file.getvalue().splitlines()]


RUNS = [facts(f"tinystories_baseline/20261121T01335{n}-7f3{n}", 2.0 + n if n < 3 else None) for n in range(6)]


def test_two_runs_and_their_differing_keys_are_one_table() -> None:
    lines = printed(RUNS[:2], [Difference("sampling.repetition_penalty", [1.0, None])])
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["a", "b"]
    assert lines[2].split() == [run.run.split("/")[1] for run in RUNS[:2]]
    assert ["val", "loss", "*", "2.000", "3.000"] in [line.split() for line in lines]
    assert lines[-4].split() == ["sampling.repetition_penalty", "1.0", "–"]
    assert lines[-3:] == ["", "* the best of the runs", "Mind this."]


def test_three_runs_fit_as_columns_and_long_values_stand_below_whole() -> None:
    long = ["x" * 100]
    lines = printed(RUNS[:3], [Difference("sampling.prompts", [["Once"], long, ["Once"]])])
    assert lines[0].split() == ["a", "b", "c"]
    assert lines[-4:] == ["", "sampling.prompts", '  a c  ["Once"]', f'  b  ["{"x" * 100}"]']
    assert max(map(len, lines[:-1])) <= 80


def test_more_runs_than_fit_are_rows_and_what_is_left_out_is_said() -> None:
    lines = printed(RUNS, [])
    assert max(map(len, lines)) <= 80 and "…" not in "".join(lines)
    assert [line.split()[:2] for line in lines[1:7]] == [
        [letter, f"tinystories_baseline/7f3{n}"] for n, letter in enumerate("abcdef")
    ]
    assert "* 2.000" in lines[1]
    assert lines[7:9] == ["", "* the best of the runs"]
    assert lines[9].startswith("No room for best at step, ") and lines[-1] == "Mind this."


def test_a_pipe_gets_every_figure_of_every_run() -> None:
    beside, below = printed(RUNS, [], 1_000_000, terminal=False), printed(RUNS * 2, [], 1_000_000, terminal=False)
    assert ["params", *["30.0M"] * 6] in [line.split() for line in beside]
    assert "30.0M" in below[1] and "cuda:0" in below[1]
    assert "No room" not in "\n".join([*beside, *below])


def test_a_pipe_has_figures_beside_their_names_though_a_value_is_long() -> None:
    lines = printed(RUNS[:2], [Difference("sampling.prompts", [["Once"], ["x" * 900]])], 1_000_000, terminal=False)
    assert ["val", "loss", "*", "2.000", "3.000"] in [line.split() for line in lines]
    assert max(map(len, lines[:-1])) <= 160 and "x" * 900 in lines[-1]


def test_one_run_has_no_letter_and_no_legend() -> None:
    lines = printed(RUNS[:1], [])
    assert lines[0].split() == ["tinystories_baseline"]
    assert "*" not in "".join(lines) and "  b" not in lines[0]


def test_a_narrow_terminal_is_no_error() -> None:
    assert printed(RUNS[:2], [Difference("train.eps", [1e-8, 1e-7])], width=20)
