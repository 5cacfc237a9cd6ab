"""The line by which a person sees whether Arabic reads correctly, and how a proof of the machine is told."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from pytest import CaptureFixture, MonkeyPatch
from typer.testing import CliRunner

from engine.contract.errors import UserError
from engine.contract.events import Checked, Proven
from slm_tui import doctor
from slm_tui.cli import app
from slm_tui.settings import Settings, save_settings, settings_file


def arabic() -> doctor.Check:
    return doctor.check_arabic()


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: MonkeyPatch) -> None:
    """None of the variables by which a terminal is known."""
    for variable in ("KONSOLE_VERSION", "MLTERM", "TERM_PROGRAM", "VTE_VERSION", "KITTY_WINDOW_ID", "TMUX", "STY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_a_sample_is_shown_as_stories_are_and_the_other_setting_is_named() -> None:
    check = arabic()
    assert check.detail.startswith("ﺎﻨﻟ ") and "(Salma)" in check.detail, "joined, and from right to left"
    assert check.advice is not None and 'bidi = "terminal"' in check.advice
    assert "press b" in check.advice and settings_file().name in check.advice


def test_what_the_terminal_orders_is_shown_as_it_is_written(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setenv("KONSOLE_VERSION", "230802")
    check = arabic()
    assert check.detail.startswith("قالت ") and "Konsole" in check.detail
    assert check.advice is not None and 'bidi = "app"' in check.advice


def test_a_setting_is_obeyed_and_named() -> None:
    save_settings(Settings(bidi="terminal"))
    check = arabic()
    assert check.detail.startswith("قالت ") and '(bidi = "terminal")' in check.detail


def test_the_report_asks_whether_it_reads_correctly(capsys: CaptureFixture[str]) -> None:
    doctor.print_report(doctor.Report([arabic()], None))
    out = capsys.readouterr().out
    assert "Does it read correctly" in out and "\x1b[8l" not in out, "a file is no terminal"


ROWS = [
    Checked("fp32", "holds", "loss 6.2 to 3.1", seconds=1.25),
    Checked("compile", "absent", "not used on cpu"),
    Checked("bf16", "fails", "losses 9% from fp32's", 'train.precision = "fp32"'),
]


def proving(monkeypatch: MonkeyPatch, *rows: Checked) -> None:
    """An engine that gives these answers."""

    def proof(device: str, show: Callable[[Checked], None]) -> Proven:
        for row in rows:
            show(row)
        return Proven(device, "a CPU", sum(row.outcome == "fails" for row in rows))

    monkeypatch.setattr(doctor, "engine_proof", proof)


def test_a_proof_is_a_line_a_check_with_advice_where_one_fails(monkeypatch: MonkeyPatch) -> None:
    proving(monkeypatch, *ROWS)
    said = CliRunner().invoke(app, ["doctor", "--train", "--device", "cpu"])
    assert said.exit_code == 1
    first, second, third, advice, last = said.stdout.splitlines()
    assert first.split() == ["ok", "fp32", "1.2", "s", "loss", "6.2", "to", "3.1"]
    assert second.startswith("--") and third.startswith("bad")
    assert advice.strip() == 'train.precision = "fp32"' and last == "1 of 3 checks fail on cpu"


def test_a_proof_is_one_json_document(monkeypatch: MonkeyPatch) -> None:
    proving(monkeypatch, *ROWS[:2])
    said = CliRunner().invoke(app, ["doctor", "--train", "--json"])
    assert said.exit_code == 0
    document = json.loads(said.stdout)
    assert document["holds"] is True and document["device"] == "auto" and len(document["checks"]) == 2
    row = {"name": "fp32", "outcome": "holds", "measured": "loss 6.2 to 3.1", "advice": None, "seconds": 1.25}
    assert document["checks"][0] == row


@pytest.mark.parametrize("arguments", [["--train", "--device", "gpu"], ["--device", "cpu"]])
def test_a_call_that_is_wrong_is_told(arguments: list[str]) -> None:
    with pytest.raises(UserError, match="--device"):
        CliRunner().invoke(app, ["doctor", *arguments], catch_exceptions=False)


def test_a_gpu_that_torch_cannot_use_is_bad() -> None:
    facts = {"torch": "2", "num_threads": 1, "gpus": [], "cuda": "13", "problem": "GTX 970 has compute capability 5.2"}
    check = list(doctor._torch(facts))[-1]
    assert (check.verdict, check.detail) == ("bad", "GTX 970 has compute capability 5.2")
