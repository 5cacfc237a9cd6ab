from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from engine.contract.errors import UserError
from engine.translation.memory import TranslationMemory


def test_what_was_kept_is_recalled_later_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "data" / "translations" / "m.sqlite"
    TranslationMemory(path).keep({"A cat.": "قطة.", "A dog.": "كلب.", "": ""})
    assert TranslationMemory(path).recall(["A dog.", "A bird.", "a cat.", "A cat."]) == {
        "A dog.": "كلب.",
        "A cat.": "قطة.",
    }


def test_the_first_translation_stays_for_all_who_read_it(tmp_path: Path) -> None:
    memory = TranslationMemory(tmp_path / "m.sqlite")
    memory.keep({"A cat.": "قط."})
    memory.keep({"A cat.": "قطة."})
    assert memory.recall(["A cat."]) == {"A cat.": "قط."}


def test_more_sentences_than_a_query_takes_are_recalled(tmp_path: Path) -> None:
    memory = TranslationMemory(tmp_path / "m.sqlite")
    translations = {f"{number} cats": f"قطط {number}" for number in range(2_500)}
    memory.keep(translations)
    assert memory.recall(list(translations)) == translations


def test_a_lone_surrogate_does_not_stop_it(tmp_path: Path) -> None:
    memory = TranslationMemory(tmp_path / "m.sqlite")
    memory.keep({"a \ud800": "x"})
    assert memory.recall(["a \ud800"]) == {"a \ud800": "x"}


@pytest.mark.parametrize("content", [b"no database, but as long as its header" * 9, b"SQLite format 3\0" * 90])
def test_a_damaged_file_is_said_to_be_and_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.sqlite"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"m\.sqlite: is damaged: .*delete it"):
        TranslationMemory(path).recall(["A cat."])
    assert path.read_bytes() == content


PROGRAM = """
import sys
from pathlib import Path
from engine.translation.memory import TranslationMemory

memory = TranslationMemory(Path(sys.argv[1]))
for batch in range(20):
    memory.keep({f"{sys.argv[2]} {batch} {number}": "x" * int(sys.argv[3]) for number in range(32)})
"""


def test_two_processes_write_at_once_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    writers = [subprocess.Popen([sys.executable, "-c", PROGRAM, str(path), name, "9"]) for name in ("a", "b")]
    assert [writer.wait() for writer in writers] == [0, 0]
    sentences = [f"{name} {batch} {number}" for name in ("a", "b") for batch in range(20) for number in range(32)]
    assert len(TranslationMemory(path).recall(sentences)) == len(sentences)


def test_a_full_disk_is_an_error_of_the_system_as_for_any_file(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=64k tmpfs "$0" && "${@:1}"'
    small_disk = ["unshare", "--map-root-user", "--mount", "bash", "-c", script, str(tmp_path)]
    if subprocess.run([*small_disk, "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a test mount a small disk")
    command = [*small_disk, sys.executable, "-c", PROGRAM, str(tmp_path / "m.sqlite"), "a", "900"]
    writing = subprocess.run(command, capture_output=True, text=True)
    assert f"OSError: [Errno {errno.ENOSPC}]" in writing.stderr
    assert writing.returncode == 1
