"""Stories from the built-in corpus, from files, or from a hub dataset, divided into training and validation.

Nothing here holds a corpus in memory: its rows are read again for each pass. The first pass takes everything that a
split needs (the files' hashes, the number of rows, a digest of each story), so one more pass writes the tokens of both
splits. The split of one table of rows is Hugging Face `datasets`' `train_test_split(test_size=val_fraction,
seed=split_seed)`, story for story.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from engine.builtin_stories.stories import VERSIONS, stories
from engine.contract.errors import UserError
from engine.contract.events import Emit
from engine.contract.experiment import Data
from engine.data.content_hashes import ContentHashes
from engine.data.hub import dataset_splits
from engine.data.locate import locate
from engine.data.progress import PhaseProgress
from engine.data.readers import KINDS, DataFile, missing_column, no_text, without_outer_blank_lines
from engine.data.streaming import StreamedSplit, StreamedSplits
from engine.data.tidying import tidier
from engine.data.tokenizers.tokenizer import EOT
from engine.runs.workspace import HUB_ID, Workspace

OnStories = Callable[[Iterator[str]], Iterator[str]]  # one story for each, empty where nothing is left of it
Split = Literal["train", "val"]

_LEFT_OUT, _TRAIN, _VAL, _MIXED = range(4)  # what a row is; mixed: of the training split, a story is in the other too
_SPLITS: dict[int, Split] = {_TRAIN: "train", _MIXED: "train", _VAL: "val"}
_CHUNK = 1 << 20  # stories whose digests are compared at once


class Rows(Protocol):
    """A table's texts, in the same order at every iteration."""

    def __iter__(self) -> Iterator[str]: ...

    def hashing(self) -> Iterator[str]:
        """The texts; what is read for them is hashed on the way, where the fingerprint is made of that."""
        ...

    def is_known(self) -> bool:
        """Whether `fingerprint` reads nothing."""
        ...

    def fingerprint(self) -> str:
        """Another one where any of the texts is another one."""
        ...


@dataclass
class Source:
    """Where an experiment's stories come from."""

    data: Data
    rows: Rows
    val_rows: Rows | None  # None where the validation split is made from `rows`
    hashes: ContentHashes
    _scans: list[_Scan] = field(default_factory=list)  # of each table, where they were read
    _fingerprint: str | None = None

    def fingerprint(self, scanning: Emit | None = None) -> str:
        """Changes when any of the source's texts does.

        Where files must be read for it, and `scanning` is there to tell of it, they are read for `divide` as well.

        Raises:
            UserError: a file cannot be read.
        """
        if self._fingerprint is None:
            if scanning is not None and not all(rows.is_known() for rows in self._tables):
                self._scan(scanning)
            self._fingerprint = self._taken_fingerprint()
            self.hashes.save()
        return self._fingerprint

    def divide(self, emit: Emit, translated: OnStories | None = None) -> Splits:
        """Choose the splits, after the one pass over the rows that this takes, unless `fingerprint` has made it.

        `translated` is what their stories pass through as they are read.

        Raises:
            UserError: there are too few stories, or they cannot be read.
        """
        if not self._scans:
            self._scan(emit)
            if self._fingerprint not in (None, self._taken_fingerprint()):
                raise UserError("data: a file changed while it was prepared; start again once it is complete")
        scans, self._scans = self._scans, []  # they are large, and the splits keep what they need
        if self.val_rows is not None:
            train_scan, val_scan = scans
            train = np.arange(train_scan.rows) < _part(train_scan.rows, self.data)
            val = np.arange(val_scan.rows) < _part(val_scan.rows, self.data)
            return Splits(
                [(self.rows, train_scan, train, None), (self.val_rows, val_scan, None, val)],
                tidier(self.data),
                translated,
            )
        (scan,) = scans
        if scan.rows < 2:
            txt = any(name.endswith((".txt", ".txt.gz")) for name in self.data.files)
            hint = _separator_hint(self.data.document_separator) if txt else ""
            found = "1 story is" if scan.rows else "0 stories are"
            raise UserError(f"data: {found} too few; training and validation need at least one each{hint}")
        return Splits([(self.rows, scan, *_train_test_split(scan.rows, self.data))], tidier(self.data), translated)

    def stories(self) -> Iterator[str]:
        """All stories, of both splits or of the training split where the source has two, in the source's order."""
        tidy = tidier(self.data)
        for text in self.rows:
            yield from _stories(tidy(text))

    @property
    def _tables(self) -> list[Rows]:
        return [self.rows] if self.val_rows is None else [self.rows, self.val_rows]

    def _scan(self, emit: Emit) -> None:
        progress = PhaseProgress(emit, "read")
        self._scans = [_Scan.of(rows, tidier(self.data), progress) for rows in self._tables]
        progress.finish()

    def _taken_fingerprint(self) -> str:
        if self.data.source == "builtin":
            return self.rows.fingerprint()
        return _hash([self.rows.fingerprint(), self.val_rows and self.val_rows.fingerprint()])


