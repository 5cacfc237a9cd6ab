"""Training: it learns, evaluates on the other split, keeps the best, samples from it, rates its steps, and ends."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch
from support import engine, events_of, start_engine, start_fresh_engine, wait_for
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_hook
from trainings import evaluations, losses, overflowing_gradient, train_here

from engine.checkpoints.read import load_model, read_info, tokenizer_of
from engine.contract.errors import UserError
from engine.contract.events import Checkpoint, Eval, Event, RunEnded, Sample, Step
from engine.contract.shape import tokens_per_step
from engine.data.prepare import PreparedData
from engine.generation.writer import story
from engine.model.blocks import Block
from engine.model.gpt import GPT
from engine.optim.optimizer import MuonAdamW
from engine.runs.run import Run

CPU = torch.device("cpu")
NewRun = Callable[..., Run]
NEVER = 1000  # an interval that no training here reaches


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
    ended = events[-1]
    assert isinstance(ended, RunEnded) and ended.reason == run.state() == "finished"
    info = run.info()
    assert info is not None and info.device == "cpu" and info.seed == 1337 and "torch" in info.versions
    for kind in ("best", "last"):
        names = {path.name for path in (run.checkpoints / kind).iterdir()}
        assert names >= {"model.safetensors", "config.json", "tokenizer"}
        assert ("trainer.pt" in names) == (kind == "last")


def test_one_text_can_be_learned_by_heart(
    new_run: NewRun, corpus: Callable[[Sequence[str], Sequence[str]], tuple[str, ...]]
) -> None:
    letters = [chr(code) for code in range(ord("0"), ord("0") + 64)]
    random.Random(1).shuffle(letters)
    text = "".join(letters) * 8
    keys = ("train.max_steps=120", "train.batch_size=16", "train.learning_rate=1e-2", "model.dropout=0.0")
    run = new_run(*corpus([text], [text[::-1]]), *keys)
    train_here(run)
    told = losses(events_of(run))
    assert told[1] > 5 and told[120] < 0.1


def test_accumulated_micro_batches_train_as_one_large_batch(new_run: NewRun) -> None:
    settings = ("model.dropout=0.0", "train.eval_interval=24")
    micro = new_run("train.batch_size=4", "train.grad_accum_steps=4", *settings)
    large = new_run("train.batch_size=16", "train.grad_accum_steps=1", *settings)
    train_here(micro)
    train_here(large)
    micro_losses, large_losses = losses(events_of(micro)), losses(events_of(large))
    assert list(micro_losses.values()) == pytest.approx(list(large_losses.values()), rel=1e-4)


def loss_of(model: GPT, tokens: Path) -> float:
    """Nats a token over windows side by side that fill the file, in 32 bits, without dropout; written out here."""
    ids = np.fromfile(tokens, np.uint16).astype(np.int64)
    block = model.block_size
    windows = torch.from_numpy(np.stack([ids[at : at + block + 1] for at in range(0, len(ids) - block, block)]))
    with torch.no_grad():
        logits = model.eval()(windows[:, :-1])  # (windows, block, vocab_size)
    return F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten()).item()


def test_an_evaluation_is_of_the_validation_texts_and_of_the_model_as_it_then_is(
    new_run: NewRun, strange: tuple[str, ...]
) -> None:
    run = new_run(*strange, f"train.eval_batches={NEVER}", "model.dropout=0.3")
    train_here(run)
    used = run.status().data
    assert used is not None
    data = PreparedData.load(Path(used.directory))
    told = [event for event in events_of(run) if isinstance(event, Eval)]
    last, _ = load_model(run, "last", CPU)
    best, info = load_model(run, "best", CPU)
    assert told[-1].val_loss == pytest.approx(loss_of(last, data.val), rel=1e-4)
    assert {event.step: event.val_loss for event in told}[info.step] == pytest.approx(loss_of(best, data.val), rel=1e-4)
    assert loss_of(last, data.train) < told[-1].val_loss - 2, "the two splits can be told apart"
    steps = losses(events_of(run))
    assert told[-1].train_loss == pytest.approx(sum(steps[step] for step in range(25, 33)) / 8)


def test_the_best_model_is_that_of_the_lowest_validation_loss(new_run: NewRun, strange: tuple[str, ...]) -> None:
    run = new_run(*strange)
    kept_at: dict[int, int] = {}  # the step of best/, whenever an evaluation has been told and its model saved

    def look(event: Event) -> None:
        if isinstance(event, Step) and event.step % 8 == 5 and event.step > 8:
            kept_at[event.step // 8 * 8] = read_info(run, "best").step

    train_here(run, emit=look)
    told = {event.step: event for event in events_of(run) if isinstance(event, Eval)}
    lowest = min(told, key=lambda step: told[step].val_loss)
    assert lowest < 32, "the validation loss rises"
    so_far = float("inf")
    for event in told.values():
        assert event.best == (event.val_loss < so_far)
        so_far = min(so_far, event.val_loss)
    saved = {event.step for event in events_of(run) if isinstance(event, Checkpoint) and event.kind == "best"}
    assert lowest in saved <= {step for step, event in told.items() if event.best}
    assert read_info(run, "best").step == lowest and read_info(run, "last").step == 32


def test_the_last_stories_are_those_of_the_best_model(new_run: NewRun, strange: tuple[str, ...]) -> None:
    run = new_run(*strange, "sampling.prompts=['ab','cd']", "sampling.max_new_tokens=24", "sampling.temperature=1.0")
    train_here(run)
    experiment, samples = run.experiment(), [event for event in events_of(run) if isinstance(event, Sample)]
    texts = {}
    for kind in ("best", "last"):
        model, info = load_model(run, kind, CPU)  # type: ignore[arg-type]
        seeds = enumerate(experiment.sampling.prompts, experiment.train.seed)
        texts[kind] = [
            (info.step, story(model, tokenizer_of(run, kind), prompt, experiment.sampling, seed))  # type: ignore[arg-type]
            for seed, prompt in seeds
        ]
    assert [(event.step, event.text) for event in samples] == texts["best"] != texts["last"]


def test_stories_along_the_way_are_told_at_their_interval_and_change_nothing(new_run: NewRun) -> None:
    plain, telling = new_run("train.max_steps=12"), new_run("train.max_steps=12", "train.sample_interval=5")
    for run in (plain, telling):
        train_here(run)
    assert [event.step for event in events_of(telling) if isinstance(event, Sample)] == [5, 10, 12]
    assert losses(events_of(telling)) == losses(events_of(plain))


def test_no_evaluation_and_no_story_is_counted_into_the_rate_of_a_step(new_run: NewRun) -> None:
    never = f"train.checkpoint_interval={NEVER}"  # a save is a pause of its own, which would hide the others
    run = new_run(
        "train.max_steps=12", "train.eval_interval=4", "train.sample_interval=5", "train.eval_batches=1", never
    )
    waited = 0.0

    def wait(seconds: float) -> None:
        nonlocal waited
        waited += seconds
        time.sleep(seconds)

    def slow_evaluation(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        if isinstance(module, Block) and len(output) > 1 and not torch.is_grad_enabled():  # no story: that is one text
            wait(0.2)

    def slow_to_take(event: Event) -> None:
        if isinstance(event, Sample | Eval):
            wait(0.3)

    with register_module_forward_hook(slow_evaluation):
        train_here(run, emit=slow_to_take)
    experiment = run.experiment()
    rates = [event.tokens_per_second for event in events_of(run) if isinstance(event, Step)]
    known = [rate for rate in rates if rate is not None]
    assert len(known) > 6 and waited > 2.5
    tokens = tokens_per_step(experiment.model, experiment.train)
    assert sum(tokens / rate for rate in known) < waited / 8, "seconds of the steps, and of what is none"
    assert max(known) < 50 * median(known), "nor is a step told faster than it was"


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_good_checkpoint(new_run: NewRun) -> None:
    run = new_run(
        "train.learning_rate=1e30", "train.grad_clip=0", "train.warmup_steps=8", "train.checkpoint_interval=1"
    )
    assert engine(run) == 1
    events = events_of(run)
    ended = events[-1]
    assert isinstance(ended, RunEnded) and ended.reason == run.state() == "diverged"
    diverged_at = next(event.step for event in events if isinstance(event, Step) and event.loss is None)
    saved = [event.step for event in events if isinstance(event, Checkpoint) and event.kind == "last"]
    assert max(saved, default=0) < diverged_at


def test_a_gradient_that_is_not_finite_does_not_reach_a_checkpoint(new_run: NewRun) -> None:
    run = new_run("train.checkpoint_interval=1", "model.n_layer=1")
    with overflowing_gradient(in_pass=3):
        assert train_here(run) == "diverged"
    assert [event.grad_norm is None for event in events_of(run) if isinstance(event, Step)] == [False, False, True]
    model, info = load_model(run, "last", CPU)
    assert info.step == 2
    assert all(bool(weight.isfinite().all()) for weight in model.parameters())


EARLY = ("train.max_steps=400", "train.eval_interval=2", "train.early_stopping=3", "train.learning_rate=0.5")


def test_early_stopping_ends_after_evaluations_without_a_better_one(new_run: NewRun) -> None:
    run = new_run(*EARLY)
    assert train_here(run) == "early_stopped"
    evals = [event for event in events_of(run) if isinstance(event, Eval)]
    assert [event.best for event in evals[-4:]] == [True, False, False, False]


def test_data_shorter_than_a_window_are_refused_with_both_numbers(new_run: NewRun) -> None:
    run = new_run("data.stories=20", "model.block_size=100000")
    with pytest.raises(UserError, match=r"block_size = 100000.*\d tokens of the"):
        train_here(run)


def test_an_engine_does_not_touch_a_run_that_another_one_trains(new_run: NewRun) -> None:
    run = new_run("train.max_steps=100000")
    first = start_engine(run)
    wait_for(lambda: len(losses(events_of(run))) >= 1, "the first step")
    assert engine(run) == 2
    assert "is already running" in run.log.read_text()
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=60) == 130


def test_a_full_disk_ends_the_run_with_the_truth_and_keeps_the_checkpoint_before(trained: Run) -> None:
    run = trained
    before = (run.checkpoints / "last" / "model.safetensors").read_bytes()
    # A file where the new directory must go fails as a full disk does: after the old checkpoint, before the new.
    (run.checkpoints / ".best.new").write_text("in the way")
    (run.checkpoints / ".last.new").write_text("in the way")
    assert engine(run, "--resume") == 1
    ended = events_of(run)[-1]
    assert isinstance(ended, RunEnded) and ended.error is not None
    assert "could not be written" in ended.error and "kept" in ended.error
    assert (run.checkpoints / "last" / "model.safetensors").read_bytes() == before


def test_the_optimizer_moves_at_the_rate_that_is_logged(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[set[float]] = []
    step = MuonAdamW.step

    def noting(self: MuonAdamW) -> None:
        rates.append({group["lr"] for group in self.param_groups})
        step(self)

    monkeypatch.setattr(MuonAdamW, "step", noting)
    run = new_run("train.optimizer=muon")
    assert train_here(run) == "finished"
    assert rates == [{event.lr} for event in events_of(run) if isinstance(event, Step)]
    assert len(set(map(frozenset, rates))) > 20, "it warms up and falls"
