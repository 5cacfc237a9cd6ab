"""What the hub has, by its name: tokenizers and models, of which a folder or the mirror comes first, and data sets.

Of a model only files of the kinds asked for are downloaded, and no code of a repository's is ever run.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from engine.contract.errors import UserError
from engine.contract.events import Emit, Prepare
from engine.data.locate import DISK_FULL, without_network
from engine.runs.workspace import HUB_ID, below

_RETRYING = ("datasets.utils.file_utils", "huggingface_hub.utils._http")  # whose logs tell of attempts
_ATTEMPTS = 2  # of `datasets`, to go on with a broken stream; each takes half a minute, with those of the hub's library


def repository(name: str, wanted: Sequence[str], mirror: Path | None, root: Path, shown: str) -> Path:
    """The folder of the model repository that `name` means, below `root` where it is a relative folder.

    `wanted` are patterns of the files to download; `shown` is what errors call the setting, with its value.

    Raises:
        UserError: there is none, or the hub does not give it.
    """
    folder = below(root, name)
    if name and folder.is_dir():
        return folder
    if not re.fullmatch(HUB_ID, name):
        raise UserError(f"{shown}: no such folder in {root.absolute()}; wants one, or OWNER/NAME of a model on the hub")
    mirrored = mirror / name if mirror is not None else None
    if mirrored is not None and mirrored.is_dir():
        return mirrored
    return _downloaded(name, wanted, mirrored, shown)


def _downloaded(name: str, wanted: Sequence[str], mirrored: Path | None, shown: str) -> Path:
    """The hub's copy, which `huggingface_hub` keeps."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    _quieten()
    looked_in = f"; the mirror has no {mirrored}" if mirrored is not None else ""
    how = without_network(f"hf download {name} --local-dir DIR/{name}")
    try:
        return Path(snapshot_download(name, allow_patterns=list(wanted)))
    except GatedRepoError:
        raise UserError(
            f"{shown}: is gated; request access at https://huggingface.co/{name}, then run hf auth login"
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            f"{shown}: the hub has no such model, or it is private{looked_in}; check the spelling of OWNER/NAME"
        ) from None
    except LocalEntryNotFoundError:
        where = f"neither in the mirror ({mirrored}) nor" if mirrored is not None else "not"
        raise UserError(f"{shown}: is {where} on this machine, and the hub cannot be reached\n{how}") from None
    except Exception as error:  # a network has more ways to fail than the library has names for
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{shown}: cannot be downloaded: {reason}{looked_in}\n{how}") from None


def _quieten() -> None:
    """No bars, and none of the libraries' lines: what they come to is said in our own words."""
    from huggingface_hub.utils.logging import set_verbosity_error
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    set_verbosity_error()


def dataset_splits(
    dataset: str, config: str | None, mirrored: Path | None, emit: Emit, streamed_at: str | None = None
) -> Mapping[str, Any]:
    """The splits of a hub dataset as `datasets` keeps them on disk; `mirrored` is where the mirror does not have it.

    `streamed_at` is a commit of the dataset: its splits are then streams, and nothing is kept.

    Raises:
        UserError: there is no such dataset or configuration, it is gated, or the network went away.
    """
    import datasets  # takes a second and more

    emit(Prepare(phase="download", done=0))
    datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity_error()
    _quieten()
    with dataset_errors_explained(dataset, mirrored), retries_told(emit):
        if streamed_at is not None:
            return cast(Mapping[str, Any], datasets.load_dataset(dataset, config, revision=streamed_at, streaming=True))
        # Without being asked it is not streamed: each pass would download all of it again. On disk, whatever the
        # user's settings: its files are what its fingerprint is of.
        return cast(Mapping[str, Any], datasets.load_dataset(dataset, config, keep_in_memory=False))


def dataset_commit(dataset: str) -> str:
    """The commit that the hub's dataset is at now.

    Raises:
        UserError: there is no such dataset, it is gated, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi

    with dataset_errors_explained(dataset):
        return HfApi().dataset_info(dataset).sha or "main"


@contextmanager
def dataset_errors_explained(dataset: str, mirrored: Path | None = None) -> Iterator[None]:
    """Errors of `datasets`, and of what it calls, in our words."""
    import datasets
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    shown = f'data.dataset = "{dataset}"'
    looked_in = f"; the mirror has no {mirrored}" if mirrored is not None else ""
    how = without_network(f"hf download {dataset} --repo-type dataset --local-dir DIR/{dataset}")
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001  a network has more ways to fail than the libraries have names for
        cause = _first_cause(error)
        if isinstance(cause, OSError) and cause.errno in DISK_FULL:
            raise cause from None
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if isinstance(error, GatedRepoError) or "gated" in reason:
            page = f"https://huggingface.co/datasets/{dataset}"
            raise UserError(f"{shown}: is gated; request access at {page}, then run hf auth login") from None
        if isinstance(error, (datasets.exceptions.DatasetNotFoundError, RepositoryNotFoundError)):
            raise UserError(
                f"{shown}: the hub has no such dataset, or it is private{looked_in}; check the spelling of OWNER/NAME"
            ) from None
        told = f"{shown}: {reason}"
        if cause is not error and str(cause):
            told += f": {str(cause).splitlines()[0]}"
        if _is_of_the_dataset(error) and _is_of_the_dataset(cause):
            raise UserError(told) from None
        # what arrived of a broken download is kept, and the next one goes on from there
        raise UserError(f"{told}{looked_in}\n{how}") from None


def _first_cause(error: BaseException) -> BaseException:
    """What the error was raised from in the end."""
    return _first_cause(error.__cause__) if error.__cause__ is not None else error


def _is_of_the_dataset(error: BaseException) -> bool:
    """Whether the error would be the same with the best of networks: there is no such configuration, or its files
    cannot be read."""
    import datasets

    without_hub = str(error).startswith("Couldn't find cache")  # said of what was looked for there alone
    return isinstance(error, ValueError | datasets.exceptions.DatasetsError) and not without_hub


@contextmanager
def retries_told(emit: Emit) -> Iterator[None]:
    """What is read from the hub meanwhile says where a connection is lost and tried again, and gives up in a minute."""
    import datasets

    config = datasets.config
    config.STREAMING_READ_MAX_RETRIES = config.STREAMING_OPEN_MAX_RETRIES = _ATTEMPTS
    handler = _Retries(emit)
    loggers = [logging.getLogger(name) for name in _RETRYING]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


class _Retries(logging.Handler):
    """Tells of attempts, which the libraries write into their logs alone."""

    def __init__(self, tell: Emit) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        if "Retrying" in record.getMessage():
            self._tell(Prepare("connection lost, trying again", 0))
