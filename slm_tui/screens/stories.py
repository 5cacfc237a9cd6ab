"""Reading a run's stories: a prompt below, the story as it is written above it, its settings beside it."""

from __future__ import annotations

import io
import secrets
from collections.abc import Mapping
from pathlib import Path

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Static, TextArea

from engine.contract.checkpoints import CheckpointName
from engine.contract.errors import UserError
from engine.contract.experiment import Sampling
from engine.contract.files import replace_file
from engine.runs.run import Run
from slm_tui.catalog import Catalog
from slm_tui.formats import count, counted, explained, shown_path
from slm_tui.keys import bindings
from slm_tui.screens.chosen import OneRun
from slm_tui.story_book import as_file, kept_stories
from slm_tui.widgets.dialogs import Ask
from slm_tui.widgets.key_bar import KeyBar
from slm_tui.widgets.knobs import Knobs
from slm_tui.widgets.prompt_area import AsRead, PromptArea
from slm_tui.widgets.story_column import StoryColumn
from slm_tui.widgets.story_text import StoryText

_FOR_A_STORY = frozenset({"retry", "go_on", "edit_on", "copy", "save", "colours", "cursor", "sample"})
_SLIM = 64  # columns, below which a story has no room for its settings beside it
_NOT_WHILE_TYPING = _FOR_A_STORY | {"checkpoint", "newest", "beside", "prompt", "quit", "help", "theme"}


