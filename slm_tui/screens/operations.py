"""What a person does to experiments and runs, on any screen that has one of them chosen.

Starting, stopping and deleting wait for the disk or for another process, so they happen in a thread; what comes of
them is told in a notification, and seen at the next scan of the workspace.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import work

from engine.contract.errors import UserError
from engine.runs.notes import read_notes, write_notes
from engine.runs.run import RESUMABLE, Run
from engine.runs.workspace import valid_name
from slm_tui import launcher
from slm_tui.catalog import LIVE, RunEntry
from slm_tui.housekeeping import delete_experiment, delete_run, idle, rename_experiment
from slm_tui.screens.chosen import CatalogScreen
from slm_tui.widgets.dialogs import Ask, Choice

if TYPE_CHECKING:
    from slm_tui.app import SlmTui

_NEEDS_FILE = frozenset({"start", "start_with", "edit", "edit_outside", "new", "rename"})
_NEEDS_RUN = frozenset({"mark", "annotate", "stories"})


class Operations(CatalogScreen):
    """A screen from which something can be done to what is chosen."""

    app: SlmTui

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the keys of what cannot be done to what is chosen."""
        name, entry = self.chosen_experiment, self.chosen_run
        if action == "edit_outside" and self.app.is_web:  # there is no terminal to give to the editor
            return False
        if action == "copy_path" and not self.app.can_copy:
            return False
        if action in _NEEDS_FILE:
            return name is not None and (self.app.workspace.experiments / f"{name}.toml").is_file()
        if action in _NEEDS_RUN:
            return entry is not None
        if action == "stop":
            return entry is not None and entry.facts.state in LIVE
        if action == "resume":
            return entry is not None and entry.facts.state in RESUMABLE
        if action == "compare":
            return bool(self.app.marked)
        return True

    # running

    def action_start(self) -> None:
        if name := self.chosen_experiment:
            self._start(name, [])

    @work
    async def action_start_with(self) -> None:
        name = self.chosen_experiment
        if name is None:
            return
        answer = await self.app.push_screen_wait(
            Ask(f"Train {name} with", "", self._override_problem(name), "Such as train.max_steps=200 model.n_layer=4")
        )
        if answer is not None:
            self._start(name, shlex.split(answer))

    def _override_problem(self, name: str) -> Callable[[str], str | None]:
        def problem(text: str) -> str | None:
            try:
                launcher.plan(self.app.workspace, name, shlex.split(text))
            except (UserError, ValueError) as error:  # ValueError: a quotation mark without its fellow
                return str(error)
            return None

        return problem

    @work(thread=True)
    def _start(self, name: str, overrides: list[str]) -> None:
        try:
            run, child = launcher.start(self.app.workspace, launcher.plan(self.app.workspace, name, overrides))
        except (UserError, OSError) as error:
            self.tell_problem(error)
            return
        self.app.adopt(child)
        self.app.look_again()
        self.app.call_from_thread(self.started, run)

    def started(self, run: Run) -> None:
        """A run was started from here; by now, something else may lie on this screen."""
        self.notify(f"{run} is starting", markup=False)

    @work
    async def action_stop(self) -> None:
        entry = self.chosen_run
        if entry is None:
            return
        waits = entry.facts.state == "queued"
        details = "It has not begun." if waits else "It ends after its current step, with a checkpoint: c goes on."
        question = f"Cancel {entry.run}?" if waits else f"Stop {entry.run}?"
        keep, stop = ("let it wait", "cancel it") if waits else ("let it run", "stop it")
        choices = [("keep", keep, "l"), ("stop", stop, "s")]
        if await self.app.push_screen_wait(Choice(question, details, choices)) != "stop":
            return
        if waits and entry.run.state() != "queued":
            self.notify(f"{entry.run} has begun meanwhile, and goes on: s stops it", severity="warning", markup=False)
        else:
            said = "is cancelled" if waits else "ends after its current step"
            self._in_thread(lambda: launcher.stop(entry.run), f"{entry.run} {said}")

    def action_resume(self) -> None:
        entry = self.chosen_run
        if entry is not None:
            run = entry.run
            self._in_thread(lambda: self.app.adopt(launcher.resume(run)), f"{run} goes on")

    def action_stories(self) -> None:
        from slm_tui.screens.stories import StoriesScreen

        if entry := self.chosen_run:
            self.app.push_screen(StoriesScreen(entry.run))

    # what there is

    @work
    async def action_delete(self) -> None:
        entry, name = self.chosen_run, self.chosen_experiment
        if entry is not None:
            await self._delete_run(entry)
        elif name is not None:
            await self._delete_experiment(name)

    async def _delete_run(self, entry: RunEntry) -> None:
        if entry.facts.state in LIVE:
            self.notify(f"{entry.run} is {entry.facts.state}: stop it first", severity="warning", markup=False)
            return
        details = "Its events, its log and its checkpoints are removed from disk. This cannot be undone."
        choices = [("keep", "keep it", "k"), ("delete", "delete it", "d")]
        if await self.app.push_screen_wait(Choice(f"Delete {entry.run}?", details, choices)) == "delete":
            run, workspace = entry.run, self.app.workspace
            self._in_thread(lambda: delete_run(workspace, run), f"{run} is deleted", self.after_delete)

    def after_delete(self) -> None:
        """The chosen run is no more."""

    async def _delete_experiment(self, name: str) -> None:
        details = f"The file experiments/{name}.toml is removed. Its runs stay."
        choices = [("keep", "keep it", "k"), ("delete", "delete it", "d")]
        if await self.app.push_screen_wait(Choice(f"Delete the experiment {name}?", details, choices)) == "delete":
            self._in_thread(lambda: delete_experiment(self.app.workspace, name), f"{name} is deleted")

    @work
    async def action_rename(self) -> None:
        name = self.chosen_experiment
        if name is None:
            return
        try:
            with idle(self.app.workspace.list_runs(name)):
                pass
        except (UserError, OSError) as error:
            self.tell_problem(error)
            return
        new = await self.app.push_screen_wait(Ask(f"Rename {name}", name, self._name_problem))
        if new is not None and new != name:
            workspace = self.app.workspace
            self.created(new)
            self._in_thread(lambda: rename_experiment(workspace, name, new), f"{name} is now {new}")

    @work
    async def action_new(self) -> None:
        from slm_tui.drafts import new_experiment

        name = self.chosen_experiment
        if name is None:
            return
        question = f"A new experiment, a copy of {name}"
        new = await self.app.push_screen_wait(Ask(question, f"{name}-2", self._name_problem))
        if new is None:
            return
        try:
            new_experiment(self.app.workspace, new, name)
        except (UserError, OSError) as error:
            self.tell_problem(error)
            return
        self.created(new)
        self.app.look_again()
        self._edit(new)

    def created(self, name: str) -> None:
        """An experiment was made, or has this name now."""

    def _name_problem(self, text: str) -> str | None:
        try:
            taken = (self.app.workspace.experiments / f"{valid_name(text)}.toml").exists()
        except UserError as error:
            return str(error)
        return f"{text} exists already" if taken else None

    def action_edit(self) -> None:
        if name := self.chosen_experiment:
            self._edit(name)

    @work
    async def _edit(self, name: str) -> None:
        from slm_tui.screens.editor import EditorScreen

        try:
            editor = EditorScreen(self.app.workspace.experiment_file(name), self.app.workspace)
        except (UserError, OSError) as error:
            self.tell_problem(error)
            return
        outcome = await self.app.push_screen_wait(editor)
        self.app.look_again()
        if outcome == "run":
            self._start(name, [])

    def action_edit_outside(self) -> None:
        from slm_tui.outside_editor import edit_externally

        if name := self.chosen_experiment:
            edit_externally(self.app, self.app.workspace.experiment_file(name), self.app.workspace)
            self.app.look_again()

    @work
    async def action_annotate(self) -> None:
        from slm_tui.screens.notes import NotesScreen

        entry = self.chosen_run
        if entry is None:
            return
        try:
            before = read_notes(entry.run)
        except UserError as error:
            self.tell_problem(error)
            return
        typed = before
        while (after := await self.app.push_screen_wait(NotesScreen(entry.run, typed))) not in (None, before):
            try:
                write_notes(entry.run, after)
            except (UserError, OSError) as error:  # what was typed is not lost
                typed = after
                self.call_after_refresh(self.tell_problem, error)
                continue
            self.app.look_again()
            self.notify(f"notes on {entry.run} are kept", markup=False)
            return

    def action_copy_path(self) -> None:
        entry, name = self.chosen_run, self.chosen_experiment
        path = entry.run.path if entry else self.app.workspace.experiments / f"{name}.toml" if name else None
        if path is not None:
            self.app.copy_to_clipboard(str(path))
            self.notify(str(path), title="copied", markup=False)

    # comparing

    def action_mark(self) -> None:
        if entry := self.chosen_run:
            self.app.toggle_mark(entry.run)
            self.marks_changed()

    def marks_changed(self) -> None:
        """Other runs are marked than before."""
        self.refresh_bindings()

    def action_compare(self) -> None:
        from slm_tui.screens.compare import CompareScreen

        self.app.push_screen(CompareScreen(list(self.app.marked)))

    @work(thread=True)
    def _in_thread(self, do: Callable[[], object], said: str, then: Callable[[], None] | None = None) -> None:
        try:
            do()
        except (UserError, OSError) as error:
            self.tell_problem(error)
            return
        self.app.look_again()
        self.notify(said, markup=False)
        if then is not None:
            self.app.call_from_thread(then)
