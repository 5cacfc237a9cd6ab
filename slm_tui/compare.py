"""Runs side by side: their results, which of these may be compared, and the keys in which the runs differ (pure but
for reading the runs).

    slm-tui compare RUN…
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from engine.contract.experiment import Data, Experiment
from engine.runs.run import Run
from slm_tui.details import TABLES, flat_keys, toml_value
from slm_tui.facts import RunFacts, experiment_of, run_facts, saved_tokenizer
from slm_tui.formats import UNKNOWN, count, decimal, duration, one_line, printable, quantity
from slm_tui.tables import Column

BEST = "*"  # before the best of a figure
_LOSSES = ("val_loss", "perplexity")
_WINDOWS = ("train.batch_size", "train.eval_batches", "train.seed", "model.block_size")
_CELL = 40  # characters of a key's value in a table


class Difference(msgspec.Struct):
    """A key in which the runs differ."""

    key: str  # train.learning_rate
    values: list[Any]  # one a run; None where the run has none, or its experiment cannot be read


class Comparison(msgspec.Struct):
    """Runs side by side."""

    runs: list[RunFacts]
    best: dict[str, list[str]]  # the runs with the best val_loss, perplexity, …, where runs compare in that
    differences: list[Difference]
    remarks: list[str]  # what a person should know before comparing


@dataclass(frozen=True)
class _Read:
    """A run, with what its validation figures rest on."""

    facts: RunFacts
    experiment: Experiment | None
    data: str | None  # the hash of its prepared data: of their texts, their split and their tokenizer
    tokenizer: str | None  # a hash of the one that it was trained with, where that is still there

    @property
    def keys(self) -> dict[str, Any]:
        return settings(self.experiment) if self.experiment else {}


def compare(runs: Sequence[Run]) -> Comparison:
    """`runs` side by side, each once. One that is deleted meanwhile is left out."""
    read = [each for run in dict.fromkeys(runs) if (each := _read(run)) is not None]
    differing = differences([each.experiment for each in read])
    incomparable, remarks = _judged([each for each in read if each.facts.best])
    unread = [each.facts.run for each in read if each.experiment is None]
    if unread:
        remarks.append(f"The experiment.toml of {', '.join(unread)} cannot be read: its keys are unknown.")
    elif len(read) > 1 and not differing:
        remarks.append("The runs differ in no key.")
    facts = [each.facts for each in read]
    best = {key: _best(facts, key) for key, figure in FIGURES.items() if figure.better and key not in incomparable}
    return Comparison(facts, {key: runs for key, runs in best.items() if runs}, differing, remarks)


def _read(run: Run) -> _Read | None:
    try:
        status = run.status()
        directory = Path(status.data.directory).name if status.data else None
        hashed = directory.rpartition("-")[2] if directory else None
        folder = saved_tokenizer(run, status)
        read = _Read(run_facts(run, status), experiment_of(run), hashed, _digest(folder) if folder else None)
        return read if run.path.is_dir() else None
    except OSError:  # deleted meanwhile, or not for us to read
        return None


def _digest(folder: Path) -> str:
    """A hash of the files in `folder`, which are the same wherever the same tokenizer was saved."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return blake2b(b"".join(path.name.encode() + path.read_bytes() for path in files), digest_size=16).hexdigest()


def settings(experiment: Experiment) -> dict[str, Any]:
    """Every key that has a value, by its name from the top, defaults too: {"train.learning_rate": 0.001, …}."""
    tables = msgspec.to_builtins(experiment)
    return flat_keys({table: tables[table] for table in TABLES})


def differences(experiments: Sequence[Experiment | None]) -> list[Difference]:
    """The keys in which those of the experiments that are known differ, in the order of the tables."""
    known = [settings(experiment) if experiment else None for experiment in experiments]
    order = {table: place for place, table in enumerate(TABLES)}
    keys = sorted(  # stable: within a table, the schema's order
        dict.fromkeys(key for each in known if each is not None for key in each),
        key=lambda key: order[key.partition(".")[0]],
    )
    return [
        Difference(key, [each.get(key) if each is not None else None for each in known])
        for key in keys
        if _differ(each.get(key) for each in known if each is not None)
    ]


def _differ(values: Iterable[Any]) -> bool:
    first, *others = values
    return any(other != first for other in others)


# what compares


def _judged(read: Sequence[_Read]) -> tuple[set[str], list[str]]:
    """The figures in which these evaluated runs do not compare, and why."""
    hashes = {each.data for each in read}
    if len(read) < 2:
        return set(), []
    if len(hashes) == 1 and None not in hashes:  # the same texts, cut into the same tokens
        return set(), _windows_remark(read)
    experiments = [each.experiment for each in read if each.experiment]
    if len(experiments) < len(read):
        return {*_LOSSES, "bits_per_byte"}, ["Whether loss, perplexity and bits per byte compare is not known."]
    if _differ(_validation(experiment.data) for experiment in experiments):
        why = "The validation data differ"
    elif _has_changed(read):
        why = "The data have changed between the runs"
    elif _tokenizers_differ(read):
        said = "The tokenizers differ: loss and perplexity do not compare, bits per byte do."
        return {*_LOSSES}, [said, *_windows_remark(read)]
    else:
        return set(), _windows_remark(read)
    return {*_LOSSES, "bits_per_byte"}, [f"{why}: loss, perplexity and bits per byte do not compare."]


def _validation(data: Data) -> Data:
    """`data` without the keys that shape the training split only."""
    if data.source == "hub" and data.val_split:
        return msgspec.structs.replace(data, train_split="train", val_fraction=0.1, split_seed=0)
    return data


