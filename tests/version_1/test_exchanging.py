"""Data, checkpoints and exports of the first version: found, evaluated, told stories with, exported and imported."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from warm_engine import WarmEngine, answer

from engine.runs.run import Run
from engine.runs.workspace import Workspace

HERE = Path(__file__).parent
RunOf = Callable[[str], Run]


@pytest.mark.parametrize("name", ["finished", "warned", "stopped_constant", "from_files"])
def test_prepared_data_are_found_and_not_made_again(workspace: Workspace, name: str) -> None:
    prepared = answer("prepare", name, "--workspace", str(workspace.root))
    assert prepared.returncode == 0, prepared.stderr
    last = json.loads(prepared.stdout.splitlines()[-1])
    assert last["event"] == "prepared" and last["cached"]
    assert Path(last["directory"]).parent == workspace.data and Path(last["directory"]).name.startswith(f"{name}-")


def test_evaluations_are_what_they_were(run_of: RunOf, expected: dict[str, Any]) -> None:
    for key, wanted in expected["evaluate"].items():
        name, kind = key.split("/")
        told = answer("evaluate", str(run_of(name).path), "--checkpoint", kind, "--device", "cpu")
        assert told.returncode == 0, told.stderr
        event = json.loads(told.stdout.splitlines()[-1])
        assert (event["step"], event["tokens"]) == (wanted["step"], wanted["tokens"])
        tolerance = 2e-3 if "bf16" in name else 1e-5
        assert event["val_loss"] == pytest.approx(wanted["val_loss"], rel=tolerance)
        assert event["bits_per_byte"] == pytest.approx(wanted["bits_per_byte"], rel=tolerance)


def test_greedy_stories_are_what_they_were(run_of: RunOf, expected: dict[str, Any]) -> None:
    sampling = {"max_new_tokens": 24, "temperature": 0.0, "repetition_penalty": 1.5}
    request = {"request": "generate", "prompt": "Once upon a time", "sampling": sampling, "seed": 1}
    for key, wanted in expected["generate"].items():
        name, kind = key.split("/")
        arguments = ("generate", str(run_of(name).path), "--checkpoint", kind, "--device", "cpu")
        with closing(WarmEngine(*arguments)) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            text, reply = "", json.loads(process.stdout.readline())
            assert reply["reply"] == "loaded"
            while reply["reply"] not in ("done", "error"):
                reply = json.loads(process.stdout.readline())
                text += reply["text"] if reply["reply"] == "text" else ""
            process.stdin.close()
            assert process.wait(30) == 0
        assert reply["reply"] == "done" and text == wanted and len(text) > 8


def exported(run: Run, format: str, output: Path) -> Path:
    told = answer("export", str(run.path), "--format", format, "--output", str(output))
    assert told.returncode == 0, told.stderr
    return output


def test_a_hugging_face_folder_has_the_same_tensors_and_tokenizer(run_of: RunOf, tmp_path: Path) -> None:
    old, new = HERE / "exports" / "huggingface", exported(run_of("finished"), "huggingface", tmp_path / "huggingface")
    same_tensors(load_file(new / "model.safetensors"), load_file(old / "model.safetensors"))
    for name in ("config.json", "tokenizer.json"):
        assert json.loads((new / name).read_text("utf-8")) == json.loads((old / name).read_text("utf-8"))


def test_a_nanogpt_checkpoint_has_the_same_tensors(run_of: RunOf, tmp_path: Path) -> None:
    new, old = (
        torch.load(path, weights_only=True)
        for path in (exported(run_of("finished"), "nanogpt", tmp_path / "ckpt.pt"), HERE / "exports" / "ckpt.pt")
    )
    same_tensors(new["model"], old["model"])
    assert new["model_args"] == old["model_args"] and new["iter_num"] == old["iter_num"]


def test_a_gguf_file_has_the_same_tensors(run_of: RunOf, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason="gguf is not installed: pip install 'slm-tui[gguf]'")
    new, old = (
        {tensor.name: np.array(tensor.data) for tensor in gguf.GGUFReader(path).tensors}
        for path in (exported(run_of("finished"), "gguf", tmp_path / "model.gguf"), HERE / "exports" / "model.gguf")
    )
    assert new.keys() == old.keys()
    assert all(np.array_equal(new[name], old[name]) for name in old)


def test_a_csv_file_has_the_same_figures(run_of: RunOf, tmp_path: Path) -> None:
    with (
        open(exported(run_of("finished"), "csv", tmp_path / "metrics.csv"), encoding="utf-8") as new,
        open(HERE / "exports" / "metrics.csv", encoding="utf-8") as old,
    ):
        rows, wanted = list(csv.DictReader(new)), list(csv.DictReader(old))
    assert [{name: row[name] for name in wanted[0]} for row in rows] == wanted and len(rows) >= 40


def same_tensors(new: dict[str, torch.Tensor], old: dict[str, torch.Tensor]) -> None:
    assert new.keys() == old.keys()
    for name in old:
        assert torch.equal(new[name], old[name]), name


@pytest.mark.parametrize("file", ["huggingface", "ckpt.pt"])
def test_an_export_of_the_first_version_is_imported(workspace: Workspace, run_of: RunOf, file: str) -> None:
    tokenizer = run_of("finished").checkpoints / "best" / "tokenizer"
    source = ("--experiment", "again", "--workspace", str(workspace.root), "--tokenizer", str(tokenizer))
    told = answer("import", str(HERE / "exports" / file), *source)
    assert told.returncode == 0, told.stderr
    weights = load_file(run_of("again").checkpoints / "best" / "model.safetensors")
    same_tensors(weights, load_file(run_of("finished").checkpoints / "best" / "model.safetensors"))


def test_a_run_starts_from_the_weights_of_one_of_the_first_version(workspace: Workspace, run_of: RunOf) -> None:
    run = workspace.new_run("stopped_constant")  # whose init_from is "finished"
    text = (workspace.experiments / "stopped_constant.toml").read_text(encoding="utf-8")
    run.experiment_file.write_text(text, encoding="utf-8")
    ended = answer("train", str(run.path))
    assert ended.returncode == 0, ended.stderr
    began, before = (each.status().evals[0].val_loss for each in (run, run_of("finished")))
    assert began < before - 0.3, "it began where `finished` ended"
