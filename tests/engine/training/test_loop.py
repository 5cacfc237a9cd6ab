"""Training: it learns, accumulates, resumes bit for bit, ends as it says, and leaves checkpoints whole."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support import engine, events_of, start_engine, start_fresh_engine, wait_for

from engine.contract.events import AnyEvent, Checkpoint, Eval, EventWriter, Resumed, RunEnded, Sample, Step
from engine.contract.experiment import Model, Train
from engine.data.prepare import prepare
from engine.model.gpt import GPT
from engine.optim.optimizer import Optimizers, Schedule
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from engine.training.loop import train

NewRun = Callable[..., Run]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def losses(events: list[AnyEvent]) -> dict[int, float | None]:
    """Each step's loss; what a resume superseded is replaced by what came after."""
    kept: dict[int, float | None] = {}
    for event in events:
        if isinstance(event, Resumed):
            kept = {step: loss for step, loss in kept.items() if step <= event.step}
        if isinstance(event, Step):
            kept[event.step] = event.loss
    return kept


def evaluations(events: list[AnyEvent]) -> dict[int, tuple[float, float]]:
    return {event.step: (event.train_loss, event.val_loss) for event in events if isinstance(event, Eval)}


def last_word(run: Run) -> RunEnded:
    ended = events_of(run)[-1]
    assert isinstance(ended, RunEnded)
    return ended


def test_a_run_trains_evaluates_saves_samples_and_finishes(new_run: NewRun) -> None:
    run = new_run()
    assert start_fresh_engine(run).wait(timeout=120) == 0, run.log.read_text()
    events = events_of(run)
    steps = losses(events)
    assert list(steps) == list(range(1, 25))
    assert sum(list(steps.values())[-4:]) < sum(list(steps.values())[:4]) - 1, "it learns"
    assert list(evaluations(events)) == [8, 16, 24]
    assert [event.step for event in events if isinstance(event, Checkpoint) and event.kind == "last"][-1] == 24
    assert any(isinstance(event, Sample) and event.text.startswith("Once") for event in events)
    assert last_word(run).reason == run.state() == "finished"
    info = run.info()
    assert info is not None and info.device == "cpu" and info.seed == 1337 and "torch" in info.versions
    for kind in ("best", "last"):
        names = {path.name for path in (run.checkpoints / kind).iterdir()}
        assert names >= {"model.safetensors", "config.json", "tokenizer"}
        assert ("trainer.pt" in names) == (kind == "last")


SIGNALLED = """
import os, sys
from engine.__main__ import main
from engine.contract.events import EventWriter, Step

number, at_step = int(sys.argv.pop()), int(sys.argv.pop())
write = EventWriter.__call__


def write_and_signal(self, event):
    write(self, event)
    if isinstance(event, Step) and event.step == at_step:
        os.kill(os.getpid(), number)


EventWriter.__call__ = write_and_signal
sys.exit(main())
"""


def signalled(run: Run, at_step: int, number: signal.Signals) -> int:
    """Train `run` in an engine process that gets a signal as soon as it has told of a step; its exit code."""
    command = [sys.executable, "-c", SIGNALLED, "train", str(run.path), str(at_step), str(number.value)]
    return subprocess.run(command, check=False, timeout=120).returncode


