"""A checkpoint's loss over the whole validation split, every token once.

python -m engine evaluate RUN_DIRECTORY [--checkpoint NAME] [--device DEVICE]
"""

from __future__ import annotations

import math

import msgspec

from engine.checkpoints.read import check_tokenizer, load_model
from engine.commands.prepare import data_of
from engine.contract.checkpoints import CheckpointName
from engine.contract.errors import UserError
from engine.contract.events import Emit, Evaluated
from engine.data.batches import TokenFile, whole_split
from engine.device.choice import prepare_device
from engine.device.precision import choose_precision
from engine.runs.run import Run
from engine.training.evaluate import bits_per_byte, counted, mean_loss


def evaluate_run(run: Run, kind: CheckpointName, device_name: str, emit: Emit) -> Evaluated:
    """A checkpoint's loss over the whole validation split.

    Raises:
        UserError: there is no such checkpoint, its data cannot be prepared or are of another tokenizer, or the loss is
            not finite.
    """
    experiment = run.experiment()
    device = prepare_device(msgspec.structs.replace(experiment.hardware, device=device_name))
    model, info = load_model(run, kind, device)
    data = data_of(run, experiment, emit)
    check_tokenizer(run, kind, data.tokenizer(), data.directory)
    split = data.manifest.val
    file = TokenFile(data.val, data.manifest.dtype, info.model.block_size, device)
    batches = counted(whole_split(file, experiment.train.batch_size), emit, split.tokens - 1)
    loss, tokens = mean_loss(model, batches, choose_precision(experiment.train.precision, device))
    if not math.isfinite(loss):
        raise UserError(
            f"{run}: the validation loss of its {kind} checkpoint is not a finite number: its weights hold NaN "
            "or infinity, or values so large that they overflow"
        )
    return Evaluated(kind, info.step, loss, bits_per_byte(loss, split.tokens, split.bytes), tokens)
