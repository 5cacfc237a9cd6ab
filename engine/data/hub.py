"""What the hub has, by its name: tokenizers and models, of which a folder or the mirror comes first, and data sets.

Of a model only files of the kinds asked for are downloaded, and no code of a repository's is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from engine.contract.errors import UserError
from engine.contract.events import Emit, Prepare
from engine.contract.workspace import HUB_ID, below
from engine.data.locate import DISK_FULL, without_network


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
    looked_in = f", nor is {mirrored} there" if mirrored is not None else ""
    how = without_network(f"hf download {name} --local-dir DIR/{name}")
    try:
        return Path(snapshot_download(name, allow_patterns=list(wanted)))
    except GatedRepoError:
        raise UserError(
            f"{shown}: is gated: its owner lets in only whom they know; ask at https://huggingface.co/{name}, "
            "then run hf auth login"
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            f"{shown}: the hub has no such model, or it is private{looked_in}; wants OWNER/NAME, spelt as on the hub"
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
    """No bars, and no line for each new attempt: what it comes to is said once, in our own words."""
    from huggingface_hub.utils import logging
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    logging.set_verbosity_error()


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
    with dataset_errors_explained(dataset, mirrored):
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
    looked_in = f", nor is {mirrored} there" if mirrored is not None else ""
    how = without_network(f"hf download {dataset} --repo-type dataset --local-dir DIR/{dataset}")
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if isinstance(error, GatedRepoError) or "gated" in reason:
            page = f"https://huggingface.co/datasets/{dataset}"
            raise UserError(f"{shown}: is gated: ask its owner at {page}, then run hf auth login") from None
        if isinstance(error, (datasets.exceptions.DatasetNotFoundError, RepositoryNotFoundError)):
            raise UserError(
                f"{shown}: the hub has no such dataset, or it is private{looked_in}; wants OWNER/NAME, spelt as there"
            ) from None
        # what arrived of a broken download is kept, and the next one goes on from there
        raise UserError(f"{shown}: {reason}{looked_in}\n{how}") from None
