"""What a misspelt name was meant to be."""

from __future__ import annotations

import pytest

from engine.contract.errors import nearest

KNOWN = ("batch_size", "warmup_steps", "learning_rate", "quickstart", "quickstart_arabic", "tinystories_512")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("batchsize", "batch_size"),
        ("batch", "batch_size"),
        ("warm_up_steps", "warmup_steps"),
        ("learning_rat", "learning_rate"),
        ("quik_start", "quickstart"),
        ("quick", "quickstart"),
        ("tinystories", "tinystories_512"),
        ("qui", None),  # too little to say
        ("story", None),
        ("stop_size", None),
        ("", None),
    ],
)
def test_only_what_is_near_is_suggested(name: str, meant: str | None) -> None:
    assert nearest(name, KNOWN) == meant