@pytest.mark.parametrize("at_step", [14, 24])  # between a checkpoint and an evaluation; before the last of both
def test_a_killed_run_resumes_bit_for_bit(new_run: NewRun, at_step: int) -> None:
    straight, killed = new_run(), new_run()
    assert engine(straight) == 0
    assert signalled(killed, at_step, signal.SIGKILL) == -signal.SIGKILL
    assert killed.state() == "lost"
    # a fresh one, so that nothing may depend on the order of a set or on where things lie in memory
    assert start_fresh_engine(killed, "--resume").wait(timeout=120) == 0, killed.log.read_text()
    resumed = [event.step for event in events_of(killed) if isinstance(event, Resumed)]
    assert resumed == [(at_step - 1) // 4 * 4], "it goes on from the latest checkpoint"
    assert losses(events_of(killed)) == losses(events_of(straight))
    assert evaluations(events_of(killed)) == evaluations(events_of(straight))
    weights = [(run.checkpoints / "last" / "model.safetensors").read_bytes() for run in (killed, straight)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("schedule", ["plateau", "constant"])
def test_a_stopped_run_saves_and_resumes_bit_for_bit(new_run: NewRun, schedule: str) -> None:
    settings = (f"train.schedule={schedule}", "train.optimizer=muon", "train.learning_rate=0.05")
    straight, stopped = new_run(*settings), new_run(*settings)
    assert engine(straight) == 0
    assert signalled(stopped, 3, signal.SIGTERM) == 130
    assert last_word(stopped).reason == stopped.state() == "stopped"
    assert stopped.status().step == 3
    assert engine(stopped, "--resume") == 0
    assert losses(events_of(stopped)) == losses(events_of(straight))
    assert [event.lr for event in events_of(stopped) if isinstance(event, Step)] == [
        event.lr for event in events_of(straight) if isinstance(event, Step)
    ]


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_good_checkpoint(new_run: NewRun) -> None:
    run = new_run(
        "train.learning_rate=1e30", "train.grad_clip=0", "train.warmup_steps=8", "train.checkpoint_interval=1"
    )
    assert engine(run) == 1
    assert last_word(run).reason == run.state() == "diverged"
    events = events_of(run)
    diverged_at = next(event.step for event in events if isinstance(event, Step) and event.loss is None)
    saved = [event.step for event in events if isinstance(event, Checkpoint) and event.kind == "last"]
    assert max(saved, default=0) < diverged_at


def test_a_gradient_that_is_not_finite_does_not_reach_a_checkpoint(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    backward, calls = Optimizers.backward, 0

    def overflowing(self: Optimizers, loss: torch.Tensor) -> None:
        nonlocal calls
        calls += 1
        backward(self, loss)
        if calls == 3:
            self.parameters[0].grad[0, 0] = torch.inf  # type: ignore[index]

    monkeypatch.setattr(Optimizers, "backward", overflowing)
    run = new_run("train.checkpoint_interval=1")
    experiment, emit = run.experiment(), EventWriter(run.metrics)
    data = prepare("tiny", experiment, Workspace(run.workspace_folder), None, emit)
    assert train(run, experiment, data, torch.device("cpu"), emit, lambda: False, resume=False) == "diverged"
    emit.close()
    assert [event.grad_norm is None for event in events_of(run) if isinstance(event, Step)] == [False, False, True]
    weights = load_file(run.checkpoints / "last" / "model.safetensors")
    assert all(bool(weight.isfinite().all()) for weight in weights.values())


def test_early_stopping_ends_after_evaluations_without_a_better_one(new_run: NewRun) -> None:
    run = new_run("train.max_steps=400", "train.eval_interval=2", "train.early_stopping=3", "train.learning_rate=0.5")
    assert engine(run) == 0
    assert run.state() == "early_stopped"
    evals = [event for event in events_of(run) if isinstance(event, Eval)]
    assert [event.best for event in evals[-4:]] == [True, False, False, False]


def test_a_run_that_was_killed_as_it_stopped_early_does_not_train_on(new_run: NewRun) -> None:
    run = new_run("train.max_steps=400", "train.eval_interval=2", "train.early_stopping=3", "train.learning_rate=0.5")
    assert engine(run) == 0
    stopped_at = run.status().step
    said = run.metrics.read_bytes().splitlines(keepends=True)
    run.metrics.write_bytes(b"".join(line for line in said if not line.startswith(b'{"event":"run_ended"')))
    assert engine(run, "--resume") == 0
    assert (run.state(), run.status().step) == ("early_stopped", stopped_at)


def test_data_shorter_than_a_window_are_refused_with_both_numbers(new_run: NewRun) -> None:
    run = new_run("data.stories=20", "model.block_size=100000")
    assert engine(run) == 1
    error = last_word(run).error
    assert error is not None and "block_size = 100000" in error and "tokens of the" in error
    assert "Traceback" not in run.log.read_text()


def test_an_engine_does_not_touch_a_run_that_another_one_trains(new_run: NewRun) -> None:
    run = new_run("train.max_steps=100000")
    first = start_engine(run)
    wait_for(lambda: len(losses(events_of(run))) >= 1, "the first step")
    assert engine(run) == 2
    assert "is already running" in run.log.read_text()
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=60) == 130


def test_a_resume_without_a_checkpoint_begins_at_the_beginning(new_run: NewRun) -> None:
    run = new_run()
    assert engine(run, "--resume") == 0
    assert list(losses(events_of(run))) == list(range(1, 25))


def test_a_damaged_checkpoint_is_refused_and_left_alone(new_run: NewRun) -> None:
    run = new_run("train.max_steps=8")
    assert engine(run) == 0
    trainer = run.checkpoints / "last" / "trainer.pt"
    trainer.write_bytes(trainer.read_bytes()[:1000])
    assert engine(run, "--resume") == 1
    error = last_word(run).error
    assert error is not None and "cannot be resumed from" in error
    assert trainer.stat().st_size == 1000


def tiny_training(batch_size: int, grad_accum_steps: int, steps: int) -> list[float]:
    """Losses of `steps` optimizer steps on the same 16 windows, cut into micro-batches."""
    torch.manual_seed(0)
    model = GPT(Model(n_layer=2, n_head=2, n_embd=32, block_size=16), 64)
    train = Train(steps, batch_size=batch_size, grad_accum_steps=grad_accum_steps, learning_rate=1e-2)
    optimizers = Optimizers(model, train, torch.device("cpu"), scale_gradients=False)
    schedule = Schedule(optimizers, train)
    data = torch.randint(64, (16, 17), generator=torch.Generator().manual_seed(1))
    told = []
    for _ in range(steps):
        total = 0.0
        for micro in data.split(batch_size):
            loss = model.loss(micro[:, :-1], micro[:, 1:]) / grad_accum_steps
            optimizers.backward(loss)
            total += loss.item()
        optimizers.clip()
        optimizers.step()
        schedule.step()
        told.append(total)
    return told


def test_one_batch_can_be_learned_by_heart() -> None:
    assert tiny_training(16, 1, steps=120)[-1] < 0.1


def test_accumulated_micro_batches_train_as_one_large_batch(new_run: NewRun) -> None:
    settings = ("model.dropout=0.0", "train.eval_interval=24")
    micro = new_run("train.batch_size=4", "train.grad_accum_steps=4", *settings)
    large = new_run("train.batch_size=16", "train.grad_accum_steps=1", *settings)
    assert engine(micro) == engine(large) == 0
    micro_losses, large_losses = losses(events_of(micro)), losses(events_of(large))
    assert list(micro_losses.values()) == pytest.approx(list(large_losses.values()), rel=1e-4)


def test_a_full_disk_ends_the_run_with_the_truth_and_keeps_the_checkpoint_before(
    new_run: NewRun, tmp_path: Path
) -> None:
    run = new_run("train.max_steps=8")
    assert engine(run) == 0
    before = (run.checkpoints / "last" / "model.safetensors").read_bytes()
    # A file where the new directory must go fails as a full disk does: after the old checkpoint, before the new.
    (run.checkpoints / ".best.new").write_text("in the way")
    (run.checkpoints / ".last.new").write_text("in the way")
    run.experiment_file.write_text(run.experiment_file.read_text().replace("max_steps = 8", "max_steps = 16"))
    assert engine(run, "--resume") == 1
    error = last_word(run).error
    assert error is not None and "could not be written" in error and "kept" in error
    assert (run.checkpoints / "last" / "model.safetensors").read_bytes() == before
