"""The notebooks and tutorials that this program takes over from: the figures that they published, beside our runs'.

    slm-tui compare --reference [RUN…]

Figures stand here as they were published. Where one does not mean what it seems to, `note` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from engine.contract.experiment import Experiment
from engine.contract.loading import load_experiment
from engine.runs.run import Run, RunStatus
from engine.runs.workspace import Workspace
from slm_tui.compare import differences
from slm_tui.facts import experiment_of, run_facts
from slm_tui.formats import UNKNOWN, count, decimal, quantity
from slm_tui.shipped import shipped_experiments
from slm_tui.tables import Column, print_columns

if TYPE_CHECKING:
    from rich.console import Console

Compares = Literal["yes", "with care", "no", "no figure"]

_TINYSTORIES = "2,119,719 / 21,990"
_ARASTORIES = "2,696 / 300"
_SHAPE = ("model.n_layer", "model.n_head", "model.n_embd", "model.block_size")

GENERAL = (
    "The reference put no end-of-text token between stories, and gave no bits per byte: its loss and perplexity are of "
    "nearly, not exactly, the same tokens.",
    "Its perplexities compare only where the tokenizer is the same; across tokenizers, only bits per byte do.",
)


class Reference(msgspec.Struct, frozen=True):
    """What was published of one system; None is what it does not say."""

    source: str  # its public name
    compares: Compares
    note: str  # why its figure does or does not compare
    url: str | None = None
    split: str | None = None  # stories to train on / to validate on
    parameters: float | None = None
    tokens: float | None = None  # seen in training
    val_loss: float | None = None
    perplexity: float | None = None
    bits_per_byte: float | None = None


class Ours(msgspec.Struct, frozen=True):
    """The run that stands beside a reference, at its best evaluation; None is unknown."""

    run: str
    split: str | None
    parameters: int | None
    tokens: int | None
    val_loss: float | None
    perplexity: float | None
    bits_per_byte: float | None
    changed: list[str]  # keys of the data, the tokenizer and the model's shape that are not the shipped experiment's


class Row(msgspec.Struct, frozen=True):
    """An experiment: the reference, and our best run of it."""

    experiment: str
    reference: Reference
    ours: Ours
    compares: Compares
    note: str


class ReferenceTable(msgspec.Struct, frozen=True):
    """Our runs beside the reference's figures."""

    rows: list[Row]
    remarks: list[str]


_NOTEBOOKS = "https://github.com/engomarwasfy/Building-a-Small-Language-Model-SLM-"
_DIVERGED = (
    "It diverged: its minimum learning rate, 5e-4, lay above its learning rate, 1e-4, and its 10,000 iterations were "
    "312 optimizer steps."
)
_HARDLY_TRAINED = (
    "Batches of one window at a rate of 2.5e-5, with a loss divided by 32 but stepped every time; its tokenizer was "
    "trained on the validation stories, too."
)

