"""`[data.translate]` with a real Marian model, whose translations mean nothing, but are always the same."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from tiny_marian import load_translator

from engine.commands.prepare import prepare_experiment
from engine.commands.tokenize import tokenize_text
from engine.contract.errors import UserError
from engine.contract.events import Event, Prepare
from engine.contract.experiment import Data, Experiment, Hardware, Model, Tokenizer, Train, Translate
from engine.data import prepare as module
from engine.data.prepare import PreparedData
from engine.data.sources import open_source
from engine.runs.workspace import Workspace
from engine.translation import corpus
from engine.translation.corpus import CorpusTranslation
from engine.translation.marian import Translator

STORIES = [
    f"{name} saw {count} {thing}s. The {thing}s loved to play, and {name} loved to jump.\n\n{name} slept."
    for name in ("Rosie", "Lily", "Tom")
    for count in range(4)
    for thing in ("cat", "dog")
]


@pytest.fixture
def workspace(tmp_path: Path, marian: Path) -> Workspace:
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "a.txt").write_text("<|endoftext|>".join(STORIES))
    shutil.copytree(marian, root / "tiny")
    return Workspace(root)


@pytest.fixture
def sentences_translated(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The lengths of the sentences of each batch that a model has translated."""
    batches: list[list[int]] = []
    generate = Translator._generate

    def counting(self: Translator, ids: list[list[int]], longest: int) -> list[str]:
        batches.append([len(sentence) for sentence in ids])
        return generate(self, ids, longest)

    monkeypatch.setattr(Translator, "_generate", counting)
    return batches


def experiment(fraction: float = 1.0, vocab_size: int = 280, **translate: Any) -> Experiment:
    return Experiment(
        data=Data("files", files=("a.txt",), val_fraction=0.25, translate=Translate("tiny", fraction, **translate)),
        tokenizer=Tokenizer("byte_bpe", vocab_size=vocab_size),
        model=Model(1, 1, 8, 8),
        train=Train(1),
        hardware=Hardware("cpu"),
    )


def prepared(workspace: Workspace, wanted: Experiment | None = None) -> PreparedData:
    return prepare_experiment("first", wanted or experiment(), workspace, None, lambda event: None)


def stories_in(data: PreparedData, path: Path) -> list[str]:
    tokenizer = data.tokenizer()
    ids = np.fromfile(path, data.manifest.dtype)
    ends = np.flatnonzero(ids == tokenizer.eot_id)
    return [tokenizer.decode(part[:-1].tolist()) for part in np.split(ids, ends + 1)[:-1]]


def translator(workspace: Workspace) -> Translator:
    return load_translator("tiny", torch.device("cpu"), None, root=workspace.root)


def untranslated_splits(workspace: Workspace, fraction: float = 1.0) -> tuple[list[str], list[str]]:
    data = msgspec.structs.replace(experiment().data, fraction=fraction, translate=None)
    splits = open_source(data, workspace, None, lambda event: None).divide(lambda event: None)
    return list(splits.train()), list(splits.validation())


def test_the_prepared_data_are_the_translations_of_both_splits(workspace: Workspace) -> None:
    data = prepared(workspace)
    train, val = untranslated_splits(workspace)
    assert len(train) == 18 and len(val) == 6
    translated = translator(workspace).translate(val)
    assert stories_in(data, data.val) == translated
    assert stories_in(data, data.train) == [
        story for story in translator(workspace).translate(train) if story not in translated
    ]
    assert data.manifest.val.bytes == sum(len(story.encode()) for story in translator(workspace).translate(val))


def test_the_first_part_of_each_split_is_translated_and_the_rest_left_out(workspace: Workspace) -> None:
    data = prepared(workspace, experiment(fraction=0.3))
    train, val = untranslated_splits(workspace, fraction=0.3)
    assert len(train) == 6 and len(val) == 2
    translated = translator(workspace).translate(val)
    assert stories_in(data, data.val) == translated
    assert stories_in(data, data.train) == [
        story for story in translator(workspace).translate(train) if story not in translated
    ]


def test_what_was_translated_once_is_not_translated_again(
    workspace: Workspace, sentences_translated: list[list[int]]
) -> None:
    prepared(workspace, experiment(fraction=0.3))
    first = sum(map(len, sentences_translated))
    prepared(workspace, experiment())
    both = sum(map(len, sentences_translated))
    prepared(workspace, experiment(vocab_size=270))
    assert 0 < first < both == sum(map(len, sentences_translated))
    sentences_translated.clear()
    shutil.rmtree(workspace.data)
    prepared(workspace)
    assert both == sum(map(len, sentences_translated))


