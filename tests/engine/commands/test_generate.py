"""The generation process: lines in, lines out, and a bad request is an answer, not a crash."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, cast

import pytest
import torch
from support import stand_in, wait_for
from warm_engine import WarmEngine, answer

from engine.checkpoints.read import load_whole
from engine.contract.events import EventWriter, Prepared, RunEnded, RunStarted
from engine.contract.experiment import Sampling
from engine.contract.generation import (
    AnyReply,
    Begun,
    Cancel,
    Done,
    Error,
    Generate,
    Load,
    Loaded,
    Request,
    Text,
    Unload,
    Unloaded,
    decode_reply,
    encode,
)
from engine.generation.sampler import Sampler
from engine.runs.run import Run

ENDLESS = Sampling(max_new_tokens=1_000_000, temperature=2.0, stop=("never",))


class Process:
    """A real generation process."""

    def __init__(self, process: subprocess.Popen[bytes] | WarmEngine) -> None:
        self.process = process

    def send(self, *requests: Request | bytes) -> None:
        stdin = cast(IO[bytes], self.process.stdin)
        for request in requests:
            stdin.write((request if isinstance(request, bytes) else encode(request)) + b"\n")
        stdin.flush()

    def reply(self) -> AnyReply:
        return decode_reply.decode(cast(IO[bytes], self.process.stdout).readline())

    def up_to(self, last: type[AnyReply], count: int = 1) -> list[AnyReply]:
        """Replies up to the `count`-th of a kind."""
        replies: list[AnyReply] = []
        while sum(isinstance(reply, last) for reply in replies) < count:
            replies.append(self.reply())
        return replies

    def story(self, request: Generate) -> str:
        self.send(request)
        return story_of(self.up_to(Done, request.num_samples))

    def end(self) -> None:
        """It ends with its stdin, and has said nothing on stderr."""
        cast(IO[bytes], self.process.stdin).close()
        assert self.process.wait(60) == 0
        assert cast(IO[bytes], self.process.stderr).read() == b""


@contextmanager
def generating(run: Run, *arguments: str) -> Iterator[Process]:
    """A process that writes from the run's checkpoint."""
    with closing(WarmEngine("generate", str(run.path), "--device", "cpu", *arguments)) as process:
        try:
            yield (writer := Process(process))
            writer.end()
        finally:
            process.kill()


