"""One engine process's work: what it records, and how it ends when something is wrong."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_tokenizers
from support import engine, events_of, start_engine, start_fresh_engine, taken_device, wait_for

from engine.contract.errors import UserError
from engine.contract.events import Prepare, Prepared, Queued, RunEnded, RunStarted, Step, Warning, seconds_between
from engine.contract.overrides import apply_overrides
from engine.contract.run import Run
from engine.session import evaluate_run

NewRun = Callable[..., Run]


def test_the_commit_of_the_workspace_is_recorded(new_run: NewRun, tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "a")
    run = new_run("train.max_steps=5")
    assert engine(run) == 0
    info = run.info()
    assert info is not None and info.git_commit == git("rev-parse", "HEAD")
    assert info.command[1:] == ["train", str(run.path)]


def test_a_run_says_first_that_it_started_and_last_how_it_ended(new_run: NewRun) -> None:
    run = new_run("train.max_steps=5")
    process = start_engine(run)
    assert process.wait(timeout=120) == 0
    first, *_, last = events_of(run)
    assert isinstance(first, RunStarted) and first.pid == process.pid
    assert isinstance(last, RunEnded) and last.reason == "finished"
    assert all(event.clock is not None for event in events_of(run))
    assert seconds_between(first, last) == last.clock - first.clock > 0


def test_a_stop_while_preparing_ends_at_once_and_leaves_no_half_data(new_run: NewRun, tmp_path: Path) -> None:
    run = new_run("data.stories=2000000")
    process = start_engine(run)
    wait_for(lambda: any(isinstance(event, Prepare) for event in events_of(run)), "preparation")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 130
    assert run.state() == "stopped"
    left = [path for path in (tmp_path / "data").iterdir() if path.is_dir()]
    assert all(path.name.endswith(".part") for path in left), "to be gone on with, and no data until then"


def test_a_run_that_waits_for_its_device_is_small_and_ends_at_once_when_cancelled(
    new_run: NewRun, tmp_path: Path
) -> None:
    first, second = new_run(), new_run()
    with taken_device(first):
        process = start_fresh_engine(second)
        wait_for(lambda: second.status().pid == process.pid, "its place in the queue")
        assert second.state() == "queued"
        if sys.platform.startswith("linux"):
            assert "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 130
    assert [type(event) for event in events_of(second)] == [Queued, RunEnded]
    assert (second.state(), second.status().seconds) == ("stopped", 0.0)
    assert not (tmp_path / "data").exists()


def test_a_resumed_run_waits_its_turn_too(new_run: NewRun) -> None:
    first, second = new_run("train.max_steps=6"), new_run("train.max_steps=8")
    assert engine(first) == 0
    with taken_device(second) as holder:
        process = start_engine(first, "--resume")
        wait_for(lambda: first.status().pid == process.pid, "its place in the queue")
        assert first.state() == "queued"
        holder.communicate()
        assert process.wait(timeout=120) == 0
    assert (first.state(), first.status().step) == ("finished", 6)


def test_a_run_that_shares_its_device_waits_for_none_and_holds_up_none(new_run: NewRun) -> None:
    held = new_run()
    sharing = new_run("hardware.share_device=true", "train.grad_accum_steps=100000")
    with taken_device(held) as holder:
        process = start_engine(sharing)
        try:
            wait_for(lambda: sharing.state() == "training", "training while the device is taken")
            holder.communicate()
            with taken_device(held):
                assert sharing.state() == "training"
        finally:
            process.kill()
            process.wait()
    assert not any(isinstance(event, Queued) for event in events_of(sharing))


def test_without_a_queue_a_run_trains_all_the_same_and_says_so(new_run: NewRun, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a file where a folder must be")
    run = new_run("train.max_steps=5")
    assert engine(run) == 0
    started, warning, *_ = events_of(run)
    assert isinstance(started, RunStarted)
    assert isinstance(warning, Warning)
    assert "the queue for cpu cannot be used" in warning.message and str(home) in warning.message


def test_a_second_run_uses_the_data_of_the_first(new_run: NewRun) -> None:
    first, second = new_run("train.max_steps=5"), new_run("train.max_steps=6")
    assert engine(first) == engine(second) == 0
    prepared = [event for run in (first, second) for event in events_of(run) if isinstance(event, Prepared)]
    assert [event.cached for event in prepared] == [False, True]
    assert prepared[0].directory == prepared[1].directory


def test_a_run_is_evaluated_on_its_prepared_data_when_their_source_is_gone(new_run: NewRun, tmp_path: Path) -> None:
    (tmp_path / "stories.txt").write_text("<|endoftext|>".join(f"Once there were {n} hens." for n in range(400)))
    run = new_run("data.source=files", "data.files=['stories.txt']", "train.max_steps=5")
    assert engine(run) == 0, run.log.read_text()
    (tmp_path / "stories.txt").unlink()
    assert evaluate_run(run, "last", "cpu", lambda event: None).step == 5
    shutil.rmtree(tmp_path / "data")
    assert engine(run, "--resume") == 1
    error = events_of(run)[-1]
    assert isinstance(error, RunEnded) and error.error is not None and "stories.txt" in error.error


def resumed_on_other_texts(new_run: NewRun, tmp_path: Path, tokenizer: str) -> tuple[Run, int]:
    """A run of three steps whose corpus is another one, and whose data are gone, when it goes on; the exit code."""
    corpus = tmp_path / "stories.txt"
    corpus.write_text("<|endoftext|>".join(f"Once there were {n} hens." for n in range(400)))
    run = new_run("data.source=files", "data.files=['stories.txt']", "train.max_steps=3", "train.warmup_steps=0")
    overridden = apply_overrides(run.experiment_file.read_text(), [f"tokenizer={tokenizer}"])
    run.experiment_file.write_text(overridden)
    assert engine(run) == 0, run.log.read_text()
    shutil.rmtree(tmp_path / "data")
    corpus.write_text("<|endoftext|>".join(f"Zwölf Boxkämpfer jagen {n} Eulen quer." for n in range(400)))
    run.experiment_file.write_text(run.experiment_file.read_text().replace("max_steps = 3", "max_steps = 6"))
    return run, engine(run, "--resume")


def test_a_run_does_not_go_on_with_the_tokens_of_another_tokenizer(new_run: NewRun, tmp_path: Path) -> None:
    run, code = resumed_on_other_texts(new_run, tmp_path, '{kind="byte_bpe", vocab_size=270}')
    error = events_of(run)[-1]
    assert code == 1 and isinstance(error, RunEnded) and error.error is not None
    assert "the tokenizer of its last checkpoint is another one than that of its data" in error.error
    assert run.status().step == 3


def test_a_run_that_goes_on_with_other_texts_says_so(new_run: NewRun, tmp_path: Path) -> None:
    tiny_tokenizers.save(tiny_tokenizers.byte_level(), tmp_path / "folder")
    run, code = resumed_on_other_texts(new_run, tmp_path, '{kind="huggingface", name="folder"}')
    assert (code, run.status().step) == (0, 6)
    (warning,) = run.status().warnings
    assert "which this run used before, is gone, and what its source gives now differs" in warning


def test_a_checkpoint_is_not_evaluated_on_the_tokens_of_another_tokenizer(trained: Run) -> None:
    vocabulary = trained.checkpoints / "best" / "tokenizer" / "vocab.tiktoken"
    *others, last_but_one, last = [line.split() for line in vocabulary.read_bytes().splitlines()]
    swapped = [*others, [last[0], last_but_one[1]], [last_but_one[0], last[1]]]
    vocabulary.write_bytes(b"\n".join(b" ".join(line) for line in swapped))
    with pytest.raises(UserError, match="the tokenizer of its best checkpoint is another one"):
        evaluate_run(trained, "best", "cpu", lambda event: None)
    assert evaluate_run(trained, "last", "cpu", lambda event: None).step == 8


def test_a_mistake_in_the_data_is_told_without_a_traceback(new_run: NewRun) -> None:
    run = new_run("data.source=files", "data.files=['nowhere.csv']")
    assert engine(run) == 1
    assert run.state() == "failed"
    log = run.log.read_text()
    assert "nowhere.csv" in log and "Traceback" not in log


def test_an_error_of_our_own_leaves_its_traceback_in_the_log_and_a_last_word(new_run: NewRun, tmp_path: Path) -> None:
    run = new_run()
    (tmp_path / "data").write_text("a file where a folder must be")
    assert engine(run) == 1
    last = events_of(run)[-1]
    assert isinstance(last, RunEnded) and last.reason == "failed" and last.error


def test_a_run_whose_directory_is_deleted_ends_and_leaves_nothing_behind(new_run: NewRun) -> None:
    run = new_run("train.max_steps=100000", "train.checkpoint_interval=1", "train.eval_interval=5")
    process = start_engine(run)
    wait_for(lambda: any(isinstance(event, Step) for event in events_of(run)), "a step")
    while run.path.exists():  # a checkpoint that is just being written keeps a directory from being removed
        shutil.rmtree(run.path, ignore_errors=True)
    assert process.wait(timeout=60) == 1
    assert not (run.path / "checkpoints" / "last").exists() and not run.metrics.exists()


def test_a_disk_that_is_full_is_the_last_word_of_the_log(new_run: NewRun) -> None:
    """With a limit on the size of files in place of a full disk, of which the last event tells just as little."""
    never = ("train.checkpoint_interval=100000", "train.eval_interval=100000")
    assert engine(new_run("train.max_steps=1", "train.warmup_steps=0")) == 0, "the data are there already"
    run = new_run("train.max_steps=100000", *never)
    assert start_engine(run, limits={resource.RLIMIT_FSIZE: 20_000}).wait(timeout=120) == 1
    *_, before, last = run.log.read_text().splitlines()
    assert before == f"{run.metrics}: File too large"
    assert last.startswith("the run's last word, 'failed', could not be written: ")
    assert run.state() == "lost"


def test_a_training_that_this_machine_has_no_memory_for_is_warned_of_before_its_data_are_prepared(
    new_run: NewRun,
) -> None:
    run = new_run("train.batch_size=1000000", "model.block_size=4096", "data.source=files", "data.files=['no.csv']")
    assert engine(run) == 1
    warnings = [event.message for event in events_of(run) if isinstance(event, Warning)]
    assert len(warnings) == 1 and "training takes about" in warnings[0] and "train.batch_size" in warnings[0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="macOS does not limit the address space")
def test_too_little_memory_is_told_with_what_to_change(new_run: NewRun) -> None:
    run = new_run("train.batch_size=15000", "data.stories=50")  # 0.8 GB of logits, and as much for their gradient
    assert start_engine(run, limits={resource.RLIMIT_AS: 1 << 30}).wait(timeout=120) == 1
    last = events_of(run)[-1]
    assert isinstance(last, RunEnded) and last.error is not None
    assert "out of memory" in last.error and "train.batch_size" in last.error
