"""Files of weights from elsewhere: what is read of them, and what is refused, with nothing of it run."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.contract.errors import UserError
from engine.interop.foreign import read_foreign

WEIGHTS = {"wte.weight": torch.ones(4, 2), "wpe.weight": torch.zeros(3, 2)}


class Malicious:
    """Unpickled by a reader that executes code, it would make a file."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.answer = function, arguments

    def __reduce__(self) -> Any:
        return self.answer


@pytest.mark.parametrize("by", ["Path.touch", "os.system", "exec"])
@pytest.mark.parametrize("how", ["torch", "torch of old", "pickle 2", "pickle 4"])
def test_a_pickle_with_code_is_refused_and_nothing_of_it_is_run(tmp_path: Path, by: str, how: str) -> None:
    sign, path = tmp_path / "executed", tmp_path / "ckpt.pt"
    codes = {
        "Path.touch": Malicious(Path.touch, sign),
        "os.system": Malicious(os.system, f"touch {sign}"),
        "exec": Malicious(exec, f"import pathlib; pathlib.Path({str(sign)!r}).touch()"),
    }
    checkpoint = {"model": {**WEIGHTS, "code": codes[by]}, "model_args": {"n_head": 1}}
    if how.startswith("torch"):
        torch.save(checkpoint, path, _use_new_zipfile_serialization=how == "torch")
        torch.load(path, weights_only=False)  # the code is in it, and runs where it may
    else:
        path.write_bytes(pickle.dumps(checkpoint, protocol=int(how[-1])))
        pickle.loads(path.read_bytes())  # noqa: S301  this test's own
    sign.unlink()
    with pytest.raises(UserError, match=r"ckpt\.pt: refused: .*no code was run"):
        read_foreign(path)
    assert not sign.exists()


def test_a_refusal_names_what_would_have_been_called(tmp_path: Path) -> None:
    torch.save({"model": Malicious(exec, "1")}, tmp_path / "ckpt.pt")
    with pytest.raises(UserError, match=r"would call (builtins\.)?exec;"):
        read_foreign(tmp_path / "ckpt.pt")


def test_a_hugging_face_folder_with_code_in_its_pickle_is_refused_too(tmp_path: Path) -> None:
    sign = tmp_path / "executed"
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    torch.save({"wte.weight": Malicious(Path.touch, sign)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="refused"):
        read_foreign(tmp_path)
    assert not sign.exists()


@pytest.mark.parametrize("key", [None, "model", "model_state_dict", "state_dict"])
def test_a_state_dict_is_found_by_itself_or_in_a_checkpoint(tmp_path: Path, key: str | None) -> None:
    torch.save(WEIGHTS if key is None else {"optimizer": {"lr": 1.0}, key: WEIGHTS}, tmp_path / "w.pt")
    assert set(read_foreign(tmp_path / "w.pt").tensors) == set(WEIGHTS)


def test_a_nanogpt_checkpoint_tells_heads_step_and_loss(tmp_path: Path) -> None:
    arguments = {"n_layer": 1, "n_head": 2, "bias": False, "dropout": 0.2}
    loss = torch.tensor(1.57)
    torch.save({"model": WEIGHTS, "model_args": arguments, "iter_num": 40, "best_val_loss": loss}, tmp_path / "c.pt")
    foreign = read_foreign(tmp_path / "c.pt")
    assert foreign.model == {"n_head": 2, "bias": False, "dropout": 0.2}
    assert (foreign.step, foreign.val_loss) == (40, pytest.approx(1.57))


def test_weights_in_several_files_are_read_together(tmp_path: Path) -> None:
    names = dict(zip(WEIGHTS, ("model-1.safetensors", "model-2.safetensors"), strict=True))
    for name, file in names.items():
        save_file({name: WEIGHTS[name]}, tmp_path / file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "n_head": 1}')
    assert set(read_foreign(tmp_path).tensors) == set(WEIGHTS)
    assert read_foreign(tmp_path).model["n_head"] == 1


def test_the_configuration_beside_a_safetensors_file_is_read_with_it(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "other_name.safetensors")
    assert read_foreign(tmp_path / "other_name.safetensors").model == {}
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "n_head": 2}')
    assert read_foreign(tmp_path / "other_name.safetensors").model["n_head"] == 2


def folder_with(folder: Path, **config: object) -> Path:
    save_file(WEIGHTS, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", **config}))
    return folder


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("activation_function", "relu", 'activation_function = "relu" is not supported, only GELU'),
        ("layer_norm_epsilon", 1e-6, "layer_norm_epsilon = 1e-06 is not supported, only 1e-05"),
        (
            "scale_attn_by_inverse_layer_idx",
            True,
            "scale_attn_by_inverse_layer_idx = true is not supported, only false",
        ),
    ],
)
def test_a_model_that_computes_something_else_is_refused(tmp_path: Path, key: str, value: object, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_foreign(folder_with(tmp_path, **{key: value}))


def test_the_exact_gelu_and_its_usual_approximation_are_told_apart(tmp_path: Path) -> None:
    assert read_foreign(folder_with(tmp_path, activation_function="gelu")).model["activation"] == "gelu"
    # what transformers takes where none is named
    assert read_foreign(folder_with(tmp_path)).model["activation"] == "gelu_tanh"


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"not weights at all\n" * 10, b"PK\x03\x04torn"])
def test_a_file_that_holds_no_weights_is_told_in_words(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be read|is not a complete safetensors file|refused"):
        read_foreign(path)


def test_a_torn_checkpoint_is_told_in_words(tmp_path: Path) -> None:
    torch.save({"model": WEIGHTS}, tmp_path / "w.pt")
    content = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "w.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="cannot be read"):
        read_foreign(tmp_path / "w.pt")


@pytest.mark.parametrize(("content", "named"), [({"a": 1, "b": WEIGHTS}, "a, b"), ([1, 2], "list"), ({}, "nothing")])
def test_what_is_there_instead_of_a_state_dict_is_named(tmp_path: Path, content: object, named: str) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(UserError, match=f"holds no state dict, .*; it has {named}$"):
        read_foreign(tmp_path / "w.pt")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_foreign(tmp_path / "nothing.pt")
    with pytest.raises(UserError, match=r"has no config\.json"):
        read_foreign(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="holds no weights"):
        read_foreign(tmp_path)
    (tmp_path / "config.json").write_text("{torn")
    with pytest.raises(UserError, match="cannot be read"):
        read_foreign(tmp_path)
