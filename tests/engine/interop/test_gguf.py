"""GGUF files, as gguf's own reader reads them, and as `transformers` computes what is in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from engine.checkpoints.read import load_whole
from engine.commands.export_ import export
from engine.contract.errors import UserError
from engine.data.tokenizers.pretrained import HuggingFaceTokenizer
from engine.interop.vocabulary import tokenizer_json
from engine.runs.run import Run

gguf = pytest.importorskip("gguf")
CPU = torch.device("cpu")


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The file's metadata and tensors; the rows of a tensor are its first index."""
    reader = gguf.GGUFReader(path)
    metadata = {name: field.contents() for name, field in reader.fields.items()}
    return metadata, {tensor.name: tensor.data for tensor in reader.tensors}


def test_the_file_says_what_llama_cpp_wants_of_a_gpt2(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run()
    done = export(run, "best", "gguf", tmp_path / "model.gguf")
    metadata, tensors = read(tmp_path / "model.gguf")
    model, info, tokenizer = load_whole(run, "best", CPU)
    assert metadata["general.architecture"] == "gpt2"
    assert metadata["general.name"] == str(run)
    assert metadata["general.file_type"] == 0  # all F32
    for key, value in (("context_length", 32), ("embedding_length", 32), ("feed_forward_length", 128)):
        assert metadata[f"gpt2.{key}"] == value
    assert (metadata["gpt2.block_count"], metadata["gpt2.attention.head_count"]) == (2, 2)
    assert metadata["gpt2.attention.layer_norm_epsilon"] == pytest.approx(1e-5)
    assert metadata["tokenizer.ggml.model"] == "gpt2"
    assert metadata["tokenizer.ggml.pre"] == "gpt-2"
    assert metadata["tokenizer.ggml.bos_token_id"] == metadata["tokenizer.ggml.eos_token_id"] == tokenizer.eot_id
    assert metadata["tokenizer.ggml.add_bos_token"] is True
    blocks = {f"blk.{layer}.{name}" for layer in range(2) for name in BLOCK}
    assert set(tensors) == blocks | {f"{name}.weight" for name in OUTER} | {"output_norm.bias"}
    assert torch.equal(torch.tensor(tensors["blk.1.ffn_up.weight"]), model.h[1].mlp.c_fc.weight)
    assert torch.equal(torch.tensor(tensors["token_embd.weight"]), model.wte.weight)
    assert info.vocab_size == len(metadata["tokenizer.ggml.tokens"])
    assert any("tanh" in note for note in done.notes) and any("NFKC" in note for note in done.notes)


BLOCK = [
    f"{name}.{part}"
    for name in ("attn_norm", "attn_qkv", "attn_output", "ffn_norm", "ffn_up", "ffn_down")
    for part in ("weight", "bias")
]
OUTER = ("token_embd", "position_embd", "output_norm")


def test_llama_cpps_own_activation_is_not_said_to_differ(make_run: Callable[..., Run], tmp_path: Path) -> None:
    done = export(make_run("model.activation=gelu_tanh"), "best", "gguf", tmp_path / "model.gguf")
    assert not any("tanh" in note for note in done.notes)


@pytest.mark.parametrize("bias", ["true", "false"])
@pytest.mark.parametrize("tied", ["true", "false"])
def test_another_reader_computes_the_same_of_it(
    make_run: Callable[..., Run], tmp_path: Path, bias: str, tied: str
) -> None:
    run = make_run(f"model.bias={bias}", f"model.tie_weights={tied}")
    export(run, "best", "gguf", tmp_path / "model.gguf")
    model, info, _ = load_whole(run, "best", CPU)
    said = load_gguf_checkpoint(tmp_path / "model.gguf")["config"]
    config = GPT2Config(**said, n_positions=said["n_ctx"])
    config.activation_function, config.tie_word_embeddings = "gelu", tied == "true"  # which GGUF cannot say
    theirs = GPT2LMHeadModel(config).eval()
    read_by_them = load_gguf_checkpoint(tmp_path / "model.gguf", return_tensors=True, model_to_load=theirs)["tensors"]
    told = theirs.load_state_dict(read_by_them, strict=False)
    assert told.unexpected_keys == [] and set(told.missing_keys) <= {"lm_head.weight"}
    theirs.tie_weights()
    ids = torch.randint(info.vocab_size, (2, info.model.block_size))
    with torch.no_grad():
        assert torch.allclose(theirs(ids).logits, model(ids), rtol=0, atol=1e-4)


def test_the_vocabulary_is_the_tokenizers(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run()
    export(run, "best", "gguf", tmp_path / "model.gguf")
    metadata, _ = read(tmp_path / "model.gguf")
    tokenizer = load_whole(run, "best", CPU)[2]
    document = json.loads(tokenizer_json(tokenizer))
    tokens = metadata["tokenizer.ggml.tokens"]
    assert {text: number for number, text in enumerate(tokens)} == document["model"]["vocab"]
    assert metadata["tokenizer.ggml.merges"] == [" ".join(merge) for merge in document["model"]["merges"]]
    kinds = metadata["tokenizer.ggml.token_type"]
    assert [number for number, kind in enumerate(kinds) if kind == gguf.TokenType.CONTROL] == [tokenizer.eot_id]


def test_a_tokenizer_that_llama_cpps_gpt2_has_not_is_refused(make_run: Callable[..., Run], tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"</s>": 0, "a": 1, "?": 2}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.add_special_tokens(["</s>"])
    run = make_run(tokenizer=HuggingFaceTokenizer(words.to_str(), "</s>"))
    with pytest.raises(UserError, match="not a byte-level BPE"):
        export(run, "best", "gguf", tmp_path / "model.gguf")
    assert [path.name for path in tmp_path.iterdir() if "gguf" in path.name] == []
