"""What the headless display draws."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest
from rich.console import Console

from engine.contract.events import Eval, EventWriter, Prepare, Prepared, Queued, RunStarted, Sample, Step, Warning
from engine.runs.run import Run
from slm_tui.console import PlainView, panel, preparation_shown, view_on
from slm_tui.progress import RunProgress

STARTED = RunStarted(pid=1, host="here", t=100.0)
PREPARED = Prepared(directory="d", vocab_size=400, train_tokens=9000, val_tokens=900, cached=False, t=101.0)
EVALUATION = Eval(step=8, train_loss=2.0, val_loss=3.0, bits_per_byte=1.5, best=True, t=119.0)


def step(number: int, t: float = 110.0) -> Step:
    return Step(step=number, loss=2.5, lr=1e-3, grad_norm=1.0, tokens=number * 128, tokens_per_second=12_345.0, t=t)


def drawn(progress: RunProgress, width: int, stopping: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(panel(progress, 120.0, width, stopping))
    return capture.get().splitlines()


def read(run: Run) -> RunProgress:
    progress = RunProgress(run)
    progress.read()
    return progress


def test_the_panel_of_a_training_run_shows_every_figure_in_80_columns(new_run: Callable[..., Run]) -> None:
    lines = drawn(read(new_run([STARTED, PREPARED, step(1), step(8, 118.0), EVALUATION])), 80)
    assert {len(line) for line in lines} == {80}
    text = "\n".join(lines)
    for figure in ("tiny", "training", "8 / 24", "2.500", "3.000", "20.09", "1.500", "12,345", "1,024", "20 s", "16 s"):
        assert figure in text, figure
    assert "ctrl+c stops and saves a checkpoint" in text


def test_the_panel_of_a_preparing_run_shows_phase_count_and_time_left(new_run: Callable[..., Run]) -> None:
    lines = drawn(read(new_run([STARTED, Prepare("train tokenizer", 1200, 20_000)])), 80)
    text = "\n".join(lines)
    assert "preparing" in text and "train tokenizer" in text and "1,200 / 20,000" in text and "left" not in text
    lines = drawn(read(new_run([STARTED, Prepare("train tokenizer", 1200, 20_000, 62.4)])), 80)
    assert "1,200 / 20,000  1 min 02 s left" in "\n".join(lines)


def test_the_panel_of_a_queued_run_shows_what_it_waits_for(new_run: Callable[..., Run]) -> None:
    holder = new_run()
    waiting = Queued(pid=2, host="here", device="cuda:0", ahead=3, holder=str(holder.path), holder_pid=12)
    text = "\n".join(drawn(read(new_run([waiting])), 80))
    assert "queued" in text and "ctrl+c cancels it" in text
    assert f"{holder} (process 12) has cuda:0, and 2 more come first" in text
    assert "preparing" in "\n".join(drawn(read(new_run([waiting, STARTED])), 80))


def test_a_queued_run_says_plainly_what_it_waits_for_and_a_started_one_what_it_does(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run()
    unknown = Queued(pid=2, host="here", device="cpu", ahead=1)
    elsewhere = Queued(pid=2, host="here", device="cpu", ahead=2, holder=str(tmp_path / "runs/a/1"), holder_pid=12)
    out = io.StringIO()
    progress, writer, view = RunProgress(run), EventWriter(run.metrics), PlainView(Console(file=out, width=80))
    for event in (unknown, elsewhere):
        writer(event)
        view.update(progress, progress.read())
    view.stopping(progress)
    for event in (unknown, STARTED, Prepare(phase="read", done=0)):  # read at once, by one who comes later
        writer(event)
    view.update(progress, progress.read())
    writer.close()
    assert out.getvalue().splitlines() == [
        "queued: waits for its turn on cpu",
        f"queued: {tmp_path / 'runs/a/1'} (process 12) has cpu, and 1 more comes first",
        "read",
    ]


def test_the_panel_says_that_it_is_stopping(new_run: Callable[..., Run]) -> None:
    text = "\n".join(drawn(read(new_run([STARTED, PREPARED, step(1)])), 80, stopping=True))
    assert "stopping" in text and "ctrl+c again" in text and "training" not in text


def test_a_narrow_panel_keeps_its_shape(new_run: Callable[..., Run]) -> None:
    lines = drawn(read(new_run([STARTED, PREPARED, step(1), step(8, 118.0), EVALUATION])), 44)
    assert {len(line) for line in lines} == {44}


def test_where_stdout_is_no_terminal_lines_are_plain(new_run: Callable[..., Run]) -> None:
    out = io.StringIO()
    view = view_on(Console(file=out, width=80))
    assert isinstance(view, PlainView)
    run = new_run()
    progress, writer = RunProgress(run), EventWriter(run.metrics)
    for event in (
        STARTED,
        Prepare(phase="read", done=0, total=200),
        Prepare(phase="read", done=100, total=200),
        Warning(message="the vocabulary is [small]"),
        PREPARED,
        *(step(n) for n in range(1, 9)),
        EVALUATION,
        Sample(step=8, prompt="Once", text="Once\x1b[2J upon"),
    ):
        writer(event)
        view.update(progress, progress.read())
    writer.close()
    lines = out.getvalue().splitlines()
    assert lines[0] == "read"
    assert lines[1] == "warning: the vocabulary is [small]"
    assert lines[2].startswith("step 1/24  loss 2.500")
    assert lines[3] == "step 8  validation loss 3.000  perplexity 20.09  bits per byte 1.500  best so far"
    assert lines[4] == "sample at step 8:" and lines[5] == "Once\ufffd[2J upon"
    assert not [line for line in lines[3:] if line.startswith("step 2/")]  # no line a step


_IN_A_GROUP_OF_ITS_OWN = """
import os
child = os.fork()
if not child:
    os.setpgid(0, 0)
    from rich.console import Console
    from slm_tui.console import view_on
    view = view_on(Console())
    view.close()
    print(type(view).__name__, flush=True)
    os._exit(0)
_, status = os.waitpid(child, os.WUNTRACED)
print("halted" if os.WIFSTOPPED(status) else "ended", flush=True)
"""


@pytest.mark.parametrize(
    ("script", "view"),
    [(_IN_A_GROUP_OF_ITS_OWN, "PlainView"), (_IN_A_GROUP_OF_ITS_OWN.replace("os.setpgid(0, 0)", ""), "LiveView")],
    ids=["background", "foreground"],
)
def test_only_in_the_foreground_the_terminal_is_ours_to_draw_on(script: str, view: str) -> None:
    child = pexpect.spawn(
        sys.executable, ["-c", script], env={**os.environ, "TERM": "xterm"}, encoding="utf-8", timeout=60
    )
    child.expect(pexpect.EOF)
    child.close()
    assert view in child.before and "ended" in child.before
    assert child.exitstatus == 0


def test_preparation_on_a_terminal_is_drawn_in_one_place() -> None:
    out = io.StringIO()
    console = Console(file=out, width=60, force_terminal=True, color_system=None)
    with preparation_shown(console) as show:
        for done in range(0, 101, 10):
            show(Prepare(phase="tokenize", done=done, total=100))
    assert "100 / 100" in out.getvalue()
    assert "\n" not in out.getvalue().split("100 / 100")[0].replace("\r\n", "")
