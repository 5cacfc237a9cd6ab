"""An experiment file that is being written: its text, what is wrong with it, what it means, and saving it.

Pure but for reading and writing files; the dashboard's editor draws it.
"""

from __future__ import annotations

import itertools
import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.contract.errors import UserError
from engine.contract.experiment import Experiment
from engine.contract.files import replace_file
from engine.contract.loading import ExperimentError, check_experiment, read_text
from engine.runs.run import RunStatus
from engine.runs.workspace import Workspace, valid_name
from slm_tui.details import details_of, numbers, same_data
from slm_tui.formats import count, quantity, shown_path
from slm_tui.shipped import shipped_experiments

_BOM = b"\xef\xbb\xbf"
_LINE_BREAKS_OF_OTHERS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"  # in TOML they end no line, in Python's texts they do


@dataclass
class Draft:
    """A file's text, and what stood on disk when it was last read or saved."""

    path: Path
    text: str
    saved: bytes | None  # None: there was no file
    bom: bool = False  # the file began with a byte-order mark, and keeps it

    @classmethod
    def open(cls, path: Path) -> Draft:
        """Read `path`.

        Raises:
            UserError: it is missing, no UTF-8, or has characters that an editor of lines would change.
        """
        read_text(path)  # it says in words what is wrong
        draft = cls(path, "", None)
        draft.reload()
        return draft

    def reload(self) -> None:
        """Take the text that is on disk now.

        Raises:
            UserError: as for `open`.
        """
        try:
            content = self.path.read_bytes()
            text = content.decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{shown_path(self.path)} cannot be read: {error}") from None
        for number, line in enumerate(text.split("\n"), 1):
            if strange := next((letter for letter in line if letter in _LINE_BREAKS_OF_OTHERS), None):
                raise UserError(
                    f"{shown_path(self.path)}:{number} has a character U+{ord(strange):04X}, which would be taken for "
                    "the end of a line here: edit it in another editor, with E"
                )
        self.text, self.saved, self.bom = text, content, content.startswith(_BOM)

    @property
    def content(self) -> bytes:
        """The bytes that saving writes."""
        return (_BOM if self.bom else b"") + self.text.encode()

    @property
    def unsaved(self) -> bool:
        return self.content != self.saved

    def on_disk(self) -> Literal["as read", "changed", "deleted"]:
        """What happened to the file since it was read or saved. One that is unreadable now counts as changed."""
        try:
            content = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return "deleted"
        except OSError:
            return "changed"
        return "as read" if content == self.saved else "changed"

    def save(self) -> None:
        """Replace the file by the text, whatever stands there.

        Raises:
            OSError: it could not be written; what stood there stands there still.
        """
        target = self.path.resolve()  # a link stays one
        content, mode = self.content, None
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            mode = target.stat().st_mode
            if not os.access(target, os.W_OK):
                raise PermissionError(f"{shown_path(target)} is read-only")
        replace_file(target, content)
        if mode is not None:
            target.chmod(mode)
        self.saved = content


@dataclass(frozen=True)
class Finding:
    """One problem: its line, counted from 1, or None where no line can be named."""

    line: int | None
    message: str


@dataclass(frozen=True)
class Assessment:
    """What a text says: its problems, or what it means."""

    findings: tuple[Finding, ...]
    figures: tuple[tuple[str, str], ...] = ()  # labels and values; none where there are problems
    brief: str = ""  # the figures that matter most, in a line

    def verdict(self) -> str:
        """'no problems', '1 problem', '3 problems'."""
        found = len(self.findings)
        return f"{found or 'no'} problem{'' if found == 1 else 's'}"


