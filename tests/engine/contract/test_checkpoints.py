"""Which checkpoint is meant, and what is said of one that cannot be."""

from __future__ import annotations

import pytest

from engine.contract.checkpoints import checkpoint_name, is_checkpoint_name, other_checkpoints
from engine.contract.errors import UserError
from engine.contract.events import Checkpoint, decode, encode


@pytest.mark.parametrize("name", ["best", "last", "step-0", "step-12000"])
def test_names_of_checkpoints_are_taken_and_pass_through_events(name: str) -> None:
    assert checkpoint_name(name) == name
    event = decode(encode(Checkpoint(name, 3, "somewhere")))
    assert isinstance(event, Checkpoint) and event.kind == name


@pytest.mark.parametrize("name", ["", "bes", "best\n", "step-", "step-x", "step--1", "../best", ".best.old", "step-٣"])
def test_other_names_are_none(name: str) -> None:
    assert not is_checkpoint_name(name)
    assert decode(encode(Checkpoint(name, 3, "somewhere"))) is None


@pytest.mark.parametrize(
    ("name", "end"), [("besst", "step-N; did you mean best?"), ("200", "must be best, last or step-N")]
)
def test_a_wrong_name_is_refused_with_what_is_right(name: str, end: str) -> None:
    with pytest.raises(UserError) as refused:
        checkpoint_name(name)
    assert str(refused.value).startswith(f"--checkpoint {name}: ") and str(refused.value).endswith(end)


@pytest.mark.parametrize(
    ("names", "end"),
    [
        ([], ""),
        (["last"], "; use --checkpoint last"),
        (["best", "last", "step-5"], "; use --checkpoint best, last or step-5"),
        ([f"step-{n}" for n in range(9)], "step-4, step-5 or …"),
    ],
)
def test_a_message_names_the_checkpoints_there_are(names: list[str], end: str) -> None:
    assert other_checkpoints(names).endswith(end)
    assert bool(other_checkpoints(names)) == bool(names)
