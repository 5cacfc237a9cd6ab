"""Where fine-tuning starts: earlier weights and their tokenizer.

[train]
init_from = "RUN"               its best checkpoint, in this workspace
init_from = "huggingface:ID"    a GPT-2 on the hub, or in the mirror
init_from = "PATH"              a file of weights or a Hugging Face folder, as `slm-tui import` reads them
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.contract.checks import NO_TOKENIZER
from engine.contract.errors import UserError
from engine.contract.experiment import Experiment, Model
from engine.data.hub import repository
from engine.data.tokenizers.load import load_tokenizer, read_tokenizer
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.runs.run import Run
from engine.runs.workspace import Workspace

if TYPE_CHECKING:
    from torch import Tensor

    from engine.interop.foreign import ForeignWeights

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
            return load_tokenizer(_best(self.run, self.name) / "tokenizer")
        folder = self._foreign().tokenizer
        return read_tokenizer(folder, mirror, workspace) if folder is not None else None

    def weights(self, model: Model, vocab_size: int) -> Mapping[str, Tensor]:
        """Every weight of `model`, as fp32.

        Raises:
            UserError: they cannot be read, or are of a model of another shape: says which tensors do not fit.
        """
        from engine.interop.fitting import fit_weights, model_keys, renamed_tensors

        try:
            foreign = self._weights()
            tensors = renamed_tensors(foreign)
            model_keys(foreign, tensors)  # raises if they are of another architecture
            return fit_weights(foreign, tensors, model, vocab_size)[0]
        except UserError as error:
            raise UserError(f'train.init_from = "{self.name}": {error}') from None

    def _weights(self) -> ForeignWeights:
        """The weights, by the names that the source gives them."""
        if self.run is None:
            return self._foreign()
        import torch

        from engine.checkpoints.read import load_whole
        from engine.interop.foreign import ForeignWeights

        model, info, _ = load_whole(self.run, "best", torch.device("cpu"))
        told = {key: getattr(info.model, key) for key in ("n_head", "tie_weights", "activation")}
        return ForeignWeights(_best(self.run, self.name), model.state_dict(), told)

    def _foreign(self) -> ForeignWeights:
        from engine.interop.foreign import read_foreign

        assert self.path is not None
        return read_foreign(self.path)


def starting_point(init_from: str, workspace: Workspace, mirror: Path | None) -> StartingPoint:
    """What `init_from` means, as `Workspace.find_weights` says; what is on the hub is downloaded.

    Raises:
        UserError: there is nothing of that name, or the hub does not give it.
    """
    shown = f'train.init_from = "{init_from}"'
    try:
        found = workspace.find_weights(init_from)
    except UserError as error:
        raise UserError(f"{shown}: {error}") from None
    if isinstance(found, str):
        found = repository(found, _WEIGHTS, mirror, workspace.root, shown)
    return StartingPoint(init_from, found, None) if isinstance(found, Run) else StartingPoint(init_from, None, found)


def _best(run: Run, name: str) -> Path:
    best = run.checkpoints / "best"
    if not best.is_dir():
        raise UserError(f'train.init_from = "{name}": {run} has no best checkpoint yet')
    return best


def starting_tokenizer(experiment: Experiment, workspace: Workspace, mirror: Path | None) -> Tokenizer | None:
    """The tokenizer of the weights that the training starts from; None where it starts from scratch, or they come
    without one.

    Raises:
        UserError: there are no such weights, or they leave the tokenizer to a table that has none ready.
    """
    init_from = experiment.train.init_from
    if init_from is None:
        return None
    tokenizer = starting_point(init_from, workspace, mirror).tokenizer(workspace, mirror)
    if tokenizer is None and experiment.tokenizer.kind == "byte_bpe":
        raise UserError(f'train.init_from = "{init_from}": {NO_TOKENIZER}')
    return tokenizer


def unused_table(experiment: Experiment, starting: Tokenizer | None) -> list[str]:
    """What to say where [tokenizer] describes, by kind or size, another tokenizer than `starting_tokenizer` found."""
    table = experiment.tokenizer
    if starting is None or (starting.kind == table.kind and table.vocab_size in (None, starting.vocab_size)):
        return []
    asked = table.kind if table.vocab_size is None else f"{table.kind}, {table.vocab_size:,} entries"
    return [
        f'train.init_from = "{experiment.train.init_from}": its tokenizer is used ({starting.kind}, '
        f"{starting.vocab_size:,} entries), and that of [tokenizer] ({asked}) is not"
    ]
