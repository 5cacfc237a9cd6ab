from __future__ import annotations

import weakref
from pathlib import Path

import pytest
import torch
from tiny_marian import load_translator, save_tiny_marian

from engine.contract.errors import UserError
from engine.contract.events import Event, Warning
from engine.contract.experiment import SampleTranslate
from engine.translation.marian import Translator
from engine.translation.stories import StoryTranslator, _unended, download_models

CPU = torch.device("cpu")
MODELS = SampleTranslate(prompt_model="models/there", story_model="models/back")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("workspace")
    save_tiny_marian(root / "models" / "there", seed=1)
    save_tiny_marian(root / "models" / "back", seed=2)
    return root


def test_prompt_and_story_are_translated_each_by_its_model(workspace: Path) -> None:
    translator = StoryTranslator(MODELS, CPU, None, workspace)
    there, back = (load_translator(f"models/{name}", CPU, None, workspace) for name in ("there", "back"))
    story = "Rosie loved to jump.\n\nShe did."
    assert translator.story(story) == back.translate([story])[0]
    assert translator.prompt("Rosie loved to jump.") == there.translate(["Rosie loved to jump."])[0]
    assert translator.prompt("Rosie loved to jump.") != back.translate(["Rosie loved to jump."])[0]
    assert (translator.prompt(""), translator.story("")) == ("", "")


@pytest.mark.parametrize(
    ("translated", "expected"),
    [
        ("Once upon a time.", "Once upon a time"),
        ("Once upon a time . \n", "Once upon a time"),
        ("Once upon a time", "Once upon a time"),
        ("Once...", "Once..."),
        ("Once?", "Once?"),
    ],
)
def test_a_prompt_that_stops_in_the_middle_is_not_ended_by_its_translation(translated: str, expected: str) -> None:
    assert _unended(translated) == expected


def test_a_prompt_that_ends_a_sentence_is_translated_as_it_is(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = StoryTranslator(MODELS, CPU, None, workspace)
    monkeypatch.setattr(Translator, "translate", lambda self, texts: ["It ended."])
    assert translator.prompt("انتهت القصة. ") == "It ended."
    assert translator.prompt("انتهت القصة") == "It ended"


def test_a_story_can_be_cancelled_between_its_sentences(workspace: Path) -> None:
    told = []

    def cancel(done: int, total: int) -> None:
        told.append((done, total))
        raise KeyboardInterrupt

    story = " ".join(f"Rosie {number}." for number in range(30))
    with pytest.raises(KeyboardInterrupt):
        StoryTranslator(MODELS, CPU, None, workspace).story(story, on_batch=cancel)
    assert told == [(8, 30)]


def test_a_model_that_is_not_there_is_told_by_its_key(workspace: Path, tmp_path: Path) -> None:
    models = SampleTranslate("models/there", "./nowhere")
    with pytest.raises(UserError, match=r'^sampling\.translate\.story_model = "\./nowhere": no such folder'):
        StoryTranslator(models, CPU, tmp_path, workspace)
    told: list[Event] = []
    download_models(models, tmp_path, workspace, told.append)
    download_models(MODELS, tmp_path, workspace, told.append)
    (warning,) = told
    assert isinstance(warning, Warning) and "./nowhere" in warning.message


def test_memory_is_given_back_until_the_models_are_needed_again(workspace: Path) -> None:
    translator = StoryTranslator(MODELS, CPU, None, workspace)
    first = translator.prompt("Rosie loved to jump.")
    model = weakref.ref(translator._prompt_translator)
    translator.release()
    assert model() is None
    assert translator.prompt("Rosie loved to jump.") == first
