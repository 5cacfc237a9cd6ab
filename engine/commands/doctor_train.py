"""Whether this machine trains as it should: the proof that a user can make, in a workspace that is removed afterwards.

python -m engine doctor --train [--device DEVICE]

Prints a `checked` event a line, as each check ends, and `proven` at the end.
"""

from __future__ import annotations

import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
import torch

from engine.commands.prepare import prepare_experiment
from engine.contract import generation
from engine.contract.errors import UserError
from engine.contract.events import Checked, Checkpoint, Emit, Event, EventReader, Proven, Step, Warning
from engine.contract.experiment import Hardware
from engine.contract.loading import parse_experiment
from engine.contract.overrides import apply_overrides
from engine.contract.shape import parameter_count
from engine.data.prepare import PreparedData
from engine.device.choice import prepare_device
from engine.device.memory import give_back, is_out_of_memory, release_memory, reserve_memory
from engine.device.precision import choose_precision, precisions
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from engine.training.loop import train

TOLERANCE = 0.05  # of the loss: a precision, or compilation, may differ from plain fp32 by so much
CPU_TOLERANCE = 0.01  # and fp32 on a GPU from fp32 on the CPU, TF32 included
PATIENCE = 90.0  # seconds for what an engine process should have done in ten

EXPERIMENT = """
[data]
source = "builtin"
stories = 400
[tokenizer]
kind = "byte_bpe"
vocab_size = 512
[model]
n_layer = 2
n_head = 2
n_embd = 64
block_size = 64
[train]
max_steps = 60
batch_size = 8
learning_rate = 2e-3
warmup_steps = 5
eval_interval = 20
eval_batches = 4
checkpoint_interval = 20
precision = "fp32"
compile = false
[hardware]
share_device = true
[sampling]
prompts = ["Once"]
max_new_tokens = 16
"""
LARGE = ("model.n_layer=6", "model.n_head=6", "model.n_embd=384", "train.precision=auto", "train.compile=auto")
LARGE_VOCABULARY = 50_257  # GPT-2's: 30 M parameters


class Fails(Exception):
    """What was seen instead of what should be, and what to do."""

    def __init__(self, measured: str, advice: str) -> None:
        super().__init__(measured)
        self.advice = advice


class Absent(Exception):
    """This device has no such thing; the message says so."""


@dataclass
class Bench:
    """Where the checks work, and what one leaves for the next."""

    workspace: Workspace
    device: torch.device
    plain: list[float] = field(default_factory=list)  # losses of the steps in fp32, uncompiled, without dropout

    def new_run(self, *overrides: str) -> Run:
        run = self.workspace.new_run("doctor")
        text = apply_overrides(EXPERIMENT, [f"hardware.device={self.device}", *overrides])
        run.experiment_file.write_text(text, encoding="utf-8")
        return run

    def data(self) -> PreparedData:
        """Prepared by the first check that asks; found by the others."""
        experiment = parse_experiment(EXPERIMENT, "doctor")
        return prepare_experiment("doctor", experiment, self.workspace, None, lambda event: None)


Check = Callable[[Bench], str]  # what was measured; raises Fails or Absent


