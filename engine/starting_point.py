"""Where a training starts that does not start from scratch: weights that were trained before, and their tokenizer.

[train]
init_from = "RUN"               its best checkpoint, in this workspace
init_from = "huggingface:ID"    a GPT-2 on the hub, or in the mirror
init_from = "PATH"              a file of weights or a Hugging Face folder, as `slm-tui import` reads them
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.contract.errors import UserError
from engine.contract.experiment import Model
from engine.contract.run import Run
from engine.contract.workspace import Workspace
from engine.data.hub import repository
from engine.data.tokenizers import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from engine.interop.foreign import Foreign

_HUB = "huggingface:"
_WEIGHTS = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


@dataclass(frozen=True)
class StartingPoint:
    """What `init_from` names."""

    name: str  # as it is written
    run: Run | None  # or else
    path: Path | None  # a file or a folder that was made elsewhere

    def tokenizer(self, workspace: Workspace, mirror: Path | None) -> Tokenizer | None:
        """The one that the weights were trained with; None where they come without.

        Raises:
            UserError: it cannot be read.
        """
        if self.run is not None:
            return Tokenizer.load(_best(self.run, self.name) / "tokenizer")
        from engine.interop.importing import read_tokenizer

        folder = self._foreign().tokenizer
        return read_tokenizer(folder, mirror, workspace) if folder is not None else None

    def weights(self, model: Model, vocab_size: int) -> Mapping[str, Tensor]:
        """Every weight of `model`, as fp32.

        Raises:
            UserError: they cannot be read, or are of a model of another shape: says which tensors do not fit.
        """
        from engine.interop.fitting import fitted, inferred, our_names

        try:
            foreign = self._weights()
            tensors = our_names(foreign)
            inferred(foreign, tensors)  # which says it where they are of another architecture
            return fitted(foreign, tensors, model, vocab_size)[0]
        except UserError as error:
            raise UserError(f'train.init_from = "{self.name}": {error}') from None

    def _weights(self) -> Foreign:
        """The weights by whatever names they have."""
        if self.run is None:
            return self._foreign()
        import torch

        from engine.checkpoint import load_whole
        from engine.interop.foreign import Foreign

        model, info, _ = load_whole(self.run, "best", torch.device("cpu"))
        told = {key: getattr(info.model, key) for key in ("n_head", "tie_weights", "activation")}
        return Foreign(_best(self.run, self.name), model.state_dict(), told)

    def _foreign(self) -> Foreign:
        from engine.interop.foreign import read_foreign

        assert self.path is not None
        return read_foreign(self.path)


def starting_point(init_from: str, workspace: Workspace, mirror: Path | None) -> StartingPoint:
    """What `init_from` means. What is no hub id, no file and no folder is a run.

    Raises:
        UserError: there is nothing of that name, or the hub does not give it.
    """
    shown = f'train.init_from = "{init_from}"'
    if init_from.startswith(_HUB):
        name = init_from.removeprefix(_HUB)
        return StartingPoint(init_from, None, repository(name, _WEIGHTS, mirror, workspace.root, shown))
    path = workspace.root / Path(init_from).expanduser()
    if path.is_file() or (path / "config.json").is_file():
        return StartingPoint(init_from, None, path)
    named = [run for run in workspace.list_runs() if run.name == init_from]
    finished = [run for run in named if (run.checkpoints / "best").is_dir()]  # the run that starts may be one of them
    try:
        return StartingPoint(init_from, finished[0] if finished else workspace.find_run(init_from), None)
    except UserError as error:
        hint = f'; a model on the hub is "{_HUB}{init_from}"' if re.fullmatch(r"[\w-]+/[\w.-]+", init_from) else ""
        raise UserError(f"{shown}: is no file, and as a run: {error}{hint}") from None


def _best(run: Run, name: str) -> Path:
    best = run.checkpoints / "best"
    if not best.is_dir():
        raise UserError(f'train.init_from = "{name}": {run} has no best checkpoint yet')
    return best
