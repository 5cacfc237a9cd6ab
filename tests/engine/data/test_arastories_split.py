"""The real AraStories, where the mirror has them: the reference's own 2,696 / 300 split, story for story."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from engine.contract.events import Event
from engine.contract.experiment import Data, Experiment, Model, Tokenizer, Train
from engine.data.prepare import prepare
from engine.data.sources import open_source
from engine.runs.workspace import Workspace

FOLDER = "raw.githubusercontent.com/UBC-NLP/arastories/main/data"
NAMES = [f"Formatted-{dialect}-prompts-stories-for-fine-tuning.csv" for dialect in ("Egyptian", "MSA", "Moroccan")]
MIRROR = Path(os.environ.get("SLM_DATA_MIRROR") or "no mirror")
pytestmark = pytest.mark.skipif(
    not (MIRROR / FOLDER).is_dir(), reason="SLM_DATA_MIRROR names no mirror with the AraStories files"
)
DATA = Data("files", files=tuple(f"https://{FOLDER}/{name}" for name in NAMES), text_column="Story")


def silent(event: Event) -> None:
    """Take no notice."""


def test_the_split_is_the_references_story_for_story(tmp_path: Path) -> None:
    import pandas
    from datasets import Dataset

    frames = [pandas.read_csv(MIRROR / FOLDER / name) for name in sorted(NAMES)]
    everything = Dataset.from_pandas(pandas.concat(frames, ignore_index=True))
    expected = everything.train_test_split(test_size=0.1, seed=42)

    splits = open_source(DATA, Workspace(tmp_path), MIRROR, silent).divide(silent)
    train, validation = list(splits.train()), list(splits.validation())
    assert (len(train), len(validation), splits.repeated) == (2696, 300, 0)
    assert sorted(validation) == sorted(expected["test"]["Story"])
    assert sorted(train) == sorted(expected["train"]["Story"])


def test_preparing_them_with_their_tokenizer_takes_less_than_a_minute_of_one_core(tmp_path: Path) -> None:
    experiment = Experiment(
        data=DATA,
        tokenizer=Tokenizer("byte_bpe", vocab_size=32_000),
        model=Model(1, 1, 8, 128),
        train=Train(1),
    )
    start = time.process_time()  # of one core, however many others want it
    prepared = prepare("arastories", experiment, Workspace(tmp_path), MIRROR, silent)
    assert time.process_time() - start < 60
    manifest = prepared.manifest
    assert (manifest.vocab_size, manifest.dtype) == (32_000, "uint16")
    assert (manifest.train.stories, manifest.val.stories) == (2696, 300)
    assert manifest.train.bytes + manifest.val.bytes == 7_759_490
    assert 6.5 < manifest.train.bytes / manifest.train.tokens < 8.5
