"""`show` tells what applies."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from engine.contract.loading import parse_experiment
from slm_tui.details import details_of, print_details


@pytest.mark.parametrize(
    ("data", "told", "untold"),
    [
        ('source = "builtin"', {"language", "stories"}, {"text_column", "val_split", "document_separator"}),
        ('source = "files"\nfiles = ["a.txt"]', {"text_column", "document_separator"}, {"stories", "val_split"}),
        ('source = "hub"\ndataset = "a/b"', {"text_column", "val_split"}, {"stories", "document_separator"}),
    ],
)
def test_show_leaves_out_the_keys_that_belong_to_another_source(
    tiny: str, data: str, told: set[str], untold: set[str]
) -> None:
    experiment = parse_experiment(tiny.replace('source = "builtin"\nstories = 200', data), "tiny")
    console = Console(record=True, width=80, file=io.StringIO())
    print_details(console, details_of("tiny", experiment))
    keys = {line.partition(" = ")[0] for line in console.export_text().splitlines() if " = " in line}
    assert told | {"source", "val_fraction", "fraction", "min_frequency", "max_steps"} <= keys
    assert not untold & keys
