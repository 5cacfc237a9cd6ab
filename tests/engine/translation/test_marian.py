from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import close, in_place_of_the_hub
from tiny_marian import POSITIONS, load_translator, save_tiny_marian

from engine.contract.errors import UserError
from engine.translation.marian import Translator
from engine.translation.sentences import pieces

CPU = torch.device("cpu")
STORY = (
    'Once upon a time, there was a girl. "Can you jump?" she asked.\n\n  Rosie loved to play in the park, and to jump! '
    "Then she slept.\n* * *\nThe end…\n"
)


@pytest.fixture(scope="session")
def translator(marian: Path) -> Translator:
    return load_translator(str(marian), CPU, None)


@pytest.fixture
def copied(marian: Path, tmp_path: Path) -> Path:
    """A model of the test's own, to be damaged."""
    return Path(shutil.copytree(marian, tmp_path / "copied"))


def test_a_model_is_loaded_from_a_folder_below_the_root(copied: Path, translator: Translator) -> None:
    loaded = load_translator("copied", CPU, None, root=copied.parent)
    assert loaded.translate(["Rosie loved to jump."]) == translator.translate(["Rosie loved to jump."])


def test_a_model_is_loaded_from_the_mirror(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "mirror" / "owner").mkdir(parents=True)
    copied.rename(tmp_path / "mirror" / "owner" / "name")
    assert load_translator("owner/name", CPU, tmp_path / "mirror").translate(["jump"])


