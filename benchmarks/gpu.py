"""What this code does on an NVIDIA GPU: proof, speed, models trained to their end, and the tests that want one.

    python benchmarks/gpu.py [doctor] [speed] [train] [tests] [--device cuda] [--nanogpt DIR] [--mirror DIR] [--out DIR]

Each part runs alone and takes under three minutes on an H200; without a name, all run. Each result is printed as it
comes and appended to OUT/results.jsonl; OUT/results.json and a table stand at the end.

    doctor   slm-tui doctor --train
    speed    tokens a second, MFU, peak memory and the time to the first step at 30 M, 51 M and 335 M parameters in
             bf16, ours and nanoGPT's unchanged train.py (--nanogpt DIR, a checkout), both compiled, in turns; and the
             tokens a second of generation
    train    arastories_baseline and arastories_enhanced to their end, with their figures on the whole split
             (--mirror DIR, or SLM_DATA_MIRROR)
    tests    pytest -m cuda

It needs torch and what benchmarks/gpu_wheels.py gathers; datasets, transformers and Textual are not imported. With
--device cpu --tiny the same parts run on small models, which tests this script and measures nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pickle
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("doctor", "speed", "train", "tests")
VOCABULARY, TOKENS = 50_304, 4_000_000  # of random data
SHAPES = {  # n_layer, n_head, n_embd, block_size, batch_size
    "30M": (6, 6, 384, 128, 256),
    "51M": (8, 8, 512, 256, 128),
    "335M": (24, 16, 1024, 512, 32),
    "tiny": (2, 2, 32, 32, 4),
}
WARM_UP, COUNTED = 10, 40  # steps
MODELS = ("arastories_baseline", "arastories_enhanced")

Result = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all of them by default")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--nanogpt", type=Path, metavar="DIR", help="a checkout of nanoGPT, to measure against")
    parser.add_argument("--mirror", type=Path, metavar="DIR", default=os.environ.get("SLM_DATA_MIRROR"))
    parser.add_argument("--out", type=Path, default=Path("gpu-results"))
    parser.add_argument("--rounds", type=int, default=1, help="of the speed part")
    parser.add_argument("--tiny", action="store_true", help="small models, to test this script")
    parser.add_argument("--child", choices=("ours", "nanogpt", "generation"), help=argparse.SUPPRESS)
    parser.add_argument("--shape", choices=SHAPES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
    if arguments.child:
        child(arguments)
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    measured = []
    work: dict[str, Callable[[argparse.Namespace], Iterator[Result]]] = {
        "doctor": doctor, "speed": speed, "train": training, "tests": tests,
    }  # fmt: skip
    with open(arguments.out / "results.jsonl", "a", encoding="utf-8") as lines:
        for part in arguments.parts or PARTS:
            started = time.perf_counter()
            for result in guarded(work[part](arguments)):
                measured.append({"part": part, **result})
                print(json.dumps(measured[-1], ensure_ascii=False), flush=True)
                lines.write(json.dumps(measured[-1], ensure_ascii=False) + "\n")
                lines.flush()
            print(f"{part}: {time.perf_counter() - started:.0f} s", flush=True)
    (arguments.out / "results.json").write_text(json.dumps(measured, indent=1, ensure_ascii=False), encoding="utf-8")
    print(table(measured))
    sys.exit(any("error" in result or result.get("outcome") == "fails" for result in measured))


def guarded(results: Iterator[Result]) -> Iterator[Result]:
    """The results; a part that ends in an error is a result, and the next part runs."""
    try:
        yield from results
    except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
        yield {"error": f"{type(error).__name__}: {error}"}


def table(measured: list[Result]) -> str:
    """The results in columns, a part after the other."""
    lines = []
    for part, results in itertools.groupby(measured, key=lambda result: str(result["part"])):
        lines.append(f"\n{part}")
        for result in results:
            shown = {key: value for key, value in result.items() if key != "part" and value is not None}
            lines.append("  " + "  ".join(f"{key} {short(value)}" for key, value in shown.items()))
    return "\n".join(lines)


def short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
    return str(value)


# doctor and tests


def doctor(arguments: argparse.Namespace) -> Iterator[Result]:
    command = [sys.executable, "-m", "engine", "doctor", "--train", "--device", arguments.device]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            yield {key: value for key, value in event.items() if key not in ("t", "clock", "event")}
    if process.returncode not in (0, 1):
        yield {"error": f"the doctor ended with exit code {process.returncode}"}


def tests(arguments: argparse.Namespace) -> Iterator[Result]:
    command = [sys.executable, "-m", "pytest", "-m", "cuda", "-n", "0", "-p", "no:cacheprovider", "-rA", "tests/engine"]
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    (arguments.out / "tests.log").write_text(answer.stdout, encoding="utf-8")
    for outcome, name in re.findall(r"^(PASSED|FAILED|ERROR|SKIPPED) (?:\[\d+\] )?(\S+)", answer.stdout, re.MULTILINE):
        yield {"test": name, "outcome": "holds" if outcome == "PASSED" else outcome.lower()}
    if answer.returncode not in (0, 1):
        yield {"error": f"pytest ended with exit code {answer.returncode}: {arguments.out / 'tests.log'}"}


# speed


def speed(arguments: argparse.Namespace) -> Iterator[Result]:
    shapes = ["tiny"] if arguments.tiny else ["30M", "51M", "335M"]
    sides = ["ours", "nanogpt"] if arguments.nanogpt else ["ours"]
    rates: dict[tuple[str, str], list[float]] = {}
    for number, shape in itertools.product(range(arguments.rounds), shapes):
        for side in sides if number % 2 == 0 else reversed(sides):
            result = in_a_child(arguments, side, shape)
            rates.setdefault((shape, side), []).append(result.get("tokens_per_second", 0.0))
            yield {"shape": shape, "side": side, **result}
    for shape in shapes if arguments.nanogpt else []:
        ours, theirs = (statistics.median(rates[shape, side]) for side in ("ours", "nanogpt"))
        yield {"shape": shape, "times_nanogpt": ours / theirs if theirs else None}
    yield {"shape": shapes[0], "side": "generation", **in_a_child(arguments, "generation", shapes[0])}


def in_a_child(arguments: argparse.Namespace, side: str, shape: str) -> Result:
    """One measurement, in a process that gives its memory back."""
    command = [sys.executable, __file__, "--child", side, "--shape", shape, "--device", arguments.device]
    command += ["--tiny"] * arguments.tiny
    command += ["--nanogpt", str(arguments.nanogpt.resolve())] if arguments.nanogpt else []
    answer = subprocess.run(command, capture_output=True, text=True, timeout=170)
    if answer.returncode:
        return {"error": "\n".join(answer.stderr.strip().splitlines()[-5:])}
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def child(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        measure = {"ours": train_ours, "nanogpt": train_nanogpt, "generation": generate}[arguments.child]
        print(json.dumps(measure(arguments, Path(folder))))


def shaped(arguments: argparse.Namespace) -> Any:
    """An experiment of the shape, and of as many steps as are measured."""
    from engine.contract.experiment import Data, Experiment, Hardware, Model, Tokenizer, Train

    n_layer, n_head, n_embd, block_size, batch_size = SHAPES[arguments.shape]
    return Experiment(
        data=Data("builtin"),
        tokenizer=Tokenizer("byte_bpe", VOCABULARY),
        model=Model(n_layer, n_head, n_embd, block_size, bias=False),
        train=Train(
            steps(arguments) + 1, batch_size, grad_clip=1.0, eval_interval=10**6, checkpoint_interval=10**6,
            sample_interval=0,
        ),
        hardware=Hardware(device=arguments.device),
    )  # fmt: skip


def steps(arguments: argparse.Namespace) -> int:
    return 6 if arguments.tiny else WARM_UP + COUNTED


def train_ours(arguments: argparse.Namespace, folder: Path) -> Result:
    """The engine's own loop, with its default settings for this device."""
    import torch
    from overhead import random_data

    from engine.contract.events import Event, Step, Warning
    from engine.contract.shape import parameter_count, tokens_per_step, training_flops_per_token
    from engine.device.choice import prepare_device
    from engine.device.peak_rates import peak_flops
    from engine.device.precision import choose_precision
    from engine.runs.workspace import Workspace
    from engine.training.loop import train

    experiment, count = shaped(arguments), steps(arguments)
    device = prepare_device(experiment.hardware)
    precision = choose_precision("auto", device)
    told: list[Step] = []
    arrived: list[float] = []
    warnings: list[str] = []

    def emit(event: Event) -> None:
        if isinstance(event, Step):
            arrived.append(time.perf_counter())
            told.append(event)
        elif isinstance(event, Warning):
            warnings.append(event.message)

    data = random_data(folder, VOCABULARY, TOKENS)
    started = time.perf_counter()
    train(Workspace(folder).new_run("speed"), experiment, data, device, emit, lambda: len(told) >= count, resume=False)
    skipped = len(told) // 3 if arguments.tiny else WARM_UP
    # between arrivals: what a person waits for, the host's part included
    seconds = (arrived[-1] - arrived[skipped - 1]) / (len(arrived) - skipped)
    rate = tokens_per_step(experiment.model, experiment.train) / seconds
    flops, peak = training_flops_per_token(experiment.model, VOCABULARY), peak_flops(device, precision)
    return {
        "parameters": parameter_count(experiment.model, VOCABULARY),
        "precision": precision,
        "tokens_per_second": rate,
        "logged_tokens_per_second": statistics.median(step.tokens_per_second or 0.0 for step in told[skipped:]),
        "mfu": rate * flops / peak if peak else None,
        "peak_bytes": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        "seconds_to_first_step": arrived[0] - started,
        "warnings": warnings or None,
    }


