"""Telling stories: which run's checkpoint is used, what is said where that cannot be, and how they are told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import engine
from tiny_marian import save_tiny_marian

from engine.contract.events import EndReason, Prepared, RunEnded, RunStarted
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.formats import printable

Program = Callable[..., "subprocess.CompletedProcess[str]"]
NewRun = Callable[..., Run]

STARTED = RunStarted(pid=1, host="here")
PREPARED = Prepared(directory="d", vocab_size=400, train_tokens=9, val_tokens=9, cached=False)


@pytest.mark.parametrize("command", ["generate", "evaluate"])
def test_an_older_run_that_has_a_checkpoint_is_used_and_named(program: Program, new_run: NewRun, command: str) -> None:
    older = new_run([STARTED, RunEnded("finished")])
    (older.checkpoints / "best").mkdir(parents=True)
    assert "newest" not in program(command, "tiny").stderr
    newest = new_run([STARTED, RunEnded("failed", error="why")])
    said = program(command, "tiny").stderr
    assert f"{newest} has no best checkpoint: it failed; this is of {older}, the newest run that has one\n" in said
    assert f"checkpoint {older.checkpoints / 'best'} is damaged: config.json is missing" in said
    by_id = program(command, newest.id)
    assert by_id.returncode == 2 and "this is of" not in by_id.stderr


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("finished", "it has finished; slm-tui run tiny starts a new one"),
        ("failed", "it failed; slm-tui run tiny starts a new one"),
        ("diverged", "it diverged; slm-tui run tiny starts a new one"),
        ("stopped", "it was stopped; slm-tui run tiny --resume ID goes on with it"),
        (None, "it is lost; slm-tui run tiny --resume ID goes on with it"),
    ],
)
def test_where_there_is_no_checkpoint_the_way_to_one_is_told(
    program: Program, new_run: NewRun, reason: EndReason | None, said: str
) -> None:
    run = new_run([STARTED, PREPARED, *([RunEnded(reason)] if reason else [])])
    result = program("generate", "tiny")
    wanted = f"slm-tui: {run} has no best checkpoint: {said.replace('ID', run.id)}\n"
    assert (result.returncode, result.stderr, result.stdout) == (2, wanted, "")


def test_a_run_with_the_other_checkpoint_only_is_said_to_have_it(program: Program, new_run: NewRun) -> None:
    run = new_run([STARTED, RunEnded("stopped")])
    (run.checkpoints / "last").mkdir(parents=True)
    assert "has no best checkpoint: it was stopped; use --checkpoint last\n" in program("generate", "tiny").stderr


def test_a_story_that_breaks_off_ends_its_line(program: Program, new_run: NewRun) -> None:
    run = new_run()
    assert engine(run) == 0, run.log.read_text()
    weights = run.checkpoints / "best" / "model.safetensors"
    content = weights.read_bytes()
    data = 8 + int.from_bytes(content[:8], "little")
    weights.write_bytes(content[:data] + b"\xff" * (len(content) - data))  # nothing but NaN
    result = program("generate", "tiny", "--prompt", "Once upon")
    assert (result.returncode, result.stdout) == (2, "Once upon\n")
    assert "the model's output is not a number" in result.stderr


@pytest.fixture
def trained(trained: Path, workspace: Workspace) -> Run:
    """The run that all tests here share, a copy of the test's own."""
    (shared,) = Workspace(trained).list_runs("tiny")
    run = Run(workspace.runs / shared.name / shared.id)
    shutil.copytree(shared.path, run.path)
    return run


def test_several_stories_are_told_one_after_another_each_with_its_own_seed(program: Program, trained: Run) -> None:
    wish = ("generate", "tiny", "--prompt", "Once", "--max-new-tokens", "12", "--temperature", "1")
    together = program(*wish, "--seed", "5", "--num-samples", "3")
    listed = json.loads(program(*wish, "--seed", "5", "--num-samples", "3", "--json").stdout)
    assert [story["seed"] for story in listed] == [5, 6, 7]
    assert together.stdout == "\n\n".join(printable(story["text"]) for story in listed) + "\n"
    alone = json.loads(program(*wish, "--seed", "7", "--json").stdout)
    assert alone["text"] == listed[2]["text"]
    stop = alone["text"][8:11]
    stopped = json.loads(program(*wish, "--seed", "7", "--stop", "never", "--stop", stop, "--json").stdout)
    assert stopped["reason"] == "stop_text" and stopped["text"] == alone["text"][: alone["text"].index(stop, 4)]
    quantized = program(*wish, "--seed", "7", "--quantize", "int8")
    assert quantized.returncode == 0 and quantized.stdout.startswith("Once")


