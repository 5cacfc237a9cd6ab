"""The engine's command line: what `slm-tui` launches, and what you can call by hand.

    python -m engine train RUN_DIRECTORY [--resume]
    python -m engine prepare NAME [--workspace DIR] [--set TABLE.KEY=VALUE]
    python -m engine tokenize NAME [--workspace DIR] [--set TABLE.KEY=VALUE] [--text TEXT]
    python -m engine evaluate RUN_DIRECTORY [--checkpoint NAME] [--device DEVICE]
    python -m engine generate RUN_DIRECTORY [--checkpoint NAME] [--device DEVICE] [--quantize int8]
    python -m engine export RUN_DIRECTORY --format FORMAT --output PATH [--checkpoint NAME]
    python -m engine import FILE --experiment NAME [--workspace DIR] [--set TABLE.KEY=VALUE] [--tokenizer FOLDER]
    python -m engine doctor [--train [--device DEVICE]]

`prepare`, `tokenize`, `evaluate`, `export`, `import` and `doctor --train` print events, `generate` replies, `doctor`
one JSON document. A user's mistake is explained on stderr, with exit code 2.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from engine.contract import events
from engine.contract.checkpoints import checkpoint_name
from engine.contract.errors import UserError
from engine.contract.experiment import Experiment
from engine.contract.export_formats import EXPORT_FORMATS, export_format
from engine.contract.loading import parse_experiment, read_text
from engine.contract.overrides import apply_overrides
from engine.runs.run import Run
from engine.runs.workspace import Workspace, mirror_folder

_SET = "change a key of the experiment; may be repeated"
_WHICH = "best, last, or step-N of one that was kept (default: best)"


def main() -> int:
    """Run one command; the exit code."""
    try:
        arguments = _parser().parse_args()
        return int(arguments.command(arguments))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def train(arguments: argparse.Namespace) -> int:
    from engine.commands.train_run import train_run

    return train_run(Run(arguments.run.resolve()), resume=arguments.resume)


def prepare(arguments: argparse.Namespace) -> int:
    from engine.commands.prepare import prepare_alone

    workspace, experiment, mirror = _experiment(arguments)
    prepare_alone(arguments.name, experiment, workspace, mirror, print_event)
    return 0


def tokenize(arguments: argparse.Namespace) -> int:
    from engine.commands.tokenize import tokenize_text

    workspace, experiment, mirror = _experiment(arguments)
    print_event(tokenize_text(experiment, workspace, mirror, arguments.text, print_event))
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    from engine.commands.evaluate import evaluate_run

    run = Run(arguments.run.resolve())
    print_event(evaluate_run(run, arguments.checkpoint, arguments.device, print_event))
    return 0


def generate(arguments: argparse.Namespace) -> int:
    from engine.commands.generate import serve

    return serve(Run(arguments.run.resolve()), arguments.checkpoint, arguments.device, arguments.quantize)


def export(arguments: argparse.Namespace) -> int:
    from engine.commands.export_ import export as export_run

    run = Run(arguments.run.resolve())
    print_event(export_run(run, arguments.checkpoint, arguments.format, arguments.output))
    return 0


def import_(arguments: argparse.Namespace) -> int:
    from engine.commands.import_ import import_weights

    workspace, name, overrides = Workspace.at(arguments.workspace), arguments.experiment, arguments.set
    print_event(import_weights(arguments.file, name, workspace, overrides, arguments.tokenizer, mirror_folder()))
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    if arguments.train:
        from engine.commands.doctor_train import prove

        return prove(arguments.device, print_event)
    from engine.commands.doctor import describe

    print(json.dumps(describe()))
    return 0


def _experiment(arguments: argparse.Namespace) -> tuple[Workspace, Experiment, Path | None]:
    """The workspace, the experiment that the arguments name, and the mirror."""
    workspace = Workspace.at(arguments.workspace)
    path = workspace.experiment_file(arguments.name)
    experiment = parse_experiment(apply_overrides(read_text(path), arguments.set), source=str(path))
    return workspace, experiment, mirror_folder()


def print_event(event: events.Event) -> None:
    sys.stdout.buffer.write(events.encode(event))
    sys.stdout.buffer.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine", description="slm-tui's engine")
    commands = parser.add_subparsers(required=True)

    def add(command: str, function: object, help: str) -> argparse.ArgumentParser:
        subparser = commands.add_parser(command, help=help, description=help)
        subparser.set_defaults(command=function)
        return subparser

    training = add("train", train, "train a run")
    training.add_argument("run", type=Path, help="the run's directory")
    training.add_argument("--resume", action="store_true", help="resume from checkpoints/last")
    for name, function, help in (
        ("prepare", prepare, "prepare an experiment's data"),
        ("tokenize", tokenize, "show how an experiment's tokenizer splits text"),
    ):
        preparing = add(name, function, help)
        preparing.add_argument("name", help="the experiment's name")
        preparing.add_argument("--workspace", type=Path, help="the folder with experiments/ (default: the current one)")
        preparing.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help=_SET)
    commands.choices["tokenize"].add_argument("--text", help="tokenize this text instead of stories from the corpus")
    for name, function, help in (
        ("evaluate", evaluate, "compute a checkpoint's loss on the whole validation split"),
        ("generate", generate, "answer requests for stories on stdin"),
    ):
        reading = add(name, function, help)
        reading.add_argument("run", type=Path, help="the run's directory")
        reading.add_argument("--checkpoint", type=checkpoint_name, metavar="NAME", default="best", help=_WHICH)
        reading.add_argument("--device", default="auto", help="auto, cpu, mps, cuda or cuda:N (default: auto)")
    commands.choices["generate"].add_argument(
        "--quantize", choices=("int8",), help="faster on a CPU, a little less exact"
    )
    exporting = add("export", export, "write a run's weights or metrics for other tools")
    exporting.add_argument("run", type=Path, help="the run's directory")
    exporting.add_argument("--format", type=export_format, required=True, help=", ".join(EXPORT_FORMATS))
    exporting.add_argument("--output", type=Path, required=True, help="where to write it; must not exist yet")
    exporting.add_argument("--checkpoint", type=checkpoint_name, metavar="NAME", default="best", help=_WHICH)
    importing = add("import", import_, "make a run of weights from another tool")
    importing.add_argument("file", type=Path, help="weights, or a Hugging Face folder")
    importing.add_argument("--experiment", required=True, help="the experiment's name")
    importing.add_argument("--workspace", type=Path, help="the folder with experiments/ (default: the current one)")
    importing.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help=_SET)
    importing.add_argument("--tokenizer", type=Path, help="a folder with a tokenizer")
    examining = add("doctor", doctor, "describe torch and this machine, as JSON")
    examining.add_argument("--train", action="store_true", help="prove that this machine trains correctly")
    examining.add_argument("--device", default="auto", help="auto, cpu, mps, cuda or cuda:N (default: auto)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
