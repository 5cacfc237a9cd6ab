"""Finds the files that `data.files` names: paths and globs, and URLs by way of the mirror, or downloaded once.

A download is kept in the workspace, in the mirror's own layout: `data/downloads/HOST/PATH`.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import http.client
import os
import shlex
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from engine.contract.errors import UserError
from engine.contract.events import Emit
from engine.data.progress import PhaseProgress
from engine.data.readers import CHUNK, DataFile
from engine.runs.workspace import Workspace, below, neighbour

TIMEOUT = 30  # seconds without a byte
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def without_network(command: str) -> str:
    """How to use a mirror; `command` fills the folder DIR on another machine."""
    return (
        f"Without a network: run\n  {command}\n"
        "on a machine that has one, copy DIR here, and set SLM_DATA_MIRROR=DIR (or --mirror DIR)"
    )


def locate(entries: Sequence[str], workspace: Workspace, mirror: Path | None, emit: Emit) -> list[DataFile]:
    """The files that `data.files` means, in its order; a glob's in sorted order.

    Raises:
        UserError: one is not there, is of no known kind, or cannot be downloaded.
    """
    how = without_network(shlex.join(["wget", "-x", "-P", "DIR", *filter(_is_url, entries)]))
    files: list[DataFile] = []
    for entry in entries:
        if _is_url(entry):
            files.append(DataFile.of(_fetched(entry, workspace, mirror, how, emit), entry))
        else:
            files += _on_this_machine(entry, workspace)
    return files


def _is_url(entry: str) -> bool:
    return entry.startswith(("https://", "http://"))


def _on_this_machine(entry: str, workspace: Workspace) -> list[DataFile]:
    """The file, or the files of a glob."""
    path = below(workspace.root, entry)
    if path.is_file():
        return [DataFile.of(path, entry)]
    if path.is_dir():
        raise UserError(f"data.files: {entry} is a folder; name its files, such as {entry.rstrip('/')}/*.csv")
    matches = sorted(glob.glob(str(path), recursive=True))
    files = [Path(match) for match in matches if Path(match).is_file()]
    if not files:
        raise UserError(
            f"data.files: {entry}: no such file in {workspace.root}{'' if glob.has_magic(entry) else neighbour(path)}"
        )
    return [DataFile.of(file, _shown(file, workspace)) for file in files]


def _shown(file: Path, workspace: Workspace) -> str:
    return str(file.relative_to(workspace.root) if file.is_relative_to(workspace.root) else file)


def _fetched(url: str, workspace: Workspace, mirror: Path | None, how: str, emit: Emit) -> Path:
    """The mirror's file, or an earlier download, or a new one; `how` says how to do without a network."""
    place = _place(url)
    if mirror is not None and (mirror / place).is_file():
        return mirror / place
    kept = workspace.data / "downloads" / place
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(kept.with_name(f".{kept.name}.lock")):
            if not kept.is_file():  # another run may have fetched it while this one waited
                looked_in = f"; the mirror has no {mirror / place}" if mirror is not None else ""
                _download(url, kept, f"{looked_in}\n{how}", emit)
    return kept


def _place(url: str) -> Path:
    """HOST/PATH, as `wget -x` names a URL's file."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    segments = urllib.parse.unquote(parts.path).strip("/").split("/")
    if not host or "" in segments or ".." in segments or "\0" in parts.path:
        raise UserError(f"data.files: {url}: wants https://HOST/PATH of one file")
    query = f"?{parts.query.replace('/', '%2F')}" if parts.query else ""
    return Path(host, *segments[:-1], segments[-1] + query)


def _download(url: str, target: Path, advice: str, emit: Emit) -> None:
    """Download `url` to `target`; `advice` is the end of what is said where the network fails."""
    partial = target.with_name(f".{target.name}.part")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response, open(partial, "wb") as file:
            length = response.headers.get("Content-Length")
            progress = PhaseProgress(emit, "download", int(length) if length else None)
            while chunk := response.read(CHUNK):
                file.write(chunk)
                progress.add(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        if length and progress.done != int(length):
            raise UserError(
                f"{url}: the connection was lost after {progress.done:,} of {int(length):,} bytes; try again"
            )
        os.replace(partial, target)
        progress.finish()
    except urllib.error.HTTPError as error:
        raise UserError(f"data.files: {url}: the server answered {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        reason = getattr(error, "reason", None) or error
        raise UserError(f"data.files: {url}: cannot be downloaded: {reason}{advice}") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
