"""Stories from the built-in corpus, from files, or from a hub dataset, divided into training and validation.

Nothing here holds a corpus in memory: its rows are read again for each pass. The split of one table of rows is
Hugging Face `datasets`' `train_test_split(test_size=val_fraction, seed=split_seed)`, story for story.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from engine.builtin_stories.stories import VERSIONS, stories
from engine.contract.errors import UserError
from engine.contract.events import Emit
from engine.contract.experiment import Data
from engine.data.hub import dataset_splits
from engine.data.locate import locate
from engine.data.progress import Progress
from engine.data.readers import KINDS, DataFile, content_hash, missing_column, no_text, without_outer_blank_lines
from engine.data.streaming import StreamedSplit, StreamedSplits
from engine.data.tidying import tidier
from engine.data.tokenizers.tokenizer import EOT
from engine.runs.workspace import HUB_ID, Workspace

OnStories = Callable[[Iterator[str]], Iterator[str]]


class Rows(Protocol):
    """A table's texts, in the same order at every iteration."""

    def __iter__(self) -> Iterator[str]: ...

    def counts(self) -> Iterator[int]:
        """Parts of the row count, empty rows included; cheaper than iterating where the length is known."""
        ...

    def fingerprint(self) -> str:
        """Another one where any of the texts is another one."""
        ...


ChosenRows = tuple[Rows, bytes]  # and a byte a row, 1 where it belongs to the split


@dataclass(frozen=True)
class Source:
    """Where an experiment's stories come from; `fingerprint` changes when any of their texts does."""

    data: Data
    rows: Rows
    val_rows: Rows | None  # None where the validation split is made from `rows`
    fingerprint: str

    def divide(self, emit: Emit, translated: OnStories | None = None) -> Splits:
        """Count the rows, choose the splits, and read the validation stories once.

        `translated` is what their stories pass through as they are read.

        Raises:
            UserError: there are too few stories, or they cannot be read.
        """
        count = _count(self.rows, emit)
        if self.val_rows is not None:
            val_count = _count(self.val_rows, emit)
            train = b"\1" * _part(count, self.data)
            val = b"\1" * _part(val_count, self.data)
            return Splits((self.rows, train), (self.val_rows, val), emit, tidier(self.data), translated)
        if count < 2:
            txt = any(name.endswith((".txt", ".txt.gz")) for name in self.data.files)
            hint = _separator_hint(self.data.document_separator) if txt else ""
            raise UserError(f"data: {count} story is too few, wants one to train and one to validate on{hint}")
        train, val = _train_test_split(count, self.data)
        return Splits((self.rows, train), (self.rows, val), emit, tidier(self.data), translated)

    def stories(self) -> Iterator[str]:
        """All stories, of both splits or of the training split where the source has two, in the source's order."""
        return _stories(self.rows, tidier(self.data))


def _separator_hint(separator: str) -> str:
    """How a txt file with stories becomes one with several."""
    blank_lines = r"""; "\n\n" does where blank lines stand between the stories""" if separator != "\n\n" else ""
    return f"; txt files are parted by data.document_separator = {json.dumps(separator)}{blank_lines}"


class Splits:
    """The stories of both splits, in the order of the source. No story stands in both."""

    def __init__(
        self, train: ChosenRows, val: ChosenRows, emit: Emit, tidy: Callable[[str], str], translated: OnStories | None
    ) -> None:
        """Read the validation stories."""
        self._train, self._val, self._tidy, self._translated = train, val, tidy, translated
        self.train_count, self.val_count = train[1].count(1), val[1].count(1)  # rows; stories are fewer or more
        self.repeated = 0  # training stories left out of the last pass, because they are validation stories too
        progress = Progress(emit, "read", self.val_count)
        self._in_validation: set[bytes] = set()
        characters = 0
        for story in progress.of(self.untranslated_validation()):
            self._in_validation.add(_digest(story))
            characters += len(story)
        progress.finish()
        self.train_characters = characters * self.train_count // max(1, self.val_count)  # an estimate
        if not self._in_validation:
            raise UserError("data: the validation split holds no story; wants at least one")

    def validation(self) -> Iterator[str]:
        if self._translated is None:
            return self.untranslated_validation()
        return map(self._tidy, self._translated(self.untranslated_validation()))

    def train(self, every: int = 1) -> Iterator[str]:
        """The training stories; of each `every` of them the first."""
        untranslated = islice(self.untranslated_train(), None, None, every)
        if self._translated is None:
            yield from untranslated
            return
        in_validation = set(map(_digest, self.validation()))  # two stories may have one translation
        for story in map(self._tidy, self._translated(untranslated)):
            if _digest(story) in in_validation:
                self.repeated += 1
            else:
                yield story

    def untranslated_validation(self) -> Iterator[str]:
        return _stories(compress(*self._val), self._tidy)

    def untranslated_train(self) -> Iterator[str]:
        self.repeated = 0
        for story in _stories(compress(*self._train), self._tidy):
            if _digest(story) in self._in_validation:
                self.repeated += 1
            else:
                yield story