def prove(device_name: str, emit: Emit) -> int:
    """Make every check on the device and tell each by a `checked` event; the exit code, 1 where one fails.

    Raises:
        UserError: there is no such device.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the workspace and its engines go, too
    device = prepare_device(Hardware(device=device_name))
    failed = 0
    with tempfile.TemporaryDirectory(prefix="slm-tui-doctor-") as folder:
        bench = Bench(Workspace(Path(folder)), device)
        bench.workspace.experiments.mkdir()
        for name, check in checks(device):
            row = checked(name, check, bench)
            failed += row.outcome == "fails"
            emit(row)
            release_memory()
    emit(Proven(str(device), _name(device), failed))
    return 1 if failed else 0


def checks(device: torch.device) -> list[tuple[str, Check]]:
    """All of them by name, in the order in which they build on each other."""
    others = [precision for precision in precisions(device) if precision != "fp32"]
    return [
        ("device", check_device),
        ("data", check_data),
        ("fp32", check_fp32),
        *((precision, partial(check_precision, precision)) for precision in others),
        ("compile", check_compile),
        ("resume", check_resume),
        ("memory", check_memory),
        ("generate", check_generate),
        ("speed", check_speed),
    ]


def checked(name: str, check: Check, bench: Bench) -> Checked:
    """Make one check. One that breaks off is one that fails: its traceback is on stderr."""
    started = time.monotonic()
    advice = None
    try:
        outcome, measured = "holds", check(bench)
    except Absent as absent:
        outcome, measured = "absent", str(absent)
    except Fails as failure:
        outcome, measured, advice = "fails", str(failure), failure.advice
    except UserError as error:
        outcome, measured, advice = "fails", str(error), "do what this says, and look again"
    except Exception as error:  # noqa: BLE001  the other checks tell more
        traceback.print_exc()
        outcome, measured = "fails", f"{type(error).__name__}: {(str(error).strip() or 'no words').splitlines()[0]}"
        advice = "free memory on the device" if is_out_of_memory(error) else "report it with what stands above"
    return Checked(name, outcome, measured, advice, time.monotonic() - started)  # type: ignore[arg-type]


def check_device(bench: Bench) -> str:
    """It multiplies matrices as the CPU does."""
    torch.manual_seed(1)
    a, b = torch.randn(256, 256), torch.randn(256, 256)
    error = float(((a.to(bench.device) @ b.to(bench.device)).cpu() - a @ b).abs().max() / (a @ b).abs().max())
    if not error < CPU_TOLERANCE:
        raise Fails(f"a product of matrices is {error:.1%} off", "the GPU, its memory or its driver is at fault")
    return f"{_name(bench.device)}; precision auto is {choose_precision('auto', bench.device)}"


def check_data(bench: Bench) -> str:
    """The built-in stories become tokens."""
    manifest = bench.data().manifest
    return f"{manifest.train.tokens:,} tokens of {manifest.train.stories:,} built-in stories"


def check_fp32(bench: Bench) -> str:
    """The loss falls, on a GPU as it does on the CPU."""
    bench.plain = _losses(_trained(bench, bench.device))
    said = f"loss {bench.plain[0]:.2f} to {bench.plain[-1]:.2f} in {len(bench.plain)} steps"
    if not bench.plain[-1] < 0.8 * bench.plain[0]:
        raise Fails(said, "the device computes something else: try another driver or torch")
    if bench.device.type == "cpu":
        return said
    difference = _difference(_losses(_trained(bench, torch.device("cpu"))), bench.plain)
    if difference > CPU_TOLERANCE:
        raise Fails(f"{said}, {difference:.2%} from the CPU's", "the device computes something else than the CPU")
    return f"{said}, {difference:.3%} from the CPU's (at most {CPU_TOLERANCE:.0%})"


def check_precision(precision: str, bench: Bench) -> str:
    """Training in it is nearly that in fp32, and is not that in fp32."""
    losses = _losses(_trained(bench, bench.device, f"train.precision={precision}"))
    difference = _difference(losses, bench.plain)
    said = f"losses {difference:.3%} from fp32's (at most {TOLERANCE:.0%})"
    if not difference <= TOLERANCE:
        raise Fails(said, f'train.precision = "fp32" holds; leave {precision} alone on this device')
    if difference == 0:
        raise Fails("losses are those of fp32, bit by bit", f"{precision} is not in use: torch lacks it here")
    return said


def check_compile(bench: Bench) -> str:
    """torch.compile, where `auto` uses it, works and changes nothing."""
    if bench.device.type != "cuda":
        raise Absent(f"not used on {bench.device}: auto compiles on NVIDIA GPUs only")
    started = time.monotonic()
    seconds: list[float] = []

    def clock(event: Event) -> None:
        if isinstance(event, Step) and not seconds:
            seconds.append(time.monotonic() - started)

    events = _trained(bench, bench.device, "train.compile=auto", emit=clock)
    for event in events:
        if isinstance(event, Warning):
            raise Fails(event.message, "install what is lacking; until then training is slower, and right")
    difference = _difference(_losses(events), bench.plain)
    said = f"{seconds[0]:.0f} s to the first step, losses {difference:.3%} from uncompiled (at most {TOLERANCE:.0%})"
    if not difference <= TOLERANCE:
        raise Fails(said, "train.compile = false")
    return said


def check_resume(bench: Bench) -> str:
    """An engine that is killed and resumed goes on bit by bit as one that was not."""
    overrides = ("train.max_steps=300", "model.dropout=0.1", "train.deterministic=true", "train.eval_interval=300")
    whole, killed = bench.new_run(*overrides), bench.new_run(*overrides)
    with _engine("train", whole) as first, _engine("train", killed) as second:
        saved = _wait(lambda: _saved(killed), second, killed, "a checkpoint")
        _wait(lambda: _last_step(killed) > saved + 2, second, killed, "a step after it")
        second.kill()
        if second.wait() == 0:
            raise Fails("the engine was through before it could be killed", "try again when the machine is less busy")
        if first.wait(PATIENCE) != 0:
            raise Fails(_end_of_log(whole), "see the other checks")
    with _engine("train", killed, "--resume") as third:
        if third.wait(PATIENCE) != 0:
            raise Fails(_end_of_log(killed), "a run on this device cannot be resumed")
    expected, found = (_losses(EventReader(run.metrics).read()) for run in (whole, killed))
    differing = [step for step, (one, other) in enumerate(zip(expected, found, strict=True), 1) if one != other]
    if differing:
        raise Fails(
            f"killed after step {saved + 2}, losses differ from step {differing[0]} on",
            "a resumed run is as good as one that was never stopped, but not the same bit by bit",
        )
    return f"killed with SIGKILL after a checkpoint at step {saved}: all {len(expected)} losses are bit-equal"


def check_memory(bench: Bench) -> str:
    """Memory is reserved, kept and given back, and a lack of it is understood."""
    if bench.device.type != "cuda":
        raise Absent("not on a CPU: memory is reserved on NVIDIA GPUs only")
    _, total = torch.cuda.mem_get_info(bench.device)
    release_memory()
    before = torch.cuda.memory_reserved(bench.device)
    reserve_memory(bench.device, 0.2)
    release_memory()
    kept = torch.cuda.memory_reserved(bench.device)
    try:
        torch.empty(total, dtype=torch.uint8, device=bench.device)
        short = False
    except RuntimeError as error:
        short = is_out_of_memory(error)
    give_back(bench.device)
    after = torch.cuda.memory_reserved(bench.device)
    said = f"{kept / 2**30:.1f} GiB reserved and kept, {after / 2**30:.1f} GiB after giving back"
    if kept < 0.15 * total or after > before + 2**28:
        raise Fails(said, "leave hardware.memory_fraction out")
    if not short:
        raise Fails("more memory than the GPU has was given", "unset what lets CUDA use the machine's memory as well")
    return said


def check_generate(bench: Bench) -> str:
    """A story is written while a training goes on, which then stops as it is told."""
    run = bench.new_run("train.max_steps=1000000")
    with _engine("train", run) as training:
        _wait(lambda: _saved(run, "best"), training, run, "a checkpoint")
        with _engine("generate", run, "--device", str(bench.device), pipes=True) as writing:
            before = _last_step(run)
            replies = list(_story(writing))
        after = _last_step(run)
        done = next((reply for reply in replies if isinstance(reply, generation.Done)), None)
        loaded = next((reply for reply in replies if isinstance(reply, generation.Loaded)), None)
        training.terminate()
        code = training.wait(PATIENCE)
    if done is None or loaded is None:
        errors = [reply.message for reply in replies if isinstance(reply, generation.Error)]
        raise Fails((errors or ["the generation process said nothing"])[0], "generate when no training runs")
    if loaded.note:
        raise Fails(loaded.note, "the training leaves too little memory; train.batch_size may be lower")
    if not after > before or code != 130:
        raise Fails(f"the training stood still at step {after}, and ended with {code}", "see the other checks")
    speed = f"{done.tokens} tokens at {done.tokens_per_second:,.0f} a second"
    return f"{speed}, while training went on from step {before:,} to {after:,}"


def check_speed(bench: Bench) -> str:
    """Tokens a second, and what share of the device's peak that is, at 30 M parameters."""
    gpu = bench.device.type != "cpu"
    size = ("train.batch_size=32", "model.block_size=256") if gpu else ("train.batch_size=2", "model.block_size=128")
    warm, steps = (10, 30) if gpu else (1, 4)
    data = bench.data()
    data = PreparedData(data.directory, msgspec.structs.replace(data.manifest, vocab_size=LARGE_VOCABULARY))
    never = ("train.max_steps=100000", "train.eval_interval=100000", "train.checkpoint_interval=100000")
    events = _trained(bench, bench.device, *LARGE, *size, *never, steps=steps, data=data)
    timed = [event for event in events if isinstance(event, Step)][warm:]
    rates = [event.tokens_per_second for event in timed if event.tokens_per_second]
    if not rates:
        raise Fails("no step was timed", "report it with what stands above")
    shares = [event.mfu for event in timed if event.mfu]
    mfu = f"MFU {statistics.median(shares):.1%}" if shares else "MFU unknown, as is the device's peak rate"
    experiment = parse_experiment(apply_overrides(EXPERIMENT, [*LARGE, *size]), "doctor")
    parameters = parameter_count(experiment.model, LARGE_VOCABULARY) / 1e6
    return f"{statistics.median(rates):,.0f} tokens/s at {parameters:.1f} M parameters, {mfu}"


