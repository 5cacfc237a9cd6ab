"""Writing an experiment file: the text, what is wrong with it, and what it means, kept up while one types."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.timer import Timer
from textual.widgets import OptionList, Static, TextArea
from textual.widgets.option_list import Option
from textual.worker import get_current_worker

from engine.contract.errors import UserError
from engine.runs.workspace import Workspace
from slm_tui.drafts import Assessment, Draft, PreparedRuns, assess
from slm_tui.formats import one_line, shown_path
from slm_tui.keys import bindings
from slm_tui.screens.sized import Sized
from slm_tui.widgets.assessments import finding_option, meaning
from slm_tui.widgets.dialogs import Choice
from slm_tui.widgets.key_bar import KeyBar
from slm_tui.widgets.toml_area import TomlArea

_PAUSE = 0.15  # seconds without a key until the text is checked
_LOOK = 2.0  # seconds between looks at the file on disk


class EditorScreen(Sized["str | None"]):
    """The editor of one file. It is left with "run" where the experiment is to be trained now, else with None."""

    BINDINGS = bindings("editor")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
    DEFAULT_CSS = """
    EditorScreen {
        #editor-heading { height: 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }
        #editor-body { height: 1fr; }
        #editor-side { height: auto; }
        #meaning, #problems { border-title-color: $text-muted; }
        #meaning { display: none; }
        #verdict { height: 1; padding: 0 1; }
        #problems {
            height: auto;
            max-height: 7;
            padding: 0;
            &, &:focus { border: none; background: $background; background-tint: $background 0%; }
            &:focus > .option-list--option-highlighted { background: $primary 35%; color: $foreground; }
            & > .option-list--option-disabled { color: $text-muted; }
            &:blur > .option-list--option-highlighted { background: $background; color: $foreground; text-style: none; }
        }
        &.-clean #problems { display: none; }
        &.-wide {
            #editor-body { layout: horizontal; }
            #editor-side { width: 32%; min-width: 46; max-width: 76; height: 1fr; }
            #meaning { display: block; height: auto; padding: 0 1; border: round $border-blurred; }
            #verdict { display: none; }
            #problems {
                display: block;
                height: 1fr;
                max-height: 100%;
                padding: 0 1;
                border: round $border-blurred;
                &:focus { border: round $primary; }
            }
        }
    }
    """

    @dataclass
    class Assessed(Message):
        """What `text` says."""

        text: str
        assessment: Assessment

    def __init__(self, path: Path, workspace: Workspace) -> None:
        """Open `path`; a UserError where it cannot be read."""
        super().__init__()
        self.draft = Draft.open(path)
        self.assessment: Assessment | None = None  # of the text a moment ago
        self._workspace, self._runs = workspace, PreparedRuns(workspace)
        self._last_figures = Assessment(())
        self._pause: Timer | None = None
        self._disk_stamp = _stamp(path)

    def compose(self) -> ComposeResult:
        yield Static(id="editor-heading")
        with Container(id="editor-body"):
            yield TomlArea(self.draft.text)
            with Vertical(id="editor-side"):
                yield Static(id="meaning")
                yield Static(id="verdict")
                yield OptionList(id="problems")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#meaning").border_title = "what it means"
        self.query_one("#problems").border_title = "problems"
        self._remember_loaded()
        self.area.focus()
        self._show_heading()
        self._assess(self.draft.text)
        self.set_interval(_LOOK, self.look_at_disk)

    @property
    def area(self) -> TomlArea:
        return self.query_one(TomlArea)

    @property
    def unsaved(self) -> bool:
        """Whether going away now would lose something."""
        self._take_text()
        return self.draft.unsaved

    # the text

    def _remember_loaded(self) -> None:
        """An area has one kind of line end. Where a file has several, it keeps them until it is really changed."""
        self._original, self._loaded = self.draft.text, self.area.text
        if self._original != self._loaded:
            self._warn(f"{self.draft.path.name} has line ends of several kinds: saving a change makes them alike")

    def _take_text(self) -> None:
        text = self.area.text
        self.draft.text = self._original if text == self._loaded else text

    @on(TextArea.Changed)
    def _changed(self) -> None:
        self._show_heading()
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(_PAUSE, lambda: self._assess(self.draft.text))

    @work(thread=True, exclusive=True, group="assess")
    def _assess(self, text: str) -> None:
        worker = get_current_worker()
        assessment = assess(text, self.draft.path.stem, self._workspace, self._runs)
        if not worker.is_cancelled:
            self.post_message(self.Assessed(text, assessment))

    @on(Assessed)
    def _assessed(self, message: Assessed) -> None:
        if message.text == self.draft.text:  # else it is being checked again already
            self._show(message.assessment)

    # drawing

    def _show_heading(self) -> None:
        unsaved = self.unsaved
        state = ("not saved yet", "$text-warning") if unsaved else ("saved", "dim")
        path = one_line(shown_path(self.draft.path))
        self.query_one("#editor-heading", Static).update(
            Content.assemble((" edit ", "bold reverse"), "  ", path, "   ", state)
        )

    def _show(self, assessment: Assessment) -> None:
        if assessment.figures:
            self._last_figures = assessment
        before, self.assessment = self.assessment, assessment
        findings = assessment.findings
        self.set_class(not findings, "-clean")
        self.area.mark_lines([finding.line for finding in findings if finding.line])
        self.query_one("#meaning", Static).update(meaning(self._last_figures, stale=bool(findings)))
        more = f" · {assessment.brief}" if assessment.brief else "   f8 goes to the next one, f6 to the list"
        verdict = (assessment.verdict(), "$text-error bold" if findings else "$text-success")
        self.query_one("#verdict", Static).update(Content.assemble(verdict, (more, "dim")))
        if before is None or before.findings != findings:
            self._show_findings(assessment)

    def _show_findings(self, assessment: Assessment) -> None:
        problems = self.query_one("#problems", OptionList)
        problems.border_title = assessment.verdict() if assessment.findings else "problems"
        highlighted = problems.highlighted
        problems.clear_options()
        if not assessment.findings:
            problems.add_option(Option("none: it can run", disabled=True))
            if self.focused is problems:
                self.area.focus()
            return
        problems.add_options(finding_option(finding) for finding in assessment.findings)
        problems.highlighted = min(highlighted or 0, len(assessment.findings) - 1)

    # moving

    @on(OptionList.OptionSelected)
    def _jump(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self.assessment and event.option_index < len(self.assessment.findings):
            self._go_to(self.assessment.findings[event.option_index].line)

    def _go_to(self, line: int | None) -> None:
        if line is not None:
            self.area.jump_to(line)
        else:
            self.area.focus()

    def action_next_problem(self) -> None:
        """Jump to the first problem below the cursor, or else to the first of all."""
        lines = sorted(
            {finding.line for finding in self.assessment.findings if finding.line} if self.assessment else ()
        )
        here = self.area.cursor_location[0] + 1
        if lines:
            self._go_to(next((line for line in lines if line > here), lines[0]))

    def action_next_pane(self) -> None:
        if self.focused is self.area and self.assessment and self.assessment.findings:
            self.query_one("#problems").focus()
        else:
            self.area.focus()

    # the file

    @work
    async def action_save(self) -> None:
        await self._save()

    @work
    async def action_save_and_run(self) -> None:
        if await self._save() and not assess(self.draft.text, self.draft.path.stem, self._workspace).findings:
            self.dismiss("run")

    @work
    async def action_leave(self) -> None:
        if await self.settle():
            self.dismiss(None)

    async def settle(self) -> bool:
        """Save or give up what is unsaved, as the person chooses; False where they would rather stay.

        To be awaited in a worker, for it may show a dialog.
        """
        if not self.unsaved:
            return True
        choices = [("keep", "keep editing", "k"), ("save", "save", "s"), ("discard", "discard the changes", "d")]
        details = f"What you changed in {self.draft.path.name} is not on disk yet."
        chosen = await self.app.push_screen_wait(Choice("Leave without saving?", details, choices))
        return chosen == "discard" or (chosen == "save" and await self._save())

    async def _save(self) -> bool:
        self._take_text()
        if self.draft.on_disk() == "changed" and not await self._may_overwrite():
            return False
        try:
            self.draft.save()
        except OSError as error:
            self._warn(f"not saved: {error}\nThe text is still here.", severity="error")
            return False
        self._disk_stamp = _stamp(self.draft.path)
        self._show_heading()
        assessment = assess(self.draft.text, self.draft.path.stem, self._workspace)
        if count := len(assessment.findings):
            mended = "it is" if count == 1 else "they are"
            self._warn(f"saved with {assessment.verdict()}; it cannot run until {mended} mended")
        return True

    async def _may_overwrite(self) -> bool:
        choices = [
            ("keep", "keep editing", "k"),
            ("reload", "take what is on disk; undo brings this text back", "r"),
            ("overwrite", "overwrite it with this text", "o"),
        ]
        details = "Another program has written to it since it was opened here."
        chosen = await self.app.push_screen_wait(Choice(f"{self.draft.path.name} has changed", details, choices))
        if chosen == "reload":
            self._reload()
        return chosen == "overwrite"

    def look_at_disk(self) -> None:
        """Notice that another program has written to the file, or deleted it."""
        stamp = _stamp(self.draft.path)
        if stamp == self._disk_stamp:
            return
        self._disk_stamp = stamp
        happened = self.draft.on_disk()
        name = self.draft.path.name
        if happened == "deleted":
            self.draft.saved = None
            self._show_heading()
            self._warn(f"{name} was deleted; saving makes it again")
        elif happened == "changed" and self.unsaved:
            self._warn(f"{name} has changed on disk meanwhile; saving asks which of the two is to stay")
        elif happened == "changed" and self._reload():
            self.notify(f"{name} has changed on disk; this is how it is now", markup=False)

    def _reload(self) -> bool:
        try:
            self.draft.reload()
        except UserError as error:
            self._warn(str(error), severity="error")
            return False
        area, cursor = self.area, self.area.cursor_location
        area.replace(self.draft.text, (0, 0), area.document.end)
        if area.text != self.draft.text:  # its line ends are others now, and a document keeps its own
            area.load_text(self.draft.text)
        area.move_cursor(cursor)
        self._remember_loaded()
        self._show_heading()
        return True

    def _warn(self, words: str, severity: SeverityLevel = "warning") -> None:
        self.notify(words, severity=severity, timeout=8, markup=False)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What differs once the file at `path` is another or has changed; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
