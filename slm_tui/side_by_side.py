"""`compare` on a terminal: a column a run where they fit side by side, or else a row a run."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from slm_tui.compare import BEST, Comparison, Difference, result_columns, shown_value
from slm_tui.console import STATE_STYLES
from slm_tui.formats import UNKNOWN
from slm_tui.tables import Column, fitting, print_columns

_GAP = 2
_LEGIBLE = 160  # columns of a table in a pipe, which has room for more: figures too far from their names say little
_Row = tuple[str, Sequence[str]]  # a label, and a cell for each run


def print_comparison(console: Console, comparison: Comparison, letters: Sequence[str]) -> None:
    """The results, what to know of them, and the keys in which the runs differ; each run has its letter."""
    letters = letters if len(comparison.runs) > 1 else [""]
    columns = result_columns(comparison, letters)
    heads = [
        "\n".join(part for part in (letter, *run.run.split("/", 1)) if part)
        for letter, run in zip(letters, comparison.runs, strict=True)
    ]
    results = [(column.title, [cell or UNKNOWN for cell in column.cells]) for column in columns[2:]]
    differing = [(each.key, list(map(shown_value, each.values))) for each in comparison.differences]
    together = [*results, *([("", [""] * len(heads))] if differing else []), *differing]
    room = console.width if console.is_terminal else _LEGIBLE
    fits_together = _width(heads, together) <= room
    if fits_together or _width(heads, results) <= room:
        shown = columns
        _print_side_by_side(console, heads, together if fits_together else results)
    else:
        shown = fitting(columns, console.width) if console.is_terminal else columns
        print_columns(console, shown)
    _print_remarks(console, [*_legend(shown, columns), *comparison.remarks])
    if not fits_together:
        _print_differences(console, comparison.differences, letters)


def _width(heads: Sequence[str], rows: Sequence[_Row]) -> int:
    labels = max((cell_len(label) for label, _ in rows), default=0)
    return labels + sum(
        _GAP + max(map(cell_len, [*head.split("\n"), *(cells[run] for _, cells in rows)]))
        for run, head in enumerate(heads)
    )


def _print_side_by_side(console: Console, heads: Sequence[str], rows: Sequence[_Row]) -> None:
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("", style="dim", no_wrap=True)
    for head in heads:
        table.add_column(Text(head), justify="right", no_wrap=True)
    for label, cells in rows:
        table.add_row(label, *(Text(cell, STATE_STYLES.get(cell, "") if label == "state" else "") for cell in cells))
    console.print(table)


def _legend(shown: Sequence[Column], columns: Sequence[Column]) -> list[str]:
    marked = any(cell.startswith(BEST) for column in shown for cell in column.cells)
    legend = [f"{BEST} the best of the runs"] if marked else []
    left_out = [column.title for column in columns if column not in shown and any(column.cells)]
    return [*legend, f"No room for {', '.join(left_out)}: --csv has them."] if left_out else legend


def _print_remarks(console: Console, remarks: Sequence[str]) -> None:
    for line in ["", *remarks] if remarks else []:
        console.print(Text(line))


def _print_differences(console: Console, differences: Sequence[Difference], letters: Sequence[str]) -> None:
    """Key by key, the values and whose they are."""
    for each in differences:
        console.print(Text(f"\n{each.key}", "dim"))
        holders: dict[str, list[str]] = {}
        for letter, value in zip(letters, each.values, strict=True):
            holders.setdefault(shown_value(value), []).append(letter)
        for text, of in holders.items():
            console.print(Text(f"  {' '.join(of)}  {text}"), soft_wrap=True)
