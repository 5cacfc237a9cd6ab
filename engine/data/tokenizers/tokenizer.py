"""What every tokenizer does: text to token ids and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

CONFIG = "tokenizer_config.json"  # of a saved tokenizer: which kind it is, and what its other file does not say

EOT = "<|endoftext|>"  # after every story; generation starts from it


class Tokenizer(ABC):
    """Token ids of a text and the text of token ids."""

    kind: Literal["gpt2", "byte_bpe", "huggingface"]
    vocab_size: int
    eot_id: int  # of the end-of-text token
    unknown_id: int | None = None  # of the token for what the vocabulary lacks; bytes lack nothing

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The ids of `text`; the end-of-text token's name in it is plain text."""

    @abstractmethod
    def encode_stories(self, stories: Sequence[str]) -> npt.NDArray[np.uint32]:
        """The ids of all stories, end-of-text after each and nowhere else, as one array. Releases the GIL."""

    @abstractmethod
    def token_bytes(self, token: int) -> bytes:
        """The bytes that one token stands for within a text."""

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write all that `load` needs."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Changes when any text's ids may."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; bytes that are no UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The bytes of `ids`."""
        return b"".join(map(self.token_bytes, ids))
