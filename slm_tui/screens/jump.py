"""Jump to any experiment or run by typing part of its name."""

from __future__ import annotations

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.fuzzy import Matcher
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from engine.runs.run import Run
from slm_tui.catalog import Catalog
from slm_tui.themes import state_style
from slm_tui.widgets.dialogs import Dialog

_SHOWN = 50  # targets; typing narrows them down


class JumpScreen(Dialog["Run | str | None"]):
    """Returns the chosen run, or the name of the chosen experiment."""

    BINDINGS = [
        Binding("escape", "dismiss", "back"),
        Binding("down", "move(1)", "down", priority=True),
        Binding("up", "move(-1)", "up", priority=True),
    ]

    def __init__(self, catalog: Catalog) -> None:
        super().__init__()
        self._targets: list[tuple[str, str, Run | str]] = []  # what is typed, state, where it leads
        for experiment in catalog.experiments:
            self._targets.append((experiment.name, "", experiment.name))
            self._targets.extend((str(entry.run), entry.facts.standing, entry.run) for entry in experiment.runs)
        self._found = list(range(len(self._targets)))

    def compose(self) -> ComposeResult:
        with Vertical(id="jump") as box:
            box.border_title = "jump to"
            box.border_subtitle = "enter: open · esc: back"
            yield Input(placeholder="part of an experiment's or a run's name")
            yield OptionList()

    def on_mount(self) -> None:
        self._list("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._list(event.value)

    def _list(self, typed: str) -> None:
        matcher = Matcher(typed)
        scores = [matcher.match(target[0]) if typed else 1.0 for target in self._targets]
        found = (place for place, score in enumerate(scores) if score > 0)
        self._found = sorted(found, key=lambda place: -scores[place])
        options = self.query_one(OptionList)
        options.clear_options()
        for place in self._found[:_SHOWN]:
            name, state, _ = self._targets[place]
            options.add_option(Option(Text.assemble(name, "  ", (state, state_style(self.app, state)))))
        options.highlighted = 0 if self._found else None

    def action_move(self, by: int) -> None:
        options = self.query_one(OptionList)
        if options.highlighted is not None:
            options.highlighted = max(0, min(options.option_count - 1, options.highlighted + by))

    @on(Input.Submitted)
    def _chosen(self) -> None:
        highlighted = self.query_one(OptionList).highlighted
        self.dismiss(self._targets[self._found[highlighted]][2] if highlighted is not None else None)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._targets[self._found[event.option_index]][2])
