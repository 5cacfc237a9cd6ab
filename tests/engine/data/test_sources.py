"""Stories come in the source's order, in the splits that Hugging Face `datasets` would make, none in both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet
from warm_datasets import WarmDatasets

from engine.contract.errors import UserError
from engine.contract.events import Event, Prepare
from engine.contract.experiment import Data
from engine.data.sources import Source, Splits, open_source
from engine.runs.workspace import Workspace


def silent(event: Event) -> None:
    """Take no notice."""


def source(root: Path, data: Data, mirror: Path | None = None) -> Source:
    return open_source(data, Workspace(root), mirror, silent)


def lines_file(path: Path, texts: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def split(root: Path, texts: list[str], **keys: object) -> Splits:
    lines_file(root / "a.jsonl", texts)
    return source(root, Data("files", files=("a.jsonl",), **keys)).divide(silent)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "val_fraction", "seed"), [(2, 0.1, 42), (31, 0.1, 42), (100, 0.29, 0), (997, 0.5, 7)]
)
def test_the_split_is_the_one_that_datasets_makes(tmp_path: Path, count: int, val_fraction: float, seed: int) -> None:
    from datasets import Dataset

    texts = [f"story {n}" for n in range(count)]
    expected = Dataset.from_dict({"text": texts}).train_test_split(test_size=val_fraction, seed=seed)
    splits = split(tmp_path, texts, val_fraction=val_fraction, split_seed=seed)
    assert sorted(splits.validation()) == sorted(expected["test"]["text"])
    assert sorted(splits.train()) == sorted(expected["train"]["text"])
    order = [int(text.split()[1]) for text in splits.train()]
    assert order == sorted(order)  # each split in the order of the files


def test_the_fraction_is_the_first_part_of_each_split_of_datasets(tmp_path: Path) -> None:
    from datasets import Dataset

    texts = [f"story {n}" for n in range(200)]
    expected = Dataset.from_dict({"text": texts}).train_test_split(test_size=0.1, seed=42)
    splits = split(tmp_path, texts, fraction=0.25)
    assert sorted(splits.validation()) == sorted(expected["test"]["text"][:5])
    assert sorted(splits.train()) == sorted(expected["train"]["text"][:45])


def test_empty_rows_hold_no_story_but_count_in_the_split(tmp_path: Path) -> None:
    from datasets import Dataset

    texts = ["" if n % 3 == 0 else " \n" if n % 3 == 1 else f"story {n}" for n in range(60)]
    expected = Dataset.from_dict({"text": texts}).train_test_split(test_size=0.1, seed=42)
    splits = split(tmp_path, texts)
    assert sorted(splits.train()) == sorted(text for text in expected["train"]["text"] if text.strip())


def test_a_validation_story_never_stands_in_the_training_split(tmp_path: Path) -> None:
    once = [f"story {n}" for n in range(40)]
    again = [f"  {story}\n" if n % 2 else f"before {n}<|endoftext|>{story}" for n, story in enumerate(once)]
    splits = split(tmp_path, once + again)
    held_out = {story.strip() for story in splits.validation()}
    trained = [story.strip() for story in splits.train()]
    assert held_out.isdisjoint(trained)
    assert splits.repeated > 0
    assert len(trained) + splits.repeated + len(list(splits.validation())) == 100


def test_end_of_text_inside_a_row_parts_two_stories(tmp_path: Path) -> None:
    splits = split(tmp_path, ["one\n<|endoftext|>\ntwo<|endoftext|>", "three", "four"], split_seed=1)
    stories = [*splits.train(), *splits.validation()]
    assert sorted(stories) == ["four", "one", "three", "two"]


# three lines, each wrong in a way of its own
WRONG = "Г©tait Г\xa0 lвЂ™Г©cole\nShe said, â€œItâ€™s a cafÃ©!â€\x9d\nâ€œYes, “really”.â€\x9d"
RIGHT = "était à l’école\nShe said, “It’s a café!”\n“Yes, “really”.”"


def test_mojibake_is_repaired_where_that_is_asked_for(tmp_path: Path) -> None:
    kept = ["كان يا ما كان، “نعم”", "naïve – £5", "ﬁne ①"]  # right as they are: nothing else is changed
    texts = [WRONG, *kept]
    left = split(tmp_path, texts)
    assert sorted([*left.train(), *left.validation()]) == sorted(texts)
    repaired = split(tmp_path, texts, repair_mojibake=True)
    assert sorted([*repaired.train(), *repaired.validation()]) == sorted([RIGHT, *kept])


@pytest.mark.parametrize(
    ("form", "wanted"), [(None, "ﬁ e\u0301"), ("NFC", "ﬁ é"), ("NFKC", "fi é"), ("NFKD", "fi e\u0301")]
)
def test_stories_have_the_unicode_normal_form_that_is_asked_for(tmp_path: Path, form: str | None, wanted: str) -> None:
    splits = split(tmp_path, ["ﬁ e\u0301", "plain"], normalization=form)
    assert sorted([*splits.train(), *splits.validation()]) == sorted([wanted, "plain"])


def test_a_repaired_validation_story_is_not_trained_on_in_its_broken_form(tmp_path: Path) -> None:
    splits = split(
        tmp_path, [WRONG, RIGHT, "another", "a fourth"], val_fraction=0.25, split_seed=12, repair_mojibake=True
    )
    assert (list(splits.train()), list(splits.validation())) == (["another", "a fourth"], [RIGHT])


def test_a_normal_form_cannot_hide_an_end_of_text(tmp_path: Path) -> None:
    splits = split(tmp_path, ["one<｜endoftext｜>two", "three"], normalization="NFKC")
    assert sorted([*splits.train(), *splits.validation()]) == ["one", "three", "two"]


@pytest.mark.parametrize(
    ("texts", "wanted"), [(["only one"], "1 story is too few"), (["", " "], "contains no stories")]
)
def test_too_few_stories_is_a_user_error(tmp_path: Path, texts: list[str], wanted: str) -> None:
    with pytest.raises(UserError, match=wanted):
        split(tmp_path, texts)


def test_stories_between_blank_lines_are_one_story_until_the_separator_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n\nthree\n")
    with pytest.raises(UserError, match=r'document_separator = "<\|endoftext\|>"; use "\\n\\n" if blank lines'):
        source(tmp_path, Data("files", files=("a.txt",))).divide(silent)
    told = source(tmp_path, Data("files", files=("a.txt",), document_separator="\n\n")).divide(silent)
    assert sorted([*told.train(), *told.validation()]) == ["one", "three", "two"]


def test_files_are_read_in_the_order_that_the_experiment_gives(tmp_path: Path) -> None:
    for name in ("b", "a"):
        lines_file(tmp_path / f"{name}.jsonl", [f"{name}{n}" for n in range(5)])
    splits = source(tmp_path, Data("files", files=("b.jsonl", "a.jsonl"))).divide(silent)
    assert [story[0] for story in splits.train()] == sorted((story[0] for story in splits.train()), reverse=True)


def test_the_fingerprint_follows_the_texts_and_not_the_path(tmp_path: Path) -> None:
    def fingerprint(*names: str) -> str:
        return source(tmp_path, Data("files", files=names)).fingerprint()

    lines_file(tmp_path / "a.jsonl", ["one", "two"])
    lines_file(tmp_path / "moved" / "other.jsonl", ["one", "two"])
    lines_file(tmp_path / "c.jsonl", ["one", "twO"])
    assert fingerprint("a.jsonl") == fingerprint("moved/other.jsonl")
    assert fingerprint("a.jsonl") != fingerprint("c.jsonl")
    assert fingerprint("a.jsonl", "c.jsonl") != fingerprint("c.jsonl", "a.jsonl")


def test_a_link_to_nowhere_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "link.txt").symlink_to("nowhere.txt")
    with pytest.raises(UserError, match=r"link\.txt: no such file"):
        source(tmp_path, Data("files", files=("link.txt",)))


@pytest.mark.parametrize("language", ["english", "arabic"])
def test_builtin_stories_are_the_same_ones_every_time(tmp_path: Path, language: str) -> None:
    data = Data("builtin", language=language, stories=50)  # type: ignore[arg-type]
    first, second = source(tmp_path, data), source(tmp_path, data)
    train, validation = list(first.divide(silent).train()), list(second.divide(silent).validation())
    assert (len(train), len(validation)) == (45, 5)
    assert first.fingerprint() == second.fingerprint()
    assert first.fingerprint() != source(tmp_path, Data("builtin", language=language, stories=51)).fingerprint()  # type: ignore[arg-type]


def test_progress_is_reported_as_events(tmp_path: Path) -> None:
    events: list[Event] = []
    lines_file(tmp_path / "a.jsonl", [f"story {n}" for n in range(30)])
    data = Data("files", files=("a.jsonl",))
    open_source(data, Workspace(tmp_path), None, events.append).divide(events.append)
    ends = {event.phase: (event.done, event.total) for event in events if isinstance(event, Prepare)}
    assert ends == {"read": (30, 30)}


def test_a_missing_mirror_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mirror .*nowhere: no such folder"):
        source(tmp_path, Data("builtin"), tmp_path / "nowhere")


class TestHubDatasetInTheMirror:
    """`hf download OWNER/NAME --local-dir DIR/OWNER/NAME`"""

    def hub(self, tmp_path: Path, **keys: object) -> Splits:
        data = Data("hub", dataset="owner/name", **keys)  # type: ignore[arg-type]
        return source(tmp_path, data, tmp_path / "mirror").divide(silent)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "mirror" / "owner" / "name"
        folder.mkdir(parents=True)
        return folder

    def test_its_own_splits_are_kept(self, tmp_path: Path, folder: Path) -> None:
        (folder / "data").mkdir()
        for shard in (0, 1):
            table = pyarrow.table({"text": [f"shard {shard} row {n}" for n in range(2)]})
            parquet.write_table(table, folder / "data" / f"train-0000{shard}-of-00002-2d5a14.parquet")
        parquet.write_table(
            pyarrow.table({"text": ["held out"]}), folder / "data" / "validation-00000-of-00001.parquet"
        )
        (folder / "Stories-train.txt").write_text("another form of the same")
        splits = self.hub(tmp_path)
        assert list(splits.train()) == ["shard 0 row 0", "shard 0 row 1", "shard 1 row 0", "shard 1 row 1"]
        assert list(splits.validation()) == ["held out"]

    def test_the_fraction_is_the_first_part_of_each(self, tmp_path: Path, folder: Path) -> None:
        lines_file(folder / "train.jsonl", [f"t{n}" for n in range(10)])
        lines_file(folder / "validation.jsonl", [f"v{n}" for n in range(10)])
        splits = self.hub(tmp_path, fraction=0.3)
        assert (list(splits.train()), list(splits.validation())) == (["t0", "t1", "t2"], ["v0", "v1", "v2"])

    def test_without_a_validation_split_one_is_made(self, tmp_path: Path, folder: Path) -> None:
        lines_file(folder / "stories.jsonl", [f"story {n}" for n in range(20)])
        splits = self.hub(tmp_path, val_split="")
        assert (len(list(splits.train())), len(list(splits.validation()))) == (18, 2)

    def test_a_missing_split_names_those_there_are(self, tmp_path: Path, folder: Path) -> None:
        lines_file(folder / "train.jsonl", ["a"])
        lines_file(folder / "test.jsonl", ["b"])
        with pytest.raises(UserError) as caught:
            self.hub(tmp_path)
        wanted = 'data.val_split = "validation": dataset owner/name has no such split, only test, train; val_split = ""'
        assert wanted in str(caught.value)

    def test_a_configuration_has_its_own_folder(self, tmp_path: Path, folder: Path) -> None:
        lines_file(folder / "train.jsonl", ["a", "b"])
        lines_file(folder / "arabic" / "train-00000-of-00001.jsonl", ["c", "d"])
        splits = self.hub(tmp_path, config="arabic", val_split="")
        assert sorted([*splits.train(), *splits.validation()]) == ["c", "d"]

    def test_a_configuration_that_is_not_there_is_told_with_those_that_are(self, tmp_path: Path, folder: Path) -> None:
        lines_file(folder / "arabic" / "train-00000-of-00001.jsonl", ["c", "d"])
        with pytest.raises(UserError, match=r'data\.config = "foo": .*only arabic'):
            self.hub(tmp_path, config="foo", val_split="")

    @pytest.mark.parametrize("dataset", ["../name", "/etc", "owner/../name", "a/b/c"])
    def test_its_id_cannot_leave_the_mirror(self, tmp_path: Path, folder: Path, dataset: str) -> None:
        with pytest.raises(UserError, match="wants OWNER/NAME"):
            source(tmp_path, Data("hub", dataset=dataset), tmp_path / "mirror")


HUB_PROGRAM = """
import json, sys
from pathlib import Path
from engine.contract.errors import UserError
from engine.contract.experiment import Data
from engine.runs.workspace import Workspace
from engine.data.sources import open_source

