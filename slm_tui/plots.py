"""Curves of runs as a picture in a file, drawn by matplotlib.

    slm-tui plot RUN… -o loss.png

What is drawn, and over which ranges, is what the dashboard's charts show (`slm_tui.charts`).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.contract.errors import UserError, nearest
from engine.contract.files import replace_file
from engine.runs.run import Run
from slm_tui.charts.chart import Curve
from slm_tui.charts.overlay import ChartOptions, Source, curves_of, notes_of, view_of
from slm_tui.charts.palette import FADED, palette
from slm_tui.charts.paper import Frame, frame_of, marks, pieces
from slm_tui.charts.series import METRICS, Metric, RunSeries
from slm_tui.formats import one_line
from slm_tui.themes import DARK, LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
_INCH = 100  # pixels of a `Frame`
_CHART = (6.4, 4.0)  # inches, axes' labels included
_ALONE = (8.4, 4.7)  # the only one
_LINE = 0.24  # of the heading
_INNER = (560, 300)  # pixels, about what the curves have
_DASHES: tuple[Any, ...] = ("solid", (0, (6, 2)), (0, (2, 1.4)), (0, (6, 2, 1.5, 2)), (0, (10, 2)))
_PLAIN: Any = {
    "text.parse_math": False,  # a dollar in a name is a dollar
    "svg.hashsalt": "slm-tui",  # the same curves, the same file
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class _Ink:
    """Colours on a light or a dark background."""

    curves: tuple[str, ...]
    text: str
    quiet: str
    paper: str

    def of(self, curve: Curve) -> str:
        return self.curves[curve.colour % len(self.curves)]


def checked_output(path: Path, suffixes: Sequence[str], force: bool) -> Path:
    """`path`, if a file may be written there.

    Raises:
        UserError: its suffix is none of `suffixes`, or it stands there already, without `force`.
    """
    if path.suffix.lower() not in suffixes:
        got = f"ends in {path.suffix}" if path.suffix else "has no suffix"
        raise UserError(f"--output {path}: {got}; must end in {' or '.join(suffixes)}")
    if path.is_dir() or (path.exists() and not force):
        raise UserError(f"--output {path}: is there already{'' if path.is_dir() else '; --force replaces it'}")
    return path


def metrics_named(names: Sequence[str]) -> list[Metric]:
    """The metrics of these names, each once.

    Raises:
        UserError: there is none of a name.
    """
    for name in names:
        if name not in METRICS:
            near = nearest(name, METRICS)
            hint = f"; did you mean {near}?" if near else ""
            raise UserError(f"--metric {name}: must be one of {', '.join(METRICS)}{hint}")
    return [METRICS[name] for name in dict.fromkeys(names)]


def sources_of(runs: Sequence[Run]) -> list[Source]:
    """The curves of the runs, each once, in the colours in which the dashboard compares them.

    Runs without a step, such as imported ones, are left out.

    Raises:
        UserError: none of them has a step.
    """
    all_of_them = [
        Source(one_line(str(run)), RunSeries.load(run.metrics), place) for place, run in enumerate(dict.fromkeys(runs))
    ]
    sources = [source for source in all_of_them if len(source.series)]
    if not sources:
        named = ", ".join(source.label for source in all_of_them)
        raise UserError(f"{named}: no step yet, so there is nothing to draw")
    return sources


def save(path: Path, sources: Sequence[Source], metrics: Sequence[Metric], options: ChartOptions, dark: bool) -> None:
    """Draw each metric of all the sources, and put the picture at `path` whole, in the format of its suffix; its folder
    is made if it is not there.

    Raises:
        UserError: matplotlib is not installed.
        OSError: it cannot be written.
    """
    with matplotlib_at_hand():
        figure = drawn(sources, metrics, options, dark)
        kind = path.suffix.lower().removeprefix(".")
        undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        picture = io.BytesIO()
        figure.savefig(picture, format=kind, dpi=200, facecolor=figure.get_facecolor(), metadata=undated)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, picture.getvalue())


@contextmanager
def matplotlib_at_hand() -> Iterator[None]:
    """matplotlib with its own settings while it lasts, whatever a person's matplotlibrc says.

    Raises:
        UserError: it is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise UserError("plot needs matplotlib, which is not installed: pip install 'slm-tui[plot]'") from None
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_PLAIN)
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # drawn as a box, which says as much
        yield


def _ink(dark: bool) -> _Ink:
    theme = DARK if dark else LIGHT
    text, paper = theme.foreground or "", theme.background or ""
    return _Ink(palette(dark), text, _blend(text, paper, 0.6), paper if dark else "#ffffff")


def _blend(colour: str, paper: str, share: float) -> str:
    """`share` of one colour and the rest of the other, as #rrggbb."""
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(paper[1:]), strict=True)
    return "#" + bytes(round(one * share + other * (1 - share)) for one, other in pairs).hex()


