"""Prepares an experiment's data: stories become `train.bin` and `val.bin`, flat files of token ids.

    slm-tui prepare NAME

data/NAME-HASH/    HASH is over everything that shaped the tokens, so experiments alike in that share one
    train.bin val.bin   uint16 or uint32, end-of-text after every story
    tokenizer/          trained on the training split only
    manifest.json       written last

data/translations/  what `[data.translate]` has translated, by model

data/.HASH.part/   what a preparation that was killed or interrupted has done; the next one resumes it

data/.content-hashes.json   the hashes of files, by which prepared data is found without reading them

A csv, tsv, jsonl, json, txt or parquet file is read twice: for the hashes of the file and of its stories, and for the
tokens of both splits. A trained tokenizer reads it once more in between, for the training split must be known. Rows of
a hub dataset are hashed as files first, since they are read through a memory map. A translated corpus is read once more
for each split that is translated, and its validation split once for the hashes of the translations.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
from filelock import FileLock, Timeout

from engine.contract.errors import UserError
from engine.contract.events import Emit, Warning
from engine.contract.experiment import Experiment
from engine.contract.experiment import Tokenizer as TokenizerTable
from engine.contract.files import replaced_directory
from engine.data.locks import locked
from engine.data.progress import PhaseProgress
from engine.data.sources import Source, Split, Splits, open_source
from engine.data.token_files import SplitManifest, remove_journal, write_tokens
from engine.data.tokenizers.byte_pair import TRAINING_CHARACTERS, train_byte_bpe
from engine.data.tokenizers.load import load_tokenizer, open_tokenizer
from engine.data.tokenizers.round_trip import loss_warnings
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.data.write_errors import write_errors_explained
from engine.runs.workspace import Workspace

_PART_KEPT_DAYS = 30
_SAMPLE = 200  # stories that are looked at for what the tokenizer loses
FORMAT = 2  # goes up when the same texts and tables would give other files


class Manifest(msgspec.Struct, frozen=True):
    """manifest.json: what the prepared data is, and what it was made of."""

    key: dict[str, Any]  # everything that shaped the data; the directory's HASH is its hash
    vocab_size: int
    dtype: Literal["uint16", "uint32"]
    train: SplitManifest
    val: SplitManifest
    warnings: list[str]
    created: str  # ISO 8601, UTC


@dataclass(frozen=True)
class PreparedData:
    """A directory of prepared data."""

    directory: Path
    manifest: Manifest
    cached: bool = True  # found, not made

    @property
    def train(self) -> Path:
        return self.directory / "train.bin"

    @property
    def val(self) -> Path:
        return self.directory / "val.bin"

    def tokenizer(self) -> Tokenizer:
        return load_tokenizer(self.directory / "tokenizer")

    @classmethod
    def load(cls, directory: Path) -> PreparedData:
        """The prepared data in `directory`.

        Raises:
            UserError: it is not there whole.
        """
        try:
            manifest = msgspec.json.decode((directory / "manifest.json").read_bytes(), type=Manifest)
            prepared = cls(directory, manifest)
            width = 2 if manifest.dtype == "uint16" else 4
            for path, split in ((prepared.train, manifest.train), (prepared.val, manifest.val)):
                if path.stat().st_size != split.tokens * width:
                    raise UserError(
                        f"{path} is damaged: it should have {split.tokens * width:,} bytes; delete {directory}"
                    )
        except (OSError, ValueError) as error:  # msgspec's, and text that is not UTF-8
            raise UserError(f"{directory}: the prepared data is incomplete: {error}; delete it") from None
        return prepared


def digest_of(directory: Path) -> str:
    """The hash over everything that shaped the data in `directory`, NAME-HASH, which need not be there any more."""
    return directory.name.rpartition("-")[2]


class Translation(Protocol):
    """What turns a corpus into another language: `engine.translation.corpus`."""

    @property
    def key(self) -> dict[str, Any]:
        """What shapes the translated text."""
        ...

    def work(self, stories: Iterable[str], count: int, phase: str, emit: Emit) -> None:
        """Translate all stories of a split."""
        ...

    def translated(self, stories: Iterable[str]) -> Iterator[str]:
        """The stories' translations, in order: one for each, empty or white space where nothing is left of it."""
        ...


def prepare(
    name: str,
    experiment: Experiment,
    workspace: Workspace,
    mirror: Path | None,
    emit: Emit,
    tokenizer: Tokenizer | None = None,
    translation: Translation | None = None,
) -> PreparedData:
    """The data of the experiment `name`, from an earlier preparation if there is one alike, or else made now.

    `tokenizer` is that of the weights which the training starts from, and takes the place of `[tokenizer]`;
    `translation` is what the stories pass through.

    A second preparation of the same data waits for the first, and one that was killed is resumed. Memory stays
    bounded whatever the corpus' size, but for some 20 bytes a story while the split is made.

    Raises:
        UserError: the data cannot be found, read or written, or is too small.
    """
    with _reserved(experiment, workspace, mirror, emit, tokenizer, translation) as place:
        prepared = _find(workspace, place.digest)
        if prepared is None:
            _sweep(workspace)
            directory = workspace.data / f"{name}-{place.digest}"
            with _kept_if_interrupted(place.part):
                _write(place, emit)
                with replaced_directory(directory) as new:
                    for item in place.part.iterdir():
                        item.rename(new / item.name)
            prepared = replace(PreparedData.load(directory), cached=False)
    for message in prepared.manifest.warnings:
        emit(Warning(message=message))
    return prepared


