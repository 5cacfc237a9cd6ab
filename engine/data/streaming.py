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
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from filelock import FileLock

from engine.contract.events import Emit
from engine.contract.experiment import Data
from engine.contract.files import replace_file
from engine.contract.workspace import Workspace
from engine.data.hub import dataset_commit, dataset_errors_explained, dataset_splits
from engine.data.progress import Progress
from engine.data.readers import DataFile, missing_column

_PART_ROWS, _PART_CHARACTERS = 10_000, 20_000_000  # of a file, at most; an interruption loses less than one


class _State(msgspec.Struct):
    """state.json."""

    files: list[int] = []  # rows of each
    ended: bool = False  # there are no more
    stream: dict[str, Any] | None = None  # `datasets`' own, where it goes on


class StreamedSplits(Mapping[str, list[DataFile]]):
    """The splits of a hub dataset, each as files that hold its first `data.streaming_rows` rows."""

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

    def __getitem__(self, split: str) -> list[DataFile]:
        """Its files; what they lack is streamed now, and without a network there is nothing to be had.

        Raises:
            UserError: there is no such column, or the network went away.
        """
        files = self._kept(split)
        if files is None:
            folder = self._folder_of(split)
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"), dataset_errors_explained(self._data.dataset or ""):
                self._stream(split, folder, self._state(folder))
            files = self._kept(split)
            assert files is not None, "they were written just now"
        return files

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

    @cached_property
    def _streams(self) -> Mapping[str, Any]:
        data, kept = self._data, self._folder / "commit"
        if not kept.is_file():
            self._folder.mkdir(parents=True, exist_ok=True)
            replace_file(kept, dataset_commit(data.dataset or "").encode())
        return dataset_splits(data.dataset or "", data.config, None, self._emit, streamed_at=kept.read_text())

    def _stream(self, split: str, folder: Path, state: _State) -> None:
        """Add to the files of `folder`, and to its state, what is wanted."""
        stream = self._streams[split]
        column = self._data.text_column
        if column not in (stream.column_names or [column]):
            raise missing_column(f"dataset {self._data.dataset}", column, stream.column_names)
        if state.stream is not None:
            stream.load_state_dict(state.stream)
        progress = Progress(self._emit, f"stream {split}", self._wanted)
        progress.add(sum(state.files))
        rows = _texts(stream, column, progress)
        while not state.ended and (lacking := self._wanted - sum(state.files)) > 0:
            part, state.ended = _part(rows, min(lacking, _PART_ROWS))
            if part:
                _write(_file(folder, len(state.files)), column, part)
                state.files.append(len(part))
            state.stream = stream.state_dict()
            replace_file(folder / "state.json", msgspec.json.encode(state))
        progress.finish()


def _texts(stream: Any, column: str, progress: Progress) -> Iterator[str]:
    for row in stream:
        progress.add()
        yield row[column] or ""


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
