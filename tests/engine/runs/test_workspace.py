"""Names that stay inside, and runs found by every reference."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from engine.contract.errors import NotYet, UserError
from engine.runs.run import Run
from engine.runs.workspace import Workspace, valid_name

FIRST, SECOND, OTHER = "20261120T080000-aaaa", "20261121T013355-7f3a", "20261121T013355-beef"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    for run in (f"quickstart/{FIRST}", f"quickstart/{SECOND}", f"other/{OTHER}", "quickstart/notes"):
        (tmp_path / "runs" / run).mkdir(parents=True)
    (tmp_path / "runs" / "quickstart" / "20261121T013355-file").touch()
    (tmp_path / "experiments").mkdir()
    for name in ("quickstart", "other", "untried"):
        (tmp_path / "experiments" / f"{name}.toml").touch()
    return Workspace(tmp_path)


def test_runs_made_in_the_same_second_are_in_the_order_of_their_ids(workspace: Workspace) -> None:
    runs = [workspace.new_run(name) for name in ("quickstart", "other") * 20]
    assert [run.id for run in runs] == sorted(run.id for run in runs)
    assert len({run.id for run in runs}) == 40


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "~",
        ".hidden",
        "-rf",
        "--help",
        "_x",
        "a..b",
        "a b",
        "a\n",
        "a\0",
        "كان",
        "a" * 65,
        "$HOME",
        "*",
    ],
)
def test_a_name_cannot_leave_the_workspace(workspace: Workspace, name: str) -> None:
    before = set(workspace.root.parent.rglob("*"))
    for use in (valid_name, workspace.experiment_file, workspace.new_run):
        with pytest.raises(UserError, match="is not an experiment name: use at most 64 letters, digits"):
            use(name)
    assert set(workspace.root.parent.rglob("*")) == before
    with pytest.raises(UserError):
        workspace.find_run(name)


@pytest.mark.parametrize("name", ["a", "7", "quickstart_arabic", "v1.2-b", "a" * 64])
def test_ordinary_names_are_names(name: str) -> None:
    assert valid_name(name) == name


def test_a_workspace_is_the_folder_given_or_the_variables_or_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("given", "variable", "current"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "current")
    assert Workspace.at().root == tmp_path / "current"
    monkeypatch.setenv("SLM_TUI_WORKSPACE", str(tmp_path / "variable"))
    assert Workspace.at().root == tmp_path / "variable"
    assert Workspace.at(Path("../given")).root == tmp_path / "given"
    with pytest.raises(UserError, match=r"no such folder; slm-tui init .*none creates one"):
        Workspace.at(tmp_path / "none")


def test_an_unknown_experiment_names_the_nearest(workspace: Workspace) -> None:
    assert workspace.experiment_file("quickstart").name == "quickstart.toml"
    with pytest.raises(UserError, match=r"no experiment 'quikstart' .*; did you mean quickstart\?"):
        workspace.experiment_file("quikstart")
    with pytest.raises(UserError, match="slm-tui init puts the shipped ones there"):
        Workspace(workspace.root / "elsewhere").experiment_file("quickstart")


def test_runs_are_listed_newest_first_and_nothing_else_is_a_run(workspace: Workspace) -> None:
    assert [run.id for run in workspace.list_runs("quickstart")] == [SECOND, FIRST]
    assert {str(run) for run in workspace.list_runs()} == {
        f"quickstart/{SECOND}",
        f"quickstart/{FIRST}",
        f"other/{OTHER}",
    }
    assert workspace.list_runs("untried") == []
    assert Workspace(workspace.root / "elsewhere").list_runs() == []


@pytest.mark.parametrize(
    "reference",
    [
        "quickstart",
        SECOND,
        "7f3a",
        "1T013355-7f3a",
        "20261121T013355-7",
        f"quickstart/{SECOND}",
        "quickstart/7f3a",
        "quickstart/20261121",
        f"runs/quickstart/{SECOND}",
        f"runs/quickstart/{SECOND}/",
        "ROOT",
    ],
)
def test_a_run_is_found_by_every_form_of_reference(workspace: Workspace, reference: str) -> None:
    wanted = Run(workspace.runs / "quickstart" / SECOND)
    assert workspace.find_run(str(wanted.path) if reference == "ROOT" else reference) == wanted


def test_a_reference_that_fits_several_runs_is_refused_with_their_names(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="matches 2 runs") as caught:
        workspace.find_run("20261121")
    assert f"quickstart/{SECOND}" in str(caught.value)
    assert f"other/{OTHER}" in str(caught.value)
    assert "…" not in str(caught.value)


def test_of_many_fitting_runs_five_are_named_and_the_rest_is_hinted_at(workspace: Workspace) -> None:
    for number in range(6):
        (workspace.runs / "other" / f"20250101T00000{number}-cccc").mkdir()
    with pytest.raises(UserError, match=r"matches 6 runs: (other/[\dT]+-cccc, ){5}…; give more of the id"):
        workspace.find_run("2025")


def test_a_workspace_without_anything_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no experiment or run 'x' in .*; slm-tui init puts the shipped"):
        Workspace(tmp_path).find_run("x")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("quickstrat", "; did you mean quickstart?"),
        ("20261121T013355-7f3b", f"; did you mean {SECOND}?"),
        ("untried", "untried has no runs yet; slm-tui run untried starts one"),
        ("untired", "; did you mean untried?"),
        ("quick", "; did you mean quickstart?"),
        ("zzzzzzzz", "no experiment or run 'zzzzzzzz' in "),
        ("f3a", "no experiment or run 'f3a' in "),  # three characters say too little
        ("other/7f3a", "no experiment or run 'other/7f3a' in "),
        ("/", "no experiment or run '/' in "),
    ],
)
def test_an_unknown_run_says_what_there_is(workspace: Workspace, reference: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        workspace.find_run(reference)


def test_new_runs_have_directories_of_their_own(workspace: Workspace) -> None:
    made = [workspace.new_run("untried") for _ in range(20)]
    assert len({run.id for run in made}) == 20
    assert all(run.path.is_dir() and run.name == "untried" for run in made)
    assert set(workspace.list_runs("untried")) == set(made)


def test_weights_are_found_as_a_file_a_folder_a_run_or_on_the_hub(workspace: Workspace) -> None:
    (workspace.root / "weights.pt").touch()
    (workspace.root / "folder").mkdir()
    (workspace.root / "folder" / "config.json").touch()
    (workspace.runs / "quickstart" / FIRST / "checkpoints" / "best").mkdir(parents=True)
    assert workspace.find_weights("weights.pt") == workspace.root / "weights.pt"
    assert workspace.find_weights("folder") == workspace.root / "folder"
    assert workspace.find_weights("huggingface:owner/name") == "owner/name"
    assert workspace.find_weights("huggingface:folder") == "folder"
    assert workspace.find_weights("beef") == Run(workspace.runs / "other" / OTHER)
    assert workspace.find_weights("quickstart") == Run(workspace.runs / "quickstart" / FIRST), "which has a checkpoint"


@pytest.mark.parametrize(
    ("init_from", "message"),
    [
        ("quickstrat", "as a run: no experiment or run 'quickstrat' in .*; did you mean quickstart"),
        ("weighs.pt", "is not a file, .*; did you mean weights.pt"),
        ("owner/name", 'a model on the hub is "huggingface:owner/name"'),
        ("huggingface:../name", "must be huggingface:OWNER/NAME"),
        ("~nobody-of-this-name/weights.pt", "is not a file"),
    ],
)
def test_weights_that_are_nowhere_name_the_nearest(workspace: Workspace, init_from: str, message: str) -> None:
    (workspace.root / "weights.pt").touch()
    with pytest.raises(UserError, match=message):
        workspace.find_weights(init_from)


def test_weights_of_an_experiment_that_has_not_run_are_not_there_yet(workspace: Workspace) -> None:
    with pytest.raises(NotYet, match=r"untried has no runs yet; slm-tui run untried starts one"):
        workspace.find_weights("untried")
    for run in workspace.list_runs("other"):
        os.utime(run.path, (0, 0))
    with pytest.raises(NotYet, match=rf"^other/{OTHER} is lost, and has no best checkpoint$"):
        workspace.find_weights("other")
    with pytest.raises(UserError, match=rf"^other/{OTHER} is lost, and has no best checkpoint$") as told:
        workspace.find_weights("beef")
    assert not isinstance(told.value, NotYet), "a run that is over"


@pytest.mark.parametrize("prefix", ["", "huggingface:"])
def test_a_name_that_no_file_can_have_is_a_name_of_nothing(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(UserError, match=r"is not a file|must be huggingface:OWNER/NAME"):
        Workspace(tmp_path).find_weights(f"{prefix}{'no ' * 100}")
