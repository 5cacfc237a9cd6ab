"""Lists of experiments and runs, fitted to the width there is: what matters least goes first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from slm_tui.console import STATE_STYLES
from slm_tui.facts import Best, ExperimentFacts, RunFacts
from slm_tui.formats import age, count, decimal, duration, quantity

_GAP = 2


@dataclass(frozen=True)
class Column:
    """A column; the lower its `spare`, the sooner it is given room, and 0 has it always."""

    title: str
    cells: Sequence[str]
    spare: int = 0
    right: bool = False
    is_state: bool = False
    values: Sequence[Any] | None = None  # what the cells show, to sort by; None is unknown and comes last

    @property
    def width(self) -> int:
        return max(map(cell_len, (self.title, *self.cells)))


def print_experiments(console: Console, experiments: Sequence[ExperimentFacts]) -> None:
    """A line an experiment, then what is wrong with broken files."""
    print_columns(console, experiment_columns(experiments))
    for facts in experiments:
        if facts.problems:
            more = f" (and {len(facts.problems) - 1} more; slm-tui validate)" if len(facts.problems) > 1 else ""
            console.print(Text.assemble(("broken  ", "red"), f"{facts.problems[0]}{more}"))


def experiment_columns(experiments: Sequence[ExperimentFacts]) -> list[Column]:
    """The columns of a list of experiments: the state is the newest run's, the figures are the best of all runs."""
    now = time.time()
    ran = [facts.newest.updated if facts.newest else None for facts in experiments]
    sizes = [facts.parameters for facts in experiments]
    return [
        Column("experiment", [facts.name for facts in experiments]),
        Column("state", [state_of(facts) for facts in experiments], is_state=True),
        *_best_columns([facts.best for facts in experiments]),
        Column("params", list(map(quantity, sizes)), 2, right=True, values=sizes),
        Column("data", [facts.dataset or "" for facts in experiments], 4),
        Column("tokenizer", [facts.tokenizer or "" for facts in experiments], 6),
        _ran_column(ran, now, 3),
    ]


def state_of(facts: ExperimentFacts) -> str:
    """The newest run's state in a word; "broken" where the file is."""
    if facts.problems:
        return "broken"
    return facts.newest.standing if facts.newest else ""


def print_runs(console: Console, runs: Sequence[RunFacts]) -> None:
    """A line a run, newest first."""
    print_columns(console, [Column("run", [run.run for run in runs]), *run_columns(runs)])


def run_columns(runs: Sequence[RunFacts]) -> list[Column]:
    """The columns of a list of runs, but for their names."""

    def of_training(title: str, figure: Callable[[RunFacts], Any], text: Callable[[Any], str], spare: int) -> Column:
        values = [None if run.imported else figure(run) for run in runs]
        cells = ["" if value is None else text(value) for value in values]
        return Column(title, cells, spare, right=True, values=values)

    return [
        Column("state", [run.standing for run in runs], is_state=True),
        of_training("step", lambda run: run.step, count, 1),
        *_best_columns([run.best for run in runs]),
        of_training("tokens", lambda run: run.tokens, quantity, 3),
        of_training("took", lambda run: run.seconds, duration, 4),
        _ran_column([run.updated for run in runs], time.time(), 2),
    ]


def _ran_column(updated: Sequence[float | None], now: float, spare: int) -> Column:
    """How long ago; `values` are such that the newest comes first."""
    cells = [age(now - when) if when else "" for when in updated]
    return Column("ran", cells, spare, right=True, values=[-when if when else None for when in updated])


def _best_columns(bests: Sequence[Best | None]) -> list[Column]:
    """Perplexity and bits per byte of the best evaluation; "" where there is none."""
    return [
        Column(
            "best loss",
            [decimal(best.val_loss) if best else "" for best in bests],
            1,
            right=True,
            values=[best.val_loss if best else None for best in bests],
        ),
        Column(
            "perplexity",
            [decimal(best.perplexity, 2) if best else "" for best in bests],
            2,
            right=True,
            values=[best.perplexity if best else None for best in bests],
        ),
        Column(
            "bits/byte",
            [decimal(best.bits_per_byte) if best else "" for best in bests],
            0,
            right=True,
            values=[best.bits_per_byte if best else None for best in bests],
        ),
    ]


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that fit into `width` cells, and that have something to say."""
    room = width + _GAP
    kept = []
    for column in sorted((each for each in columns if not each.spare or any(each.cells)), key=lambda each: each.spare):
        if not column.spare or column.width + _GAP <= room:
            room -= column.width + _GAP
            kept.append(column)
    return [column for column in columns if column in kept]


def print_columns(console: Console, columns: Sequence[Column]) -> None:
    """The rows, with as many of the columns as fit; a pipe gets them all."""
    kept = fitting(columns, console.width) if console.is_terminal else list(columns)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim", show_edge=False)
    for column in kept:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True)
    for row in range(len(kept[0].cells)):
        table.add_row(
            *(
                Text(column.cells[row], STATE_STYLES.get(column.cells[row], "") if column.is_state else "")
                for column in kept
            )
        )
    console.print(table)
