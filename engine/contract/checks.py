"""What is wrong with an experiment although each key by itself is right."""

from __future__ import annotations

from collections.abc import Iterator

from engine.contract.experiment import Experiment
from engine.contract.toml_lines import KeyPath

GPT2_VOCAB_SIZE = 50_257


def contradictions(experiment: Experiment) -> Iterator[tuple[KeyPath, str]]:
    """Each contradiction between keys: the key to change, and why."""
    yield from _data(experiment)
    yield from _tokenizer(experiment)
    yield from _model(experiment)
    yield from _train(experiment)
    yield from _later(experiment)


def _data(experiment: Experiment) -> Iterator[tuple[KeyPath, str]]:
    data = experiment.data
    if data.source == "files" and not data.files:
        yield ("data", "files"), 'is missing: source = "files" wants at least one path, glob or URL'
    if data.source == "hub" and not data.dataset:
        yield ("data", "dataset"), 'is missing: source = "hub" wants OWNER/NAME'


def _tokenizer(experiment: Experiment) -> Iterator[tuple[KeyPath, str]]:
    tokenizer = experiment.tokenizer
    if tokenizer.kind == "byte_bpe" and tokenizer.vocab_size is None:
        yield (
            ("tokenizer", "vocab_size"),
            'is missing: kind = "byte_bpe" wants the number of entries to train',
        )
    if tokenizer.kind == "gpt2" and tokenizer.vocab_size not in (None, GPT2_VOCAB_SIZE):
        yield (
            ("tokenizer", "vocab_size"),
            f"= {tokenizer.vocab_size}: GPT-2's vocabulary has {GPT2_VOCAB_SIZE}; leave it out",
        )


def _model(experiment: Experiment) -> Iterator[tuple[KeyPath, str]]:
    model = experiment.model
    if model.n_embd % model.n_head:
        yield ("model", "n_embd"), f"= {model.n_embd}: wants a multiple of n_head = {model.n_head}"


def _train(experiment: Experiment) -> Iterator[tuple[KeyPath, str]]:
    train = experiment.train
    if train.min_learning_rate > train.learning_rate:
        yield (
            ("train", "min_learning_rate"),
            f"= {train.min_learning_rate:g}: is above learning_rate = {train.learning_rate:g}, so the rate would "
            "rise for the whole run; wants at most learning_rate",
        )
    if train.warmup_steps >= train.max_steps:
        yield (
            ("train", "warmup_steps"),
            f"= {train.warmup_steps}: wants to be below max_steps = {train.max_steps}",
        )


def _later(experiment: Experiment) -> Iterator[tuple[KeyPath, str]]:
    """Keys whose meaning is fixed but that this version cannot act on: refused rather than ignored."""
    if experiment.tokenizer.kind == "huggingface":
        yield ("tokenizer", "kind"), '= "huggingface": this version has "gpt2" and "byte_bpe" only'
    if experiment.data.translate is not None:
        yield ("data", "translate"), "cannot be used by this version: it does not translate yet"
    if experiment.sampling.translate is not None:
        yield ("sampling", "translate"), "cannot be used by this version: it does not translate yet"
    if experiment.train.init_from is not None:
        yield ("train", "init_from"), "cannot be used by this version: it trains from scratch only"
