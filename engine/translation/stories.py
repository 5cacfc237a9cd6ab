"""Stories in a language that the model does not know: the prompt is translated for it, and its story back."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import torch

from engine.contract.errors import UserError
from engine.contract.events import Emit, Warning
from engine.contract.experiment import SampleTranslate
from engine.device.memory import release_memory
from engine.translation.marian import OnBatch, Translator, model_folder
from engine.translation.sentences import ENDS

_STORY_BATCH = 8  # sentences; a translation can be cancelled between batches


class StoryTranslator:
    """The two models of `[sampling.translate]`, found at once and each loaded when it is first needed."""

    def __init__(self, models: SampleTranslate, device: torch.device, mirror: Path | None, root: Path) -> None:
        """`root` is the workspace, where a model that is a folder is looked for; `mirror` comes before the hub.

        Raises:
            UserError: one of the models is not there, or cannot be downloaded.
        """
        self.models = models
        self._device = device
        self._folders = {
            key: model_folder(getattr(models, key), mirror, root, f"sampling.translate.{key}")
            for key in ("prompt_model", "story_model")
        }

    def release(self) -> None:
        """Give back the models' memory until they are needed again."""
        for name in ("_prompt_translator", "_story_translator"):
            self.__dict__.pop(name, None)
        release_memory()

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
        return self._loaded("prompt_model")

    @cached_property
    def _story_translator(self) -> Translator:
        return self._loaded("story_model")

    def _loaded(self, key: str) -> Translator:
        shown = f'sampling.translate.{key} = "{getattr(self.models, key)}"'
        return Translator.of_folder(self._folders[key], self._device, shown)


def download_models(models: SampleTranslate, mirror: Path | None, root: Path, emit: Emit) -> None:
    """Have the models on this machine, for a training without a network; a warning where they cannot be had."""
    try:
        StoryTranslator(models, torch.device("cpu"), mirror, root)
    except UserError as error:
        emit(Warning(str(error)))


def _unended(translated: str) -> str:
    """Without the full stop that translation models put behind a fragment: the story is to go on from there."""
    stripped = translated.rstrip()
    return stripped[:-1].rstrip() if stripped.endswith(".") and not stripped.endswith("..") else translated