def trained_tokenizer(
    experiment: Experiment,
    workspace: Workspace,
    mirror: Path | None,
    emit: Emit,
    translation: Translation | None = None,
) -> Tokenizer:
    """The byte-level BPE of an experiment: of its prepared data, or trained now and kept for its preparation.

    Raises:
        UserError: as `prepare`.
    """
    with _reserved(experiment, workspace, mirror, emit, None, translation) as place:
        prepared = _find(workspace, place.digest)
        if prepared is not None:
            return prepared.tokenizer()
        with _kept_if_interrupted(place.part):
            return _kept_tokenizer(place, None, emit)


@dataclass(frozen=True)
class _Place:
    """Where data is prepared, and of what."""

    source: Source
    translation: Translation | None
    tokenizer: Callable[[], Tokenizer | None]  # None where it is trained on the source
    table: TokenizerTable
    starting: Tokenizer | None  # that of the weights which the training starts from: it takes the table's place
    key: dict[str, Any]
    digest: str
    part: Path  # the directory of what is not whole yet


@contextmanager
def _reserved(
    experiment: Experiment,
    workspace: Workspace,
    mirror: Path | None,
    emit: Emit,
    starting: Tokenizer | None,
    translation: Translation | None,
) -> Iterator[_Place]:
    """The place of the experiment's data, for this process alone."""
    with write_errors_explained(workspace):
        source, opened = open_source(experiment.data, workspace, mirror, emit), starting
        # only what has no fixed vocabulary: prepared data is found without the files of GPT-2's tokenizer
        if opened is None and experiment.tokenizer.kind == "huggingface":
            opened = open_tokenizer(experiment.tokenizer, workspace, mirror)
        # Where the same was made of another corpus, or of this one before it was moved, hashing alone may find it;
        # otherwise the files are read for their stories as well, once.
        made_alike = _made_alike(workspace, _key("", source, experiment, translation, opened))
        fingerprint = source.fingerprint(scanning=None if made_alike else emit)
        key = _key(fingerprint, source, experiment, translation, opened)
        digest = hashlib.blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=6).hexdigest()
        workspace.data.mkdir(parents=True, exist_ok=True)
        with locked(workspace.data / f".{digest}.lock", "waiting for another preparation of the same data", emit):
            part = workspace.data / f".{digest}.part"
            place = _Place(
                source,
                translation,
                lambda: opened or open_tokenizer(experiment.tokenizer, workspace, mirror),
                experiment.tokenizer,
                starting,
                key,
                digest,
                part,
            )
            yield place


def _key(
    fingerprint: str,
    source: Source,
    experiment: Experiment,
    translation: Translation | None,
    opened: Tokenizer | None,
) -> dict[str, Any]:
    """Everything that shapes the tokens. What an older version had no key for is only there where it is used."""
    data, tokenizer = experiment.data, experiment.tokenizer
    split = {"val_fraction": data.val_fraction, "split_seed": data.split_seed} if source.val_rows is None else {}
    fields = ("kind", "vocab_size", "min_frequency", "name")
    named: dict[str, Any] = {field: getattr(tokenizer, field) for field in fields}
    if opened is not None:  # by what it is, wherever it stands
        named = {"kind": tokenizer.kind, "fingerprint": opened.fingerprint()}
    return {
        "format": FORMAT,
        "source": fingerprint,
        "fraction": data.fraction,
        **split,
        **{key: value for key in ("repair_mojibake", "normalization") if (value := getattr(data, key))},
        **({"translate": translation.key} if translation is not None else {}),
        "tokenizer": named,
    }


def _made_alike(workspace: Workspace, key: dict[str, Any]) -> bool:
    """Whether there is prepared data that was made as `key` says, of whatever source."""
    for path in workspace.data.glob("*/manifest.json"):
        with suppress(OSError, ValueError):
            if {**msgspec.json.decode(path.read_bytes(), type=Manifest).key, "source": key["source"]} == key:
                return True
    return False


def _sweep(workspace: Workspace) -> None:
    """Remove what preparations have left that nobody resumed: their experiments will have changed since."""
    for part in workspace.data.glob(".*.part"):
        lock = FileLock(part.with_suffix(".lock"))
        with suppress(OSError, Timeout):  # it is in use, or being removed
            worked_on = max(path.stat().st_mtime for path in (part, *part.rglob("*")))
            if time.time() - worked_on > _PART_KEPT_DAYS * 86_400:
                with lock.acquire(timeout=0):
                    shutil.rmtree(part)


