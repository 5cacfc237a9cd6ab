"""A Hugging Face folder: what `transformers` loads with GPT2LMHeadModel and AutoTokenizer, and computes alike.

Where GPT-2 as `transformers` has it differs from ours: it always has biases, so those that a model lacks are written
as zeros, which add nothing; its matrices are Conv1D, stored transposed; its usual activation approximates the GELU by
a tanh, as ours does only where the experiment says so; and its head shares the token embedding unless told otherwise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.checkpoints.write import CheckpointInfo, save_weights
from engine.contract.experiment import Sampling
from engine.interop.model_card import model_card
from engine.interop.output import TrainedModel
from engine.interop.tensor_names import hugging_face_name, is_conv1d, with_zero_biases
from engine.interop.vocabulary import end_of_text, tokenizer_json
from engine.model.gpt import GPT

LAYER_NORM_EPSILON = 1e-5  # torch.nn.LayerNorm's, which model.py leaves as it is
ACTIVATIONS = {"gelu": "gelu", "gelu_tanh": "gelu_new"}  # ours, and what GPT-2's configuration calls it
OUR_KEY = "slm_tui"  # in config.json: what GPT-2's own configuration has no word for


def export_huggingface(folder: Path, trained: TrainedModel) -> list[str]:
    """Fill the empty `folder`; no notes.

    Raises:
        UserError: the tokenizer cannot be written so.
    """
    model, info, tokenizer = trained.model, trained.info, trained.tokenizer
    experiment = trained.run.experiment()
    _write_json(folder / "config.json", config_of(info, tokenizer.eot_id))
    generation = _generation_config(experiment.sampling, tokenizer.eot_id, info.model.block_size)
    _write_json(folder / "generation_config.json", generation)
    save_weights(weights_of(model), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "tokenizer.json").write_text(tokenizer_json(tokenizer), encoding="utf-8")
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(end_of_text(tokenizer), info.model.block_size))
    card = model_card(trained.run, experiment, model, info, tokenizer)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return []


def config_of(info: CheckpointInfo, eot_id: int) -> dict[str, Any]:
    """`config.json`."""
    model = info.model
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": info.vocab_size,
        "n_positions": model.block_size,
        "n_embd": model.n_embd,
        "n_layer": model.n_layer,
        "n_head": model.n_head,
        "activation_function": ACTIVATIONS[model.activation],
        "layer_norm_epsilon": LAYER_NORM_EPSILON,
        "resid_pdrop": model.dropout,
        "embd_pdrop": model.dropout,
        "attn_pdrop": model.dropout,
        "bos_token_id": eot_id,
        "eos_token_id": eot_id,
        "tie_word_embeddings": model.tie_weights,
        "dtype": "float32",
        "torch_dtype": "float32",  # the same, as transformers 4 calls it
        OUR_KEY: {"bias": model.bias},
    }


def weights_of(model: GPT) -> dict[str, Tensor]:
    """Every tensor by the name and in the shape that GPT2LMHeadModel has it."""
    return {
        hugging_face_name(name): (tensor.T if is_conv1d(name) else tensor).contiguous()
        for name, tensor in with_zero_biases(model.state_dict()).items()
    }


def _generation_config(sampling: Sampling, eot_id: int, block_size: int) -> dict[str, Any]:
    """`generation_config.json`: the run's [sampling], as `model.generate` takes it.

    Its length is the window's, since `transformers` has no position after that and fails there.
    """
    config: dict[str, Any] = {
        "bos_token_id": eot_id,
        "eos_token_id": eot_id,
        "pad_token_id": eot_id,
        "max_length": block_size,
        "repetition_penalty": sampling.repetition_penalty,
        "do_sample": sampling.temperature > 0,
    }
    if sampling.temperature > 0:
        config |= {"temperature": sampling.temperature, "top_k": sampling.top_k, "top_p": sampling.top_p}
        config |= {"min_p": sampling.min_p} if sampling.min_p else {}
    return config


def _tokenizer_config(end_of_text: str, block_size: int) -> dict[str, Any]:
    """`tokenizer_config.json`. The class is the general one: GPT2Tokenizer leaves a normalizer out."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": end_of_text,
        "eos_token": end_of_text,
        "unk_token": end_of_text,
        "model_max_length": block_size,
        "clean_up_tokenization_spaces": False,
    }


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
