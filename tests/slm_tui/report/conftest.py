"""A run with everything in it that a report tells of, and that could break its page."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.contract.events import Eval, Event, Prepared, RunEnded, RunStarted, Sample, Step, Warning
from engine.runs.notes import RunNotes, write_notes
from engine.runs.run import Run, RunInfo

SCRIPT = "<script>document.title = 'taken over'</script><img src=x onerror=\"document.title='taken over'\">"
ARABIC = "كان يا ما كان طفل اسمه سامي (عمره 7 سنوات).\n\nقال: «هل رأيت Mimi؟»"


@pytest.fixture
def hostile() -> str:
    """A text that takes over a page which does not escape it."""
    return SCRIPT


@pytest.fixture
def arabic() -> str:
    """A story of two paragraphs, in the order of reading."""
    return ARABIC


def story(loss: float = 2.0) -> list[Event]:
    return [
        RunStarted(pid=1, host="here", t=1_795_260_000.0),
        Prepared(directory="data/x-aaaa", vocab_size=390, train_tokens=9216, val_tokens=912, cached=False, t=1e9),
        Warning(message="small <b>data</b> & few", t=1_795_260_001.0),
        *(
            Step(step=n, loss=loss + 6 / n, lr=1e-3, grad_norm=1.0, tokens=128 * n, t=1_795_260_001.0 + n)
            for n in range(1, 25)
        ),
        *(
            Eval(step=n, train_loss=loss, val_loss=loss + 1 / n, bits_per_byte=0.7, best=True, t=1_795_260_040.0 + n)
            for n in (8, 16, 24)
        ),
        Sample(step=8, prompt="Once", text="Once, early", t=1_795_260_070.0),
        Sample(step=24, prompt="Once", text=f"Once {SCRIPT}", t=1_795_260_071.0),
        Sample(step=24, prompt="كان يا ما كان", text=ARABIC, t=1_795_260_072.0),
        RunEnded(reason="failed", error=f"out of memory: {SCRIPT}", t=1_795_260_080.0),
    ]


@pytest.fixture
def told_run(new_run: Callable[..., Run], tiny: str) -> Callable[..., Run]:
    """Makes such a run."""

    def make(loss: float = 2.0, rate: str = "3e-3") -> Run:
        run = new_run(story(loss))
        text = tiny.replace("3e-3", rate).replace("as small as it gets", "as small as <i>it</i> gets")
        run.experiment_file.write_text(text, encoding="utf-8")
        run.write_info(
            RunInfo(
                run_id=run.id,
                name=run.name,
                created="2026-11-21T11:20:00+00:00",
                command=["secret"],
                versions={"python": "3.11.7", "torch": "2.13.0"},
                git_commit="8694cba",
                host="workstation",
                device="cuda:0",
                seed=1337,
            )
        )
        write_notes(run, RunNotes(("paper",), f"ملاحظة: {SCRIPT}"))
        return run

    return make