def _separator_hint(separator: str) -> str:
    """How a txt file with stories becomes one with several."""
    blank_lines = r"""; use "\n\n" if blank lines separate the stories""" if separator != "\n\n" else ""
    return f"; txt files are split at data.document_separator = {json.dumps(separator)}{blank_lines}"


@dataclass(frozen=True)
class _Scan:
    """What one pass over a table finds, in 13 bytes a story. A row without a story has one entry of no characters."""

    rows: int
    digests: npt.NDArray[np.uint64]
    characters: npt.NDArray[np.uint32]
    begins: npt.NDArray[np.bool_]  # whether an entry is its row's first

    @classmethod
    def of(cls, rows: Rows, tidy: Callable[[str], str], progress: PhaseProgress) -> _Scan:
        digests, characters, begins = bytearray(), array("I"), bytearray()
        count = 0
        for text in rows.hashing():
            first = 1
            for story in _stories(tidy(text)):
                digests += _digest(story)
                characters.append(len(story))
                begins.append(first)
                first = 0
            if first:
                digests += bytes(_DIGEST)
                characters.append(0)
                begins.append(1)
            count += 1
            progress.add()
        return cls(
            count,
            np.frombuffer(digests, np.uint64),
            np.frombuffer(characters, np.uint32),
            np.frombuffer(begins, np.bool_),
        )

    def stories_of(self, chosen: npt.NDArray[np.bool_]) -> Iterator[tuple[slice, npt.NDArray[np.int64]]]:
        """The entries, a chunk at a time, and of each chunk the rows, whole or in part, that its stories stand in: a
        row number an entry, -1 for what is not chosen or no story."""
        row = -1
        for first in range(0, len(self.begins), _CHUNK):
            part = slice(first, first + _CHUNK)
            rows = row + np.cumsum(self.begins[part])
            row = int(rows[-1])
            yield part, np.where(chosen[rows] & (self.characters[part] > 0), rows, -1)


# a table, what is known of it, and which of its rows belong to the training and to the validation split
_Table = tuple[Rows, _Scan, npt.NDArray[np.bool_] | None, npt.NDArray[np.bool_] | None]


class Splits:
    """The stories of both splits, in the order of the source. No story stands in both."""

    def __init__(self, tables: Sequence[_Table], tidy: Callable[[str], str], translated: OnStories | None) -> None:
        """Raises:
        UserError: the validation split holds no story.
        """
        self._tidy, self._translated = tidy, translated
        self.train_count = sum(int(train.sum()) for _, _, train, _ in tables if train is not None)  # rows, not stories
        self.val_count = sum(int(val.sum()) for *_, val in tables if val is not None)
        self.repeated = 0  # training stories left out of the last pass, because they are validation stories too
        held_out, characters = _validation_digests(tables)
        if not len(held_out):
            raise UserError("data: the validation split contains no stories")
        self.train_characters = characters * self.train_count // max(1, self.val_count)  # an estimate
        self._in_both: set[bytes] = set()
        self._tables = [(rows, self._fates(scan, train, val, held_out)) for rows, scan, train, val in tables]
        self._translated_validation: set[bytes] | None = None

    def validation(self) -> Iterator[str]:
        return (story for _, story in self._pass(("val",)))

    def train(self, every: int = 1) -> Iterator[str]:
        """The training stories; of each `every` of them the first."""
        return (story for _, story in self._pass(("train",), every))

    def both(self) -> Iterator[tuple[Split, str]]:
        """The stories of both splits in one pass, each with its split's name."""
        return self._pass(("train", "val"))

    def untranslated_validation(self) -> Iterator[str]:
        return (story for _, story in self._untranslated(("val",)))

    def untranslated_train(self) -> Iterator[str]:
        return (story for _, story in self._untranslated(("train",)))

    def _pass(self, wanted: tuple[Split, ...], every: int = 1) -> Iterator[tuple[Split, str]]:
        untranslated = islice(self._untranslated(wanted), None, None, every)
        if self._translated is None:
            yield from untranslated
            return
        if "train" in wanted and self._translated_validation is None:  # two stories may have one translation
            self._translated_validation = set(map(_digest, self.validation()))
        splits: deque[Split] = deque()  # of the stories that are being translated

        def passing() -> Iterator[str]:
            for split, story in untranslated:
                splits.append(split)
                yield story

        for story in map(self._tidy, self._translated(passing())):
            split = splits.popleft()
            if not story or story.isspace():
                continue
            if split == "train" and _digest(story) in (self._translated_validation or ()):
                self.repeated += 1
            else:
                yield split, story

    def _untranslated(self, wanted: tuple[Split, ...]) -> Iterator[tuple[Split, str]]:
        if "train" in wanted:
            self.repeated = 0
        for rows, fates in self._tables:
            if not any(fate in fates for fate, split in _SPLITS.items() if split in wanted):
                continue  # a table of the other split
            for fate, text in zip(fates, rows, strict=False):  # rows after the last one that is used are not read
                if fate == _LEFT_OUT or (split := _SPLITS[fate]) not in wanted:
                    continue
                for story in _stories(self._tidy(text)):
                    if fate == _MIXED and _digest(story) in self._in_both:
                        self.repeated += 1
                    else:
                        yield split, story

    def _fates(
        self,
        scan: _Scan,
        train: npt.NDArray[np.bool_] | None,
        val: npt.NDArray[np.bool_] | None,
        held_out: npt.NDArray[np.uint64],
    ) -> bytes:
        """What each row of a table is, a byte a row, up to the last row that is used."""
        fates = np.full(scan.rows, _LEFT_OUT, np.uint8)
        if val is not None:
            fates[val] = _VAL
        if train is not None:
            fates[train] = _TRAIN
            for part, rows in scan.stories_of(train):
                digests = scan.digests[part]
                nearest = np.minimum(np.searchsorted(held_out, digests), len(held_out) - 1)
                twins = (held_out[nearest] == digests) & (rows >= 0)
                fates[rows[twins]] = _MIXED
                self._in_both.update(digest.tobytes() for digest in np.unique(digests[twins]))
        return fates.tobytes().rstrip(b"\0")


