"""What a report says of a run."""

from __future__ import annotations

from collections.abc import Callable

from engine.contract.events import Resumed, RunStarted, Sample, Step
from engine.runs.run import Run
from slm_tui.report.told import samples_that_count, told_of


def sample(step: int, text: str, t: float) -> Sample:
    return Sample(step=step, prompt="Once", text=text, t=t)


def test_stories_that_a_resume_took_back_are_not_told(new_run: Callable[..., Run]) -> None:
    run = new_run(
        [
            RunStarted(pid=1, host="here", t=1.0),
            sample(10, "kept", 2.0),
            sample(20, "taken back", 3.0),
            Resumed(step=15, t=4.0),
            sample(20, "written again", 5.0),
        ]
    )
    assert [each.text for each in samples_that_count(run)] == ["kept", "written again"]


def test_each_run_is_told_once_with_a_letter_where_there_are_several(new_run: Callable[..., Run]) -> None:
    first, second = new_run([Step(step=1, loss=1.0, lr=0, grad_norm=None, tokens=1)]), new_run()
    assert [(each.run, each.letter) for each in told_of([second, first, second])] == [(second, "a"), (first, "b")]
    assert [each.letter for each in told_of([first, first])] == [""]
