"""A GPT that writes: texts that grow by a token at a time, each token at the cost of one position."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engine.model.cache import KeyValueCache
from engine.model.gpt import GPT


def window_start(length: int, block_size: int) -> int:
    """Where the context of the token that follows `length` tokens begins.

    It is the whole text up to `block_size` tokens. From then on its beginning moves by a quarter of `block_size` at
    once, so that three quarters stay. Positions are learned, so keys and values hold only for the place where they
    were computed: after a move the whole window is computed anew, once in a quarter of a context instead of with
    every token.
    """
    stride = max(1, block_size // 4)
    return max(0, -(-(length - block_size) // stride) * stride)


def column_major(model: GPT) -> GPT:
    """Put the model's wide matrices into memory column by column: on a CPU 1.6 times as many tokens a second.

    A row times such a matrix reads it from front to back and adds up rows as long as the output, where the usual
    order has a short sum to end for each of 50,000 tokens. Values and shapes stay as they are.
    """
    linears = [module.weight for module in model.modules() if isinstance(module, nn.Linear)]
    for weight in linears if model.lm_head else [*linears, model.wte.weight]:
        if weight.shape[0] >= 2 * weight.shape[1]:
            weight.data = weight.data.t().contiguous().t()
    return model


class Decoder:
    """Texts of equal length that a model, in evaluation mode, continues."""

    def __init__(self, model: GPT, prompt: Sequence[int], batch: int = 1) -> None:
        """`batch` texts that all begin with `prompt`, at least one token."""
        self.texts = [list(prompt) for _ in range(batch)]
        self.use(model)

    def use(self, model: GPT) -> None:
        """Use this model from now on, on the device it is on."""
        self.model = model
        self._cache: KeyValueCache | None = None

    @torch.inference_mode()
    def logits(self) -> Tensor:
        """Of each text's next token: (batch, vocab_size), float32 on the CPU.

        Where a token was appended since the last time, and the window has not moved, that token alone is computed.

        Raises:
            RuntimeError: memory is too short. The texts are whole, and `use` can take them to another device.
        """
        length = len(self.texts[0])
        start = window_start(length, self.model.block_size)
        if self._cache is not None and self._cache.length == length - 1 - start:
            hidden = self._hidden(self.texts, length - 1, self._cache)
        else:
            self._cache = None  # its memory is given back before more is taken
            cache = self.model.new_cache(len(self.texts))
            equal = all(text == self.texts[0] for text in self.texts)
            hidden = self._hidden(self.texts[:1] if equal else self.texts, start, cache)
            self._cache = cache
        return self.model.head(hidden[:, -1]).float().cpu().expand(len(self.texts), -1)

    def append(self, tokens: Sequence[int]) -> None:
        """Each text's next token."""
        for text, token in zip(self.texts, tokens, strict=True):
            text.append(token)

    def keep(self, rows: list[int]) -> None:
        """Only these of the texts."""
        self.texts = [self.texts[row] for row in rows]
        if self._cache is not None:
            self._cache.tensor = self._cache.tensor[:, :, rows]

    def _hidden(self, texts: list[list[int]], start: int, cache: KeyValueCache) -> Tensor:
        ids = torch.tensor([text[start:] for text in texts], device=self.model.wpe.weight.device)
        return self.model.hidden(ids, cache)
