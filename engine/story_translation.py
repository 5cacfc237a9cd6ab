"""Stories in a language that the model does not know: the prompt is translated for it, and its story back."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import torch

from engine.contract.experiment import SampleTranslate
from engine.data.sentences import ENDS
from engine.data.translate import OnBatch, Translator

_STORY_BATCH = 8  # sentences; a translation can be cancelled between batches


class StoryTranslator:
    """The two models of `[sampling.translate]`, each loaded when it is first needed."""

    def __init__(self, models: SampleTranslate, device: torch.device, mirror: Path | None, root: Path) -> None:
        """`root` is the workspace, where a model that is a folder is looked for; `mirror` comes before the hub."""
        self.models = models
        self._where = (device, mirror, root)

    def load(self) -> None:
        """Load both models now.

        Raises:
            UserError: one is not there, is damaged, or does not fit into memory.
        """
        _ = self._prompt_translator, self._story_translator

    def prompt(self, text: str) -> str:
        """A prompt in the model's language. Where `text` stops in the middle of a sentence, so does its translation.

        Raises:
            UserError: the model cannot be loaded, or memory is too short.
        """
        (translated,) = self._prompt_translator.translate([text])
        return _unended(translated) if text.strip()[-1:] not in ENDS else translated

    def story(self, text: str, on_batch: OnBatch | None = None) -> str:
        """A story, or a part of one, in the reader's language. What `on_batch` raises ends the translation.

        Raises:
            UserError: the model cannot be loaded, or memory is too short.
        """
        (translated,) = self._story_translator.translate([text], batch_size=_STORY_BATCH, on_batch=on_batch)
        return translated

    @cached_property
    def _prompt_translator(self) -> Translator:
        return Translator.load(self.models.prompt_model, *self._where, key="sampling.translate.prompt_model")

    @cached_property
    def _story_translator(self) -> Translator:
        return Translator.load(self.models.story_model, *self._where, key="sampling.translate.story_model")


def _unended(translated: str) -> str:
    """Without the full stop that translation models put behind a fragment: the story is to go on from there."""
    stripped = translated.rstrip()
    return stripped[:-1].rstrip() if stripped.endswith(".") and not stripped.endswith("..") else translated