def _validation_digests(tables: Sequence[_Table]) -> tuple[npt.NDArray[np.uint64], int]:
    """The digests of the validation stories, sorted, and how many characters the stories have together."""
    digests, characters = [np.empty(0, np.uint64)], 0
    for _, scan, _, val in tables:
        if val is not None:
            for part, rows in scan.stories_of(val):
                digests.append(scan.digests[part][rows >= 0])
                characters += int(scan.characters[part][rows >= 0].sum(dtype=np.int64))
    return np.unique(np.concatenate(digests)), characters


def open_source(data: Data, workspace: Workspace, mirror: Path | None, emit: Emit) -> Source:
    """The stories that `[data]` names, found and, where need be, downloaded.

    `mirror` is looked in first; its layout is that of `wget -x` and of `hf download --local-dir`.

    Raises:
        UserError: a file, a dataset or a split is not there, or cannot be read.
    """
    if mirror is not None and not mirror.is_dir():
        raise UserError(f"mirror {mirror}: no such folder (SLM_DATA_MIRROR or --mirror)")
    hashes = ContentHashes(workspace)
    if data.source == "builtin":
        return Source(data, BuiltinRows(data.language, data.stories), None, hashes)
    if data.source == "files":
        return Source(data, FileRows(locate(data.files, workspace, mirror, emit), data, hashes), None, hashes)
    return _hub(data, workspace, mirror, emit, hashes)


class BuiltinRows:
    """Stories that the built-in grammar tells."""

    def __init__(self, language: str, count: int) -> None:
        self._language, self._count = language, count

    def __iter__(self) -> Iterator[str]:
        return stories(self._language, self._count)

    hashing = __iter__

    def is_known(self) -> bool:
        return True

    def fingerprint(self) -> str:
        """Of the grammar's version, which stands for the stories that it tells."""
        return _hash([self._language, self._count, *VERSIONS[self._language]])


class FileRows:
    """The rows of files, one file after the other."""

    def __init__(self, files: Iterable[DataFile], data: Data, hashes: ContentHashes) -> None:
        self._files, self._hashes = tuple(files), hashes
        self._how = (data.text_column, data.document_separator)

    def __iter__(self) -> Iterator[str]:
        for file in self._files:
            yield from file.texts(*self._how)

    def hashing(self) -> Iterator[str]:
        for file in self._files:
            yield from file.texts(*self._how, self._hashes)

    def is_known(self) -> bool:
        return all(file.is_known(self._hashes) for file in self._files)

    def fingerprint(self) -> str:
        """Of the files' bytes in their order, wherever they stand."""
        return _hash([*self._how, [(file.kind, file.gzipped, file.content_hash(self._hashes)) for file in self._files]])


class FirstRows:
    """The first rows of a table."""

    def __init__(self, rows: FileRows, count: int, identity: str = "") -> None:
        """`identity` says which table it is, where its files do not: a stream may come in smaller or larger ones."""
        self._rows, self._count, self._identity = rows, count, identity

    def __iter__(self) -> Iterator[str]:
        return islice(self._rows, self._count)

    def hashing(self) -> Iterator[str]:
        return islice(self._rows if self._identity else self._rows.hashing(), self._count)

    def is_known(self) -> bool:
        return bool(self._identity) or self._rows.is_known()

    def fingerprint(self) -> str:
        return _hash([self._count, self._identity or self._rows.fingerprint()])


