"""How long a chart takes: loading a long run, drawing it, zooming, moving the cross-hair.

    python benchmarks/charts.py [--points 100000] [--curves 3] [--columns 130] [--rows 36] [--events 1000000]

Prints medians. A picture is axes, ticks, legend and curves, down to the pieces of text of each line.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.contract.events import Step, encode
from slm_tui.charts.chart import Curve, View, readings, render
from slm_tui.charts.legend import legend
from slm_tui.charts.overlay import entries_of
from slm_tui.charts.series import METRICS, RunSeries
from slm_tui.charts.smoothing import Smoother


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--curves", type=int, default=3)
    parser.add_argument("--columns", type=int, default=130)
    parser.add_argument("--rows", type=int, default=36)
    parser.add_argument("--events", type=int, default=1_000_000, help="in the file that is loaded; 0 loads none")
    arguments = parser.parse_args()
    width, height = arguments.columns, arguments.rows
    curves = [noisy(arguments.points, number) for number in range(arguments.curves)]

    def draw(view: View) -> None:
        header = legend(width, "loss", ["nats/token"], entries_of(curves, METRICS["loss"], None))
        assert header and render(curves, view, width, height - 1).lines()

    middle = arguments.points * 0.4, arguments.points * 0.6
    print(f"{arguments.curves} x {arguments.points:,} points, {width} x {height} cells")
    report("linear", lambda: draw(View(x_unit="steps")))
    report("logarithmic", lambda: draw(View(x_log=True, y_log=True, x_unit="steps")))
    report("zoomed", lambda: draw(View(x_range=middle, x_unit="steps")))
    picture = render(curves, View(), width, height - 1)
    report("cross-hair", lambda: picture.crossed(middle[0], readings(curves, middle[0])).lines())
    report("smoothing one curve", lambda: Smoother(0.99)(curves[0].y))
    if arguments.events:
        with tempfile.TemporaryDirectory() as folder:
            path = long_run(Path(folder) / "metrics.jsonl", arguments.events)
            print(f"{arguments.events:,} events, {path.stat().st_size / 1e6:.0f} MB")
            report("sketch", lambda: RunSeries.sketch(path), times=5)
            report("load", lambda: RunSeries.load(path), times=5)


def report(name: str, work: Callable[[], object], times: int = 30) -> None:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    print(f"  {name:20} {statistics.median(seconds) * 1000:8.1f} ms   best {min(seconds) * 1000:8.1f} ms")


def noisy(points: int, number: int) -> Curve:
    """A loss as runs have it: a power law, noise, some spikes."""
    random = np.random.default_rng(number)
    x = np.arange(1, points + 1, dtype=float)
    y = 1.4 + 0.2 * number + 9 * x**-0.3 + random.normal(scale=0.1, size=points)
    y[random.integers(points, size=20)] += 3
    return Curve(x, y, f"run {number}", colour=number, letter="abcdefgh"[number % 8], dash=number)


def long_run(path: Path, events: int) -> Path:
    """A file as the engine writes it."""
    curve = noisy(events, 0)
    with open(path, "wb") as file:
        for number, loss in enumerate(curve.y.tolist()):
            event = Step(
                step=number, loss=loss, lr=1e-3 / (1 + number), grad_norm=loss / 3, tokens=number * 8192,
                tokens_per_second=1e5 + loss, mfu=0.41, t=1.7e9 + number / 20,
            )  # fmt: skip
            file.write(encode(event))
    return path


if __name__ == "__main__":
    main()
