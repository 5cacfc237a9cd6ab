"""A run's experiment: how it differs from what the file says now, and the text with which it was started."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from rich.syntax import ANSISyntaxTheme, Syntax
from rich.table import Table
from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from engine.contract.loading import ExperimentError, load_experiment, read_text
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.compare import differences, shown_value
from slm_tui.formats import printable
from slm_tui.themes import state_style


class ConfigView(VerticalScroll, can_focus=True):
    """`read` reads both texts again."""

    DEFAULT_CSS = """
    ConfigView {
        height: 1fr;
        padding: 0 1;
        scrollbar-size-vertical: 1;
        & > Static { width: 100%; height: auto; margin: 0 0 1 0; }
    }
    """

    def __init__(self, run: Run, workspace: Workspace) -> None:
        super().__init__()
        self._run, self._workspace = run, workspace

    def compose(self) -> ComposeResult:
        yield Static(id="config-differences")
        yield Static(id="config-text")

    @work(thread=True, exclusive=True)
    def read(self) -> None:
        """The experiment of the run, and what has become of its file."""
        told = _differences(self._run, self._workspace, self.app)
        try:
            text: Text | Syntax = _toml(printable(read_text(self._run.experiment_file)), self.app.theme_variables)
        except ExperimentError as error:
            text = Text(str(error))
        self.app.call_from_thread(self._draw, told, text)

    def _draw(self, told: Text | Table, text: Text | Syntax) -> None:
        self.query_one("#config-differences", Static).update(told)
        self.query_one("#config-text", Static).update(text)


def _toml(text: str, colours: Mapping[str, str]) -> Syntax:
    """In the colours that the editor has, too."""
    muted, key, value = Style(dim=True), Style(color=colours["primary"]), Style(color=colours["accent"])
    styles: dict[tuple[str, ...], Style] = {
        ("Comment",): muted,
        ("Operator",): muted,
        ("Punctuation",): muted,
        ("Keyword",): Style(color=colours["primary"], bold=True),
        ("Keyword", "Constant"): value,
        ("Name",): key,
        ("Literal", "String"): Style(color=colours["success"]),
        ("Literal", "Number"): value,
    }
    return Syntax(text, "toml", theme=ANSISyntaxTheme(styles), word_wrap=True)


def _differences(run: Run, workspace: Workspace, app: App[object]) -> Text | Table:
    path = workspace.experiments / f"{run.name}.toml"
    try:
        as_run = run.experiment()
        now = load_experiment(path)
    except ExperimentError as error:
        return Text(str(error) if path.exists() else f"experiments/{path.name} is gone", state_style(app, "no file"))
    differing = differences([as_run, now])
    if not differing:
        return Text(f"As in experiments/{path.name} now.", "dim")
    grid = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="dim", show_edge=False)
    for title in ("key", "as run", "in the file now"):
        grid.add_column(title)
    for difference in differing:
        grid.add_row(Text(difference.key, "bold"), *(Text(shown_value(value)) for value in difference.values))
    return grid
