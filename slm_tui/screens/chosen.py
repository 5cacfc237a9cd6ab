"""Screens on which an experiment or a run is chosen; on those of one run it is always that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.contract.errors import UserError
from engine.runs.run import Run
from slm_tui.catalog import Catalog, RunEntry
from slm_tui.formats import explained
from slm_tui.screens.sized import Sized

if TYPE_CHECKING:
    from slm_tui.base_app import BaseApp


class CatalogScreen(Sized[None]):
    """A screen that shows something of a workspace."""

    app: BaseApp

    @property
    def chosen_experiment(self) -> str | None:
        """The name of the experiment that a key acts upon."""
        return None

    @property
    def chosen_run(self) -> RunEntry | None:
        """The run that a key acts upon."""
        return None

    def show_catalog(self, catalog: Catalog) -> None:
        """The workspace is like this now; a screen that shows nothing of it stays as it is."""

    def tell_problem(self, error: UserError | OSError) -> None:
        """Show what went wrong; any thread may."""
        words = explained(error) if isinstance(error, OSError) else str(error)
        self.app.notify(words, severity="error", timeout=8, markup=False)


class OneRun(CatalogScreen):
    """A screen of one run."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    @property
    def chosen_experiment(self) -> str | None:
        return self.run.name

    @property
    def chosen_run(self) -> RunEntry | None:
        return self.app.catalog.find(self.run) if self.app.catalog else None
