"""Prepared data: what is written, when it is made again, and what a kill, a full disk or a huge corpus does."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from filelock import FileLock
from pyarrow import parquet

from engine.contract.errors import UserError
from engine.contract.events import Event, Prepare, Warning
from engine.contract.experiment import Data, Experiment, Model, Tokenizer, Train
from engine.data import content_hashes, token_files
from engine.data import prepare as module
from engine.data.prepare import PreparedData, prepare
from engine.data.tokenizers import byte_pair
from engine.runs.workspace import Workspace

STORIES = [
    f"{name} saw {count} {thing}s." for name in ("Lily", "Tom") for count in range(9) for thing in ("cat", "dog")
]


def experiment(files: tuple[str, ...] = ("a.txt",), *, vocab_size: int = 300, **data: object) -> Experiment:
    return Experiment(
        data=Data("files", files=files, **data),  # type: ignore[arg-type]
        tokenizer=Tokenizer("byte_bpe", vocab_size=vocab_size),
        model=Model(1, 1, 8, 8),
        train=Train(1),
    )


def write(path: Path, stories: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("<|endoftext|>".join(stories), encoding="utf-8")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "workspace"
    write(root / "a.txt", STORIES)
    return Workspace(root)


def prepared(workspace: Workspace, wanted: Experiment | None = None, name: str = "first") -> PreparedData:
    return prepare(name, wanted or experiment(), workspace, None, lambda event: None)


def stories_in(path: Path, data: PreparedData) -> list[str]:
    """The stories of a .bin file, by way of the ids alone."""
    tokenizer = data.tokenizer()
    ids = np.fromfile(path, data.manifest.dtype)
    assert ids[-1] == tokenizer.eot_id
    ends = np.flatnonzero(ids == tokenizer.eot_id)
    return [tokenizer.decode(part.tolist()) for part in np.split(ids, ends + 1)[:-1] if part[-1] == tokenizer.eot_id]


def test_both_splits_hold_their_stories_with_end_of_text_after_each(workspace: Workspace) -> None:
    data = prepared(workspace)
    texts = {path: [s.removesuffix("<|endoftext|>") for s in stories_in(path, data)] for path in (data.train, data.val)}
    assert sorted([*texts[data.train], *texts[data.val]]) == sorted(STORIES)
    assert [story for story in STORIES if story in texts[data.train]] == texts[data.train]
    for path, split in ((data.train, data.manifest.train), (data.val, data.manifest.val)):
        assert split.stories == len(texts[path])
        assert split.tokens == len(np.fromfile(path, data.manifest.dtype))
        assert split.bytes == sum(len(story.encode()) for story in texts[path])
    assert data.manifest.val.stories == 4  # a tenth of 36, rounded up
    assert data.manifest.vocab_size == data.tokenizer().vocab_size


def test_the_bytes_are_those_of_the_original_text(workspace: Workspace) -> None:
    write(workspace.root / "a.txt", ["ﬁﬁﬁ", "ﬁﬁﬁﬁ"])  # a ligature: three bytes, two after normalization
    data = prepared(workspace, experiment(val_fraction=0.5))
    assert data.manifest.train.bytes + data.manifest.val.bytes == 21


def test_blocks_are_written_in_order(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepared(workspace)
    monkeypatch.setattr(token_files, "BLOCK", 20)
    shutil.copytree(workspace.root, workspace.root / "other", ignore=shutil.ignore_patterns("data"))
    blocks = prepared(Workspace(workspace.root / "other"))
    assert not blocks.cached
    assert blocks.train.read_bytes() == whole.train.read_bytes()


def test_the_second_preparation_finds_the_first(workspace: Workspace) -> None:
    first = prepared(workspace)
    files = {path: path.stat().st_mtime_ns for path in first.directory.rglob("*")}
    second = prepared(workspace, name="second")
    assert (first.cached, second.cached) == (False, True)
    assert second.directory == first.directory
    assert second.manifest == first.manifest
    assert {path: path.stat().st_mtime_ns for path in first.directory.rglob("*")} == files
    assert first.directory.name.startswith("first-")


def test_a_moved_file_is_the_same_data_and_a_changed_one_is_not(workspace: Workspace) -> None:
    first = prepared(workspace)
    (workspace.root / "a.txt").rename(workspace.root / "b.txt")
    assert prepared(workspace, experiment(("b.txt",))).directory == first.directory
    write(workspace.root / "b.txt", [*STORIES[:-1], STORIES[-1] + "!"])
    assert prepared(workspace, experiment(("b.txt",))).directory != first.directory


@pytest.mark.parametrize("data", [{"val_fraction": 0.2}, {"split_seed": 1}, {"fraction": 0.5}])
def test_another_split_is_other_data(workspace: Workspace, data: dict[str, float]) -> None:
    assert prepared(workspace, experiment(**data)).directory != prepared(workspace).directory


def test_another_tokenizer_is_other_data_and_another_model_is_not(workspace: Workspace) -> None:
    first = prepared(workspace)
    assert prepared(workspace, experiment(vocab_size=280)).directory != first.directory
    wider = experiment()
    wider = Experiment(data=wider.data, tokenizer=wider.tokenizer, model=Model(2, 2, 64, 64), train=Train(9))
    assert prepared(workspace, wider).directory == first.directory


def test_damaged_data_is_made_again(workspace: Workspace) -> None:
    first = prepared(workspace)
    whole = first.train.read_bytes()
    first.train.write_bytes(whole[:-2])
    with pytest.raises(UserError, match=r"train\.bin is damaged"):
        PreparedData.load(first.directory)
    again = prepared(workspace)
    assert not again.cached
    assert again.train.read_bytes() == whole
    (again.directory / "manifest.json").unlink()
    assert not prepared(workspace).cached


def test_validation_stories_do_not_shape_the_tokenizer(workspace: Workspace) -> None:
    def vocabulary(word: str) -> bytes:
        """The vocabulary when every validation story is full of `word`."""
        texts = [f"{word} {word} {word} {n}" if n in held_out else story for n, story in enumerate(STORIES)]
        write(workspace.root / "a.txt", texts)
        data = prepared(workspace, experiment(vocab_size=2000))
        assert all(word in story for story in stories_in(data.val, data))
        return (data.directory / "tokenizer" / "vocab.tiktoken").read_bytes()

    data = prepared(workspace)
    validation = [story.removesuffix("<|endoftext|>") for story in stories_in(data.val, data)]
    held_out = [n for n, story in enumerate(STORIES) if story in validation]
    assert vocabulary("xylophone") == vocabulary("quizzical")


def test_a_large_corpus_trains_its_tokenizer_on_all_its_parts(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (module, byte_pair):
        monkeypatch.setattr(place, "TRAINING_CHARACTERS", 2_000)
    write(workspace.root / "a.txt", [f"{n} {'early' if n < 500 else 'xylophone'}" for n in range(1000)])
    tokenizer = prepared(workspace, experiment(vocab_size=400)).tokenizer()
    assert len(tokenizer.encode(" xylophone")) < 4


def test_fewer_entries_than_asked_for_is_a_warning_each_time(workspace: Workspace) -> None:
    for _ in range(2):
        events: list[Event] = []
        data = prepare("first", experiment(vocab_size=5000), workspace, None, events.append)
        warnings = [event.message for event in events if isinstance(event, Warning)]
        assert len(warnings) == 1
        assert f"vocab_size = 5,000: the training stories give only {data.manifest.vocab_size:,}" in warnings[0]


def test_stories_left_out_of_training_are_counted_in_a_warning(workspace: Workspace) -> None:
    write(workspace.root / "a.txt", STORIES * 3)
    events: list[Event] = []
    data = prepare("first", experiment(), workspace, None, events.append)
    left_out = 3 * len(STORIES) - data.manifest.train.stories - data.manifest.val.stories
    assert f"{left_out} training stories left out: they are also in the validation split" in [
        event.message for event in events if isinstance(event, Warning)
    ]


def test_a_vocabulary_past_uint16_is_written_as_uint32(workspace: Workspace) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [f"{a}{b}{c}{d}" for a in letters for b in letters for c in letters for d in "abcdef"]
    write(workspace.root / "a.txt", [" ".join(words[n : n + 5000] * 2) for n in range(0, len(words), 5000)])
    data = prepared(workspace, experiment(vocab_size=66_000))
    assert data.manifest.vocab_size > 2**16
    assert data.manifest.dtype == "uint32"
    stories = [*stories_in(data.train, data), *stories_in(data.val, data)]
    assert words[0] + " " in stories[0] + stories[-1]
    assert sum(story.count(" ") for story in stories) == 2 * len(words) - len(stories)


def test_progress_goes_through_the_phases(workspace: Workspace) -> None:
    events: list[Event] = []
    prepare("first", experiment(), workspace, None, events.append)
    phases = [event.phase for event in events if isinstance(event, Prepare)]
    assert list(dict.fromkeys(phases)) == ["read", "train tokenizer", "tokenize"]
    last = [event for event in events if isinstance(event, Prepare)][-1]
    assert (last.done, last.total) == (36, 36)


@pytest.mark.parametrize(
    ("stories", "wanted"),
    [(["one"], "1 story is too few"), (["same", "same"], "the training split contains no stories: every one is also")],
)
def test_too_little_data_leaves_nothing_behind(workspace: Workspace, stories: list[str], wanted: str) -> None:
    write(workspace.root / "a.txt", stories)
    with pytest.raises(UserError, match=wanted):
        prepared(workspace)
    assert [path.name for path in workspace.data.iterdir() if path.suffix != ".lock"] == []


def test_a_second_run_waits_and_finds_the_data_made(workspace: Workspace) -> None:
    first = prepared(workspace)
    digest = first.directory.name.rpartition("-")[2]
    waits = threading.Event()
    found: list[PreparedData] = []

    def emit(event: Event) -> None:
        if isinstance(event, Prepare) and event.phase.startswith("wait"):
            waits.set()

    second = threading.Thread(target=lambda: found.append(prepare("second", experiment(), workspace, None, emit)))
    with FileLock(workspace.data / f".{digest}.lock"):
        second.start()
        assert waits.wait(30)
        assert not found
    second.join(30)
    assert found == [PreparedData.load(first.directory)]


PROGRAM = """
import resource, sys
from pathlib import Path
from engine.contract.errors import UserError
from engine.contract.experiment import Data, Experiment, Model, Tokenizer, Train
from engine.runs.workspace import Workspace
from engine.data import progress, token_files
from engine.data.prepare import prepare

