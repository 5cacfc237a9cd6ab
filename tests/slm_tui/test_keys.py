"""The table of keys."""

from __future__ import annotations

import pytest
from textual.binding import Binding

from slm_tui.keys import KEYS, TITLES, bindings, key_id, unknown_ids


@pytest.mark.parametrize("group", KEYS)
def test_no_key_means_two_things_at_once(group: str) -> None:
    keys = [name for key in KEYS[group] for name in key.keys.split(",")]
    assert len(keys) == len(set(keys))


def test_every_action_can_be_remapped_by_one_id_wherever_it_works() -> None:
    ids = {key_id(group, key) for group, keys in KEYS.items() for key in keys}
    for group, keys in KEYS.items():
        assert len({key_id(group, key) for key in keys}) == len(keys)
    in_lists = {key.action: key_id("experiments", key) for key in KEYS["experiments"]}
    assert in_lists["stop"] == "run.stop" and in_lists["filter"] == "experiments.filter"
    assert {binding.id for group in KEYS for binding in bindings(group) if isinstance(binding, Binding)} == ids


def test_a_name_in_the_keymap_that_no_key_has_is_told() -> None:
    assert unknown_ids(["run.stop", "chart.zoom(1)"]) is None
    assert "run.nope" in str(unknown_ids(["run.nope", "run.stop"]))


def test_every_group_has_a_title_and_every_key_a_sentence() -> None:
    assert set(TITLES) == set(KEYS)
    assert all(key.help.endswith(".") and key.label for keys in KEYS.values() for key in keys)


@pytest.mark.parametrize("swallowed", ["ctrl+s", "ctrl+enter", "ctrl+b", "ctrl+z", "ctrl+c", "ctrl+m", "ctrl+i"])
def test_outside_the_editor_no_key_is_one_that_terminals_or_tmux_take(swallowed: str) -> None:
    groups = [group for group in KEYS if group != "editor" or swallowed != "ctrl+s"]  # raw mode gives ctrl+s through
    assert all(swallowed not in key.keys.split(",") for group in groups for key in KEYS[group])