NANOGPT = """
import runpy, sys, torch
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
print("peak", torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0)
"""


def train_nanogpt(arguments: argparse.Namespace, folder: Path) -> Result:
    """nanoGPT's train.py, unchanged. It tells of each tenth step, whose arrival is timed."""
    import numpy as np

    from engine.contract.shape import training_flops_per_token
    from engine.device.choice import choose_device
    from engine.device.peak_rates import peak_flops

    data = folder / "data" / "random"
    data.mkdir(parents=True)
    for name in ("train.bin", "val.bin"):
        np.random.default_rng(0).integers(VOCABULARY, size=TOKENS).astype("uint16").tofile(data / name)
    (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": VOCABULARY}))
    (folder / "configurator.py").symlink_to(arguments.nanogpt / "configurator.py")
    n_layer, n_head, n_embd, block_size, batch_size = SHAPES[arguments.shape]
    every = 2 if arguments.tiny else 10
    on_gpu = arguments.device.startswith("cuda")
    options = {
        "dataset": "random", "n_layer": n_layer, "n_head": n_head, "n_embd": n_embd, "block_size": block_size,
        "batch_size": batch_size, "gradient_accumulation_steps": 1, "device": arguments.device,
        "dtype": "bfloat16" if on_gpu else "float32", "compile": on_gpu, "max_iters": steps(arguments),
        "eval_iters": 1, "eval_interval": 10**6, "log_interval": every,
    }  # fmt: skip
    command = [sys.executable, "-u", "-c", NANOGPT, str(arguments.nanogpt / "train.py")]
    command += [f"--{key}={value}" for key, value in options.items()]
    arrived, peak, words, started = dict[int, float](), 0, [], time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder) as process:
        assert process.stdout is not None
        for line in process.stdout:
            words.append(line)
            if found := re.match(r"iter (\d+):", line):
                arrived[int(found[1])] = time.perf_counter()
            elif found := re.match(r"peak (\d+)", line):
                peak = int(found[1])
    if process.returncode or len(arrived) < 3:
        raise SystemExit(f"{arguments.nanogpt}/train.py did not train:\n{''.join(words[-20:])}")
    first = every if arguments.tiny else WARM_UP
    last = max(arrived)
    rate = batch_size * block_size * (last - first) / (arrived[last] - arrived[first])
    device = choose_device(arguments.device)
    flops, most = training_flops_per_token(shaped(arguments).model, VOCABULARY), peak_flops(device, "bf16")
    return {
        "tokens_per_second": rate,
        "mfu": rate * flops / most if most else None,
        "peak_bytes": peak or None,
        "seconds_to_first_step": arrived[0] - started,
    }