def _tokenizers_differ(read: Sequence[_Read]) -> bool:
    """By the tokenizers themselves, or else by what they are made of: one that is trained, by its data too."""
    if all(each.tokenizer for each in read):
        return _differ(each.tokenizer for each in read)
    named = [(_named_tokenizer(each), each.experiment) for each in read if each.experiment]
    return _differ((name, of.data if of.tokenizer.kind == "byte_bpe" else None) for name, of in named)


def _named_tokenizer(each: _Read) -> Any:
    """What the keys say of the tokenizer; the weights that a training starts from bring theirs along."""
    assert each.experiment is not None
    start = each.experiment.train.init_from
    return (start, each.tokenizer) if start else each.experiment.tokenizer


def _has_changed(read: Sequence[_Read]) -> bool:
    """Whether the same keys came out as different data: a file was edited, or a program's corpus."""
    found: dict[Any, set[str]] = {}
    for each in read:
        if each.experiment and each.data:
            found.setdefault((each.experiment.data, _named_tokenizer(each)), set()).add(each.data)
    return any(len(hashes) > 1 for hashes in found.values())


def _windows_remark(read: Sequence[_Read]) -> list[str]:
    known = [each.keys for each in read if each.experiment]
    keys = [key for key in _WINDOWS if known and _differ(each[key] for each in known)]
    if not keys:
        return []
    return [
        f"They are evaluated on different parts of the validation data ({', '.join(keys)}): small differences say "
        "little. slm-tui evaluate RUN reads all of it."
    ]


def _best(runs: Sequence[RunFacts], key: str) -> list[str]:
    """The runs with the best value; none where there is nothing to choose between."""
    figure = FIGURES[key]
    known = [(value, run.run) for run in runs if (value := figure.value(run)) is not None and math.isfinite(value)]
    if not known or not figure.better or not _differ(value for value, _ in known):
        return []
    best = figure.better(value for value, _ in known)
    return [run for value, run in known if value == best]


# how it is shown


@dataclass(frozen=True)
class _Figure:
    """One thing to say of each run; with the highest `spare`, it is the first to go where there is little room."""

    title: str
    value: Callable[[RunFacts], Any]
    text: Callable[[Any], str]
    spare: int
    better: Callable[[Iterable[Any]], Any] | None = None  # min or max


FIGURES = {
    "state": _Figure("state", lambda run: run.standing, str, 3),
    "val_loss": _Figure("val loss", lambda run: run.best and run.best.val_loss, decimal, 2, min),
    "perplexity": _Figure(
        "perplexity", lambda run: run.best and run.best.perplexity, lambda value: decimal(value, 2), 1, min
    ),
    "bits_per_byte": _Figure("bits/byte", lambda run: run.best and run.best.bits_per_byte, decimal, 0, min),
    "best_step": _Figure("best at step", lambda run: run.best and run.best.step, count, 7),
    "tokens": _Figure("tokens", lambda run: None if run.imported else run.tokens, quantity, 6),
    "tokens_per_second": _Figure("tokens/s", lambda run: run.tokens_per_second, quantity, 4, max),
    "seconds": _Figure("time", lambda run: None if run.imported else run.seconds, duration, 5),
    "parameters": _Figure("params", lambda run: run.parameters, quantity, 8),
    "device": _Figure("device", lambda run: run.device, one_line, 9),
}


def short_names(runs: Sequence[RunFacts]) -> list[str]:
    """NAME/7f3a of each run, which is a reference to it too; all of its id where that is not enough."""
    short = ["{}/{}".format(*_ends(run.run)) for run in runs]
    return [name if short.count(name) == 1 else run.run for name, run in zip(short, runs, strict=True)]


def _ends(run: str) -> tuple[str, str]:
    name, _, run_id = run.partition("/")
    return name, run_id[-4:]


def result_columns(comparison: Comparison, letters: Sequence[str]) -> list[Column]:
    """A row a run: its letter, its name, its figures, the best ones marked; "" is unknown."""
    runs = comparison.runs
    return [
        Column("", letters),
        Column("run", short_names(runs)),
        *(_figure_column(comparison, key, figure) for key, figure in FIGURES.items()),
    ]


def _figure_column(comparison: Comparison, key: str, figure: _Figure) -> Column:
    values = [figure.value(run) for run in comparison.runs]
    best = [run.run in comparison.best.get(key, ()) for run in comparison.runs]
    cells = [
        "" if value is None else f"{BEST} {figure.text(value)}" if is_best else figure.text(value)
        for value, is_best in zip(values, best, strict=True)
    ]
    is_text = key in ("state", "device")
    return Column(
        figure.title, cells, figure.spare, not is_text, is_state=key == "state", values=None if is_text else values
    )


def difference_columns(comparison: Comparison, letters: Sequence[str]) -> list[Column]:
    """A row a key: its name, then its value in each run as TOML, long ones cut."""
    runs = range(len(comparison.runs))
    columns = [
        Column(letters[run], [_cut(shown_value(each.values[run])) for each in comparison.differences]) for run in runs
    ]
    return [Column("key", [each.key for each in comparison.differences]), *columns]


def shown_value(value: Any) -> str:
    """A key's value as TOML, on one line."""
    return UNKNOWN if value is None else toml_value(value)


def _cut(text: str) -> str:
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"


def csv_rows(comparison: Comparison) -> list[list[Any]]:
    """A row a run, under a row of names: its figures in full, then the keys in which it differs; "" is unknown."""
    head = ["run", *FIGURES, *(each.key for each in comparison.differences)]
    rows = []
    for place, run in enumerate(comparison.runs):
        keys = [each.values[place] for each in comparison.differences]
        rows.append([run.run, *(figure.value(run) for figure in FIGURES.values()), *map(_bare, keys)])
    return [head, *rows]


def _bare(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else None if value is None else toml_value(value)
