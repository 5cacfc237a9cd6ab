"""Experiment files: every problem at once, each with its place, and nothing accepted that the schema refuses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomlkit
from msgspec import inspect as types

from engine.contract.experiment import Experiment
from engine.contract.loading import ExperimentError, Problem, check_experiment, load_experiment, parse_experiment
from engine.contract.overrides import apply_overrides
from engine.runs.workspace import Workspace

FULL = """
description = "everything set"
tags = ["a", "b"]
notes = '''
several
lines'''
[data]
source = "hub"
language = "arabic"
stories = 7
dataset = "owner/name"
config = "plain"
train_split = "train"
val_split = ""
streaming_rows = 1000
files = ["a.csv", "b/*.jsonl"]
text_column = "Story"
document_separator = "----"
repair_mojibake = true
normalization = "NFKC"
val_fraction = 0.2
split_seed = 0
fraction = 0.5
[data.translate]
model = "Helsinki-NLP/opus-mt-en-ar"
fraction = 0.25
batch_size = 8
max_length = 100
[tokenizer]
kind = "byte_bpe"
vocab_size = 1000
min_frequency = 3
name = "unused"
end_of_text = "</s>"
[model]
n_layer = 2
n_head = 4
n_embd = 64
block_size = 32
dropout = 0.1
bias = false
tie_weights = false
activation = "gelu_tanh"
embedding_std = 0.5
[train]
max_steps = 100
batch_size = 8
grad_accum_steps = 2
optimizer = "muon"
learning_rate = 2e-3
min_learning_rate = 2e-4
schedule = "plateau"
warmup_steps = 10
weight_decay = 0
betas = [0.8, 0.99]
eps = 1e-9
grad_clip = 0
eval_interval = 20
eval_batches = 3
early_stopping = 4
precision = "bf16"
compile = true
deterministic = true
seed = 0
checkpoint_interval = 30
sample_interval = 40
init_from = "huggingface:owner/name"
[hardware]
device = "cuda:1"
memory_fraction = 0.9
num_threads = 2
share_device = true
[sampling]
prompts = ["Once", "كان"]
max_new_tokens = 50
temperature = 0
top_k = 20
top_p = 0.85
min_p = 0.05
repetition_penalty = 1.15
stop = ["The end", "---"]
allowed_script = "arabic"
[sampling.translate]
prompt_model = "Helsinki-NLP/opus-mt-ar-en"
story_model = "Helsinki-NLP/opus-mt-en-ar"
"""


def problems(text: str) -> list[Problem]:
    experiment, found = check_experiment(text, "x.toml")
    assert (experiment is None) == bool(found)
    return found


def keys(text: str) -> list[str]:
    return [problem.key for problem in problems(text)]


def changed(text: str, path: tuple[str, ...], value: Any) -> str:
    """`text` with the key at `path` set, whatever type it has."""
    return next(variants(text, path, [value]))


def variants(text: str, path: tuple[str, ...], values: Iterable[Any]) -> Iterator[str]:
    """`text` with each of `values` in turn at `path`."""
    document = tomlkit.parse(text)
    target: Any = document
    for table in path[:-1]:
        target = target[table]
    for value in values:
        target[path[-1]] = value
        yield tomlkit.dumps(document)


def test_every_problem_is_reported_at_once_with_line_key_value_and_what_is_wanted() -> None:
    text = """[data]
