"""Reads the texts of a data file, one after the other: csv, tsv, jsonl, ndjson, json, parquet and txt.

Every kind but parquet may be gzipped (`.csv.gz`). A reader holds a piece of its file at a time, whatever the
file's size. Every row counts, an empty one too: a split by row number is then the one that Hugging Face
`datasets` makes of the same file.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from engine.contract.errors import UserError, nearest
from engine.data.content_hashes import ContentHashes, HashedFile

CHUNK = 1 << 20  # characters or bytes read at once
LONGEST_STORY = 64 << 20  # characters; past it a separator or a closing quote is missing, and memory would go
_SPACES_OF_A_BLANK_LINE = re.compile(r"(?<=\n)[ \t]+(?=\n)")
_OUTER_BLANK_LINES = re.compile(r"\A(?:[ \t]*\n)+|\n\s*\Z")
LISTS = ("texts", "data", "stories", "rows")  # where a json object may keep its list, beside the text column


@dataclass(frozen=True)
class DataFile:
    """A file on this machine, its kind, and the name by which its user knows it."""

    path: Path
    name: str
    kind: str
    gzipped: bool = False

    @classmethod
    def of(cls, path: Path, name: str | None = None) -> DataFile:
        """The file at `path`, which the experiment calls `name`; a UserError where the kind is not known."""
        name = name or str(path)
        suffixes = PurePosixPath(name.partition("?")[0] if "://" in name else name).suffixes
        gzipped = bool(suffixes) and suffixes[-1].lower() == ".gz"
        suffix = "".join(suffixes[-2:-1] if gzipped else suffixes[-1:]).lower().lstrip(".")
        if suffix not in _READERS or (gzipped and suffix == "parquet"):
            kinds = ", ".join(KINDS)
            raise UserError(f"{name}: unknown file type; use {kinds}, or .gz of any but parquet")
        return cls(path, name, suffix, gzipped)

    def texts(self, text_column: str, document_separator: str, hashes: ContentHashes | None = None) -> Iterator[str]:
        """The text of each row; "" where a row has none. With `hashes`, they know the file's hash afterwards.

        Raises:
            UserError: the file is missing, empty, damaged or not UTF-8, or it has no such column.
        """
        none = True
        try:
            with open(self.path, "rb", buffering=0) if hashes is None else hashes.reading(self.path) as raw:
                for text in _READERS[self.kind](self, raw, text_column, document_separator):
                    none = False
                    yield text
        except UnicodeDecodeError:
            raise UserError(f"{self.name}: {_where_not_utf8(self)}; convert it to UTF-8 first") from None
        except FileNotFoundError:
            raise UserError(f"{self.name}: does not exist") from None
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{self.name}: cannot be read: {error}") from None
        if none:
            raise UserError(f"{self.name}: contains no stories ({self.path.stat().st_size} bytes)")

    def is_known(self, hashes: ContentHashes) -> bool:
        """Whether the hash of the file's bytes is known without reading it."""
        with self._read_errors_explained():
            return hashes.known(self.path) is not None

    def content_hash(self, hashes: ContentHashes) -> str:
        """The hash of the file's bytes; a UserError where they cannot be read."""
        with self._read_errors_explained():
            return hashes.of(self.path)

    @contextmanager
    def _read_errors_explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(f"{self.name}: cannot be read: {error.strerror}") from None

    @contextmanager
    def text_of(self, raw: io.RawIOBase, newline: str | None = None) -> Iterator[TextIO]:
        """The opened file as text, unpacked, without a byte order mark."""
        with (
            io.BufferedReader(raw, CHUNK) as buffered,
            gzip.GzipFile(fileobj=buffered) if self.gzipped else buffered as unpacked,
            io.TextIOWrapper(unpacked, encoding="utf-8-sig", newline=newline) as text,
        ):
            yield text


def _read_csv(file: DataFile, raw: io.RawIOBase, column: str, _: str) -> Iterator[str]:
    csv.field_size_limit(LONGEST_STORY)
    with file.text_of(raw, newline="") as text:
        delimiter = _delimiter(text, "\t" if file.kind == "tsv" else ",", column)
        # strict: a quote that is never closed is an error, where it would swallow the rest of the file
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        try:
            header = next(reader, None)
            if header is None:
                return
            index = _column(file, column, header)
            for row in reader:
                if row:  # not a blank line
                    yield row[index] if index < len(row) else ""
        except csv.Error as error:
            raise UserError(f"{file.name}: line {reader.line_num}: {error}; is a closing quote missing?") from None


