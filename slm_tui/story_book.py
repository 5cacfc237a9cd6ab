"""The stories that a person had written: one as it comes, and `stories.jsonl`, in which a run keeps them."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import tomlkit

from engine.contract.checkpoints import CheckpointName
from engine.contract.experiment import Sampling
from engine.contract.generation import Done, Text, Token
from engine.runs.run import Run

_READ_BYTES = 4 << 20  # of a long file, from its end


@dataclass(frozen=True)
class TokenSpan:
    """The logical text [start, end) of a story, and the tokens that it is made of."""

    start: int
    end: int
    tokens: tuple[Token, ...]

    @property
    def probability(self) -> float:
        """Of the least likely of its tokens."""
        return min(token.probability for token in self.tokens)


@dataclass
class Story:
    """A story that begins with `prompt`, as it comes."""

    prompt: str
    text: str = ""
    pieces: list[TokenSpan] = field(default_factory=list)
    done: Done | None = None
    tokens: int = 0
    _waiting: tuple[Token, ...] = ()  # whose characters are not whole yet

    def __post_init__(self) -> None:
        self.text = self.prompt

    def add(self, reply: Text) -> str:
        """Take in what comes next; the characters that it adds."""
        self.tokens += len(reply.tokens)
        self._waiting += tuple(reply.tokens)
        if reply.text and self._waiting:
            self.pieces.append(TokenSpan(len(self.text), len(self.text) + len(reply.text), self._waiting))
            self._waiting = ()
        self.text += reply.text
        return reply.text


class KeptStory(msgspec.Struct, kw_only=True):
    """One line of `stories.jsonl`; fields of another version are skipped."""

    prompt: str
    text: str  # the prompt included
    tokens: int  # the prompt's not counted
    reason: str  # why it ended, as `engine.contract.generation.StopReason` has it
    seed: int
    sample: int  # which of those that were written together
    checkpoint: CheckpointName
    step: int
    val_loss: float | None
    sampling: dict[str, Any]
    t: float = msgspec.field(default_factory=time.time)  # unix seconds
    translation: str | None = None


def stories_file(run: Run) -> Path:
    """Where the run's stories are, or would be."""
    return run.path / "stories.jsonl"


def keep(run: Run, story: KeptStory) -> None:
    """Add a story to the run's; other programs may do so at the same time.

    Raises:
        OSError: it cannot be written.
    """
    line = msgspec.json.encode(story) + b"\n"
    path = stories_file(run)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        end = os.fstat(descriptor).st_size
        if end and os.pread(descriptor, 1, end - 1) != b"\n":  # torn when a disk was full
            line = b"\n" + line
        if os.write(descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
    finally:
        os.close(descriptor)


def kept_stories(run: Run) -> list[KeptStory]:
    """The run's stories, the oldest first; a damaged line is left out.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        with open(stories_file(run), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _READ_BYTES))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    stories = []
    for line in lines:
        try:
            stories.append(msgspec.json.decode(line, type=KeptStory))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return stories


def settings_of(sampling: Sampling) -> dict[str, Any]:
    """What shaped a story, as plain values that JSON can hold."""
    values = msgspec.json.decode(msgspec.json.encode(sampling))
    return {key: value for key, value in values.items() if key not in ("prompts", "translate") and value is not None}


def as_file(run: Run, story: KeptStory) -> str:
    """A story for a file of its own: the text, in logical order, and below it what it was written with, as TOML."""
    facts = {
        "run": str(run),
        "checkpoint": story.checkpoint,
        "step": story.step,
        "val_loss": story.val_loss,
        "seed": story.seed,
        "sample": story.sample,
        "prompt": story.prompt,
        "sampling": story.sampling,
    }
    written = tomlkit.dumps({key: value for key, value in facts.items() if value is not None})
    translation = f"\n\n{story.translation}" if story.translation else ""
    return f"{story.text}{translation}\n\n---\n{written}"
