"""The writer: what is saved is what stood then, in an order that no kill can break, and no save waits for the disk."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from random_runs import make_run, small_tokenizer
from torch import Tensor

from engine.checkpoints import writer as writer_module
from engine.checkpoints.read import load_whole, read_info, trainer_state
from engine.checkpoints.write import CheckpointInfo, save_checkpoint
from engine.checkpoints.writer import CheckpointWriter
from engine.contract.checkpoints import CheckpointName
from engine.contract.errors import UserError
from engine.contract.events import Checkpoint, Event
from engine.model.gpt import GPT
from engine.runs.run import Run

__all__ = ["make_run"]

CPU = torch.device("cpu")


class Training:
    """A loop's tensors, which tell their step by their value."""

    def __init__(self, run: Run, tokenizer: Path, device: torch.device = CPU) -> None:
        self.run = run
        self.model = run.experiment().model
        self.weights = {
            name: torch.zeros_like(tensor, device=device)
            for name, tensor in GPT(self.model, small_tokenizer().vocab_size).state_dict().items()
        }
        self.moments = {name: torch.zeros_like(tensor) for name, tensor in self.weights.items()}
        self.emitted: list[Event] = []
        self.writer = CheckpointWriter(run, tokenizer, self.emitted.append)

    def save(self, kind: CheckpointName, step: int) -> None:
        """Save what stands at `step`, and go on at once."""
        self._fill(step)
        info = CheckpointInfo(self.model, small_tokenizer().vocab_size, step, step, None)
        trainer: dict[str, Any] = {"step": step, "moments": [(self.moments, {"of": torch.tensor(step)})]}
        self.writer.save(kind, self.weights, info, trainer if kind == "last" else None)
        self._fill(-1)

    def _fill(self, value: int) -> None:
        for tensor in (*self.weights.values(), *self.moments.values()):
            tensor.fill_(value)

    def announced(self) -> list[tuple[str, int]]:
        return [(event.kind, event.step) for event in self.emitted if isinstance(event, Checkpoint)]


def saved_step(run: Run, kind: CheckpointName) -> int:
    """The step of a checkpoint, every part of which is of that step."""
    model, info, tokenizer = load_whole(run, kind, CPU)
    assert tokenizer.fingerprint() == small_tokenizer().fingerprint()
    assert all(bool((tensor == info.step).all()) for tensor in model.state_dict().values())
    if kind == "last":
        state = trainer_state(run)
        moments, of = state["moments"][0]
        assert state["step"] == int(of["of"]) == info.step
        assert moments.keys() == model.state_dict().keys()
        assert all(bool((tensor == info.step).all()) for tensor in moments.values())
    return info.step


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "tokenizer"
    small_tokenizer().save(folder)
    return folder


@pytest.fixture
def training(make_run: Callable[..., Run], tokenizer: Path) -> Training:
    run = make_run()
    shutil.rmtree(run.checkpoints)
    return Training(run, tokenizer)


class Disk:
    """Stands before each write of the writer's: it tells that one begins, and holds it up."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.goes_on = threading.Semaphore(0)
        self.written: list[tuple[CheckpointName, int]] = []

    def save(
        self, run: Run, kind: CheckpointName, weights: dict[str, Tensor], info: CheckpointInfo, *rest: Any
    ) -> Path:
        self.begun.release()
        assert self.goes_on.acquire(timeout=60)
        self.written.append((kind, info.step))
        return save_checkpoint(run, kind, weights, info, *rest)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    slow = Disk()
    monkeypatch.setattr(writer_module, "save_checkpoint", slow.save)
    yield slow
    slow.goes_on.release(100)


@pytest.fixture
def memories(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Each piece of memory that a writer takes."""
    taken: list[Tensor] = []
    take = writer_module._memory_for

    def note(tensor: Tensor) -> Tensor:
        taken.append(take(tensor))
        return taken[-1]

    monkeypatch.setattr(writer_module, "_memory_for", note)
    return taken


def test_what_is_saved_is_what_stood_when_it_was_saved(training: Training, disk: Disk) -> None:
    with training.writer as writer:
        training.save("best", 1)
        training.save("last", 2)
        assert disk.begun.acquire(timeout=60)
        assert not training.run.checkpoints.exists(), "a save does not wait for the disk"
        disk.goes_on.release(2)
        writer.wait()
        assert (saved_step(training.run, "best"), saved_step(training.run, "last")) == (1, 2)
        assert training.announced() == [("best", 1), ("last", 2)]
    assert {path.name for path in (training.run.checkpoints / "last").iterdir()} == {
        "model.safetensors", "config.json", "tokenizer", "trainer.pt",
    }  # fmt: skip
    assert not (training.run.checkpoints / "best" / "trainer.pt").exists()