def _delimiter(text: TextIO, usual: str, column: str) -> str:
    """What separates the columns: the usual character, or another by which the first line has `column`, as semicolons
    do where commas stand in numbers. Without that column anywhere, what makes the most columns of the line."""
    line = text.readline(CHUNK)
    text.seek(0)
    line = line.replace("\0", "")  # which an older Python's reader refuses
    names = {delimiter: next(csv.reader([line], delimiter=delimiter), []) for delimiter in (usual, ",", ";", "\t", "|")}
    with_it = [delimiter for delimiter, there in names.items() if column in there]
    return with_it[0] if with_it else max(names, key=lambda delimiter: len(names[delimiter]))


def _read_txt(file: DataFile, raw: io.RawIOBase, _: str, separator: str) -> Iterator[str]:
    blank_lines = separator.isspace()
    with file.text_of(raw) as text:
        rest = ""
        while chunk := text.read(CHUNK):
            rest += chunk
            if blank_lines:  # one that holds spaces looks as blank as any other
                rest = _SPACES_OF_A_BLANK_LINE.sub("", rest)
            *documents, rest = rest.split(separator)
            yield from _documents(documents)
            if len(rest) > LONGEST_STORY:
                raise UserError(
                    f'{file.name}: no data.document_separator = "{separator}" in {LONGEST_STORY:,} characters; '
                    "set it to the text between two stories"
                )
        yield from _documents([rest])


def _documents(documents: Iterable[str]) -> Iterator[str]:
    for document in documents:
        if trimmed := without_outer_blank_lines(document):
            yield trimmed


def without_outer_blank_lines(document: str) -> str:
    """A story without the line breaks around its separators; the first line keeps its indentation."""
    if not document or not (document[0].isspace() or document[-1].isspace()):
        return document
    return _OUTER_BLANK_LINES.sub("", document)


def _read_jsonl(file: DataFile, raw: io.RawIOBase, column: str, _: str) -> Iterator[str]:
    with file.text_of(raw) as text:
        yield from _rows_of_lines(file, text, column)


def _rows_of_lines(file: DataFile, text: TextIO, column: str) -> Iterator[str]:
    for number, line in enumerate(text, 1):
        if line.isspace():
            continue
        try:
            entry = json.loads(line.rstrip())
        except json.JSONDecodeError as error:
            raise UserError(f"{file.name}: line {number} is not JSON: {error.msg} (column {error.colno})") from None
        yield _text_of(entry, column, file, f"line {number}")


def _read_json(file: DataFile, raw: io.RawIOBase, column: str, _: str) -> Iterator[str]:
    """A list of texts or of objects, an object that holds such a list, or JSON lines under another name."""
    with file.text_of(raw) as text:
        first_line = text.readline(CHUNK)
        if _is_row(first_line, column):
            text.seek(0)
            yield from _rows_of_lines(file, text, column)
            return
        values = _JsonText(text, first_line)
        try:
            start = values.peek()
            if not start:
                return
            entries = _list_in_object(values, column, file) if start == "{" else values.list_entries()
            for number, entry in enumerate(entries, 1):
                yield _text_of(entry, column, file, f"entry {number}")
        except json.JSONDecodeError as error:
            raise UserError(f"{file.name}: line {values.line(error.pos)} is not JSON: {error.msg}") from None


def _is_row(line: str, column: str) -> bool:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return False
    return isinstance(entry, dict) and isinstance(entry.get(column), str)


def _list_in_object(values: _JsonText, column: str, file: DataFile) -> Iterator[Any]:
    keys = []
    for key in values.object_keys():
        if key in (column, *LISTS) and values.peek() == "[":
            return values.list_entries()
        values.value()
        keys.append(key)
    raise UserError(f'{file.name}: no list "{column}" (data.text_column), only {", ".join(keys) or "{}"}')


