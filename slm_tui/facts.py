"""What there is to say of a run or an experiment, as plain values: the commands' `--json`, and what tables draw from.

Nothing here is stored: it is all derived from the run's events, its lock and the experiment file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from engine.contract import shape
from engine.contract.events import Eval, Step
from engine.contract.experiment import HUB_PREFIX, Data, Experiment
from engine.contract.loading import ExperimentError, Problem, check_experiment, read_text
from engine.runs.event_search import last_events
from engine.runs.run import Run, RunStatus, State
from engine.runs.workspace import Workspace
from slm_tui.formats import perplexity, shown_path

_LONE_FILES = (".pt", ".pth", ".bin", ".safetensors")  # weights by themselves, for which the file's tokenizer is used


class _TokenizerConfig(msgspec.Struct):
    """Of a saved tokenizer, what is told of it."""

    kind: str


class Best(msgspec.Struct):
    """The evaluation with the lowest validation loss."""

    run: str
    step: int
    val_loss: float
    perplexity: float
    bits_per_byte: float


class RunFacts(msgspec.Struct):
    """A run, as `runs`, `show` and the end of `run` tell it; None is unknown."""

    run: str  # NAME/ID
    path: str
    state: State
    step: int
    max_steps: int | None
    tokens: int
    best: Best | None
    seconds: float
    tokens_per_second: float | None
    parameters: int | None
    device: str | None
    host: str | None
    started: float | None  # unix seconds
    updated: float | None
    warnings: list[str]
    error: str | None
    imported: bool = False  # made of weights from elsewhere, and not trained here
    dataset: str | None = None
    tokenizer: str | None = None  # that it was trained with

    @property
    def standing(self) -> str:
        """The state in a word, as a person is told it."""
        return "imported" if self.imported else self.state


class ExperimentFacts(msgspec.Struct):
    """An experiment file and what its runs reached; `parameters` to `max_steps` are None in a broken file.

    `parameters`, `dataset` and `tokenizer` are those of the run whose loss is the best, as overrides may have given it
    others than the file has; where no run has one, they are the file's.
    """

    name: str
    file: str
    problems: list[Problem]
    description: str = ""
    tags: list[str] = []
    parameters: int | None = None
    dataset: str | None = None
    tokenizer: str | None = None
    tokens_per_step: int | None = None
    max_steps: int | None = None
    runs: int = 0
    newest: RunFacts | None = None
    best: Best | None = None  # over all its runs


def best_of(run: Run, evaluation: Eval | None) -> Best | None:
    """`evaluation` of `run`, with its perplexity."""
    if evaluation is None:
        return None
    loss = evaluation.val_loss
    return Best(str(run), evaluation.step, loss, perplexity(loss), evaluation.bits_per_byte)


def run_facts(run: Run, status: RunStatus | None = None) -> RunFacts:
    """The facts of `run`; `status` is what its events were already read into."""
    status = status or run.status()
    experiment = experiment_of(run)
    info = run.info()
    last = status.last_step
    return RunFacts(
        run=str(run),
        path=str(run.path),
        state=run.state(status),
        step=status.step,
        max_steps=experiment.train.max_steps if experiment else None,
        tokens=last.tokens if last else 0,
        best=best_of(run, status.best),
        seconds=round(status.seconds, 3),
        tokens_per_second=_recent_rate(run),
        parameters=parameters(experiment, status) if experiment else None,
        device=info.device if info else None,
        host=status.host,
        started=status.started,
        updated=status.updated,
        warnings=list(dict.fromkeys(status.warnings)),
        error=status.error,
        imported=status.imported,
        dataset=dataset(experiment.data) if experiment else None,
        tokenizer=_tokenizer_of(run, experiment, status) if experiment else None,
    )


def parameters(experiment: Experiment, status: RunStatus | None = None) -> int:
    """The model's size; with the vocabulary that the data came out with, where a run has prepared it.

    Until then it is the file's, which another one displaces where training starts from weights that bring theirs along.
    """
    prepared = status.data if status else None
    entries = prepared.vocab_size if prepared else shape.vocab_size(experiment.tokenizer)
    return shape.parameter_count(experiment.model, entries)


def experiment_facts(workspace: Workspace) -> list[ExperimentFacts]:
    """Every experiment of the workspace, by name."""
    runs: dict[str, list[Run]] = {}
    for run in workspace.list_runs():  # newest first
        runs.setdefault(run.name, []).append(run)
    return [
        with_runs(file_facts(file), [run_facts(run) for run in runs.get(file.stem, [])])
        for file in workspace.experiment_files()
    ]


def file_facts(path: Path) -> ExperimentFacts:
    """What an experiment file says, or what is wrong with it; nothing of its runs."""
    facts = ExperimentFacts(path.stem, str(path), [])
    try:
        experiment, facts.problems = check_experiment(read_text(path), shown_path(path))
    except ExperimentError as error:
        experiment, facts.problems = None, list(error.problems)
    if experiment:
        facts.description, facts.tags = experiment.description, list(experiment.tags)
        facts.parameters = parameters(experiment)
        facts.dataset, facts.tokenizer = dataset(experiment.data), tokenizer(experiment)
        facts.tokens_per_step = shape.tokens_per_step(experiment.model, experiment.train)
        facts.max_steps = experiment.train.max_steps
    return facts


def with_runs(facts: ExperimentFacts, runs: Sequence[RunFacts]) -> ExperimentFacts:
    """`facts` of a file, with those of its runs, newest first."""
    evaluated = [(run.best.val_loss, run) for run in runs if run.best]
    newest = runs[0] if runs else None
    if not evaluated:
        return msgspec.structs.replace(facts, runs=len(runs), newest=newest)
    best = min(evaluated, key=lambda each: each[0])[1]
    return msgspec.structs.replace(
        facts,
        runs=len(runs),
        newest=newest,
        best=best.best,
        parameters=best.parameters or facts.parameters,
        dataset=best.dataset or facts.dataset,
        tokenizer=best.tokenizer or facts.tokenizer,
    )


def dataset(data: Data) -> str:
    """The data in a word or two."""
    name = {"builtin": f"built-in {data.language}", "hub": data.dataset or "hub", "files": _files(data)}[data.source]
    return f"{name}, translated" if data.translate else name


def _files(data: Data) -> str:
    names = [file.rstrip("/").rsplit("/", 1)[-1] for file in data.files]
    return f"{names[0]} +{len(names) - 1}" if len(names) > 1 else "".join(names)


def tokenizer(experiment: Experiment) -> str:
    """The tokenizer in a word or two, as the file has it; what a training starts from brings its own along."""
    start, kind = experiment.train.init_from, experiment.tokenizer.kind
    if start and not start.endswith(_LONE_FILES):
        return f"that of {start.removeprefix(HUB_PREFIX).rstrip('/').rsplit('/', 1)[-1]}"
    if kind == "huggingface":
        return experiment.tokenizer.name or kind
    return f"{kind} {shape.vocab_size(experiment.tokenizer):,}"


def _tokenizer_of(run: Run, experiment: Experiment, status: RunStatus) -> str:
    """That of a run, which is not the one in its file where it starts from other weights."""
    folder = saved_tokenizer(run, status) if experiment.train.init_from else None
    if folder is None or status.data is None:
        return tokenizer(experiment)
    try:
        config = msgspec.json.decode((folder / "tokenizer_config.json").read_bytes(), type=_TokenizerConfig)
    except (OSError, ValueError):  # damaged, which is said where it is used
        return tokenizer(experiment)
    return f"{config.kind} {status.data.vocab_size:,}"


def saved_tokenizer(run: Run, status: RunStatus) -> Path | None:
    """The folder of the tokenizer that `run` was trained with: of a checkpoint, or else of its prepared data."""
    folders = [run.checkpoints / kind / "tokenizer" for kind in ("best", "last")]
    if status.data is not None:  # by its name: the workspace may stand elsewhere now
        folders.append(Workspace(run.workspace_folder).data / Path(status.data.directory).name / "tokenizer")
    return next((folder for folder in folders if folder.is_dir()), None)


def _recent_rate(run: Run) -> float | None:
    """Tokens a second, the middle one of the last steps: one step alone may be off by a tenth."""
    steps = [event for event in last_events(run.metrics) if isinstance(event, Step)]
    rates = [step.tokens_per_second for step in steps if step.tokens_per_second is not None]
    return round(median(rates), 1) if rates else None


def experiment_of(run: Run) -> Experiment | None:
    """The experiment as it was started; None where its file cannot be read."""
    try:
        return run.experiment()
    except ExperimentError:  # of another version, or removed
        return None