def test_a_newer_save_takes_the_place_of_the_waiting_one_of_its_kind_alone(training: Training, disk: Disk) -> None:
    with training.writer as writer:
        training.save("last", 1)
        assert disk.begun.acquire(timeout=60)
        for step in (2, 3, 4):  # while the first is being written
            training.save("last", step)
            training.save("best", step)
        training.save("last", 5)
        training.save("best", 6)  # in the place of the one that the state of step 5 speaks of
        disk.goes_on.release(100)
        writer.wait()
        # the best goes first: a state that a run resumes from never speaks of a best one that is not there
        assert disk.written == training.announced() == [("last", 1), ("best", 6), ("last", 5)]
        assert (saved_step(training.run, "best"), saved_step(training.run, "last")) == (6, 5)


def test_no_kind_waits_for_ever_on_a_slow_disk(training: Training, disk: Disk) -> None:
    with training.writer:
        training.save("best", 1)
        for step in range(2, 12):  # each write lasts longer than it takes until the next of both are due
            assert disk.begun.acquire(timeout=60)
            training.save("last", step)
            training.save("best", step)
            disk.goes_on.release()
        disk.goes_on.release(100)
    assert [kind for kind, _ in disk.written[1:9]] == ["best", "last"] * 4
    assert [step for kind, step in disk.written if kind == "last"][-1] == 11


def test_memory_is_taken_once(training: Training, disk: Disk, memories: list[Tensor]) -> None:
    pieces = len(training.weights)
    disk.goes_on.release(12)
    with training.writer as writer:
        for step in range(1, 5):
            training.save("last", step)
            training.save("best", step)  # shares the weights
            writer.wait()
            assert (saved_step(training.run, "best"), saved_step(training.run, "last")) == (step, step)
        assert len(memories) == 2 * pieces + 1
        training.save("best", 5)
        writer.wait()
        training.save("best", 6)
        training.save("last", 6)
        writer.wait()
        assert (saved_step(training.run, "best"), saved_step(training.run, "last")) == (6, 6)
        assert len(memories) == 2 * pieces + 1


def test_memory_is_bounded_however_slow_the_disk_is(training: Training, disk: Disk, memories: list[Tensor]) -> None:
    with training.writer:
        training.save("best", 1)
        training.save("last", 2)
        assert disk.begun.acquire(timeout=60)
        for step in range(3, 30):
            training.save("best" if step % 2 else "last", step)
        pieces = len(training.weights)
        assert len(memories) <= 2 * pieces + 2 * (2 * pieces + 1), "of each kind one that is written, one that waits"
        disk.goes_on.release(100)
    assert (saved_step(training.run, "best"), saved_step(training.run, "last")) == (29, 28)


def test_it_is_announced_when_it_stands(training: Training) -> None:
    standing: list[tuple[str, int, int]] = []

    def look(event: Event) -> None:
        assert isinstance(event, Checkpoint)
        standing.append((event.path, event.step, read_info(training.run, event.kind).step))

    training.writer = CheckpointWriter(training.run, training.writer._tokenizer, look)
    with training.writer as writer:
        for step in (1, 2):
            training.save("last", step)
            writer.wait()
    assert standing == [("checkpoints/last", 1, 1), ("checkpoints/last", 2, 2)]


def test_the_thread_waits_for_the_gpus_copies_and_the_loop_does_not(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed, waited_for = threading.Event(), threading.Event()

    class GpuEvent:
        def synchronize(self) -> None:
            waited_for.set()
            assert passed.wait(timeout=60)

    monkeypatch.setattr(writer_module, "_end_of_copies", lambda weights: GpuEvent())
    with training.writer as writer:
        training.save("last", 1)
        assert waited_for.wait(timeout=60)
        assert not training.run.checkpoints.exists()
        passed.set()
        writer.wait()
        assert saved_step(training.run, "last") == 1


@pytest.mark.cuda
def test_copies_from_a_gpu_are_whole_and_pinned(make_run: Callable[..., Run], tokenizer: Path) -> None:
    training = Training(make_run(), tokenizer, torch.device("cuda"))
    with training.writer as writer:
        for step in range(1, 6):
            training.save("best", step)
            training.save("last", step)
            writer.wait()
            assert (saved_step(training.run, "best"), saved_step(training.run, "last")) == (step, step)
        free = writer._copies._free.values()
        assert all(memory.is_pinned() for memories in free for memory in memories if memory.ndim)


def test_what_the_disk_refuses_is_raised_in_the_loop_and_the_one_before_stands(
    training: Training, tokenizer: Path
) -> None:
    with pytest.raises(UserError, match="step 2 could not be written") as caught, training.writer as writer:
        training.save("last", 1)
        writer.wait()
        shutil.rmtree(tokenizer)
        training.save("last", 2)
        writer.wait()
    assert str(caught.value).endswith(f"; the one before is kept in {training.run.checkpoints / 'last'}")
    for ask in (training.writer.check, training.writer.wait, lambda: training.save("best", 3)):
        with pytest.raises(UserError, match="step 2"):
            ask()
    small_tokenizer().save(tokenizer)
    assert saved_step(training.run, "last") == 1
    assert training.announced() == [("last", 1)]
    assert [path.name for path in training.run.checkpoints.iterdir()] == ["last"]


def test_a_failure_behind_the_last_save_is_raised_at_the_end(training: Training, tokenizer: Path) -> None:
    shutil.rmtree(tokenizer)
    with pytest.raises(UserError, match=r"step 1 could not be written .*there is none yet"), training.writer:
        training.save("best", 1)


def test_a_run_that_was_deleted_is_not_made_again(training: Training) -> None:
    with pytest.raises(UserError, match="could not be written"), training.writer:
        shutil.rmtree(training.run.path)
        training.save("last", 1)
    assert not training.run.path.exists()


def test_what_cannot_be_announced_is_raised_as_it_is(training: Training) -> None:
    def refuse(event: Event) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "metrics.jsonl")

    training.writer = CheckpointWriter(training.run, training.writer._tokenizer, refuse)
    with pytest.raises(OSError, match=r"metrics\.jsonl"), training.writer:
        training.save("last", 1)
    assert saved_step(training.run, "last") == 1


