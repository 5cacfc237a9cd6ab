from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
import torch
from tiny_marian import load_translator, save_tiny_marian

from engine.contract.events import Event, Sample, Warning
from engine.contract.experiment import Data, Experiment, Model, SampleTranslate, Sampling, Tokenizer, Train
from engine.data.tokenizers.byte_pair import BytePairTokenizer, train_byte_bpe
from engine.generation.writer import story
from engine.model.gpt import GPT
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from engine.training.samples import Samples

CPU = torch.device("cpu")
EXPERIMENT = Experiment(
    data=Data("builtin"),
    tokenizer=Tokenizer("byte_bpe", vocab_size=260),
    model=Model(1, 1, 8, 32),
    train=Train(1, seed=7),
    sampling=Sampling(prompts=("Rosie loved", "كان يا ما كان"), max_new_tokens=12),
)


@pytest.fixture(scope="module")
def tokenizer() -> BytePairTokenizer:
    return train_byte_bpe(iter(["Rosie loved to jump."]), 260, 2)


@pytest.fixture(scope="module")
def model(tokenizer: BytePairTokenizer) -> GPT:
    torch.manual_seed(0)
    return GPT(EXPERIMENT.model, tokenizer.vocab_size)


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_tiny_marian(folder / "ar-en", target="en", seed=1)
    save_tiny_marian(folder / "en-ar")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Workspace(tmp_path).new_run("samples")


def written(model: GPT, tokenizer: BytePairTokenizer, run: Run, experiment: Experiment = EXPERIMENT) -> list[Event]:
    events: list[Event] = []
    Samples(experiment, tokenizer, run, CPU, events.append).write(model, 3)
    return events


def translating(prompt_model: str, story_model: str) -> Experiment:
    sampling = msgspec.structs.replace(EXPERIMENT.sampling, translate=SampleTranslate(prompt_model, story_model))
    return msgspec.structs.replace(EXPERIMENT, sampling=sampling)


def test_each_prompt_has_a_story_with_a_seed_of_its_own(model: GPT, tokenizer: BytePairTokenizer, run: Run) -> None:
    samples = written(model, tokenizer, run)
    for number, (sample, prompt) in enumerate(zip(samples, EXPERIMENT.sampling.prompts, strict=True)):
        text = story(model, tokenizer, prompt, EXPERIMENT.sampling, seed=7 + number)
        assert isinstance(sample, Sample)
        assert (sample.step, sample.prompt, sample.text, sample.untranslated) == (3, prompt, text, None)


@pytest.mark.parametrize("translates", [False, True])
def test_training_goes_on_as_if_nothing_had_been_written(
    model: GPT, tokenizer: BytePairTokenizer, run: Run, marian: Path, translates: bool
) -> None:
    shutil.copytree(marian, run.workspace_folder / "models")
    model.train()
    state = torch.get_rng_state()
    assert written(model, tokenizer, run, translating("models/ar-en", "models/en-ar") if translates else EXPERIMENT)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)


def test_prompts_and_stories_are_translated_where_the_experiment_says_so(
    model: GPT, tokenizer: BytePairTokenizer, run: Run, marian: Path
) -> None:
    shutil.copytree(marian, run.workspace_folder / "models")
    samples = written(model, tokenizer, run, translating("models/ar-en", "models/en-ar"))
    prompts = load_translator(str(marian / "ar-en"), CPU, None).translate(EXPERIMENT.sampling.prompts)
    back = load_translator(str(marian / "en-ar"), CPU, None)
    assert [sample.prompt for sample in samples if isinstance(sample, Sample)] == list(EXPERIMENT.sampling.prompts)
    for number, (sample, prompt) in enumerate(zip(samples, prompts, strict=True)):
        assert isinstance(sample, Sample)
        assert sample.untranslated == story(model, tokenizer, prompt, EXPERIMENT.sampling, seed=7 + number)
        assert [sample.text] == back.translate([sample.untranslated])


def test_without_the_models_that_translate_there_is_a_warning_and_no_sample(
    model: GPT, tokenizer: BytePairTokenizer, run: Run
) -> None:
    (event,) = written(model, tokenizer, run, translating("./none", "./none"))
    assert isinstance(event, Warning)
    assert 'sampling.translate.prompt_model = "./none": no such folder' in event.message


def test_too_little_memory_for_a_story_is_a_warning(
    model: GPT, tokenizer: BytePairTokenizer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hidden(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(GPT, "hidden", hidden)
    (event,) = written(model, tokenizer, run)
    assert isinstance(event, Warning)
    assert event.message == "no stories at step 3: cpu has too little free memory for them"


def test_a_model_that_has_lost_itself_is_a_warning(tokenizer: BytePairTokenizer, run: Run) -> None:
    broken = GPT(EXPERIMENT.model, tokenizer.vocab_size)
    torch.nn.init.constant_(broken.ln_f.weight, float("nan"))
    (event,) = written(broken, tokenizer, run)
    assert isinstance(event, Warning) and "step 3" in event.message and "not a number" in event.message
