"""The engine's command line: what `slm-tui` launches, exactly as a person may by hand.

    python -m engine train RUN_DIRECTORY [--resume]
    python -m engine prepare NAME [--workspace DIR] [--set TABLE.KEY=VALUE]
    python -m engine evaluate RUN_DIRECTORY [--checkpoint best|last] [--device DEVICE]
    python -m engine generate RUN_DIRECTORY [--checkpoint best|last] [--device DEVICE] [--quantize int8]
    python -m engine doctor

`prepare` and `evaluate` print events, `generate` replies, `doctor` one JSON document. A person's mistake is
told on stderr, with exit code 2.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from engine.contract import events
from engine.contract.errors import UserError
from engine.contract.loading import parse_experiment, read_text
from engine.contract.overrides import apply_overrides
from engine.contract.run import Run
from engine.contract.workspace import MIRROR_VARIABLE, Workspace


def main() -> int:
    """Run one command; the exit code."""
    arguments = _parser().parse_args()
    try:
        return int(arguments.command(arguments))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def train(arguments: argparse.Namespace) -> int:
    from engine.session import train_run

    return train_run(Run(arguments.run.resolve()), resume=arguments.resume)


def prepare(arguments: argparse.Namespace) -> int:
    from engine.data.prepare import prepare as prepare_data
    from engine.session import prepared_event

    workspace = Workspace.at(arguments.workspace)
    path = workspace.experiment_file(arguments.name)
    experiment = parse_experiment(apply_overrides(read_text(path), arguments.set), source=str(path))
    mirror = os.environ.get(MIRROR_VARIABLE)
    data = prepare_data(arguments.name, experiment, workspace, Path(mirror) if mirror else None, print_event)
    print_event(prepared_event(data))
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    from engine.session import evaluate_run

    run = Run(arguments.run.resolve())
    print_event(evaluate_run(run, arguments.checkpoint, arguments.device, print_event))
    return 0


def generate(arguments: argparse.Namespace) -> int:
    from engine.generate import serve

    return serve(Run(arguments.run.resolve()), arguments.checkpoint, arguments.device, arguments.quantize)


def doctor(arguments: argparse.Namespace) -> int:
    from engine.device import describe

    print(json.dumps(describe()))
    return 0


def print_event(event: events.Event) -> None:
    sys.stdout.buffer.write(events.encode(event))
    sys.stdout.buffer.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine", description="slm-tui's engine")
    commands = parser.add_subparsers(required=True)

    def add(command: str, function: object) -> argparse.ArgumentParser:
        subparser = commands.add_parser(command)
        subparser.set_defaults(command=function)
        return subparser

    training = add("train", train)
    training.add_argument("run", type=Path, help="the run's directory")
    training.add_argument("--resume", action="store_true", help="go on from checkpoints/last")
    preparing = add("prepare", prepare)
    preparing.add_argument("name", help="the experiment's name")
    preparing.add_argument("--workspace", type=Path)
    preparing.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE")
    for name, function in (("evaluate", evaluate), ("generate", generate)):
        reading = add(name, function)
        reading.add_argument("run", type=Path, help="the run's directory")
        reading.add_argument("--checkpoint", choices=("best", "last"), default="best")
        reading.add_argument("--device", default="auto")
    commands.choices["generate"].add_argument("--quantize", choices=("int8",))
    add("doctor", doctor)
    return parser


if __name__ == "__main__":
    sys.exit(main())