@contextmanager
def generating_by_itself(run: Run) -> Iterator[Process]:
    """The same by `python -m engine`, whose interpreter ends as it does for a person."""
    command = [sys.executable, "-m", "engine", "generate", str(run.path), "--device", "cpu"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield (writer := Process(process))
            writer.end()
        finally:
            process.kill()


def story_of(answers: list[AnyReply], sample: int = 0) -> str:
    return "".join(reply.text for reply in answers if isinstance(reply, Text) and reply.sample == sample)


def test_requests_are_answered_in_order_and_seeds_repeat(trained: Run) -> None:
    request = Generate("Once", Sampling(max_new_tokens=12), seed=5)
    with generating(trained) as process:
        loaded = process.reply()
        assert isinstance(loaded, Loaded) and loaded.step == 8 and loaded.checkpoint == "best"
        process.send(request, b'{"request":"dance"}', request)
        first, error, second = process.up_to(Done), process.reply(), process.up_to(Done)
    assert isinstance(error, Error)
    assert story_of(first) == story_of(second) != ""
    begun, done = first[0], first[-1]
    assert isinstance(begun, Begun) and begun.seed == 5 and begun.prompt_tokens >= 2 and begun.dropped_tokens == 0
    assert isinstance(done, Done) and done.tokens == 12 and done.reason == "length" and done.seed == 5
    assert done.tokens_per_second > 0 and done.seconds_to_first_token > 0


def test_samples_come_mingled_and_each_can_be_had_alone(trained: Run) -> None:
    sampling = Sampling(max_new_tokens=10, temperature=1.0)
    with generating(trained) as process:
        process.reply()
        process.send(Generate("Once", sampling, seed=3, id=9, num_samples=3, alternatives=2))
        together = process.up_to(Done, 3)
        assert {reply.id for reply in together if not isinstance(reply, Loaded | Unloaded)} == {9}
        dones = [reply for reply in together if isinstance(reply, Done)]
        for done in dones:
            assert process.story(Generate("Once", sampling, seed=done.seed)) == story_of(together, done.sample)
    assert sorted(done.seed for done in dones) == [3, 4, 5]
    tokens = [token for reply in together if isinstance(reply, Text) for token in reply.tokens]
    assert len(tokens) == sum(done.tokens for done in dones)
    assert all(0 <= token.probability <= 1 and len(token.alternatives) == 2 for token in tokens)
    assert all(token.alternatives[0][1] >= token.alternatives[1][1] for token in tokens)


def test_a_cancel_is_heeded_in_the_middle_and_harms_no_other_request(trained: Run) -> None:
    with generating(trained) as process:
        process.reply()
        process.send(Cancel(2), Generate("Once", ENDLESS, seed=1, id=1, num_samples=2))
        process.up_to(Text, 5)
        process.send(Generate("Once", ENDLESS, seed=1, id=2), Generate("Once", Sampling(max_new_tokens=3), id=3))
        process.send(Cancel(7), Cancel(2), Cancel(1))
        replies = process.up_to(Done, 4)
    dones = [reply for reply in replies if isinstance(reply, Done)]
    assert [done.id for done in dones] == [1, 1, 2, 3]
    assert [done.reason for done in dones[:3]] == ["cancelled"] * 3
    assert dones[3].reason != "cancelled"


def test_a_checkpoint_is_switched_unloaded_and_loaded_again(trained: Run) -> None:
    shutil.rmtree(trained.checkpoints / "last")
    with generating(trained) as process:
        process.reply()
        process.send(Load("last"), Generate("Once", Sampling(max_new_tokens=2), id=4))
        error, *answer = process.up_to(Done)
        assert isinstance(error, Error) and "has no last checkpoint yet" in error.message
        assert isinstance(answer[0], Begun), "the one before stays"
        shutil.copytree(trained.checkpoints / "best", trained.checkpoints / "last")
        process.send(Load("last"), Unload(), Unload(), Generate("Once", Sampling(max_new_tokens=2)))
        loaded, unloaded, again, reloaded, *_ = process.up_to(Done)
    assert isinstance(loaded, Loaded) and loaded.checkpoint == "last"
    assert isinstance(unloaded, Unloaded) and isinstance(again, Unloaded)
    assert isinstance(reloaded, Loaded) and reloaded.checkpoint == "last"


BAD: dict[bytes, int | None] = {  # each with the id that the answer repeats
    b"tell me a story": None,
    b'{"request":"generate","prompt":"\xff","id":4}': 4,
    b'{"request":"dance","id":4}': 4,
    b'{"request":"generate","prompt":3,"id":4}': 4,
    b"[1,2]": None,
    b'{"request":"generate","prompt":"","id":"four"}': None,
    b'{"request":"generate","prompt":"","id":%d}' % 10**30: None,
    b'{"request":"generate","prompt":"","id":-1}': -1,
    b'{"request":"generate","prompt":"","id":4,"sampling":{"temperature":-1}}': 4,
    b'{"request":"generate","prompt":"","id":4,"sampling":{"temperature":1e999}}': 4,
    b'{"request":"generate","prompt":"","id":4,"sampling":{"top_p":1.5}}': 4,
    b'{"request":"generate","prompt":"","id":4,"seed":%d}' % 10**30: 4,
    b'{"request":"generate","prompt":"","id":4,"num_samples":1000}': 4,
    b'{"request":"generate","prompt":"","id":4,"sampling":{"stop":[""]}}': 4,
    b'{"id":4,"request":' + b"[" * 100_000: None,
    b'{"request":"generate","prompt":"\\ud800","id":4}': None,
}


def test_a_bad_request_is_answered_with_its_id_and_the_next_one_as_ever(trained: Run) -> None:
    with generating(trained) as process:
        process.reply()
        for line, number in BAD.items():
            process.send(line)
            error = process.reply()
            assert isinstance(error, Error) and error.message, line[:80]
            assert error.id == number, line[:80]
        assert process.story(Generate("Once", Sampling(max_new_tokens=12), seed=5))


def test_any_text_is_a_prompt_and_what_the_context_cannot_hold_is_said(trained: Run) -> None:
    with generating(trained) as process:
        process.reply()
        for prompt in ("", "🙂\x00\x1b[31m﷽", "a" * 2_000_000, "Once upon a time. " * 50_000):
            process.send(Generate(prompt, Sampling(max_new_tokens=4, temperature=0)))
            begun, *_ = process.up_to(Done)
            assert isinstance(begun, Begun)
            assert 1 <= begun.prompt_tokens <= 32
            assert (begun.dropped_tokens > 0) == (len(prompt) > 100)
            assert (begun.prompt_tokens == 1) == (prompt == "")


def test_the_end_of_stdin_ends_it_in_the_middle_of_a_story(trained: Run) -> None:
    with generating_by_itself(trained) as process:
        process.reply()
        process.send(Generate("Once", ENDLESS), Generate("Once", ENDLESS))
        process.up_to(Text, 3)


_PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
child.stdin.write(sys.stdin.buffer.readline())
child.stdin.flush()
print(child.pid, flush=True, file=sys.stderr)
child.wait()
"""


def test_it_ends_when_its_parent_is_killed(trained: Run) -> None:
    command = [sys.executable, "-c", _PARENT, sys.executable, "-m", "engine", "generate", str(trained.path)]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, "--device", "cpu"], stdin=pipe, stdout=pipe, stderr=pipe) as parent:
        process = Process(parent)
        process.send(Generate("Once", ENDLESS))
        process.up_to(Text, 3)
        child = int(cast(IO[bytes], parent.stderr).readline())
        parent.send_signal(signal.SIGKILL)
        cast(IO[bytes], parent.stdout).read()  # ends with the last process that writes to it
    wait_for(
        lambda: not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes(),
        "its end",
    )


def test_it_ends_quietly_when_nobody_reads_its_stories(trained: Run) -> None:
    with generating_by_itself(trained) as process:
        process.reply()
        process.send(Generate("Once", ENDLESS))
        process.up_to(Text, 3)
        cast(IO[bytes], process.process.stdout).close()
        assert process.process.wait(60) == 0


def test_weights_that_are_no_numbers_are_told_in_words(trained: Run) -> None:
    weights = trained.checkpoints / "best" / "model.safetensors"
    content = weights.read_bytes()
    data = 8 + int.from_bytes(content[:8], "little")
    weights.write_bytes(content[:data] + b"\xff" * (len(content) - data))  # nothing but NaN
    with generating(trained) as process:
        process.reply()
        process.send(Generate("Once", id=6))
        begun, error = process.reply(), process.reply()
    assert isinstance(begun, Begun)
    assert isinstance(error, Error) and error.id == 6 and "not a number" in error.message


def test_int8_writes_stories_too_and_is_for_the_cpu(trained: Run) -> None:
    with generating(trained, "--quantize", "int8") as process:
        loaded = process.reply()
        assert isinstance(loaded, Loaded) and loaded.device == "cpu"
        assert process.story(Generate("Once", Sampling(max_new_tokens=12), seed=5))
    assert "int8 runs on the CPU only" in failed(trained, "--device", "cuda", "--quantize", "int8").message


def failed(run: Run, *arguments: str) -> Error:
    """What a process says that cannot begin."""
    said = answer("generate", str(run.path), "--device", "cpu", *arguments)
    assert (said.returncode, said.stderr) == (2, "")
    error = decode_reply.decode(said.stdout)
    assert isinstance(error, Error)
    return error


def test_a_run_without_a_checkpoint_says_when_it_will_have_one(new_run: Callable[..., Run]) -> None:
    run = new_run()
    emit = EventWriter(run.metrics)
    emit(RunStarted(pid=os.getpid(), host="here"))
    with stand_in(run):
        emit(Prepared("data", 400, 1000, 100, cached=True))
        message = failed(run).message
        assert "has no best checkpoint yet" in message
        assert message.endswith("it is training, at step 0, and evaluates for the first time at step 8")
        assert failed(run, "--checkpoint", "last").message.endswith("saves its first at step 4")
    emit(RunEnded("failed", error="why"))
    assert failed(run).message.endswith("the run is not training (it is failed)")


def test_a_checkpoint_that_is_replaced_all_the_time_is_read_whole(trained: Run) -> None:
    """The two renames of a replacement, over and over, while it is read."""
    shutil.copytree(trained.checkpoints / "best", trained.path / "other")
    swap = (
        "import sys, pathlib, time; from engine.contract.files import replaced_directory; import shutil\n"
        "best, other = map(pathlib.Path, sys.argv[1:])\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    time.sleep(0.05)\n"
        "    with replaced_directory(best) as new:\n"
        "        shutil.copytree(other, new, dirs_exist_ok=True)\n"
    )
    command = [sys.executable, "-c", swap, str(trained.checkpoints / "best"), str(trained.path / "other")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as swapping:
        cast(IO[bytes], swapping.stdout).readline()
        try:
            for _ in range(60):
                model, info, tokenizer = load_whole(trained, "best", torch.device("cpu"))
                assert info.step == 8 and model.wte.weight.shape[0] == tokenizer.vocab_size
        finally:
            swapping.kill()


def test_a_device_without_memory_leaves_the_story_to_the_cpu(
    trained: Run, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is torch's "meta" in name only: what runs out of memory is the test's doing."""
    from engine.commands import generate

    job = generate.Job(Generate("Once", Sampling(max_new_tokens=12), seed=5))
    server = generate.Server(trained, "best", torch.device("cpu"), None)
    server.handle(job)
    expected = story_of([decode_reply.decode(line) for line in capfdbinary.readouterr().out.splitlines()])

    server.device = torch.device("meta")
    inner = generate.Writer.step
    steps = 0

    def step(writer: generate.Writer) -> object:
        nonlocal steps
        steps += 1
        if steps == 4 and server.device.type == "meta":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return inner(writer)

    monkeypatch.setattr(generate.Writer, "step", step)
    server.handle(job)
    replies = [decode_reply.decode(line) for line in capfdbinary.readouterr().out.splitlines()]
    (loaded,) = (reply for reply in replies if isinstance(reply, Loaded))
    assert (
        loaded.device == "cpu"
        and loaded.note == "meta has too little free memory for this model, so it runs on the CPU"
    )
    assert story_of(replies) == expected
    assert isinstance(replies[-1], Done)


def test_memory_that_the_cpu_lacks_is_told_in_words(
    trained: Run, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.commands import generate

    def draw(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Sampler, "draw", draw)
    server = generate.Server(trained, "best", torch.device("cpu"), None)
    server.handle(generate.Job(Generate("Once", id=3)))
    out, said = capfdbinary.readouterr()
    error = decode_reply.decode(out.splitlines()[-1])
    assert isinstance(error, Error) and error.id == 3 and error.message.startswith("out of memory")
    assert said == b""