def _trained(
    bench: Bench,
    device: torch.device,
    *overrides: str,
    emit: Emit = lambda event: None,
    steps: int | None = None,
    data: PreparedData | None = None,
) -> list[Event]:
    """Train in this process, up to `steps`; the events."""
    run = bench.new_run(*overrides, f"hardware.device={device}")
    events: list[Event] = []

    def keep(event: Event) -> None:
        events.append(event)
        emit(event)

    def is_enough() -> bool:
        return steps is not None and sum(isinstance(event, Step) for event in events) >= steps

    train(run, run.experiment(), data or bench.data(), device, keep, is_enough, resume=False)
    return events


@contextmanager
def _engine(verb: str, run: Run, *arguments: str, pipes: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """An engine process, which is gone afterwards; its output is in train.log, but for what it says in a pipe."""
    command = [sys.executable, "-m", "engine", verb, str(run.path), *arguments]
    with open(run.log, "ab") as log:
        source, out = (subprocess.PIPE, subprocess.PIPE) if pipes else (subprocess.DEVNULL, log)
        with subprocess.Popen(command, stdin=source, stdout=out, stderr=log) as process:
            try:
                yield process
            except subprocess.TimeoutExpired:
                raise Fails(f"an engine took more than {PATIENCE:.0f} s", "see the other checks") from None
            finally:
                process.kill()


def _story(process: subprocess.Popen[bytes]) -> Iterator[generation.AnyReply]:
    """Have a story written; what the generation process says, up to its end."""
    assert process.stdin is not None and process.stdout is not None
    request = generation.Generate("Once", parse_experiment(EXPERIMENT, "doctor").sampling, seed=1)
    process.stdin.write(generation.encode(request) + b"\n")
    process.stdin.flush()  # not closed: that would cancel the story
    for line in process.stdout:
        reply = generation.decode_reply.decode(line)
        yield reply
        if isinstance(reply, (generation.Done, generation.Error)):
            return


def _wait(look: Callable[[], int], process: subprocess.Popen[bytes], run: Run, what: str) -> int:
    """Wait until `look` finds something, and return it."""
    until = time.monotonic() + PATIENCE
    while not (found := look()):
        if process.poll() is not None:
            raise Fails(f"the engine ended before {what}: {_end_of_log(run)}", "see the other checks")
        if time.monotonic() > until:
            raise Fails(f"no {what} within {PATIENCE:.0f} s", "try again when the machine is less busy")
        time.sleep(0.01)
    return found


def _saved(run: Run, kind: str = "last") -> int:
    """The step of the run's newest checkpoint of that kind; 0 where there is none."""
    events = EventReader(run.metrics).read()
    return max((event.step for event in events if isinstance(event, Checkpoint) and event.kind == kind), default=0)


def _last_step(run: Run) -> int:
    return max((event.step for event in EventReader(run.metrics).read() if isinstance(event, Step)), default=0)


def _end_of_log(run: Run) -> str:
    lines = run.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _losses(events: Iterable[Event]) -> list[float]:
    """Of each step, in order; steps that a resume took back count as they were done again."""
    by_step = {event.step: event.loss for event in events if isinstance(event, Step)}
    return [math.nan if loss is None else loss for _, loss in sorted(by_step.items())]


def _difference(losses: list[float], expected: list[float]) -> float:
    """The largest part by which a loss differs; infinite where steps are missing."""
    if len(losses) != len(expected) or not expected:
        return math.inf
    worst = max(abs(one - other) / other for one, other in zip(losses, expected, strict=True))
    return math.inf if math.isnan(worst) else worst


def _name(device: torch.device) -> str:
    """The device as a person knows it."""
    if device.type == "cuda":
        facts = torch.cuda.get_device_properties(device)
        capability = f"compute capability {facts.major}.{facts.minor}"
        return f"{facts.name} ({device}), {facts.total_memory / 2**30:.0f} GiB, {capability}"
    if device.type == "mps":
        return "an Apple GPU (mps)"
    return f"CPU, {torch.get_num_threads()} threads of {os.cpu_count()} cores"