def drawn(sources: Sequence[Source], metrics: Sequence[Metric], options: ChartOptions, dark: bool = False) -> Figure:
    """A chart a metric, below the names of the runs; within `matplotlib_at_hand`."""
    from matplotlib.figure import Figure

    ink = _ink(dark)
    columns = min(2, len(metrics))
    rows = -(-len(metrics) // columns)
    width, height = _CHART if columns > 1 else _ALONE
    heading = _LINE * (len(sources) + 1)
    figure = Figure((width * columns, height * rows + heading), _INCH, facecolor=ink.paper)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1, rect=(0, 0, 1, 1 - heading / figure.get_figheight()))
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, metric in zip(grid, metrics, strict=False):
        _chart(axes, sources, metric, options, ink)
    for unused in grid[len(metrics) :]:
        unused.remove()
    top = 1 - 0.1 / figure.get_figheight()
    if len(sources) == 1:
        figure.text(0.012, top, sources[0].label, color=ink.text, va="top", fontweight="bold", fontsize=12)
    else:
        curves = curves_of(sources, metrics[0], options)
        _legend(figure, curves, ink, loc="upper left", bbox_to_anchor=(0.004, top), borderaxespad=0)
    return figure


def _chart(axes: Axes, sources: Sequence[Source], metric: Metric, options: ChartOptions, ink: _Ink) -> None:
    curves = curves_of(sources, metric, options)
    view = view_of(sources, metric, options, curves)
    frame = frame_of(curves, view, *_INNER)
    axes.set_facecolor(ink.paper)
    axes.set_title(metric.title, loc="left", color=ink.text, fontsize=11, pad=10)
    if frame is None:
        axes.axis("off")
        axes.text(0.5, 0.5, view.empty, color=ink.quiet, ha="center", transform=axes.transAxes)
        return
    said = notes_of(view, frame.picture, metric, options, curves)
    axes.set_title(" · ".join(said), loc="right", color=ink.quiet, fontsize=9, pad=10)
    for curve in curves:
        _draw(axes, curve, frame, ink)
    _axes(axes, frame, ink)
    if len(sources) == 1 and len(metric.curves) > 1:
        _legend(axes, curves, ink, loc="upper right")


def _draw(axes: Axes, curve: Curve, frame: Frame, ink: _Ink) -> None:
    style: dict[str, Any] = {
        "color": _blend(ink.of(curve), ink.paper, FADED) if curve.faded else ink.of(curve),
        "linewidth": 0.7 if curve.faded else 1.6 if curve.points else 1.1,
        "linestyle": _DASHES[curve.dash % len(_DASHES)],
        "solid_capstyle": "round",
        "solid_joinstyle": "round",
    }
    for x, y in pieces(curve, frame):
        axes.plot(x, y, **(style if len(x) > 1 else {**style, "marker": ".", "markersize": 3}))
    if curve.points and not curve.faded:
        for across, up in marks(curve, frame):
            axes.plot(across, up, **_mark(ink.of(curve), ink), zorder=3, clip_on=False)  # in front of all lines


def _mark(colour: str, ink: _Ink) -> dict[str, Any]:
    edge = {"markeredgecolor": ink.paper, "markeredgewidth": 0.8}
    return {"color": colour, "marker": "o", "markersize": 4.8, **edge}


def _axes(axes: Axes, frame: Frame, ink: _Ink) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axes.set_xscale("log" if frame.x.log else "linear")
    axes.set_yscale("log" if frame.y.log else "linear")
    for axis, found in ((axes.xaxis, frame.x_ticks), (axes.yaxis, frame.y_ticks)):
        axis.set_major_locator(FixedLocator([value for value, _ in found]))
        axis.set_major_formatter(FixedFormatter([label for _, label in found]))
        axis.set_minor_locator(NullLocator())
    axes.set_xlim(frame.x.low, frame.x.high)
    axes.set_ylim(frame.y.low, frame.y.high)
    axes.set_xlabel(frame.x_title, color=ink.quiet, loc="right")
    axes.tick_params(colors=ink.quiet, labelcolor=ink.text, length=3)
    axes.grid(axis="y", color=_blend(ink.text, ink.paper, 0.12), linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_blend(ink.text, ink.paper, 0.35))


def _legend(where: Axes | Figure, curves: Sequence[Curve], ink: _Ink, **place: Any) -> None:
    """The named curves, in the order of the runs."""
    from matplotlib.lines import Line2D

    named = sorted((curve for curve in curves if curve.label), key=lambda curve: (curve.letter, curve.points))
    lines = [
        Line2D(
            [],
            [],
            linewidth=1.6,
            linestyle=_DASHES[curve.dash % len(_DASHES)],
            **(_mark(ink.of(curve), ink) if curve.points else {"color": ink.of(curve)}),
        )
        for curve in named
    ]
    labels = [f"{curve.letter}  {curve.label}".strip() for curve in named]
    where.legend(lines, labels, frameon=False, labelcolor=ink.text, handlelength=2.6, **place)
