"""The table of export formats is whole: each row has its writer, and a wrong name is told the right ones."""

from __future__ import annotations

from importlib import import_module

import pytest

from engine.contract.errors import UserError
from engine.contract.export_formats import EXPORT_FORMATS, export_format


@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_every_format_has_a_writer_in_interop(name: str) -> None:
    module, _, function = EXPORT_FORMATS[name].writer.partition(":")
    assert callable(getattr(import_module(f"engine.interop.{module}"), function))
    assert export_format(name) == name
    assert EXPORT_FORMATS[name].how_to_open.format(path="here")


def test_a_wrong_format_is_refused_with_the_right_ones() -> None:
    with pytest.raises(UserError, match=r"--format ggfu: must be one of huggingface, .*; did you mean gguf\?"):
        export_format("ggfu")