root, vocab_size, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
wanted = Experiment(
    data=Data("files", files=("a.txt",)),
    tokenizer=Tokenizer("byte_bpe", vocab_size=vocab_size),
    model=Model(1, 1, 8, 8),
    train=Train(1),
)

if limit < 10**9:  # to be killed: every block is a line of the journal, and every story an event
    token_files.BLOCK, token_files.JOURNAL_INTERVAL, progress.INTERVAL = 20, 0, 0
    token_files.THREADS = 2  # of a machine with many cores, all blocks would be under way at once


def emit(event):
    if getattr(event, "phase", "") == "tokenize" and event.done >= limit:
        print("tokenizing", flush=True)
        sys.stdin.read()


try:
    prepare("first", wanted, Workspace(root), None, emit)
except UserError as error:
    print(error)
    sys.exit(2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def start(workspace: Workspace, *command: str, limit: int = 10**9, stderr: int | None = None) -> subprocess.Popen[str]:
    """Prepare in a process of its own, which waits for its standard input once `limit` stories are tokenized."""
    arguments = [*command, sys.executable, "-c", PROGRAM, str(workspace.root), "300", str(limit)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True)


def test_a_killed_preparation_leaves_nothing_that_counts(workspace: Workspace) -> None:
    with start(workspace, limit=1) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "tokenizing\n"
        process.send_signal(signal.SIGKILL)
    left = [path for path in workspace.data.iterdir() if path.is_dir()]
    assert [path.name[0] for path in left] == ["."]  # the kill came in the middle

    data = prepared(workspace, name="second")
    assert not data.cached
    assert [path for path in workspace.data.iterdir() if path.is_dir()] == [data.directory]


def killed_at(workspace: Workspace, stories: int) -> Path:
    """What a preparation leaves that is killed when so many stories are tokenized."""
    with start(workspace, limit=stories) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "tokenizing\n"
        process.send_signal(signal.SIGKILL)
    (part,) = (path for path in workspace.data.iterdir() if path.is_dir())
    return part


def test_a_killed_preparation_is_resumed_where_it_was(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepared(Workspace(Path(shutil.copytree(workspace.root, workspace.root.with_name("whole")))))
    part = killed_at(workspace, 25)
    written = json.loads((part / "train.json").read_bytes())
    with open(part / "train.bin", "ab") as file:
        file.write(b"what came after the journal's last line")
    written_too = json.loads((part / "val.json").read_bytes())
    assert 10 < written["stories"] + written_too["stories"] < 25
    assert written["stories"] and written_too["stories"]

    tokenized: list[int] = []
    encode = byte_pair.BytePairTokenizer.encode_stories

    def counting(self: byte_pair.BytePairTokenizer, stories: list[str]) -> object:
        tokenized.append(len(stories))
        return encode(self, stories)

    monkeypatch.setattr(byte_pair.BytePairTokenizer, "encode_stories", counting)
    monkeypatch.setattr(module, "train_byte_bpe", None)  # it has been trained
    data = prepared(workspace)
    assert sum(tokenized) == len(STORIES) - written["stories"] - written_too["stories"]
    for name in ("train.bin", "val.bin", "tokenizer/vocab.tiktoken"):
        assert (data.directory / name).read_bytes() == (whole.directory / name).read_bytes()
    assert data.manifest.train == whole.manifest.train
    assert {path.name for path in data.directory.iterdir()} == {path.name for path in whole.directory.iterdir()}
    assert not part.exists()


def test_what_a_kill_left_a_month_ago_is_swept_away_unless_it_is_in_use(workspace: Workspace) -> None:
    parts = {name: workspace.data / f".{name}.part" for name in ("old", "new", "used")}
    for part in parts.values():
        part.mkdir(parents=True)
        (part / "train.bin").write_bytes(b"1234")
    for part in (parts["old"], parts["used"]):
        for path in (part / "train.bin", part):
            os.utime(path, (0, 0))
    with FileLock(workspace.data / ".used.lock"):
        prepared(workspace)
    assert {name for name, part in parts.items() if part.exists()} == {"new", "used"}


@pytest.mark.parametrize("damaged", ["train.json", "train.bin", "val.json", "val.bin", "tokenizer/vocab.tiktoken"])
def test_what_a_kill_left_is_made_anew_where_it_is_damaged(workspace: Workspace, damaged: str) -> None:
    whole = prepared(Workspace(Path(shutil.copytree(workspace.root, workspace.root.with_name("whole")))))
    part = killed_at(workspace, 25)
    (part / damaged).write_bytes((part / damaged).read_bytes()[:3])
    data = prepared(workspace)
    assert (data.train.read_bytes(), data.val.read_bytes()) == (whole.train.read_bytes(), whole.val.read_bytes())
    assert (data.manifest.train, data.manifest.val) == (whole.manifest.train, whole.manifest.val)


def test_an_interrupted_preparation_is_kept_and_a_failed_one_is_not(workspace: Workspace) -> None:
    def stopping(error: BaseException) -> list[Path]:
        def emit(event: Event) -> None:
            if isinstance(event, Prepare) and event.phase == "tokenize":
                raise error

        with pytest.raises(type(error)):
            prepare("first", experiment(), workspace, None, emit)
        return [path for path in workspace.data.iterdir() if path.is_dir()]

    (part,) = stopping(KeyboardInterrupt())
    assert (part / "tokenizer").is_dir()
    assert stopping(UserError("no more")) == []


def test_a_full_disk_is_a_user_error_and_leaves_nothing(workspace: Workspace) -> None:
    write(workspace.root / "a.txt", [f"{n} {story}" for n in range(2_000) for story in STORIES])
    workspace.data.mkdir()
    script = 'mount -t tmpfs -o size=64k tmpfs "$0/data" && "${@:1}"; code=$?; ls -A "$0/data" >&2; exit $code'
    small_disk = ["unshare", "--map-root-user", "--mount", "bash", "-c", script, str(workspace.root)]
    if subprocess.run([*small_disk, "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a test mount a small disk")
    with start(workspace, *small_disk, stderr=subprocess.PIPE) as process:
        output, listing = process.communicate()
    assert process.returncode == 2
    assert output == f"the disk is full: the data does not fit into the 0 MB free at {workspace.data}\n"
    assert [name for name in listing.split() if not name.endswith(".lock")] == []


@pytest.mark.slow
def test_memory_does_not_grow_with_the_corpus(workspace: Workspace) -> None:
    peaks = []
    words = "Once there was a small cat who saw a big red ball in the park and was very happy. " * 60
    for megabytes in (2, 14):
        with open(workspace.root / "a.txt", "w", encoding="utf-8") as file:
            file.writelines(f"{n % 100} {n // 100} {words}<|endoftext|>" for n in range(megabytes * 200))
        with start(workspace) as process:
            assert process.stdout is not None
            peaks.append(int(process.stdout.readline()) / (1024 if sys.platform == "linux" else 1024**2))  # MB
    assert peaks[1] < peaks[0] + 6, peaks


def test_the_manifest_says_what_shaped_the_data(workspace: Workspace) -> None:
    data = prepared(workspace)
    document = json.loads((data.directory / "manifest.json").read_bytes())
    assert document["key"]["tokenizer"]["vocab_size"] == 300
    assert document["key"]["split_seed"] == 42
    assert oct(os.stat(data.directory / "manifest.json").st_mode & 0o444) == oct(0o444)


def read_of(workspace: Workspace, wanted: Experiment) -> tuple[PreparedData, float]:
    """The prepared data, and how often the files' bytes were read for it, by this process's count."""
    before = bytes_read()
    data = prepared(workspace, wanted)
    size = sum((workspace.root / name).stat().st_size for name in wanted.data.files)
    return data, (bytes_read() - before) / size


def bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


def many(folder: Path, kind: str) -> str:
    """A file of some 3 MB, beside which what else is read counts for nothing."""
    stories = [f"{n} {story} " + "And they were happy. " * 100 for n in range(50) for story in STORIES]
    folder.mkdir(exist_ok=True)
    name = f"many.{kind}"
    if kind == "csv":
        with open(folder / name, "w", newline="") as file:
            csv.writer(file).writerows([["id", "text"], *([n, story] for n, story in enumerate(stories))])
    elif kind == "jsonl":
        (folder / name).write_text("".join(json.dumps({"text": story}) + "\n" for story in stories))
    elif kind == "parquet":
        table = pyarrow.table({"text": stories, "id": list(range(len(stories)))})
        parquet.write_table(table, folder / name, compression="none", use_dictionary=False, row_group_size=500)
    else:
        write(folder / name, stories)
    return name


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="only Linux counts what a process reads")
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "txt"])
def test_a_corpus_is_read_once_for_its_digests_and_once_for_its_tokens(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(content_hashes, "SETTLED", -(10**12))
    name = many(workspace.root, kind)
    trained, times = read_of(workspace, experiment((name,)))
    assert 2.9 < times < 3.2, "its tokenizer reads it, too"
    cached, times = read_of(workspace, experiment((name,)))
    assert cached.cached and times < 0.1
    monkeypatch.setattr(module, "train_byte_bpe", None)
    monkeypatch.setattr(module, "open_tokenizer", lambda *_: trained.tokenizer())
    other, times = read_of(workspace, experiment((name,), split_seed=1))
    assert not other.cached and 1.9 < times < 2.2


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="only Linux counts what a process reads")
def test_a_moved_corpus_is_found_by_hashing_it_alone(workspace: Workspace) -> None:
    name = many(workspace.root, "csv")
    first = prepared(workspace, experiment((name,)))
    (workspace.root / name).rename(workspace.root / "moved.csv")
    events: list[Event] = []
    before = bytes_read()
    found = prepare("second", experiment(("moved.csv",)), workspace, None, events.append)
    assert (found.directory, found.cached) == (first.directory, True)
    assert not events, "no story was read"
    assert (bytes_read() - before) / (workspace.root / "moved.csv").stat().st_size < 1.1


def test_a_corpus_that_changes_between_two_passes_is_a_user_error(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_hashes, "SETTLED", -(10**12))
    shutil.rmtree(prepared(workspace).directory)  # its files' hashes stay known
    reserved = module.locked

    def changing(*arguments: object) -> object:
        write(workspace.root / "a.txt", STORIES[1:])
        return reserved(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "locked", changing)
    with pytest.raises(UserError, match="changed while it was prepared"):
        prepared(workspace)
    monkeypatch.undo()
    assert prepared(workspace).manifest.train.stories == 31