class StoriesScreen(OneRun):
    """One writer, or two side by side on the same prompt and seed.

    `limits` are upper bounds of settings, by name, and of the prompt's characters, as `prompt`.
    """

    BINDINGS = bindings("stories")

    def __init__(self, run: Run, checkpoint: CheckpointName = "best", limits: Mapping[str, int] | None = None) -> None:
        super().__init__(run)
        self._checkpoint: CheckpointName = checkpoint
        self._limits = dict(limits or {})
        self._asked = 0
        try:
            self._sampling = run.experiment().sampling
        except UserError:  # its column says so
            self._sampling = Sampling()

    def compose(self) -> ComposeResult:
        yield Static(id="heading")
        with Horizontal(id="stories-body"):
            yield StoryColumn(self.run, self._checkpoint)
            yield Knobs(self._sampling, self._limits)
        yield AsRead()
        yield PromptArea(limit=self._limits.get("prompt"))
        yield KeyBar()

    def on_mount(self) -> None:
        prompt = self.query_one(PromptArea)
        earlier = [] if self.app.is_public else self._earlier_prompts()
        prompt.remember_all([*reversed(self._sampling.prompts), *earlier])
        prompt.set_text(earlier[-1] if earlier else self._sampling.prompts[0])
        prompt.select_all()  # typing takes its place, enter takes it as it is
        prompt.focus()
        self._show_heading()

    def _earlier_prompts(self) -> list[str]:
        try:
            return [story.prompt for story in kept_stories(self.run)]
        except OSError as error:
            self.notify(f"earlier stories cannot be read: {explained(error)}", severity="warning", markup=False)
            return []

    def on_resize(self) -> None:
        """On a telephone, the settings leave their room to the story."""
        slim = self.size.width < _SLIM
        self.set_class(slim, "-slim")
        hints = ["enter: write", "up: earlier ones", *([] if slim else ["tab: settings"])]
        self.query_one(PromptArea).border_subtitle = " · ".join(hints)

    def _show_heading(self) -> None:
        heading = Text.assemble((f" {self.run.name} ", "bold reverse"), f"  {self.run.id}  ", ("stories", "dim"))
        if newer := self._newer_best:
            heading.append(f"   a better checkpoint, of step {count(newer)}, is on disk: u takes it")
        self.query_one("#heading", Static).update(heading)

    # what is chosen

    def show_catalog(self, catalog: Catalog) -> None:
        """The workspace has changed: perhaps there is a better checkpoint."""
        self._show_heading()
        self.refresh_bindings()

    @property
    def columns(self) -> list[StoryColumn]:
        return list(self.query(StoryColumn))

    @property
    def column(self) -> StoryColumn:
        """The one that has the focus, or the first."""
        return next((column for column in self.columns if column.has_focus_within), self.columns[0])

    @property
    def _newer_best(self) -> int | None:
        """The step of a best checkpoint that is better than the one that writes."""
        entry, loaded = self.chosen_run, self.columns[0].loaded
        best = entry.facts.best if entry else None
        behind = best is not None and loaded is not None and loaded.checkpoint == "best" and best.step > loaded.step
        return best.step if best is not None and behind else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in _NOT_WHILE_TYPING and isinstance(self.focused, (TextArea, Input)):
            return False
        if action == "copy" and not self.app.can_copy:
            return False
        if action in _FOR_A_STORY:
            return self.column.story is not None
        if action == "newest":
            return self._newer_best is not None
        return super().check_action(action, parameters)

    @on(StoryColumn.Changed)
    def _column_changed(self) -> None:
        self._show_heading()
        self.refresh_bindings()

    def on_descendant_focus(self) -> None:
        self.refresh_bindings()

    # writing

    @on(TextArea.Changed)
    @on(TextArea.SelectionChanged)
    def _show_prompt_as_read(self) -> None:
        prompt = self.query_one(PromptArea)
        is_shown = self.query_one(AsRead).show(prompt.text, prompt.cursor_place)
        prompt.border_title = "prompt, in the order of typing" if is_shown else "prompt"

    @on(PromptArea.Submitted)
    def _prompt_taken(self, message: PromptArea.Submitted) -> None:
        self._write(message.text)

    @on(Knobs.Turned)
    def _knob_turned(self) -> None:
        self._write(self.query_one(PromptArea).text)

    def _write(self, prompt: str, seed: int | None = None) -> None:
        knobs = self.query_one(Knobs)
        if knobs.problem:
            self.notify(knobs.problem, severity="warning", markup=False)
            return
        if len(prompt) > self._limits.get("prompt", len(prompt)):
            most = counted(self._limits["prompt"], "character")
            self.notify(f"a story's beginning has at most {most} here", severity="warning", markup=False)
            return
        self._asked += 1
        request = knobs.request(prompt, self._asked, seed)
        if len(self.columns) > 1 and request.seed is None:
            request.seed = secrets.randbelow(2**31)  # both are to draw alike
        for column in self.columns:
            column.write(request)
        self.column.query_one(StoryText).focus()

    def action_retry(self) -> None:
        """Write from the same prompt again."""
        if story := self.column.story:
            self._write(story.prompt)

    def action_go_on(self) -> None:
        """Write on from where the story is, or from the cursor."""
        self._write(self.column.beginning)

    def action_edit_on(self) -> None:
        """Put the story where it can be changed and written on from."""
        prompt = self.query_one(PromptArea)
        prompt.set_text(self.column.beginning)
        prompt.focus()

    def action_prompt(self) -> None:
        self.query_one(PromptArea).focus()

    async def action_leave(self) -> None:
        """Out of what is being written, then of the cursor, then of the screen."""
        writing = [column for column in self.columns if column.writes]
        for column in writing:
            column.stop()
        if not writing and not self.column.leave_cursor():
            await self.app.action_back()

    # looking

    def action_cursor(self, by: int) -> None:
        self.column.move_cursor(by)

    def action_sample(self, by: int) -> None:
        for column in self.columns:
            column.leaf(by)

    def action_colours(self) -> None:
        for column in self.columns:
            column.toggle_colours()

    # who writes

    def action_checkpoint(self) -> None:
        """The other checkpoint of the run."""
        column = self.column
        other: CheckpointName = "last" if column.checkpoint == "best" else "best"
        column.load(other)

    def action_newest(self) -> None:
        for column in self.columns:
            if column.run == self.run and column.checkpoint == "best":
                column.load("best")

    @work
    async def action_beside(self) -> None:
        """A second writer beside the first, or no longer."""
        first, *others = self.columns
        if others:
            for column in others:
                await column.remove()
        else:
            marked = [run for run in self.app.marked if run != self.run]
            other: CheckpointName = "last" if first.checkpoint == "best" else "best"
            run = marked[0] if marked else None
            await self.query_one("#stories-body").mount(
                StoryColumn(run or self.run, "best" if run else other, is_second=True), after=first
            )
        self.set_class(len(self.columns) > 1, "-two")
        first.query_one(StoryText).focus()
        self.refresh_bindings()

    # keeping

    def action_copy(self) -> None:
        if story := self.column.story:
            self.app.copy_to_clipboard(story.text)
            self.notify(f"{counted(len(story.text), 'character')} copied", markup=False)

    @work
    async def action_save(self) -> None:
        """Write the story into a file of its own, with its settings."""
        story = self.column.kept()
        if story is None:
            said = "is still being written" if self.column.writes else "was not written to its end"
            self.notify(f"the story {said}", severity="warning", markup=False)
            return
        run = self.column.run
        name = f"{run.name}-{run.id[-4:]}-seed-{story.seed}.txt"
        content = as_file(run, story).encode(errors="replace")
        if self.app.is_web:
            self.app.deliver_text(io.StringIO(content.decode()), save_filename=name, mime_type="text/plain")
            return
        proposed = shown_path(run.workspace_folder / "stories" / name)
        answer = await self.app.push_screen_wait(Ask("Save the story to", proposed, _path_problem))
        if answer is None:
            return
        path = Path(answer).expanduser()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)
        except OSError as error:
            self.tell_problem(error)
            return
        self.notify(f"saved to {shown_path(path)}", markup=False)


def _path_problem(text: str) -> str | None:
    if not text.strip():
        return "must be a file's path"
    try:
        return f"{text} exists already" if Path(text).expanduser().exists() else None
    except (OSError, RuntimeError) as error:  # a name too long; a home of nobody
        return str(error)
