"""From a folder with nothing in it to a story, by the installed `slm-tui`; and what may go wrong on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable

from support import wait_for
from terminals import Terminal

from engine.runs.run import Run
from engine.runs.workspace import Workspace

Program = Callable[..., "subprocess.CompletedProcess[str]"]
ENDLESS = ("--set", "train.max_steps=1000000", "--set", "train.checkpoint_interval=1000000")


def newest(workspace: Workspace) -> Run:
    return workspace.list_runs()[0]


def wait_for_training(workspace: Workspace, than: int) -> Run:
    """The run that comes after the first `than`, once it trains."""
    wait_for(lambda: len(workspace.list_runs()) > than, "a run's directory")
    run = newest(workspace)
    wait_for(lambda: run.status().last_step is not None, "its first step")
    return run


def test_a_new_user_trains_a_model_and_reads_its_story(program: Program, workspace: Workspace) -> None:
    trained = program("run", "tiny")
    assert trained.returncode == 0, trained.stderr
    lines = trained.stdout.splitlines()
    assert any(line.startswith("step 1/24  loss ") for line in lines)
    assert any(line.startswith("step 24  validation loss ") for line in lines)
    assert "tiny finished" in lines
    assert "  slm-tui generate tiny --prompt Once" in lines

    wish = ("generate", "tiny", "--prompt", "Once upon", "--seed", "3", "--max-new-tokens", "9", "--temperature", "0.9")
    told, story = program(*wish), json.loads(program(*wish, "--json").stdout)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("Once upon") and len(told.stdout) > len("Once upon\n")
    assert told.stdout == story["text"] + "\n"
    assert (story["seed"], story["sampling"]["temperature"], story["sampling"]["top_k"]) == (3, 0.9, 0)

    best = newest(workspace).status().best
    assert best is not None
    (listed,) = [entry for entry in json.loads(program("list", "--json").stdout) if entry["name"] == "tiny"]
    assert listed["newest"]["state"] == "finished" and listed["best"]["val_loss"] == best.val_loss
    (run,) = json.loads(program("runs", "--json").stdout)
    assert run["step"] == 24 and run["tokens"] == 24 * 4 * 32
    evaluated = json.loads(program("evaluate", "tiny", "--json").stdout)
    assert evaluated["step"] == best.step and abs(evaluated["val_loss"] - best.val_loss) < 0.5
    assert "finished" in program("show", run["run"]).stdout


def test_several_experiments_run_one_after_the_other_into_one_json_document(program: Program) -> None:
    result = program("run", "tiny", "tiny", "--json", "--set", "train.max_steps=8")
    assert result.returncode == 0
    first, second = json.loads(result.stdout)
    assert first["run"] != second["run"] and first["updated"] <= second["started"]
    for summary in (first, second):
        assert (summary["state"], summary["step"], summary["max_steps"]) == ("finished", 8, 8)
        assert summary["best"]["perplexity"] > 1 and summary["parameters"] > 0 and summary["tokens_per_second"] > 0


def test_one_that_fails_does_not_keep_the_others_from_their_turn(program: Program, workspace: Workspace) -> None:
    broken = (workspace.experiments / "tiny.toml").read_text(encoding="utf-8")
    broken = broken.replace('source = "builtin"', 'source = "files"\nfiles = ["nowhere.txt"]')
    (workspace.experiments / "broken.toml").write_text(broken, encoding="utf-8")
    result = program("run", "broken", "tiny", "--json", "--set", "train.max_steps=8")
    assert result.returncode == 1
    assert [facts["state"] for facts in json.loads(result.stdout)] == ["failed", "finished"]


def test_ctrl_c_stops_the_first_of_several_and_cancels_those_behind_it(
    program: Program, terminal: Callable[..., Terminal], workspace: Workspace
) -> None:
    before = len(workspace.list_runs())
    screen = terminal("run", "tiny", "tiny", "tiny", *ENDLESS)
    wait_for(lambda: len(workspace.list_runs()) == before + 3, "the runs' directories")
    last, middle, first = workspace.list_runs()[:3]
    wait_for(lambda: first.status().last_step is not None and last.status().pid is not None, "a full queue")
    assert [run.state() for run in (first, middle, last)] == ["training", "queued", "queued"]
    assert [facts["state"] for facts in json.loads(program("runs", "--json").stdout)[:2]] == ["queued", "queued"]
    screen.until("time left")
    screen.press("\x03")
    assert screen.finish() == 130
    assert "tiny stopped" in screen.text
    for run in (middle, last):
        assert f"{run} was queued: cancelled" in screen.text
        assert (run.state(), run.status().started) == ("stopped", None)
    assert (first.checkpoints / "last" / "model.safetensors").exists()


def test_a_queued_run_is_shown_as_such_and_can_be_stopped(
    program: Program, terminal: Callable[..., Terminal], workspace: Workspace
) -> None:
    before = len(workspace.list_runs())
    detached = program("run", "tiny", "tiny", "tiny", "--detach", *ENDLESS)
    assert detached.returncode == 0, detached.stderr
    last, middle, first = workspace.list_runs()[:3]
    assert len(workspace.list_runs()) == before + 3
    assert detached.stdout.split() == [str(first), str(middle), str(last)]
    screen = terminal("run", "tiny", "--set", "train.max_steps=8")
    screen.until("and 2 more come first")
    for run in (middle, last):
        stopped = program("stop", run.id)
        assert stopped.returncode == 0
        assert f"{run} was queued: cancelled" in stopped.stderr and "tiny stopped" in stopped.stdout
    newest_run = newest(workspace)
    assert newest_run.state() == "queued"
    assert program("stop", first.id).returncode == 0
    assert screen.finish() == 0
    assert "tiny finished" in screen.text and newest_run.state() == "finished"


def test_ctrl_c_cancels_a_queued_run(program: Program, terminal: Callable[..., Terminal], workspace: Workspace) -> None:
    assert program("run", "tiny", "--detach", *ENDLESS).returncode == 0
    holding = newest(workspace)
    screen = terminal("run", "tiny", *ENDLESS)
    screen.until("ctrl+c cancels it")
    screen.press("\x03")
    assert screen.finish() == 130
    assert "tiny stopped" in screen.text and holding.is_alive()
    assert (newest(workspace).state(), newest(workspace).status().started) == ("stopped", None)
    assert program("stop", holding.id).returncode == 0


def test_ctrl_c_stops_with_a_checkpoint_and_resume_goes_on(
    program: Program, terminal: Callable[..., Terminal], workspace: Workspace
) -> None:
    before = len(workspace.list_runs())
    screen = terminal("run", "tiny", *ENDLESS)
    run = wait_for_training(workspace, before)
    screen.until("time left")  # the panel of a run that trains
    screen.press("\x03")
    assert screen.finish() == 130
    assert "stopping" in screen.text and "tiny stopped" in screen.text and "--resume" in screen.text
    assert "Traceback" not in screen.text
    assert screen.settings_now() == screen.settings
    assert run.state() == "stopped" and (run.checkpoints / "last" / "model.safetensors").exists()

    stopped_at = run.status().last_step
    again = terminal("run", "tiny", "--resume", run.id)
    wait_for(lambda: run.status().last_step != stopped_at, "a step after the resume")
    stopped = program("stop", run.id)
    assert stopped.returncode == 0 and "tiny stopped" in stopped.stdout
    assert again.finish() == 130
    assert newest(workspace) == run


def test_a_stopped_run_is_resumed_to_its_end(program: Program, workspace: Workspace) -> None:
    before = len(workspace.list_runs())
    slow = ("--set", "train.max_steps=400", "--set", "train.eval_interval=400")
    detached = program("run", "tiny", "--detach", *slow)
    assert detached.returncode == 0, detached.stderr
    run = wait_for_training(workspace, before)
    assert detached.stdout.strip() == str(run)
    assert program("stop", run.id).returncode == 0
    assert run.state() == "stopped"
    resumed = json.loads(program("run", "tiny", "--resume", "--json").stdout)
    assert (resumed["run"], resumed["state"], resumed["step"]) == (str(run), "finished", 400)
    assert resumed["warnings"] == []


def test_a_run_outlives_the_terminal_that_started_it(
    program: Program, terminal: Callable[..., Terminal], workspace: Workspace
) -> None:
    before = len(workspace.list_runs())
    screen = terminal("run", "tiny", *ENDLESS)
    run = wait_for_training(workspace, before)
    screen.hang_up()
    screen.process.wait(timeout=30)
    step = run.status().last_step
    wait_for(lambda: run.status().last_step != step, "a step after the hang-up")
    assert run.is_alive() and run.state() == "training"
    refused = program("run", "tiny", "--resume", run.id)
    assert refused.returncode == 2 and "is running" in refused.stderr
    assert program("stop", "tiny").returncode == 0
    assert not run.is_alive()


def test_a_second_ctrl_c_leaves_the_run_to_finish_alone(
    terminal: Callable[..., Terminal], workspace: Workspace
) -> None:
    before = len(workspace.list_runs())
    long_steps = ("--set", "train.grad_accum_steps=100000", "--set", "train.max_steps=9")
    screen = terminal("run", "tiny", *long_steps)
    wait_for(lambda: len(workspace.list_runs()) > before, "a run's directory")
    run = newest(workspace)
    wait_for(lambda: run.status().trains, "training")
    screen.until("time left")
    screen.press("\x03")
    screen.until("ctrl+c again")
    screen.press("\x03")
    assert screen.finish() == 130
    assert "stops by itself" in screen.text
    pid = run.status().pid
    assert pid is not None and run.is_alive()
    os.kill(pid, signal.SIGKILL)  # its step would take minutes
    wait_for(lambda: not run.is_alive(), "the engine's end")


def test_an_engine_that_dies_without_a_word_is_told_as_lost(
    program: Program, terminal: Callable[..., Terminal], workspace: Workspace
) -> None:
    before = len(workspace.list_runs())
    screen = terminal("run", "tiny", *ENDLESS)
    run = wait_for_training(workspace, before)
    pid = run.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert screen.finish() == 1
    assert "lost" in screen.text and "SIGKILL" in screen.text and f"--resume {run.id}" in screen.text
    assert "where memory was too short, train.batch_size = " in screen.text
    assert json.loads(program("runs", "tiny", "--json").stdout)[0]["state"] == "lost"


def test_data_that_cannot_be_prepared_end_the_run_as_failed(program: Program) -> None:
    files = ("--set", 'data.source="files"', "--set", 'data.files=["stories.csv"]')
    result = program("run", "tiny", *files)
    assert result.returncode == 1
    assert "tiny failed" in result.stdout and "stories.csv" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    prepared = program("prepare", "tiny", *files)
    assert prepared.returncode == 2 and "stories.csv" in prepared.stderr and prepared.stdout == ""


def test_preparing_alone_is_shared_with_the_run(program: Program) -> None:
    first = json.loads(program("prepare", "tiny", "--set", "data.stories=150", "--json").stdout)
    assert first["cached"] is False and first["val_tokens"] > 0
    again = program("prepare", "tiny", "--set", "data.stories=150")
    assert "was prepared already" in again.stdout


def test_doctor_tells_what_the_engine_sees(program: Program) -> None:
    result = program("doctor", "--mirror", "nowhere", "--json")
    assert result.returncode == 1  # for the mirror
    report = json.loads(result.stdout)
    checks = {check["name"]: check["verdict"] for check in report["checks"]}
    assert checks["torch"] == "ok" and {"python", "cuda", "disk", "mirror", "terminal", "workspace"} <= set(checks)
    assert checks["mirror"] == "bad" and report["engine"]["num_threads"] >= 1
