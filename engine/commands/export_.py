"""Weights and metrics out, for other tools: the formats of `engine.contract.export_formats`.

    python -m engine export RUN_DIRECTORY --format FORMAT --output PATH [--checkpoint NAME]

PATH must not exist yet.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.contract.checkpoints import CheckpointName
from engine.contract.events import Exported
from engine.contract.export_formats import EXPORT_FORMATS, ExportFormat
from engine.contract.shape import parameter_count
from engine.interop.output import TrainedModel, check_free, new_file, new_folder
from engine.runs.run import Run


def export(run: Run, checkpoint: CheckpointName, format: str, output: Path) -> Exported:
    """Write the run's checkpoint, or its metrics, to `output`.

    Raises:
        UserError: something stands at `output`, there is no such checkpoint, the format cannot hold it, or it
            cannot be written.
    """
    check_free(output)
    row = EXPORT_FORMATS[format]
    place = new_folder if row.target == "folder" else new_file
    if row.content == "metrics":
        with place(output) as path:
            return Exported(str(run), format, str(output), points=_writer(row)(path, run))
    trained = _load(run, checkpoint)
    with place(output) as path:
        notes = _writer(row)(path, trained)
    parameters = parameter_count(trained.info.model, trained.info.vocab_size)
    return Exported(str(run), format, str(output), checkpoint, trained.info.step, parameters, notes=notes)


def _load(run: Run, checkpoint: CheckpointName) -> TrainedModel:
    import torch  # 2 s, which metrics do not need

    from engine.checkpoints.read import load_whole

    return TrainedModel(run, *load_whole(run, checkpoint, torch.device("cpu")))


def _writer(row: ExportFormat) -> Callable[..., Any]:
    module, _, function = row.writer.partition(":")
    writer: Callable[..., Any] = getattr(import_module(f"engine.interop.{module}"), function)
    return writer
