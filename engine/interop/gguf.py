"""A GGUF file, which llama.cpp runs: its `gpt2` architecture, every number as it is (F32).

llama.cpp has GPT-2's GELU in its tanh approximation alone, and does not normalize text; `caveats` says which of these
applies to a model. `llama-quantize` makes smaller files of this one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from engine.contract.errors import UserError
from engine.contract.experiment import Model
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.interop.huggingface import LAYER_NORM_EPSILON
from engine.interop.output import TrainedModel
from engine.interop.tensor_names import gguf_name, with_zero_biases
from engine.interop.vocabulary import tokenizer_json
from engine.model.gpt import GPT

if TYPE_CHECKING:
    from gguf import GGUFWriter


def caveats(model: Model, tokenizer: Tokenizer) -> list[str]:
    """Notes on what llama.cpp computes differently from the trained model."""
    told = []
    if model.activation == "gelu":
        told.append("llama.cpp computes GELU by its tanh approximation: its logits differ a little from this model's")
    if normalizer := json.loads(tokenizer_json(tokenizer)).get("normalizer"):
        told.append(
            f"llama.cpp does not normalize text ({normalizer.get('type')}) as this tokenizer does: "
            "normalize prompts before it reads them"
        )
    return told


def export_gguf(path: Path, trained: TrainedModel) -> list[str]:
    """Write the model and its tokenizer to `path`; notes for the user.

    Raises:
        UserError: the package gguf is not installed, or llama.cpp has no such tokenizer.
    """
    try:
        import gguf
    except ImportError:
        raise UserError('--format gguf needs the package gguf: pip install "slm-tui[gguf]"') from None
    config = trained.info.model
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.GPT2])
    writer.add_name(str(trained.run))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_vocab_size(trained.info.vocab_size)
    writer.add_block_count(config.n_layer)
    writer.add_context_length(config.block_size)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(4 * config.n_embd)
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(LAYER_NORM_EPSILON)
    _add_tokenizer(writer, trained.tokenizer)
    for tensor_name, tensor in tensors_of(trained.model).items():
        writer.add_tensor(tensor_name, tensor.contiguous().numpy())
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()
    return caveats(config, trained.tokenizer)


def tensors_of(model: GPT) -> dict[str, Tensor]:
    """Every tensor by llama.cpp's name."""
    return {gguf_name(name): tensor for name, tensor in with_zero_biases(model.state_dict()).items()}


def _add_tokenizer(writer: GGUFWriter, tokenizer: Tokenizer) -> None:
    from gguf import TokenType

    document = json.loads(tokenizer_json(tokenizer))
    _check_is_byte_level(document)
    added = {token["id"]: token for token in document["added_tokens"]}
    names = {number: text for text, number in document["model"]["vocab"].items()}
    names |= {number: token["content"] for number, token in added.items()}
    texts, kinds = [], []
    for number in range(tokenizer.vocab_size):  # a vocabulary may have gaps
        special = number in added and added[number]["special"]
        kind = TokenType.CONTROL if special else TokenType.USER_DEFINED if number in added else TokenType.NORMAL
        texts.append(names.get(number, f"[PAD{number}]"))
        kinds.append(kind if number in names else TokenType.UNUSED)
    merges = document["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_bos_token_id(tokenizer.eot_id)
    writer.add_eos_token_id(tokenizer.eot_id)
    writer.add_add_bos_token(True)  # as before every story that the model was trained on


def _check_is_byte_level(document: dict[str, Any]) -> None:
    """Check that it splits text as GPT-2's tokenizer, the only one that llama.cpp has for this architecture."""
    cuts = document.get("pre_tokenizer") or {}
    gpt2s = cuts.get("type") == "ByteLevel" and cuts.get("use_regex", True) and not cuts.get("add_prefix_space")
    if document["model"].get("type") != "BPE" or not gpt2s:
        raise UserError("--format gguf: the tokenizer is not a byte-level BPE that splits words as GPT-2's does")
