"""Where experiments, runs and prepared data live, and how they are found by name."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from engine.contract.errors import NotYet, UserError, nearest
from engine.contract.experiment import HUB_PREFIX
from engine.runs.run import RESUMABLE, Run

WORKSPACE_VARIABLE = "SLM_TUI_WORKSPACE"
MIRROR_VARIABLE = "SLM_DATA_MIRROR"
HUB_ID = r"[\w-][\w.-]*(/[\w-][\w.-]*)?"  # OWNER/NAME; a path that leaves the mirror's folder does not match


def mirror_folder() -> Path | None:
    """Where data of the network are looked for first, if the environment names such a folder."""
    value = os.environ.get(MIRROR_VARIABLE)
    return Path(value) if value else None


_TOKENIZER_FILES = ("tokenizer.json", "vocab.json")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RUN_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{4}")


@dataclass(frozen=True)
class Workspace:
    """A folder with `experiments/`, and beside it the `runs/` and `data/` that come of them."""

    root: Path

    @classmethod
    def at(cls, folder: Path | None = None) -> Workspace:
        """`folder`, or else SLM_TUI_WORKSPACE, or else the current folder."""
        chosen = folder or Path(os.environ.get(WORKSPACE_VARIABLE) or ".")
        if not chosen.is_dir():
            raise UserError(f"workspace {chosen}: no such folder; slm-tui init {chosen} creates one")
        return cls(chosen.resolve())

    @property
    def experiments(self) -> Path:
        return self.root / "experiments"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def data(self) -> Path:
        return self.root / "data"

    def experiment_files(self) -> list[Path]:
        """Every `experiments/NAME.toml`, by name; an editor's own files are not experiments."""
        return sorted(path for path in self.experiments.glob("*.toml") if _NAME.fullmatch(path.stem))

    def experiment_file(self, name: str) -> Path:
        """The file of the experiment `name`.

        Raises:
            UserError: there is none; names the nearest.
        """
        path = self.experiments / f"{valid_name(name)}.toml"
        if path.is_file():
            return path
        names = [file.stem for file in self.experiment_files()]
        if not names:
            raise UserError(f"no experiments in {self.experiments}; slm-tui init puts the shipped ones there")
        raise UserError(f"no experiment {name!r} in {self.experiments}{_suggestion(name, names)}")

    def new_run(self, name: str) -> Run:
        """Make the directory of a new run of the experiment `name`."""
        while True:
            run = self.next_run(name)
            try:
                run.path.mkdir(parents=True)
            except FileExistsError:
                continue
            return run

    def next_run(self, name: str) -> Run:
        """What the next run of the experiment `name` is to be called; makes nothing. Its id is greater than those of
        earlier runs, also within a second: runs queue in the order of their ids."""
        folder = self.runs / valid_name(name)
        while True:
            started = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
            newest = max((run.id for run in self.list_runs() if run.id.startswith(started)), default=None)
            suffix = int(newest[-4:], 16) + 1 + secrets.randbelow(256) if newest else secrets.randbelow(0x8000)
            if suffix <= 0xFFFF:  # hundreds in a second: the next one has room again
                return Run(folder / f"{started}-{suffix:04x}")

    def list_runs(self, name: str | None = None) -> list[Run]:
        """The runs of one experiment, or of all, newest first."""
        folders = [self.runs / valid_name(name)] if name else _subfolders(self.runs)
        runs = [Run(path) for folder in folders for path in _subfolders(folder) if _RUN_ID.fullmatch(path.name)]
        return sorted(runs, key=lambda run: run.id, reverse=True)

    def find_run(self, reference: str) -> Run:
        """The run that `reference` means: an experiment's name (its newest run), a run id or the beginning or
        end of one, NAME/ID, or the path of a run's directory in this workspace.

        Raises:
            NotYet: it is an experiment that has no run yet.
            UserError: no run fits, or several do.
        """
        runs = self.list_runs()
        named = [run for run in runs if run.name == reference]
        if named:
            return named[0]
        id_part = reference.rstrip("/").rsplit("/", 1)[-1]
        name_part = reference.rstrip("/").rsplit("/", 2)[-2] if "/" in reference.rstrip("/") else None
        fitting = [
            run
            for run in runs
            if len(id_part) >= 4
            and (run.id.startswith(id_part) or run.id.endswith(id_part))
            and name_part in (None, run.name)
        ]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            shown = ", ".join(str(run) for run in fitting[:5]) + (", …" if len(fitting) > 5 else "")
            raise UserError(f"{reference!r} matches {len(fitting)} runs: {shown}; give more of the id")
        known = {run.name for run in runs} | {run.id for run in runs} | {file.stem for file in self.experiment_files()}
        experiment = self.experiments / f"{reference}.toml"
        if _NAME.fullmatch(reference) and experiment.is_file():
            raise NotYet(f"{reference} has no runs yet; slm-tui run {reference} starts one")
        hint = _suggestion(reference, known) if known else "; slm-tui init puts the shipped experiments there"
        raise UserError(f"no experiment or run {reference!r} in {self.root}{hint}")

    def find_weights(self, init_from: str) -> Run | Path | str:
        """What `train.init_from` names: a run; a file of weights or a Hugging Face folder; or a name on the hub.

        What is no name on the hub, no file and no such folder is a run, the newest with a best checkpoint where it
        is an experiment's name. Asks no network, and looks into no file.

        Raises:
            NotYet: it is an experiment of which no run has a best checkpoint or may still have one.
            UserError: there is nothing of that name, naming the nearest; or it is such a run.
        """
        if init_from.startswith(HUB_PREFIX):
            return self._hub_name(init_from.removeprefix(HUB_PREFIX))
        path = below(self.root, init_from)
        if os.path.isfile(path) or os.path.isfile(path / "config.json"):  # pathlib's raise for a name that is too long
            return path
        named = [run for run in self.list_runs() if run.name == init_from]
        saved = [run for run in named if (run.checkpoints / "best").is_dir()]  # one that begins now may be among them
        if saved:
            return saved[0]
        try:
            run = self.find_run(init_from)
        except UserError as error:
            on_hub = "/" in init_from and re.fullmatch(HUB_ID, init_from)
            hint = neighbour(path) or (f'; a model on the hub is "{HUB_PREFIX}{init_from}"' if on_hub else "")
            kind = NotYet if isinstance(error, NotYet) else UserError
            raise kind(f"is not a file, and as a run: {error}{hint}") from None
        if not (run.checkpoints / "best").is_dir() and (state := run.state()) in RESUMABLE:
            kind = NotYet if named else UserError
            raise kind(f"{run} is {state}, and has no best checkpoint")
        return run

    def weights_bring_tokenizer(self, init_from: str) -> bool:
        """Whether what `train.init_from` names comes with its tokenizer; assumed for a model on the hub.

        Raises:
            NotYet, UserError: as `find_weights`.
        """
        found = self.find_weights(init_from)
        return not isinstance(found, Path) or tokenizer_beside(found) is not None

    def _hub_name(self, name: str) -> str:
        if not os.path.isdir(below(self.root, name)) and not re.fullmatch(HUB_ID, name):
            raise UserError(f"must be {HUB_PREFIX}OWNER/NAME, a model on the hub")
        return name


def below(root: Path, name: str) -> Path:
    """The path that the user means by `name`: below `root` unless it begins with / or ~."""
    try:
        return root / Path(name).expanduser()
    except RuntimeError:  # ~ of a user that there is not
        return root / name


def tokenizer_beside(weights: Path) -> Path | None:
    """The folder of the tokenizer that comes with weights from elsewhere: a Hugging Face folder, or a safetensors file
    in one, may have it."""
    folder = weights if weights.is_dir() else weights.parent
    if weights.is_file() and (weights.suffix != ".safetensors" or not (folder / "config.json").is_file()):
        return None
    return folder if any((folder / name).is_file() for name in _TOKENIZER_FILES) else None


def neighbour(path: Path) -> str:
    """'; did you mean NAME?', where the folder of the missing `path` holds something of a similar name."""
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    return _suggestion(path.name, names)


def valid_name(name: str) -> str:
    """`name`, if it is a valid experiment name: one that cannot leave the workspace or look like an option.

    Raises:
        UserError: it is not.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise UserError(f"{name!r} is not an experiment name: use at most 64 letters, digits, '.', '_' and '-'")
    return name


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:  # knows what is a folder without asking again
            return [folder / entry.name for entry in entries if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else ""
