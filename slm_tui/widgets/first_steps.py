"""What an empty workspace says, instead of an empty table."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Center, Vertical
from textual.message import Message
from textual.widgets import Button, Static

from engine.runs.workspace import Workspace
from slm_tui.formats import home_path, shown_path
from slm_tui.shipped import copy_experiments, shipped_experiments


class FirstSteps(Center):
    """Offers the shipped experiments."""

    class Copied(Message):
        """They are in the workspace now."""

    def compose(self) -> ComposeResult:
        with Vertical(id="first-steps"):
            yield Static(id="first-words")
            yield Button("put the shipped experiments here", variant="primary", id="copy")

    def on_mount(self) -> None:
        workspace: Workspace = self.app.workspace  # type: ignore[attr-defined]
        names = ", ".join(file.stem for file in shipped_experiments())
        words = Text.assemble(
            ("No experiments here yet\n\n", "bold"),
            f"{home_path(workspace.root)} has no experiments/NAME.toml. An experiment is one such file: where the "
            "stories come from, how large the model is, how it is trained.\n",
        )
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim")
        grid.add_row("shipped", f"{names}\n")
        start = "r trains the one under the cursor; quickstart takes a minute and a half and needs no network"
        grid.add_row("then", start)
        self.query_one("#first-words", Static).update(Group(words, grid))

    def on_show(self) -> None:
        self.query_one(Button).focus()

    @on(Button.Pressed, "#copy")
    def _copy(self) -> None:
        workspace: Workspace = self.app.workspace  # type: ignore[attr-defined]
        try:
            written, _ = copy_experiments(workspace)
        except OSError as error:
            self.app.notify(f"nothing was copied: {error}", severity="error", markup=False)
            return
        self.app.notify(f"{len(written)} experiments are in {shown_path(workspace.experiments)}", markup=False)
        self.post_message(self.Copied())
