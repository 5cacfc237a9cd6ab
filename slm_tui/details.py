"""`show`: one experiment or run in full: every key with its value, and what follows from them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from engine.contract import shape
from engine.contract.experiment import Experiment
from engine.contract.loading import ExperimentError, unused_keys
from engine.runs.run import Run, RunStatus
from engine.runs.workspace import Workspace
from slm_tui.facts import RunFacts, dataset, parameters, run_facts, tokenizer
from slm_tui.formats import age, count, decimal, duration, printable, quantity, size

if TYPE_CHECKING:
    from rich.console import Console

TABLES = ("data", "tokenizer", "model", "train", "hardware", "sampling")


class Details(msgspec.Struct):
    """An experiment, or the one of a run, and what it means in numbers."""

    name: str
    description: str
    parameters: int
    tokens_per_step: int
    tokens: int  # in all steps
    evaluations: int
    training_memory_bytes: int  # estimate
    dataset: str
    tokenizer: str
    passes: float | None  # over the training split; None until a run has prepared it
    experiment: dict[str, Any]  # every key, defaults too
    run: RunFacts | None  # the run, or the experiment's newest one


def experiment_details(workspace: Workspace, name: str, overrides: Sequence[str]) -> Details:
    """The experiment `name`, with its newest run.

    Raises:
        UserError: there is none, or its file or an override is wrong.
    """
    from slm_tui.launcher import plan

    experiment = plan(workspace, name, overrides).experiment
    newest = next(iter(workspace.list_runs(name)), None)
    return _details(name, experiment, newest)


def run_details(run: Run) -> Details:
    """A run, with the experiment as it was started."""
    return _details(run.name, run.experiment(), run)


def _details(name: str, experiment: Experiment, run: Run | None) -> Details:
    status = run.status() if run else None
    prepared = status if run and _is_of_same_data(run, experiment) else None
    return details_of(name, experiment, prepared, run_facts(run, status) if run else None)


def _is_of_same_data(run: Run, experiment: Experiment) -> bool:
    try:
        return same_data(run.experiment(), experiment)
    except ExperimentError:
        return False


def details_of(
    name: str, experiment: Experiment, prepared: RunStatus | None = None, run: RunFacts | None = None
) -> Details:
    """What `experiment` means; `prepared` is of a run that had the same data, `run` is the one to tell of."""
    model, train = experiment.model, experiment.train
    data = prepared.data if prepared else None
    tokens = shape.tokens_per_step(model, train) * train.max_steps
    return Details(
        name=name,
        description=experiment.description,
        parameters=parameters(experiment, prepared),
        tokens_per_step=shape.tokens_per_step(model, train),
        tokens=tokens,
        evaluations=-(-train.max_steps // train.eval_interval),
        training_memory_bytes=shape.training_memory(experiment),
        dataset=dataset(experiment.data),
        tokenizer=(prepared and run and run.tokenizer) or tokenizer(experiment),
        passes=tokens / data.train_tokens if data else None,
        experiment=msgspec.to_builtins(experiment),
        run=run,
    )


def same_data(one: Experiment, other: Experiment) -> bool:
    """Whether what the data of `one` came out as holds for `other` too."""
    return (one.data, one.tokenizer, one.train.init_from) == (other.data, other.tokenizer, other.train.init_from)


def print_details(console: Console, details: Details) -> None:
    """The keys that mean something, as a TOML file would have them, then the numbers."""
    from rich.text import Text

    console.print(Text(details.name, "bold"))
    if details.description:
        console.print(details.description, markup=False)
    experiment = msgspec.convert(details.experiment, Experiment)
    for table in TABLES:
        console.print(Text(f"\n[{table}]", "cyan"))
        unused = unused_keys(getattr(experiment, table))
        for key, value in flat_keys(details.experiment[table]).items():
            if key not in unused:
                console.print(Text.assemble((f"{key} = ", "dim"), toml_value(value)), soft_wrap=True)
    console.print()
    for label, text in numbers(details) + (_run_lines(details.run) if details.run else []):
        console.print(Text.assemble((f"{label:<18}", "dim"), text))


def flat_keys(table: Mapping[str, Any]) -> dict[str, Any]:
    """Every key that has a value, those of inner tables dotted: {"translate.model": …}."""
    keys: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            keys |= {f"{key}.{inner}": entry for inner, entry in flat_keys(value).items()}
        elif value is not None:
            keys[key] = value
    return keys


def toml_value(value: Any) -> str:
    """A key's value as a TOML file would have it, safe to print."""
    return printable(msgspec.json.encode(value).decode())  # the same as TOML for every type that a key may have


def numbers(details: Details) -> list[tuple[str, str]]:
    """What an experiment means, as labels and figures."""
    passes = f", {details.passes:.3g} passes over the data" if details.passes else ""
    return [
        ("parameters", f"{count(details.parameters)} ({quantity(details.parameters)})"),
        ("tokens a step", count(details.tokens_per_step)),
        ("tokens in all", f"{count(details.tokens)}{passes}"),
        ("evaluations", count(details.evaluations)),
        ("training memory", f"about {size(details.training_memory_bytes)} in fp32"),
    ]


def _run_lines(run: RunFacts) -> list[tuple[str, str]]:
    when = f", {age(time.time() - run.updated)} ago" if run.updated and run.state != "training" else ""
    lines = [
        ("run", run.run),
        ("state", f"{run.standing}{when.replace(', now ago', ', just now')}"),
    ]
    if not run.imported:
        lines.append(("steps", f"{count(run.step)} of {count(run.max_steps)}, {count(run.tokens)} tokens"))
        lines.append(("time", f"{duration(run.seconds)}{_pace(run)}"))
    if run.best:
        figures = f"perplexity {decimal(run.best.perplexity, 2)}, bits per byte {decimal(run.best.bits_per_byte)}"
        lines.append(("best", f"validation loss {decimal(run.best.val_loss)} at step {count(run.best.step)}"))
        lines.append(("", figures))
    lines += [("warning", warning) for warning in run.warnings]
    return [*lines, ("error", run.error)] if run.error else lines


def _pace(run: RunFacts) -> str:
    rate = f", {count(round(run.tokens_per_second))} tokens/s" if run.tokens_per_second else ""
    return f"{rate} on {run.device}" if run.device else rate
