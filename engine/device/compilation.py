"""Whether a training is compiled, and the way back where it cannot be."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from engine.contract.errors import UserError
from engine.contract.events import Emit, Warning
from engine.contract.experiment import Train
from engine.device.memory import is_out_of_memory


class Loss(Protocol):
    """Ids and targets, both (batch, time), to a scalar; `scale` is what it will be multiplied by."""

    def __call__(self, ids: Tensor, targets: Tensor, scale: Tensor | None = None) -> Tensor: ...


TRITON_CAPABILITY = (7, 0)  # the oldest GPU that Triton, which inductor writes GPU code in, compiles for


def should_compile(train: Train, device: torch.device) -> bool:
    """`auto` compiles on NVIDIA GPUs only: on a CPU it takes 40 s and gains nothing."""
    return device.type == "cuda" if train.compile == "auto" else train.compile


def compiled(
    plain: Loss, compile_it: Callable[[], Loss], model: nn.Module, train: Train, device: torch.device, emit: Emit
) -> Loss:
    """`plain`, a loss of `model`, or what `compile_it` makes of it where `train.compile` says so.

    What `auto` cannot compile is run as it is, and a warning says why; its first call tries that out, forward and
    backward. `compile = true` asks for no less.

    Raises:
        UserError: `train.compile` is true, and this machine lacks something; also from the first call.
    """
    if not should_compile(train, device):
        return plain
    problem = _lacking(device)
    if problem is None:
        return _Tried(plain, compile_it(), model, train, emit)
    _refuse(problem, train, emit)
    return plain


class _Tried:
    """A compiled function that is tried out by its first call with gradients."""

    def __init__(self, plain: Loss, compiled: Loss, model: nn.Module, train: Train, emit: Emit) -> None:
        self._plain, self._model, self._train, self._emit = plain, model, train, emit
        self._chosen = compiled
        self._tried = False

    def __call__(self, ids: Tensor, targets: Tensor, scale: Tensor | None = None) -> Tensor:
        if not self._tried and torch.is_grad_enabled():
            self._tried = True
            self._try(ids, targets, scale)
        return self._chosen(ids, targets, scale)

    def _try(self, ids: Tensor, targets: Tensor, scale: Tensor | None) -> None:
        """Compilers fail in too many ways to be told by class: whatever fails compiled and not as it is, is theirs."""
        try:
            self._pass_through(self._chosen, ids, targets, scale)
            return
        except Exception as error:
            if is_out_of_memory(error):
                raise
            reason = told(error)
        self._pass_through(self._plain, ids, targets, scale)
        torch._dynamo.reset()  # it keeps what it has traced
        self._chosen = self._plain
        _refuse(reason, self._train, self._emit)

    def _pass_through(self, function: Loss, ids: Tensor, targets: Tensor, scale: Tensor | None) -> None:
        """Forward and backward, as code for the latter may be compiled no sooner; random state stays as it was."""
        gpus = [ids.device] if ids.device.type == "cuda" else []
        with torch.random.fork_rng(devices=gpus):
            torch.autograd.grad(function(ids, targets, scale), [p for p in self._model.parameters() if p.requires_grad])


def told(error: BaseException) -> str:
    """A compiler's error in a line: of a long report, the line that says most."""
    inner = getattr(error, "inner_exception", None) or error
    lines = [line.strip() for line in str(inner).splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"[Ee]rror: \S", line)]
    return f"{type(inner).__name__}: {(errors or lines or ['no words'])[0]}"[:300]


def _lacking(device: torch.device) -> str | None:
    """What torch.compile wants and this machine has not, as far as a look tells."""
    if device.type == "cuda" and torch.version.hip is None:
        capability = torch.cuda.get_device_capability(device)
        if capability < TRITON_CAPABILITY:
            name, (major, minor) = torch.cuda.get_device_name(device), TRITON_CAPABILITY
            return f"{name} has compute capability {capability[0]}.{capability[1]}, which wants to be {major}.{minor}"
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return "the package triton is not installed"
    variable, usual = ("CC", ("gcc", "clang", "cc")) if device.type == "cuda" else ("CXX", ("g++", "clang++"))
    own = os.environ.get(variable)
    candidates = tuple(shlex.split(own)[:1]) if own else usual if sys.platform != "darwin" else ("clang++", "clang")
    if not any(map(shutil.which, candidates)):
        named = f"{variable} = {own}" if own else ", ".join(candidates)
        return f"there is no compiler ({named})"
    return None


def _refuse(problem: str, train: Train, emit: Emit) -> None:
    if train.compile is True:
        raise UserError(f'train.compile = true: {problem}; "auto" trains without it, and so does false')
    emit(Warning(f"trains without torch.compile, which is slower: {problem}"))
