"""Stories as the engine writes them: as facts, and aloud."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from engine.contract.checkpoints import CheckpointName
from engine.contract.generation import AnyReply, Begun, Done, Generate, Loaded, Text
from engine.runs.run import Run
from slm_tui.commands.common import say
from slm_tui.formats import count, printable


class Story(msgspec.Struct, omit_defaults=True):
    """What `--json` prints of a story."""

    run: str
    checkpoint: CheckpointName
    step: int
    device: str
    prompt: str
    text: str  # the prompt included
    tokens: int  # the prompt's not counted
    tokens_per_second: float
    reason: str
    seed: int
    sampling: dict[str, Any]
    model_prompt: str | None = None  # in the model's language, as `text` is, where the prompt was translated
    translation: str | None = None  # of the text, in the prompt's language


class Aloud:
    """A request's stories on stdout, one after another; of those that are being written, the first as it comes."""

    def __init__(self) -> None:
        self._waiting: list[str] = []  # of each story, what is not on stdout yet
        self._ended: set[int] = set()
        self._turn = 0

    def begin(self, prompt: str, num_samples: int) -> None:
        """All of the stories begin with `prompt`."""
        self._waiting = [prompt] * num_samples
        self._speak()

    def more(self, sample: int, text: str) -> None:
        """The next piece of a story."""
        self._waiting[sample] += text
        self._speak()

    def end(self, sample: int, translation: str | None) -> None:
        """A story is whole; `translation` is how its reader would have it."""
        if translation is not None:
            self.more(sample, f"\n\n{translation}")
        self._ended.add(sample)
        while self._turn in self._ended:
            self._turn += 1
            _write("\n\n" if self._turn < len(self._waiting) else "\n")
            self._speak()

    def break_off(self) -> None:
        """End the line of a story that was not ended; what follows is told on a line of its own."""
        if self._turn < len(self._waiting):
            _write("\n")

    def _speak(self) -> None:
        if self._turn < len(self._waiting):
            _write(printable(self._waiting[self._turn]))
            self._waiting[self._turn] = ""


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def told(
    run: Run, requests: Iterable[Generate], replies: Iterable[AnyReply], aloud: Aloud | None = None
) -> Iterator[Story]:
    """The stories of `requests`, those of a request together, in the order of its samples; `aloud` tells them too."""
    left = iter(requests)
    try:
        for reply in replies:
            if isinstance(reply, Loaded):
                loaded = reply
                if reply.note:
                    say(reply.note)
            elif isinstance(reply, Begun):
                begun, request = reply, next(left)
                beginning = request.prompt if begun.prompt is None else begun.prompt
                texts = [beginning] * request.num_samples
                stories: dict[int, Story] = {}
                _say_what_was_dropped(begun)
                if aloud:
                    aloud.begin(beginning, request.num_samples)
            elif isinstance(reply, Text):
                texts[reply.sample] += reply.text
                if aloud:
                    aloud.more(reply.sample, reply.text)
            elif isinstance(reply, Done):
                stories[reply.sample] = _story(run, loaded, request, begun, texts[reply.sample], reply)
                if aloud:
                    aloud.end(reply.sample, reply.translation)
                if len(stories) == request.num_samples:
                    yield from (stories[sample] for sample in sorted(stories))
    finally:
        if aloud:
            aloud.break_off()


def _say_what_was_dropped(begun: Begun) -> None:
    if begun.dropped_tokens:
        say(
            f"the prompt is longer than the model's context: its first {count(begun.dropped_tokens)} tokens are left "
            f"out, the model reads the last {count(begun.prompt_tokens)}"
        )


def _story(run: Run, loaded: Loaded, request: Generate, begun: Begun, text: str, done: Done) -> Story:
    sampling = msgspec.to_builtins(request.sampling)
    return Story(
        run=str(run),
        checkpoint=loaded.checkpoint,
        step=loaded.step,
        device=loaded.device,
        prompt=request.prompt,
        text=text,
        tokens=done.tokens,
        tokens_per_second=round(done.tokens_per_second, 1),
        reason=done.reason,
        seed=done.seed,
        sampling={key: value for key, value in sampling.items() if key not in ("prompts", "translate")},
        model_prompt=begun.prompt,
        translation=done.translation,
    )
