"""`run.json`: what a run is and where it was started, written once by the engine that started it."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from engine.runs.run import Run, RunInfo

_REPORTED_PACKAGES = ("slm-tui", "torch", "numpy", "safetensors", "tiktoken", "tokenizers", "datasets")


def describe(run: Run, device: str, seed: int) -> RunInfo:
    """What `run.json` says."""
    return RunInfo(
        run_id=run.id,
        name=run.name,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=sys.argv,
        versions={"python": sys.version.split()[0], **{name: metadata.version(name) for name in _REPORTED_PACKAGES}},
        git_commit=_git_commit(run.workspace_folder),
        host=socket.gethostname(),
        device=device,
        seed=seed,
    )


def _git_commit(folder: Path) -> str | None:
    """The commit of the workspace that the run lies in, if that is under git."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
