"""One writer's stories: what its generation process says, streamed, with what each token cost it."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text as Words
from textual.app import ComposeResult
from textual.color import Color
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from engine.contract.checkpoints import CheckpointName
from engine.contract.errors import UserError
from engine.contract.generation import (
    AnyReply,
    Begun,
    Cancel,
    Done,
    Error,
    Generate,
    Load,
    Loaded,
    Text,
    Unloaded,
)
from engine.runs.run import Run
from slm_tui.formats import count, counted, decimal, duration, excerpt, explained, one_line, percent, printable
from slm_tui.generator import Generator, Gone
from slm_tui.story_book import KeptStory, Story, TokenSpan, keep, settings_of
from slm_tui.terminals import app_orders
from slm_tui.text_direction import lay_out
from slm_tui.widgets.story_text import Span, StoryText

if TYPE_CHECKING:
    from slm_tui.base_app import BaseApp

_SURPRISE = ((0.5, 0.0), (0.2, 0.2), (0.05, 0.4), (0.0, 0.65))  # probability from, and how much of the colour
_TOKEN_CELLS = 30  # at most, of a token
_WHY = {
    "end_of_text": "the end",
    "length": "cut at its length",
    "stop_text": "stop text",
    "cancelled": "stopped",
}


class StoryColumn(Vertical):
    """The stories of one run's checkpoint. `write` asks for some; several samples are leafed through."""

    DEFAULT_CSS = """
    StoryColumn {
        & > .said { height: auto; max-height: 6; padding: 0 1; color: $text-muted; }
        & > .said.-wrong { color: $text-error; }
        & > StoryText { max-width: 100%; }
    }
    """

    @dataclass
    class Heard(Message):
        """What the process said; brought from its thread to where it is drawn."""

        column: StoryColumn
        reply: AnyReply | Gone

    @dataclass
    class Changed(Message):
        """Other keys may make sense than before."""

    app: BaseApp

    def __init__(self, run: Run, checkpoint: CheckpointName, *, is_second: bool = False) -> None:
        super().__init__(classes="pane")
        self.run = run
        self.is_second = is_second
        self.checkpoint: CheckpointName = checkpoint
        self.loaded: Loaded | None = None
        self.stories: list[Story] = []
        self.shown = 0  # which of them
        self.coloured = False
        self._request: Generate | None = None  # the latest
        self._begun: Begun | None = None
        self._asked: Generate | None = None  # what the stories that are shown were written for
        self._writes_with: Loaded | None = None  # what wrote them
        self._problem = ""
        self._cursor: int | None = None  # the number of a piece
        self._first = 0.0  # when the first token came
        self._generator = Generator(run, checkpoint, lambda reply: self._bring(reply))

    def compose(self) -> ComposeResult:
        yield StoryText()
        yield Static(classes="said")

    def _bring(self, reply: AnyReply | Gone) -> None:
        if self.is_running:
            self.post_message(self.Heard(self, reply))

    def on_mount(self) -> None:
        self._start()

    def _start(self) -> None:
        """Have the checkpoint loaded while a person types."""
        try:
            self._generator.start()
        except (UserError, OSError) as error:
            self._fail(error)
        self._tell()

    def on_unmount(self) -> None:
        self._generator.close()

    # what a person wants

    @property
    def writes(self) -> bool:
        """Whether a story is on its way."""
        return self._request is not None and not all(story.done for story in self.stories)

    @property
    def story(self) -> Story | None:
        """The one that is shown."""
        return self.stories[self.shown] if self.stories else None

    def write(self, request: Generate) -> None:
        """Write as `request` says, in the place of what there is; what is on its way is cancelled."""
        self.stop()
        self._request, self._begun, self._problem, self._cursor = request, None, "", None
        self._asked = request
        self.stories = [Story(request.prompt) for _ in range(request.num_samples)]
        self.shown = min(self.shown, len(self.stories) - 1)
        self._first = 0.0
        self._show_text()
        try:
            self._generator.ask(request)
        except (UserError, OSError) as error:
            self._fail(error)
        self._tell()

    def stop(self) -> None:
        """End what is being written; what there is of it stays."""
        if self.writes and self._request is not None:
            try:
                self._generator.ask(Cancel(self._request.id))
            except (UserError, OSError) as error:
                self._fail(error)

    def load(self, checkpoint: CheckpointName) -> None:
        """Go on with this checkpoint, as it is now."""
        self.stop()
        self.checkpoint = self._generator.checkpoint = checkpoint
        self.loaded, self._problem = None, ""
        try:
            self._generator.ask(Load(checkpoint))
        except (UserError, OSError) as error:
            self._fail(error)
        self._tell()

    def leaf(self, by: int) -> None:
        """To another sample."""
        if self.stories:
            self.shown = (self.shown + by) % len(self.stories)
            self._cursor = None
            self._show_text()
            self._tell()

    def move_cursor(self, by: int) -> None:
        """To another token, whose alternatives are told; from the end at first."""
        story = self.story
        if story is None or not story.pieces:
            return
        last = len(story.pieces) - 1
        self._cursor = last if self._cursor is None else max(0, min(last, self._cursor + by))
        piece = story.pieces[self._cursor]
        self.query_one(StoryText).mark((piece.start, piece.end))
        self._tell()

    def leave_cursor(self) -> bool:
        """Put the cursor away; whether there was one."""
        there, self._cursor = self._cursor is not None, None
        self.query_one(StoryText).mark(None)
        self._tell()
        return there

    @property
    def beginning(self) -> str:
        """The text up to the token under the cursor, or all of it."""
        story = self.story
        if story is None:
            return ""
        return story.text if self._cursor is None else story.text[: story.pieces[self._cursor].end]

    def toggle_colours(self) -> None:
        """Colour each token by its probability, or no longer."""
        self.coloured = not self.coloured
        self.query_one(StoryText).colour(self._spans())
        self._tell()

    def kept(self) -> KeptStory | None:
        """The story that is shown, as it is kept; None before it has ended."""
        return self._as_kept(self.shown) if self.story is not None and self.story.done else None

    # what comes

    def on_story_column_heard(self, message: Heard) -> None:
        message.stop()
        reply = message.reply
        if isinstance(reply, Loaded):
            self.loaded, self._problem = reply, ""
        elif isinstance(reply, Unloaded):
            self.loaded = None
        elif isinstance(reply, Gone):
            self.loaded = None
            self._fail(UserError(f"the generation process is gone: {reply.why}\nEnter starts it again."))
        elif isinstance(reply, Error):
            if reply.id is None or (self._request is not None and reply.id == self._request.id):
                self._fail(UserError(reply.message))
        elif self._request is not None and reply.id == self._request.id:
            self._take(reply)
        self._tell()

    def _take(self, reply: Begun | Text | Done) -> None:
        if isinstance(reply, Begun):
            self._begun, self._writes_with = reply, self.loaded
        elif isinstance(reply, Text):
            self._first = self._first or time.monotonic()
            story = self.stories[reply.sample]
            text = story.add(reply)
            if reply.sample == self.shown:
                style = self._style(story.pieces[-1]) if self.coloured and text and story.pieces else None
                self.query_one(StoryText).append(text, style)
        else:
            self.stories[reply.sample].done = reply
            if reply.reason != "cancelled" or self.stories[reply.sample].tokens:
                self._keep(reply.sample)
            self.post_message(self.Changed())

    def _keep(self, sample: int) -> None:
        story = self._as_kept(sample)
        if story is not None and not self.app.is_public:
            try:
                keep(self.run, story)
            except OSError as error:  # it is on the screen still, to be copied
                self.app.notify(f"the story is not kept: {explained(error)}", severity="warning", markup=False)

    def _as_kept(self, sample: int) -> KeptStory | None:
        story, request, loaded = self.stories[sample], self._asked, self._writes_with
        if story.done is None or request is None or loaded is None:
            return None
        return KeptStory(
            prompt=story.prompt,
            text=story.text,
            tokens=story.done.tokens,
            reason=story.done.reason,
            seed=story.done.seed,
            sample=sample,
            checkpoint=loaded.checkpoint,
            step=loaded.step,
            val_loss=loaded.val_loss,
            sampling=settings_of(request.sampling),
            translation=story.done.translation,
        )

    def _fail(self, error: UserError | OSError) -> None:
        """The writer itself has failed. Why is not for strangers, for it names files of this machine."""
        why = explained(error) if isinstance(error, OSError) else str(error)
        if self.app.is_public and sys.__stderr__ is not None:
            sys.__stderr__.write(f"{printable(why)}\n")  # the server passes it on to whoever started it
        self._problem = "No story can be written now. Enter tries again." if self.app.is_public else why
        self._request = None
        self.post_message(self.Changed())

    # drawing

    def _show_text(self) -> None:
        story = self.story
        if story is not None:
            self.query_one(StoryText).set_text(story.text, self._spans(), follow=not story.done)

    def _spans(self) -> list[Span]:
        story = self.story
        if story is None:
            return []
        spans: list[Span] = [(0, len(story.prompt), Style(bold=True))] if story.prompt else []
        if self.coloured:
            spans += [(piece.start, piece.end, self._style(piece)) for piece in story.pieces]
        return spans

    def _style(self, piece: TokenSpan) -> Style:
        """The less likely, the stronger; the least likely are underlined, too."""
        share = next(share for least, share in _SURPRISE if piece.probability >= least)
        if not share:
            return Style()
        variables = self.app.theme_variables
        colour = Color.parse(variables["background"]).blend(Color.parse(variables["warning"]), share)
        return Style(bgcolor=colour.rich_color, underline=share == _SURPRISE[-1][1])

    def _tell(self) -> None:
        loaded = self.loaded
        who = f"{self.checkpoint} checkpoint"
        if loaded is not None:
            loss = f", loss {decimal(loaded.val_loss)}" if loaded.val_loss is not None else ""
            who += f", step {count(loaded.step)}{loss} · {loaded.device}"
        if self.is_second:
            who = f"{self.run.name}/{self.run.id[-4:]} · {who}"
        self.border_title = Content(who)
        said = self.query_one(".said", Static)
        said.set_class(bool(self._problem), "-wrong")
        said.update(Words(excerpt(self._problem)) if self._problem else Words("\n").join(map(Words, self._lines())))

    def _lines(self) -> list[str]:
        story, begun, loaded = self.story, self._begun, self.loaded
        parts = []
        if len(self.stories) > 1:
            parts.append(f"sample {self.shown + 1} of {len(self.stories)}")
        if loaded is None:
            parts.append("loading the checkpoint …")
        elif story is None:
            parts.append(f"ready, loaded in {duration(loaded.load_seconds)}: type how a story begins, enter writes it")
        elif story.done is not None:
            done = story.done
            parts += [_WHY[done.reason], counted(done.tokens, "token"), f"{done.tokens_per_second:.0f} tokens/s"]
            parts += [f"first after {done.seconds_to_first_token * 1000:.0f} ms", f"seed {done.seed}"]
        else:
            seconds = time.monotonic() - self._first if self._first else 0.0
            rate = f"{story.tokens / seconds:.0f} tokens/s" if seconds > 0.2 else ""
            parts += ["writing …", counted(story.tokens, "token"), rate, "esc stops"]
        lines = ["  ·  ".join(part for part in parts if part)]
        if begun is not None and begun.dropped_tokens:
            lines.append(
                f"The prompt is longer than the context: its first {count(begun.dropped_tokens)} tokens are not read."
            )
        if begun is not None and begun.prompt is not None:
            lines.append(f"The model reads: {one_line(begun.prompt)}")
        lines += [one_line(note) for note in (loaded and loaded.note, begun and begun.note) if note]
        if story is not None and story.done is not None and story.done.translation:
            lines.append(one_line(story.done.translation))
        return lines + self._about_token()

    def _about_token(self) -> list[str]:
        story = self.story
        if self._cursor is None or story is None:
            return []
        lines = []
        for token in story.pieces[self._cursor].tokens:
            others = [f"{self._drawn(text)} {percent(share)}" for text, share in token.alternatives]
            lines.append(f"token {token.id}: {percent(token.probability)}   likeliest   {'   '.join(others)}")
        return lines

    def _drawn(self, text: str) -> str:
        """A token's text, as it is drawn; its blanks are seen."""
        seen = printable(text.replace("\n", "↵")).replace(" ", "␣")
        orders = app_orders(self.app.settings.bidi)
        return "".join(line.text for line in lay_out(seen, _TOKEN_CELLS, app_orders=orders))
