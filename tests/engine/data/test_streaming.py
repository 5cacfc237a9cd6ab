"""Streams of a hub that stands on this machine, read by `datasets` itself."""

from __future__ import annotations

import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from filelock import FileLock
from warm_datasets import WarmDatasets

TRAIN = [f"story {number}" for number in range(100)]
FILES = {
    "README.md": b"# stories",
    "train-00000-of-00002.jsonl": "".join(json.dumps({"text": text, "id": 1}) + "\n" for text in TRAIN[:60]).encode(),
    "train-00001-of-00002.jsonl": "".join(json.dumps({"text": text, "id": 1}) + "\n" for text in TRAIN[60:]).encode(),
    "validation.jsonl": b'{"text": "a", "id": 1}\n{"text": null, "id": 2}\n{"text": "c", "id": 3}\n',
}
PROGRAM = """
import json, os, sys, time
from pathlib import Path
from engine.contract.errors import UserError
from engine.contract.events import Prepare
from engine.contract.experiment import Data
from engine.runs.workspace import Workspace
from engine.data import streaming
from engine.data.sources import open_source

waited = []
time.sleep = waited.append  # between attempts to reach a hub that is gone
streaming._PART_ROWS, streaming._PART_CHARACTERS = 25, 1_500
answers = []
for keys in json.loads(sys.argv[1]):
    streamed = []

    def emit(event):
        if event.phase.startswith("wait"):
            Path(f"waiting-{os.getpid()}").touch()
        if "trying again" in event.phase:
            Path("waited").write_text(str(sum(waited)))
        if isinstance(event, Prepare) and event.phase.startswith("stream"):
            streamed.append((event.phase, event.done, event.total))

    data = Data("hub", **{"dataset": "owner/name", **keys})
    try:
        source = open_source(data, Workspace(Path.cwd()), None, emit)
        splits = source.divide(emit)
        answers.append([source.fingerprint(), list(splits.train()), list(splits.validation()), streamed])
    except UserError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


def ask(hub: WarmDatasets, root: Path, *cases: dict[str, Any]) -> list[Any]:
    """What a process answers that streams from the hub."""
    root.mkdir(exist_ok=True)
    return json.loads(hub.run(PROGRAM, json.dumps(cases), root))


def folder(root: Path) -> Path:
    return root / "data" / "downloads" / "streamed" / "owner" / "name" / "default" / "train" / "text"


def files_in(root: Path) -> list[str]:
    return sorted(path.name for path in folder(root).glob("0*"))


@pytest.fixture(scope="module")
def streamed_once(hub: WarmDatasets, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A workspace for which 70 rows were streamed, and what was said of them."""
    root = tmp_path_factory.mktemp("streamed")
    with hub.serving(FILES):
        (answer,) = ask(hub, root, {"streaming_rows": 70})
    return root, answer


@pytest.fixture
def streamed(streamed_once: tuple[Path, Any], tmp_path: Path) -> Path:
    """That workspace, a copy of the test's own."""
    return Path(shutil.copytree(streamed_once[0], tmp_path / "streamed", symlinks=True))


def test_the_first_rows_are_read_and_kept_for_when_there_is_no_network(
    hub: WarmDatasets, streamed_once: tuple[Path, Any]
) -> None:
    root, first = streamed_once
    assert first[1:3] == [TRAIN[:70], ["a", "c"]]
    assert first[3][-1] == ["stream validation", 3, 3]
    assert ["stream train", 70, 70] in first[3]
    assert files_in(root) == ["00000.parquet", "00001.parquet", "00002.parquet"]
    again, fewer = ask(hub, root, {"streaming_rows": 70}, {"streaming_rows": 30})
    assert again == [*first[:3], []]
    assert fewer[1:] == [TRAIN[:30], ["a", "c"], []]
    assert fewer[0] != first[0]


