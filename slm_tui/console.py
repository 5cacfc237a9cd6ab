"""The headless display of a run: one live panel on a terminal, a plain line now and then anywhere else."""

from __future__ import annotations

import os
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from engine.contract import events
from engine.contract.events import AnyEvent, Prepare
from engine.runs.run import Run
from slm_tui.formats import count, decimal, duration, one_line, perplexity, printable, shown_path
from slm_tui.progress import RunProgress

STATE_STYLES = {
    "queued": "blue",
    "preparing": "blue",
    "training": "cyan",
    "stopping": "yellow",
    "finished": "green",
    "early_stopped": "green",
    "imported": "green",
    "stopped": "yellow",
    "failed": "red",
    "diverged": "red",
    "lost": "red",
}
_WIDEST = 96  # columns; a wider panel is harder to read, not easier
_LINE_SECONDS = 10.0  # between plain lines


class View(Protocol):
    """Shows a run while it goes."""

    def update(self, progress: RunProgress, new: Sequence[AnyEvent]) -> None:
        """Show the state that `new` has led to; called a few times a second."""

    def stopping(self, progress: RunProgress) -> None:
        """The run has been asked to stop."""

    def close(self) -> None:
        """Leave the terminal as it was; what was printed above stays."""


def view_on(console: Console) -> View:
    """The view that fits where `console` writes."""
    return LiveView(console) if _redraws(console) else PlainView(console)


def _redraws(console: Console) -> bool:
    """Whether something may be drawn again and again in its place. In the background (`slm-tui run NAME &`) the
    terminal is the shell's, and whoever changes its modes is halted."""
    return console.is_terminal and not console.is_dumb_terminal and _in_foreground()


