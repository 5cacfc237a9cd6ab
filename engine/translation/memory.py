"""A translation memory: what a model has translated already, sentence by sentence, in a file.

    data/translations/MODEL-HASH.sqlite

A kill loses the last batch at most, and a larger part of the corpus or another tokenizer finds what is there.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from engine.contract.errors import UserError

_ASKED_AT_ONCE = 500  # SQLite before 3.32 takes 999 values in a query
_PATIENCE = 600.0  # seconds that another preparation's writing is waited for


class TranslationMemory:
    """The translations in one file. Several processes may use it at once."""

    def __init__(self, path: Path) -> None:
        """Raises:
        UserError: the file is damaged.
        OSError: it cannot be written.
        """
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._explained(), self._connected() as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS translations (digest BLOB PRIMARY KEY, translation TEXT) WITHOUT ROWID"
            )

    def recall(self, sentences: Sequence[str]) -> dict[str, str]:
        """The translations of those of `sentences` that are known."""
        of_digest = {_digest(sentence): sentence for sentence in sentences}
        digests, known = list(of_digest), {}
        with self._explained(), self._connected() as database:
            for start in range(0, len(digests), _ASKED_AT_ONCE):
                asked = digests[start : start + _ASKED_AT_ONCE]
                places = ", ".join("?" * len(asked))
                query = f"SELECT digest, translation FROM translations WHERE digest IN ({places})"
                for digest, translation in database.execute(query, asked):
                    known[of_digest[digest]] = translation
        return known

    def keep(self, translations: Mapping[str, str]) -> None:
        """Add translations; they are on disk when this returns. Where another process was first, its own stay."""
        rows = [(_digest(sentence), translation) for sentence, translation in translations.items()]
        with self._explained(), self._connected() as database:
            database.executemany("INSERT OR IGNORE INTO translations VALUES (?, ?)", rows)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """A connection of this call's own, whose changes are written at its end, or none of them."""
        with closing(sqlite3.connect(self._path, timeout=_PATIENCE)) as database, database:
            yield database

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "disk is full" in str(error):  # error codes come with Python 3.11
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path)) from None
            raise UserError(f"{self._path}: cannot be used: {error}") from None
        except sqlite3.DatabaseError as error:
            raise UserError(f"{self._path}: is damaged: {error}; delete it, it will be made again") from None


def _digest(sentence: str) -> bytes:
    return hashlib.blake2b(sentence.encode(errors="surrogatepass"), digest_size=16).digest()