class PreparedRuns:
    """How many tokens data turned out to be, from the runs that trained on them. Any thread may ask."""

    def __init__(self, workspace: Workspace) -> None:
        self._lock = threading.Lock()
        self._read: list[tuple[Experiment, RunStatus]] = []
        self._unread = self._read_on(workspace)

    def find(self, experiment: Experiment) -> RunStatus | None:
        """The newest run with the same data and tokenizer; None where no run has prepared them."""
        with self._lock:
            entries = itertools.chain(self._read[:], self._unread)
            return next((status for of_run, status in entries if same_data(of_run, experiment)), None)

    def _read_on(self, workspace: Workspace) -> Iterator[tuple[Experiment, RunStatus]]:
        """Reads one run more each time, and keeps it: what a run's data came out as does not change."""
        for run in workspace.list_runs():
            try:
                experiment, status = run.experiment(), run.status()
            except (ExperimentError, OSError):  # of another version, deleted meanwhile, or not for us to read
                continue
            if status.data is not None:
                self._read.append((experiment, status))
                yield experiment, status


def assess(text: str, name: str, workspace: Workspace | None = None, runs: PreparedRuns | None = None) -> Assessment:
    """What `text` says as the experiment `name`; takes milliseconds.

    Of the `workspace` it is asked whether it has what the text names, and of its `runs` how large the data are.
    """
    try:
        experiment, problems = check_experiment(text, name, workspace.weights_bring_tokenizer if workspace else None)
    except OSError:  # a folder is not for us to read, which starting it says
        experiment, problems = check_experiment(text, name)
    if experiment is None:
        return Assessment(
            tuple(
                Finding(
                    int(problem.where.removeprefix(f"{name}:")) if problem.where != name else None,
                    f"{problem.key} {problem.message}".strip(),
                )
                for problem in problems
            )
        )
    prepared = runs.find(experiment) if runs else None
    details = details_of(name, experiment, prepared)
    a_pass = "known after a run"
    if prepared and prepared.data:
        a_pass = f"{count(max(1, round(prepared.data.train_tokens / details.tokens_per_step)))} steps"
    figures = [
        *numbers(details),
        ("a pass takes", a_pass),
        ("data", details.dataset),
        ("tokenizer", details.tokenizer),
    ]
    brief = f"{quantity(details.parameters)} parameters · {count(details.tokens_per_step)} tokens a step"
    return Assessment((), tuple(figures), brief)


def new_experiment(workspace: Workspace, name: str, source_name: str) -> tuple[Path, Path]:
    """Begin the experiment `name` as a copy of another one, of the workspace or else a shipped one.

    Returns:
        The new file, and the one that it is a copy of.

    Raises:
        UserError: `name` is none or taken, or there is no such source.
        OSError: it could not be written.
    """
    target = workspace.experiments / f"{valid_name(name)}.toml"
    if target.exists():
        raise UserError(f"{shown_path(target)} exists already")
    own = workspace.experiments / f"{valid_name(source_name)}.toml"
    shipped = next((file for file in shipped_experiments() if file.stem == source_name), None)
    source = shipped if shipped and not own.is_file() else workspace.experiment_file(source_name)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, source.read_bytes())
    return target, source


def run_external_editor(path: Path) -> None:
    """Open `path` in the person's own editor, and wait until it is closed. The terminal is to be free.

    Raises:
        UserError: there is none, or it failed.
    """
    command = _external_editor()
    try:
        code = subprocess.run([*command, os.fspath(path)], check=False).returncode
    except OSError as error:
        raise UserError(f"the editor {command[0]} cannot be started: {error.strerror}; $EDITOR names one") from None
    if code != 0:
        raise UserError(f"the editor {command[0]} ended with exit code {code}")


def _external_editor() -> list[str]:
    for variable in ("VISUAL", "EDITOR"):
        try:
            if command := shlex.split(os.environ.get(variable, "")):
                return command
        except ValueError as error:
            raise UserError(f"${variable} = {os.environ[variable]!r}: {error}") from None
    for name in ("vi", "nano"):
        if shutil.which(name):
            return [name]
    raise UserError("no editor was found; set $EDITOR to the one that you use")
