"""Prepare an experiment's data, by itself or for a run.

python -m engine prepare NAME [--workspace DIR] [--set TABLE.KEY=VALUE]
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.contract.events import Emit, Prepared, Warning
from engine.contract.experiment import Experiment
from engine.data.prepare import PreparedData, digest_of, prepare
from engine.data.write_errors import write_errors_explained
from engine.runs.run import Run
from engine.runs.workspace import Workspace, mirror_folder
from engine.training.starting_point import starting_tokenizer, unused_table

if TYPE_CHECKING:
    from engine.translation.corpus import CorpusTranslation


def prepare_alone(name: str, experiment: Experiment, workspace: Workspace, mirror: Path | None, emit: Emit) -> None:
    """Prepare all that a run of the experiment reads, its translation models too, and say so.

    Raises:
        UserError: something cannot be found, read or written.
    """
    if experiment.sampling.translate is not None:
        from engine.translation.stories import download_models  # torch

        download_models(experiment.sampling.translate, mirror, workspace.root, emit)
    emit(prepared_event(prepare_experiment(name, experiment, workspace, mirror, emit)))


def prepare_experiment(
    name: str, experiment: Experiment, workspace: Workspace, mirror: Path | None, emit: Emit
) -> PreparedData:
    """The data of the experiment `name`, with the tokenizer of the weights that it starts from and its translation.

    Raises:
        UserError: as `engine.data.prepare.prepare`, or the weights or the translation's model cannot be found.
    """
    with write_errors_explained(workspace):
        translation = translation_of(experiment, workspace, mirror)
        tokenizer = starting_tokenizer(experiment, workspace, mirror)
    try:
        data = prepare(name, experiment, workspace, mirror, emit, tokenizer, translation)
    finally:
        if translation is not None:
            translation.close()
    for message in unused_table(experiment, tokenizer):
        emit(Warning(message))
    return data


def translation_of(experiment: Experiment, workspace: Workspace, mirror: Path | None) -> CorpusTranslation | None:
    """How the experiment's stories are translated; None where they are not.

    Raises:
        UserError: there is no such model, or it is no Marian model.
    """
    if experiment.data.translate is None:
        return None
    from engine.translation.corpus import CorpusTranslation  # torch

    return CorpusTranslation(experiment.data.translate, experiment.hardware.device, workspace, mirror)


def data_of(run: Run, experiment: Experiment, emit: Emit) -> PreparedData:
    """The data that `run` trains on: what it used before, if that is still there, or else prepared now.

    A warning where they are not what it used before: its source has changed.

    Raises:
        UserError: the data cannot be prepared.
    """
    used = run.status().data
    if used is not None and (Path(used.directory) / "manifest.json").exists():
        return PreparedData.load(Path(used.directory))
    data = prepare_experiment(run.name, experiment, Workspace(run.workspace_folder), mirror_folder(), emit)
    if used is not None and digest_of(Path(used.directory)) != digest_of(data.directory):
        emit(Warning(f"{used.directory}, which this run used before, is gone, and its source has changed since"))
    return data


def prepared_event(data: PreparedData) -> Prepared:
    """What the events say of prepared data."""
    manifest = data.manifest
    train, val = manifest.train, manifest.val
    return Prepared(
        str(data.directory), manifest.vocab_size, train.tokens, val.tokens, data.cached, train.stories, val.stories
    )
