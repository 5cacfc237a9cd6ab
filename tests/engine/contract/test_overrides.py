"""`--set table.key=value`."""

from __future__ import annotations

import pytest
import tomli

from engine.contract.errors import UserError
from engine.contract.loading import parse_experiment
from engine.contract.overrides import apply_overrides

TEXT = """# what this is
description = "x"  # said shortly

[train]
# why so many
max_steps = 300  # a minute
batch_size = 4
"""


def test_comments_and_order_stay() -> None:
    assert apply_overrides(TEXT, ["train.max_steps=20"]) == TEXT.replace("300", "20")


def test_without_overrides_not_a_byte_changes() -> None:
    odd = "a=1\r\n\r\n  b   =  2   # c"
    assert apply_overrides(odd, []) is odd


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20", 20),
        ("2e-3", 2e-3),
        ("true", True),
        ("[0.9, 0.95]", [0.9, 0.95]),
        ('"20"', "20"),
        ("muon", "muon"),
        ("cuda:1", "cuda:1"),
        ("a b # c", "a b # c"),
        ("كان يا ما كان", "كان يا ما كان"),
        ("a=b", "a=b"),
        ("", ""),
        (" 20 ", 20),
        ("{b = 1}", {"b": 1}),
    ],
)
def test_a_value_is_toml_or_else_a_bare_text(value: str, expected: object) -> None:
    got = tomli.loads(apply_overrides(TEXT, [f"train.key={value}"]))["train"]["key"]
    assert got == expected
    assert type(got) is type(expected)


def test_the_last_of_two_for_a_key_counts() -> None:
    assert tomli.loads(apply_overrides(TEXT, ["train.a=1", "train.a=2"]))["train"]["a"] == 2


def test_a_new_table_is_made_and_a_new_top_level_key_stays_outside_tables() -> None:
    document = tomli.loads(
        apply_overrides(TEXT.rstrip("\n"), ["sampling.top_k=5", "notes=hi", "data.translate.model=m"])
    )
    assert document["sampling"] == {"top_k": 5}
    assert document["notes"] == "hi"
    assert document["data"] == {"translate": {"model": "m"}}
    assert document["train"] == {"max_steps": 300, "batch_size": 4}


def test_inline_and_scattered_tables_are_set_in_place() -> None:
    text = 'data = {source = "builtin"}\n[model]\nn_layer = 1\n[train]\n[model.more]\nx = 1\n'
    document = tomli.loads(apply_overrides(text, ["data.stories=5", "model.n_layer=2", "model.more.x=3"]))
    assert document["data"] == {"source": "builtin", "stories": 5}
    assert document["model"] == {"n_layer": 2, "more": {"x": 3}}


@pytest.mark.parametrize("override", ["", "train.max_steps", "=5", "train.=5", ".max_steps=5", "train..a=5", " = 5"])
def test_another_form_is_refused_with_an_example(override: str) -> None:
    with pytest.raises(UserError, match=r"--set .*: must be table\.key=value, such as train\.max_steps=200"):
        apply_overrides(TEXT, [override])


def test_a_key_below_a_value_is_refused() -> None:
    with pytest.raises(UserError, match="description is a value, not a table"):
        apply_overrides(TEXT, ["description.x=1"])


def test_an_overridden_experiment_loads(tiny: str) -> None:
    experiment = parse_experiment(apply_overrides(tiny, ["train.max_steps=50", "train.optimizer=muon"]), "x")
    assert (experiment.train.max_steps, experiment.train.optimizer) == (50, "muon")
