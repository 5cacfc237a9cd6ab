"""Stories that a run writes along the way and at its end: one for each prompt of `[sampling]`."""

from __future__ import annotations

import torch

from engine.contract.errors import UserError
from engine.contract.events import Emit, Sample, Warning
from engine.contract.experiment import Experiment
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.device.memory import is_out_of_memory
from engine.generation.writer import story
from engine.model.gpt import GPT
from engine.runs.run import Run
from engine.runs.workspace import mirror_folder
from engine.translation.stories import StoryTranslator


class Samples:
    """What one training writes. A story that cannot be written is a warning, and the training continues."""

    def __init__(
        self, experiment: Experiment, tokenizer: Tokenizer, run: Run, device: torch.device, emit: Emit
    ) -> None:
        """Find the models of `[sampling.translate]`; without them there are no samples, which is said now."""
        self._sampling, self._seed = experiment.sampling, experiment.train.seed
        self._tokenizer, self._device, self._emit = tokenizer, device, emit
        self._prompts, self._translator = experiment.sampling.prompts, None
        if experiment.sampling.translate is not None:
            where = (device, mirror_folder(), run.workspace_folder)
            try:
                self._translator = StoryTranslator(experiment.sampling.translate, *where)
            except UserError as error:
                self._prompts = ()
                emit(Warning(f"no sample stories will be written during training: {error}"))

    def write(self, model: GPT, step: int) -> None:
        """Write them, with the seeds `train.seed` and up. Training's random state and the model's mode are kept."""
        try:
            for number, prompt in enumerate(self._prompts):
                self._emit(self._written(model, step, prompt, self._seed + number))
        except (UserError, RuntimeError, MemoryError) as error:
            short = is_out_of_memory(error)
            if not short and not isinstance(error, UserError):
                raise
            why = f"{self._device} has too little free memory for them" if short else error
            self._emit(Warning(f"no stories at step {step}: {why}"))
        finally:
            if self._translator is not None:
                self._translator.release()  # training wants the memory back

    def _written(self, model: GPT, step: int, prompt: str, seed: int) -> Sample:
        if self._translator is None:
            return Sample(step, prompt, story(model, self._tokenizer, prompt, self._sampling, seed))
        text = story(model, self._tokenizer, self._translator.prompt(prompt), self._sampling, seed)
        return Sample(step, prompt, self._translator.story(text), untranslated=text)
