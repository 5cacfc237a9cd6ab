"""What a model that writes keeps of the positions that it has read."""

from __future__ import annotations

from torch import Tensor


class KeyValueCache:
    """Keys and values of the positions that were computed already, so that the next one costs itself alone."""

    def __init__(self, like: Tensor, n_layer: int, batch: int, n_head: int, block_size: int, head_width: int) -> None:
        """Room for `batch` texts of `block_size` tokens, all of equal length, of the type and device of `like`."""
        self.tensor = like.new_empty(n_layer, 2, batch, n_head, block_size, head_width)
        self.length = 0  # positions that are filled
