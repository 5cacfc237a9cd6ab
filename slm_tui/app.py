"""The dashboard: `slm-tui` without a command.

The app holds what all screens share: the workspace and what is in it now, the marked runs, the settings. Screens
and widgets draw; starting, reading and computing live in modules without Textual.
"""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from textual import work
from textual.app import SystemCommand
from textual.driver import Driver
from textual.message import Message
from textual.screen import Screen

from engine.contract.errors import UserError
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.base_app import BaseApp, show
from slm_tui.catalog import Catalog, CatalogReader
from slm_tui.keys import bindings, unknown_ids
from slm_tui.screens.chosen import CatalogScreen
from slm_tui.screens.help import commands_of
from slm_tui.screens.home import HomeScreen
from slm_tui.screens.jump import JumpScreen
from slm_tui.settings import load_settings
from slm_tui.terminals import IMPLICIT_ORDER
from slm_tui.widgets.dialogs import Dialog

_LIVE_SECONDS, _IDLE_SECONDS = 1.0, 2.0  # between scans of the workspace


class SlmTui(BaseApp):
    """The application."""

    TITLE = "slm-tui"
    BINDINGS = bindings("app")
    COMMAND_PALETTE_DISPLAY = "palette"

    @dataclass
    class CatalogChanged(Message):
        """The workspace is not as it was; `app.catalog` is how it is now."""

        catalog: Catalog

    def __init__(self, workspace: Workspace, driver: type[Driver] | None = None) -> None:
        settings, self._settings_problem = load_settings()
        super().__init__(settings, driver)
        self.workspace = workspace
        self._wake, self._over = threading.Event(), False
        self._children: list[subprocess.Popen[bytes]] = []

    def on_mount(self) -> None:
        self.dress()
        self.push_screen(HomeScreen())
        for problem in (self._settings_problem, unknown_ids(self.settings.keys)):
            if problem:
                self.notify(problem, severity="warning", timeout=10, markup=False)
        self.run_worker(self._scan_for_ever, thread=True, name="catalog")

    def on_unmount(self) -> None:
        self._over = True
        self._wake.set()
        for child in self._children:
            if child.poll() is None:
                child.returncode = 0  # it goes on without us, and nobody is to wait for it

    def _scan_for_ever(self) -> None:
        """The thread that looks at the workspace again and again, and at what else may change unasked."""
        reader = CatalogReader(self.workspace)
        while not self._over:
            catalog = reader.scan()
            if catalog != self.catalog and not self._over:
                self.post_message(self.CatalogChanged(catalog))
                _load_charts()
            if not (self.is_headless or self.is_web) and _terminal_is_gone():
                signal.raise_signal(signal.SIGHUP)  # which a terminal that is not the controlling one does not send
            for child in self._children:
                child.poll()  # so that an engine that has ended is not kept as a zombie
            self._wake.wait(_LIVE_SECONDS if catalog.has_live_runs else _IDLE_SECONDS)
            self._wake.clear()

    def on_slm_tui_catalog_changed(self, message: CatalogChanged) -> None:
        if not self.is_running:  # its screens are being taken apart
            return
        self.catalog = message.catalog
        runs = {entry.run for entry in message.catalog.runs()}
        self.marked = {run: None for run in self.marked if run in runs}
        for screen in self.screen_stack:
            if isinstance(screen, CatalogScreen) and screen.is_mounted:
                screen.show_catalog(message.catalog)
        self.screen.refresh_bindings()

    def look_again(self) -> None:
        """Scan the workspace at once: something was done to it here."""
        self._wake.set()

    def adopt(self, child: subprocess.Popen[bytes]) -> None:
        """Wait for an engine that was started here, when it ends."""
        self._children.append(child)

    def toggle_mark(self, run: Run) -> None:
        if run in self.marked:
            del self.marked[run]
        else:
            self.marked[run] = None

    def action_jump(self) -> None:
        if self.catalog is not None and not isinstance(self.screen, Dialog):
            self.push_screen(JumpScreen(self.catalog), self._jump_to)

    def _jump_to(self, target: Run | str | None) -> None:
        from slm_tui.screens.run import RunScreen  # charts, and numpy with them, are loaded when there is one to draw

        if isinstance(target, Run):
            self.push_screen(RunScreen(target))
        elif target is not None:
            self._go_home_to(target)

    @work
    async def _go_home_to(self, experiment: str) -> None:
        if await self._settled():
            while not isinstance(self.screen, HomeScreen):
                await self.screen.dismiss(None)
            self.screen.go_to(experiment)

    @work
    async def action_quit(self) -> None:  # type: ignore[override]  # a worker, for it may ask
        """Quit, unless something unsaved is to be kept."""
        if await self._settled():
            self.exit()

    async def _settled(self) -> bool:
        """Whether nothing unsaved is left where one writes, or a person lets it go."""
        from slm_tui.screens.editor import EditorScreen
        from slm_tui.screens.notes import NotesScreen

        for screen in reversed(self.screen_stack):
            if isinstance(screen, (EditorScreen, NotesScreen)) and not await screen.settle():
                return False
        return True

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: every action of the screen and of what has the focus, then the themes."""
        for key, run in commands_of(screen):
            yield SystemCommand(key.label, key.help, run)
        yield SystemCommand("change theme", "Choose among all themes.", self.search_themes)


def _load_charts() -> None:
    """Import what draws charts now, with numpy: after the first screen, before the first key that wants them."""
    importlib.import_module("slm_tui.screens.run")


def _terminal_is_gone() -> bool:
    try:
        termios.tcgetattr(sys.__stdin__ or 0)
    except termios.error:
        return True
    return False


def open_dashboard(folder: Path | None = None) -> None:
    """Show the workspace at `folder` until the person quits.

    Raises:
        UserError: there is no such folder, or this is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError("the dashboard needs a terminal; slm-tui --help lists the commands that work without one")
    app = SlmTui(Workspace.at(folder))
    try:
        show(app)
    finally:
        sys.stdout.write(IMPLICIT_ORDER)
        sys.stdout.flush()