source = "builtin"
stories = "many"
[tokenizer]
kind = "gpt2"
[model]
n_layer = 0
n_head = 2
n_embd = 32
block_size = 32
[train]
max_steps = 24
learning_rat = 3e-3
[hardware]
device = "gpu"
"""
    assert [str(problem) for problem in problems(text)] == [
        'x.toml:3: data.stories = "many": must be a whole number, at least 1 and at most 1_000_000_000',
        "x.toml:7: model.n_layer = 0: must be a whole number, at least 1 and at most 1_000",
        'x.toml:13: train.learning_rat is not a key of [train]; did you mean "learning_rate"?',
        'x.toml:15: hardware.device = "gpu": must be auto, cpu, mps, cuda or cuda:N',
    ]


def test_the_error_carries_all_of_them(tiny: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        parse_experiment(tiny.replace("n_head = 2", "n_head = 0").replace("stories", "storys"), "x.toml")
    assert [problem.key for problem in caught.value.problems] == ["data.storys", "model.n_head"]
    assert str(caught.value).count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ('source = "builtin"', 'source = "build-in"', 'did you mean "builtin"?'),
        ('kind = "byte_bpe"', 'kind = "byte-bpe"', 'did you mean "byte_bpe"?'),
        ("batch_size", "batchsize", 'did you mean "batch_size"?'),
        ("[sampling]", "[samplings]", 'did you mean "sampling"?'),
        ("batch_size", "zzz", "there are max_steps, batch_size, grad_accum_steps"),
    ],
)
def test_the_nearest_valid_name_is_given(tiny: str, old: str, new: str, hint: str) -> None:
    (problem,) = problems(tiny.replace(old, new))
    assert hint in problem.message


def test_a_missing_key_is_reported_at_its_table(tiny: str) -> None:
    text = tiny.replace("n_embd = 32\n", "")
    (problem,) = problems(text)
    assert problem.key == "model.n_embd"
    assert problem.message == "is missing; it must be a whole number, at least 1 and at most 65_536"
    assert problem.where == f"x.toml:{text.splitlines().index('[model]') + 1}"


def test_an_empty_file_lacks_every_required_table() -> None:
    assert keys("") == ["data", "tokenizer", "model", "train"]
    assert {problem.where for problem in problems("")} == {"x.toml"}


def test_a_problem_in_an_inline_table_is_reported_at_its_line(tiny: str) -> None:
    table = tiny[tiny.index("[tokenizer]") : tiny.index("[model]")]
    text = '\n\ntokenizer = {kind = "byte_bpe", vocab_size = 1, b = 2, a = 1}\n' + tiny.replace(table, "")
    assert [(problem.where, problem.key) for problem in problems(text)] == [
        ("x.toml:3", "tokenizer.b"),
        ("x.toml:3", "tokenizer.a"),
        ("x.toml:3", "tokenizer.vocab_size"),
    ]


def test_lines_are_right_behind_strings_and_arrays_over_several_lines(tiny: str) -> None:
    notes = 'notes = """\n[train]\nmax_steps = 1\n"""\ntags = [\n  "a]", # ]\n  "b",\n]\n'
    text = notes + tiny.replace("max_steps = 24", "max_steps = 0")
    assert [problem.where for problem in problems(text)] == [f"x.toml:{text.splitlines().index('max_steps = 0') + 1}"]


@pytest.mark.parametrize("broken", ["a = ", "[train", 'x = "', "a.b = 1\na.b.c = 2", "= 3"])
def test_a_syntax_error_names_its_line(broken: str) -> None:
    (problem,) = problems("# one\n# two\n" + broken)
    line = int(problem.where.removeprefix("x.toml:"))
    assert 3 <= line <= 4
    assert problem.message.startswith("is not valid TOML: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[train]\nseed = 1\n[data]\n[train]\nseed = 2", "x.toml:4: train is given twice; the first is in line 1"),
        ("[data]\nx = 1\n[train]\nx = 1\nx = 2 # x", "x.toml:5: train.x is given twice; the first is in line 4"),
        ("[a]\r\nx = 'y'\r\nx = [\r\n1]\r\n", "x.toml:3: a.x is given twice; the first is in line 2"),
        ("[[a]]\nx = 1\n[[a]]\nx = 1\n'x' = 2", "x.toml:5: a.x is given twice; the first is in line 4"),
        ("a = 1\n[a]", "x.toml:2: a is given twice; the first is in line 1"),
    ],
)
def test_a_key_or_table_that_is_given_twice_is_named(text: str, said: str) -> None:
    assert [str(problem) for problem in problems(text)] == [said]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"none\.toml: does not exist"):
        load_experiment(tmp_path / "none.toml")
    with pytest.raises(ExperimentError, match=r": is a folder, not a file$"):
        load_experiment(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'# one\ndescription = "caf\xe9"')
    with pytest.raises(ExperimentError, match=r"latin\.toml: is not UTF-8 text \(byte 0xe9 in line 2\)$"):
        load_experiment(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("model", "n_embd"), 33, "= 33: must be a multiple of n_head = 2"),
        (("sampling", "temperature"), math.inf, "= inf: must be a number, at least 0 and at most 100"),
        (("sampling", "repetition_penalty"), math.inf, "= inf: must be a number, at least 1 and at most 100"),
        (("train", "min_learning_rate"), 4e-3, "is above learning_rate = 0.003"),
        (("train", "warmup_steps"), 24, "= 24: must be below max_steps = 24"),
        (("data", "source"), "files", "data.files is missing"),
        (("data", "source"), "hub", "data.dataset is missing"),
        (("tokenizer", "kind"), "gpt2", "GPT-2's vocabulary has 50257; leave it out"),
        (("train", "init_from"), "huggingface:", 'is empty: it must be a run, "huggingface:ID" or the path'),
    ],
)
def test_keys_that_contradict_each_other_are_refused(tiny: str, path: Any, value: Any, message: str) -> None:
    (problem,) = problems(changed(tiny, path, value))
    assert message in str(problem)


@pytest.mark.parametrize("name", ["ckpt.pt", "bare.safetensors", "folder"])
def test_weights_without_a_tokenizer_want_one_that_is_not_trained_on_other_texts(
    tiny: str, tmp_path: Path, name: str
) -> None:
    (tmp_path / "ckpt.pt").touch()
    (tmp_path / "bare.safetensors").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "config.json").touch()
    text = tiny.replace("[train]", f'[train]\ninit_from = "{name}"')
    (problem,) = check_experiment(text, "x.toml", Workspace(tmp_path).weights_bring_tokenizer)[1]
    assert str(problem).startswith(f'x.toml:16: train.init_from = "{name}": comes without a tokenizer, and one that')
    with_gpt2 = apply_overrides(text, ['tokenizer={kind="gpt2"}'])
    assert check_experiment(with_gpt2, "x.toml", Workspace(tmp_path).weights_bring_tokenizer)[1] == []
    (tmp_path / "folder" / "tokenizer.json").touch()
    brings_one = text.replace(f'"{name}"', '"folder"')
    assert check_experiment(brings_one, "x.toml", Workspace(tmp_path).weights_bring_tokenizer)[1] == []


def test_what_init_from_names_is_looked_for_where_a_new_run_is_to_start(tiny: str, tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "first.toml").touch()  # it may run before this one
    workspace = Workspace(tmp_path)

    def problems(init_from: str, where: Workspace | None) -> list[str]:
        text = tiny.replace("[train]", f'[train]\ninit_from = "{init_from}"')
        return list(map(str, check_experiment(text, "x.toml", where and where.weights_bring_tokenizer)[1]))

    (problem,) = problems("frist", workspace)
    assert problem.startswith('x.toml:16: train.init_from = "frist": is not a file, and as a run: ')
    assert problem.endswith("did you mean first?")
    assert problems("first", workspace) == problems("huggingface:owner/name", workspace) == []
    assert problems("frist", None) == [], "a run that goes on needs it no more"
    assert len(problems("huggingface:", workspace)) == 1


def test_byte_bpe_needs_a_size(tiny: str) -> None:
    assert keys(tiny.replace("vocab_size = 400\n", "")) == ["tokenizer.vocab_size"]


def test_a_huggingface_tokenizer_needs_a_name(tiny: str) -> None:
    text = changed(tiny, ("tokenizer", "kind"), "huggingface")
    assert keys(text) == ["tokenizer.name"]
    assert keys(changed(text, ("tokenizer", "name"), "")) == ["tokenizer.name"]
    assert not problems(changed(text, ("tokenizer", "name"), "aubmindlab/aragpt2-base"))


def test_contradictions_stop_just_short_of_what_is_allowed(tiny: str) -> None:
    text = changed(tiny, ("train", "min_learning_rate"), 3e-3)
    assert not problems(changed(text, ("train", "warmup_steps"), 23))


def test_several_contradictions_are_reported_together(tiny: str) -> None:
    text = tiny.replace("n_embd = 32", "n_embd = 33").replace("warmup_steps = 4", "warmup_steps = 99")
    assert keys(text) == ["model.n_embd", "train.warmup_steps"]


def test_a_full_file_comes_back_as_written() -> None:
    written = tomlkit.parse(FULL).unwrap()
    in_full = {(table, key) for table, values in written.items() if isinstance(values, dict) for key in values}
    assert in_full == {path for path, _ in schema_keys() if len(path) == 2}
    experiment = parse_experiment(FULL, "x.toml")
    loaded = msgspec.json.decode(msgspec.json.encode(experiment))
    assert loaded == written
    assert parse_experiment(tomlkit.dumps(loaded), "again.toml") == experiment


def schema_keys(struct: Any = Experiment, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], types.Type]]:
    """Every key that an experiment file may have, tables too, with its type."""
    info = types.type_info(struct)
    assert isinstance(info, types.StructType)
    for field in info.fields:
        yield (*path, field.name), field.type
        for member in members(field.type):
            if isinstance(member, types.StructType):
                yield from schema_keys(member.cls, (*path, field.name))


def members(info: types.Type) -> list[types.Type]:
    if isinstance(info, types.Metadata):
        return members(info.type)
    if isinstance(info, types.UnionType):
        return [member for part in info.types for member in members(part)]
    return [info]


def wrong_values(info: types.Type) -> Iterator[Any]:
    """Values of every TOML type that the key does not take, and those just past its bounds."""
    allowed = members(info)
    of_type: list[tuple[Any, type[types.Type]]] = [
        ("x\n" * 40, types.StrType),
        ("3", types.StrType),
        ("true", types.StrType),
        (True, types.BoolType),
        (1.5, types.FloatType),
    ]
    for value, kind in of_type:
        if not any(isinstance(member, kind) for member in allowed):
            yield value
    yield -(2**63)
    yield from ([], [[]], [1, 2, 3], [0.5, "x"]) if not is_list(allowed) else ([1, "x"], "abc", {"a": 1})
    if not any(isinstance(member, types.StructType) for member in allowed):
        yield {"a": {"b": 1}}
    yield tomlkit.date("2026-11-21")
    for member in allowed:
        if isinstance(member, types.IntType):
            yield from (2**63, 10**30)
        if isinstance(member, types.FloatType):
            yield from (math.nan, math.inf, -math.inf)
        if isinstance(member, types.IntType | types.FloatType):
            yield from (member.ge - 1,) if member.ge is not None else ()
            yield from (member.gt,) if member.gt is not None else ()
            yield from (member.le + 1,) if member.le is not None else ()
            yield from (member.lt,) if member.lt is not None else ()


def is_list(allowed: list[types.Type]) -> bool:
    return any(isinstance(member, types.TupleType | types.VarTupleType) for member in allowed)


@pytest.mark.parametrize(
    ("path", "info"), [pytest.param(path, info, id=".".join(path)) for path, info in schema_keys()]
)
def test_a_wrong_value_is_that_keys_problem_alone(path: tuple[str, ...], info: types.Type) -> None:
    for text in variants(FULL, path, wrong_values(info)):
        found = problems(text)
        assert [problem.key for problem in found] == [".".join(path)], text
        (problem,) = found
        assert "must be " in problem.message
        assert "\n" not in str(problem), "one problem, one line"
        assert problem.where.startswith("x.toml:"), problem


def test_a_contradiction_in_one_table_is_told_beside_a_wrong_type_in_another(tiny: str) -> None:
    text = changed(changed(tiny, ("data", "stories"), "many"), ("model", "n_head"), 3)
    assert {problem.key for problem in problems(text)} == {"data.stories", "model.n_embd"}


def test_the_largest_numbers_are_still_numbers(tiny: str) -> None:
    text = changed(changed(tiny, ("train", "learning_rate"), 1e300), ("train", "seed"), 2**63 - 1)
    train = parse_experiment(text, "x.toml").train
    assert (train.learning_rate, train.seed) == (1e300, 2**63 - 1)


def test_bounds_are_shown_in_full(tiny: str) -> None:
    (problem,) = problems(tiny.replace("vocab_size = 400", "vocab_size = 5_000_000_000"))
    assert problem.message == "= 5000000000: must be a whole number, at least 257 and at most 1_000_000"
    (problem,) = problems(changed(tiny, ("data", "document_separator"), ""))
    assert problem.message == '= "": must be a non-empty string'
    (problem,) = problems(changed(tiny, ("sampling", "prompts"), []))
    assert problem.message == "= []: must be a non-empty list, each entry a string"
