"""`doctor`: whether this machine has what training needs, and what to do where it has not."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from engine.contract.events import Checked, Proven
from engine.runs.workspace import MIRROR_VARIABLE, Workspace
from slm_tui.engine_calls import EngineFailed, engine_doctor, engine_proof
from slm_tui.formats import home_path, shown_path, size
from slm_tui.settings import load_settings, settings_file
from slm_tui.shipped import shipped_experiments
from slm_tui.terminals import EXPLICIT_ORDER, IMPLICIT_ORDER, app_orders, known_terminal
from slm_tui.text_direction import lay_out

Verdict = Literal["ok", "note", "bad"]
_SAMPLE = "قالت سَلْمى (Salma): «عندي 3 قصصٍ» لنا"  # joined letters, marks, Latin, a digit, brackets
_LOW_DISK = 2e9  # bytes; a small model's checkpoints and data fit
_PROOF_MARKS = {"holds": ("ok", "green"), "absent": ("--", "dim"), "fails": ("bad", "red")}
_MARKS: dict[Verdict, tuple[str, str]] = {"ok": ("ok", "green"), "note": ("note", "yellow"), "bad": ("bad", "red")}


class Check(msgspec.Struct):
    """One thing looked at."""

    name: str
    verdict: Verdict
    detail: str
    advice: str | None = None


class Report(msgspec.Struct):
    """All of them; `engine` is what the engine said of torch and its devices, as it said it."""

    checks: list[Check]
    engine: dict[str, Any] | None

    @property
    def bad(self) -> bool:
        return any(check.verdict == "bad" for check in self.checks)


def examine(workspace: Workspace, mirror: Path | None) -> Report:
    """Look at everything; starts an engine process for torch, which takes a few seconds."""
    checks = [_program(), _python()]
    engine: dict[str, Any] | None = None
    try:
        engine = json.loads(engine_doctor())
        checks.extend(_torch(engine or {}))
    except (EngineFailed, ValueError) as error:
        checks.append(Check("torch", "bad", str(error).splitlines()[-1], "pip install --force-reinstall slm-tui"))
    checks += [_memory(), _disk(workspace), _workspace(workspace), _mirror(mirror), _terminal(), check_arabic()]
    return Report(checks, engine)


def prove(device: str, show: Callable[[Checked], None]) -> tuple[list[Checked], Proven]:
    """Have the engine train on `device` as a proof: its checks, each passed to `show` as it ends, and the outcome.

    Raises:
        UserError: there is no such device.
        EngineFailed: it ended in the middle.
    """
    rows: list[Checked] = []

    def keep(row: Checked) -> None:
        rows.append(row)
        show(row)

    return rows, engine_proof(device, keep)


def proof_rows(rows: Sequence[Checked]) -> list[dict[str, Any]]:
    """The checks for `--json`."""
    return [{name: getattr(row, name) for name in ("name", "outcome", "measured", "advice", "seconds")} for row in rows]


def print_proof(row: Checked) -> None:
    """A line, and advice under it where the check fails."""
    from rich.text import Text

    from slm_tui.commands.common import console

    out = console()
    word, style = _PROOF_MARKS[row.outcome]
    took = f"{row.seconds:5.1f} s  "
    out.print(Text.assemble((f"{word:<5}", style), (f"{row.name:<11}", "dim"), took, row.measured), soft_wrap=True)
    if row.advice:
        out.print(Text.assemble(" " * 25, row.advice), soft_wrap=True)


def _program() -> Check:
    return Check("slm-tui", "ok", f"{importlib.metadata.version('slm-tui')} in {Path(__file__).parent}")


def _python() -> Check:
    return Check("python", "ok", f"{platform.python_version()} ({sys.executable}), {platform.platform(terse=True)}")


def _torch(engine: dict[str, Any]) -> Iterator[Check]:
    yield Check("torch", "ok", f"{engine['torch']}, {engine['num_threads']} CPU threads")
    gpus = [f"{gpu['name']} ({size(gpu['memory_bytes'])})" for gpu in engine["gpus"]]
    if gpus:
        yield Check("cuda", "ok", f"{engine['cuda']}: {', '.join(gpus)}")
    elif engine["cuda"]:
        advice = "see whether nvidia-smi finds it, and whether the driver is new enough for this CUDA"
        yield Check("cuda", "note", f"torch is built for CUDA {engine['cuda']}, but finds no GPU", advice)
    else:
        yield Check("cuda", "ok", "none: this torch is built without it")
    if engine["problem"]:
        yield Check("device", "bad", engine["problem"])
        return
    yield Check("device", "ok", f"{engine['device']} in {engine['precision']}, where an experiment says auto")


def _memory() -> Check:
    import psutil

    memory = psutil.virtual_memory()
    return Check("memory", "ok", f"{size(memory.available)} free of {size(memory.total)}, {os.cpu_count()} cores")


def _disk(workspace: Workspace) -> Check:
    usage = shutil.disk_usage(workspace.root)
    detail = f"{size(usage.free)} free of {size(usage.total)} in {workspace.root}"
    if not os.access(workspace.root, os.W_OK):
        return Check("disk", "bad", f"{shown_path(workspace.root)} cannot be written to", "choose another --workspace")
    if usage.free < _LOW_DISK:
        return Check("disk", "note", detail, "a run ends as failed where a checkpoint finds no room")
    return Check("disk", "ok", detail)


def _workspace(workspace: Workspace) -> Check:
    files = len(workspace.experiment_files())
    if files:
        return Check("workspace", "ok", f"{files} experiments, {len(workspace.list_runs())} runs in {workspace.root}")
    shipped = len(shipped_experiments())
    return Check("workspace", "note", f"no experiments in {workspace.root}", f"slm-tui init copies {shipped} there")


def _mirror(mirror: Path | None) -> Check:
    chosen = mirror or (Path(value) if (value := os.environ.get(MIRROR_VARIABLE)) else None)
    if chosen is None:
        return Check("mirror", "ok", f"none ({MIRROR_VARIABLE} is not set): data come from the network")
    if not chosen.is_dir():
        return Check("mirror", "bad", f"{chosen}: no such folder", f"set {MIRROR_VARIABLE} to a folder, or to nothing")
    return Check("mirror", "ok", f"{chosen}: {', '.join(sorted(entry.name for entry in chosen.iterdir())) or 'empty'}")


def _terminal() -> Check:
    kind = os.environ.get("TERM") or "unknown"
    encoding = sys.stdout.encoding
    if not sys.stdout.isatty():
        return Check("terminal", "ok", f"stdout is no terminal ({kind}, {encoding}): plain lines, no live display")
    columns, lines = shutil.get_terminal_size()
    detail = f"{kind}, {columns} × {lines}, {encoding}"
    if encoding.lower().replace("-", "") != "utf8":
        return Check("terminal", "note", detail, "set LANG to a UTF-8 locale, such as C.UTF-8, to read every story")
    if columns < 80:
        return Check("terminal", "note", detail, "80 columns show more")
    return Check("terminal", "ok", detail)


def check_arabic() -> Check:
    """A line to be judged by who reads it: nothing tells how a terminal orders text."""
    settings, _ = load_settings()
    ordered_here = app_orders(settings.bidi)
    terminal = known_terminal(os.environ)
    sample = lay_out(_SAMPLE, len(_SAMPLE), app_orders=ordered_here)[0].text
    by = f'by {"slm-tui" if ordered_here else "the terminal"} (bidi = "{settings.bidi}")'
    if terminal and settings.bidi == "auto":
        by += f"; this is {terminal.name}: {terminal.why}"
    other = "terminal" if ordered_here else "app"
    advice = (
        "Does it read correctly, from qalat Salma (Salma) at the right to lana at the left, in joined letters? "
        f'If not, press b in the dashboard, or write bidi = "{other}" into {home_path(settings_file())}'
    )
    return Check("arabic", "ok", f"{sample}  ordered {by}", advice)


def print_report(report: Report) -> None:
    """A line a check, and advice under those that need it."""
    from rich.text import Text

    from slm_tui.commands.common import console

    out = console()
    for check in report.checks:
        word, style = _MARKS[check.verdict]
        line = Text.assemble((f"{word:<5}", style), (f"{check.name:<11}", "dim"), check.detail)
        with _cells_as_they_come(check.name == "arabic" and out.is_terminal):
            out.print(line, soft_wrap=True)
        if check.advice:
            out.print(Text.assemble(" " * 16, check.advice), soft_wrap=True)


@contextmanager
def _cells_as_they_come(wanted: bool) -> Iterator[None]:
    """Where text is ordered here, the terminal is not to order it again."""
    wanted = wanted and app_orders(load_settings()[0].bidi)
    if wanted:
        print(EXPLICIT_ORDER, end="", flush=True)
    yield
    if wanted:
        print(IMPLICIT_ORDER, end="", flush=True)