REFERENCES = {
    "tinystories_baseline": Reference(
        "TinyStoriesSLM.ipynb",
        "with care",
        _DIVERGED,
        url=_NOTEBOOKS,
        split=_TINYSTORIES,
        parameters=30.0e6,
        val_loss=5.8987,
        perplexity=364.57,
    ),
    "tinystories_small": Reference(
        "Small_Language_Model_Building.ipynb", "no figure", "It published none.", url=_NOTEBOOKS, parameters=16e6
    ),
    "tinystories_512": Reference(
        "GPT-TinyStories-512",
        "yes",
        "After 40,000 steps of 32 x 32 windows.",
        url="https://huggingface.co/usamaasif-ua/GPT-TinyStories-512",
        split=_TINYSTORIES,
        parameters=51e6,
        tokens=40_000 * 32 * 32 * 256,
        val_loss=1.57,
        perplexity=4.81,
    ),
    "tinystories_tutorial": Reference(
        "Build a Small Language Model (SLM) From Scratch, a tutorial of 2025",
        "no figure",
        "It published none.",
        split=_TINYSTORIES,
        parameters=30.0e6,
    ),
    "arastories_baseline": Reference(
        "arastories_model_tinystories_specs.ipynb",
        "with care",
        f"An untrained model's figure. {_HARDLY_TRAINED}",
        url=_NOTEBOOKS,
        split=_ARASTORIES,
        parameters=23.0e6,
        tokens=3e6,
        val_loss=6.5233,
        perplexity=680.85,
    ),
    "arastories_enhanced": Reference(
        "arastories_model_tinystories_specs_enhanced.ipynb",
        "with care",
        _HARDLY_TRAINED,
        url=_NOTEBOOKS,
        split=_ARASTORIES,
        parameters=335.4e6,
        val_loss=5.3753,
        perplexity=216.01,
    ),
    "arabic_corpus": Reference(
        "arbmlArabicStoriesCorpusSLM.ipynb",
        "no",
        "Its document says 539 / 60 stories and 12/12/768/256; the run itself had 52 / 6 stories and 8/8/512/192.",
        url=_NOTEBOOKS,
        split="52 / 6",
        val_loss=6.5606,
        perplexity=706.71,
    ),
    "tinystories_translated": Reference(
        "ArabicTranslatedPortionTinyStories.ipynb",
        "no",
        "Its attention had no causal mask: every token saw its successor, so that the figure is a leak, not a result.",
        url=_NOTEBOOKS,
        val_loss=0.1005,
        perplexity=1.11,
    ),
    "tinystories_arabic_inference": Reference(
        "TinyStoriesSLM_ArabicTranslationAfterEnglishGeneration.ipynb",
        "with care",
        f"The model is that of tinystories_baseline. {_DIVERGED}",
        url=_NOTEBOOKS,
        split=_TINYSTORIES,
        parameters=30.0e6,
        val_loss=5.8987,
        perplexity=364.57,
    ),
    "shortstories": Reference(
        "ShortStories_SLM, a web page",
        "no figure",
        "It published none, after 20,000 iterations.",
        url="https://huggingface.co/spaces/GPavanKumar/ShortStories_SLM",
    ),
}


def reference_table(workspace: Workspace, runs: Sequence[Run] | None = None) -> ReferenceTable:
    """Every shipped experiment with a run here, in the order of `REFERENCES`; of `runs` only, where some are given.

    Of several runs of an experiment, the one with the lowest validation loss stands for it; of those that keep the
    shipped experiment's data, tokenizer and shape, if there are such.
    """
    shipped = {file.stem: file for file in shipped_experiments()}
    found: dict[str, list[Run]] = {}
    for run in workspace.list_runs() if runs is None else dict.fromkeys(runs):
        found.setdefault(run.name, []).append(run)
    rows = []
    for name, reference in REFERENCES.items():
        runs_of_it = found.get(name, ()) if name in shipped else ()
        tried = [ours for run in runs_of_it if (ours := _ours(run, shipped[name])) is not None]
        if tried:
            best = min(tried, key=lambda ours: (ours.val_loss is None, bool(ours.changed), ours.val_loss or 0.0))
            rows.append(_row(name, reference, best))
    waiting = [name for name in shipped if name in REFERENCES and name not in found] if runs is None else []
    return ReferenceTable(rows, _remarks(rows, found, waiting))


class _Split(msgspec.Struct):
    stories: int


class _Manifest(msgspec.Struct):
    """Of what stands in a prepared data set's manifest.json."""

    train: _Split
    val: _Split


def _ours(run: Run, shipped: Path) -> Ours | None:
    """None where the run was deleted meanwhile, or cannot be read."""
    try:
        status = run.status()
        facts = run_facts(run, status)
    except OSError:
        return None
    evaluation, best = status.best, facts.best
    return Ours(
        str(run),
        _split(run, status),
        facts.parameters,
        (evaluation.tokens if evaluation else 0) or facts.tokens or None,
        best.val_loss if best else None,
        best.perplexity if best else None,
        best.bits_per_byte if best else None,
        _changed(experiment_of(run), shipped),
    )


def _split(run: Run, status: RunStatus) -> str | None:
    """Stories to train on / to validate on; None where the data are not here any more."""
    if status.data is None:
        return None
    directory = run.workspace_folder / status.data.directory  # as it is, where it is absolute
    try:
        manifest = msgspec.json.decode((directory / "manifest.json").read_bytes(), type=_Manifest)
    except (OSError, msgspec.DecodeError):
        return None
    return f"{count(manifest.train.stories)} / {count(manifest.val.stories)}"