class _JsonText:
    """A JSON text read value by value: a list of any length takes the memory of its longest entry."""

    def __init__(self, text: TextIO, start: str) -> None:
        self._text = text
        self._buffer = start
        self._at = 0
        self._lines_before = 1
        self._decoder = json.JSONDecoder()

    def line(self, position: int) -> int:
        """The line of a position in the buffer."""
        return self._lines_before + self._buffer.count("\n", 0, position)

    def peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            while self._at < len(self._buffer):
                if not self._buffer[self._at].isspace():
                    return self._buffer[self._at]
                self._at += 1
            if not self._more():
                return ""

    def take(self, *wanted: str) -> str:
        """The next character, which must be one of `wanted`."""
        character = self.peek()
        if character not in wanted:
            raise json.JSONDecodeError(f"expected {' or '.join(wanted)}", self._buffer, self._at)
        self._at += 1
        return character

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError:
                if len(self._buffer) - self._at > LONGEST_STORY or not self._more():
                    raise
            else:
                if end < len(self._buffer) or not self._more():  # a number may go on in the next chunk
                    self._at = end
                    return value

    def list_entries(self) -> Iterator[Any]:
        self.take("[")
        if self.peek() == "]":
            return
        yield self.value()
        while self.take(",", "]") == ",":
            yield self.value()

    def object_keys(self) -> Iterator[str]:
        """Each key; the caller takes its value before it asks for the next."""
        self.take("{")
        while self.peek() == '"':
            key = self.value()
            self.take(":")
            yield key
            if self.take(",", "}") == "}":
                return

    def _more(self) -> bool:
        chunk = self._text.read(CHUNK)
        if chunk:
            self._lines_before += self._buffer.count("\n", 0, self._at)
            self._buffer = self._buffer[self._at :] + chunk
            self._at = 0
        return bool(chunk)


def _text_of(entry: Any, column: str, file: DataFile, where: str) -> str:
    if isinstance(entry, dict):
        if column not in entry:
            raise missing_column(f"{file.name}: {where}", column, list(entry))
        entry = entry[column]
    if entry is None:
        return ""
    if not isinstance(entry, str):
        raise UserError(f'{file.name}: {where}: "{column}" (data.text_column) is {json.dumps(entry)[:60]}, not text')
    if not entry.isascii():  # JSON can spell half of a surrogate pair, which is no text
        return entry.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return entry


def _read_parquet(file: DataFile, raw: io.RawIOBase, column: str, _: str) -> Iterator[str]:
    import pyarrow
    from pyarrow import parquet

    try:
        # the footer is read by itself: what comes before it would be hashed with a jump to it
        footer = parquet.read_metadata(file.path)
        source = raw if isinstance(raw, HashedFile) else file.path  # of which Arrow reads without Python
        # unbuffered, a row group is read whole, and a file may be a single one
        with parquet.ParquetFile(source, metadata=footer, buffer_size=CHUNK, pre_buffer=False) as table:
            schema = table.schema_arrow
            kind = schema.field(_column(file, column, schema.names)).type
            if kind not in (pyarrow.string(), pyarrow.large_string()):
                raise UserError(f'{file.name}: column "{column}" (data.text_column) is {kind}, not text')
            for batch in table.iter_batches(batch_size=256, columns=[column]):
                yield from (text or "" for text in batch.column(0).to_pylist())
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"{file.name}: not a parquet file: {str(error).splitlines()[0]}") from None


def _column(file: DataFile, column: str, columns: list[str]) -> int:
    """Where `column` stands among the columns."""
    if column not in columns:
        raise missing_column(file.name, column, columns)
    return columns.index(column)


def missing_column(where: str, column: str, columns: list[str]) -> UserError:
    """The error that names the columns there are, and the nearest."""
    named = {name.lower(): name for name in columns if name}
    near = nearest(column.lower(), named)
    hint = f'; did you mean "{named[near]}"?' if near else ""
    there = f", only {', '.join(named.values())}" if named else ""
    return UserError(f'{where}: no column "{column}" (data.text_column){there}{hint}')


def no_text(where: str, column: str) -> UserError:
    """The error of a column of another type."""
    return UserError(f'{where}: column "{column}" (data.text_column) is not text')


def _where_not_utf8(file: DataFile) -> str:
    """Byte and line of the first byte that is not UTF-8, found by reading the file again."""
    if file.kind == "parquet":
        return "contains text that is not UTF-8"
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset, line = 0, 1
    with gzip.open(file.path) if file.gzipped else open(file.path, "rb") as raw:
        while chunk := raw.read(CHUNK):
            kept = len(decoder.getstate()[0])  # bytes of a character that the last chunk broke off
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                return f"is not UTF-8 at byte {offset - kept + error.start} (line {line})"
            offset += len(chunk)
            line += chunk.count(b"\n")
    return f"is not UTF-8 at byte {offset - len(decoder.getstate()[0])} (line {line}): it ends inside a character"


_READERS: dict[str, Callable[[DataFile, io.RawIOBase, str, str], Iterator[str]]] = {
    "csv": _read_csv,
    "tsv": _read_csv,
    "jsonl": _read_jsonl,
    "ndjson": _read_jsonl,
    "json": _read_json,
    "parquet": _read_parquet,
    "txt": _read_txt,
}
KINDS = (
    "parquet",
    "jsonl",
    "ndjson",
    "csv",
    "tsv",
    "json",
    "txt",
)  # the likeliest to be a dataset's own first
