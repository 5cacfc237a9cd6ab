"""What the first version wrote is read: states, events, notes, stories, settings; lists, tables, charts and pages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.runs.notes import read_notes
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.settings import load_settings, settings_file
from slm_tui.story_book import kept_stories

HERE = Path(__file__).parent
RunOf = Callable[[str], Run]
Program = Callable[..., Any]
STATES = {
    "finished": "finished",
    "early_stopped": "early_stopped",
    "stopped_adamw": "stopped",
    "stopped_muon": "stopped",
    "stopped_muon_plateau": "stopped",
    "stopped_plateau": "stopped",
    "stopped_constant": "stopped",
    "stopped_warming_up": "stopped",
    "stopped_bf16": "stopped",
    "stopped_fp16": "stopped",
    "stopped_muon_fp16": "stopped",
    "failed": "failed",
    "diverged": "diverged",
    "lost": "lost",
    "queued": "lost",  # their engines were killed
    "preparing": "lost",
    "unknown": "lost",
    "resumed": "finished",
    "warned": "finished",
    "imported": "finished",
}


def test_every_run_is_listed_in_the_state_that_it_has(program: Program) -> None:
    listed = json.loads(program("runs", "--json").stdout)
    assert {run["run"].partition("/")[0]: run["state"] for run in listed} == STATES
    assert [run["run"] for run in listed if run["imported"]] == [
        run["run"] for run in listed if run["run"].startswith("imported/")
    ]


@pytest.mark.parametrize(
    ("name", "state"),
    [("queued", "queued"), ("preparing", "preparing"), ("lost", "training"), ("unknown", "training")],
)
def test_a_run_whose_engine_lives_is_where_its_events_say(run_of: RunOf, name: str, state: str) -> None:
    run = run_of(name)
    with run.hold_lock():
        assert run.state() == state
    assert run.state() == "lost"


def test_every_experiment_file_is_valid_and_every_run_is_shown(program: Program, expected: dict[str, Any]) -> None:
    assert program("validate").returncode == 0
    for name in STATES:
        shown = json.loads(program("show", name, "--json").stdout)
        assert shown["run"]["state"] == STATES[name]
        assert shown["experiment"]["model"]["n_embd"] == 4
    steps = {run["run"].partition("/")[0]: run["step"] for run in json.loads(program("runs", "--json").stdout)}
    assert steps["finished"] == steps["resumed"] == steps["warned"] == 32
    assert {name: steps[name] for name in STATES if name.startswith("stopped")} == {
        name: told["from"] for name, told in expected["resume"].items() if name.startswith("stopped")
    }
    assert steps["queued"] == steps["preparing"] == steps["imported"] == 0
    assert steps["unknown"] == 12, "its last line is torn"


def test_points_that_a_resume_took_back_do_not_count(run_of: RunOf, program: Program) -> None:
    """`finished` did the same in one go."""
    assert (
        json.loads(program("show", "resumed", "--json").stdout)["run"]["best"]["val_loss"]
        == (json.loads(program("show", "finished", "--json").stdout)["run"]["best"]["val_loss"])
    )
    evaluations = [(each.step, each.val_loss) for each in run_of("resumed").status().evals]
    assert evaluations == [(each.step, each.val_loss) for each in run_of("finished").status().evals]
    assert [step for step, _ in evaluations] == list(range(4, 33, 4))


def test_warnings_errors_and_samples_are_told(run_of: RunOf, program: Program) -> None:
    (warning,) = run_of("warned").status().warnings
    assert warning.startswith("tokenizer.vocab_size = 300: the training stories give only")
    assert "could not be written" in (run_of("failed").status().error or "")
    assert program("report", "warned", "-o", "warned.html").returncode == 0
    page = Path("warned.html").read_text(encoding="utf-8")
    assert "the training stories give only" in page
    samples = [json.loads(line) for line in run_of("warned").metrics.read_bytes().splitlines() if b'"sample"' in line]
    assert len(samples) == 4 and all(sample["prompt"] in ("Once", "") for sample in samples)


def test_all_runs_are_compared_plotted_and_reported(program: Program) -> None:
    compared = json.loads(program("compare", *STATES, "--json").stdout)
    text = json.dumps(compared)
    assert all(f'"{name}/' in text for name in STATES)
    trained = [name for name in STATES if name not in ("queued", "preparing", "imported")]
    for axis in ("step", "time"):
        assert program("report", *trained, "-o", f"{axis}.html", "--x", axis).returncode == 0
        page = Path(f"{axis}.html").read_text(encoding="utf-8")
        assert all(f"{name}/" in page for name in trained)
    pytest.importorskip("matplotlib")
    assert program("plot", *trained, "-o", "loss.svg").returncode == 0
    assert Path("loss.svg").stat().st_size > 10_000


def test_notes_tags_and_kept_stories_are_read(run_of: RunOf, program: Program) -> None:
    notes = read_notes(run_of("finished"))
    assert notes.tags == ("baseline", "paper")
    assert notes.notes.splitlines() == ["The loss rises after step 24:", "try a lower learning rate."]
    once, cat = kept_stories(run_of("finished"))
    assert (once.prompt, once.seed, once.checkpoint, once.step) == ("Once", 7, "best", 32)
    assert (cat.prompt, cat.seed, cat.reason) == ("قطة", 8, "length")
    assert once.text.startswith("Once") and len(once.text) > 4 and once.sampling["temperature"] == 0.0


def test_the_dashboards_settings_are_read(workspace: Workspace) -> None:
    settings_file().parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "settings.toml", settings_file())
    settings, problem = load_settings()
    assert problem is None
    assert (settings.theme, settings.axis, settings.smoothing, settings.log_x) == ("slm-light", "time", 0.5, True)
    assert (settings.sort, settings.sort_backwards, settings.bidi) == ("loss", True, "terminal")
    assert settings.keys == {"run.stop": "f10"}
