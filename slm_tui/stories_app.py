"""The stories of one run and nothing else: what `slm-tui serve --stories RUN` shows to whoever comes.

It has no palette, no way to another screen and none out of it. Nothing that a visitor does is kept: neither settings
nor stories, which are the visitor's to take along.
"""

from __future__ import annotations

from contextlib import suppress

from textual import work
from textual.binding import Binding
from textual.driver import Driver

from engine.contract.checkpoints import CheckpointName
from engine.runs.notes import RunNotes
from engine.runs.run import Run
from slm_tui.base_app import BaseApp
from slm_tui.catalog import Catalog, ExperimentEntry, RunEntry
from slm_tui.facts import ExperimentFacts, run_facts
from slm_tui.keys import bindings
from slm_tui.screens.stories import StoriesScreen
from slm_tui.settings import Settings

_KEYS = ("help", "theme")  # of those that work everywhere
_LIMITS = {  # of one visitor, for there are others: samples and their length take memory, a prompt is laid out anew
    "max_new_tokens": 2_000,
    "num_samples": 4,
    "prompt": 20_000,
}
_LOOK_SECONDS = 2.0  # between looks at the run, which may be training


class StoriesApp(BaseApp, inherit_bindings=False):  # without Textual's own key to quit
    """Type how a story begins, and read it."""

    TITLE = "stories"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [key for key in bindings("app") if isinstance(key, Binding) and key.action in _KEYS]

    is_public = True

    def __init__(self, run: Run, checkpoint: CheckpointName, theme: str, driver: type[Driver] | None = None) -> None:
        super().__init__(Settings(theme=theme), driver)
        self._run = run
        self._checkpoint: CheckpointName = checkpoint
        self._read = (0, 0)  # of the run's events: their size and time of change when they were read

    def on_mount(self) -> None:
        self.dress()
        self._stories = StoriesScreen(self._run, self._checkpoint, _LIMITS)
        self.push_screen(self._stories)
        self.set_interval(_LOOK_SECONDS, self._look)

    @work(thread=True, exclusive=True)
    def _look(self) -> None:
        """Whether the run has gone on: there may be a better checkpoint."""
        with suppress(OSError):  # deleted meanwhile
            events = self._run.metrics.stat()
            if (events.st_size, events.st_mtime_ns) != self._read:
                self._read = events.st_size, events.st_mtime_ns
                self.call_from_thread(self._show, RunEntry(self._run, run_facts(self._run), RunNotes(), ()))

    def _show(self, entry: RunEntry) -> None:
        self.catalog = Catalog((ExperimentEntry(ExperimentFacts(self._run.name, "", []), (entry,)),))
        self._stories.show_catalog(self.catalog)
