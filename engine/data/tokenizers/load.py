"""Which tokenizer is meant: one that was saved, or the one that `[tokenizer]` names."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from engine.contract.errors import UserError
from engine.contract.experiment import Tokenizer as TokenizerTable
from engine.data.tokenizers.byte_pair import BytePairTokenizer, gpt2
from engine.data.tokenizers.pretrained import HuggingFaceTokenizer, open_pretrained
from engine.data.tokenizers.tokenizer import CONFIG, Tokenizer
from engine.runs.workspace import Workspace


class _Kind(msgspec.Struct, frozen=True):
    kind: str


def load_tokenizer(directory: Path) -> Tokenizer:
    """What `Tokenizer.save` wrote, of whatever kind.

    Raises:
        UserError: a file is missing or damaged.
    """
    try:
        config = (directory / CONFIG).read_bytes()
        if msgspec.json.decode(config, type=_Kind).kind == "huggingface":
            return HuggingFaceTokenizer.read(directory)
        return BytePairTokenizer.read(directory)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: does not exist") from None
    except (msgspec.MsgspecError, ValueError, KeyError, AssertionError) as error:
        raise UserError(f"{directory}: is not a complete tokenizer: {error}") from None


def open_tokenizer(table: TokenizerTable, workspace: Workspace, mirror: Path | None) -> Tokenizer | None:
    """The tokenizer that `[tokenizer]` names; None where it is to be trained.

    Raises:
        UserError: it cannot be found or read.
    """
    if table.kind == "byte_bpe":
        return None
    if table.kind == "gpt2":
        return gpt2(workspace.data / "downloads" / "tiktoken", mirror)
    return open_pretrained(table, mirror, workspace.root)


def read_tokenizer(folder: Path, mirror: Path | None, workspace: Workspace) -> Tokenizer:
    """The tokenizer in `folder`: one of ours, or one of the hub's.

    Raises:
        UserError: there is none, or it is damaged.
    """
    if not folder.is_dir():
        raise UserError(f"--tokenizer {folder}: no such folder")
    with suppress(UserError):  # it is not one of ours
        return load_tokenizer(folder)
    return open_pretrained(TokenizerTable("huggingface", name=str(folder.absolute())), mirror, workspace.root)
