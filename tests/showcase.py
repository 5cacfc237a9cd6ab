"""A workspace with a past, the same on every machine and on every day: ids, times, figures and hosts are given.

For pictures of the dashboard. `NOW` is the moment at which the pictures are taken.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.contract.events import (
    Checkpoint,
    Eval,
    Event,
    EventWriter,
    Prepare,
    Prepared,
    Queued,
    RunEnded,
    RunStarted,
    Sample,
    Step,
    System,
    Warning,
)
from engine.runs.notes import RunNotes, write_notes
from engine.runs.run import Run, RunInfo
from engine.runs.workspace import Workspace

NOW = 1_800_000_000.0  # unix seconds: 15 January 2027, 08:00 UTC
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0
_STEP_SECONDS = 0.42
_TOKENS = 16_384  # of a step
_BEST_STEP = 900  # after it the validation loss rises
_LOG_LN_2 = math.log(2)

FINISHED, WIDER, HOTTER = "20270115T061204-3c1e", "20270114T201530-7f3a", "20270114T173312-19bd"
TRAINING, QUEUED = "20270115T074500-5a02", "20270115T075530-5a7c"
EARLY, STOPPED, FAILED, LOST = (
    "20270112T091500-0b44",
    "20270113T150110-6e21",
    "20270113T154200-7102",
    "20261203T101010-22aa",
)

EXPERIMENT = """\
# {comment}

description = "{description}"
tags = {tags}

[data]
source = "hub" # stories with the words of a four-year-old
dataset = "roneneldan/TinyStories"
text_column = "text"
val_fraction = 0.01

[tokenizer]
kind = "byte_bpe"
vocab_size = 8_000

[model]
n_layer = {layers}
n_head = 6
n_embd = 384
block_size = 256

[train]
max_steps = {steps}
batch_size = 64
optimizer = "muon"
learning_rate = {rate} # 4e-3 diverged
warmup_steps = 40
eval_interval = 100
early_stopping = 5

[hardware]
device = "cuda"

[sampling]
prompts = ["Once upon a time", "Lucy was a kind girl."]
max_new_tokens = 120
temperature = 0.8
"""
BROKEN = """\
# Deeper and thinner: does it keep its hero's name?
description = "Twelve thin layers"
tags = ["depth"]

[data]
source = "hub"
dataset = "roneneldan/TinyStories"

[tokenizer]
kind = "byte_bpe"
vocab_size = 8_000

[model]
n_layer = "twelve"
n_head = 5
n_embd = 384
block_size = 256