def generate(arguments: argparse.Namespace, folder: Path) -> Result:
    """Tokens a second of the writer, with random weights: one story, and eight at once."""
    import torch
    from overhead import random_data

    from engine.contract.experiment import Sampling
    from engine.device.choice import prepare_device
    from engine.generation.writer import Writer
    from engine.model.gpt import GPT

    experiment = shaped(arguments)
    device = prepare_device(experiment.hardware)
    tokenizer = random_data(folder, VOCABULARY, 1000).tokenizer()
    torch.manual_seed(0)
    model = GPT(experiment.model, tokenizer.vocab_size).to(device).eval()
    length = experiment.model.block_size - 16
    result = {}
    for count in (1, 8):
        for _ in range(2):  # the first is a warm-up
            writer = Writer(model, tokenizer, [tokenizer.eot_id], Sampling(max_new_tokens=length), 1, count, 0)
            written, started = 0, time.perf_counter()
            while writer.samples:
                written += len(writer.samples)
                writer.step()
            rate = written / (time.perf_counter() - started)
        result[f"tokens_per_second_of_{count}"] = rate
    return result


# training to the end


def training(arguments: argparse.Namespace) -> Iterator[Result]:
    from engine.contract.events import EventReader, RunEnded, Step
    from engine.contract.overrides import apply_overrides
    from engine.runs.workspace import Workspace

    if not arguments.mirror:
        yield {"error": "--mirror DIR (or SLM_DATA_MIRROR): the stories of AraStories are read from there"}
        return
    environment = {**os.environ, "SLM_DATA_MIRROR": str(Path(arguments.mirror).resolve()), "PYTHONPATH": str(ROOT)}
    overrides = [f"hardware.device={arguments.device}"]
    if arguments.tiny:
        overrides += ["train.max_steps=4", "train.warmup_steps=1", "train.eval_interval=2", "train.eval_batches=1"]
        overrides += ["model.n_layer=1", "model.n_head=2", "model.n_embd=16", "model.block_size=32"]
        overrides += ["train.sample_interval=0", "sampling.max_new_tokens=4", "data.fraction=0.05"]
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        for name in MODELS:
            run = workspace.new_run(name)
            text = (ROOT / "experiments" / f"{name}.toml").read_text(encoding="utf-8")
            run.experiment_file.write_text(apply_overrides(text, overrides), encoding="utf-8")
            started = time.perf_counter()
            with open(run.log, "ab") as log:
                command = [sys.executable, "-m", "engine", "train", str(run.path)]
                code = subprocess.run(command, stdout=log, stderr=log, env=environment).returncode
            seconds = time.perf_counter() - started
            events = EventReader(run.metrics).read(1 << 30)
            step = next((event for event in reversed(events) if isinstance(event, Step)), None)
            ended = next((event for event in reversed(events) if isinstance(event, RunEnded)), None)
            result: Result = {"experiment": name, "seconds": seconds, "steps": step.step if step else 0}
            if code or ended is None:
                log_end = run.log.read_text(encoding="utf-8", errors="replace")[-500:]
                yield {**result, "error": f"{ended.error if ended else 'no last event'}\n{log_end}"}
                continue
            command = [sys.executable, "-m", "engine", "evaluate", str(run.path), "--device", arguments.device]
            answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
            figures = json.loads(answer.stdout.splitlines()[-1])
            yield {
                **result, "ended": ended.reason, "best_step": figures["step"], "val_loss": figures["val_loss"],
                "perplexity": 2.718281828459045 ** figures["val_loss"], "bits_per_byte": figures["bits_per_byte"],
            }  # fmt: skip


if __name__ == "__main__":
    main()
