"""Following runs from a widget: a thread reads, messages bring what was read to where it is drawn."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from textual.message import Message
from textual.screen import ModalScreen
from textual.widget import Widget

from engine.contract.errors import UserError
from engine.contract.events import AnyEvent
from engine.runs.run import Run, State
from slm_tui.feed import Feed, is_long, open_feed

_LIVE_SECONDS, _ENDED_SECONDS, _RETRY_SECONDS = 0.25, 1.0, 2.0  # between looks at a run
_MANY = 500  # events in one read: there are more to come


class Following(Widget):
    """A widget that follows some runs; it handles `Opened`, `Said` and `Unreadable` as it likes."""

    @dataclass
    class Opened(Message):
        """Everything that a run has said so far, and its state."""

        feed: Feed
        state: State

    @dataclass
    class Said(Message):
        """More of a run's events, or none for a while. They are for `feed.apply`, in the order in which they come."""

        feed: Feed
        events: Sequence[AnyEvent]

    @dataclass
    class Unreadable(Message):
        """A run that cannot be shown, and why."""

        run: Run
        why: str

    _over: threading.Event | None = None

    def follow(self, runs: Sequence[Run]) -> None:
        """Follow these runs from now on, and no others."""
        self.stop_following()
        if runs:
            over = self._over = threading.Event()
            smoothing = self.app.settings.smoothing  # type: ignore[attr-defined]
            threading.Thread(
                target=self._read_for_ever, args=(list(runs), smoothing, over), name="follow", daemon=True
            ).start()

    @property
    def is_seen(self) -> bool:
        """Whether nothing but windows lies over its screen: else there is nothing to draw for."""
        above = self.app.screen_stack[::-1]
        return all(isinstance(screen, ModalScreen) for screen in takewhile(lambda each: each is not self.screen, above))

    def stop_following(self) -> None:
        if self._over is not None:
            self._over.set()

    def on_unmount(self) -> None:
        self.stop_following()

    def _read_for_ever(self, runs: list[Run], smoothing: float, over: threading.Event) -> None:
        """The thread: open each run, then tell what comes. By its end there may be no application any more."""
        feeds: dict[Run, Feed] = {}
        while not over.is_set():
            waits = [self._read(run, feeds, smoothing, over) for run in runs if not over.is_set()]
            over.wait(min(waits, default=_ENDED_SECONDS))

    def _read(self, run: Run, feeds: dict[Run, Feed], smoothing: float, over: threading.Event) -> float:
        """Read what has come of `run`, and say so; how many seconds until the next look."""
        try:
            feed = feeds.get(run)
            if feed is None:
                if is_long(run):
                    sketch = open_feed(run, sketched=True)
                    self._tell(self.Opened(sketch, sketch.state()), over)
                feed = feeds[run] = open_feed(run)
                feed.series.smooth_all(smoothing)
                self._tell(self.Opened(feed, feed.state()), over)
                return 0.0
            new = feed.read()
            if new is None:  # another file: opened anew at the next look
                del feeds[run]
                return 0.0
            self._tell(self.Said(feed, new), over)
            return 0.0 if new and len(new) > _MANY else _LIVE_SECONDS if run.is_alive() else _ENDED_SECONDS
        except (UserError, OSError) as error:
            feeds.pop(run, None)
            self._tell(self.Unreadable(run, str(error)), over)
            return _RETRY_SECONDS

    def _tell(self, message: Message, over: threading.Event) -> None:
        if not over.is_set():
            self.post_message(message)
