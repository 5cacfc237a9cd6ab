"""The first rows of a hub dataset's split, streamed: a corpus of terabytes is used without downloading it.

    data/downloads/streamed/OWNER/NAME/CONFIG/
        commit             of the repository when the first row was read; all rows are of that version
        SPLIT/COLUMN/
            00000.parquet …    the rows, in order
            state.json         what there is, and where the stream goes on; written after each file

More rows, another time, go on from there, and so does a stream that was interrupted.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from filelock import FileLock

from engine.contract.events import Emit
from engine.contract.experiment import Data
from engine.contract.files import replace_file
from engine.data.hub import dataset_commit, dataset_errors_explained, dataset_splits, retries_told
from engine.data.locks import locked
from engine.data.progress import PhaseProgress
from engine.data.readers import DataFile, missing_column, no_text
from engine.runs.workspace import Workspace

_PART_ROWS, _PART_CHARACTERS = 10_000, 20_000_000  # of a file, at most; an interruption loses less than one


class _State(msgspec.Struct):
    """state.json."""

    files: list[int] = []  # rows of each
    ended: bool = False  # there are no more
    stream: dict[str, Any] | None = None  # `datasets`' own, where it goes on


@dataclass(frozen=True)
class StreamedSplit:
    """The first rows of a split."""

    files: list[DataFile]  # that hold them, and perhaps a few more in the last one
    wanted: int  # rows
    identity: str  # of the split, as it was when the first row was read


class StreamedSplits(Mapping[str, StreamedSplit]):
    """The splits of a hub dataset, each with its first `data.streaming_rows` rows."""

    def __init__(self, data: Data, workspace: Workspace, emit: Emit) -> None:
        self._data, self._emit = data, emit
        names = [*(data.dataset or "").split("/"), data.config or "default"]
        self._folder = workspace.data.joinpath("downloads", "streamed", *(quote(name, safe="") for name in names))

    def __iter__(self) -> Iterator[str]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)

    def __contains__(self, split: object) -> bool:
        return self._kept(str(split)) is not None or split in self._streams

    def __getitem__(self, split: str) -> StreamedSplit:
        """What is not there yet is streamed now.

        Raises:
            UserError: there is no such column, it holds no text, or the network went away.
        """
        files = self._kept(split)
        if files is None:
            folder = self._folder_of(split)
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder / ".lock", "waiting for another process that streams the same data", self._emit):
                if self._kept(split) is None:  # what was waited for may be all that is wanted
                    self._stream(split, folder)
            files = self._kept(split)
            assert files is not None, "they were written just now"
        data = self._data
        identity = json.dumps([data.dataset, data.config, split, data.text_column, self._commit()])
        return StreamedSplit(files, self._wanted, identity)

    def _kept(self, split: str) -> list[DataFile] | None:
        """The files that hold the rows wanted; None where there are fewer."""
        folder, wanted = self._folder_of(split), self._wanted
        state = self._state(folder)
        sums = list(itertools.accumulate(state.files))
        enough = next((number for number, rows in enumerate(sums, 1) if rows >= wanted), None)
        if enough is None and not state.ended:
            return None
        return [DataFile.of(_file(folder, number)) for number in range(enough or len(sums))]

    @property
    def _wanted(self) -> int:
        assert self._data.streaming_rows is not None, "the experiment asks for a stream"
        return self._data.streaming_rows

    def _folder_of(self, split: str) -> Path:
        return self._folder / quote(split, safe="") / quote(self._data.text_column, safe="")

    def _state(self, folder: Path) -> _State:
        """What there is in `folder`: nothing, where a file is damaged or gone."""
        from pyarrow import parquet

        with suppress(OSError, ValueError, msgspec.MsgspecError):  # pyarrow's errors are ValueErrors
            state = msgspec.json.decode((folder / "state.json").read_bytes(), type=_State)
            if all(parquet.read_metadata(_file(folder, n)).num_rows == rows for n, rows in enumerate(state.files)):
                return state
        return _State()

    def _commit(self) -> str:
        """Of the repository; asked for once, so that all rows are of one version of it."""
        kept = self._folder / "commit"
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / ".commit.lock"):
            if not kept.is_file():
                replace_file(kept, dataset_commit(self._data.dataset or "").encode())
            return kept.read_text()

    @cached_property
    def _streams(self) -> Mapping[str, Any]:
        data = self._data
        return dataset_splits(data.dataset or "", data.config, None, self._emit, streamed_at=self._commit())

    def _stream(self, split: str, folder: Path) -> None:
        for half_written in folder.glob(".*.tmp"):  # by one that was killed
            half_written.unlink()
        with dataset_errors_explained(self._data.dataset or ""), retries_told(self._emit):
            self._add(self._streams[split], split, folder, self._state(folder))

    def _add(self, stream: Any, split: str, folder: Path, state: _State) -> None:
        """Add to the files of `folder`, and to its state, what is wanted."""
        column = self._data.text_column
        if column not in (stream.column_names or [column]):
            raise missing_column(f"dataset {self._data.dataset}", column, stream.column_names)
        if state.stream is not None:
            stream.load_state_dict(state.stream)
        progress = PhaseProgress(self._emit, f"stream {split}", self._wanted)
        progress.add(sum(state.files))
        rows = self._texts(stream, progress)
        while not state.ended and (lacking := self._wanted - sum(state.files)) > 0:
            part, state.ended = _part(rows, min(lacking, _PART_ROWS))
            if part:
                _write(_file(folder, len(state.files)), column, part)
                state.files.append(len(part))
            state.stream = stream.state_dict()
            replace_file(folder / "state.json", msgspec.json.encode(state))
        progress.finish()

    def _texts(self, stream: Any, progress: PhaseProgress) -> Iterator[str]:
        column = self._data.text_column
        for row in stream:
            text = row[column]
            if text is not None and not isinstance(text, str):
                raise no_text(f"dataset {self._data.dataset}", column)
            progress.add()
            yield text or ""


def _part(rows: Iterator[str], most: int) -> tuple[list[str], bool]:
    """The next rows, as many as a file holds, and whether these were the last."""
    part, characters = [], 0
    for text in rows:
        part.append(text)
        characters += len(text)
        if len(part) >= most or characters >= _PART_CHARACTERS:
            return part, False
    return part, True


def _write(path: Path, column: str, rows: list[str]) -> None:
    import pyarrow
    from pyarrow import parquet

    buffer = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table({column: pyarrow.array(rows, pyarrow.large_string())}), buffer)
    replace_file(path, buffer.getvalue().to_pybytes())


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:05}.parquet"
