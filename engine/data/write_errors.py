"""What the disk refuses, in our words."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from engine.contract.errors import UserError
from engine.data.locate import DISK_FULL
from engine.runs.workspace import Workspace


@contextmanager
def write_errors_explained(workspace: Workspace) -> Iterator[None]:
    """A full disk and files that may not be written, in our words."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            place = workspace.data if workspace.data.is_dir() else workspace.root
            free = shutil.disk_usage(place).free / 2**20  # what was half-written is gone again
            raise UserError(
                f"the disk is full: the data does not fit into the {free:,.0f} MB free at {place}"
            ) from None
        if error.errno in (errno.EACCES, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
            raise UserError(f"{error.filename or workspace.data}: cannot be written: {error.strerror}") from None
        raise
