"""The generation process: lines in, lines out, and a bad request is an answer, not a crash."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from support import engine

from engine.contract.experiment import Sampling
from engine.contract.generation import AnyReply, Done, Error, Generate, Loaded, Text, decode_reply, encode
from engine.contract.run import Run


def replies(run: Run, *requests: bytes) -> list[AnyReply]:
    """What a real generation process answers to `requests`."""
    answer = subprocess.run(
        [sys.executable, "-m", "engine", "generate", str(run.path), "--device", "cpu"],
        input=b"\n".join(requests),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert b"Traceback" not in answer.stderr, answer.stderr.decode()
    return [decode_reply.decode(line) for line in answer.stdout.splitlines()]


@pytest.fixture
def trained(new_run: Callable[..., Run]) -> Run:
    run = new_run("train.max_steps=8")
    assert engine(run) == 0, run.log.read_text()
    return run


def story_of(answers: list[AnyReply]) -> str:
    return "".join(reply.text for reply in answers if isinstance(reply, Text))


def test_requests_are_answered_in_order_and_seeds_repeat(trained: Run) -> None:
    request = encode(Generate("Once", Sampling(max_new_tokens=12), seed=5))
    loaded, *answers = replies(trained, request, b'{"request":"dance"}', request)
    assert isinstance(loaded, Loaded) and loaded.step == 8 and loaded.checkpoint == "best"
    kinds = [type(reply) for reply in answers if not isinstance(reply, Text)]
    assert kinds == [Done, Error, Done]
    first_end = next(index for index, reply in enumerate(answers) if isinstance(reply, Done))
    first, second = story_of(answers[: first_end + 1]), story_of(answers[first_end + 1 :])
    assert first == second != ""
    done = answers[first_end]
    assert isinstance(done, Done) and done.tokens == 12 and done.reason == "length" and done.seed == 5


def test_a_run_without_a_checkpoint_is_an_error_reply(new_run: Callable[..., Run]) -> None:
    (answer,) = replies(new_run())
    assert isinstance(answer, Error) and "has no best checkpoint yet" in answer.message
