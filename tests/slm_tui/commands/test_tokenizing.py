"""`slm-tui tokenizer`: pieces and figures, English and Arabic, of a text or of the corpus."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import tiny_tokenizers

from engine.runs.workspace import Workspace

Program = Callable[..., "subprocess.CompletedProcess[str]"]
NAMED = ("--set", 'tokenizer={kind="huggingface", name="folder"}')


def test_a_texts_pieces_are_legible_in_both_scripts(program: Program, workspace: Workspace) -> None:
    built = tiny_tokenizers.byte_level()
    tiny_tokenizers.save(built, workspace.root / "folder")
    result = program("tokenizer", "tiny", "--text", "Once upon\nكان يا 🙃", *NAMED)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == f"tiny: folder, a vocabulary of {built.get_vocab_size()}, on the text"
    assert lines[1].startswith("  5 words, 18 characters, 26 bytes: ")
    assert lines[2].endswith(" bytes a token") and "tokens a word (fertility)" in lines[2]
    pieces = [line.split(maxsplit=1) for line in lines[4:]]
    assert {"Once", "·upon", "↵", "كان", "·يا", "bytes 83"} <= {piece for _, piece in pieces}
    assert not (workspace.root / "data").exists() or not list((workspace.root / "data").glob("*-*")), "nothing prepared"


def test_json_tells_ids_bytes_and_figures(program: Program, workspace: Workspace) -> None:
    tiny_tokenizers.save(tiny_tokenizers.byte_level(), workspace.root / "folder")
    result = program("tokenizer", "tiny", "--text", "Once upon a time", "--json", *NAMED)
    document = json.loads(result.stdout)
    assert [piece["text"] for piece in document["pieces"]] == ["Once", " upon", " a", " time"]
    assert bytes.fromhex("".join(piece["bytes"] for piece in document["pieces"])) == b"Once upon a time"
    assert (document["words"], document["tokens"], document["bytes"], document["stories"]) == (4, 4, 16, None)
    assert (document["tokens_per_word"], document["bytes_per_token"]) == (1.0, 4.0)


def test_what_a_tokenizer_loses_is_told_and_only_then(program: Program, workspace: Workspace) -> None:
    tiny_tokenizers.save(tiny_tokenizers.word_piece(), workspace.root / "folder", eos_token="[SEP]")
    lines = program("tokenizer", "tiny", "--text", "there was a ﷺ", *NAMED).stdout.splitlines()
    assert lines[3:6] == [
        "  1 of them (16.67 %) are the unknown token, which stands for any text",
        "  come back from their tokens otherwise than they were, so a model cannot learn them: the text",
        "",
    ]
    whole = program("tokenizer", "tiny", "--text", "there was a girl", *NAMED).stdout
    assert "unknown" not in whole and "otherwise" not in whole


def test_a_trained_tokenizer_is_the_one_that_preparing_uses(program: Program, workspace: Workspace) -> None:
    before = program("tokenizer", "tiny", "--json")
    assert "train tokenizer" in before.stderr
    document = json.loads(before.stdout)
    assert (document["stories"], document["vocab_size"]) == (200, 400)
    assert document["tokens"] > document["words"] > 1000
    prepared = program("prepare", "tiny")
    assert prepared.returncode == 0 and "train tokenizer" not in prepared.stderr
    after = program("tokenizer", "tiny", "--json")
    assert after.stderr == "" and json.loads(after.stdout) == document


def test_mistakes_are_told_without_a_traceback(program: Program, workspace: Workspace) -> None:
    for arguments, wanted in (
        (["tinny"], "did you mean tiny?"),
        (["tiny", "--text", " "], "--text is empty; give it some words"),
        (["tiny", "--text", "a", "--set", 'tokenizer={kind="huggingface", name="no/such/one"}'], "no such folder in"),
    ):
        result = program("tokenizer", *arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert wanted in result.stderr and "Traceback" not in result.stderr
