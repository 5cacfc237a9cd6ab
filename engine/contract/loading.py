"""From a TOML text to an `Experiment`, or to all of its problems at once.

slm-tui validate            # every file of the workspace
slm-tui validate FILE
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import msgspec
import tomli
from msgspec import inspect as types

from engine.contract.checks import BringsTokenizer, contradictions
from engine.contract.errors import UserError, nearest
from engine.contract.experiment import Experiment
from engine.contract.toml_lines import KeyPath, given_twice, key_lines


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an experiment file."""

    where: str  # FILE:LINE, or FILE where no line can be named
    key: str  # "train.learning_rate"; "" for the file as a whole
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.key}{' ' if self.key else ''}{self.message}"


class ExperimentError(UserError):
    """An experiment file that cannot be used, with every problem found in it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def load_experiment(path: Path) -> Experiment:
    """Read `path`.

    Raises:
        ExperimentError: the file is missing, unreadable or says something that the schema does not allow.
    """
    return parse_experiment(read_text(path), source=str(path))


def read_text(path: Path) -> str:
    """The text of an experiment file; ExperimentError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        reason = "does not exist"
    except IsADirectoryError:
        reason = "is a folder, not a file"
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        reason = f"is not UTF-8 text (byte {error.object[error.start]:#04x} in line {line})"
    except OSError as error:
        reason = f"cannot be read: {(error.strerror or str(error)).lower()}"
    raise ExperimentError([Problem(str(path), "", reason)])


def parse_experiment(text: str, source: str, brings_tokenizer: BringsTokenizer | None = None) -> Experiment:
    """The experiment that `text` describes; `source` names it in messages, the rest is as for `check_experiment`."""
    experiment, problems = check_experiment(text, source, brings_tokenizer)
    if experiment is None:
        raise ExperimentError(problems)
    return experiment


def check_experiment(
    text: str, source: str, brings_tokenizer: BringsTokenizer | None = None
) -> tuple[Experiment | None, list[Problem]]:
    """The experiment, or None with every problem of the text, in the order of their lines.

    With `brings_tokenizer`, which looks for weights where a new run is to start: also whether there is what
    `train.init_from` names.
    """
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        return None, [_not_toml(error, source)]
    conversion = _Conversion(brings_tokenizer)
    experiment = conversion.table(Experiment, document, ())
    if conversion.problems:
        return None, _placed(conversion.problems, text, source)
    return experiment, []


def _not_toml(error: tomli.TOMLDecodeError, source: str) -> Problem:
    read = error.doc[: error.pos] + error.doc[error.pos :].partition("\n")[0]  # to the line's end
    if error.msg.startswith("Cannot") and (twice := given_twice(read)):
        key, first, second = twice
        return Problem(f"{source}:{second}", "", f"{'.'.join(key)} is given twice; the first is in line {first}")
    return Problem(f"{source}:{error.lineno}", "", f"is not valid TOML: {error.msg} (column {error.colno})")


def _placed(found: Sequence[tuple[KeyPath, str]], text: str, source: str) -> list[Problem]:
    lines = key_lines(text)

    def line(path: KeyPath) -> int:
        return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 0)

    ordered = sorted(found, key=lambda problem: line(problem[0]))
    return [
        Problem(f"{source}:{line(path)}" if line(path) else source, ".".join(path), message)
        for path, message in ordered
    ]


class _Conversion:
    """Converts key by key and continues after a problem, so that all of them are reported together."""

    def __init__(self, brings_tokenizer: BringsTokenizer | None) -> None:
        self.brings_tokenizer = brings_tokenizer
        self.problems: list[tuple[KeyPath, str]] = []

    def table(self, struct: type[msgspec.Struct], value: Any, path: KeyPath) -> Any:
        if not isinstance(value, Mapping):
            self.problems.append((path, f"= {_shown(value)}: must be a table, [{'.'.join(path)}]"))
            return None
        before = len(self.problems)
        fields = _fields(struct)
        for key in (key for key in value if key not in fields):
            near = _did_you_mean(key, fields) or f"; there are {', '.join(fields)}"
            self.problems.append(((*path, key), f"is not a key of {_table_name(path)}{near}"))
        for key, field in fields.items():
            if field.required and key not in value:
                self.problems.append(((*path, key), f"is missing; it must be {requirement(field.type)}"))
        known = {key: self.value(fields[key].type, value[key], (*path, key)) for key in fields if key in value}
        if len(self.problems) > before:
            return None
        table = struct(**known)
        found = contradictions(table, self.brings_tokenizer)
        self.problems.extend(((*path, *key.split(".")), message) for key, message in found)
        return table

    def value(self, info: types.Type, value: Any, path: KeyPath) -> Any:
        if inner := _struct_in(info):
            return self.table(inner, value, path)
        try:
            converted = msgspec.convert(value, _annotation(path))
        except msgspec.ValidationError:
            near = _did_you_mean(value, _choices(info)) if isinstance(value, str) else ""
            self.problems.append((path, f"= {_shown(value)}: must be {requirement(info)}{near}"))
            return None
        if converted == math.inf:
            self.problems.append((path, f"= {_shown(value)}: is too large; it must be {requirement(info)}"))
        return converted