def _in_foreground() -> bool:
    try:
        with open("/dev/tty", "rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:  # no terminal is this process' own, so there is nobody to halt it
        return True


class LiveView:
    """One calm panel that is redrawn in place; samples and warnings scroll by above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._cleanup = ExitStack()
        self._cleanup.enter_context(_no_echo())
        self._live = self._cleanup.enter_context(Live(console=console, auto_refresh=False, transient=True))
        self._stopping = False
        self._drawn = 0.0

    def update(self, progress: RunProgress, new: Sequence[AnyEvent]) -> None:
        for event in new:
            if isinstance(event, events.Sample):
                self._console.print(_sample(event))
            elif isinstance(event, events.Warning):
                self._console.print(_warning(event))
        now = time.time()
        if new or now - self._drawn >= 1:  # the time left runs on between events
            self._drawn = now
            width = min(self._console.width, _WIDEST)
            self._live.update(panel(progress, now, width, self._stopping), refresh=True)

    def stopping(self, progress: RunProgress) -> None:
        self._stopping, self._drawn = True, 0.0

    def close(self) -> None:
        self._cleanup.close()


@contextmanager
def _no_echo() -> Iterator[None]:
    """Keep what is typed, such as the ^C of a Ctrl-C, from being echoed into the panel."""
    if not sys.stdin.isatty():
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    quiet = [*before]
    quiet[3] &= ~termios.ECHO  # 3: local modes
    termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        if _in_foreground():  # or else, by Ctrl-Z and bg, the shell has put it right
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


class PlainView:
    """A line at each phase, at the first step and each evaluation, and one every ten seconds at most between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._preparation = _PlainPreparation(console)
        self._last_line = 0.0
        self._stepped = False

    def update(self, progress: RunProgress, new: Sequence[AnyEvent]) -> None:
        for event in new:
            if event is progress.status.queued:
                self._line(f"queued: {queue_line(progress.run, event)}")
            elif isinstance(event, events.Sample):
                self._line(f"sample at step {event.step}:\n{printable(event.text).strip()}\n")
            elif isinstance(event, events.Warning | Prepare):
                self._preparation(event)
            elif isinstance(event, events.Eval):
                self._line(evaluation_line(event))
            elif isinstance(event, events.Step) and not self._stepped:
                self._stepped = True
                self._line(step_line(progress, event))
        last = progress.status.last_step
        if last and new and isinstance(new[-1], events.Step) and self._due():
            self._line(step_line(progress, last))

    def stopping(self, progress: RunProgress) -> None:
        if progress.status.queued:
            return  # its end is next
        self._line("stopping after this step and saving a checkpoint; ctrl+c again leaves it to finish alone")

    def close(self) -> None:
        pass

    def _due(self) -> bool:
        return time.monotonic() - self._last_line >= _LINE_SECONDS

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        self._console.print(text, markup=False, soft_wrap=True)


@contextmanager
def preparation_shown(console: Console) -> Iterator[Callable[[AnyEvent], None]]:
    """Shows `prepare` and `warning` events while it lasts: a bar on a terminal, elsewhere a plain line now and then."""
    if not _redraws(console):
        yield _PlainPreparation(console)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def show(event: AnyEvent) -> None:
            if isinstance(event, events.Warning):
                console.print(_warning(event))
            elif isinstance(event, Prepare):
                live.update(preparation_bar(event), refresh=True)

        yield show


class _PlainPreparation:
    """A line at each phase's beginning, and one every ten seconds at most within it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase: str | None = None
        self._printed = 0.0

    def __call__(self, event: AnyEvent) -> None:
        now = time.monotonic()
        if isinstance(event, events.Warning):
            self._console.print(f"warning: {printable(event.message)}", markup=False, soft_wrap=True)
        elif isinstance(event, Prepare) and (event.phase != self._phase or now - self._printed >= _LINE_SECONDS):
            line = phase_line(event) if event.phase == self._phase else one_line(event.phase)
            self._phase, self._printed = event.phase, now
            self._console.print(line, markup=False, soft_wrap=True)


def queue_line(run: Run, event: events.Queued) -> str:
    """'tiny/20261121T013355-7f3a (process 12) has cpu, 2 more come first'."""
    if event.holder is None:
        return f"waits for its turn on {event.device}"
    path = Path(event.holder)
    holder = str(Run(path)) if path.parents[1] == run.path.parents[1] else shown_path(path)
    more = event.ahead - 1
    also = f", and {more} more {'comes' if more == 1 else 'come'} first" if more else ""
    return f"{one_line(holder)} (process {event.holder_pid}) has {event.device}{also}"


def phase_line(event: Prepare) -> str:
    """'training the tokenizer: 1,200 of 20,000'."""
    done = f"{count(event.done)} of {count(event.total)}" if event.total else count(event.done)
    left = f", {duration(event.seconds_left)} left" if event.seconds_left is not None else ""
    return f"{one_line(event.phase)}: {done}{left}" if event.done else one_line(event.phase)


def step_line(progress: RunProgress, event: events.Step) -> str:
    left, rate = progress.seconds_left(event.t), progress.tokens_per_second
    parts = [
        f"step {event.step}/{progress.max_steps}",
        f"loss {decimal(progress.loss)}",
        f"{count(round(rate))} tokens/s" if rate else "",
        f"{duration(left)} left" if left is not None else "",
    ]
    return "  ".join(part for part in parts if part)


def evaluation_line(event: events.Eval) -> str:
    best = "  best so far" if event.best else ""
    return (
        f"step {event.step}  validation loss {decimal(event.val_loss)}  perplexity "
        f"{decimal(perplexity(event.val_loss), 2)}  bits per byte {decimal(event.bits_per_byte)}{best}"
    )


def panel(progress: RunProgress, now: float, width: int, stopping: bool) -> RenderableType:
    """The panel at this moment."""
    status = progress.status
    if stopping and not status.queued:
        state, hint = "stopping", "saving a checkpoint · ctrl+c again leaves it to finish alone"
    else:
        begun = "queued" if status.queued else "preparing" if status.pid else "starting"
        state = status.last_word or ("training" if status.trains else begun)
        hint = "ctrl+c cancels it" if status.queued else "ctrl+c stops and saves a checkpoint"
    title = Text.assemble(
        (progress.run.name, "bold"), (f" · {progress.run.id} · ", "dim"), (state, STATE_STYLES.get(state, "blue"))
    )
    body = _training(progress, now) if status.trains else _preparing(progress)
    return Panel(
        body,
        title=title,
        title_align="left",
        subtitle=Text(hint, "dim"),
        subtitle_align="right",
        border_style="dim",
        padding=(1, 2),
        width=width,
    )


def _preparing(progress: RunProgress) -> RenderableType:
    event = progress.status.preparing
    if progress.status.queued:
        return Text(queue_line(progress.run, progress.status.queued), "dim")
    if event is None:
        return Text("preparing the data" if progress.status.pid else "starting the engine", "dim")
    return preparation_bar(event)


def preparation_bar(event: Prepare) -> RenderableType:
    """Phase, bar, count and time left in a line."""
    done = count(event.done) + (f" / {count(event.total)}" if event.total else "")
    done += f"  {duration(event.seconds_left)} left" if event.seconds_left is not None else ""
    return _bar(one_line(event.phase), event.done, event.total, done if event.done else "")


def _bar(label: str, done: int, total: int | None, text: str) -> Table:
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(total=total, completed=done, pulse=not total, complete_style="cyan", finished_style="green")
    grid.add_row(label, bar, Text(text))
    return grid


def _training(progress: RunProgress, now: float) -> RenderableType:
    evaluation = progress.evaluation
    val_loss = evaluation.val_loss if evaluation else None
    rate = progress.tokens_per_second
    rows = [
        ("loss", decimal(progress.loss), "tokens/s", count(round(rate)) if rate else count(None)),
        ("validation loss", decimal(val_loss), "tokens", count(progress.tokens)),
        (
            "perplexity",
            decimal(perplexity(val_loss) if val_loss is not None else None, 2),
            "time",
            duration(progress.status.seconds + max(0.0, now - (progress.status.updated or now))),
        ),
        (
            "bits per byte",
            decimal(evaluation.bits_per_byte if evaluation else None),
            "time left",
            duration(progress.seconds_left(now)),
        ),
    ]
    grid = Table.grid(padding=(0, 2), expand=True)
    for style, ratio in (("dim", 2), ("", 2), ("dim", 1), ("", 2)):
        grid.add_column(style=style, ratio=ratio, no_wrap=True)
    for row in rows:
        grid.add_row(*row)
    steps = _bar("step", progress.step, progress.max_steps, f"{count(progress.step)} / {count(progress.max_steps)}")
    return Group(steps, "", grid)


def _sample(event: events.Sample) -> RenderableType:
    prompt = event.prompt if event.text.startswith(event.prompt) else ""
    story = Text.assemble((printable(prompt), "bold"), printable(event.text[len(prompt) :].rstrip()))
    return Group(Text(f"a story at step {event.step}", "dim"), story, "")


def _warning(event: events.Warning) -> RenderableType:
    return Text.assemble(("warning ", "yellow"), printable(event.message))
