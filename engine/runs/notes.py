"""`runs/NAME/ID/notes.toml`: the tags and notes that the user gives a run, at any time.

    tags = ["baseline", "paper"]
    notes = '''The loss rises after step 900: try a lower learning rate.'''

They come in addition to the experiment's own tags and notes, which stay in the run's experiment.toml. A run without
the file has none. The file may be edited by hand: comments, and keys of a newer version, are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import tomli

from engine.contract.errors import UserError
from engine.contract.files import replace_file
from engine.runs.run import Run

if TYPE_CHECKING:
    from tomlkit.items import String


class RunNotes(msgspec.Struct, frozen=True):
    """The user's tags and notes on one run."""

    tags: tuple[str, ...] = ()
    notes: str = ""


def notes_file(run: Run) -> Path:
    """Where the run's notes are, or would be."""
    return run.path / "notes.toml"


def read_notes(run: Run) -> RunNotes:
    """The run's notes; empty if there are none.

    Raises:
        UserError: there is a file, and it cannot be read or is damaged.
    """
    return _parsed(_text(run), run)


def write_notes(run: Run, notes: RunNotes) -> None:
    """Put `notes` in the place of what the run's file says; tags lose spaces around them, and come once each.

    Raises:
        UserError: the file that is there is damaged, and would be lost; or the run is gone, or cannot be written to.
    """
    text = _text(run)
    wanted = RunNotes(tidy_tags(notes.tags), notes.notes.replace("\r\n", "\n"))
    if _parsed(text, run) == wanted:  # nothing to write, and no empty file for a run without notes
        return
    import tomlkit  # 60 ms, needed only to write notes

    document = tomlkit.parse(text)
    document["tags"] = list(wanted.tags)
    document["notes"] = _multiline(wanted.notes)
    try:
        replace_file(notes_file(run), tomlkit.dumps(document).encode())
    except FileNotFoundError:
        raise UserError(f"{run} no longer exists: it was deleted or renamed") from None
    except OSError as error:
        raise UserError(f"{notes_file(run)} cannot be written: {error.strerror or error}") from None
    except UnicodeEncodeError:
        raise UserError(f"{notes_file(run)}: holds characters that are not valid Unicode text") from None


def tidy_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags on one line each, without empty ones, the first of equal ones."""
    return tuple(dict.fromkeys(tidy for tag in tags if (tidy := " ".join(tag.split()))))


def _text(run: Run) -> str:
    """The file's text, "" where there is none."""
    try:
        return notes_file(run).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UserError(f"{notes_file(run)} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{notes_file(run)} cannot be read: it is not UTF-8 text") from None


def _parsed(text: str, run: Run) -> RunNotes:
    try:
        return msgspec.convert(tomli.loads(text), RunNotes)
    except tomli.TOMLDecodeError as error:
        raise UserError(
            f"{notes_file(run)}:{error.lineno}: is not valid TOML: {error.msg}; fix it or delete it"
        ) from None
    except msgspec.ValidationError as error:
        raise UserError(
            f"{notes_file(run)}: {str(error)[:1].lower()}{str(error)[1:]}; "
            'it needs tags = ["…"] and notes = "…"; fix it or delete it'
        ) from None


def _multiline(text: str) -> String:
    """A TOML text over several lines where it has several, as a person would write it."""
    import tomlkit

    return tomlkit.string(text, multiline="\n" in text)
