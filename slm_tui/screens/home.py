"""The first screen: the experiments, the runs of the one under the cursor, and that run's charts.

Narrow terminals show one of the three at a time, wide ones all of them.
"""

from __future__ import annotations

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from engine.runs.run import Run
from slm_tui.catalog import Catalog, ExperimentEntry, RunEntry
from slm_tui.facts import ExperimentFacts
from slm_tui.formats import counted, home_path, one_line, sparkline
from slm_tui.keys import bindings
from slm_tui.screens.operations import Operations
from slm_tui.tables import Column, experiment_columns, run_columns
from slm_tui.themes import state_style
from slm_tui.widgets.fact_table import FactTable
from slm_tui.widgets.first_steps import FirstSteps
from slm_tui.widgets.key_bar import KeyBar
from slm_tui.widgets.preview import Preview

MARK = "●"
_SPARKLINE = 8  # cells
_NEEDS_EXPERIMENTS = frozenset({"open", "filter", "sort", "sort_backwards", "pane", "delete"})
_PANES = {1: "experiments", 2: "runs", 3: "preview"}


class HomeScreen(Operations):
    """Experiments, runs, charts."""

    BINDINGS = bindings("experiments")

    def __init__(self) -> None:
        super().__init__()
        self._pane = 1  # in which a key acts
        self._awaited = ""  # an experiment for the cursor to go to once it is there

    def compose(self) -> ComposeResult:
        yield Static(id="heading")
        with Horizontal(id="panes"):
            with Vertical(id="lists"):
                with Vertical(id="experiments-pane", classes="pane"):
                    yield FactTable(id="experiments")
                    yield Static(id="about")
                with Vertical(id="runs-pane", classes="pane"):
                    yield FactTable(id="runs")
            with Vertical(id="preview-pane", classes="pane"):
                yield Preview(id="preview")
        yield FirstSteps()
        yield Input(id="filter", placeholder="words that the experiment contains; esc shows all again", compact=True)
        yield KeyBar()

    def on_mount(self) -> None:
        for name, title in (("experiments", "1 experiments"), ("runs", "2 runs"), ("preview", "3 charts")):
            self.query_one(f"#{name}-pane").border_title = title
        settings = self.app.settings
        self.experiments.sort_title, self.experiments.backwards = settings.sort, settings.sort_backwards
        self.query_one("#filter").display = False
        self.query_one(FirstSteps).display = False
        self._show_heading()
        self.experiments.focus()
        if self.app.catalog is not None:
            self.show_catalog(self.app.catalog)

    def on_screen_resume(self) -> None:
        self.query_one(Preview).seen_again()

    @property
    def experiments(self) -> FactTable:
        return self.query_one("#experiments", FactTable)

    @property
    def runs(self) -> FactTable:
        return self.query_one("#runs", FactTable)

    # what is chosen

    @property
    def experiment(self) -> ExperimentEntry | None:
        """The experiment under the cursor."""
        key, catalog = self.experiments.cursor_key, self.app.catalog
        return next((entry for entry in catalog.experiments if entry.name == key), None) if catalog else None

    @property
    def chosen_experiment(self) -> str | None:
        return self.experiments.cursor_key

    @property
    def chosen_run(self) -> RunEntry | None:
        """The run under the cursor in the runs; from the experiments, the newest run that a key can mean."""
        experiment = self.experiment
        if experiment is None or not experiment.runs:
            return None
        if self._pane == 1:
            return experiment.runs[0]
        return next((entry for entry in experiment.runs if entry.run.id == self.runs.cursor_key), None)

    # drawing

    def show_catalog(self, catalog: Catalog) -> None:
        """The workspace is like this now."""
        entries = catalog.experiments
        first_steps = self.query_one(FirstSteps)
        if first_steps.display == bool(entries):
            self.call_after_refresh(self._focus_list)
        first_steps.display = not entries
        self.query_one("#panes").display = bool(entries)
        facts = [entry.facts for entry in entries]
        marks = [MARK if any(run.run in self.app.marked for run in entry.runs) else "" for entry in entries]
        columns = experiment_columns(facts)
        columns[0] = Column("experiment", columns[0].cells)
        columns.insert(0, Column("", marks, 7))
        columns.insert(6, Column("curve", [_curve(entry.runs[0]) if entry.runs else "" for entry in entries], 3))
        columns.append(Column("tags", [" ".join(fact.tags) for fact in facts], 8))
        columns[2] = Column("state", [_state(entry) for entry in entries], is_state=True)
        self.experiments.show([entry.name for entry in entries], columns, [_search(fact) for fact in facts])
        if self._awaited in self.experiments.shown_keys:
            self.experiments.go_to(self._awaited)
            self._awaited = ""
        self._show_runs()
        self._show_heading()

    def _show_heading(self) -> None:
        catalog = self.app.catalog
        states = [run.facts.state for run in catalog.runs()] if catalog else []
        live, queued = sum(state in ("preparing", "training") for state in states), states.count("queued")
        said = ["looking …"]
        if catalog:
            said = [f"{counted(len(catalog.experiments), 'experiment')}, {counted(len(catalog.runs()), 'run')}"]
        said += [f"{len(self.app.marked)} marked"] if self.app.marked else []
        said += [f"{live} running"] if live else []
        said += [f"{queued} queued"] if queued else []
        heading = Text.assemble((" slm-tui ", "bold reverse"), "  ", home_path(self.app.workspace.root), "   ")
        self.query_one("#heading", Static).update(heading.append("  ·  ".join(said), "dim"))

    def _show_runs(self) -> None:
        experiment = self.experiment
        entries = experiment.runs if experiment else ()
        pane = self.query_one("#runs-pane")
        pane.border_title = Content(f"2 runs of {experiment.name}" if experiment and entries else "2 runs: none yet")
        self.runs.show_header = bool(entries)
        columns = [
            Column("", [MARK if entry.run in self.app.marked else "" for entry in entries]),
            Column("run", [entry.run.id for entry in entries]),
            *run_columns([entry.facts for entry in entries]),
            Column("curve", [_curve(entry) for entry in entries], 6),
            Column("tags", [" ".join(entry.notes.tags) for entry in entries], 7),
        ]
        self.runs.show([entry.run.id for entry in entries], columns, [entry.notes.notes for entry in entries])
        self._show_about(experiment)
        self._show_preview()

    def _show_about(self, experiment: ExperimentEntry | None) -> None:
        """What the experiment under the cursor is, or what is wrong with its file."""
        about = self.query_one("#about", Static)
        if experiment is None:
            about.update("")
        elif experiment.facts.problems:
            more = len(experiment.facts.problems) - 1
            rest = f"  and {more} more; e shows them" if more else "  e mends it"
            broken = ("broken  ", state_style(self.app, "broken"))
            about.update(Text.assemble(broken, str(experiment.facts.problems[0]), (rest, "dim")))
        elif not experiment.exists:
            about.update(Text("its file is gone; its runs are still here", state_style(self.app, "no file")))
        else:
            about.update(Text(one_line(experiment.facts.description), "dim"))

    def _show_preview(self) -> None:
        self.query_one(Preview).show(self.experiment, self.chosen_run)
        self.refresh_bindings()

    @on(FactTable.Moved, "#experiments")
    def _experiment_moved(self) -> None:
        self._show_runs()

    @on(FactTable.Moved, "#runs")
    def _run_moved(self) -> None:
        self._show_preview()

    def on_descendant_focus(self) -> None:
        for number, name in _PANES.items():
            if self.query_one(f"#{name}-pane").has_focus_within:
                self._show_pane(number)
        if self.is_mounted and self.app.catalog is not None:
            self._show_preview()

    # moving about

    def _show_pane(self, number: int) -> None:
        self._pane = number
        for other in _PANES:
            self.set_class(other == number, f"-pane-{other}")

    def action_pane(self, number: int) -> None:
        if self.query_one(FirstSteps).display:
            self._focus_list()
            return
        self._show_pane(number)  # at once, so that the next key acts in it though the focus comes a moment later
        pane = self.query_one(f"#{_PANES[number]}-pane")
        if found := pane.query("FactTable, ChartView"):
            found.first().focus()

    def _focus_list(self) -> None:
        """Back to the experiments, or to what stands there while there is none."""
        first_steps = self.query_one(FirstSteps)
        (first_steps.query_one(Button) if first_steps.display else self.experiments).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in _NEEDS_EXPERIMENTS and self.query_one(FirstSteps).display:
            return False
        return super().check_action(action, parameters)

    @on(FactTable.Opened)
    def action_open(self) -> None:
        if self._pane > 1:
            if entry := self.chosen_run:
                self._open(entry.run)
        elif self.experiment is not None and self.experiment.runs:
            self.action_pane(2)
        elif self.experiment is not None and self.experiment.facts.problems:
            self.action_edit()
        elif self.experiment is not None:
            self.notify(f"{self.experiment.name} has no run yet: r starts one", markup=False)

    def _open(self, run: Run) -> None:
        from slm_tui.screens.run import RunScreen

        self.app.push_screen(RunScreen(run))

    def started(self, run: Run) -> None:
        if self.is_current:
            self._open(run)
        else:
            super().started(run)

    def created(self, name: str) -> None:
        self._awaited = name

    def go_to(self, name: str) -> None:
        """Put the cursor on the experiment `name`."""
        self.experiments.filter("")
        self.query_one("#filter", Input).value = ""
        self.experiments.go_to(name)
        self.experiments.focus()

    def key_escape(self) -> None:
        """From the runs and the charts to the experiments, and from a filter to all of them."""
        if self.experiments.words:
            self.experiments.filter("")
            self.query_one("#filter", Input).value = ""
        self.action_pane(1)

    @on(FirstSteps.Copied)
    def _go_to_the_first(self) -> None:
        self.created("quickstart")  # it needs no network, and not much time
        self.app.look_again()

    # filter, order, marks

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    @on(Input.Changed, "#filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        self.experiments.filter(event.value)

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self._focus_list()

    @on(Input.Blurred, "#filter")
    def _filter_left(self, event: Input.Blurred) -> None:
        event.input.display = bool(event.value)

    def action_sort(self) -> None:
        title = self.experiments.next_sort()
        self.app.remember(sort=title, sort_backwards=False)
        self.notify(f"sorted by {title}" if title else "sorted by name", timeout=2)

    def action_sort_backwards(self) -> None:
        table = self.experiments
        table.sort_by(table.sort_title, not table.backwards)
        self.app.remember(sort=table.sort_title, sort_backwards=table.backwards)

    def action_mark(self) -> None:
        experiment = self.experiment
        if self._pane == 1 and experiment and experiment.facts.best:
            best = next(entry for entry in experiment.runs if str(entry.run) == experiment.facts.best.run)
            self.app.toggle_mark(best.run)
            self.marks_changed()
        else:
            super().action_mark()

    def marks_changed(self) -> None:
        super().marks_changed()
        if self.app.catalog is not None:
            self.show_catalog(self.app.catalog)


def _state(entry: ExperimentEntry) -> str:
    if entry.facts.problems:
        return "broken"
    return entry.runs[0].facts.standing if entry.runs else "" if entry.exists else "no file"


def _curve(entry: RunEntry) -> str:
    return sparkline(entry.val_losses, _SPARKLINE)


def _search(facts: ExperimentFacts) -> str:
    return f"{facts.description} {' '.join(facts.tags)} {' '.join(map(str, facts.problems))}"
