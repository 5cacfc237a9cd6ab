"""What is said of an experiment's text, as lists and tables draw it."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.widgets.option_list import Option

from slm_tui.drafts import Assessment, Finding
from slm_tui.formats import one_line


def finding_option(finding: Finding) -> Option:
    """A problem in a list: its line, and beside it what is wrong."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style="bold", no_wrap=True, min_width=3)
    grid.add_column()
    grid.add_row(Text(str(finding.line or "")), Text(one_line(finding.message)))
    return Option(grid)


def meaning(assessment: Assessment, stale: bool) -> Group | Text:
    """Labels and figures; those of an earlier text step back, and say that they are."""
    if not assessment.figures:
        return Text("nothing that could be told, until the problems are mended", "dim")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(style="dim" if stale else "")
    for label, value in assessment.figures:
        grid.add_row(label, Text(value))
    return Group(*([Text("as it was before the problems", "italic")] if stale else []), grid)
