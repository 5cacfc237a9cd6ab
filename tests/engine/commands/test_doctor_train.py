"""The proof that a machine trains as it should: what holds, and what a fault looks like."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import torch
from warm_engine import WarmEngine, answer

from engine.commands import doctor_train
from engine.commands.doctor_train import Absent, Bench, Fails, checked
from engine.contract.errors import UserError
from engine.contract.events import Checked, Event, Proven, Warning, decode_lines
from engine.device import precision
from engine.runs.workspace import Workspace

CPU = torch.device("cpu")
NAMES = ["device", "data", "fp32", "bf16", "fp16", "compile", "resume", "memory", "generate", "speed"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_everything_holds_on_a_cpu_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    command = [sys.executable, "-m", "engine", "doctor", "--train", "--device", "cpu"]
    said = subprocess.run(command, capture_output=True)
    *rows, proven = decode_lines(said.stdout)
    assert all(isinstance(row, Checked) for row in rows)
    outcomes = {row.name: row.outcome for row in rows if isinstance(row, Checked)}
    assert list(outcomes) == NAMES
    absent = {"compile", "memory"}
    assert outcomes == {name: "absent" if name in absent else "holds" for name in NAMES}, said
    assert isinstance(proven, Proven) and (proven.device, proven.failed) == ("cpu", 0)
    assert said.returncode == 0 and not list((tmp_path / "temporary").iterdir())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(Workspace(tmp_path), CPU)
    made.workspace.experiments.mkdir()
    return made


def test_a_precision_that_computes_something_else_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked("fp32", doctor_train.check_fp32, bench).outcome == "holds"
    right = [loss * 1.1 for loss in bench.plain]
    bench.plain, plain = right, bench.plain
    row = checked("bf16", lambda bench: doctor_train.check_precision("bf16", bench), bench)
    assert row.outcome == "fails" and "from fp32's (at most 5%)" in row.measured
    assert row.advice == 'train.precision = "fp32" holds; leave bf16 alone on this device'
    bench.plain = plain
    monkeypatch.setattr("engine.training.loop.autocast", lambda *_: nullcontext())
    row = checked("bf16", lambda bench: doctor_train.check_precision("bf16", bench), bench)
    assert row.outcome == "fails" and "bit by bit" in row.measured, "autocast does nothing"


def test_a_check_that_breaks_off_is_a_row_that_fails(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available\nmore of it")

    monkeypatch.setattr(doctor_train, "train", train)
    row = checked("fp32", doctor_train.check_fp32, bench)
    assert (row.outcome, row.measured) == ("fails", "RuntimeError: CUDA error: no kernel image is available")
    assert row.advice and "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [(Absent("no such thing"), "absent"), (Fails("wrong", "do this"), "fails"), (UserError("no data"), "fails")],
)
def test_a_check_says_how_it_ends(bench: Bench, raised: Exception, outcome: str) -> None:
    def check(bench: Bench) -> str:
        raise raised

    row = checked("a", check, bench)
    assert (row.outcome, row.measured) == (outcome, str(raised))
    assert (row.advice is None) == (outcome == "absent")


def test_a_loss_that_does_not_fall_or_is_missing_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_train, "_losses", lambda events: [6.0] * 60)
    assert checked("fp32", doctor_train.check_fp32, bench).outcome == "fails"
    assert (
        doctor_train._difference([1.0], [1.0, 2.0]) == doctor_train._difference([float("nan")], [1.0]) == float("inf")
    )
    assert doctor_train._difference([2.2, 4.0], [2.0, 4.0]) == pytest.approx(0.1)


def warm_engines(monkeypatch: pytest.MonkeyPatch, *of_resumes: str) -> None:
    """Engines that are forked; a resume gets these arguments besides."""

    @contextmanager
    def engine(verb: str, run: doctor_train.Run, *arguments: str, pipes: bool = False) -> Iterator[WarmEngine]:
        if "--resume" in arguments:
            for override in of_resumes:
                text = doctor_train.apply_overrides(run.experiment_file.read_text(), [override])
                run.experiment_file.write_text(text)
        with open(run.log, "ab") as log, open(os.devnull, "rb") as nothing:
            process = WarmEngine(verb, str(run.path), *arguments, stdin=nothing, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()

    monkeypatch.setattr(doctor_train, "_engine", engine)


def test_a_killed_engine_goes_on_bit_by_bit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    warm_engines(monkeypatch)
    row = checked("resume", doctor_train.check_resume, bench)
    assert row.outcome == "holds" and "all 300 losses are bit-equal" in row.measured, row


def test_a_resume_that_goes_on_otherwise_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    warm_engines(monkeypatch, "train.weight_decay=0.9")
    row = checked("resume", doctor_train.check_resume, bench)
    assert row.outcome == "fails" and "losses differ from step" in row.measured, row


def test_a_compilation_that_falls_back_fails_with_its_reason(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*arguments: object, **_: object) -> None:
        emit = arguments[4]
        assert callable(emit)
        emit(Warning("trains without torch.compile, which is slower: there is no compiler (gcc, clang, cc)"))

    monkeypatch.setattr(doctor_train, "train", train)
    bench.data()
    monkeypatch.setattr(bench, "device", torch.device("cuda", 0))
    row = checked("compile", doctor_train.check_compile, bench)
    assert row.outcome == "fails" and "there is no compiler" in row.measured


def test_the_exit_code_says_whether_all_holds_and_the_folder_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def check(bench: Bench) -> str:
        (bench.workspace.root / "left").write_text("over")
        raise MemoryError

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(doctor_train.signal, "signal", lambda *_: None)
    before = set(tmp_path.iterdir())
    for made, code in (([("a", check)], 1), ([("a", lambda bench: "1")], 0)):
        monkeypatch.setattr(doctor_train, "checks", lambda device, made=made: made)
        said: list[Event] = []
        assert doctor_train.prove("cpu", said.append) == code
        row, proven = said
        assert isinstance(row, Checked) and isinstance(proven, Proven) and proven.failed == code
    assert set(tmp_path.iterdir()) == before


def test_a_device_that_is_not_there_is_told_in_words() -> None:
    said = answer("doctor", "--train", "--device", "cuda:99")
    assert said.returncode == 2 and said.stdout == "" and said.stderr.startswith('device = "cuda:99": ')


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_every_precision_of_the_device_is_looked_at(name: str) -> None:
    assert (name in precision.precisions(CPU)) == (name in dict(doctor_train.checks(CPU)))
