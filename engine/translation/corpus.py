"""Machine translation of a corpus before training: `[data.translate]`.

    slm-tui prepare NAME

Sentence by sentence, in batches of sentences alike in length; each batch is in the translation memory before the next
one begins, so a preparation that was killed goes on from there.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.contract.events import Emit
from engine.contract.experiment import Translate
from engine.data.content_hashes import ContentHashes
from engine.data.progress import PhaseProgress
from engine.runs.workspace import Workspace
from engine.translation.marian import FILES, OPTIONAL_FILES, WEIGHTS, OnBatch, Translator, model_folder
from engine.translation.memory import TranslationMemory

_FORMAT = 1  # goes up when the same model would be made to translate otherwise
_KEY = "data.translate.model"
_STORIES = 256  # whose sentences are put in order of length together; some 4,600 sentences of TinyStories


class CorpusTranslation:
    """How an experiment's stories are translated. The model is loaded with the first of them."""

    def __init__(self, table: Translate, device_name: str, workspace: Workspace, mirror: Path | None) -> None:
        """Find the model, or download it. `device_name` is the experiment's `hardware.device`.

        Raises:
            UserError: there is no such model, or it is no Marian model.
        """
        self._table, self._device_name = table, device_name
        self._folder = model_folder(table.model, mirror, workspace.root, _KEY)
        paths = map(self._folder.joinpath, (*FILES, *OPTIONAL_FILES, *WEIGHTS))
        hashes = ContentHashes(workspace)
        files = [(path.name, hashes.of(path)) for path in paths if path.is_file()]
        hashes.save()
        parts = [_FORMAT, *files, table.max_length]
        self.fingerprint = hashlib.blake2b(json.dumps(parts).encode(), digest_size=6).hexdigest()
        name = re.sub(r"[^\w.-]", "-", Path(table.model).name)
        self._memory_path = workspace.data / "translations" / f"{name}-{self.fingerprint}.sqlite"

    @property
    def key(self) -> dict[str, Any]:
        """What shapes the translated text; the size of its batches does not."""
        return {"fingerprint": self.fingerprint, "fraction": self._table.fraction}

    def work(self, stories: Iterable[str], count: int, phase: str, emit: Emit) -> None:
        """Translate all stories of a split; `translated` then finds them in the memory.

        Raises:
            UserError: the model is damaged, memory is too short for a sentence, or the memory cannot be used.
        """
        progress = PhaseProgress(emit, phase, count)
        for chunk in _chunks(stories):
            begun = progress.done

            def tell(done: int, wanted: int, begun: int = begun, size: int = len(chunk)) -> None:
                progress.add(begun + size * done // wanted - progress.done)

            self._translate(chunk, tell)
            progress.add(begun + len(chunk) - progress.done)
        progress.finish()

    def translated(self, stories: Iterable[str]) -> Iterator[str]:
        """The stories' translations, in order; one of which nothing is left is empty or white space."""
        for chunk in _chunks(stories):
            yield from self._translate(chunk, None)

    def close(self) -> None:
        """Give back the model's memory."""
        if self.__dict__.pop("_translator", None) is not None:
            from engine.device.memory import release_memory

            release_memory()

    def _translate(self, stories: list[str], on_batch: OnBatch | None) -> list[str]:
        table = self._table
        return self._translator.translate(stories, table.batch_size, table.max_length, on_batch, self._memory)

    @cached_property
    def _memory(self) -> TranslationMemory:
        return TranslationMemory(self._memory_path)

    @cached_property
    def _translator(self) -> Translator:
        from engine.device.choice import choose_device

        return Translator.of_folder(self._folder, choose_device(self._device_name), f'{_KEY} = "{self._table.model}"')


def _chunks(stories: Iterable[str]) -> Iterator[list[str]]:
    stories = iter(stories)
    while chunk := list(itertools.islice(stories, _STORIES)):
        yield chunk
