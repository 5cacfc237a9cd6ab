"""Lists of experiments and runs, fitted to the width there is: what matters least goes first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

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
    """A column; the one with the highest `spare` is dropped first where there is too little room, 0 never is."""

    title: str
    cells: Sequence[str]
    spare: int = 0
    right: bool = False
    is_state: bool = False

    @property
    def width(self) -> int:
        return max(map(cell_len, (self.title, *self.cells)))


def print_experiments(console: Console, experiments: Sequence[ExperimentFacts]) -> None:
    """A line an experiment, then what is wrong with broken files."""
    now = time.time()
    newest = [facts.newest for facts in experiments]
    _print(
        console,
        [
            Column("experiment", [facts.name for facts in experiments]),
            Column("state", [_state_of(facts) for facts in experiments], is_state=True),
            *_best_columns([facts.best for facts in experiments]),
            Column("params", [quantity(facts.parameters) for facts in experiments], 2, right=True),
            Column("data", [facts.dataset or "" for facts in experiments], 4),
            Column("tokenizer", [facts.tokenizer or "" for facts in experiments], 6),
            Column("ran", [age(now - run.updated) if run and run.updated else "" for run in newest], 3, right=True),
        ],
    )
    for facts in experiments:
        if facts.problems:
            more = f" (and {len(facts.problems) - 1} more; slm-tui validate)" if len(facts.problems) > 1 else ""
            console.print(Text.assemble(("broken  ", "red"), f"{facts.problems[0]}{more}"))


def _state_of(facts: ExperimentFacts) -> str:
    if facts.problems:
        return "broken"
    return facts.newest.state if facts.newest else ""


def print_runs(console: Console, runs: Sequence[RunFacts]) -> None:
    """A line a run, newest first."""
    now = time.time()
    _print(
        console,
        [
            Column("run", [run.run for run in runs]),
            Column("state", [run.state for run in runs], is_state=True),
            Column("step", [count(run.step) for run in runs], 1, right=True),
            *_best_columns([run.best for run in runs]),
            Column("tokens", [quantity(run.tokens) for run in runs], 3, right=True),
            Column("took", [duration(run.seconds) for run in runs], 4, right=True),
            Column("ran", [age(now - run.updated) if run.updated else "" for run in runs], 2, right=True),
        ],
    )


def _best_columns(bests: Sequence[Best | None]) -> list[Column]:
    """Perplexity and bits per byte of the best evaluation; "" where there is none."""
    return [
        Column("val loss", [decimal(best.val_loss) if best else "" for best in bests], 5, right=True),
        Column("perplexity", [decimal(best.perplexity, 2) if best else "" for best in bests], 1, right=True),
        Column("bits/byte", [decimal(best.bits_per_byte) if best else "" for best in bests], 0, right=True),
    ]


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that fit into `width` cells, and that have something to say."""
    kept = [column for column in columns if not column.spare or any(column.cells)]
    while sum(column.width + _GAP for column in kept) - _GAP > width:
        spare = max(kept, key=lambda column: column.spare)
        if not spare.spare:
            break
        kept.remove(spare)
    return kept


def _print(console: Console, columns: Sequence[Column]) -> None:
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
    if not console.is_terminal:  # a pipe has no width to fit into
        console = Console(file=console.file, width=sum(column.width + _GAP for column in kept))
    console.print(table)