def test_more_rows_go_on_where_the_stream_was(hub: WarmDatasets, streamed: Path) -> None:
    kept = {path.name: path.read_bytes() for path in folder(streamed).glob("0*")}
    with hub.serving(FILES):
        (more,) = ask(hub, streamed, {"streaming_rows": 1000})
    assert more[1:3] == [TRAIN, ["a", "c"]]
    assert more[3][0] == ["stream train", 70, 1000]
    assert all((folder(streamed) / name).read_bytes() == content for name, content in kept.items())


def test_a_split_that_ends_with_a_file_is_read_whole(hub: WarmDatasets, tmp_path: Path) -> None:
    with hub.serving(FILES):
        whole, more = ask(hub, tmp_path, {"streaming_rows": 101}, {"streaming_rows": 500})
    assert whole[1] == more[1] == TRAIN
    assert more[3] == []


def test_a_network_that_goes_away_in_the_middle_is_said_and_what_came_is_kept(
    hub: WarmDatasets, tmp_path: Path
) -> None:
    with hub.serving(FILES, broken="train-00001-of-00002.jsonl"):
        (told,) = ask(hub, tmp_path, {"streaming_rows": 90})
    assert told.startswith('data.dataset = "owner/name": ')
    assert "hf download owner/name --repo-type dataset" in told
    assert 10 < float((tmp_path / "waited").read_text()) < 90, "seconds, and each attempt was told"
    assert files_in(tmp_path) == ["00000.parquet", "00001.parquet"]
    with hub.serving(FILES):
        (whole,) = ask(hub, tmp_path, {"streaming_rows": 90})
    assert whole[1] == TRAIN[:90]
    assert whole[3][0] == ["stream train", 50, 90]


@pytest.mark.parametrize("damaged", ["00001.parquet", "state.json"])
def test_what_is_damaged_is_streamed_anew(hub: WarmDatasets, streamed: Path, damaged: str) -> None:
    (folder(streamed) / damaged).write_bytes(b"{")
    with hub.serving(FILES):
        (again,) = ask(hub, streamed, {"streaming_rows": 60})
    assert again[1] == TRAIN[:60]
    assert again[3][0] == ["stream train", 0, 60]


def test_parquet_files_are_gone_on_with_in_the_middle_of_a_row_group(hub: WarmDatasets, tmp_path: Path) -> None:
    rows = [f"s{number}" for number in range(333)]

    def parquet(begin: int, end: int, row_group: int) -> bytes:
        file = io.BytesIO()
        table = pyarrow.table({"text": rows[begin:end], "id": list(range(begin, end))})
        pyarrow.parquet.write_table(table, file, row_group_size=row_group)
        return file.getvalue()

    files = {"README.md": b"#", "train-00000-of-00002.parquet": parquet(0, 130, 40)}
    files |= {"train-00001-of-00002.parquet": parquet(130, 333, 7), "test-00000-of-00001.parquet": parquet(0, 2, 9)}
    wanted = (7, 50, 131, 200, 333)
    with hub.serving(files):
        answers = ask(hub, tmp_path, *({"streaming_rows": count, "val_split": "test"} for count in wanted))
    for count, answer in zip(wanted, answers, strict=True):
        assert answer[1] == rows[2:count]  # the first two are validation rows too


def test_all_rows_are_of_the_version_that_the_first_was_of(hub: WarmDatasets, streamed: Path) -> None:
    (streamed / "data/downloads/streamed/owner/name/default/commit").write_text("f" * 40)
    with hub.serving(FILES) as server:
        asked: list[str] = []
        server.RequestHandlerClass.log_message = lambda self, *_: asked.append(self.path)  # type: ignore[attr-defined]
        ask(hub, streamed, {"streaming_rows": 90})
    assert any("f" * 40 in path for path in asked)
    assert not any("/resolve/main/" in path or "/tree/main" in path for path in asked)