def test_another_model_or_length_is_other_data_and_another_batch_size_is_not(workspace: Workspace) -> None:
    first = prepared(workspace).directory
    assert prepared(workspace, experiment(batch_size=3)).directory == first
    assert prepared(workspace, experiment(max_length=20)).directory != first


@pytest.mark.parametrize("name", ["vocab.json", "model.safetensors", "tokenizer_config.json", "generation_config.json"])
def test_whatever_file_of_the_model_changes_so_do_the_data_and_the_memory(workspace: Workspace, name: str) -> None:
    """Weights and vocabulary, but also the target language and the settings of generation."""
    first = CorpusTranslation(Translate("tiny"), "cpu", workspace, None)
    path = workspace.root / "tiny" / name
    path.write_bytes(path.read_bytes() + b" ")
    second = CorpusTranslation(Translate("tiny"), "cpu", workspace, None)
    assert first.key != second.key
    assert first._memory_path != second._memory_path


def test_closing_gives_the_models_memory_back(workspace: Workspace) -> None:
    translation = CorpusTranslation(Translate("tiny"), "cpu", workspace, None)
    first = list(translation.translated(["Tom slept."]))
    model = weakref.ref(translation._translator)
    translation.close()
    assert model() is None
    assert list(translation.translated(["Tom slept."])) == first


def test_stories_with_one_translation_stand_in_one_split(workspace: Workspace) -> None:
    """Signs that the model does not know are nothing to it."""
    twins = [f"Tom saw {count} cats{mark}" for count in range(6) for mark in (".", "\u2603.", "\u2604.", "\u2605.")]
    (workspace.root / "a.txt").write_text("<|endoftext|>".join(twins), encoding="utf-8")
    data = prepared(workspace)
    train, val = stories_in(data, data.train), stories_in(data, data.val)
    assert len(set(train)) + len(set(val)) < len(twins), "the model takes the twins for one"
    assert not set(train) & set(val)
    assert any("also in the validation split" in warning for warning in data.manifest.warnings)


def test_translations_are_in_the_normal_form_that_the_experiment_wants(workspace: Workspace) -> None:
    data = msgspec.structs.replace(experiment().data, normalization="NFC")
    splits = open_source(data, workspace, None, lambda event: None).divide(
        lambda event: None, lambda stories: (f"{story} e\u0301" for story in stories)
    )
    assert all(story.endswith("\u00e9") for story in (*splits.train(), *splits.validation()))


def test_batches_hold_sentences_alike_in_length(workspace: Workspace, sentences_translated: list[list[int]]) -> None:
    prepared(workspace, experiment(batch_size=7))
    lengths = [length for batch in sentences_translated for length in batch]
    rises = [number for number in range(1, len(lengths)) if lengths[number] > lengths[number - 1]]
    assert len(rises) == 1  # where the training split begins
    assert sum(len(batch) < 7 for batch in sentences_translated) <= 2


def test_progress_names_what_is_translated_and_counts_stories(workspace: Workspace) -> None:
    events: list[Event] = []
    prepare_experiment("first", experiment(batch_size=2), workspace, None, events.append)
    phases = [event.phase for event in events if isinstance(event, Prepare)]
    assert list(dict.fromkeys(phases))[:4] == ["read", "translate validation", "translate train", "train tokenizer"]
    last = {event.phase: event for event in events if isinstance(event, Prepare)}
    assert (last["translate train"].done, last["translate train"].total) == (18, 18)
    assert (last["translate validation"].done, last["translate validation"].total) == (6, 6)


PROGRAM = """
import sys
from pathlib import Path
from engine.runs.workspace import Workspace
from engine.data import progress
from engine.commands.prepare import prepare_experiment
from engine.contract.loading import parse_experiment

progress.INTERVAL = 0
wanted = parse_experiment(sys.argv[2], "x.toml")


def emit(event):
    if getattr(event, "phase", "") == "translate train" and event.done >= 9:
        print("translating", flush=True)
        sys.stdin.read()


prepare_experiment("first", wanted, Workspace(Path(sys.argv[1])), None, emit)
"""


