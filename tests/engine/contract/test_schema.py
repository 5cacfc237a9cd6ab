"""The JSON Schema says what the loading says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import tomli

from engine.contract.experiment import Data, Table, Tokenizer, json_schema
from engine.contract.loading import load_experiment

SHIPPED = sorted((Path(__file__).parents[3] / "experiments").glob("*.toml"))
SCHEMA = json_schema()


def resolved(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The node's alternatives, references followed."""
    if "$ref" in node:
        name = node["$ref"].removeprefix("#/$defs/")
        return resolved(SCHEMA["$defs"][name])
    return [option for part in node["anyOf"] for option in resolved(part)] if "anyOf" in node else [node]


def unknown_or_missing(document: Any, node: dict[str, Any], path: str = "") -> Iterator[str]:
    """Keys of a document that the schema does not have, or lacks; values outside an enumeration."""
    if isinstance(document, dict):
        (table,) = [option for option in resolved(node) if option.get("type") == "object"]
        yield from (f"{path}{key} is missing" for key in table.get("required", ()) if key not in document)
        for key, value in document.items():
            if key not in table["properties"]:
                yield f"{path}{key} is unknown"
            else:
                yield from unknown_or_missing(value, table["properties"][key], f"{path}{key}.")
        return
    choices = [value for option in resolved(node) for value in option.get("enum", ())]
    if choices and not isinstance(document, bool) and document not in choices:
        yield f"{path[:-1]} = {document}"


@pytest.mark.parametrize("table", [Data, Tokenizer], ids=lambda table: table.__name__)
def test_keys_that_belong_to_another_are_marked_with_values_that_it_may_have(table: type[Table]) -> None:
    fields = {field.name: field.type for field in msgspec.inspect.type_info(table).fields}  # type: ignore[attr-defined]
    marks = [kind.extra["only"] for kind in fields.values() if getattr(kind, "extra", None)]
    assert marks
    for key, values in marks:
        assert set(values) <= set(fields[key].values)


def test_there_are_shipped_experiments() -> None:
    assert SHIPPED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_experiment_loads_and_fits_the_schema(path: Path) -> None:
    load_experiment(path)
    document = tomli.loads(path.read_text(encoding="utf-8"))
    assert list(unknown_or_missing(document, SCHEMA)) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_experiment_is_valid_to_an_independent_validator(path: Path) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(tomli.loads(path.read_text(encoding="utf-8")))


def test_what_the_loading_refuses_does_not_fit_the_schema(tiny: str) -> None:
    document = tomli.loads(tiny)
    assert list(unknown_or_missing(document, SCHEMA)) == []
    document["train"]["learning_rat"] = document["train"].pop("learning_rate")
    document["model"].pop("n_head")
    document["data"]["source"] = "web"
    assert sorted(unknown_or_missing(document, SCHEMA)) == [
        "data.source = web",
        "model.n_head is missing",
        "train.learning_rat is unknown",
    ]


def test_the_schema_forbids_unknown_keys_everywhere_and_gives_the_bounds() -> None:
    tables = [node for node in SCHEMA["$defs"].values() if node.get("type") == "object"]
    assert len(tables) == 9
    assert all(table["additionalProperties"] is False for table in tables)
    assert SCHEMA["$defs"]["Model"]["properties"]["dropout"] | {"default": None} == {
        "type": "number",
        "minimum": 0,
        "exclusiveMaximum": 1,
        "default": None,
    }
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(SCHEMA))["$defs"].keys() == SCHEMA["$defs"].keys()