answers = []
for keys in json.loads(sys.argv[1]):
    try:
        data = Data("hub", **{"dataset": "owner/name", **keys})
        source = open_source(data, Workspace(Path.cwd()), None, lambda event: None)
        splits = source.divide(lambda event: None)
        answers.append([source.fingerprint(), list(splits.train()), list(splits.validation())])
    except UserError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


def test_a_hub_dataset_is_read_through_datasets(tmp_path: Path) -> None:
    # a folder of that name stands for the hub's repository; all else is what a dataset on the hub goes through
    folder = tmp_path / "owner" / "name"
    lines_file(folder / "train.jsonl", ["one", "two", "three"])
    lines_file(folder / "validation.jsonl", ["four"])
    cases = [{}, {"fraction": 0.5}, {"val_split": "dev"}, {"text_column": "Text"}, {"config": "other"}]
    done = subprocess.run(
        [sys.executable, "-c", HUB_PROGRAM, json.dumps(cases)],
        cwd=tmp_path,
        env={**os.environ, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=True,
    )
    whole, half, no_split, no_column, no_config = json.loads(done.stdout)
    assert whole[1:] == [["one", "two", "three"], ["four"]]
    assert half == [whole[0], ["one", "two"], ["four"]]
    assert "has no such split, only train, validation" in no_split
    assert 'only text; did you mean "text"?' in no_column
    assert no_config == """data.dataset = "owner/name": BuilderConfig 'other' not found. Available: ['default']"""


def test_a_hub_dataset_counts_by_its_texts_where_datasets_would_keep_it_in_memory(tmp_path: Path) -> None:
    told = []
    for name in ("a", "b"):
        lines_file(tmp_path / name / "owner" / "name" / "train.jsonl", [f"{name} one", f"{name} two"])
        environment = {"HF_HOME": str(tmp_path / name / "cache"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.getcwd()}
        done = subprocess.run(
            [sys.executable, "-c", HUB_PROGRAM, '[{"val_split": ""}]'],
            cwd=tmp_path / name,
            env={**os.environ, **environment, "HF_DATASETS_IN_MEMORY_MAX_SIZE": "1000000"},
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(json.loads(done.stdout)[0])
    assert told[0][1:] != told[1][1:]
    assert told[0][0] != told[1][0]


def ask(hub: WarmDatasets, root: Path, *cases: dict[str, str]) -> list[Any]:
    """What a process answers that asks the hub."""
    return json.loads(hub.run(HUB_PROGRAM, json.dumps(cases), root))


def test_a_misspelt_or_gated_dataset_is_said_and_one_on_the_hub_is_read_without_it_later(
    hub: WarmDatasets, tmp_path: Path
) -> None:
    files = {"README.md": b"# stories", "train.jsonl": b'{"text": "a"}\n', "validation.jsonl": b'{"text": "b"}\n'}
    with hub.serving(files):
        cases = [{}, {"dataset": "owner/nmae"}, {"dataset": "owner/gated"}]
        there, misspelt, gated = ask(hub, tmp_path, *cases)
        assert there[1:] == [["a"], ["b"]]
        assert misspelt.startswith('data.dataset = "owner/nmae": the hub has no such dataset, or it is private')
        assert (
            "is gated; request access at https://huggingface.co/datasets/owner/gated, then run hf auth login" in gated
        )


def test_a_network_that_goes_away_in_the_middle_is_said(hub: WarmDatasets, tmp_path: Path) -> None:
    files = {"README.md": b"# stories", "train.jsonl": b'{"text": "a"}\n' * 40, "validation.jsonl": b'{"text": "b"}\n'}
    with hub.serving(files, broken="train.jsonl"):
        (told,) = ask(hub, tmp_path, {})
    assert told.startswith('data.dataset = "owner/name": peer closed connection')
    assert "hf download owner/name --repo-type dataset --local-dir DIR/owner/name" in told


def test_a_dataset_that_cannot_be_read_is_said_with_the_cause_and_without_blaming_the_network(
    hub: WarmDatasets, tmp_path: Path
) -> None:
    files = {"README.md": b"# stories", "train.jsonl": b'{"text": "a"}\n{"text": \n', "test.jsonl": b'{"text": "b"}\n'}
    with hub.serving(files):
        (told,) = ask(hub, tmp_path, {})
    assert told.startswith('data.dataset = "owner/name": An error occurred while generating the dataset: ')
    assert "JSON" in told and len(told.splitlines()) == 1


def test_files_and_the_mirror_are_read_without_importing_datasets(tmp_path: Path) -> None:
    lines_file(tmp_path / "mirror" / "owner" / "name" / "train.jsonl", ["one", "two"])
    program = (
        "import sys; from pathlib import Path; from engine.contract.experiment import Data\n"
        "from engine.runs.workspace import Workspace; from engine.data.sources import open_source\n"
        "root = Path(sys.argv[1]); data = Data('hub', dataset='owner/name', val_split='')\n"
        "source = open_source(data, Workspace(root), root / 'mirror', print)\n"
        "assert len(list(source.divide(lambda event: None).train())) == 1\n"
        "import engine.data.prepare\n"
        "print([name for name in ('datasets', 'torch', 'transformers', 'pandas') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