[train]
max_steps = 2_000
learning_rat = 2e-3
warmup_steps = 5_000
"""
STORY = (
    "Once upon a time, there was a little girl named Rosie. Rosie loved to jump. Rosie's best toy was a pink puppet. "
    "One afternoon, Rosie dropped the puppet on the stairs.\n\nOh no! The arm of the puppet was broken. Rosie felt "
    'sad. She took the puppet to her dad. "Can you fix my puppet?" she asked. "Let me see," said her dad.\n\n'
    "Now the arm was strong, and Rosie could play with the puppet again. Rosie smiled a big smile."
)
ARABIC = (
    "كان يا ما كان في قديم الزمان، كان هناك ولد صغير اسمه سامي. كان سامي يحب القطط كثيرا، وكان عنده 3 قطط في البيت.\n\n"
    "ذات يوم خرج سامي إلى الحديقة (قرب النهر) فوجد قطة صغيرة تبكي. قال سامي: «لا تحزني، سأساعدك!»"
)


def _experiment(name: str, comment: str, tags: Sequence[str], **values: object) -> str:
    given = {"layers": 6, "steps": "1_200", "rate": "2e-3", "description": name} | values
    quoted = "[" + ", ".join(f'"{tag}"' for tag in tags) + "]"
    return EXPERIMENT.format(comment=comment, tags=quoted, **given)


EXPERIMENTS = {
    "stories_small": _experiment(
        "stories_small",
        "Eleven million parameters, and stories that hold together.",
        ["english", "baseline"],
        description="A small model that keeps its hero's name",
    ),
    "stories_wide": _experiment(
        "stories_wide", "Twelve layers.", ["english"], layers=12, description="Twice the layers"
    ),
    "arabic_first": _experiment("arabic_first", "From right to left.", ["arabic"], description="Arabic stories"),
    "rates": _experiment("rates", "How far can it go?", ["search"], rate="4e-3", description="A rate that is too high"),
    "someday": _experiment("someday", "Not run yet.", ["idea"], description="A longer schedule", steps="20_000"),
    "thin": BROKEN,
}


def make_showcase(home: Path) -> Workspace:
    """The workspace `home`/stories. The locks of the two live runs are for the caller to hold."""
    workspace = Workspace(home / "stories")
    workspace.experiments.mkdir(parents=True)
    for name, text in EXPERIMENTS.items():
        (workspace.experiments / f"{name}.toml").write_text(text, encoding="utf-8")
    _finished(workspace)
    _live(workspace)
    _unlucky(workspace)
    return workspace


def _finished(workspace: Workspace) -> None:
    best = _run(workspace, "stories_small", FINISHED, NOW - 1.8 * _HOUR, [*_training(1_200, 1.42), *_end("finished")])
    _write_log(best)
    for kind, size in (("best", 43_211_008), ("last", 130_404_352)):
        folder = best.checkpoints / kind
        folder.mkdir(parents=True)
        (folder / "model.safetensors").touch()
        os.truncate(folder / "model.safetensors", size)
        os.utime(folder / "model.safetensors", (NOW - 100 * _MINUTE, NOW - 100 * _MINUTE))
    write_notes(best, RunNotes(("paper", "final"), "The best of the small ones so far.\nTry a longer warm-up next."))
    text = EXPERIMENTS["stories_small"].replace("rate = 2e-3", "rate = 3e-3").replace("size = 64", "size = 32")
    _run(workspace, "stories_small", HOTTER, NOW - 15 * _HOUR, [*_training(1_200, 1.61), *_end("finished")], text)
    _run(workspace, "stories_wide", WIDER, NOW - 12 * _HOUR, [*_training(1_200, 1.31, 0.6), *_end("finished")])
    arabic = [*_training(700, 2.9), Sample(step=700, prompt="كان يا ما كان", text=ARABIC), *_end("early_stopped")]
    _run(workspace, "arabic_first", EARLY, NOW - 3 * _DAY, arabic)


def _live(workspace: Workspace) -> None:
    _run(workspace, "stories_small", TRAINING, NOW - 420 * _STEP_SECONDS - 9, _training(420, 1.45))
    waiting = Queued(pid=4243, host="lab", device="cuda:0", ahead=1, holder=None)
    _run(workspace, "stories_wide", QUEUED, NOW - 4 * _MINUTE, [waiting], begins=False)


def _unlucky(workspace: Workspace) -> None:
    error = (
        "CUDA out of memory: the model and its optimizer take 3.1 GB, a step of 64 × 256 tokens another 38.4 GB, and "
        "31.7 GB were free. Lower train.batch_size and raise train.grad_accum_steps, or lower model.block_size."
    )
    _run(workspace, "rates", FAILED, NOW - 2 * _DAY, [*_training(230, 2.2), *_end("failed", error)])
    _run(workspace, "rates", STOPPED, NOW - 2.1 * _DAY, [*_training(310, 2.2), *_end("stopped")])
    _run(workspace, "old_trial", LOST, NOW - 43 * _DAY, _training(120, 3.0), EXPERIMENTS["stories_small"])


def _run(
    workspace: Workspace,
    name: str,
    run_id: str,
    started: float,
    events: Sequence[Event],
    text: str | None = None,
    *,
    begins: bool = True,
) -> Run:
    """A run's directory as an engine leaves it; each event comes at its step's time, or at once."""
    run = Run(workspace.runs / name / run_id)
    run.path.mkdir(parents=True)
    run.experiment_file.write_text(text or EXPERIMENTS[name], encoding="utf-8")
    writer = EventWriter(run.metrics)
    seconds = 0.0
    for event in [*(_beginning(workspace) if begins else ()), *events]:
        if isinstance(event, Step):
            seconds = 8 + event.step * _STEP_SECONDS
        event.t = started + seconds
        writer(event)
    writer.close()
    os.utime(run.path, (started, started))
    if begins:
        _write_info(run)
    return run


def _beginning(workspace: Workspace) -> Iterator[Event]:
    yield RunStarted(pid=4242, host="lab")
    yield Prepare(phase="tokenizing", done=1, total=1)
    directory = "~/stories/data/tinystories-9c41f0aa"
    yield Prepared(directory=directory, vocab_size=8_000, train_tokens=19_464_192, val_tokens=196_608, cached=False)


def _training(steps: int, lowest: float, pace: float = 1.0) -> list[Event]:
    """`steps` steps towards a loss of `lowest`; the noise is the same every time."""
    noise = random.Random(steps + int(lowest * 100))
    events: list[Event] = []
    for step in range(1, steps + 1):
        ideal = lowest + (9.0 - lowest) * (0.35 * math.exp(-step / 12) + 0.65 * math.exp(-step / (150 * pace)))
        loss = ideal + 0.12 * (noise.random() - 0.5)
        warm, left = min(1.0, step / 40), (1 + math.cos(math.pi * step / 1_200)) / 2
        events.append(
            Step(
                step=step,
                loss=loss,
                lr=2e-3 * warm * (0.1 + 0.9 * left),
                grad_norm=0.4 + 2.2 * math.exp(-step / 90) + 0.3 * noise.random() ** 4,
                tokens=step * _TOKENS,
                tokens_per_second=39_000 + 900 * (noise.random() - 0.5) - (9_000 if step % 100 == 1 else 0),
                mfu=0.34 + 0.01 * noise.random(),
            )
        )
        if step % 12 == 0:
            events.append(_use_of_machine(step, noise))
        if step % 100 == 0:
            events += _evaluation(step, ideal)
    return events


def _use_of_machine(step: int, noise: random.Random) -> System:
    return System(
        gpu_percent=round(91 + 7 * noise.random() - (30 if step % 100 < 12 else 0)),
        gpu_memory_bytes=int(21.4e9) if step > 24 else int(9e9),
        gpu_memory_total_bytes=int(85e9),
        gpu_power_watts=round(520 + 40 * noise.random()),
        cpu_percent=round(100 + 10 * noise.random()),
        memory_bytes=int(2.1e9 + step * 1e5),
    )


def _evaluation(step: int, loss: float) -> list[Event]:
    validation = loss + 0.04 + (step / 1_200) ** 2 * 0.06
    found = Eval(
        step=step,
        train_loss=loss,
        val_loss=validation,
        bits_per_byte=validation / _LOG_LN_2 / 4.1,
        best=step <= _BEST_STEP,
        tokens=step * _TOKENS,
    )
    events: list[Event] = [found, Checkpoint(kind="last", step=step, path="checkpoints/last")]
    if found.best:
        events.append(Checkpoint(kind="best", step=step, path="checkpoints/best"))
    if step % 400 == 0:
        text = STORY if step > 400 else "Once upon a time, there was a girl girl the dog. She was was a sad, and and"
        events.append(Sample(step=step, prompt="Once upon a time", text=text))
    return events


def _end(reason: str, error: str | None = None) -> list[Event]:
    warning = Warning(message="the validation split has 12 stories only: its loss is a rough guess")
    return [warning, RunEnded(reason=reason, error=error)]  # type: ignore[arg-type]


def _write_info(run: Run) -> None:
    run.write_info(
        RunInfo(
            run_id=run.id,
            name=run.name,
            created="2027-01-15T06:12:04Z",
            command=["slm-tui", "run", run.name],
            versions={"python": "3.12.4", "torch": "2.13.0", "slm-tui": "0.1.0"},
            git_commit="781d403a9f0c",
            host="lab",
            device="NVIDIA H100 80GB HBM3 (cuda:0), bfloat16",
            seed=1337,
        )
    )


def _write_log(run: Run) -> None:
    lines = [
        "preparing roneneldan/TinyStories: 24,000 stories, 240 of them to validate",
        "training a tokenizer of 8,000 entries on 23,760 stories",
        "tokenizing: 19,464,192 tokens to train on, 196,608 to validate",
        "model: 13,716,864 parameters in 6 layers, bfloat16 on NVIDIA H100 80GB HBM3 (cuda:0)",
        "warning: torch.compile falls back for aten.scaled_dot_product_attention; " + "the first steps are slow, " * 6,
        "a terminal's bell \x07 and a colour \x1b[31mred\x1b[0m are shown, not obeyed",
    ]
    for step in range(50, 1_201, 50):
        lines.append(f"step {step:>5} / 1,200   loss {1.42 + 5 * math.exp(-step / 150):.3f}   39,012 tokens/s")
        if step % 100 == 0:
            lines.append(f"evaluated at step {step}: validation loss {1.52 + 5 * math.exp(-step / 150):.3f}, the best")
    run.log.write_text("\n".join([*lines, "finished: 1,200 of 1,200 steps"]) + "\n", encoding="utf-8")
