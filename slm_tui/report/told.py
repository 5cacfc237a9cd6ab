"""All that a report says of a run, read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from engine.contract.errors import UserError
from engine.contract.events import Resumed, Sample
from engine.contract.experiment import Experiment
from engine.runs.event_search import glance, samples_in
from engine.runs.notes import RunNotes, read_notes
from engine.runs.run import Run, RunInfo, RunStatus
from slm_tui.charts.palette import letter
from slm_tui.charts.series import RunSeries
from slm_tui.details import Details, details_of
from slm_tui.facts import RunFacts, experiment_of, run_facts
from slm_tui.formats import one_line


@dataclass(frozen=True)
class Told:
    """A run, and what there is to say of it."""

    run: Run
    place: int  # among the runs of the report: its colour, and its letter where it is not the only one
    alone: bool
    facts: RunFacts
    status: RunStatus
    info: RunInfo | None
    experiment: Experiment | None  # None where its file cannot be read
    notes: RunNotes
    samples: list[Sample]
    series: RunSeries

    @property
    def name(self) -> str:
        return one_line(str(self.run))

    @property
    def letter(self) -> str:
        return "" if self.alone else letter(self.place)

    @property
    def has_curves(self) -> bool:
        return len(self.series) > 0 or bool(self.status.evals)

    @cached_property
    def details(self) -> Details | None:
        return details_of(self.run.name, self.experiment, self.status, self.facts) if self.experiment else None


def told_of(runs: Sequence[Run]) -> list[Told]:
    """Each run once, in this order.

    Raises:
        OSError: one of them cannot be read.
    """
    chosen = list(dict.fromkeys(runs))
    return [_told(run, place, len(chosen) == 1) for place, run in enumerate(chosen)]


def _told(run: Run, place: int, alone: bool) -> Told:
    status = run.status()
    try:
        notes = read_notes(run)
    except UserError:  # damaged, of which a report is not the place to tell
        notes = RunNotes()
    return Told(
        run,
        place,
        alone,
        run_facts(run, status),
        status,
        run.info(),
        experiment_of(run),
        notes,
        samples_that_count(run),
        RunSeries.load(run.metrics),
    )


def samples_that_count(run: Run) -> list[Sample]:
    """The stories written along the way, the oldest first, without those that a resume took back."""
    events, end = glance(run.metrics)
    resumes = [event for event in events if isinstance(event, Resumed)]
    return [
        sample
        for sample in samples_in(run.metrics, end)
        if not any(resume.t > sample.t and resume.step < sample.step for resume in resumes)
    ]
