"""The parts of a report's page; one with nothing to say is left out (pure)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timezone
from typing import TypeVar

from engine.contract.events import Eval, Sample
from slm_tui.compare import BEST, Comparison, result_columns, settings, shown_value
from slm_tui.console import STATE_STYLES
from slm_tui.details import numbers, toml_value
from slm_tui.formats import UNKNOWN, count, counted, decimal, excerpt, perplexity
from slm_tui.report.chart import COLOURS
from slm_tui.report.markup import Markup, joined, tag
from slm_tui.report.told import Told

_EARLIER = 24  # steps whose stories are shown besides those of the last one
_EVALUATIONS = 50  # rows of a table
_STORY = 8_000  # characters

_Item = TypeVar("_Item")
_Rows = Sequence[tuple[str, Sequence[str]]]  # a label, and a cell for each run


def section(title: str, content: Markup) -> Markup:
    """`content` under a heading, where there is some."""
    return tag("section", tag("h2", title), content) if content else Markup()


def day(seconds: float) -> str:
    """'2026-11-21 13:33 UTC'."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def introduction(each: Told) -> Markup:
    """What the run is, how it stands, what went wrong, and what people said of it."""
    state = tag("span", each.facts.standing, cls=f"state {STATE_STYLES.get(each.facts.standing, 'blue')}")
    tags, said = list(each.notes.tags), [each.notes.notes]
    if each.experiment:
        tags = [*each.experiment.tags, *tags]
        said = [each.experiment.description, each.experiment.notes, *said]
    began = "imported" if each.facts.imported else "started"
    quiet = [f"{began} {day(each.facts.started)}" if each.facts.started else "", ", ".join(tags)]
    name = tag("strong", each.run.id if each.alone else each.name)
    return tag(
        "div",
        tag("p", _key(each), name, " ", state, " ", tag("span", " · ".join(filter(None, quiet)), cls="quiet")),
        (tag("p", text, dir="auto", cls="said") for text in said if text.strip()),
        (tag("p", warning, cls="remark") for warning in each.facts.warnings),
        tag("p", each.facts.error, cls="remark error") if each.facts.error else "",
        cls="run",
    )


def _named(each: Told) -> Markup:
    return Markup() if each.alone else joined(_key(each), tag("strong", each.name), " ")


def _key(each: Told) -> Markup:
    """The run's colour and letter."""
    return Markup() if each.alone else joined(tag("span", cls=f"key c{each.place % COLOURS}"), f"{each.letter} ")


def _matrix(told: Sequence[Told], rows: _Rows) -> Markup:
    """A row a label, a column a run."""
    heads = [tag("th", _key(each), each.run.name, tag("br"), each.run.id, scope="col") for each in told]
    body = [tag("tr", tag("th", label, scope="row"), map(_cell, cells)) for label, cells in rows]
    head = "" if len(told) == 1 else tag("thead", tag("tr", tag("td"), heads))
    return tag("div", tag("table", head, tag("tbody", body)), cls="scroll", tabindex=0)


def _cell(text: str) -> Markup:
    best = text.startswith(f"{BEST} ")
    return tag("td", text or UNKNOWN, cls="best" if best else None)


def results(told: Sequence[Told], comparison: Comparison) -> Markup:
    """The figures of each run, the best ones marked, and what to know before comparing them."""
    columns = [column for column in result_columns(comparison, [each.letter for each in told])[2:] if any(column.cells)]
    remarks = joined(tag("p", remark, cls="remark") for remark in comparison.remarks)
    if len(told) > 1:
        best = tag("p", f"{BEST} the best of the runs", cls="quiet") if comparison.best else ""
        return section("Results", joined(_matrix(told, [(each.title, each.cells) for each in columns]), best, remarks))
    tiles = [
        tag("div", tag("dt", column.title), tag("dd", column.cells[0])) for column in columns if not column.is_state
    ]
    return joined(tag("dl", tiles, cls="tiles"), remarks)


def without_curves(each: Told) -> Markup:
    """Why a run has none."""
    if each.has_curves:
        return Markup()
    why = "Its weights were trained elsewhere, and imported." if each.facts.imported else "It has no step."
    return tag("p", _named(each), why, " There is nothing to draw.", cls="quiet")


def differences(told: Sequence[Told], comparison: Comparison) -> Markup:
    """The keys in which the runs differ."""
    rows = [(each.key, [shown_value(value) for value in each.values]) for each in comparison.differences]
    return section("What differs", _matrix(told, rows) if rows else Markup())


def stories(told: Sequence[Told]) -> Markup:
    """Those written along the way: of the last step at once, of earlier ones behind a click."""
    return section("Stories along the way", joined(_stories(each) for each in told if each.samples))


