"""Tokenizers of the hub: ids are the library's own, stories end where they end, and none needs the hub again."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_tokenizers
import tokenizers
import torch
from hub_server import close, in_place_of_the_hub
from support import engine

from engine.builtin_stories.stories import stories
from engine.checkpoints.read import tokenizer_of
from engine.contract.errors import UserError
from engine.contract.experiment import Data, Experiment, Model, Train
from engine.contract.experiment import Tokenizer as Table
from engine.data.batches import TokenFile
from engine.data.prepare import PreparedData, prepare
from engine.data.tokenizers.load import load_tokenizer
from engine.data.tokenizers.pretrained import open_pretrained
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.runs.run import Run
from engine.runs.workspace import Workspace

KINDS: dict[str, tuple[Callable[[], tokenizers.Tokenizer], str]] = {
    "byte_level": (tiny_tokenizers.byte_level, "<|endoftext|>"),
    "sentencepiece": (tiny_tokenizers.sentencepiece, "</s>"),
    "word_piece": (tiny_tokenizers.word_piece, "[SEP]"),
}
STORIES = ["Once upon a time", "a", "كان يا ما كان، 🙂", "  two  spaces\n\nand lines ", ""]


def opened(root: Path, name: str = "folder", mirror: Path | None = None, **keys: object) -> Tokenizer:
    return open_pretrained(Table("huggingface", name=name, **keys), mirror, root)  # type: ignore[arg-type]


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tokenizer(kind: str, tmp_path: Path) -> Tokenizer:
    build, end_of_text = KINDS[kind]
    tiny_tokenizers.save(build(), tmp_path / "folder", eos_token=end_of_text)
    return opened(tmp_path)


def test_ids_are_those_of_the_library(kind: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    expected = tokenizers.Tokenizer.from_file(str(tmp_path / "folder" / "tokenizer.json"))
    for story in STORIES:
        assert tokenizer.encode(story) == expected.encode(story).ids
    assert tokenizer.vocab_size == expected.get_vocab_size()
    assert tokenizer.eot_id == expected.token_to_id(KINDS[kind][1])


def test_end_of_text_follows_every_story_and_stands_nowhere_else(kind: str, tokenizer: Tokenizer) -> None:
    end = KINDS[kind][1]
    texts = [*STORIES, f"before {end} after", f"{end}{end}"]
    ids = tokenizer.encode_stories(texts)
    assert ids.tolist() == [token for story in texts for token in (*tokenizer.encode(story), tokenizer.eot_id)]
    assert np.count_nonzero(ids == tokenizer.eot_id) == len(texts)


def test_tokenizers_like_gpt2s_run_on_the_faster_engine_with_the_same_ids(tmp_path: Path) -> None:
    corpus = [*stories("english", 200), *stories("arabic", 200)]
    tiny_tokenizers.save(tiny_tokenizers.byte_level(corpus, 3000), tmp_path / "folder")
    tokenizer = open_pretrained(Table("huggingface", name="folder"), None, tmp_path)
    assert tokenizer._fast is not None
    rng = random.Random(0)
    noise = ["".join(rng.choices([*"  \n'stabc.,!7", "ا", "لل", "é", "🙂"], k=40)) for _ in range(300)]
    texts = [*stories("english", 260), *stories("arabic", 260), *noise, *STORIES, "before <|endoftext|> <pad> after"]
    expected = [token for text in texts for token in (*tokenizer.encode(text), tokenizer.eot_id)]
    assert tokenizer.encode_stories(texts).tolist() == expected


@pytest.mark.parametrize(
    "change",
    [
        {"normalizer": {"type": "NFC"}},
        {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}},
        {"model": {"ignore_merges": True}},
        {"model": {"merges": "reversed"}},
        {"added_tokens": "not special"},
    ],
)
def test_other_tokenizers_stay_with_the_library(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = tiny_tokenizers.save(tiny_tokenizers.byte_level(), tmp_path / "folder")
    document = json.loads((folder / "tokenizer.json").read_bytes())
    if change.get("added_tokens"):
        document["added_tokens"][1]["special"] = False
    elif change.get("model") == {"merges": "reversed"}:
        document["model"]["merges"].reverse()
    elif "model" in change:
        document["model"].update(change["model"])
    else:
        document.update(change)
    (folder / "tokenizer.json").write_text(json.dumps(document))
    tokenizer = open_pretrained(Table("huggingface", name="folder"), None, tmp_path)
    texts = [*STORIES, "before <|endoftext|> <pad> after"]
    expected = [token for text in texts for token in (*tokenizer.encode(text), tokenizer.eot_id)]
    assert tokenizer.encode_stories(texts).tolist() == expected
    assert tokenizer._fast is None


def test_the_pieces_of_a_text_make_the_text(kind: str, tokenizer: Tokenizer) -> None:
    for story in ("Once upon a time.", "كان يا ما كان", *(STORIES if kind == "byte_level" else [])):
        joined = b"".join(map(tokenizer.token_bytes, tokenizer.encode(story)))
        assert joined.decode().lstrip() == (story.lower() if kind == "word_piece" else story).lstrip()
        assert tokenizer.decode(tokenizer.encode(story)) == joined.decode()
    assert tokenizer.token_bytes(tokenizer.eot_id).decode() == KINDS[kind][1]


def test_bytes_that_sentencepiece_spells_out_are_bytes(tmp_path: Path) -> None:
    tiny_tokenizers.save(tiny_tokenizers.sentencepiece(), tmp_path / "folder", eos_token="</s>")
    tokenizer = opened(tmp_path)
    ids = tokenizer.encode("🙂")
    assert [tokenizer.token_bytes(token) for token in ids][-4:] == [b"\xf0", b"\x9f", b"\x99", b"\x82"]


def test_a_saved_tokenizer_is_the_same_one(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "saved")
    loaded = load_tokenizer(tmp_path / "saved")
    assert loaded.encode_stories(STORIES).tolist() == tokenizer.encode_stories(STORIES).tolist()
    assert (loaded.eot_id, loaded.vocab_size) == (tokenizer.eot_id, tokenizer.vocab_size)
    assert loaded.fingerprint() == tokenizer.fingerprint() != ""


@pytest.mark.parametrize("broken", ["tokenizer.json", "tokenizer_config.json"])
def test_a_damaged_tokenizer_is_a_user_error(tmp_path: Path, broken: str) -> None:
    tiny_tokenizers.save(tiny_tokenizers.byte_level(), tmp_path / "folder")
    opened(tmp_path).save(tmp_path / "saved")
    for folder in ("folder", "saved"):
        path = tmp_path / folder / broken
        path.write_bytes(path.read_bytes()[:-5] + b"}")
    for load in (lambda: opened(tmp_path), lambda: load_tokenizer(tmp_path / "saved")):
        with pytest.raises(UserError, match="is not a complete tokenizer"):
            load()


def test_truncation_and_padding_of_the_file_do_not_touch_the_stories(tmp_path: Path) -> None:
    built = tiny_tokenizers.byte_level()
    plain = built.encode(STORIES[0]).ids
    built.enable_truncation(2)
    built.enable_padding(length=50)
    tiny_tokenizers.save(built, tmp_path / "folder")
    assert opened(tmp_path).encode(STORIES[0]) == plain
    assert len(opened(tmp_path).encode_stories(STORIES[:1])) == len(plain) + 1


def test_without_an_end_of_text_token_the_message_says_how_to_name_one(tmp_path: Path) -> None:
    tiny_tokenizers.save(tiny_tokenizers.word_piece(), tmp_path / "folder")
    with pytest.raises(UserError) as caught:
        opened(tmp_path)
    assert str(caught.value) == (
        'tokenizer.name = "folder": has no end-of-text token; '
        "set tokenizer.end_of_text to one of its tokens (its special tokens are [UNK], [CLS], [SEP])"
    )
    assert opened(tmp_path, end_of_text="[SEP]").eot_id == 2
    with pytest.raises(UserError, match=r'end_of_text = "\[SEPP\]": .*has no such token; .*; did you mean \[SEP\]\?'):
        opened(tmp_path, end_of_text="[SEPP]")


def test_the_end_of_text_token_is_the_one_that_the_tokenizer_names(tmp_path: Path) -> None:
    folder = tiny_tokenizers.save(tiny_tokenizers.word_piece(), tmp_path / "folder", eos_token={"content": "[SEP]"})
    assert opened(tmp_path).eot_id == 2
    (folder / "tokenizer_config.json").unlink()
    (folder / "special_tokens_map.json").write_text(json.dumps({"eos_token": "[CLS]"}))
    assert opened(tmp_path).eot_id == 1


def test_a_size_that_is_not_the_tokenizers_own_is_refused(tmp_path: Path) -> None:
    tiny_tokenizers.save(tiny_tokenizers.byte_level(), tmp_path / "folder")
    size = opened(tmp_path).vocab_size
    assert opened(tmp_path, vocab_size=size).vocab_size == size
    with pytest.raises(UserError, match=rf"vocab_size = 999: folder has {size} entries"):
        opened(tmp_path, vocab_size=999)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("no/such/folder", "no such folder in"), ("../out", "no such folder in"), ("empty", "contains no tokenizer")],
)
def test_what_is_no_tokenizer_is_a_user_error(tmp_path: Path, name: str, wanted: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=wanted):
        opened(tmp_path, name)


def test_without_tokenizer_json_transformers_makes_one(tmp_path: Path) -> None:
    folder = tiny_tokenizers.save(tiny_tokenizers.byte_level(), tmp_path / "folder", tokenizer_class="GPT2Tokenizer")
    expected = opened(tmp_path)
    model = json.loads((folder / "tokenizer.json").read_bytes())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"] | {"<|endoftext|>": 0, "<pad>": 1}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair in model["merges"]))
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    (folder / "tokenizer.json").unlink()
    for story in STORIES:
        assert opened(tmp_path).encode(story) == expected.encode(story)


def test_neither_torch_nor_transformers_is_loaded_for_a_tokenizer_json(tmp_path: Path) -> None:
    tiny_tokenizers.save(tiny_tokenizers.byte_level(), tmp_path / "folder")
    program = (
        "import sys; from pathlib import Path; from engine.contract.experiment import Tokenizer\n"
        "from engine.data.tokenizers.pretrained import open_pretrained\n"
        "open_pretrained(Tokenizer('huggingface', name='folder'), None, Path(sys.argv[1])).encode_stories(['a'])\n"
        "print([name for name in ('torch', 'transformers', 'datasets') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    folder = tiny_tokenizers.save(tiny_tokenizers.byte_level(), tmp_path / "upstream")
    files = {path.name: path.read_bytes() for path in folder.iterdir()} | {"model.safetensors": b"x", "evil.py": b""}
    with in_place_of_the_hub(files, tmp_path / "hub", monkeypatch) as server:
        yield server


def test_the_mirror_comes_before_the_hub(tmp_path: Path, hub: ThreadingHTTPServer) -> None:
    tiny_tokenizers.save(tiny_tokenizers.word_piece(), tmp_path / "mirror/owner/name", eos_token="[SEP]")
    assert opened(tmp_path, "owner/name", tmp_path / "mirror").eot_id == 2
    assert not (tmp_path / "hub").exists()


def test_only_the_tokenizer_is_downloaded_and_only_once(tmp_path: Path, hub: ThreadingHTTPServer) -> None:
    first = opened(tmp_path, "owner/name")
    kept = {path.name for path in (tmp_path / "hub").rglob("*")}
    assert "tokenizer.json" in kept and not {"evil.py", "model.safetensors"} & kept
    close(hub)
    assert opened(tmp_path, "owner/name").fingerprint() == first.fingerprint(), "without the hub"


@pytest.mark.usefixtures("hub")
def test_a_misspelt_or_gated_name_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the hub has no such model, or it is private; the mirror has no .*owner/nmae"):
        opened(tmp_path, "owner/nmae", tmp_path)
    with pytest.raises(UserError, match=r"is gated; .*https://huggingface\.co/owner/gated, then run hf auth login"):
        opened(tmp_path, "owner/gated")


def test_without_a_network_the_message_tells_of_the_mirror(tmp_path: Path, hub: ThreadingHTTPServer) -> None:
    close(hub)
    with pytest.raises(UserError) as caught:
        opened(tmp_path, "owner/name", tmp_path / "mirror")
    assert "is neither in the mirror" in str(caught.value)
    assert "hf download owner/name --local-dir DIR/owner/name" in str(caught.value)


def prepared(root: Path, texts: list[str], name: str = "folder") -> PreparedData:
    (root / "a.jsonl").write_text("".join(json.dumps(story) + "\n" for story in texts))
    wanted = Experiment(
        data=Data("files", files=("a.jsonl",)),
        tokenizer=Table("huggingface", name=name),
        model=Model(1, 1, 8, 4),
        train=Train(1),
    )
    return prepare("first", wanted, Workspace(root), None, lambda event: None)


def test_a_tokenizer_that_loses_the_text_is_warned_of_as_the_data_are_prepared(tmp_path: Path) -> None:
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<|endoftext|>": 0, "[UNK]": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tiny_tokenizers.save(words, tmp_path / "folder")
    unknown, altered = prepared(tmp_path, STORIES[:4]).manifest.warnings
    assert unknown.startswith("tokenizer: 100% of the first stories' tokens are the unknown")
    assert altered.startswith("tokenizer: 100% of the first stories change when")
    tiny_tokenizers.save(tiny_tokenizers.byte_level(), tmp_path / "whole")
    assert prepared(tmp_path, STORIES[:4], "whole").manifest.warnings == []


def test_data_are_prepared_anew_for_another_tokenizer_and_not_for_a_moved_one(tmp_path: Path) -> None:
    tiny_tokenizers.save(tiny_tokenizers.byte_level(), tmp_path / "folder")
    first = prepared(tmp_path, STORIES[:4])
    (tmp_path / "folder").rename(tmp_path / "moved")
    assert prepared(tmp_path, STORIES[:4], "moved").directory == first.directory
    tiny_tokenizers.save(tiny_tokenizers.byte_level(vocab_size=300), tmp_path / "folder")
    assert prepared(tmp_path, STORIES[:4]).directory != first.directory


@pytest.mark.parametrize(("entries", "dtype"), [(65_536, "uint16"), (65_537, "uint32")])
def test_a_vocabulary_past_uint16_is_written_and_read_as_uint32(tmp_path: Path, entries: int, dtype: str) -> None:
    words = {"<|endoftext|>": 0} | {f"w{number}": number for number in range(1, entries)}
    built = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w1"))
    built.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tiny_tokenizers.save(built, tmp_path / "folder")
    last = f"w{entries - 1}"
    data = prepared(tmp_path, [f"{last} {last} {last} {last} w{number}" for number in range(1, 11)])
    assert (data.manifest.vocab_size, data.manifest.dtype) == (entries, dtype)
    ids, targets = TokenFile(data.train, data.manifest.dtype, 4, torch.device("cpu")).batch(np.array([0, 6]))
    assert ids.tolist() == [[entries - 1] * 4] * 2
    assert targets[:, :3].tolist() == [[entries - 1] * 3] * 2


def test_a_checkpoint_needs_the_tokenizers_folder_no_more(tmp_path: Path, new_run: Callable[..., Run]) -> None:
    folder = tiny_tokenizers.save(tiny_tokenizers.byte_level(), tmp_path / "folder")
    run = new_run(
        'tokenizer={kind="huggingface", name="folder"}', "train.max_steps=2", "train.warmup_steps=0", "data.stories=40"
    )
    assert engine(run) == 0, run.log.read_text()
    for path in folder.iterdir():
        path.unlink()
    tokenizer = tokenizer_of(run, "best")
    assert tokenizer.decode(tokenizer.encode("Once upon a time")) == "Once upon a time"