def _find(workspace: Workspace, digest: str) -> PreparedData | None:
    """The data of that hash, whoever prepared it. Removes what a killed preparation left. Wants the lock."""
    for killed in workspace.data.glob(f".*-{digest}.new"):
        shutil.rmtree(killed)
    for directory in sorted(workspace.data.glob(f"*-{digest}")):
        with suppress(UserError):  # damaged by hand: made anew
            return PreparedData.load(directory)
    return None


@contextmanager
def _kept_if_interrupted(part: Path) -> Iterator[None]:
    """Removes `part` once it is empty and after an error; what was interrupted or killed stays, to be resumed."""
    part.mkdir(exist_ok=True)
    try:
        yield
    except Exception:  # whichever it was, and it is raised again: the next preparation would only meet it once more
        shutil.rmtree(part, ignore_errors=True)
        raise
    finally:
        with suppress(OSError):  # it holds something, or is gone already
            part.rmdir()


def _splits(place: _Place, emit: Emit) -> Splits:
    """The stories of both splits, translated where the experiment says so."""
    translation = place.translation
    if translation is None:
        return place.source.divide(emit)
    splits = place.source.divide(emit, translation.translated)
    translation.work(splits.untranslated_validation(), splits.val_count, "translate validation", emit)
    translation.work(splits.untranslated_train(), splits.train_count, "translate train", emit)
    return splits


def _kept_tokenizer(place: _Place, splits: Splits | None, emit: Emit) -> Tokenizer:
    """The tokenizer in `part`, or a new one, which is saved there."""
    saved = place.part / "tokenizer"
    if saved.is_dir():
        with suppress(UserError):  # damaged by hand
            return load_tokenizer(saved)
    tokenizer = place.tokenizer() or _trained(place, splits or _splits(place, emit), emit)
    with replaced_directory(saved) as new:
        tokenizer.save(new)
    return tokenizer


def _trained(place: _Place, splits: Splits, emit: Emit) -> Tokenizer:
    assert place.table.vocab_size is not None, "the experiment was checked"
    every = max(1, math.ceil(splits.train_characters / TRAINING_CHARACTERS))  # all over the split, not its first files
    progress = PhaseProgress(emit, "train tokenizer", math.ceil(splits.train_count / every))
    stories = progress.of(splits.train(every))
    tokenizer = train_byte_bpe(stories, place.table.vocab_size, place.table.min_frequency)
    progress.finish()
    return tokenizer


def _write(place: _Place, emit: Emit) -> None:
    """Fill the directory `part`, which may hold some of it already."""
    splits = _splits(place, emit)
    tokenizer = _kept_tokenizer(place, splits, emit)
    dtype: Literal["uint16", "uint32"] = "uint16" if tokenizer.vocab_size <= 2**16 else "uint32"
    paths: dict[Split, Path] = {"train": place.part / "train.bin", "val": place.part / "val.bin"}
    progress = PhaseProgress(emit, "tokenize", splits.train_count + splits.val_count)
    first: list[str] = []  # validation stories
    written = write_tokens(paths, progress.of(_remembering(first, splits.both())), tokenizer, dtype)
    if not written["train"].stories:
        why = ": every one is also a validation story" if splits.repeated else ""
        raise UserError(f"data: the training split contains no stories{why}")
    progress.finish()
    for path in paths.values():
        remove_journal(path)
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    warnings = _warnings(place, tokenizer, splits.repeated, first)
    manifest = Manifest(place.key, tokenizer.vocab_size, dtype, written["train"], written["val"], warnings, created)
    (place.part / "manifest.json").write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")


def _remembering(first: list[str], stories: Iterable[tuple[Split, str]]) -> Iterator[tuple[Split, str]]:
    """The same stories; the first validation stories of them are then in `first`, too."""
    for split, story in stories:
        if split == "val" and len(first) < _SAMPLE:
            first.append(story)
        yield split, story


def _warnings(place: _Place, tokenizer: Tokenizer, repeated: int, first: list[str]) -> list[str]:
    """What the user should know of the data; `first` are validation stories."""
    warnings, table = [], place.table
    if place.starting is None and table.kind == "byte_bpe" and tokenizer.vocab_size != table.vocab_size:
        warnings.append(
            f"tokenizer.vocab_size = {table.vocab_size:,}: the training stories give only {tokenizer.vocab_size:,} "
            f"entries at min_frequency = {table.min_frequency}; the model uses that many"
        )
    if repeated:
        stories = "story" if repeated == 1 else "stories"
        warnings.append(f"{repeated:,} training {stories} left out: they are also in the validation split")
    if tokenizer.kind == "huggingface":  # the others have a token for each byte
        warnings += loss_warnings(tokenizer, first)
    return warnings
