"""The run's one optimizer: Muon for the blocks' matrices, AdamW for everything else, or AdamW for all.

    Keller Jordan et al., https://kellerjordan.github.io/posts/muon (Muon)
    Liu et al., Muon is Scalable for LLM Training, arXiv 2502.16982 (the scale at which it shares AdamW's rate)
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, arXiv 1711.05101 (AdamW)

The loop sets the learning rate before each step. Under fp16 a gradient that is not finite skips the step of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim.adamw import adamw

from engine.contract.experiment import Train
from engine.optim.orthogonal import orthogonalised

MOMENTUM = 0.95  # Muon's
STATE = {"muon": ("momentum",), "adamw": ("step", "exp_avg", "exp_avg_sq")}  # of each parameter
STACKED = {"attn.c_attn.weight": 3}  # query, key and value: one parameter, three matrices


class MuonAdamW(torch.optim.Optimizer):
    """Muon and AdamW, each on its parameter groups, which say by `kind` whose they are.

    `params` of a group are (name, parameter) pairs. A Muon group has `stacked`, the number of matrices that lie on top
    of each other in each of its parameters.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {})

    def set_lr(self, lr: float) -> None:
        """The learning rate of the next steps."""
        for group in self.param_groups:
            group["lr"] = lr

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move each parameter that has a gradient. There is no line search, so no closure."""
        for group in self.param_groups:
            if group["kind"] == "muon":
                self._muon(group)
            else:
                self._adamw(group)

    def state_dict(self) -> dict[str, Any]:
        """What the steps have left behind, by the parameter's name. All else stands in the experiment."""
        return {"state": {name: dict(self.state[p]) for name, p, _ in self._named() if p in self.state}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict()`, whose tensors are taken over and not copied where they fit.

        Raises:
            ValueError: the state is of other parameters, of other shapes, or of another optimizer.
        """
        saved: dict[str, dict[str, Tensor]] = state_dict["state"]
        named = list(self._named())
        differing = set(saved) ^ {name for name, _, _ in named}
        if saved and differing:
            raise ValueError(f"the optimizer's state and the model differ in {', '.join(sorted(differing))}")
        for name, parameter, kind in named if saved else []:
            shapes = {key: tuple(value.shape) for key, value in saved[name].items()}
            if shapes != {key: () if key == "step" else tuple(parameter.shape) for key in STATE[kind]}:
                raise ValueError(f"the optimizer's state of {name} does not fit {kind} of {tuple(parameter.shape)}")
        self.state.clear()
        for name, parameter, _ in named if saved else []:
            self.state[parameter] = {
                key: value.to(parameter.device, torch.float32 if key == "step" else parameter.dtype)
                for key, value in saved[name].items()
            }

    def _named(self) -> Iterator[tuple[str, Tensor, str]]:
        """Name, parameter, and kind of its group."""
        for group in self.param_groups:
            for name, parameter in zip(group["param_names"], group["params"], strict=True):
                yield name, parameter, group["kind"]

    def _adamw(self, group: dict[str, Any]) -> None:
        parameters = [p for p in group["params"] if p.grad is not None]
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        states = [self.state[parameter] for parameter in parameters]
        adamw(
            parameters,
            [parameter.grad for parameter in parameters],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,  # one pass over memory; on a CPU five times as fast as torch's default
            amsgrad=False,
            maximize=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
        )

    def _muon(self, group: dict[str, Any]) -> None:
        alike: dict[tuple[torch.Size, int], list[Tensor]] = {}  # the same matrix of every block
        for parameter, stacked in zip(group["params"], group["stacked"], strict=True):
            if parameter.grad is not None:
                alike.setdefault((parameter.shape, stacked), []).append(parameter)
        for ((rows, columns), stacked), parameters in alike.items():
            matrix = (rows // stacked, columns)
            ahead = torch.stack(self._ahead(parameters, group["momentum"]))  # (blocks, rows, columns)
            updates = orthogonalised(ahead.view(-1, *matrix), _precision(ahead.device)).reshape(ahead.shape)
            like_adamw = 0.2 * max(matrix) ** 0.5  # gives the update AdamW's usual root mean square
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(parameters, list(updates), alpha=-group["lr"] * like_adamw)

    def _ahead(self, parameters: list[Tensor], momentum: float) -> tuple[Tensor, ...]:
        """Nesterov's look ahead along each parameter's momentum, which is kept in the state."""
        gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] = {"momentum": torch.zeros_like(parameter)}
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - momentum)
        return torch._foreach_lerp(gradients, momenta, momentum)


def build_optimizer(model: nn.Module, train: Train) -> MuonAdamW:
    """The optimizer of a GPT, whose blocks are `model.h`.

    Weight decay is for matrices, embeddings among them: biases and norms never decay.
    """
    named = list(model.named_parameters())
    is_muons = {name: train.optimizer == "muon" and name.startswith("h.") and p.ndim == 2 for name, p in named}
    muon = [(name, p) for name, p in named if is_muons[name]]
    matrices = [(name, p) for name, p in named if not is_muons[name] and p.ndim >= 2]
    vectors = [(name, p) for name, p in named if p.ndim < 2]
    adamw = {"kind": "adamw", "lr": train.learning_rate, "betas": train.betas, "eps": train.eps}
    groups: list[dict[str, Any]] = [
        {
            "kind": "muon",
            "params": muon,
            "lr": train.learning_rate,
            "momentum": MOMENTUM,
            "weight_decay": train.weight_decay,
            "stacked": [_stacked(name) for name, _ in muon],
        },
        {**adamw, "params": matrices, "weight_decay": train.weight_decay},
        {**adamw, "params": vectors, "weight_decay": 0.0},
    ]
    return MuonAdamW([group for group in groups if group["params"]])


def _precision(device: torch.device) -> torch.dtype:
    """Of the orthogonalisation: bf16 on a GPU that has it. A CPU without bf16 units would need 50 times fp32's time."""
    has_bf16 = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.bfloat16 if has_bf16 else torch.float32


def _stacked(name: str) -> int:
    return next((count for ending, count in STACKED.items() if name.endswith(ending)), 1)


def clip_gradients(parameters: Iterable[Tensor], max_norm: float) -> Tensor:
    """Clip the norm of all gradients together to `max_norm`, unless that is 0.

    Returns the norm that they had before, a scalar on the device; reading it is a sync.
    """
    parameters = list(parameters)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if max_norm:
        nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return norm


def load_scaler(scaler: GradScaler, state: dict[str, Any]) -> None:
    """Go on from a scaler's state; where the run had no scaler until now, that is empty and this one starts anew."""
    if state:
        scaler.load_state_dict(state)
