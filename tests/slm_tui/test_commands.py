"""The commands that need no engine, as a person calls them: exit codes, stdout, stderr."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.contract.events import Eval, Prepared, RunEnded, RunStarted, Step
from engine.contract.overrides import apply_overrides
from engine.runs.run import Run
from engine.runs.workspace import Workspace

Program = Callable[..., "subprocess.CompletedProcess[str]"]

FINISHED = (
    RunStarted(pid=1, host="here", t=1000.0),
    Prepared(directory="d", vocab_size=390, train_tokens=9216, val_tokens=900, cached=False, t=1001.0),
    Step(step=8, loss=3.1, lr=1e-3, grad_norm=1.0, tokens=1024, tokens_per_second=500.0, t=1002.0),
    Eval(step=8, train_loss=3.1, val_loss=3.0, bits_per_byte=1.5, best=True, t=1003.0),
    Step(step=24, loss=2.9, lr=0.0, grad_norm=1.0, tokens=3072, tokens_per_second=500.0, t=1004.0),
    Eval(step=24, train_loss=2.9, val_loss=3.5, bits_per_byte=1.75, best=False, t=1005.0),
    RunEnded(reason="finished", t=1006.0),
)


def test_list_tells_state_and_best(program: Program, new_run: Callable[..., Run]) -> None:
    new_run(FINISHED)
    out = program("list").stdout
    assert "tiny" in out and "finished" in out and "20.09" in out and "1.500" in out
    document = json.loads(program("list", "--json").stdout)
    assert [entry["name"] for entry in document] == ["tiny"]
    assert document[0]["newest"]["state"] == "finished"
    assert document[0]["best"] == {
        "run": document[0]["newest"]["run"],
        "step": 8,
        "val_loss": 3.0,
        "perplexity": pytest.approx(20.0855, abs=1e-3),
        "bits_per_byte": 1.5,
    }


def test_list_shows_size_data_and_tokenizer_of_the_run_whose_loss_it_shows(
    program: Program, new_run: Callable[..., Run], tiny: str
) -> None:
    new_run(FINISHED[:1])  # the newest would do as the file says, and has no loss
    best = new_run(FINISHED)
    other = ["model.n_layer=4", "data.language=arabic", "tokenizer={kind = 'gpt2'}"]
    best.experiment_file.write_text(apply_overrides(tiny, other), encoding="utf-8")
    listed, told = (
        json.loads(program("list", "--json").stdout)[0],
        json.loads(program("show", best.id, "--json").stdout),
    )
    assert listed["parameters"] == told["parameters"] == told["run"]["parameters"]
    assert (listed["dataset"], listed["tokenizer"]) == ("built-in arabic", "gpt2 50,257")
    assert "gpt2 50,257" in program("list").stdout


def test_nothing_is_folded_on_its_way_into_a_pipe(
    program: Program, workspace: Workspace, new_run: Callable[..., Run], tiny: str
) -> None:
    description, error = "a tiny model of " + "many " * 30 + "words", "no such file: " + "folder/" * 30 + "story.txt"
    described = tiny.replace("as small as it gets", description)
    (workspace.experiments / "tiny.toml").write_text(described, encoding="utf-8")
    new_run([*FINISHED[:-1], RunEnded(reason="failed", error=error, t=1006.0)])
    shown = program("show", "tiny").stdout.splitlines()
    assert description in shown and f"{'error':<18}{error}" in shown
    (workspace.experiments / "broken.toml").write_text(f"{described}[train.{'a' * 90}]\n", encoding="utf-8")
    lines = program("list").stdout.splitlines()
    assert len(lines) == 4 and lines[-1].startswith("broken  ") and len(lines[-1]) > 100


def test_list_shows_a_broken_file_with_its_first_problem(program: Program, workspace: Workspace) -> None:
    (workspace.experiments / "bad.toml").write_text("[data]\nsource = 'builtin'\nstoriez = 3\n", encoding="utf-8")
    result = program("list")
    assert result.returncode == 0
    assert 'experiments/bad.toml:3: data.storiez is not a key of [data]; did you mean "stories"?' not in result.stderr
    assert "broken" in result.stdout and "experiments/bad.toml" in result.stdout and "tiny" in result.stdout


def test_an_empty_folder_is_told_about_init(program: Program, workspace: Workspace) -> None:
    (workspace.experiments / "tiny.toml").unlink()
    listed = program("list")
    assert (listed.returncode, listed.stdout) == (0, "")
    assert "slm-tui init" in listed.stderr and "quickstart" in listed.stderr
    assert json.loads(program("list", "--json").stdout) == []
    run = program("run", "quickstart")
    assert run.returncode == 2 and "slm-tui init" in run.stderr
    assert not workspace.runs.exists()


def test_runs_are_listed_newest_first_and_by_name(program: Program, new_run: Callable[..., Run]) -> None:
    older, newer = new_run(FINISHED), new_run(FINISHED[:3])
    facts = json.loads(program("runs", "--json").stdout)
    assert {entry["run"] for entry in facts} == {str(older), str(newer)}
    finished = next(entry for entry in facts if entry["run"] == str(older))
    assert finished["seconds"] == 6.0 and finished["tokens"] == 3072 and finished["max_steps"] == 24
    assert next(entry for entry in facts if entry["run"] == str(newer))["state"] == "lost"
    assert program("runs", "tiny").stdout.count("tiny/") == 2
    wrong = program("runs", "tinny")
    assert wrong.returncode == 2 and "did you mean tiny?" in wrong.stderr


def test_show_gives_every_key_and_what_follows_from_them(program: Program, new_run: Callable[..., Run]) -> None:
    run = new_run(FINISHED)
    document = json.loads(program("show", run.id, "--json").stdout)
    assert document["tokens_per_step"] == 128 and document["tokens"] == 3072
    assert document["experiment"]["train"]["weight_decay"] == 0.1  # a default
    assert document["parameters"] == 390 * 32 + 32 * 32 + 2 * (12 * 32 * 32 + 13 * 32) + 64
    assert document["passes"] == pytest.approx(3072 / 9216)
    assert document["run"]["run"] == str(run)
    text = program("show", "tiny", "--set", "train.max_steps=48").stdout
    assert "max_steps = 48" in text and "bits per byte 1.500" in text


def test_validate_tells_all_problems_of_all_files(program: Program, workspace: Workspace, tiny: str) -> None:
    broken = tiny.replace("n_head = 2", "n_head = 5").replace("max_steps = 24", 'max_steps = "many"')
    (workspace.experiments / "worse.toml").write_text(broken + "\n[extra]\n", encoding="utf-8")
    result = program("validate")
    assert result.returncode == 2
    assert "experiments/tiny.toml: ok" in result.stdout
    assert "train.max_steps" in result.stdout and "extra" in result.stdout
    document = json.loads(program("validate", "--json").stdout)
    found = {entry["file"]: len(entry["problems"]) for entry in document["files"]}
    assert found["experiments/tiny.toml"] == 0 and found["experiments/worse.toml"] >= 2
    assert program("validate", "tiny").returncode == 0
    missing = program("validate", "nothing.toml")
    assert missing.returncode == 2 and "does not exist" in missing.stdout


@pytest.mark.parametrize("folder", ["experiments", "."])
def test_validate_takes_a_folder_of_files_or_a_workspace(program: Program, workspace: Workspace, folder: str) -> None:
    (workspace.experiments / "worse.toml").write_text("", encoding="utf-8")
    (workspace.root / "other.toml").write_text("", encoding="utf-8")
    result = program("validate", folder)
    assert result.returncode == 2
    told = {line.split(":")[0] for line in result.stdout.splitlines()}
    assert told == {"experiments/tiny.toml", "experiments/worse.toml"}
    (workspace.root / "empty").mkdir()
    empty = program("validate", "empty")
    assert empty.returncode == 2 and "empty is a folder without experiment files" in empty.stderr


def test_init_fills_a_new_folder_and_keeps_what_is_there(program: Program, workspace: Workspace) -> None:
    first = json.loads(program("init", "fresh", "--json").stdout)
    assert first["kept"] == [] and first["written"]
    mine = Path(first["written"][0])
    mine.write_text("# mine", encoding="utf-8")
    again = program("init", "fresh")
    assert again.returncode == 0 and "was there already" in again.stdout
    assert mine.read_text(encoding="utf-8") == "# mine"
    assert "quickstart" in program("--workspace", "fresh", "list", "--json").stdout


def test_new_copies_an_experiment_comments_and_all(program: Program, workspace: Workspace) -> None:
    source = workspace.experiments / "tiny.toml"
    source.write_text("# why it is small\n" + source.read_text(encoding="utf-8"), encoding="utf-8")
    assert program("new", "tinier", "--from", "tiny").returncode == 0
    assert (workspace.experiments / "tinier.toml").read_bytes() == source.read_bytes()
    again = program("new", "tinier", "--from", "tiny")
    assert again.returncode == 2 and "exists already" in again.stderr
    assert program("new", "quick", "--from", "quickstart").returncode == 0  # of the shipped ones


def test_new_takes_names_with_their_ending(program: Program, workspace: Workspace) -> None:
    made = program("new", "tinier.toml", "--from", "tiny.toml")
    assert made.returncode == 0 and made.stderr == "edit it, then: slm-tui run tinier\n"
    assert {path.name for path in workspace.experiments.iterdir()} == {"tiny.toml", "tinier.toml"}


def test_new_says_that_a_copy_of_a_broken_file_is_broken(program: Program, workspace: Workspace) -> None:
    (workspace.experiments / "bad.toml").write_text("[data]\nsource = 3\n", encoding="utf-8")
    made = program("new", "worse", "--from", "bad")
    assert made.returncode == 0 and "it has the problems of bad; slm-tui validate worse tells them" in made.stderr
    assert json.loads(program("new", "worst", "--from", "bad", "--json").stdout)["problems"]


def test_schema_is_one_json_document(program: Program) -> None:
    assert json.loads(program("schema").stdout)["title"] == "slm-tui experiment"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "tinny"], "did you mean tiny?"),
        (["run", "../tiny"], "is not an experiment name"),
        (["run", "tiny", "--set", "train.max_stepz=3"], 'did you mean "max_steps"?'),
        (["run", "tiny", "--set", "nonsense"], "must be table.key=value"),
        (["run", "tiny", "--device", "gpu"], "must be auto, cpu, mps, cuda or cuda:N"),
        (["run", "tiny", "--mirror", "nowhere"], "no such folder"),
        (["run", "tiny", "--resume"], "tiny has no runs yet"),
        (["run", "tiny", "tinny"], "did you mean tiny?"),
        (["run"], "Missing argument"),
        (["rum"], "Did you mean 'run'"),
        (["show", "tinny"], "did you mean tiny?"),
        (["stop", "20260101T000000-abcd"], "no experiment or run"),
        (["generate", "tiny"], "has no runs yet"),
        (["generate", "tiny", "--checkpoint", "bset"], "must be best, last or step-N; did you mean best?"),
        (["export", "tiny", "--format", "ggfu", "-o", "out"], "csv, tensorboard; did you mean gguf?"),
        (["evaluate", "nothing"], "no experiment or run 'nothing'"),
        (["show", "../x"], "no experiment or run '../x'"),
        (["validate", "nothing"], "no experiment 'nothing'"),
        (["prepare", "tinny"], "did you mean tiny?"),
        (["new", "../x", "--from", "tiny"], "is not an experiment name"),
        (["--workspace", "nowhere", "list"], "slm-tui init nowhere creates one"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_call_says_what_is_wanted_and_leaves_nothing_behind(
    program: Program, workspace: Workspace, arguments: list[str], said: str
) -> None:
    result = program(*arguments)
    assert result.returncode == 2
    assert said in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not workspace.runs.exists()
    assert [path.name for path in workspace.root.iterdir()] == ["experiments"]


def test_sampling_flags_are_checked_against_the_schema(program: Program, new_run: Callable[..., Run]) -> None:
    run = new_run(FINISHED)
    (run.checkpoints / "best").mkdir(parents=True)
    result = program("generate", "tiny", "--top-p", "3")
    assert result.returncode == 2 and "--top-p 3.0: must be a number, above 0 and at most 1" in result.stderr
    for flag, bounds in (
        ("--max-new-tokens", "at least 1 and at most 1_000_000"),
        ("--seed", "at least 0 and at most "),
    ):
        result = program("generate", "tiny", flag, str(2**63))
        assert result.returncode == 2 and f"{flag} {2**63}: must be a whole number, {bounds}" in result.stderr


def test_a_finished_run_cannot_be_resumed(program: Program, new_run: Callable[..., Run]) -> None:
    run = new_run(FINISHED)
    for arguments in (["tiny", "--resume"], ["--resume", run.id], ["tiny", "--resume", run.id]):
        result = program("run", *arguments)
        assert result.returncode == 2 and "is finished: there is nothing to resume" in result.stderr


def test_stdout_without_unicode_is_no_error(program: Program, new_run: Callable[..., Run]) -> None:
    new_run(FINISHED[:1])
    result = program("list", PYTHONIOENCODING="ascii")
    assert result.returncode == 0 and "tiny" in result.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_experiments_and_runs(program: Program, new_run: Callable[..., Run], shell: str) -> None:
    run = new_run(FINISHED)
    words = {"bash": {"COMP_WORDS": "slm-tui show ", "COMP_CWORD": "2"}}.get(
        shell, {"_TYPER_COMPLETE_ARGS": "slm-tui show "}
    )
    if shell == "fish":
        words["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    out = program(_SLM_TUI_COMPLETE=f"complete_{shell}", **words).stdout
    assert "tiny" in out and run.id in out
