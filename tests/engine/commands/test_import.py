"""Weights in: every spelling becomes the same run, and what does not fit is named."""

from __future__ import annotations

import math
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from warm_engine import answer

from engine.checkpoints.read import load_model, load_whole, tokenizer_of
from engine.commands.evaluate import evaluate_run
from engine.commands.export_ import export
from engine.commands.import_ import import_weights
from engine.commands.prepare import data_of
from engine.contract.errors import UserError
from engine.contract.events import Imported
from engine.contract.experiment import Tokenizer as TokenizerTable
from engine.contract.loading import load_experiment
from engine.contract.overrides import apply_overrides
from engine.contract.shape import training_memory
from engine.data.tokenizers.byte_pair import gpt2
from engine.data.tokenizers.load import load_tokenizer
from engine.runs.run import Run
from engine.runs.workspace import Workspace

CPU = torch.device("cpu")
Spelling = Callable[[str, Tensor], tuple[str, Tensor]]


@pytest.fixture
def original(make_run: Callable[..., Run]) -> Run:
    """The run whose weights are spelt in many ways; its experiment `tiny` is no file of the workspace."""
    return make_run()


@pytest.fixture
def tokenizer_folder(original: Run) -> Path:
    return original.checkpoints / "best" / "tokenizer"


def bring_in(
    path: Path, workspace: Path, *overrides: str, tokenizer: Path | None = None, name: str = "brought"
) -> Imported:
    return import_weights(path, name, Workspace(workspace), overrides, tokenizer, None)


def weights_of(run: Run, spelling: Spelling) -> dict[str, Tensor]:
    return dict(spelling(name, tensor) for name, tensor in load_model(run, "best", CPU)[0].state_dict().items())


