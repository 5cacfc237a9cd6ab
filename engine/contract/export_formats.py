"""What a run can be exported as: one row a format, which the engine and the terminal both read.

    slm-tui export RUN --format FORMAT -o PATH

A new format costs its row here and its writer in `engine/interop`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine.contract.errors import UserError, nearest


class ExportFormat(NamedTuple):
    """A format and its writer.

    The writer of weights is called with the path and an `engine.interop.output.TrainedModel`, and returns notes for
    the user; that of metrics is called with the path and the run, and returns how many points it has written. The path
    is an empty folder, or a file that is not there yet.
    """

    writer: str  # module:function in engine.interop
    content: Literal["weights", "metrics"]
    target: Literal["file", "folder"]
    description: str  # after its name in the help
    how_to_open: str  # {path} is where it is


EXPORT_FORMATS = {
    "huggingface": ExportFormat(
        "huggingface:export_huggingface",
        "weights",
        "folder",
        "a folder for transformers",
        'AutoModelForCausalLM.from_pretrained("{path}") loads it; README.md in it is its model card',
    ),
    "nanogpt": ExportFormat(
        "nanogpt:export_nanogpt",
        "weights",
        "file",
        "a ckpt.pt for nanoGPT",
        "as ckpt.pt in its out_dir, nanoGPT's sample.py reads it",
    ),
    "gguf": ExportFormat(
        "gguf:export_gguf",
        "weights",
        "file",
        "a file for llama.cpp",
        'llama-cli -m {path} -p "…" runs it',
    ),
    "csv": ExportFormat(
        "metrics:export_csv",
        "metrics",
        "file",
        "the run's metrics as a table",
        "a line for each step, evaluation and reading of the machine's use",
    ),
    "tensorboard": ExportFormat(
        "metrics:export_tensorboard",
        "metrics",
        "folder",
        "the run's metrics for TensorBoard",
        "tensorboard --logdir {path} shows it",
    ),
}


def export_format(name: str) -> str:
    """The value of `--format`.

    Raises:
        UserError: there is no such format; suggests the nearest.
    """
    if name not in EXPORT_FORMATS:
        near = nearest(name, EXPORT_FORMATS)
        hint = f"; did you mean {near}?" if near else ""
        raise UserError(f"--format {name}: must be one of {', '.join(EXPORT_FORMATS)}{hint}")
    return name
