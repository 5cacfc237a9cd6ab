"""How fast the dashboard is, measured from outside: the installed program in a pseudo-terminal.

    python benchmarks/dashboard.py [first_paint] [opening] [million] [tailing] [idle]

- first_paint: from the start of the process to the table of 50 experiments with 200 finished runs on the screen.
- opening: from a key that opens a screen, on a run of 300 steps, to the first frame of it and to the last.
- million: from `enter` on a run of 1,000,000 events to its chart; meanwhile, how long a key takes to be answered,
  and for comparison how long the same keys take once all is read: to switch tabs is work by itself.
- tailing: eight live runs that each write 200 events a second, compared in one chart: share of a core, and how long
  a key takes to be answered.
- idle: share of a core with nothing running.

Prints medians over a few rounds; the files are made in a temporary folder.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from engine.contract.events import Checkpoint, Eval, EventWriter, Prepared, RunEnded, RunStarted, Step, System, encode
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.shipped import shipped_experiments

PROGRAM = Path(sys.executable).with_name("slm-tui")
SIZE = (130, 40)  # columns, rows
_FRAME_BYTES = 32  # less is not a frame: the screen beneath says that nothing of it has changed
_SCREENS = {"a run": "\r", "help": "?", "editor": "e", "stories": "g", "notes": "i", "jump": "\x0f"}


class Terminal:
    """The dashboard in a pseudo-terminal; what it draws is read all the time, so that it never waits for us."""

    def __init__(self, workspace: Workspace) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
        self.started = time.perf_counter()
        environment = {**os.environ, "TERM": "xterm-256color", "XDG_CONFIG_HOME": str(workspace.root)}
        self.process = subprocess.Popen(
            [PROGRAM],
            cwd=workspace.root,
            env=environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def until(self, words: str, seconds: float = 60) -> float:
        """Read until `words` are drawn; the moment when they were."""
        wanted, seen = words.encode(), b""
        deadline = time.perf_counter() + seconds
        while wanted not in seen:
            if not select.select([self.master], [], [], max(0.0, deadline - time.perf_counter()))[0]:
                raise TimeoutError(f"{words!r} was not drawn within {seconds:g} s")
            seen += os.read(self.master, 1 << 16)
        return time.perf_counter()

    def quiet(self, seconds: float = 0.5) -> None:
        """Read until nothing has been drawn for a while."""
        while select.select([self.master], [], [], seconds)[0]:
            os.read(self.master, 1 << 16)

    def key_to_screen(self, key: str) -> float:
        """Seconds from a key to the first frame that is drawn after what was drawn before it has been read."""
        while select.select([self.master], [], [], 0)[0]:
            os.read(self.master, 1 << 16)
        pressed = self.press(key)
        while select.select([self.master], [], [], 10)[0]:
            if len(os.read(self.master, 1 << 16)) > _FRAME_BYTES:
                return time.perf_counter() - pressed
        raise TimeoutError(f"{key!r} was not answered")

    def drawn_for(self, seconds: float) -> float:
        """Read for `seconds`; how many of them had passed when the last frame was drawn."""
        begun, last = time.perf_counter(), 0.0
        while (left := begun + seconds - time.perf_counter()) > 0:
            if select.select([self.master], [], [], left)[0] and len(os.read(self.master, 1 << 16)) > _FRAME_BYTES:
                last = time.perf_counter() - begun
        return last

    def press(self, keys: str) -> float:
        os.write(self.master, keys.encode())
        return time.perf_counter()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def make_run(workspace: Workspace, name: str, text: str) -> Run:
    run = workspace.new_run(name)
    run.experiment_file.write_text(text, encoding="utf-8")
    return run


def say_all(run: Run, steps: int, ended: bool = True) -> None:
    """The events of a run of `steps` steps, with an evaluation every fiftieth of them."""
    writer = EventWriter(run.metrics)
    writer(RunStarted(pid=1, host="benchmark", t=0.0))
    writer(Prepared("data", 32_000, 1_000_000, 100_000, cached=True, t=1.0))
    with open(run.metrics, "ab") as file:
        for number in range(1, steps + 1):
            loss = 2.0 + 8.0 / number**0.5 + (number * 7919 % 101) / 500
            file.write(encode(Step(number, loss, 1e-3, 1.0, number * 2048, 2000.0, None, t=1.0 + number)))
            if number % max(1, steps // 50) == 0:
                file.write(encode(Eval(number, loss, loss + 0.1, loss / 3, True, number * 2048, t=1.5 + number)))
                file.write(encode(Checkpoint("best", number, "checkpoints/best", t=1.6 + number)))
            if number % 10 == 0:
                file.write(encode(System(cpu_percent=190.0, memory_bytes=3_000_000_000, t=1.7 + number)))
    if ended:
        writer(RunEnded("finished", t=2.0 + steps))
    writer.close()


def filled_workspace(root: Path, experiments: int, runs: int, steps: int) -> Workspace:
    workspace = Workspace(root)
    workspace.experiments.mkdir(parents=True)
    shipped = shipped_experiments()
    for number in range(experiments):
        text = shipped[number % len(shipped)].read_text(encoding="utf-8")
        name = f"experiment_{number:02d}"
        (workspace.experiments / f"{name}.toml").write_text(text, encoding="utf-8")
        for _ in range(runs):
            say_all(make_run(workspace, name, text), steps)
    return workspace


def first_paint(folder: Path) -> None:
    workspace = filled_workspace(folder, experiments=50, runs=4, steps=300)
    seconds = []
    for _ in range(8):
        terminal = Terminal(workspace)
        seconds.append(terminal.until("experiment_00") - terminal.started)
        terminal.close()
    print(f"first paint, 50 experiments and 200 runs: {statistics.median(seconds[1:]):.2f} s")


def opening(folder: Path) -> None:
    workspace = filled_workspace(folder, experiments=50, runs=4, steps=300)
    first: dict[str, list[float]] = {name: [] for name in _SCREENS}
    last: dict[str, list[float]] = {name: [] for name in _SCREENS}
    for _ in range(6):
        terminal = Terminal(workspace)
        terminal.until("experiment_00")
        terminal.drawn_for(1.5)
        terminal.press("\r")
        for name, key in _SCREENS.items():
            terminal.drawn_for(1)
            first[name].append(terminal.key_to_screen(key))
            last[name].append(first[name][-1] + terminal.drawn_for(0.45))  # before a cursor blinks
            terminal.press("\x1b")
        terminal.close()
    for name in _SCREENS:
        frames = [f"{statistics.median(taken) * 1000:.0f} ms" for taken in (first[name], last[name])]
        print(f"opening {name}: first frame after {frames[0]}, last after {frames[1]}")


def million(folder: Path) -> None:
    workspace = filled_workspace(folder, experiments=1, runs=1, steps=890_000)
    seconds, meanwhile, afterwards = [], [], []
    for _ in range(5):
        terminal = Terminal(workspace)
        terminal.until("experiment_00")
        terminal.quiet()
        terminal.press("\r")
        terminal.quiet()
        pressed = terminal.press("\r")
        # a label near the end of the axis; keys are pressed while it is awaited
        meanwhile.append(max(_switch_tabs(terminal, lambda drawn: b"600K" in drawn)))
        seconds.append(time.perf_counter() - pressed)
        terminal.quiet(5)
        until = time.perf_counter() + 2
        afterwards.append(max(_switch_tabs(terminal, lambda _, until=until: time.perf_counter() > until)))
        terminal.close()
    print(f"a run of 1,000,000 events, drawn: {statistics.median(seconds[1:]):.2f} s")
    slowest = [f"{statistics.median(taken) * 1000:.0f} ms" for taken in (meanwhile, afterwards)]
    print(f"  slowest key meanwhile: {slowest[0]}; once all is read: {slowest[1]}")


def _switch_tabs(terminal: Terminal, over: Callable[[bytes], bool]) -> list[float]:
    """Go to another tab and back until `over` what has been drawn; how long each key took to be answered."""
    seen, taken, deadline = b"", [], time.perf_counter() + 30
    while not over(seen):
        if time.perf_counter() > deadline:
            raise TimeoutError("the chart was not drawn")
        pressed = terminal.press("21"[len(taken) % 2])
        if select.select([terminal.master], [], [], 2)[0]:
            taken.append(time.perf_counter() - pressed)
        while select.select([terminal.master], [], [], 0.05)[0] and time.perf_counter() < deadline:
            seen += os.read(terminal.master, 1 << 16)
    return taken


def tailing(folder: Path) -> None:
    workspace = filled_workspace(folder, experiments=1, runs=0, steps=0)
    text = workspace.experiment_file("experiment_00").read_text(encoding="utf-8")
    runs = [make_run(workspace, "experiment_00", text) for _ in range(8)]
    over = threading.Event()
    writer = subprocess.Popen(
        [sys.executable, __file__, "--write", *(str(run.path) for run in runs)], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    terminal = Terminal(workspace)
    try:
        terminal.until("experiment_00")
        terminal.press("\r")
        for _ in runs:
            terminal.quiet(0.2)
            terminal.press(" j")
        terminal.press("v")
        terminal.drawn_for(4)
        process = psutil.Process(terminal.process.pid)
        keys, before, begun = [], sum(process.cpu_times()[:2]), time.perf_counter()
        for number in range(100):
            keys.append(terminal.key_to_screen("l" if number % 2 else "h"))
            terminal.drawn_for(0.1)
        used = (sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - begun)
    finally:
        over.set()
        writer.kill()
        writer.wait()
        terminal.close()
    print(f"eight runs of 200 events a second: {used:.0%} of a core")
    print(
        f"  key to screen, 99th percentile: {sorted(keys)[98] * 1000:.0f} ms, "
        f"median {statistics.median(keys) * 1000:.0f} ms"
    )


def write_for_ever(paths: list[str]) -> None:
    """What eight engines would write, with their locks held."""
    runs = [Run(Path(path)) for path in paths]
    locks = [run.hold_lock() for run in runs]
    writers = [EventWriter(run.metrics) for run in runs]
    for write in writers:
        write(RunStarted(os.getpid(), "benchmark"))
        write(Prepared("data", 32_000, 1_000_000, 100_000, cached=True))
    print("ready", flush=True)
    step = 0
    while locks:
        step += 1
        for number, write in enumerate(writers):
            loss = 2.0 + number / 10 + 8.0 / step**0.5
            write(Step(step, loss, 1e-3, 1.0, step * 2048, 2000.0, None))
            if step % 100 == 0:
                write(Eval(step, loss, loss + 0.1, loss / 3, True, step * 2048))
        time.sleep(1 / 200)


def idle(folder: Path) -> None:
    workspace = filled_workspace(folder, experiments=50, runs=4, steps=300)
    terminal = Terminal(workspace)
    terminal.until("experiment_00")
    terminal.quiet(2)
    process = psutil.Process(terminal.process.pid)
    before, begun = sum(process.cpu_times()[:2]), time.perf_counter()
    terminal.drawn_for(30)
    used = (sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - begun)
    terminal.close()
    print(f"idle with nothing running: {used:.2%} of a core")


MEASUREMENTS: dict[str, Callable[[Path], None]] = {
    "first_paint": first_paint,
    "opening": opening,
    "million": million,
    "tailing": tailing,
    "idle": idle,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast the dashboard is.")
    parser.add_argument("what", nargs="*", help=f"of {', '.join(MEASUREMENTS)}; all by default")
    parser.add_argument("--write", nargs="+", metavar="RUN", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        write_for_ever(arguments.write)
    for name in arguments.what or MEASUREMENTS:
        with tempfile.TemporaryDirectory() as folder:
            MEASUREMENTS[name](Path(folder) / "workspace")


if __name__ == "__main__":
    main()
