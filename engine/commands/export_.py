"""Weights and metrics out, for other tools.

    python -m engine export RUN_DIRECTORY --format huggingface|nanogpt|gguf|csv|tensorboard --output PATH

What stands at PATH already is never touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.contract.events import Exported
from engine.interop.output import check_free, new_file, new_folder
from engine.runs.run import Run

if TYPE_CHECKING:
    from engine.contract.checkpoints import CheckpointName

Format = Literal["huggingface", "nanogpt", "gguf", "csv", "tensorboard"]


def export(run: Run, kind: CheckpointName, format: Format, output: Path) -> Exported:
    """Write the run's checkpoint `kind`, or its metrics, to `output`.

    Raises:
        UserError: something stands at `output`, there is no such checkpoint, the format cannot hold it, or it
            cannot be written.
    """
    check_free(output)
    if format in ("csv", "tensorboard"):
        return Exported(str(run), format, str(output), points=_metrics(run, format, output))
    return _weights(run, kind, format, output)


def _metrics(run: Run, format: Format, output: Path) -> int:
    from engine.interop.metrics import write_csv, write_tensorboard

    if format == "csv":
        with new_file(output) as file:
            return write_csv(file, run)
    with new_folder(output) as folder:
        return write_tensorboard(folder, run)


def _weights(run: Run, kind: CheckpointName, format: Format, output: Path) -> Exported:
    import torch

    from engine.checkpoints.read import load_whole
    from engine.contract.shape import parameter_count

    model, info, tokenizer = load_whole(run, kind, torch.device("cpu"))
    notes: list[str] = []
    if format == "huggingface":
        from engine.interop.huggingface import write_folder
        from engine.interop.model_card import model_card

        experiment = run.experiment()
        with new_folder(output) as folder:
            card = model_card(run, experiment, model, info, tokenizer)
            write_folder(folder, model, info, tokenizer, experiment.sampling, card)
    elif format == "nanogpt":
        from engine.interop import nanogpt

        with new_file(output) as file:
            nanogpt.write_checkpoint(file, model, info)
        notes = nanogpt.caveats(tokenizer)
    else:
        from engine.interop.gguf import caveats, write_gguf

        with new_file(output) as file:
            write_gguf(file, str(run), model, info, tokenizer)
        notes = caveats(info.model, tokenizer)
    parameters = parameter_count(info.model, info.vocab_size)
    return Exported(str(run), format, str(output), kind, info.step, parameters, notes=notes)
