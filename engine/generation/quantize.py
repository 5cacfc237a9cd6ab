"""int8 on the CPU: linear layers and the head at a quarter of their size, and several times as fast to read.

Weights are rounded once, by row of the matrix. What comes in is rounded as it comes, each position by itself, so that
a story does not depend on what else is in its batch.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from engine.contract.errors import UserError
from engine.model.gpt import GPT

ENGINE = "fbgemm"  # of torch's, for x86
# With 7 bits, sums of two products fit into 16 bits, as the instructions of CPUs without VNNI need.
INPUT_LEVELS = 127


class Int8Linear(nn.Module):
    """What a linear layer does, to about 1 %."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """`weight`: (out, in)."""
        super().__init__()
        zeros = torch.zeros(len(weight), dtype=torch.long)
        scales = weight.abs().amax(1).clamp(min=1e-12).double() / 127
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch means to replace this kind of tensor, but has nothing as fast
            rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(rounded, None)
        self.row_sums = rounded.dequantize().sum(1)
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) -> (…, out)."""
        alone = x.numel() == x.shape[-1]
        y = torch.ops.quantized.linear_dynamic(x, self.packed, True) if alone else self._each_by_itself(x)
        return y if self.bias is None else y.add_(self.bias)

    def _each_by_itself(self, x: Tensor) -> Tensor:
        """Many positions. `linear_dynamic` would round them all alike, so each is turned into whole numbers here, by
        its rules: x = scale * (q - zero), hence W x = scale * (W q - zero * W's row sums)."""
        lowest, highest = torch.aminmax(x, dim=-1, keepdim=True)
        lowest, highest = lowest.clamp_(max=0), highest.clamp_(min=0)
        scale = ((highest - lowest) / INPUT_LEVELS).clamp_(min=1e-12)
        zero = (-lowest / scale).round_()
        rounded = torch.round(x / scale).add_(zero).clamp_(0, INPUT_LEVELS)
        products = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(rounded, 1.0, 0, self.packed)
        return torch.addcmul(products, zero, self.row_sums, value=-1).mul_(scale)


def quantize(model: GPT) -> GPT:
    """Replace the model's linear layers, and its head also where that is the embedding, by int8 ones.

    Raises:
        UserError: this torch, or this CPU, has no int8.
    """
    if ENGINE not in torch.backends.quantized.supported_engines or not hasattr(torch, "quantize_per_channel"):
        raise UserError("--quantize int8: this torch has no fast int8 for this CPU; it needs an x86 CPU")
    torch.backends.quantized.engine = ENGINE
    linears = [
        (parent, name, module)
        for parent in model.modules()
        for name, module in parent.named_children()
        if isinstance(module, nn.Linear)
    ]
    for parent, name, linear in linears:
        setattr(parent, name, Int8Linear(linear.weight.detach(), linear.bias))
    if model.lm_head is None:
        model.lm_head = Int8Linear(model.wte.weight.detach(), None)
    return model
