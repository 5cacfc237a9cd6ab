"""Drafts of experiment files: read and saved byte for byte, judged, and made as copies."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.contract.errors import UserError
from engine.contract.events import Event, Prepared
from engine.contract.loading import check_experiment
from engine.contract.overrides import apply_overrides
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.details import same_data
from slm_tui.drafts import Draft, Finding, PreparedRuns, assess, new_experiment, run_external_editor

ARABIC = '# تعليق\n[sampling]\nprompts = ["كانَ يا ما كان", "في \u200fالغابة"]\n'


@pytest.fixture
def file(workspace: Workspace) -> Path:
    return workspace.experiment_file("tiny")


@pytest.mark.parametrize(
    "content",
    [
        ARABIC.encode(),
        b"\xef\xbb\xbf" + ARABIC.encode(),
        ARABIC.replace("\n", "\r\n").encode(),
        b"a = 1\r\nb = 2\n",
        b"no line end",
        b"",
    ],
    ids=["arabic", "byte-order mark", "crlf", "mixed", "no line end", "empty"],
)
def test_what_is_opened_and_saved_is_the_same_byte_for_byte(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    draft = Draft.open(file)
    assert not draft.unsaved
    draft.save()
    assert file.read_bytes() == content
    assert not draft.text.startswith("\ufeff")


def test_a_change_is_unsaved_until_it_is_saved(file: Path) -> None:
    draft = Draft.open(file)
    draft.text += "# more\n"
    assert draft.unsaved
    draft.save()
    assert not draft.unsaved
    assert file.read_text(encoding="utf-8").endswith("# more\n")


def test_another_programs_change_is_noticed_even_of_the_same_size_and_time(file: Path) -> None:
    draft = Draft.open(file)
    times = file.stat()
    file.write_bytes(file.read_bytes().replace(b"24", b"25"))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert draft.on_disk() == "changed"
    draft.save()
    assert draft.on_disk() == "as read"


def test_a_file_deleted_with_its_folder_is_made_again(file: Path) -> None:
    draft = Draft.open(file)
    file.unlink()
    file.parent.rmdir()
    assert draft.on_disk() == "deleted"
    draft.save()
    assert file.read_text(encoding="utf-8") == draft.text


def test_a_full_disk_leaves_the_file_as_it_was(file: Path) -> None:
    draft = Draft.open(file)
    before = file.read_bytes()
    draft.text += "# more\n"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            draft.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    assert draft.unsaved
    assert [path.name for path in file.parent.iterdir()] == ["tiny.toml"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_file_is_not_replaced(file: Path) -> None:
    draft = Draft.open(file)
    file.chmod(0o444)
    with pytest.raises(PermissionError, match=r"tiny\.toml is read-only"):
        draft.save()


def test_a_link_stays_a_link_and_the_mode_stays(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "kept-elsewhere.toml"
    file.rename(real)
    real.chmod(0o640)
    file.symlink_to(real)
    draft = Draft.open(file)
    draft.text += "# more\n"
    draft.save()
    assert file.is_symlink()
    assert real.read_text(encoding="utf-8").endswith("# more\n")
    assert real.stat().st_mode & 0o777 == 0o640


def test_what_is_no_text_is_not_opened(file: Path) -> None:
    file.write_bytes(b"a = '\xff'\n")
    with pytest.raises(UserError, match=r"tiny\.toml: is not UTF-8 text"):
        Draft.open(file)
    file.unlink()
    with pytest.raises(UserError, match=r"tiny\.toml: does not exist"):
        Draft.open(file)


def test_a_character_that_lines_would_lose_is_named(file: Path) -> None:
    file.write_text("a = 1\nb = 'x\u2028y'\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"tiny\.toml:2 has a character U\+2028"):
        Draft.open(file)


def test_every_problem_is_found_with_its_line(tiny: str) -> None:
    text = tiny.replace("n_layer = 2", "n_layer = 0").replace("max_steps = 24", "max_step = 24")
    assessment = assess(text, "tiny")
    lines = text.split("\n")
    assert [lines[(finding.line or 0) - 1] for finding in assessment.findings] == [
        "n_layer = 0",
        "[train]",
        "max_step = 24",
    ]
    assert assessment.verdict() == "3 problems"
    assert assessment.figures == ()


def test_a_problem_without_a_line_is_one_all_the_same() -> None:
    findings = assess("", "tiny").findings
    assert findings[0].line is None
    assert Finding(None, "train is missing; it must be a table") in findings


def test_what_a_training_starts_from_is_looked_for_in_the_workspace(
    workspace: Workspace, new_run: Callable[..., Run], tiny: str
) -> None:
    run = new_run()
    (run.checkpoints / "best").mkdir(parents=True)

    def problems(start: str) -> list[str]:
        text = apply_overrides(tiny, [f'train.init_from="{start}"'])
        return [finding.message for finding in assess(text, "other", workspace).findings]

    assert problems("tiny") == problems(run.id) == []
    (said,) = problems("tinny")
    assert said.startswith('train.init_from = "tinny": is not a file') and "did you mean tiny?" in said
    (said,) = problems("x" * 300)  # which no file can be called
    assert "is not a file" in said


def test_a_text_without_problems_is_told_in_figures(tiny: str) -> None:
    assessment = assess(tiny, "tiny")
    figures = dict(assessment.figures)
    assert assessment.verdict() == "no problems"
    assert figures["tokens a step"] == "128"
    assert figures["tokens in all"] == "3,072"
    assert figures["a pass takes"] == "known after a run"
    assert assessment.brief.endswith("parameters · 128 tokens a step")


def test_a_pass_is_known_once_a_run_of_the_same_data_has_prepared_them(
    workspace: Workspace, new_run: Callable[..., Run], tiny: str
) -> None:
    events: list[Event] = [Prepared("data/tiny-1", 390, 12_800, 640, False)]
    new_run(events)
    runs = PreparedRuns(workspace)
    assert dict(assess(tiny, "other", runs=runs).figures)["a pass takes"] == "100 steps"
    half = tiny.replace("batch_size = 4", "batch_size = 8")
    assert dict(assess(half, "other", runs=runs).figures)["a pass takes"] == "50 steps"
    other_data = tiny.replace("stories = 200", "stories = 300")
    assert dict(assess(other_data, "other", runs=runs).figures)["a pass takes"] == "known after a run"


def test_a_new_experiment_is_a_copy(workspace: Workspace, file: Path) -> None:
    target, source = new_experiment(workspace, "second", "tiny")
    assert source == file
    assert target.read_bytes() == file.read_bytes()
    shipped, _ = new_experiment(workspace, "third", "quickstart")
    assert b"Built-in English stories" in shipped.read_bytes()


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("tiny", "tiny", "exists already"),
        ("../x", "tiny", "not an experiment name"),
        ("new", "tinny", "did you mean tiny"),
    ],
)
def test_a_new_experiment_needs_a_free_name_and_a_source(
    workspace: Workspace, name: str, source: str, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        new_experiment(workspace, name, source)
    assert len(workspace.experiment_files()) == 1


def test_the_editor_gets_its_arguments_and_the_path(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", """sh -c 'echo "# $0 $1" >> "$1"' edited""")
    run_external_editor(file)
    assert file.read_text(encoding="utf-8").endswith(f"# edited {file}\n")


@pytest.mark.parametrize(
    ("editor", "words"),
    [("no-such-editor", "cannot be started"), ("false", "exit code 1"), ("'open", "No closing quotation")],
)
def test_an_editor_that_fails_is_named(file: Path, monkeypatch: pytest.MonkeyPatch, editor: str, words: str) -> None:
    monkeypatch.setenv("VISUAL", editor)
    with pytest.raises(UserError, match=words):
        run_external_editor(file)


def test_data_are_not_the_same_where_another_tokenizer_comes_with_the_weights(tiny: str) -> None:
    scratch, _ = check_experiment(tiny, "tiny")
    tuned, _ = check_experiment(apply_overrides(tiny, ["train.init_from=base"]), "tiny")
    assert scratch and tuned and same_data(scratch, scratch)
    assert not same_data(scratch, tuned)
