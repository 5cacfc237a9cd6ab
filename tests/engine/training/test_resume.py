"""A training that was killed or stopped resumes bit for bit, in another precision too, or says why it cannot."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from support import engine, events_of, start_engine, start_fresh_engine
from trainings import evaluations, losses, train_here

from engine.contract.errors import UserError
from engine.contract.events import Checkpoint, Event, Resumed, Step
from engine.runs.run import Run

NewRun = Callable[..., Run]


@pytest.mark.parametrize("at_step", [14, 24])  # between a checkpoint and an evaluation; before the last of both
def test_a_killed_run_resumes_bit_for_bit(new_run: NewRun, at_step: int) -> None:
    straight, killed = new_run(), new_run()
    assert engine(straight) == 0
    kill = (at_step, signal.SIGKILL)
    assert start_engine(killed, signalled_at=kill).wait(timeout=120) == -signal.SIGKILL
    assert killed.state() == "lost"
    told = [event.step for event in events_of(killed) if isinstance(event, Checkpoint) and event.kind == "last"]
    # One is a fresh process, so that nothing may depend on the order of a set or on where things lie in memory.
    resumed = start_fresh_engine(killed, "--resume") if at_step == 14 else start_engine(killed, "--resume")
    assert resumed.wait(timeout=120) == 0, killed.log.read_text()
    begun_at = [event.step for event in events_of(killed) if isinstance(event, Resumed)]
    due = (at_step - 1) // 4 * 4  # it may be on its way to the disk when the process dies
    assert len(begun_at) == 1 and max([0, *told]) <= begun_at[0] <= due, "it goes on from the latest checkpoint"
    assert losses(events_of(killed)) == losses(events_of(straight))
    assert evaluations(events_of(killed)) == evaluations(events_of(straight))
    weights = [(run.checkpoints / "last" / "model.safetensors").read_bytes() for run in (killed, straight)]
    assert weights[0] == weights[1]


def stop_after(run: Run, step: int) -> None:
    """Train `run` here, and ask it to stop as soon as it has told of `step`."""
    told: list[Event] = []

    def requested() -> bool:
        return any(isinstance(event, Step) and event.step == step for event in told)

    assert train_here(run, stop_requested=requested, emit=told.append) == "stopped"
    assert run.status().step == step


@pytest.mark.parametrize("schedule", ["plateau", "constant"])
def test_a_stopped_run_saves_and_resumes_bit_for_bit(new_run: NewRun, schedule: str) -> None:
    settings = (f"train.schedule={schedule}", "train.optimizer=muon", "train.learning_rate=0.05")
    straight, stopped = new_run(*settings), new_run(*settings)
    train_here(straight)
    stop_after(stopped, 3)
    assert train_here(stopped, resume=True) == "finished"
    assert losses(events_of(stopped)) == losses(events_of(straight))
    assert [event.lr for event in events_of(stopped) if isinstance(event, Step)] == [
        event.lr for event in events_of(straight) if isinstance(event, Step)
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("fp32", "bf16"),
        ("bf16", "fp32"),
        ("fp32", "fp16"),  # the scaler's state is empty
        ("fp16", "fp32"),
    ],
)
def test_a_run_resumes_in_another_precision(new_run: NewRun, before: str, after: str) -> None:
    straight, stopped = new_run(f"train.precision={before}"), new_run(f"train.precision={before}")
    train_here(straight)
    stop_after(stopped, 10)
    text = stopped.experiment_file.read_text(encoding="utf-8")
    stopped.experiment_file.write_text(text.replace(f'"{before}"', f'"{after}"'), encoding="utf-8")
    assert stopped.experiment().train.precision == after
    assert train_here(stopped, resume=True) == "finished"
    ours, theirs = losses(events_of(stopped)), losses(events_of(straight))
    assert [ours[step] for step in range(1, 11)] == [theirs[step] for step in range(1, 11)]
    later = range(11, 25)
    assert [ours[step] for step in later] == pytest.approx([theirs[step] for step in later], rel=5e-3)
    assert [ours[step] for step in later] != [theirs[step] for step in later]


EARLY = ("train.max_steps=400", "train.eval_interval=2", "train.early_stopping=3", "train.learning_rate=0.5")


def test_a_run_that_was_killed_as_it_stopped_early_does_not_train_on(new_run: NewRun) -> None:
    run = new_run(*EARLY)
    assert train_here(run) == "early_stopped"
    stopped_at = run.status().step
    said = run.metrics.read_bytes().splitlines(keepends=True)
    run.metrics.write_bytes(b"".join(line for line in said if not line.startswith(b'{"event":"run_ended"')))
    assert train_here(run, resume=True) == "early_stopped"
    assert run.status().step == stopped_at


def test_a_resume_without_a_checkpoint_begins_at_the_beginning(new_run: NewRun) -> None:
    run = new_run()
    assert train_here(run, resume=True) == "finished"
    assert list(losses(events_of(run))) == list(range(1, 25))


def test_a_damaged_checkpoint_is_refused_and_left_alone(trained: Run) -> None:
    trainer = trained.checkpoints / "last" / "trainer.pt"
    trainer.write_bytes(trainer.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be resumed from"):
        train_here(trained, resume=True)
    assert trainer.stat().st_size == 1000
