"""From a prompt to stories: the decoder's logits, the sampler's tokens, and the text that they make."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from engine.contract.experiment import Sampling
from engine.contract.generation import StopReason, Token
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.generation.decoder import Decoder
from engine.generation.sampler import Sampler, token_probabilities
from engine.model.gpt import GPT


@dataclass(frozen=True)
class TextChunk:
    """More of a story."""

    sample: int
    text: str
    tokens: list[Token]


@dataclass(frozen=True)
class End:
    """A story has ended."""

    sample: int
    reason: StopReason
    tokens: int  # written; end-of-text is not one of them


def prompt_tokens(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """What the model reads of `prompt`: end-of-text, as before every story that it was trained on, and its tokens."""
    return [tokenizer.eot_id, *tokenizer.encode(prompt)]


class Writer:
    """Writes stories that begin alike, all at once, a token each at a time."""

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        prompt: Sequence[int],
        sampling: Sampling,
        seed: int,
        num_samples: int = 1,
        alternatives: int = 0,
    ) -> None:
        """`model` is in evaluation mode; `prompt` are `prompt_tokens`; sample i is drawn with `seed` + i.

        A sample is the same with others and alone, as far as rounding allows.
        """
        self.decoder = Decoder(model, prompt, num_samples)
        self.samples = list(range(num_samples))  # those that have not ended
        self._sampler = Sampler(sampling, seed, num_samples, prompt, tokenizer)
        self._tokenizer = tokenizer
        self._sampling = sampling
        self._alternatives = alternatives
        self._streams = [StoryStream(tokenizer, sampling.stop) for _ in range(num_samples)]
        self._written = 0  # tokens of each sample that has not ended

    def __iter__(self) -> Iterator[TextChunk | End]:
        while self.samples:
            yield from self.step()

    def step(self) -> list[TextChunk | End]:
        """Write the next token of each story.

        Raises:
            RuntimeError: memory is too short. Nothing has happened then: the step may be tried again on another
                device, after `decoder.use`.
            UserError: the model's output is not a number.
        """
        logits = self.decoder.logits()
        drawn = self._sampler.draw(logits)
        tokens = token_probabilities(logits, drawn, self._alternatives, self._tokenizer)
        self._written += 1
        found: list[TextChunk | End] = []
        going: list[int] = []  # rows
        for row, (sample, token) in enumerate(zip(self.samples, tokens, strict=True)):
            reason = self._reason(sample, token)
            if reason is None:
                going.append(row)
                found += self._piece(sample)
            else:
                found += self._end(sample, reason, self._written - (reason == "end_of_text"))
        self._keep(going, drawn)
        return found

    def cancel(self) -> list[TextChunk | End]:
        """End the stories where they are."""
        ends = [part for sample in self.samples for part in self._end(sample, "cancelled", self._written)]
        self.samples = []
        return ends

    def _reason(self, sample: int, token: Token) -> StopReason | None:
        """Take in a sample's next token; why the sample ends with it, if it does."""
        if token.id == self._tokenizer.eot_id:
            return "end_of_text"
        stream = self._streams[sample]
        stream.push(token)
        if stream.stopped:
            return "stop_text"
        return "length" if self._written == self._sampling.max_new_tokens else None

    def _end(self, sample: int, reason: StopReason, tokens: int) -> list[TextChunk | End]:
        self._streams[sample].close()
        return [*self._piece(sample), End(sample, reason, tokens)]

    def _piece(self, sample: int) -> list[TextChunk]:
        text, tokens = self._streams[sample].take()
        return [TextChunk(sample, text, tokens)] if text or tokens else []

    def _keep(self, rows: list[int], drawn: list[int]) -> None:
        """Go on with these rows, each with the token that was drawn for it."""
        if len(rows) < len(self.samples):
            self.samples = [self.samples[row] for row in rows]
            self.decoder.keep(rows)
            self._sampler.keep(rows)
        self.decoder.append([drawn[row] for row in rows])


@dataclass
class StoryStream:
    """Tokens in, a story out: whole characters, and nothing that may be the beginning of a stop text.

    What has to wait for the next token stays here.
    """

    tokenizer: Tokenizer
    stop: tuple[str, ...] = ()
    stopped: bool = False  # a stop text has come; neither it nor what follows is part of the story
    _text: str = ""
    _tokens: list[tuple[int, Token]] = field(default_factory=list)  # each with where in _text it begins
    _ready: int = 0  # characters of _text that need not wait

    def __post_init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: Token) -> None:
        """Take in the next token."""
        self._tokens.append((len(self._text), token))
        self._text += self._decoder.decode(self.tokenizer.token_bytes(token.id))
        found = [place for place in map(self._text.find, self.stop) if place >= 0]
        self.stopped = bool(found)
        self._ready = min(found) if found else len(self._text) - max(map(self._overlap, self.stop), default=0)

    def close(self) -> None:
        """No token follows: nothing waits any more. A character that was cut becomes U+FFFD."""
        if not self.stopped:
            self._text += self._decoder.decode(b"", final=True)
            self._ready = len(self._text)

    def take(self) -> tuple[str, list[Token]]:
        """The text that is ready, and the tokens that begin in it."""
        text, self._text = self._text[: self._ready], self._text[self._ready :]
        tokens = [token for start, token in self._tokens if start < self._ready]
        self._tokens = [(start - self._ready, token) for start, token in self._tokens if start >= self._ready]
        self._ready = 0
        return text, tokens

    def _overlap(self, stop: str) -> int:
        """Characters at the end of the text that `stop` begins with."""
        longest = min(len(stop) - 1, len(self._text))
        return next((size for size in range(longest, 0, -1) if self._text.endswith(stop[:size])), 0)


def story(model: GPT, tokenizer: Tokenizer, prompt: str, sampling: Sampling, seed: int) -> str:
    """A whole story, prompt included. The model's mode stays as it was, and so does torch's random state."""
    was_training = model.training
    model.eval()
    try:
        writer = Writer(model, tokenizer, prompt_tokens(tokenizer, prompt), sampling, seed)
        return prompt + "".join(part.text for part in writer if isinstance(part, TextChunk))
    finally:
        model.train(was_training)