def open_source(data: Data, workspace: Workspace, mirror: Path | None, emit: Emit) -> Source:
    """The stories that `[data]` names, found and, where need be, downloaded.

    `mirror` is looked in first; its layout is that of `wget -x` and of `hf download --local-dir`.

    Raises:
        UserError: a file, a dataset or a split is not there, or cannot be read.
    """
    if mirror is not None and not mirror.is_dir():
        raise UserError(f"mirror {mirror}: no such folder (SLM_DATA_MIRROR or --mirror)")
    if data.source == "builtin":
        rows = BuiltinRows(data.language, data.stories)
        return Source(data, rows, None, rows.fingerprint())
    if data.source == "files":
        return _source(data, FileRows(locate(data.files, workspace, mirror, emit), data), None)
    return _hub(data, workspace, mirror, emit)


def _source(data: Data, rows: Rows, val_rows: Rows | None) -> Source:
    return Source(data, rows, val_rows, _hash([rows.fingerprint(), val_rows and val_rows.fingerprint()]))


class BuiltinRows:
    """Stories that the built-in grammar tells."""

    def __init__(self, language: str, count: int) -> None:
        self._language, self._count = language, count

    def __iter__(self) -> Iterator[str]:
        return stories(self._language, self._count)

    def counts(self) -> Iterator[int]:
        yield self._count

    def fingerprint(self) -> str:
        """Of the grammar's version, which stands for the stories that it tells."""
        return _hash([self._language, self._count, *VERSIONS[self._language]])


class FileRows:
    """The rows of files, one file after the other."""

    def __init__(self, files: Iterable[DataFile], data: Data) -> None:
        self._files = tuple(files)
        self._how = (data.text_column, data.document_separator)

    def __iter__(self) -> Iterator[str]:
        for file in self._files:
            yield from file.texts(*self._how)

    def counts(self) -> Iterator[int]:
        for file in self._files:
            yield from file.counts(*self._how)

    def fingerprint(self) -> str:
        """Of the files' bytes in their order, wherever they stand."""
        return _hash([*self._how, [(file.kind, file.gzipped, file.content_hash()) for file in self._files]])


class FirstRows:
    """The first rows of a table."""

    def __init__(self, rows: FileRows, count: int, identity: str = "") -> None:
        """`identity` says which table it is, where its files do not: a stream may come in smaller or larger ones."""
        self._rows, self._count, self._identity = rows, count, identity

    def __iter__(self) -> Iterator[str]:
        return islice(self._rows, self._count)

    def counts(self) -> Iterator[int]:
        left = self._count
        for count in self._rows.counts():
            yield min(count, left)
            left -= min(count, left)
            if not left:
                return

    def fingerprint(self) -> str:
        return _hash([self._count, self._identity or self._rows.fingerprint()])


class HubRows:
    """A split of a hub dataset, as `datasets` keeps it on disk, memory-mapped."""

    def __init__(self, split: Any, data: Data) -> None:
        column = data.text_column
        if column not in split.column_names:
            raise missing_column(f"dataset {data.dataset}", column, split.column_names)
        if getattr(split.features[column], "dtype", "") not in ("string", "large_string"):
            raise no_text(f"dataset {data.dataset}", column)
        self._split, self._column = split.select_columns([column]), column

    def __iter__(self) -> Iterator[str]:
        for batch in self._split.iter(batch_size=1024):
            yield from (text or "" for text in batch[self._column])

    def counts(self) -> Iterator[int]:
        yield len(self._split)

    def fingerprint(self) -> str:
        return _hash([self._column, *(content_hash(Path(file["filename"])) for file in self._split.cache_files)])