def test_a_killed_translation_goes_on_from_its_last_batch(
    workspace: Workspace, tmp_path: Path, sentences_translated: list[list[int]]
) -> None:
    text = (
        '[data]\nsource = "files"\nfiles = ["a.txt"]\nval_fraction = 0.25\n[data.translate]\nmodel = "tiny"\n'
        'batch_size = 4\n[tokenizer]\nkind = "byte_bpe"\nvocab_size = 280\n'
        "[model]\nn_layer = 1\nn_head = 1\nn_embd = 8\nblock_size = 8\n"
        '[train]\nmax_steps = 1\n[hardware]\ndevice = "cpu"\n'
    )
    whole = prepared(Workspace(Path(shutil.copytree(workspace.root, tmp_path / "whole"))))
    in_all = sum(map(len, sentences_translated))
    sentences_translated.clear()
    arguments = [sys.executable, "-c", PROGRAM, str(workspace.root), text]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "translating\n"
        process.send_signal(signal.SIGKILL)
    data = prepared(workspace)
    assert 0 < sum(map(len, sentences_translated)) <= in_all // 2
    assert data.train.read_bytes() == whole.train.read_bytes()
    assert data.val.read_bytes() == whole.val.read_bytes()


def test_chunks_of_stories_are_joined_in_order(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepared(Workspace(Path(shutil.copytree(workspace.root, workspace.root.with_name("whole")))))
    monkeypatch.setattr(corpus, "_STORIES", 5)
    assert prepared(workspace).train.read_bytes() == whole.train.read_bytes()


def test_a_story_of_which_nothing_is_left_is_left_out(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = Translator._decode
    monkeypatch.setattr(Translator, "_decode", lambda self, tokens: "" if len(tokens) % 2 else decode(self, tokens))
    (workspace.root / "a.txt").write_text("<|endoftext|>".join(f"Tom saw {'cats ' * n}" for n in range(1, 20)))
    data = prepared(workspace)
    stories = stories_in(data, data.train)
    assert 0 < len(stories) < 14
    assert all(stories)


def test_a_tokenizer_that_learns_from_a_part_has_only_that_part_translated(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    translated = CorpusTranslation.translated

    def counting(self: CorpusTranslation, stories: Iterable[str]) -> Iterator[str]:
        whole = list(stories)
        taken.append(len(whole))
        return translated(self, whole)

    monkeypatch.setattr(CorpusTranslation, "translated", counting)
    monkeypatch.setattr(module, "TRAINING_CHARACTERS", 10)
    prepared(workspace)
    training, validation = 18, 6
    assert taken == [validation, 1, validation + training], "to know them, to train on one story, to tokenize both"


def test_without_the_model_it_is_said_which_key_names_it(workspace: Workspace) -> None:
    shutil.rmtree(workspace.root / "tiny")
    with pytest.raises(UserError, match=r'^data\.translate\.model = "\./tiny": no such folder in .*OWNER/NAME'):
        prepared(workspace, experiment_of("./tiny"))


def experiment_of(model: str) -> Experiment:
    wanted = experiment()
    return msgspec.structs.replace(wanted, data=msgspec.structs.replace(wanted.data, translate=Translate(model)))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_model_is_told_by_its_key_and_leaves_nothing_behind(workspace: Workspace, name: str) -> None:
    (workspace.root / "tiny" / name).write_bytes(b"[")
    with pytest.raises(UserError, match=r'^data\.translate\.model = "tiny": .*damaged'):
        prepared(workspace)
    assert not list(workspace.root.glob("data/.*.part")) and not list(workspace.root.glob("data/first-*"))


def test_the_tokenizer_command_cuts_translated_stories(workspace: Workspace) -> None:
    told = tokenize_text(experiment(), workspace, None, None, lambda event: None)
    expected = translator(workspace).translate(STORIES[:20])
    assert told.stories == 20
    assert told.characters == sum(map(len, expected))


def test_a_stop_while_translating_interrupts_and_keeps_what_is_done(
    workspace: Workspace, sentences_translated: list[list[int]]
) -> None:
    def emit(event: Event) -> None:
        if isinstance(event, Prepare) and event.phase == "translate train":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_experiment("first", experiment(batch_size=2), workspace, None, emit)
    done = sum(map(len, sentences_translated))
    prepared(workspace)
    in_all = sum(map(len, sentences_translated))
    sentences_translated.clear()
    shutil.rmtree(workspace.data)
    prepared(workspace)
    assert 0 < done < in_all == sum(map(len, sentences_translated))
