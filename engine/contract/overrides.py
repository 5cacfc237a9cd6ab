"""`--set table.key=value`: one run's changes to an experiment file, comments kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tomli

from engine.contract.errors import UserError


def apply_overrides(text: str, overrides: Sequence[str]) -> str:
    """`text` with each `table.key=value` set in it; the value is TOML, or else a bare text.

    Whether key and value make sense is for the loading to say; so it is of a text that is no TOML, which comes back as
    it was.

    Raises:
        UserError: an override is not of the form `table.key=value`.
    """
    if not overrides:
        return text
    try:
        tomli.loads(text)
    except tomli.TOMLDecodeError:
        return text
    import tomlkit  # 60 ms, and only a run with --set needs it

    document = tomlkit.parse(text)
    for override in overrides:
        dotted, equals, value = override.partition("=")
        *tables, key = (part.strip() for part in dotted.split("."))
        if not equals or not key or not all(tables):
            raise UserError(f"--set {override}: must be table.key=value, such as train.max_steps=200")
        target: Any = document
        for table in tables:
            target = target.setdefault(table, tomlkit.table())
            if not isinstance(target, dict):
                raise UserError(f"--set {override}: {table} is a value, not a table")
        target[key] = _parsed(value.strip())
    return tomlkit.dumps(document)


def _parsed(value: str) -> Any:
    try:
        return tomli.loads(f"value = {value}")["value"]
    except tomli.TOMLDecodeError:
        return value
