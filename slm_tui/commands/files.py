"""`validate`, `init`, `new`, `edit` and `schema`: experiment files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from engine.contract.errors import UserError
from engine.contract.loading import ExperimentError, Problem, check_experiment, read_text
from engine.runs.workspace import Workspace
from slm_tui.commands.common import ExperimentName, Json, complete_experiment, console, print_json, say, workspace_of
from slm_tui.formats import shown_path
from slm_tui.shipped import copy_experiments

EXIT_WRONG = 2


def validate(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="Files, folders of them, or experiments by name. All of the workspace's by default.",
            autocompletion=complete_experiment,
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Every problem of experiment files, each with its line."""
    problems = {shown_path(path): _problems(path) for path in _files(context, files or [])}
    if json:
        print_json({"files": [{"file": file, "problems": found} for file, found in problems.items()]})
    else:
        _tell(problems)
    if any(problems.values()):
        raise typer.Exit(EXIT_WRONG)


def _files(context: typer.Context, names: list[str]) -> list[Path]:
    if names and all(Path(name).is_file() for name in names):
        return [Path(name) for name in names]
    workspace = workspace_of(context)
    if not names:
        files = workspace.experiment_files()
        if not files:
            raise UserError(f"no experiments in {shown_path(workspace.experiments)}; slm-tui init puts some there")
        return files
    return [file for name in names for file in _files_of(workspace, name)]


def _files_of(workspace: Workspace, name: str) -> list[Path]:
    """The file that `name` is, the experiment of that name, or the files of a folder or another workspace."""
    path = Path(name)
    if path.suffix == ".toml" or path.is_file():
        return [path]
    if not path.is_dir() or (workspace.experiments / f"{name}.toml").is_file():
        return [workspace.experiment_file(name)]
    inner = path / "experiments"
    files = sorted((inner if inner.is_dir() else path).glob("*.toml"))
    if not files:
        raise UserError(f"{name} is a folder without experiment files")
    return files


def _tell(problems: Mapping[str, Sequence[Problem]]) -> None:
    """Each file's problems, a line each; a file without any is ok."""
    out = console()
    for file, found in problems.items():
        for line in [str(problem) for problem in found] or [f"{file}: ok"]:
            out.print(line, markup=False, soft_wrap=True)


def _problems(path: Path) -> list[Problem]:
    folder = path.resolve().parent
    weights = Workspace(folder.parent).weights_bring_tokenizer if folder.name == "experiments" else None
    try:
        return check_experiment(read_text(path), shown_path(path), weights)[1]
    except ExperimentError as error:
        return list(error.problems)


def init(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Made if it is not there.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Put the shipped experiments into a folder.

    What is there already stays as it is.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    workspace = Workspace.at(folder) if folder else workspace_of(context)
    written, kept = copy_experiments(workspace)
    if json:
        print_json({"workspace": workspace.root, "written": written, "kept": kept})
        return
    out = console()
    for path in written:
        out.print(shown_path(path), markup=False, soft_wrap=True)
    for path in kept:
        out.print(f"{shown_path(path)} was there already", markup=False, soft_wrap=True)
    inside = workspace.root == Path.cwd()
    say("\nnext\n" + ("" if inside else f"  cd {shown_path(workspace.root)}\n") + "  slm-tui run quickstart")


def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new experiment.", show_default=False)],
    other: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="OTHER",
            help="The experiment to copy.",
            autocompletion=complete_experiment,
            show_default=False,
        ),
    ],
    json: Json = False,
) -> None:
    """Begin an experiment as a copy of another one."""
    from slm_tui.drafts import new_experiment

    name, other = name.removesuffix(".toml"), other.removesuffix(".toml")
    target, source = new_experiment(workspace_of(context), name, other)
    problems = _problems(target)
    if json:
        print_json({"experiment": name, "file": target, "from": source, "problems": problems})
        return
    print(shown_path(target))
    if problems:
        say(f"it has the problems of {other}; slm-tui validate {name} tells them")
    say(f"edit it, then: slm-tui run {name}")


def edit(context: typer.Context, name: ExperimentName) -> None:
    """Open an experiment in your own editor ($VISUAL, $EDITOR), then say what is wrong with it."""
    from slm_tui.outside_editor import edit_outside

    path = workspace_of(context).experiment_file(name.removesuffix(".toml"))
    edit_outside(path)
    problems = _problems(path)
    _tell({shown_path(path): problems})
    if problems:
        raise typer.Exit(EXIT_WRONG)


def schema(json: Json = False) -> None:
    """The JSON Schema of experiment files, for editors."""
    from engine.contract.experiment import json_schema

    print_json(json_schema())
