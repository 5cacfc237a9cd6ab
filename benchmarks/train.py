"""Training speed and peak memory on a CPU, against nanoGPT's own train.py.

    git clone https://github.com/karpathy/nanoGPT
    python benchmarks/train.py --nanogpt nanoGPT [--optimizer muon] [--rounds 10] [--steps 8] [--threads 2] [--json]

Both train a model of 6 layers, 6 heads, width 384 and context 128 in fp32, batch 16, vocabulary 50,304, on the same
random tokens, with clipping at 1.0. Ours is the engine's training loop, nanoGPT's is its unchanged train.py with AdamW.
Each side of each round has a process of its own, and the side that goes first changes with every round. The first two
steps are left out. Tokens a second are those of the median step; peak memory is the process's largest resident set.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pickle
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LAYERS, HEADS, WIDTH, BLOCK, BATCH, VOCABULARY = 6, 6, 384, 128, 16, 50_304
TOKENS = 500_000  # in the data
WARM_UP = 2  # steps that are not counted

Measured = tuple[float, float]  # tokens a second, peak memory in bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", type=Path, metavar="DIR", help="a checkout of nanoGPT; without it, ours alone")
    parser.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw", help="ours")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=8, help="steps that are counted")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(*train_ours(arguments.optimizer, arguments.steps))
        return
    sides = ["ours"] if arguments.nanogpt is None else ["ours", "nanogpt"]
    measured: dict[str, list[Measured]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                if side == "ours":
                    one = ours(arguments.optimizer, arguments.steps, arguments.threads)
                else:
                    one = nanogpt(arguments.nanogpt.resolve(), Path(folder), arguments.steps, arguments.threads)
                measured[side].append(one)
                print(f"{side}: {one[0]:,.0f} tokens/s, {one[1] / 2**20:,.0f} MiB", file=sys.stderr, flush=True)
    report(measured, arguments.optimizer, as_json=arguments.json)


def report(measured: dict[str, list[Measured]], optimizer: str, *, as_json: bool) -> None:
    """Print the medians, and the ratios of ours to nanoGPT's with their quartiles."""
    result: dict[str, object] = {"optimizer": optimizer}
    for side, rounds in measured.items():
        speeds, peaks = zip(*rounds, strict=True)
        result[side] = {"tokens_per_second": statistics.median(speeds), "peak_bytes": statistics.median(peaks)}
    if "nanogpt" in measured:
        pairs = list(zip(measured["ours"], measured["nanogpt"], strict=True))
        result["speed_ratio"] = quartiles([ours[0] / theirs[0] for ours, theirs in pairs])
        result["memory_ratio"] = quartiles([ours[1] / theirs[1] for ours, theirs in pairs])
    result["rounds"] = measured
    if as_json:
        print(json.dumps(result))
        return
    print(f"{'':24}{'tokens/s':>10}{'peak MiB':>10}   medians of {len(measured['ours'])} rounds")
    for side, rounds in measured.items():
        name = f"slm-tui, {optimizer}" if side == "ours" else "nanoGPT, adamw"
        speeds, peaks = zip(*rounds, strict=True)
        print(f"{name:24}{statistics.median(speeds):>10,.0f}{statistics.median(peaks) / 2**20:>10,.0f}")
    for key in ("speed_ratio", "memory_ratio"):
        if key in result:
            low, median, high = result[key]  # type: ignore[misc]
            print(f"{key.replace('_', ' '):24}{median:>10.3f}   quartiles {low:.3f} to {high:.3f}")


def quartiles(values: list[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3


def ours(optimizer: str, steps: int, threads: int) -> Measured:
    """The engine's loop in a process of its own."""
    command = [sys.executable, __file__, "--child", "--optimizer", optimizer, "--steps", str(steps)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    speed, peak = answer.stdout.splitlines()[-1].split()
    return float(speed), float(peak)


def train_ours(optimizer: str, steps: int) -> Measured:
    """What the child does: torch is loaded there alone, so that no process's peak holds another's."""
    from overhead import random_data

    from engine.contract.events import Event, Step
    from engine.contract.experiment import Data, Experiment, Hardware, Model, Tokenizer, Train
    from engine.device.choice import prepare_device
    from engine.runs.workspace import Workspace
    from engine.training.loop import train

    experiment = Experiment(
        data=Data("builtin"),
        tokenizer=Tokenizer("byte_bpe", VOCABULARY),
        model=Model(LAYERS, HEADS, WIDTH, BLOCK, bias=False),
        train=Train(
            steps + WARM_UP + 1, BATCH, optimizer=optimizer, grad_clip=1.0, precision="fp32", eval_interval=10**6,
            checkpoint_interval=10**6, sample_interval=0,
        ),
        hardware=Hardware(device="cpu"),
    )  # fmt: skip
    device = prepare_device(experiment.hardware)
    ends: list[float] = []
    peak = 0.0

    def emit(event: Event) -> None:
        nonlocal peak
        if isinstance(event, Step):
            ends.append(time.perf_counter())
            peak = peak_bytes(resource.getrusage(resource.RUSAGE_SELF))  # before a checkpoint is saved

    with tempfile.TemporaryDirectory() as folder:
        run = Workspace(Path(folder)).new_run("speed")
        data = random_data(Path(folder), VOCABULARY)
        train(run, experiment, data, device, emit, lambda: len(ends) == steps + WARM_UP, resume=False)
    seconds = [end - start for start, end in itertools.pairwise(ends[WARM_UP - 1 :])]
    return BATCH * BLOCK / statistics.median(seconds), peak


def nanogpt(checkout: Path, folder: Path, steps: int, threads: int) -> Measured:
    """nanoGPT's train.py in a process of its own; what it reads lies in `folder`."""
    data = folder / "data" / "random"
    if not data.exists():
        import numpy as np

        data.mkdir(parents=True)
        for name in ("train.bin", "val.bin"):
            np.random.default_rng(0).integers(VOCABULARY, size=TOKENS).astype("uint16").tofile(data / name)
        (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": VOCABULARY}))
        (folder / "configurator.py").symlink_to(checkout / "configurator.py")
    options = {
        "dataset": "random", "n_layer": LAYERS, "n_head": HEADS, "n_embd": WIDTH, "block_size": BLOCK,
        "batch_size": BATCH, "gradient_accumulation_steps": 1, "device": "cpu", "dtype": "float32", "compile": False,
        "max_iters": steps + WARM_UP - 1, "eval_iters": 1, "eval_interval": 10**6, "log_interval": 1,
    }  # fmt: skip
    command = [sys.executable, str(checkout / "train.py"), *(f"--{key}={value}" for key, value in options.items())]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment) as process:
        assert process.stdout is not None
        words = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    times = [float(found) for found in re.findall(r"^iter \d+: .* time ([\d.]+)ms", words, re.MULTILINE)]
    if process.returncode or len(times) != steps + WARM_UP:
        sys.exit(f"{checkout}/train.py did not train as it should:\n{words}")
    return BATCH * BLOCK / (statistics.median(times[WARM_UP:]) / 1000), peak_bytes(usage)


def peak_bytes(usage: resource.struct_rusage) -> float:
    """The largest resident set; Linux counts it in KiB, macOS in bytes."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
