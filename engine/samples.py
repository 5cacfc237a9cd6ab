"""Stories that a run writes along the way and at its end: one for each prompt of `[sampling]`."""

from __future__ import annotations

from engine.contract.errors import UserError
from engine.contract.events import Emit, Sample, Warning
from engine.contract.experiment import Experiment
from engine.contract.run import Run
from engine.contract.workspace import mirror_folder
from engine.data.tokenizers import Tokenizer
from engine.model import GPT
from engine.story_translation import StoryTranslator
from engine.writing import story


def write_samples(model: GPT, tokenizer: Tokenizer, experiment: Experiment, run: Run, step: int, emit: Emit) -> None:
    """Write them, with the seeds `train.seed` and up; neither training's random state nor the model's mode changes.

    Where `[sampling.translate]` cannot be had, that is a warning: the training goes on without samples.
    """
    models, seed = experiment.sampling.translate, experiment.train.seed
    where = (model.wte.weight.device, mirror_folder(), run.workspace_folder)
    translator = StoryTranslator(models, *where) if models else None  # for now only: training wants the memory back
    try:
        for number, prompt in enumerate(experiment.sampling.prompts):
            begun = translator.prompt(prompt) if translator else prompt
            text = story(model, tokenizer, begun, experiment.sampling, seed=seed + number)
            emit(Sample(step, prompt, translator.story(text), text) if translator else Sample(step, prompt, text))
    except UserError as error:
        emit(Warning(f"no samples at step {step}: {error}"))
