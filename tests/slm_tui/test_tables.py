"""Lists fitted to the width there is."""

from __future__ import annotations

import io

from rich.console import Console

from slm_tui.facts import Best, ExperimentFacts
from slm_tui.tables import Column, fitting, print_experiments


def test_what_matters_least_is_dropped_first() -> None:
    columns = [Column("name", ["tiny"]), Column("data", ["x" * 10], 2), Column("tokens", ["y" * 10], 1)]
    assert [column.title for column in fitting(columns, 30)] == ["name", "data", "tokens"]
    assert [column.title for column in fitting(columns, 20)] == ["name", "tokens"]
    assert [column.title for column in fitting(columns, 5)] == ["name"]


def test_a_column_with_nothing_to_say_is_left_out() -> None:
    columns = [Column("name", ["tiny"]), Column("ran", [""], 1)]
    assert [column.title for column in fitting(columns, 80)] == ["name"]


def facts(name: str) -> ExperimentFacts:
    best = Best(f"{name}/1", 100, 5.9, 365.0, 1.161)
    return ExperimentFacts(
        name, f"{name}.toml", [], parameters=30_000_000, dataset="roneneldan/TinyStories", tokenizer="gpt2", best=best
    )


def printed(width: int, terminal: bool) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    print_experiments(console, [facts("tinystories_baseline"), facts("arastories_enhanced")])
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_experiments_fit_into_80_columns_whole() -> None:
    lines = printed(80, terminal=True)
    assert max(map(len, lines)) <= 80
    assert len(lines) == 3 and "…" not in "".join(lines)
    assert "365.00" in lines[1] and "1.161" in lines[1] and "30.0M" in lines[1]


def test_a_pipe_gets_every_column() -> None:
    lines = printed(1_000, terminal=False)
    assert "roneneldan/TinyStories" in lines[1] and "gpt2" in lines[1] and "5.900" in lines[1]