class HubRows:
    """A split of a hub dataset, as `datasets` keeps it on disk, memory-mapped."""

    def __init__(self, split: Any, data: Data, hashes: ContentHashes) -> None:
        column = data.text_column
        if column not in split.column_names:
            raise missing_column(f"dataset {data.dataset}", column, split.column_names)
        if getattr(split.features[column], "dtype", "") not in ("string", "large_string"):
            raise no_text(f"dataset {data.dataset}", column)
        self._split, self._column, self._hashes = split.select_columns([column]), column, hashes

    def __iter__(self) -> Iterator[str]:
        for batch in self._split.iter(batch_size=1024):
            yield from (text or "" for text in batch[self._column])

    hashing = __iter__  # a memory map is not read by a file's name: its files are hashed apart

    def is_known(self) -> bool:
        return all(self._hashes.known(path) is not None for path in self._paths())

    def fingerprint(self) -> str:
        return _hash([self._column, *map(self._hashes.of, self._paths())])

    def _paths(self) -> list[Path]:
        return [Path(file["filename"]) for file in self._split.cache_files]


def _hub(data: Data, workspace: Workspace, mirror: Path | None, emit: Emit, hashes: ContentHashes) -> Source:
    """The mirror's copy of the dataset, or else the hub's."""
    dataset = data.dataset or ""
    if not re.fullmatch(HUB_ID, dataset):
        raise UserError(f'data.dataset = "{dataset}": wants OWNER/NAME of a dataset on the hub')
    folder = mirror / dataset if mirror is not None else None
    if folder is not None and folder.is_dir():
        splits: Mapping[str, Any] = _splits_in_folder(folder, data)
        rows_of: Callable[[Any, Data, ContentHashes], Rows] = _file_rows
    elif data.streaming_rows is not None:
        splits, rows_of = StreamedSplits(data, workspace, emit), _streamed_rows
    else:
        splits, rows_of = dataset_splits(dataset, data.config, folder, emit), HubRows
    for key, split in (("train_split", data.train_split), ("val_split", data.val_split)):
        if (split or key == "train_split") and split not in splits:
            hint = '; val_split = "" takes val_fraction of the training split' if key == "val_split" else ""
            there = f", only {', '.join(splits)}" if splits else ""
            raise UserError(f'data.{key} = "{split}": dataset {dataset} has no such split{there}{hint}')
    train = rows_of(splits[data.train_split], data, hashes)
    val = rows_of(splits[data.val_split], data, hashes) if data.val_split else None
    return Source(data, train, val, hashes)


def _file_rows(files: list[DataFile], data: Data, hashes: ContentHashes) -> FileRows | FirstRows:
    rows = FileRows(files, data, hashes)
    return rows if data.streaming_rows is None else FirstRows(rows, data.streaming_rows)


def _streamed_rows(stream: StreamedSplit, data: Data, hashes: ContentHashes) -> FirstRows:
    return FirstRows(FileRows(stream.files, data, hashes), stream.wanted, stream.identity)


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
            f'data.config = "{data.config}": dataset {data.dataset} has no such configuration in {folder}, only '
            f"{', '.join(there) or 'the default one'}"
        )
    return {}


def _split_named(path: Path, data: Data) -> str:
    words = re.split(r"[-._ ]", path.name)[:-1]
    named = [
        name for name in (data.train_split, data.val_split, "train", "validation", "test") if name and name in words
    ]
    return named[0] if named else "train"


def _train_test_split(count: int, data: Data) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which rows are in the training and in the validation split.

    `datasets` permutes the row numbers with numpy's default generator and takes the validation split first.
    """
    order = np.arange(count, dtype=np.int32 if count < 2**31 else np.int64)  # half the memory, the same permutation
    np.random.default_rng(data.split_seed).shuffle(order)
    n_val = math.ceil(data.val_fraction * count)
    train, val = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    val[order[: _part(n_val, data)]] = True
    train[order[n_val:][: _part(count - n_val, data)]] = True
    return train, val


def _part(count: int, data: Data) -> int:
    """How many of a split's `count` rows are used: what is not translated is left out."""
    used = math.ceil(count * data.fraction)
    return math.ceil(used * data.translate.fraction) if data.translate is not None else used


_DIGEST = 8  # bytes


def _stories(text: str) -> Iterator[str]:
    """The stories in a text: none in an empty one, several where end-of-text stands between them."""
    parts = [text] if EOT not in text else map(without_outer_blank_lines, text.split(EOT))
    return (part for part in parts if part and not part.isspace())


def _digest(story: str) -> bytes:
    return hashlib.blake2b(story.strip().encode(), digest_size=_DIGEST).digest()


def _hash(parts: Sequence[Any]) -> str:
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()