def _hub(data: Data, workspace: Workspace, mirror: Path | None, emit: Emit) -> Source:
    """The mirror's copy of the dataset, or else the hub's."""
    dataset = data.dataset or ""
    if not re.fullmatch(HUB_ID, dataset):
        raise UserError(f'data.dataset = "{dataset}": wants OWNER/NAME of a dataset on the hub')
    folder = mirror / dataset if mirror is not None else None
    if folder is not None and folder.is_dir():
        splits: Mapping[str, Any] = _splits_in_folder(folder, data)
        rows_of: Callable[[Any, Data], Rows] = _file_rows
    elif data.streaming_rows is not None:
        splits, rows_of = StreamedSplits(data, workspace, emit), _streamed_rows
    else:
        splits, rows_of = dataset_splits(dataset, data.config, folder, emit), HubRows
    for key, split in (("train_split", data.train_split), ("val_split", data.val_split)):
        if (split or key == "train_split") and split not in splits:
            hint = '; val_split = "" makes one by val_fraction' if key == "val_split" else ""
            there = ", ".join(splits) or "none"
            raise UserError(f'data.{key} = "{split}": dataset {dataset} has no such split; there are {there}{hint}')
    train = rows_of(splits[data.train_split], data)
    val = rows_of(splits[data.val_split], data) if data.val_split else None
    return _source(data, train, val)


def _file_rows(files: list[DataFile], data: Data) -> FileRows | FirstRows:
    rows = FileRows(files, data)
    return rows if data.streaming_rows is None else FirstRows(rows, data.streaming_rows)


def _streamed_rows(stream: StreamedSplit, data: Data) -> FirstRows:
    return FirstRows(FileRows(stream.files, data), stream.wanted, stream.identity)


def _splits_in_folder(folder: Path, data: Data) -> dict[str, list[DataFile]]:
    """The files of each split of a downloaded repository, such as `data/train-00000-of-00004.parquet`.

    As on the hub, a file's name says its split; files that name none are the training split, and a
    configuration has a folder of its own.
    """
    places = [folder / data.config, folder / "data" / data.config] if data.config else [folder / "data", folder]
    for place in places:
        for kind in KINDS:
            files = sorted(path for suffix in ("", ".gz") for path in place.glob(f"*.{kind}{suffix}"))
            splits: dict[str, list[DataFile]] = {}
            for path in files:
                splits.setdefault(_split_named(path, data), []).append(DataFile.of(path))
            if splits:
                return splits
    if data.config is not None and not any(place.is_dir() for place in places):
        there = sorted(path.name for path in (*folder.glob("*/"), *folder.glob("data/*/")) if path.name != "data")
        raise UserError(
            f'data.config = "{data.config}": dataset {data.dataset} has no such configuration in {folder}; '
            f"there are {', '.join(there) or 'none'}"
        )
    return {}


def _split_named(path: Path, data: Data) -> str:
    words = re.split(r"[-._ ]", path.name)[:-1]
    named = [
        name for name in (data.train_split, data.val_split, "train", "validation", "test") if name and name in words
    ]
    return named[0] if named else "train"


def _train_test_split(count: int, data: Data) -> tuple[bytes, bytes]:
    """Which rows are in the training and in the validation split, a byte a row.

    `datasets` permutes the row numbers with numpy's default generator and takes the validation split first.
    """
    order = np.random.default_rng(data.split_seed).permutation(count)
    n_val = math.ceil(data.val_fraction * count)
    train, val = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    val[order[: _part(n_val, data)]] = True
    train[order[n_val:][: _part(count - n_val, data)]] = True
    return train.tobytes(), val.tobytes()


def _part(count: int, data: Data) -> int:
    """How many of a split's `count` rows are used: what is not translated is left out."""
    used = math.ceil(count * data.fraction)
    return math.ceil(used * data.translate.fraction) if data.translate is not None else used


def _count(rows: Rows, emit: Emit) -> int:
    progress = Progress(emit, "count")
    for count in rows.counts():
        progress.add(count)
    progress.finish()
    return progress.done


def _stories(texts: Iterable[str], tidy: Callable[[str], str]) -> Iterator[str]:
    """The stories in the texts: none in an empty one, several where end-of-text stands between them."""
    for text in map(tidy, texts):
        parts = [text] if EOT not in text else map(without_outer_blank_lines, text.split(EOT))
        yield from (part for part in parts if part and not part.isspace())


def _digest(story: str) -> bytes:
    return hashlib.blake2b(story.strip().encode(), digest_size=8).digest()


def _hash(parts: Sequence[Any]) -> str:
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()
