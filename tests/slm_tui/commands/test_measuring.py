"""`slm-tui prepare`, as a person calls it. `evaluate`: tests/slm_tui/commands/test_exchanging.py."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

Program = Callable[..., "subprocess.CompletedProcess[str]"]


def test_json_tells_facts_and_nothing_of_how_they_came(program: Program) -> None:
    document = json.loads(program("prepare", "tiny", "--json").stdout)
    assert document["vocab_size"] == 400 and "data/tiny-" in document["directory"]
    assert not {"event", "t"} & document.keys()
