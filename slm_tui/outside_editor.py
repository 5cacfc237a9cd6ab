"""The person's own editor: it gets the terminal, and afterwards it is said what is wrong with the file.

On the command line `slm-tui edit`, in the dashboard the key `E`.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.contract.errors import UserError
from engine.contract.loading import read_text
from slm_tui.drafts import assess, run_external_editor
from slm_tui.formats import one_line

if TYPE_CHECKING:
    from textual.app import App

    from engine.runs.workspace import Workspace

_TOLD = 3  # problems that the dashboard tells one by one


def edit_outside(path: Path) -> None:
    """Open `path` in the person's own editor, and wait until it is closed. The terminal is to be free.

    Raises:
        UserError: there is none, or it failed.
    """
    with _interrupts_left_to_the_editor():
        run_external_editor(path)


def edit_externally(app: App[Any], path: Path, workspace: Workspace) -> None:
    """Open `path`, of `workspace`, in the person's own editor, in place of `app`; then say what is wrong in it."""
    from textual.app import SuspendNotSupported

    failure: UserError | None = None
    try:
        with app.suspend():
            try:
                edit_outside(path)
            except UserError as error:  # raised in here, it would leave the app suspended
                failure = error
        if failure is None:
            _tell_findings(app, path, workspace)
    except SuspendNotSupported:
        failure = UserError("an external editor needs a terminal, and there is none here")
    except UserError as error:
        failure = error
    if failure is not None:
        app.notify(str(failure), severity="error", timeout=8, markup=False)


def _tell_findings(app: App[Any], path: Path, workspace: Workspace) -> None:
    findings = assess(read_text(path), path.stem, workspace).findings
    for finding in findings[:_TOLD]:
        where = f"{path.name}:{finding.line}" if finding.line else path.name
        app.notify(one_line(f"{where} {finding.message}"), severity="warning", timeout=8, markup=False)
    if len(findings) > _TOLD:
        app.notify(f"and {len(findings) - _TOLD} more; e shows them all", severity="warning", markup=False)


@contextmanager
def _interrupts_left_to_the_editor() -> Iterator[None]:
    """A ctrl+c goes to all that share the terminal; for a moment it is not meant for us.

    A handler that does nothing, since a child would inherit one that is ignored.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