def test_what_was_saved_is_written_also_where_the_loop_fails(training: Training, disk: Disk) -> None:
    with pytest.raises(ZeroDivisionError), training.writer:
        training.save("last", 1)
        disk.goes_on.release()
        raise ZeroDivisionError
    assert saved_step(training.run, "last") == 1


def test_a_failure_of_the_loop_is_not_hidden_by_one_of_the_disk(
    training: Training, tokenizer: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(tokenizer)
    with pytest.raises(ZeroDivisionError), training.writer:
        training.save("last", 1)
        raise ZeroDivisionError
    assert "the checkpoint of step 1 could not be written" in capfd.readouterr().err


def test_the_tokenizer_is_linked_and_outlives_the_data(training: Training, tokenizer: Path) -> None:
    with training.writer:
        training.save("last", 1)
    kept = training.run.checkpoints / "last" / "tokenizer"
    names = sorted(path.name for path in tokenizer.iterdir())
    assert names and names == sorted(path.name for path in kept.iterdir())
    assert all(os.path.samefile(tokenizer / name, kept / name) for name in names)
    shutil.rmtree(tokenizer.parent)
    assert saved_step(training.run, "last") == 1


def test_the_tokenizer_is_copied_where_there_are_no_links(
    training: Training, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    elsewhere = tokenizer.with_name("elsewhere")
    tokenizer.rename(elsewhere)
    tokenizer.mkdir()
    for path in elsewhere.iterdir():  # and a link is followed, not taken along
        (tokenizer / path.name).symlink_to(Path("..", "elsewhere", path.name))
    with training.writer:
        training.save("last", 1)
    monkeypatch.undo()
    with CheckpointWriter(training.run, tokenizer, training.emitted.append) as training.writer:
        training.save("best", 1)
    shutil.rmtree(tokenizer.parent)
    assert (saved_step(training.run, "last"), saved_step(training.run, "best")) == (1, 1)


KILLED = """
import os, signal, sys, threading
from pathlib import Path
import torch
from test_writer import Training, saved_step
from engine.checkpoints.writer import CheckpointWriter
from engine.contract.checkpoints import CheckpointName
from engine.contract.events import Checkpoint, EventReader, EventWriter
from engine.runs.run import Run

run, tokenizer = Run(Path(sys.argv[1])), Path(sys.argv[2])
torch.set_num_threads(1)
kinds, found = ("best", "last"), {"best": 0, "last": 0}


def train(step, kill_at):
    # a checkpoint of each kind; an audit hook kills before the thread's file operation number `kill_at`
    training, seen = Training(run, tokenizer), 0
    writer = CheckpointWriter(run, tokenizer, EventWriter(run.metrics))

    def die(event, arguments):
        nonlocal seen
        touches_files = event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.chmod")
        if touches_files and threading.current_thread().name == "checkpoints":
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    training.writer = writer
    with writer:
        for kind in kinds:
            training.save(kind, step)


for kill_at in range(1000):  # the first one kills at nothing
    step = kill_at + 1
    child = os.fork()
    if child == 0:
        train(step, kill_at)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    for kind in kinds:
        if not (run.checkpoints / kind).exists():  # between two renames: what the next start puts back
            (run.checkpoints / f".{kind}.old").rename(run.checkpoints / kind)
        told = [e.step for e in EventReader(run.metrics).read() if isinstance(e, Checkpoint) and e.kind == kind][-1]
        before, found[kind] = found[kind], saved_step(run, kind)
        assert found[kind] in (before, step) and told <= found[kind], (kill_at, kind, told, before, found[kind])
    assert found["last"] <= found["best"], (kill_at, found)
    if status == 0:
        assert found == {"best": step, "last": step}, found
        if kill_at:
            break
    else:
        assert status == signal.SIGKILL, status
print(kill_at)
"""


def test_a_kill_at_any_moment_leaves_whole_checkpoints(training: Training, tokenizer: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(training.run.path), str(tokenizer)]
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2]), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20, "opening, making, linking, renaming, deleting"
