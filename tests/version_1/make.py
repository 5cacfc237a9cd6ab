"""Made what lies beside this file, under version 0.1.0 at commit 83c4f27, and is kept as a record of how.

The fixtures are never regenerated: they are what the first version wrote, whatever later ones would write. Paths and
the host's name were made neutral: `/version-1/workspace` stands for the workspace, which tests put their copy's for.

    PYTHONPATH=.:tests python tests/version_1/make.py
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import tiny_tokenizers
from support import taken_device

from engine.contract.events import Checkpoint, Eval, Evaluated, Prepare, Queued, Resumed, RunEnded, Step, decode_lines
from engine.contract.experiment import Sampling
from engine.contract.generation import Generate
from engine.contract.overrides import apply_overrides
from engine.runs.notes import RunNotes, write_notes
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.settings import Settings, save_settings, settings_file
from slm_tui.story_book import KeptStory, keep, settings_of

HERE = Path(__file__).resolve().parent
BASE = """
description = "as small as it gets"
tags = ["version-1"]
[data]
source = "builtin"
stories = 30
val_fraction = 0.1
[tokenizer]
kind = "byte_bpe"
vocab_size = 300
[model]
n_layer = 2
n_head = 2
n_embd = 4
block_size = 16
dropout = 0.1
[train]
max_steps = 32
batch_size = 4
grad_accum_steps = 3
learning_rate = 1e-2
warmup_steps = 4
eval_interval = 4
eval_batches = 2
checkpoint_interval = 8
compile = false
[hardware]
device = "cpu"
num_threads = 1
[sampling]
prompts = ["Once", ""]
max_new_tokens = 12
"""
STOPPED = {
    "stopped_adamw": ["train.min_learning_rate=1e-3"],
    "stopped_muon": ["train.optimizer=muon"],
    "stopped_muon_plateau": [
        "train.optimizer=muon",
        "train.schedule=plateau",
        "train.eval_interval=1",
        "train.learning_rate=2.0",
    ],
    "stopped_plateau": ["train.schedule=plateau", "train.eval_interval=1", "train.learning_rate=2.0"],
    "stopped_constant": ["train.schedule=constant", "train.init_from=finished"],
    "stopped_warming_up": ["train.warmup_steps=24"],
    "stopped_bf16": ["train.precision=bf16"],
    "stopped_fp16": ["train.precision=fp16"],
    "stopped_muon_fp16": ["train.optimizer=muon", "train.precision=fp16"],
}
RESUMED_FROM_STEP = [*STOPPED, "lost", "unknown", "failed", "diverged"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        for variable in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "HF_HOME"):
            os.environ[variable] = str(home)
        os.environ["OMP_NUM_THREADS"] = "1"
        root = Path(folder) / "workspace"
        (root / "experiments").mkdir(parents=True)
        workspace = Workspace(root)
        make_runs(workspace)
        make_exports(workspace, Path(folder) / "exports")
        make_settings(HERE / "settings.toml")
        expected = {"generate": generated(workspace), "evaluate": evaluated(workspace)}
        expected["resume"] = resumed(workspace, Path(folder) / "copy")
        lines = ",\n".join(
            f'"{part}": {{\n'
            + ",\n".join(f"  {json.dumps(name)}: {json.dumps(told)}" for name, told in expected[part].items())
            + "\n}"
            for part in expected
        )
        (HERE / "expected.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
        for name in ("workspace", "exports"):
            shutil.rmtree(HERE / name, ignore_errors=True)
            shutil.copytree(Path(folder) / name, HERE / name)
            neutralise(HERE / name, Path(folder))


def make_runs(workspace: Workspace) -> None:
    """A run in every state, and of every optimizer, schedule and precision that a CPU has."""
    finished = new_run(workspace, "finished", "train.sample_interval=8")
    assert train(finished) == 0
    keep_notes_and_stories(finished)
    assert train(new_run(workspace, "early_stopped", "train.learning_rate=1e-30", "train.early_stopping=2")) == 0
    for name, overrides in STOPPED.items():
        with training(new_run(workspace, name, *overrides)) as (run, process):
            wait(lambda run=run: steps(run) >= 13)
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 130
    for name in ("lost", "resumed", "unknown"):
        killed(new_run(workspace, name), lambda run: steps(run) >= 13)
    assert train(workspace.find_run("resumed"), "--resume") == 0
    of_a_later_version(workspace.find_run("unknown").metrics)
    with training(new_run(workspace, "failed", "train.max_steps=40")) as (run, process):
        wait(lambda: any(isinstance(event, Checkpoint) and event.kind == "last" for event in told(run)))
        tokenizer = Path(run.status().data.directory) / "tokenizer"
        tokenizer.rename(tokenizer.with_name("away"))
        assert process.wait() == 1
        tokenizer.with_name("away").rename(tokenizer)
    diverging = ("train.learning_rate=1.0", "train.weight_decay=50.0", "train.schedule=constant")
    assert train(new_run(workspace, "diverged", *diverging)) == 1
    assert train(new_run(workspace, "warned", "tokenizer.min_frequency=150", "train.sample_interval=16")) == 0
    with taken_device(finished):
        killed(new_run(workspace, "queued"), lambda run: any(isinstance(event, Queued) for event in told(run)))
    preparing = new_run(workspace, "preparing", "data.stories=3000", "tokenizer.vocab_size=320")
    phase = "tokenize train"
    killed(preparing, lambda run: any(isinstance(event, Prepare) and event.phase == phase for event in told(run)))
    (workspace.root / "stories.txt").write_text("A cat sat.<|endoftext|>A dog ran.<|endoftext|>" * 3 + "The end.")
    tiny_tokenizers.save(tiny_tokenizers.byte_level(), workspace.root / "tokenizer")
    files = ["data={source = 'files', files = ['stories.txt']}", "tokenizer={kind = 'huggingface', name = 'tokenizer'}"]
    (workspace.experiments / "from_files.toml").write_text(apply_overrides(BASE, files), encoding="utf-8")
    call("prepare", "from_files", "--workspace", str(workspace.root))


def new_run(workspace: Workspace, name: str, *overrides: str) -> Run:
    text = apply_overrides(BASE, overrides)
    (workspace.experiments / f"{name}.toml").write_text(text, encoding="utf-8")
    run = workspace.new_run(name)
    run.experiment_file.write_text(text, encoding="utf-8")
    return run


@contextmanager
def training(run: Run, *arguments: str) -> Iterator[tuple[Run, subprocess.Popen[bytes]]]:
    with open(run.log, "ab") as log:
        command = [sys.executable, "-m", "engine", "train", str(run.path), *arguments]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
            yield run, process


def train(run: Run, *arguments: str) -> int:
    with training(run, *arguments) as (_, process):
        return process.wait()


def killed(run: Run, when: Callable[[Run], bool]) -> None:
    with training(run) as (_, process):
        wait(lambda: when(run))
        process.kill()


def told(run: Run) -> list[object]:
    return decode_lines(run.metrics.read_bytes()) if run.metrics.exists() else []


def steps(run: Run) -> int:
    return sum(isinstance(event, Step) for event in told(run))


def wait(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.0005)


def call(*arguments: str, stdin: bytes = b"") -> bytes:
    command = [sys.executable, "-m", "engine", *arguments]
    return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, check=True).stdout


def of_a_later_version(metrics: Path) -> None:
    """Events and fields that the first version does not know, and a line that a kill has torn."""
    *lines, last = metrics.read_bytes().splitlines()
    lines.insert(3, b'{"event":"never_seen","t":1796000000.0,"step":2,"loss":{"nested":[1,2]}}')
    lines = [line.replace(b'"step":5,', b'"step":5,"unheard_of":[{"a":null}],') for line in lines]
    metrics.write_bytes(b"\n".join(lines) + b"\n" + last[: len(last) // 2])


def keep_notes_and_stories(run: Run) -> None:
    write_notes(run, RunNotes(("baseline", "paper"), "The loss rises after step 24:\ntry a lower learning rate."))
    best = min((event for event in told(run) if isinstance(event, Eval)), key=lambda event: event.val_loss)
    for seed, prompt in ((7, "Once"), (8, "قطة")):
        shaped = Sampling(max_new_tokens=8, temperature=0.0)
        reply = write(run, "best", Generate(prompt, shaped, seed))
        story = KeptStory(
            prompt=prompt,
            text=prompt + reply["text"],
            tokens=8,
            reason="length",
            seed=seed,
            sample=0,
            checkpoint="best",
            step=best.step,
            val_loss=best.val_loss,
            sampling=settings_of(shaped),
        )
        keep(run, story)


def write(run: Run, checkpoint: str, request: Generate) -> dict[str, str]:
    import msgspec

    command = [sys.executable, "-m", "engine", "generate", str(run.path), "--checkpoint", checkpoint, "--device", "cpu"]
    replies = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(msgspec.json.encode(request) + b"\n")
        process.stdin.flush()
        while not replies or replies[-1]["reply"] not in ("done", "error"):
            replies.append(json.loads(process.stdout.readline()))
        process.stdin.close()
    return {"text": "".join(reply["text"] for reply in replies if reply["reply"] == "text")}


def generated(workspace: Workspace) -> dict[str, object]:
    """What each checkpoint writes greedily."""
    request = Generate("Once upon a time", Sampling(max_new_tokens=24, temperature=0.0, repetition_penalty=1.5), 1)
    return {
        f"{name}/{kind}": write(workspace.find_run(name), kind, request)["text"]
        for name in ("finished", "stopped_muon", "imported")
        for kind in ("best", "last")
    }


def evaluated(workspace: Workspace) -> dict[str, object]:
    answers = {}
    for name in ("finished", "stopped_muon", "stopped_bf16"):
        for kind in ("best", "last"):
            out = call("evaluate", str(workspace.find_run(name).path), "--checkpoint", kind, "--device", "cpu")
            (event,) = [event for event in decode_lines(out) if isinstance(event, Evaluated)]
            answers[f"{name}/{kind}"] = {
                "step": event.step,
                "val_loss": event.val_loss,
                "bits_per_byte": event.bits_per_byte,
                "tokens": event.tokens,
            }
    return answers


def resumed(workspace: Workspace, copy: Path) -> dict[str, object]:
    """What the first version itself makes of each run that can be resumed, in a copy of the workspace."""
    shutil.copytree(workspace.root, copy)
    for path in copy.rglob("metrics.jsonl"):
        path.write_bytes(path.read_bytes().replace(str(workspace.root).encode(), str(copy).encode()))
    answers = {}
    for name in RESUMED_FROM_STEP:
        run = Workspace(copy).find_run(name)
        train(run, "--resume")
        events = told(run)
        place = max(index for index, event in enumerate(events) if isinstance(event, Resumed))
        after = events[place:]
        assert isinstance(after[0], Resumed) and isinstance(after[-1], RunEnded)
        answers[name] = {
            "from": after[0].step,
            "reason": after[-1].reason,
            "steps": [[e.step, e.loss, e.lr, e.grad_norm, e.tokens] for e in after if isinstance(e, Step)],
            "evals": [
                [e.step, e.train_loss, e.val_loss, e.bits_per_byte, e.best] for e in after if isinstance(e, Eval)
            ],
        }
    return answers


def make_exports(workspace: Workspace, folder: Path) -> None:
    folder.mkdir()
    finished = workspace.find_run("finished")
    for format, name in (
        ("huggingface", "huggingface"),
        ("nanogpt", "ckpt.pt"),
        ("gguf", "model.gguf"),
        ("csv", "metrics.csv"),
    ):
        call("export", str(finished.path), "--format", format, "--output", str(folder / name))
    exported = ["--experiment", "imported", "--workspace", str(workspace.root)]
    call("import", str(folder / "huggingface"), *exported)


def make_settings(target: Path) -> None:
    settings = Settings(theme="slm-light", axis="time", smoothing=0.5, log_x=True, sort="loss", sort_backwards=True)
    settings.bidi, settings.keys = "terminal", {"run.stop": "f10"}
    save_settings(settings)
    shutil.copy(settings_file(), target)


def neutralise(folder: Path, temporary: Path) -> None:
    """No path and no name of the machine that made the fixtures."""
    names = {
        str(temporary / "workspace"): "/version-1/workspace",
        str(temporary): "/version-1",
        str(HERE.parents[1]): "/version-1/program",
        str(Path(sys.prefix)): "/version-1/python",
        f'"host":"{socket.gethostname()}"': '"host":"machine"',
        f'"host": "{socket.gethostname()}"': '"host": "machine"',
    }
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in (".jsonl", ".json", ".log", ".toml", ".md"):
            content = path.read_bytes()
            for name, neutral in names.items():
                content = content.replace(name.encode(), neutral.encode())
            path.write_bytes(content)
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(name.encode() in content for name in names), path


if __name__ == "__main__":
    main()