@cache
def _fields(struct: type[msgspec.Struct]) -> dict[str, types.Field]:
    """What the schema says of a table's keys. msgspec takes milliseconds for each answer, so it is asked once."""
    return {field.name: field for field in cast(types.StructType, types.type_info(struct)).fields}


def unused_keys(table: msgspec.Struct) -> set[str]:
    """The keys that mean nothing beside the others of `table`, such as a hub dataset's where the source is files."""
    unused = set()
    for name, field in _fields(type(table)).items():
        extra = field.type.extra if isinstance(field.type, types.Metadata) else None
        key, values = (extra or {}).get("only", (None, ()))
        if key is not None and getattr(table, key) not in values:
            unused.add(name)
    return unused


@cache
def _annotation(path: KeyPath) -> Any:
    """The schema's type at `path`, for msgspec to convert to."""
    struct: Any = Experiment
    for key in path[:-1]:
        struct = _struct_in(_fields(struct)[key].type)
    return next(field.type for field in msgspec.structs.fields(struct) if field.name == path[-1])


def _struct_in(info: types.Type) -> type[msgspec.Struct] | None:
    """The struct of a table, or of an optional table."""
    for candidate in _members(info):
        if isinstance(candidate, types.StructType):
            return candidate.cls
    return None


def _members(info: types.Type) -> tuple[types.Type, ...]:
    """The types that a value may have, without descriptions and without None (TOML has no null)."""
    if isinstance(info, types.Metadata):
        return _members(info.type)
    if isinstance(info, types.UnionType):
        return tuple(member for part in info.types for member in _members(part))
    return () if isinstance(info, types.NoneType) else (info,)


def _choices(info: types.Type) -> list[str]:
    return [str(value) for member in _members(info) if isinstance(member, types.LiteralType) for value in member.values]


def requirement(info: types.Type) -> str:
    """What a key must be, in words: 'a whole number, at least 1', or the words that the schema has for it."""
    if isinstance(info, types.Metadata) and info.extra and "wanted" in info.extra:
        return str(info.extra["wanted"])
    return " or ".join(_in_words(member) for member in _members(info))


def _in_words(info: types.Type) -> str:
    if isinstance(info, types.LiteralType):
        return " or ".join(f'"{value}"' for value in info.values)
    if isinstance(info, types.BoolType):
        return "true or false"
    if isinstance(info, types.IntType | types.FloatType):
        kind = "a whole number" if isinstance(info, types.IntType) else "a number"
        bounds = [("at least", info.ge), ("above", info.gt), ("at most", info.le), ("below", info.lt)]
        limits = " and ".join(f"{word} {bound:_}" for word, bound in bounds if bound is not None)
        return f"{kind}, {limits}" if limits else kind
    if isinstance(info, types.StrType):
        return "a non-empty string" if info.min_length else "a string"
    if isinstance(info, types.TupleType):
        return f"a list of {len(info.item_types)}: " + ", ".join(map(requirement, info.item_types))
    if isinstance(info, types.VarTupleType):
        return f"a {'non-empty ' if info.min_length else ''}list, each entry {requirement(info.item_type)}"
    assert isinstance(info, types.StructType), info
    return "a table"


def _table_name(path: KeyPath) -> str:
    return f"[{'.'.join(path)}]" if path else "an experiment file"


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    return f'; did you mean "{near}"?' if near else ""


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    text = text.replace("\n", "\\n")
    return text if len(text) <= 60 else text[:57] + "..."