def _stories(each: Told) -> Markup:
    by_step: dict[int, list[Sample]] = {}
    for sample in each.samples:
        by_step.setdefault(sample.step, []).append(sample)
    *earlier, last = sorted(by_step)
    shown = evenly(earlier, _EARLIER)
    left_out = len(earlier) - len(shown)
    more = f"; those of {counted(left_out, 'other step')} are left out" if left_out else ""
    folded = tag(
        "details",
        tag("summary", f"Stories at {counted(len(shown), 'earlier step')}{more}"),
        (_at_step(step, by_step[step]) for step in shown),
    )
    return joined(
        tag("p", _named(each)) if not each.alone else "", _at_step(last, by_step[last]), folded if shown else ""
    )


def _at_step(step: int, samples: Sequence[Sample]) -> Markup:
    return joined(tag("h3", f"Step {count(step)}"), map(_story, samples))


def _story(sample: Sample) -> Markup:
    text = excerpt(sample.text, _STORY)
    prompt = sample.prompt if sample.prompt and text.startswith(sample.prompt) else ""
    return tag("div", tag("strong", prompt) if prompt else "", text[len(prompt) :].rstrip(), cls="story", dir="auto")


def evenly(items: Sequence[_Item], most: int) -> list[_Item]:
    """At most so many of the items, from all over them, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def evaluations(told: Sequence[Told]) -> Markup:
    """What the curves show, in numbers."""
    return section("Evaluations", joined(_evaluations(each) for each in told if each.status.evals))


_EVALUATION: tuple[tuple[str, Callable[[Eval], str]], ...] = (
    ("step", lambda found: count(found.step)),
    ("train loss", lambda found: decimal(found.train_loss)),
    ("val loss", lambda found: decimal(found.val_loss)),
    ("perplexity", lambda found: decimal(perplexity(found.val_loss), 2)),
    ("bits/byte", lambda found: decimal(found.bits_per_byte)),
)


def _evaluations(each: Told) -> Markup:
    found, best = each.status.evals, each.status.best
    chosen = {one.step for one in evenly(found, _EVALUATIONS)}
    shown = [one for one in found if one is best or one.step in chosen]
    more = f", {len(shown)} of them shown" if len(shown) < len(found) else ""
    head = tag("tr", (tag("th", title, scope="col") for title, _ in _EVALUATION))
    rows = [
        tag("tr", (tag("td", text(one), cls="number best" if one is best else "number") for _, text in _EVALUATION))
        for one in shown
    ]
    table = tag("div", tag("table", tag("thead", head), tag("tbody", rows)), cls="scroll", tabindex=0)
    return tag(
        "details", tag("summary", _key(each), f"{counted(len(found), 'evaluation')}{more}, the best in bold"), table
    )


def data_and_model(told: Sequence[Told]) -> Markup:
    """What was learned from, and how large the model is."""
    known = [each for each in told if each.details]
    if not known:
        return Markup()
    columns = [_data_and_model(each) for each in known]
    labels = dict.fromkeys(label for column in columns for label in column)
    return section(
        "Data and model", _matrix(known, [(label, [column.get(label, "") for column in columns]) for label in labels])
    )


def _data_and_model(each: Told) -> dict[str, str]:
    details, data = each.details, each.status.data
    assert details is not None
    prepared = {
        "vocabulary": count(data.vocab_size) if data else "",
        "training tokens": count(data.train_tokens) if data else "",
        "validation tokens": count(data.val_tokens) if data else "",
    }
    known = {"dataset": details.dataset, "tokenizer": details.tokenizer, **prepared, **dict(numbers(details))}
    return {label: known[label] for label in ("tokenizer", "parameters")} if each.facts.imported else known


def configurations(told: Sequence[Told], differing: Collection[str]) -> Markup:
    """The keys of each run's experiment, as it was started; those in which the runs differ stand out."""
    return section("Configuration", joined(_configuration(each, differing) for each in told))


def _configuration(each: Told, differing: Collection[str]) -> Markup:
    if each.experiment is None:
        return tag("p", _named(each), "The run's experiment.toml cannot be read.")
    tables: dict[str, list[Markup]] = {}
    for name, value in settings(each.experiment).items():
        table, _, key = name.partition(".")
        if each.facts.imported and table in ("data", "train"):  # what training would be, and not what it was
            continue
        line = joined(tag("span", f"{key} = "), toml_value(value))
        tables.setdefault(table, []).append(tag("div", tag("strong", line) if name in differing else line))
    grid = tag("div", (tag("div", tag("h3", f"[{table}]"), lines) for table, lines in tables.items()), cls="config")
    return grid if each.alone else tag("details", tag("summary", _key(each), each.name), grid)


def machines(told: Sequence[Told]) -> Markup:
    """Where the runs were made, and with which versions."""
    known = [each for each in told if each.info]
    columns = [_machine(each) for each in known]
    labels = dict.fromkeys(label for column in columns for label in column)
    rows = [(label, [column.get(label, "") for column in columns]) for label in labels]
    return section("Machine and versions", _matrix(known, rows) if rows else Markup())


def _machine(each: Told) -> dict[str, str]:
    info = each.info
    assert info is not None
    facts = {"host": info.host, "device": info.device, "seed": str(info.seed), "git commit": info.git_commit or ""}
    return {key: value for key, value in facts.items() if value} | info.versions
