"""Notes and tags come back as written, and what a person has written is never lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.contract.errors import UserError
from engine.runs.notes import RunNotes, notes_file, read_notes, tidy_tags, write_notes
from engine.runs.run import Run
from engine.runs.workspace import Workspace


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Workspace(tmp_path).new_run("tiny")


def test_a_run_without_the_file_has_none_and_looking_makes_none(run: Run) -> None:
    assert read_notes(run) == RunNotes((), "")
    write_notes(run, RunNotes())
    assert list(run.path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one line",
        "two\nlines\n",
        "\nfirst line empty",
        'a """ b\n',
        'ends in "\n"',
        "back\\slash\nand more\\",
        "كان يا\nما كان",
        "null \x00 escape \x1b[31m\ndelete \x7f",
        "tab\t and spaces  \n\n",
        "[data]\nsource = 'x'",
    ],
    ids=repr,
)
def test_notes_come_back_as_written(run: Run, text: str) -> None:
    written = RunNotes(("baseline", "a \\ 'b' \"c\"", "عربي"), text)
    write_notes(run, written)
    assert read_notes(run) == written


def test_notes_of_several_lines_are_written_as_a_person_would(run: Run) -> None:
    write_notes(run, RunNotes(("one", "two"), "first\nsecond\n"))
    assert notes_file(run).read_text(encoding="utf-8") == 'tags = ["one", "two"]\nnotes = """first\nsecond\n"""\n'


def test_tags_are_tidied(run: Run) -> None:
    assert tidy_tags([" a ", "", "b  c\nd", "a", "  "]) == ("a", "b c d")
    write_notes(run, RunNotes((" a ", "a", ""), "x\r\ny"))
    assert read_notes(run) == RunNotes(("a",), "x\ny")


def test_comments_and_keys_of_a_newer_version_are_kept(run: Run) -> None:
    notes_file(run).write_text('# mine\nstars = 5\ntags = ["old"]\n\n[later]\nkey = 1\n', encoding="utf-8")
    assert read_notes(run) == RunNotes(("old",), "")
    write_notes(run, RunNotes(("new",), "said"))
    assert read_notes(run) == RunNotes(("new",), "said")
    text = notes_file(run).read_text(encoding="utf-8")
    assert "# mine" in text and "stars = 5" in text and "[later]\nkey = 1" in text


def test_notes_may_be_taken_back(run: Run) -> None:
    write_notes(run, RunNotes(("a",), "b"))
    write_notes(run, RunNotes())
    assert read_notes(run) == RunNotes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"tags = [", r"notes\.toml:1: is not valid TOML: "),
        (b"tags = 3", r"notes\.toml: expected `array`, got `int` - at `\$\.tags`; it needs tags = "),
        (b"notes = ['a']", r"notes\.toml: expected `str`"),
        (b"\xff\xfe", r"notes\.toml cannot be read: it is not UTF-8 text"),
    ],
)
def test_a_damaged_file_is_told_and_never_overwritten(run: Run, content: bytes, said: str) -> None:
    notes_file(run).write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_notes(run)
    with pytest.raises(UserError, match=said):
        write_notes(run, RunNotes(("new",)))
    assert notes_file(run).read_bytes() == content


def test_a_folder_in_the_files_place_is_told(run: Run) -> None:
    notes_file(run).mkdir()
    with pytest.raises(UserError, match=r"notes\.toml cannot be read: Is a directory"):
        read_notes(run)


def test_notes_of_a_deleted_run_are_refused_in_words(run: Run) -> None:
    run.path.rmdir()
    with pytest.raises(UserError, match=f"{run} no longer exists"):
        write_notes(run, RunNotes(("a",)))
    assert not run.path.exists()


def test_text_that_is_none_is_refused(run: Run) -> None:
    with pytest.raises(UserError, match="characters that are not valid Unicode"):
        write_notes(run, RunNotes((), "half a pair \ud800"))
    assert list(run.path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_run_is_told_in_words(run: Run) -> None:
    run.path.chmod(0o500)
    with pytest.raises(UserError, match=r"notes\.toml cannot be written: Permission denied"):
        write_notes(run, RunNotes(("a",)))
    run.path.chmod(0o700)