def nanogpt(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    return f"transformer.{name}", tensor


def compiled(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    return f"_orig_mod.transformer.{name}", tensor


def ln1(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    return f"transformer.{name.replace('ln_1', 'ln1').replace('ln_2', 'ln2')}", tensor


def conv1d(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    turned = tensor.ndim == 2 and not name.startswith(("wte", "wpe"))
    return name, tensor.T.contiguous() if turned else tensor


def half(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    return f"module.transformer.{name}", tensor.to(torch.bfloat16)


def assert_same(imported: Imported, original: Run, tolerance: float = 0.0) -> None:
    """The imported run's model computes as the original one, of both checkpoints."""
    ours, info = load_model(original, "best", CPU)
    ids = torch.randint(info.vocab_size, (2, info.model.block_size))
    for kind in ("best", "last"):
        model, _, tokenizer = load_whole(Run(Path(imported.run)), kind, CPU)
        with torch.no_grad():
            assert torch.allclose(model(ids), ours(ids), rtol=0, atol=tolerance)
        assert tokenizer.decode(tokenizer.encode("Once there was")) == "Once there was"


@pytest.mark.parametrize("spelling", [nanogpt, compiled, ln1, conv1d], ids=lambda spelling: spelling.__name__)
@pytest.mark.parametrize("form", ["state dict", "checkpoint", "safetensors"])
def test_every_spelling_becomes_the_same_model(
    original: Run, tokenizer_folder: Path, tmp_path: Path, spelling: Spelling, form: str
) -> None:
    weights = weights_of(original, spelling)
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pt")
    if form == "safetensors":
        save_file(weights, path)
    else:
        torch.save(weights if form == "state dict" else {"model": weights, "iter_num": 7}, path)
    done = bring_in(path, tmp_path, "model.n_head=2", tokenizer=tokenizer_folder)
    assert done.step == (7 if form == "checkpoint" else 0)
    assert_same(done, original)


def test_weights_of_half_precision_are_imported_in_full(original: Run, tokenizer_folder: Path, tmp_path: Path) -> None:
    torch.save(weights_of(original, half), tmp_path / "w.pt")
    done = bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=2", tokenizer=tokenizer_folder)
    model, _ = load_model(Run(Path(done.run)), "best", CPU)
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}


def test_a_repeated_head_and_saved_masks_are_no_parameters(
    original: Run, tokenizer_folder: Path, tmp_path: Path
) -> None:
    weights = weights_of(original, nanogpt)
    weights["lm_head.weight"] = weights["transformer.wte.weight"].clone()
    for layer in range(2):
        weights[f"transformer.h.{layer}.attn.bias"] = torch.tril(torch.ones(32, 32)).view(1, 1, 32, 32)
        weights[f"transformer.h.{layer}.attn.masked_bias"] = torch.tensor(-1e9)
    torch.save(weights, tmp_path / "w.pt")
    done = bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=2", tokenizer=tokenizer_folder)
    assert done.model["tie_weights"] is True
    assert_same(done, original)


def test_the_configuration_is_inferred(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run("model.bias=false", "model.tie_weights=false", "model.n_head=4", "model.dropout=0.25")
    weights = weights_of(run, nanogpt)
    weights["lm_head.weight"] = weights.pop("transformer.lm_head.weight")
    torch.save({"model": weights, "model_args": {"n_head": 4, "dropout": 0.25}}, tmp_path / "ckpt.pt")
    done = bring_in(tmp_path / "ckpt.pt", tmp_path, tokenizer=run.checkpoints / "best" / "tokenizer")
    wanted = load_model(run, "best", CPU)[1].model
    assert load_model(Run(Path(done.run)), "best", CPU)[1].model == wanted
    assert_same(done, run)


def test_a_broken_experiment_file_is_told_with_its_line_also_where_there_are_overrides(
    original: Run, tmp_path: Path
) -> None:
    torch.save(weights_of(original, nanogpt), tmp_path / "w.pt")
    (tmp_path / "experiments").mkdir(exist_ok=True)
    (tmp_path / "experiments" / "brought.toml").write_text("[data\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"brought\.toml:1: is not valid TOML"):
        bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=2")


def test_without_the_number_of_heads_nothing_is_guessed(original: Run, tokenizer_folder: Path, tmp_path: Path) -> None:
    torch.save(weights_of(original, nanogpt), tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"does not say n_head.*--set model\.n_head=N, where N divides .*= 32"):
        bring_in(tmp_path / "w.pt", tmp_path, tokenizer=tokenizer_folder)
    with pytest.raises(UserError, match=r"n_embd = 32: must be a multiple of n_head = 5"):
        bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=5", tokenizer=tokenizer_folder)
    nothing_was_made(tmp_path)


def nothing_was_made(workspace: Path, name: str = "brought") -> None:
    assert Workspace(workspace).list_runs(name) == []
    assert not (workspace / "runs" / name).exists()
    assert not (workspace / "experiments" / f"{name}.toml").exists()


def test_an_import_that_is_killed_leaves_no_run_and_the_next_one_cleans_up(
    original: Run, tokenizer_folder: Path, tmp_path: Path
) -> None:
    torch.save(weights_of(original, nanogpt), tmp_path / "w.pt")
    script = """
import os, signal, sys
from engine.__main__ import main
from engine.commands import import_
import_.EventWriter = lambda path: os.kill(os.getpid(), signal.SIGKILL)
main()
"""
    command = [sys.executable, "-c", script, "import", str(tmp_path / "w.pt"), "--experiment", "brought"]
    command += ["--set", "model.n_head=2", "--tokenizer", str(tokenizer_folder), "--workspace", str(tmp_path)]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    assert Workspace(tmp_path).list_runs("brought") == []
    assert not (tmp_path / "experiments" / "brought.toml").exists()
    done = bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=2", tokenizer=tokenizer_folder)
    assert list((tmp_path / "runs" / "brought").iterdir()) == [Path(done.run)]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_named(
    original: Run, tokenizer_folder: Path, tmp_path: Path, value: float
) -> None:
    weights = weights_of(original, nanogpt)
    weights["transformer.h.1.attn.c_attn.weight"][3, 4] = value
    torch.save(weights, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"w\.pt: holds NaN or infinity, .* in\n  h\.1\.attn\.c_attn\.weight$"):
        bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=2", tokenizer=tokenizer_folder)
    nothing_was_made(tmp_path)


def test_a_written_experiment_trains_within_a_modest_memory(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run("model.block_size=8192", "model.n_layer=24", "model.n_embd=64")  # 14 GB at 16 windows
    torch.save(weights_of(run, nanogpt), tmp_path / "w.pt")
    folder = run.checkpoints / "best" / "tokenizer"
    large = load_experiment(Path(bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=2", tokenizer=folder).file))
    assert 1 < large.train.batch_size < 16
    assert large.train.batch_size * large.train.grad_accum_steps == 16
    assert training_memory(large) < 8 << 30
    asked = ("model.n_head=2", "train.batch_size=64", "train.grad_accum_steps=2")
    own = load_experiment(Path(bring_in(tmp_path / "w.pt", tmp_path, *asked, tokenizer=folder, name="own").file))
    assert (own.train.batch_size, own.train.grad_accum_steps) == (64, 2)


def test_an_imported_run_is_a_run_like_any_other(original: Run, tokenizer_folder: Path, tmp_path: Path) -> None:
    torch.save({"model": weights_of(original, nanogpt), "best_val_loss": 1.5}, tmp_path / "w.pt")
    done = bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=2", tokenizer=tokenizer_folder)
    run = Workspace(tmp_path).find_run("brought")
    assert Path(done.run) == run.path
    assert run.state() == "finished" and not run.is_alive()
    assert run.status().imported and not original.status().imported
    info = run.info()
    assert info is not None and (info.run_id, info.name) == (run.id, "brought")
    assert run.log.read_text() == f"imported from {tmp_path / 'w.pt'}\n"
    assert {path.name for path in run.checkpoints.iterdir()} == {"best", "last"}
    assert load_model(run, "best", CPU)[1].val_loss == 1.5
    experiment = load_experiment(Path(done.file))
    assert experiment == run.experiment()
    assert (experiment.model.n_layer, experiment.model.n_embd, experiment.model.block_size) == (2, 32, 32)
    assert done.written and Path(done.file) == tmp_path / "experiments" / "brought.toml"


def test_a_written_experiment_names_the_tokenizer_that_came_with_the_weights(
    original: Run, tokenizer_folder: Path, tmp_path: Path
) -> None:
    from engine.data.prepare import open_tokenizer

    torch.save(weights_of(original, nanogpt), tmp_path / "w.pt")
    done = bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=2", tokenizer=tokenizer_folder)
    table = load_experiment(Path(done.file)).tokenizer
    assert table.vocab_size == done.vocab_size
    named = open_tokenizer(table, Workspace(tmp_path), None)
    assert named is not None
    text = "Once upon a time, ﬁne"
    assert named.encode(text) == load_tokenizer(tokenizer_folder).encode(text)


def test_an_experiment_of_the_workspace_gives_heads_tokenizer_and_settings(
    make_run: Callable[..., Run], tmp_path: Path, tiny: str
) -> None:
    run = make_run()
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "tiny.toml").write_text(tiny, encoding="utf-8")
    torch.save(weights_of(run, nanogpt), tmp_path / "w.pt")
    done = bring_in(tmp_path / "w.pt", tmp_path, "sampling.top_k=3", name="tiny")
    assert not done.written
    assert (tmp_path / "experiments" / "tiny.toml").read_text(encoding="utf-8") == tiny
    imported = Run(Path(done.run))
    assert imported.experiment().sampling.top_k == 3
    assert imported.experiment().train == run.experiment().train
    assert_same(done, run)


def test_a_tokenizer_that_comes_with_the_weights_cuts_the_data_of_an_experiment_that_has_another(
    make_run: Callable[..., Run], tmp_path: Path, tiny: str
) -> None:
    run = make_run()
    export(run, "best", "huggingface", tmp_path / "hf")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "tiny.toml").write_text(apply_overrides(tiny, ["tokenizer.vocab_size=270"]))
    imported = Run(Path(bring_in(tmp_path / "hf", tmp_path, name="tiny").run))
    data = data_of(imported, imported.experiment(), lambda event: None)
    ids = np.fromfile(data.val, data.manifest.dtype).tolist()
    theirs = tokenizer_of(run, "best")
    stories = theirs.decode(ids).split("<|endoftext|>")[:-1]
    assert ids == [token for story in stories for token in [*theirs.encode(story), theirs.eot_id]]
    assert math.isfinite(evaluate_run(imported, "best", "cpu", lambda event: None).val_loss)


def test_a_tokenizer_found_in_a_run_of_another_one_is_kept_with_the_new_run(
    make_run: Callable[..., Run], tmp_path: Path, tiny: str
) -> None:
    run = make_run()
    torch.save(weights_of(run, nanogpt), tmp_path / "w.pt")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "tiny.toml").write_text(apply_overrides(tiny, ["tokenizer.vocab_size=270"]))
    imported = Run(Path(bring_in(tmp_path / "w.pt", tmp_path, name="tiny").run))  # it is the run's of before
    again = Run(Path(bring_in(tmp_path / "w.pt", tmp_path, name="tiny").run))  # and this one's too
    for each in (imported, again):
        assert each.experiment().tokenizer.kind == "huggingface"
        assert math.isfinite(evaluate_run(each, "best", "cpu", lambda event: None).val_loss)


def test_gpt2s_tokenizer_takes_the_place_of_another_table_whole(
    make_run: Callable[..., Run], tmp_path: Path, mirror: Path, tiny: str
) -> None:
    run = make_run(tokenizer=gpt2(tmp_path / "cache", mirror))
    torch.save(weights_of(run, nanogpt), tmp_path / "w.pt")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "other.toml").write_text(tiny)
    done = bring_in(tmp_path / "w.pt", tmp_path, name="other", tokenizer=run.checkpoints / "best" / "tokenizer")
    assert Run(Path(done.run)).experiment().tokenizer == TokenizerTable("gpt2")


def test_tensors_that_do_not_fit_the_experiment_are_named(
    make_run: Callable[..., Run], tmp_path: Path, tiny: str
) -> None:
    run = make_run("model.n_layer=3", "model.block_size=16")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "tiny.toml").write_text(tiny, encoding="utf-8")
    torch.save(weights_of(run, nanogpt), tmp_path / "w.pt")
    with pytest.raises(UserError) as caught:
        bring_in(tmp_path / "w.pt", tmp_path, name="tiny")
    told = str(caught.value)
    assert "does not fit n_layer = 2, n_embd = 32, block_size = 32" in told
    assert "h.2.ln_1.weight 32 is not part of this model" in told
    assert "wpe.weight is 16 x 32, not 32 x 32" in told
    assert told.endswith("and 7 more")
    assert Workspace(tmp_path).list_runs("tiny") == [run]


def test_what_no_tensor_shows_is_compared_with_what_the_file_says(
    make_run: Callable[..., Run], tmp_path: Path, tiny: str
) -> None:
    export(make_run("model.n_head=4", "model.activation=gelu_tanh"), "best", "huggingface", tmp_path / "hf")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "tiny.toml").write_text(tiny, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        bring_in(tmp_path / "hf", tmp_path, name="tiny")
    assert "its model.n_head is 4, not 2" in str(caught.value)
    assert "its model.activation is gelu_tanh, not gelu" in str(caught.value)


def test_missing_tensors_are_named(original: Run, tokenizer_folder: Path, tmp_path: Path) -> None:
    weights = weights_of(original, nanogpt)
    del weights["transformer.h.1.mlp.c_fc.weight"]
    torch.save(weights, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"h\.1\.mlp\.c_fc\.weight is missing"):
        bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=2", tokenizer=tokenizer_folder)
    nothing_was_made(tmp_path)


def test_another_architectures_tensors_are_named(tmp_path: Path) -> None:
    weights = {
        "model.embed_tokens.weight": torch.ones(8, 4),
        "model.layers.0.self_attn.q_proj.weight": torch.ones(4, 4),
    }
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError) as caught:
        bring_in(tmp_path, tmp_path)
    told = str(caught.value)
    assert "another architecture (llama)" in told
    assert "model.layers.0.self_attn.q_proj.weight 4 x 4" in told and "model.embed_tokens.weight 8 x 4" in told
    nothing_was_made(tmp_path)


def test_a_vocabulary_without_a_known_tokenizer_wants_one(original: Run, tmp_path: Path) -> None:
    torch.save(weights_of(original, nanogpt), tmp_path / "w.pt")
    with pytest.raises(UserError, match="is not GPT-2's, and no run of brought has one like it; give --tokenizer"):
        bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=2")
    with pytest.raises(UserError, match="no such folder"):
        bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=2", tokenizer=tmp_path / "nothing")
    nothing_was_made(tmp_path)


def test_a_tokenizer_of_another_size_does_not_fit(
    make_run: Callable[..., Run], tokenizer_folder: Path, tmp_path: Path
) -> None:
    weights = weights_of(make_run(), nanogpt)
    weights["transformer.wte.weight"] = weights["transformer.wte.weight"][:300]
    torch.save(weights, tmp_path / "w.pt")
    size = load_tokenizer(tokenizer_folder).vocab_size
    with pytest.raises(UserError, match=rf"wte\.weight is 300 x 32, not {size} x 32"):
        bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=2", tokenizer=tokenizer_folder)


def test_nanogpts_padded_vocabulary_is_gpt2s(make_run: Callable[..., Run], tmp_path: Path, mirror: Path) -> None:
    tokenizer = gpt2(tmp_path / "tiktoken", mirror)
    run = make_run("model.n_layer=1", "model.n_embd=4", tokenizer=tokenizer)
    weights = weights_of(run, compiled)
    weights["_orig_mod.transformer.wte.weight"] = torch.cat(
        [weights["_orig_mod.transformer.wte.weight"], torch.randn(47, 4)]
    )
    torch.save({"model": weights, "model_args": {"n_head": 2, "vocab_size": 50_304}}, tmp_path / "ckpt.pt")
    done = import_weights(tmp_path / "ckpt.pt", "brought", Workspace(tmp_path), [], None, mirror)
    assert done.vocab_size == 50_257
    assert done.notes == ["47 rows of the token embedding are padding, and were left out"]
    assert load_experiment(Path(done.file)).tokenizer.kind == "gpt2"
    assert_same(done, run)


def test_what_an_import_wrote_goes_out_again(original: Run, tokenizer_folder: Path, tmp_path: Path) -> None:
    torch.save(weights_of(original, nanogpt), tmp_path / "w.pt")
    done = bring_in(tmp_path / "w.pt", tmp_path, "model.n_head=2", tokenizer=tokenizer_folder)
    export(Run(Path(done.run)), "last", "huggingface", tmp_path / "out")
    shutil.rmtree(tmp_path / "experiments")
    again = bring_in(tmp_path / "out", tmp_path, name="again")
    assert_same(again, original)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "trained elsewhere" in card and "built-in corpus" not in card


def test_a_name_that_leaves_the_workspace_is_refused(original: Run, tmp_path: Path) -> None:
    torch.save(weights_of(original, nanogpt), tmp_path / "w.pt")
    with pytest.raises(UserError, match="not an experiment name"):
        bring_in(tmp_path / "w.pt", tmp_path, name="../outside")


def test_an_experiment_with_gpt2s_tokenizer_takes_no_other_vocabulary(
    original: Run, tokenizer_folder: Path, tmp_path: Path, tiny: str
) -> None:
    (tmp_path / "experiments").mkdir()
    text = apply_overrides(tiny, ['tokenizer.kind="gpt2"']).replace("vocab_size = 400\n", "")
    (tmp_path / "experiments" / "brought.toml").write_text(text, encoding="utf-8")
    torch.save(weights_of(original, nanogpt), tmp_path / "w.pt")
    with pytest.raises(UserError, match=r'tokenizer\.kind = "gpt2", but the weights have a vocabulary of 400'):
        bring_in(tmp_path / "w.pt", tmp_path, tokenizer=tokenizer_folder)
    assert Workspace(tmp_path).list_runs("brought") == []


def test_a_workspace_that_cannot_be_written_is_told_in_a_line(
    original: Run, tokenizer_folder: Path, make_run: Callable[..., Run], tmp_path: Path
) -> None:
    place = tmp_path / "workspace"
    place.mkdir()
    torch.save({"model": weights_of(original, nanogpt), "model_args": {"n_head": 2}}, tmp_path / "w.pt")
    weights = weights_of(original, nanogpt) | {"transformer.wte.weight": torch.zeros(50_257, 32)}
    torch.save({"model": weights, "model_args": {"n_head": 2}}, tmp_path / "gpt2.pt")
    script = 'mount -t tmpfs -o ro tmpfs "$0" && "${@:1}"'
    as_root = ["unshare", "--map-root-user", "--mount", "bash", "-c", script, str(place)]
    if subprocess.run([*as_root, "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a test mount a disk")
    tokenizer = ["--tokenizer", str(tokenizer_folder)]
    for file, more, what in (("w.pt", tokenizer, "runs/brought/"), ("gpt2.pt", [], "data")):
        command = [sys.executable, "-m", "engine", "import", str(tmp_path / file), "--experiment", "brought", *more]
        done = subprocess.run([*as_root, *command, "--workspace", str(place)], capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith(f"{place}/{what}") and len(done.stderr.splitlines()) == 1
        assert done.stderr.endswith("cannot be written: Read-only file system\n")


def test_a_disk_that_is_too_small_leaves_no_run(original: Run, tokenizer_folder: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.pt"
    torch.save(weights_of(original, nanogpt), weights)
    command = ["import", str(weights), "--experiment", "brought", "--set", "model.n_head=2"]
    command += ["--tokenizer", str(tokenizer_folder), "--workspace", str(tmp_path)]
    done = answer(*command, limits={resource.RLIMIT_FSIZE: 50_000})
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr and "Traceback" not in done.stderr
    nothing_was_made(tmp_path)