def test_where_the_rows_were_cut_into_files_makes_no_other_data(hub: WarmDatasets, tmp_path: Path) -> None:
    with hub.serving(FILES):
        counts = ({"streaming_rows": 30}, {"streaming_rows": 70})
        *_, more = ask(hub, tmp_path / "more", *counts)
        (once,) = ask(hub, tmp_path / "once", counts[1])
    assert files_in(tmp_path / "more") != files_in(tmp_path / "once")
    assert more[:3] == once[:3]


def test_a_part_ends_where_its_texts_are_many(hub: WarmDatasets, tmp_path: Path) -> None:
    long = {
        **FILES,
        "train-00000-of-00002.jsonl": b"".join(b'{"text": "%d%s", "id": 1}\n' % (n, b"x" * 400) for n in range(9)),
    }
    with hub.serving(long):
        (answer,) = ask(hub, tmp_path, {"streaming_rows": 9})
    assert len(answer[1]) == 9
    assert len(files_in(tmp_path)) == 3


def test_two_at_once_stream_each_row_once(hub: WarmDatasets, tmp_path: Path) -> None:
    folder(tmp_path).mkdir(parents=True)
    with hub.serving(FILES), ThreadPoolExecutor() as pool:
        with FileLock(folder(tmp_path) / ".lock"):
            asked = [pool.submit(ask, hub, tmp_path, {"streaming_rows": 100}) for _ in range(2)]
            while len(list(tmp_path.glob("waiting-*"))) < 2:
                wait(asked, timeout=0.05)
                assert not any(one.done() for one in asked), "one streamed while the other held the lock"
        both = [answer for one in asked for answer in one.result()]
    assert [answer[1] for answer in both] == [TRAIN, TRAIN]
    streamed = ["stream train" in [phase for phase, *_ in answer[3]] for answer in both]
    assert sorted(streamed) == [False, True]


def test_a_split_is_made_of_the_rows_that_were_streamed(hub: WarmDatasets, tmp_path: Path) -> None:
    wanted = {"streaming_rows": 50, "val_split": "", "val_fraction": 0.2}
    with hub.serving(FILES):
        (made,) = ask(hub, tmp_path, wanted)
    (again,) = ask(hub, tmp_path, wanted)
    assert again == [*made[:3], []], "no network is asked for a split that is not wanted"
    assert len(made[1]) == 40 and len(made[2]) == 10
    assert sorted(made[1] + made[2]) == sorted(TRAIN[:50])


def test_what_is_not_there_is_said_with_what_there_is(hub: WarmDatasets, tmp_path: Path) -> None:
    cases = [{"val_split": "dev"}, {"text_column": "Text"}, {"text_column": "id"}, {"config": "other"}]
    cases += [{"dataset": "owner/nmae"}, {"dataset": "owner/gated"}]
    with hub.serving(FILES):
        answers = ask(hub, tmp_path, *({"streaming_rows": 5, **case} for case in cases))
    no_split, no_column, no_text, no_config, misspelt, gated = answers
    assert no_text == 'dataset owner/name: column "id" (data.text_column) is not text'
    assert "no such split, only train, validation" in no_split
    assert 'no column "Text" (data.text_column), only' in no_column and 'did you mean "text"?' in no_column
    assert "other" in no_config
    assert "the hub has no such dataset, or it is private" in misspelt
    assert "is gated; request access at https://huggingface.co/datasets/owner/gated, then run hf auth login" in gated


def test_the_mirrors_first_rows_are_the_same(hub: WarmDatasets, tmp_path: Path) -> None:
    program = PROGRAM.replace("Workspace(Path.cwd()), None, emit", "Workspace(Path.cwd()), Path('mirror'), emit")
    mirrored = tmp_path / "mirror" / "owner" / "name"
    mirrored.mkdir(parents=True)
    for name, content in FILES.items():
        (mirrored / name).write_bytes(content)
    (answer,) = json.loads(hub.run(program, '[{"streaming_rows": 70}]', tmp_path))
    assert answer[1:] == [TRAIN[:70], ["a", "c"], []]
    assert not (tmp_path / "data").exists()
