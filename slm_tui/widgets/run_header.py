"""Where a run stands, in three lines: the state and how far it is, its figures, its machine."""

from __future__ import annotations

import time

from rich.text import Text
from textual.widgets import Static

from engine.runs.run import State
from slm_tui.catalog import LIVE
from slm_tui.console import queue_line
from slm_tui.facts import parameters
from slm_tui.feed import Feed
from slm_tui.formats import age, count, counted, decimal, duration, one_line, percent, perplexity, quantity, size
from slm_tui.themes import state_style

_BAR_CELLS = (8, 40)  # at least and at most
_GAP = "   "


class RunHeader(Static):
    """The header; `show` gives it what it shows."""

    _shown: tuple[Feed, State] | None = None

    def on_resize(self) -> None:
        if self._shown is not None:
            self.show(*self._shown)

    def show(self, feed: Feed, state: State) -> None:
        self._shown = feed, state
        colour = state_style(self.app, "imported" if feed.status.imported else state)
        self.update(Text("\n").join(header_lines(feed, state, colour, time.time(), max(20, self.size.width))))


def header_lines(feed: Feed, state: State, colour: str, now: float, width: int) -> list[Text]:
    """The lines of the header, each at most `width` cells; parts that matter less go first."""
    if feed.status.imported:
        return _imported(feed, colour, now, width)
    return [_standing(feed, state, colour, now, width), _figures(feed, width), _machine(feed, state, now, width)]


def _imported(feed: Feed, colour: str, now: float, width: int) -> list[Text]:
    """Nothing of steps, figures and speed: the run has trained nothing."""
    step, info, when = feed.series.checkpoints.get("best"), feed.run.info(), feed.status.updated
    trained = f"trained elsewhere, for {counted(step, 'step')}" if step else "trained elsewhere"
    standing = _joined([("imported", f"bold {colour}"), (trained, "")])
    size_of = f"{quantity(parameters(feed.progress.experiment))} parameters"
    machine = [info.device if info else "", f"imported {_ago(now, when)}" if when else ""]
    return [_cut(standing, width), Text(size_of), _fitted([part for part in machine if part], width, "dim")]


def _standing(feed: Feed, state: State, colour: str, now: float, width: int) -> Text:
    progress = feed.progress
    parts: list[tuple[str, str]] = [(state, f"bold {colour}")]
    done, total = progress.step, progress.max_steps
    what = feed.status.preparing
    if state == "queued" and feed.status.queued is not None:
        parts.append((queue_line(feed.run, feed.status.queued), ""))
    if state == "preparing" and what is not None:
        parts.append((one_line(what.phase), ""))
        done, total = what.done, what.total or 0
    parts.append((f"{count(done)} / {count(total)}" if total else count(done), "bold"))
    after = []
    if state == "training" and (left := progress.seconds_left(now)) is not None:
        after.append((f"{duration(left)} left", ""))
    elif state not in ("queued", "preparing"):
        after.append((f"{'for' if state in LIVE else 'took'} {duration(feed.status.seconds)}", "dim"))
    room = width - len(_GAP) * (len(parts) + len(after)) - sum(len(text) for text, _ in [*parts, *after]) - 6
    line = _joined(parts)
    if room >= _BAR_CELLS[0] and total:
        bar = _bar(done / total, min(room, _BAR_CELLS[1]), colour)
        line.append(_GAP).append_text(bar).append(f" {percent(done / total)}")
    for text, style in after:
        line.append(_GAP).append(text, style)
    return _cut(line, width)


def _bar(share: float, cells: int, colour: str) -> Text:
    full = round(max(0.0, min(1.0, share)) * cells)
    return Text.assemble(("━" * full, colour), ("─" * (cells - full), "dim"))


def _figures(feed: Feed, width: int) -> Text:
    best, loss = feed.status.best, feed.progress.loss
    parts = [f"loss {decimal(loss)}"]
    if best is not None:
        parts = [
            f"best {decimal(best.val_loss)} at step {count(best.step)}",
            f"perplexity {decimal(perplexity(best.val_loss), 2)}",
            f"bits/byte {decimal(best.bits_per_byte)}",
            *parts,
        ]
    else:
        parts.append("no evaluation yet")
    return _fitted(parts, width)


def _machine(feed: Feed, state: State, now: float, width: int) -> Text:
    step, system = feed.status.last_step, feed.system
    rate = feed.progress.tokens_per_second
    parts = [f"{count(round(rate))} tokens/s" if rate else "", f"{quantity(feed.progress.tokens)} tokens"]
    if step is not None:
        parts.append(f"lr {step.lr:.2e}")
        parts.append(f"MFU {percent(step.mfu)}" if step.mfu is not None else "")
    info = feed.run.info()
    parts.insert(0, info.device if info else "")
    if system is not None:
        if system.gpu_memory_bytes is not None:
            parts.insert(1, f"{size(system.gpu_memory_bytes)} of {size(system.gpu_memory_total_bytes)}")
        elif system.memory_bytes is not None:
            parts.insert(1, size(system.memory_bytes))
    if feed.status.updated and state not in ("queued", "preparing", "training"):
        parts.append(f"ended {_ago(now, feed.status.updated)}")
    return _fitted([part for part in parts if part], width, "dim")


def _ago(now: float, when: float) -> str:
    return f"{age(now - when)} ago".replace("now ago", "just now")


def _fitted(parts: list[str], width: int, style: str = "") -> Text:
    """As many of `parts` as have room; the last goes first."""
    while len(parts) > 1 and len(_GAP.join(parts)) > width:
        parts = parts[:-1]
    return _cut(Text(_GAP.join(parts), style), width)


def _joined(parts: list[tuple[str, str]]) -> Text:
    return Text(_GAP).join(Text(text, style) for text, style in parts)


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line
