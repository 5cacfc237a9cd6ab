"""The page: one HTML file that loads nothing and runs nothing.

    slm-tui report RUN… -o report.html

Its policy (CSP) allows its own style sheet, by its hash, and no more: whatever a run's texts hold is only shown.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from engine.contract.files import replace_file
from engine.runs.run import Run
from slm_tui.charts.overlay import ChartOptions, Source
from slm_tui.charts.palette import palette
from slm_tui.charts.series import METRICS
from slm_tui.compare import compare
from slm_tui.report.chart import figure
from slm_tui.report.markup import Markup, joined, tag
from slm_tui.report.sections import (
    configurations,
    data_and_model,
    day,
    differences,
    evaluations,
    introduction,
    machines,
    results,
    section,
    stories,
    without_curves,
)
from slm_tui.report.told import Told, told_of
from slm_tui.themes import DARK, LIGHT

_CHARTS = ("loss", "perplexity")
_STYLE = Path(__file__).with_name("style.css")


def write_report(path: Path, runs: Sequence[Run], options: ChartOptions) -> None:
    """Put the page of `runs`, each once, at `path`, whole; its folder is made if it is not there.

    Raises:
        OSError: a run cannot be read, or the page cannot be written.
    """
    written = page(runs, options).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, written)


def page(runs: Sequence[Run], options: ChartOptions) -> str:
    """The page of `runs`, each once, as HTML."""
    told, comparison = told_of(runs), compare(runs)
    title = told[0].name if len(told) == 1 else f"{len(told)} runs compared"
    body = tag(
        "body",
        tag("header", tag("h1", told[0].run.name if len(told) == 1 else title), map(introduction, told)),
        tag(
            "main",
            results(told, comparison),
            _curves(told, options),
            differences(told, comparison),
            stories(told),
            evaluations(told),
            data_and_model(told),
            configurations(told, {each.key for each in comparison.differences}),
            machines(told),
        ),
        tag("footer", f"Written by slm-tui {version('slm-tui')} on {day(time.time())}."),
    )
    return f"<!DOCTYPE html>\n{tag('html', _head(title), body, lang='en')}\n"


def _head(title: str) -> Markup:
    style = f"{_colours()}\n{_STYLE.read_text(encoding='utf-8')}"
    hashed = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(style)),
    )


def _colours() -> str:
    """The style sheet's colours: those of the dashboard's themes and charts, for both schemes."""
    schemes = []
    for theme, colours in ((LIGHT, palette(dark=False)), (DARK, palette(dark=True))):
        named = {
            "paper": theme.background,
            "panel": theme.surface,
            "ink": theme.foreground,
            "quiet": theme.secondary,
            "line": theme.variables["border-blurred"],
            "primary": theme.primary,
            "success": theme.success,
            "warning": theme.warning,
            "error": theme.error,
            **{f"c{number}": colour for number, colour in enumerate(colours)},
        }
        schemes.append(f":root {{ {' '.join(f'--{name}: {colour};' for name, colour in named.items())} }}")
    curves = " ".join(f".c{number} {{ --own: var(--c{number}); }}" for number in range(len(palette(dark=True))))
    return f"{schemes[0]}\n@media (prefers-color-scheme: dark) {{ {schemes[1]} }}\n{curves}"


def _curves(told: Sequence[Told], options: ChartOptions) -> Markup:
    sources = [Source(each.name, each.series, each.place) for each in told if each.has_curves]
    charts = joined(figure(sources, METRICS[name], options) for name in _CHARTS) if sources else Markup()
    return section("Curves", joined(charts, map(without_curves, told)))