def _changed(experiment: Experiment | None, shipped: Path) -> list[str]:
    """The keys that make a run another experiment than the shipped one of its name."""
    if experiment is None:
        return []
    keys = [each.key for each in differences([load_experiment(shipped), experiment])]
    return [key for key in keys if key.startswith(("data.", "tokenizer.")) or key in _SHAPE]


def _row(name: str, reference: Reference, ours: Ours) -> Row:
    compares, note = reference.compares, reference.note
    if ours.val_loss is None:
        note = f"{note} Ours has not been evaluated yet."
    if ours.changed:
        note = f"{note} Ours is another experiment: it differs in {', '.join(ours.changed)}."
        compares = "no" if compares in ("yes", "with care") else compares
    return Row(name, reference, ours, compares, note)


def _remarks(rows: Sequence[Row], found: Iterable[str], waiting: Sequence[str]) -> list[str]:
    remarks = list(GENERAL) if any(row.reference.val_loss is not None for row in rows) else []
    own = sorted(name for name in found if name not in REFERENCES)
    if own:
        remarks.append(f"Not of the reference: {', '.join(own)}.")
    if waiting:
        remarks.append(f"No run here yet: {', '.join(waiting)}.")
    return remarks


# how it is shown


def reference_columns(table: ReferenceTable) -> list[Column]:
    """Two rows an experiment, the reference's and ours; UNKNOWN is what nobody has said."""
    sides = [side for row in table.rows for side in (row.reference, row.ours)]
    heads = [text for row in table.rows for text in (row.experiment, "")]
    whose = [text for row in table.rows for text in ("reference", f"ours, {row.ours.run[-4:]}")]
    verdicts = [text for row in table.rows for text in (row.compares, "")]
    return [
        Column("experiment", heads),
        Column("of", whose),
        _figures("stories", [side.split for side in sides], str, 5),
        _figures("params", [side.parameters for side in sides], quantity, 3),
        _figures("tokens", [side.tokens for side in sides], quantity, 4),
        _figures("val loss", [side.val_loss for side in sides], lambda value: decimal(value, 4), 1),
        _figures("perplexity", [side.perplexity for side in sides], lambda value: decimal(value, 2), 0),
        _figures("bits/byte", [side.bits_per_byte for side in sides], decimal, 2),
        Column("compares", verdicts, 0),
    ]


def _figures(title: str, values: Sequence[Any], text: Callable[[Any], str], spare: int) -> Column:
    cells = [UNKNOWN if value is None else text(value) for value in values]
    return Column(title, cells, spare, right=True, values=values)


def reference_notes(table: ReferenceTable) -> list[str]:
    """Below the table: of each experiment, what its reference is and what to know of its figure; then of all."""
    told = [f"{row.experiment}: {_where(row.reference)}. {row.note}" for row in table.rows]
    return [*told, *table.remarks]


def _where(reference: Reference) -> str:
    return f"{reference.source} ({reference.url})" if reference.url else reference.source


_SIDE = ("split", "parameters", "tokens", "val_loss", "perplexity", "bits_per_byte")


def reference_rows(table: ReferenceTable) -> list[list[Any]]:
    """For CSV: a row an experiment, under a row of names; figures in full, "" is unknown."""
    head = ["experiment", "run", *(f"{whose}_{key}" for key in _SIDE for whose in ("reference", "our"))]
    rows: list[list[Any]] = []
    for row in table.rows:
        figures = [getattr(side, key) for key in _SIDE for side in (row.reference, row.ours)]
        rows.append([row.experiment, row.ours.run, *figures, row.compares, row.note])
    return [[*head, "compares", "note"], *rows]


def print_reference(console: Console, table: ReferenceTable) -> None:
    """The table, fitted to the terminal, and its notes."""
    from rich.text import Text

    if table.rows:
        print_columns(console, reference_columns(table))
        console.print()
    for note in reference_notes(table):
        console.print(Text(note), soft_wrap=not console.is_terminal)