def test_any_model_is_read_in_another_language_by_way_of_translation(program: Program, trained: Run) -> None:
    for name, target in (("to-model", "en"), ("to-reader", "ar")):
        save_tiny_marian(trained.workspace_folder / name, target=target)
    wish = ("generate", "tiny", "--prompt", "كان يا ما كان", "--max-new-tokens", "8", "--seed", "1", "--json")
    story = json.loads(program(*wish, "--translate", "to-model", "to-reader").stdout)
    assert story["text"].startswith(story["model_prompt"]) and not story["text"].startswith("كان")
    assert story["translation"] and story["translation"] != story["text"]
    without = program(*wish, "--translate", "./none", "to-reader")
    assert without.returncode == 2
    assert 'sampling.translate.prompt_model = "./none": no such folder' in without.stderr


def test_a_prompt_that_the_context_cannot_hold_is_told_beside_the_story(program: Program, trained: Run) -> None:
    result = program("generate", "tiny", "--prompt", "Once upon a time. " * 40, "--max-new-tokens", "2")
    assert result.returncode == 0
    assert "the prompt is longer than the model's context: its first" in result.stderr


def test_an_interrupt_ends_a_story_cleanly_with_what_was_written(workspace: Workspace, trained: Run) -> None:
    wish = ("--prompt", "Once", "--max-new-tokens", "1000000", "--temperature", "2", "--num-samples", "64")  # for long
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-m", "slm_tui", "generate", "tiny", *wish],
        cwd=workspace.root,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    ) as telling:
        assert telling.stdout is not None and telling.stderr is not None
        assert telling.stdout.read(20).startswith(b"Once")
        os.killpg(telling.pid, signal.SIGINT)  # as a terminal does: to both processes
        rest, said = telling.stdout.read(), telling.stderr.read()
        assert telling.wait(60) == 130
    assert rest.endswith(b"\n")
    assert b"Traceback" not in said


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("prompts.txt", "Once\n\nThere was\n"),
        ("windows.txt", "\ufeffOnce\r\nThere was\r\n"),
        ("prompts.jsonl", '{"prompt": "Once"}\n{"prompt": "There was", "n": 1}\n'),
    ],
)
def test_a_story_is_written_for_each_prompt_of_a_file(
    program: Program, workspace: Workspace, trained: Run, name: str, content: str
) -> None:
    (workspace.root / name).write_text(content)
    printed = program("evaluate", "tiny", "--prompts", name)
    lines = [json.loads(line) for line in printed.stdout.splitlines()]
    assert [line["prompt"] for line in lines] == ["Once", "There was"]
    assert [line["seed"] for line in lines] == [1337, 1338]
    assert all(line["text"].startswith(line["prompt"]) and line["run"] == str(trained) for line in lines)
    kept = program("evaluate", "tiny", "--prompts", name, "--output", "stories.jsonl")
    assert kept.stdout == "2 stories: stories.jsonl\n"
    again = [json.loads(line) for line in (workspace.root / "stories.jsonl").read_text().splitlines()]
    assert [line["text"] for line in again] == [line["text"] for line in lines]


def test_a_file_of_stories_stays_until_there_is_one_to_take_its_place(
    program: Program, workspace: Workspace, new_run: NewRun
) -> None:
    run = new_run([STARTED, RunEnded("finished")])
    (run.checkpoints / "best").mkdir(parents=True)
    (workspace.root / "prompts.txt").write_text("Once\n")
    (workspace.root / "stories.jsonl").write_text("mine")
    result = program("evaluate", "tiny", "--prompts", "prompts.txt", "--output", "stories.jsonl")
    assert result.returncode == 2 and "is damaged: config.json is missing" in result.stderr
    assert (workspace.root / "stories.jsonl").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.txt", None, "missing.txt: no such file or directory"),
        ("empty.txt", b"\n\n", "empty.txt: has no prompts"),
        ("latin.txt", b"Once\n\xff\n", "latin.txt: line 2: must be UTF-8 text"),
        ("list.jsonl", b'{"prompt": "a"}\n[1]\n', 'list.jsonl: line 2: must be an object with a text "prompt"'),
    ],
)
def test_a_file_of_prompts_that_is_none_is_told_with_its_line(
    program: Program, workspace: Workspace, new_run: NewRun, name: str, content: bytes | None, said: str
) -> None:
    run = new_run([STARTED, RunEnded("finished")])
    (run.checkpoints / "best").mkdir(parents=True)
    if content is not None:
        (workspace.root / name).write_bytes(content)
    result = program("evaluate", "tiny", "--prompts", name)
    assert result.returncode == 2 and said in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["generate", "tiny", "--num-samples", "65"],
            "--num-samples 65: must be a whole number, at least 1 and at most 64",
        ),
        (["generate", "tiny", "--stop", ""], "--stop : must be a list, each entry a non-empty string"),
        (["evaluate", "tiny", "--seed", "3"], "--seed: is for the stories of --prompts, which is not given"),
    ],
)
def test_flags_are_checked_before_anything_starts(
    program: Program, new_run: NewRun, arguments: list[str], said: str
) -> None:
    run = new_run([STARTED, RunEnded("finished")])
    (run.checkpoints / "best").mkdir(parents=True)
    result = program(*arguments)
    assert result.returncode == 2 and said in result.stderr
