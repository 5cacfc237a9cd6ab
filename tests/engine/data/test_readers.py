"""Every kind of data file gives the same stories; a damaged one says what is wrong with it and where."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from engine.contract.errors import UserError
from engine.data import readers
from engine.data.readers import DataFile

STORIES = ['One day, "Lily" said:\n\n"Hello, Tom!"', "كان يا ما كان، في قديم الزمان", "The end, 🙂."]
EOT = "<|endoftext|>"


def as_csv(path: Path, delimiter: str = ",") -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter=delimiter)
        rows.writerows([["", "title", "text"], *([n, "t", story] for n, story in enumerate(STORIES))])


def as_lines(path: Path) -> None:
    path.write_text("".join(json.dumps({"id": 1, "text": story}) + "\n" for story in STORIES), encoding="utf-8")


def as_json(document: object, indent: int | None = None) -> Callable[[Path], None]:
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    return lambda path: path.write_text(text, encoding="utf-8") and None


OBJECTS = [{"title": "t", "text": story} for story in STORIES]
WRITERS: list[tuple[str, Callable[[Path], object]]] = [
    ("a.csv", as_csv),
    ("a.tsv", lambda path: as_csv(path, "\t")),
    ("semicolons.csv", lambda path: as_csv(path, ";")),
    ("a.jsonl", as_lines),
    ("a.ndjson", as_lines),
    ("lines.json", as_lines),
    ("list.json", as_json(STORIES)),
    ("objects.json", as_json(OBJECTS, indent=2)),
    ("texts.json", as_json({"version": 1, "texts": STORIES})),
    ("data.json", as_json({"meta": {"n": [3]}, "data": OBJECTS}, indent=1)),
    ("columns.json", as_json({"title": ["a", "b", "c"], "text": STORIES})),
    ("a.parquet", lambda path: parquet.write_table(pyarrow.table({"id": [1, 2, 3], "text": STORIES}), path)),
    ("a.txt", lambda path: path.write_text(f"\n{EOT}\n".join(STORIES) + "\n", encoding="utf-8")),
]


def read(path: Path, column: str = "text", separator: str = EOT) -> list[str]:
    return list(DataFile.of(path, path.name).texts(column, separator))


@pytest.mark.parametrize("chunk", [7, 1 << 20])
@pytest.mark.parametrize(("name", "write"), WRITERS, ids=[name for name, _ in WRITERS])
def test_every_kind_gives_the_same_stories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Callable[[Path], object], chunk: int
) -> None:
    if name == "lines.json" and chunk == 7:
        pytest.skip("a first line longer than a chunk is not recognised as JSON lines")
    monkeypatch.setattr(readers, "CHUNK", chunk)
    path = tmp_path / name
    write(path)

    assert read(path) == STORIES


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "list.json", "a.txt"])
def test_gzipped_files_are_unpacked(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    dict(WRITERS)[name](path)
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    assert read(packed) == STORIES


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbftext\nhello\n")
    assert read(path) == ["hello"]


def test_a_column_whose_name_holds_a_semicolon_is_found_by_commas_first(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text;x,y\nhello,1\n")
    assert read(path, column="text;x") == ["hello"]


def test_empty_rows_count_and_blank_lines_do_not(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\n1,one\n\n2,\n3\n4,four\n")
    assert read(path) == ["one", "", "", "four"]


def test_half_a_surrogate_pair_becomes_the_replacement_character(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a\\ud800b \\ud83d\\ude42"}\n')
    assert read(path) == ["a\ufffdb 🙂"]


def test_windows_line_ends_do_not_hide_the_separator(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\ntwo\r\n\r\nthree\r\n\r\n\r\n\r\n")
    assert read(path, separator="\n\n") == ["one\ntwo", "three"]


EOT_DUMPS = {
    "one newline": "one\n\ntwo lines\n<|endoftext|>\n  three",
    "two and three": "one\n\ntwo lines\n\n<|endoftext|>\n\n\n  three\n\n\n<|endoftext|>\n",
    "a newline first": "\none\n\ntwo lines\n<|endoftext|>\n\n  three\n",
    "spaces": "<|endoftext|>\n \none\n\ntwo lines \n<|endoftext|> \n\t\n  three\n \n",
    "no newline": "one\n\ntwo lines<|endoftext|>  three",
}


@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
@pytest.mark.parametrize("dump", list(EOT_DUMPS))
def test_line_breaks_around_a_separator_are_no_part_of_the_stories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dump: str, chunk: int
) -> None:
    monkeypatch.setattr(readers, "CHUNK", chunk)
    path = tmp_path / "a.txt"
    path.write_text(EOT_DUMPS[dump])
    stories = read(path)
    assert [story.rstrip(" ") for story in stories] == ["one\n\ntwo lines", "  three"]


@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
def test_blank_lines_part_stories_however_many_and_whatever_spaces_they_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(readers, "CHUNK", chunk)
    path = tmp_path / "a.txt"
    path.write_text("\n\none\n  indented\n\ntwo\n\n\n\nthree\n \t\nfour\n \n\n  five\n\n")
    assert read(path, separator="\n\n") == ["one\n  indented", "two", "three", "four", "  five"]


def test_a_file_that_ends_in_the_middle_of_a_story_gives_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one.\n<|endoftext|>\nTwo was about to")
    assert read(path) == ["one.", "Two was about to"]


def test_a_missing_column_names_the_columns_and_the_nearest(tmp_path: Path) -> None:
    for name, content in {
        "a.csv": ",Prompt,Story\n0,p,s\n",
        "semicolons.csv": ";Prompt;Story\n0;p;s\n",
        "a.jsonl": '{"Prompt": "p", "Story": "s"}\n',
        "a.json": '[{"Prompt": "p",\n "Story": "s"}]',
    }.items():
        (tmp_path / name).write_text(content)
    parquet.write_table(pyarrow.table({"Prompt": ["p"], "Story": ["s"]}), tmp_path / "a.parquet")

    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(UserError) as caught:
            read(path, column="stori")
        message = str(caught.value)
        assert message.startswith(path.name)
        assert 'no column "stori" (data.text_column), only Prompt, Story; did you mean "Story"?' in message


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.txt", b"", "contains no stories (0 bytes)"),
        ("a.csv", b"text\n", "contains no stories (5 bytes)"),
        ("a.json", b"[]", "contains no stories"),
        ("a.json", b"", "contains no stories (0 bytes)"),
        ("a.txt", b"\n\n", "contains no stories"),
        ("a.csv", b"text\nfine\nb\xffd\n", "is not UTF-8 at byte 11 (line 3)"),
        ("a.txt", b"cut off \xd9", "is not UTF-8 at byte 8 (line 1)"),
        ("a.csv", b'text\nfine\n"open', "line 3: unexpected end of data; is a closing quote missing?"),
        ("a.jsonl", b'{"text": "a"}\n\n{"text": \n', "line 3 is not JSON"),
        ("a.jsonl", b'{"text": 5}\n', 'line 1: "text" (data.text_column) is 5, not text'),
        ("a.json", b'["a",\n "b"\n', "line 3 is not JSON: expected , or ]"),
        ("a.json", b'["a",\n "b" x]', "line 2 is not JSON: expected , or ]"),
        ("a.json", b'{"stuff": 1, "other": ["x"]}', 'no list "text" (data.text_column), only stuff, other'),
        ("a.json.gz", gzip.compress(b"[" + b'"story",' * 9999, mtime=0)[:40], "cannot be read"),
        ("a.csv.gz", b"text\nno gzip\n", "cannot be read"),
        ("a.parquet", b"PAR1 but no more", "not a parquet file"),
    ],
)
def test_a_damaged_file_says_what_and_where(tmp_path: Path, name: str, content: bytes, wanted: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{name}: ")
    assert wanted in str(caught.value)


def test_a_parquet_column_without_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": [1, 2]}), path)
    with pytest.raises(UserError, match=r'column "text" .* is int64, not text'):
        read(path)


def test_an_unknown_kind_names_the_kinds_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.docx: unknown file type; use parquet, jsonl"):
        DataFile.of(tmp_path / "a.docx", "a.docx")


def test_the_kind_of_a_url_is_that_of_its_path(tmp_path: Path) -> None:
    file = DataFile.of(tmp_path / "a", "https://host/stories.csv.gz?download=true")
    assert (file.kind, file.gzipped) == ("csv", True)


def test_a_text_without_its_separator_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "LONGEST_STORY", 3 * readers.CHUNK)
    path = tmp_path / "a.txt"
    path.write_text("word " * readers.CHUNK)
    with pytest.raises(UserError, match="document_separator"):
        read(path)
