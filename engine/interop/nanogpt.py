"""nanoGPT's `ckpt.pt`: what its `sample.py` loads from `out_dir`, tensors and plain numbers only.

It holds no optimizer state, so nanoGPT's `train.py` cannot resume from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.checkpoints.write import CheckpointInfo, save_pickled
from engine.contract.errors import UserError
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.interop.output import TrainedModel
from engine.interop.tensor_names import hugging_face_name
from engine.model.gpt import GPT


def checkpoint_of(model: GPT, info: CheckpointInfo) -> dict[str, Any]:
    """What `ckpt.pt` says.

    Raises:
        UserError: nanoGPT has no model like this one.
    """
    config = info.model
    if not config.tie_weights:
        raise UserError(
            "model.tie_weights = false: nanoGPT's head always shares the token embedding, so it would load this model "
            "wrongly; use --format huggingface"
        )
    if config.activation != "gelu":
        raise UserError(
            f'model.activation = "{config.activation}": nanoGPT has only the exact GELU, so it would load this model '
            "wrongly; use --format huggingface"
        )
    weights = {hugging_face_name(name): tensor for name, tensor in model.state_dict().items()}
    return {
        "model": {**weights, "lm_head.weight": weights[hugging_face_name("wte.weight")]},
        "model_args": {
            "n_layer": config.n_layer,
            "n_head": config.n_head,
            "n_embd": config.n_embd,
            "block_size": config.block_size,
            "bias": config.bias,
            "vocab_size": info.vocab_size,
            "dropout": config.dropout,
        },
        "iter_num": info.step,
        "best_val_loss": info.val_loss,
        "config": {},
    }


def caveats(tokenizer: Tokenizer) -> list[str]:
    """Notes on what the file lacks for nanoGPT."""
    if tokenizer.kind == "gpt2":
        return []
    return [
        "nanoGPT's sample.py assumes GPT-2's vocabulary, which this model does not have; to import the file again, "
        "give slm-tui import --tokenizer the run's checkpoints/best/tokenizer"
    ]


def export_nanogpt(path: Path, trained: TrainedModel) -> list[str]:
    """Write `ckpt.pt` to `path`; notes for the user.

    Raises:
        UserError: nanoGPT has no model like this one.
        OSError: it could not be written.
    """
    save_pickled(checkpoint_of(trained.model, trained.info), path)
    return caveats(trained.tokenizer)