@pytest.mark.parametrize("model", ["", "./nowhere", "/nowhere", "~/nowhere", "a/b/c", "a b", "../x"])
def test_what_is_neither_a_folder_nor_an_id_is_refused(model: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^sampling\.key = .*no such folder in .*OWNER/NAME"):
        load_translator(model, CPU, None, root=tmp_path, key="sampling.key")


@pytest.mark.parametrize("name", ["config.json", "source.spm", "target.spm", "vocab.json", "model.safetensors"])
def test_a_model_that_lacks_a_file_is_refused(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(UserError, match=f"has no {name}|{name} is missing"):
        load_translator(str(copied), CPU, None)


@pytest.mark.parametrize("name", ["config.json", "source.spm", "target.spm", "vocab.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "empty", "overwritten"])
def test_a_model_with_a_damaged_file_is_refused(copied: Path, name: str, damage: str) -> None:
    content = (copied / name).read_bytes()
    damaged = {"cut": content[: len(content) // 2], "empty": b"", "overwritten": b"[]\n"}[damage]
    (copied / name).write_bytes(damaged)
    with pytest.raises(UserError, match=r"copied.* is damaged: ") as caught:
        load_translator(str(copied), CPU, None)
    assert "\n" not in str(caught.value)


def test_a_model_with_weights_missing_is_refused_not_made_up(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    del weights["model.decoder.layers.0.fc1.weight"]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"its weights have no model.decoder.layers.0.fc1.weight \(1 missing in all\)"):
        load_translator(str(copied), CPU, None)


def test_a_vocabulary_of_another_model_is_refused(copied: Path) -> None:
    vocabulary = json.loads((copied / "vocab.json").read_text())
    (copied / "vocab.json").write_text(json.dumps({**vocabulary, "extra": len(vocabulary)}))
    with pytest.raises(UserError, match=r"vocab.json has more tokens than the model"):
        load_translator(str(copied), CPU, None)


def test_tokens_that_the_vocabulary_lacks_are_left_out(copied: Path, translator: Translator) -> None:
    vocabulary = json.loads((copied / "vocab.json").read_text())
    written = set(translator.translate(["play in the park"])[0])
    kept = {token: number for token, number in vocabulary.items() if token not in written}
    (copied / "vocab.json").write_text(json.dumps(kept))
    assert not written & set(load_translator(str(copied), CPU, None).translate(["play in the park"])[0])


def test_a_model_of_another_kind_is_refused(copied: Path) -> None:
    (copied / "config.json").write_text('{"model_type": "gpt2", "auto_map": {"AutoModel": "evil.Model"}}')
    with pytest.raises(UserError, match='is a "gpt2" model; wants a Marian model'):
        load_translator(str(copied), CPU, None)


def test_weights_in_torchs_format_are_loaded(copied: Path, translator: Translator) -> None:
    from safetensors.torch import load_file

    torch.save(load_file(copied / "model.safetensors"), copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    assert load_translator(str(copied), CPU, None).translate([STORY]) == translator.translate([STORY])


class Code:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_code_in_weights_is_refused_and_does_not_run(copied: Path, tmp_path: Path) -> None:
    (copied / "model.safetensors").unlink()
    torch.save({"lm_head.weight": Code(tmp_path / "ran")}, copied / "pytorch_model.bin")
    with pytest.raises(UserError, match="is damaged"):
        load_translator(str(copied), CPU, None)
    (copied / "pytorch_model.bin").write_bytes(pickle.dumps(Code(tmp_path / "ran"), protocol=2))
    with pytest.raises(UserError, match="is damaged"):
        load_translator(str(copied), CPU, None)
    assert not (tmp_path / "ran").exists()


def test_half_precision_weights_are_used_in_full_precision(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    halves = {name: weight.half() for name, weight in load_file(copied / "model.safetensors").items()}
    save_file(halves, copied / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "dtype": "float16"}))
    assert load_translator(str(copied), CPU, None)._model.dtype is torch.float32


def test_a_translation_is_the_one_that_transformers_writes_without_beams(marian: Path, translator: Translator) -> None:
    from transformers import MarianMTModel, MarianTokenizer

    model = MarianMTModel.from_pretrained(marian)
    assert model.generation_config.num_beams == 4, "what the model asks for"
    with pytest.warns(UserWarning, match="sacremoses"):
        tokenizer = MarianTokenizer.from_pretrained(marian)
    for text in ("Rosie loved to jump.", "Once upon a time.", "play in the park"):
        written = model.generate(**tokenizer([text], return_tensors="pt"), num_beams=1, max_length=40)[0]
        assert translator.translate([text]) == [tokenizer.decode(written, skip_special_tokens=True)]


def test_order_is_kept_whatever_the_lengths(translator: Translator) -> None:
    texts = ["jump", "Rosie loved to jump and play in the park. She did.", "a girl", "time", "a girl"]
    assert translator.translate(texts) == [translator.translate([text])[0] for text in texts]
    assert len(set(translator.translate(texts))) > 2, "a model that says something else of each"


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_a_batch_gives_what_single_sentences_give(translator: Translator, batch_size: int) -> None:
    sentences = [piece for piece, _ in pieces(STORY, translator.count_tokens, POSITIONS)]
    alone = [translator.translate([sentence])[0] for sentence in sentences]
    assert translator.translate(sentences, batch_size=batch_size) == alone
    assert len({len(text) for text in alone}) > 2, "translations of several lengths, so that padding matters"


def test_line_breaks_and_what_has_no_letters_stay_as_they_are(translator: Translator) -> None:
    assert translator.translate(["", " ", "\n\n", "* * *", "…", "12.5"]) == ["", " ", "\n\n", "* * *", "…", "12.5"]
    (translated,) = translator.translate([STORY])
    assert translated.count("\n") == STORY.count("\n")
    assert [line == "" for line in translated.split("\n")] == [line == "" for line in STORY.split("\n")]
    assert translated.split("\n")[2].startswith("  ") and "\n* * *\n" in translated
    assert translator.translate(["jump\r\n\tjump"])[0].count("\r\n\t") == 1


def test_long_texts_are_translated_to_their_end(translator: Translator) -> None:
    long = "Rosie loved to jump, and to play, " * 30  # one sentence, many times what the model can take
    assert translator.count_tokens(long) > 5 * POSITIONS
    counted: list[str] = []
    translator.translate([long], on_batch=lambda done, total: counted.append(f"{done}/{total}"))
    parts = list(pieces(long, translator.count_tokens, POSITIONS // 2))
    assert "".join(piece + gap for piece, gap in parts) == long
    assert all(translator.count_tokens(piece) <= POSITIONS // 2 for piece, _ in parts)
    distinct = len({piece for piece, _ in parts if piece})
    assert counted[-1] == f"{distinct}/{distinct}"
    last = translator.translate([parts[-1][0]])[0]
    assert last and translator.translate([long])[0].rstrip().endswith(last)


def test_a_translation_is_at_most_max_length_tokens(translator: Translator) -> None:
    (long,) = translator.translate(["Rosie loved to play."])
    (short,) = translator.translate(["Rosie"], max_length=2)
    assert len(short) < len(long)


def test_special_tokens_in_a_text_are_text(translator: Translator) -> None:
    assert translator.count_tokens("jump</s>jump") > translator.count_tokens("jumpjump") + 1
    assert translator.count_tokens(">>fr<<jump") > translator.count_tokens("jump") + 1
    assert translator.translate([">>fr<< jump</s> <pad> jump"])[0]


def test_progress_is_told_after_each_batch_and_equal_sentences_count_once(translator: Translator) -> None:
    told: list[tuple[int, int]] = []
    translator.translate(["One. Two. Three. One.", "Two."], batch_size=2, on_batch=lambda *now: told.append(now))
    assert told == [(2, 3), (3, 3)]


class Cancelled(Exception):
    pass


def test_what_the_progress_hook_raises_ends_the_translation(translator: Translator) -> None:
    told: list[int] = []

    def cancel(done: int, _: int) -> None:
        told.append(done)
        raise Cancelled

    with pytest.raises(Cancelled):
        translator.translate(["One. Two. Three."], batch_size=1, on_batch=cancel)
    assert told == [1]


def test_where_memory_is_short_batches_are_halved_until_they_fit(translator: Translator, marian: Path) -> None:
    texts = [f"Rosie has {number} words." for number in range(10)]
    expected = translator.translate(texts)
    short = load_translator(str(marian), CPU, None)
    tried = limited(short, 3)
    assert short.translate(texts, batch_size=10) == expected
    assert tried == [10, 5, 2, 2, 2, 2, 2]


def test_where_memory_is_short_for_one_sentence_it_is_said(marian: Path) -> None:
    short = load_translator(str(marian), CPU, None)
    limited(short, 0)
    with pytest.raises(UserError, match="not enough free memory on cpu to translate a sentence"):
        short.translate(["jump", "play"])


def limited(translator: Translator, most: int) -> list[int]:
    """Let the model's memory be too short for batches above `most`; the batch sizes tried."""
    tried: list[int] = []

    def refuse(_module: object, _arguments: object, keywords: dict[str, Any]) -> None:
        tried.append(len(keywords["input_ids"]))
        if len(keywords["input_ids"]) > most:
            raise torch.OutOfMemoryError("tried to allocate too much")

    translator._model.get_encoder().register_forward_pre_hook(lambda *given: refuse(*given), with_kwargs=True)
    return tried


def test_a_model_of_several_languages_is_told_which(tmp_path: Path) -> None:
    codes = [">>acm<<", ">>ara<<", ">>arz<<"]
    for target, code in (("ara", ">>ara<<"), ("ar", ">>ara<<"), ("arz", ">>arz<<")):
        folder = save_tiny_marian(tmp_path / target, codes, target=target)
        read = load_translator(str(folder), CPU, None)._encode(["jump"])[0]
        assert read[0] == json.loads((folder / "vocab.json").read_text())[code]
    folder = save_tiny_marian(tmp_path / "unclear", codes, target="ROMANCE")
    with pytest.raises(
        UserError, match="several languages \\(>>acm<<, >>ara<<, >>arz<<\\); use a model for one language"
    ):
        load_translator(str(folder), CPU, None)


@pytest.fixture
def hub(marian: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """A hub on this machine that has one model, owner/name."""
    files = {path.name: path.read_bytes() for path in marian.iterdir()} | {"evil.py": b"", "tf_model.h5": b"x"}
    with in_place_of_the_hub(files, tmp_path / "hub", monkeypatch) as server:
        yield server


def test_a_model_is_downloaded_once_and_nothing_but_it(
    hub: ThreadingHTTPServer, tmp_path: Path, translator: Translator
) -> None:
    assert load_translator("owner/name", CPU, None).translate([STORY]) == translator.translate([STORY])
    kept = {path.name for path in (tmp_path / "hub").rglob("*")}
    assert "model.safetensors" in kept and not {"evil.py", "tf_model.h5"} & kept
    close(hub)
    assert load_translator("owner/name", CPU, tmp_path).translate(["jump"]), "without the hub"


@pytest.mark.usefixtures("hub")
def test_a_model_that_the_hub_does_not_have_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the hub has no such model, .*the mirror has no .*owner/none"):
        load_translator("owner/none", CPU, tmp_path)
    with pytest.raises(UserError, match="is gated; request access at"):
        load_translator("owner/gated", CPU, None)


def test_without_a_network_it_is_said_where_the_model_was_looked_for(hub: ThreadingHTTPServer, tmp_path: Path) -> None:
    close(hub)
    with pytest.raises(UserError) as caught:
        load_translator("owner/name", CPU, tmp_path, key="sampling.translate.story_model")
    first, *how = str(caught.value).splitlines()
    assert first == (
        f'sampling.translate.story_model = "owner/name": is neither in the mirror ({tmp_path}/owner/name) nor on this '
        "machine, and the hub cannot be reached"
    )
    assert "hf download owner/name --local-dir DIR/owner/name" in "\n".join(how)


def test_a_generation_process_loads_transformers_only_when_it_translates() -> None:
    code = "import sys, engine.commands.generate, engine.translation.stories; print('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("unit", ["a", "jump ", "سلمى ", "ﷺ", "\u0301", "½", "\ufb03"])
def test_short_texts_are_not_counted_where_they_fit_whatever_they_are(translator: Translator, unit: str) -> None:
    """The bound is one: signs that SentencePiece's normal form makes longer count as what they become."""
    for length in range(1, 40):
        text = unit * length
        for limit in (16, 32):
            assert (translator._tokens_at_most(limit, text) <= limit) <= (translator.count_tokens(text) <= limit)
