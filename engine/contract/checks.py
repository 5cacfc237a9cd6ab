"""What is wrong with an experiment although each key by itself is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.contract.errors import NotYet, UserError
from engine.contract.experiment import HUB_PREFIX, Data, Experiment, Model, Tokenizer, Train

GPT2_VOCAB_SIZE = 50_257

NO_TOKENIZER = (  # of weights that a training with a byte_bpe is to start from
    "comes without a tokenizer, and one that is trained on other texts does not fit it; set "
    'tokenizer.kind = "gpt2" or "huggingface"'
)

Found = Iterator[tuple[str, str]]
# Whether the weights that a train.init_from names come with their tokenizer. Raises NotYet where a run may still have
# them, and UserError where there are none.
BringsTokenizer = Callable[[str], bool]


def contradictions(table: object, brings_tokenizer: BringsTokenizer | None) -> Found:
    """Each contradiction within a table of an experiment, or with the weights that `brings_tokenizer` looks for: the
    key to change, below that table, and why."""
    if isinstance(table, Data):
        yield from _data(table)
    elif isinstance(table, Tokenizer):
        yield from _tokenizer(table)
    elif isinstance(table, Model):
        yield from _model(table)
    elif isinstance(table, Train):
        yield from _train(table)
        if table.init_from is not None:
            yield from _init_from(table.init_from, brings_tokenizer)
    elif isinstance(table, Experiment) and table.train.init_from is not None and brings_tokenizer is not None:
        yield from _without_tokenizer(table.train.init_from, table.tokenizer, brings_tokenizer)


def _data(data: Data) -> Found:
    if data.source == "files" and not data.files:
        yield "files", 'is missing: source = "files" needs at least one path, glob or URL'
    if data.streaming_rows is not None and data.source != "hub":
        yield "streaming_rows", f'= {data.streaming_rows}: needs source = "hub"; remove it, or use data.fraction'
    if data.source == "hub" and not data.dataset:
        yield "dataset", 'is missing: source = "hub" needs OWNER/NAME'


def _tokenizer(tokenizer: Tokenizer) -> Found:
    if tokenizer.kind == "byte_bpe" and tokenizer.vocab_size is None:
        yield "vocab_size", 'is missing: kind = "byte_bpe" needs the number of entries to train'
    if tokenizer.kind == "gpt2" and tokenizer.vocab_size not in (None, GPT2_VOCAB_SIZE):
        yield "vocab_size", f"= {tokenizer.vocab_size}: GPT-2's vocabulary has {GPT2_VOCAB_SIZE}; leave it out"
    if tokenizer.kind == "huggingface" and not tokenizer.name:
        yield "name", 'is missing: kind = "huggingface" needs OWNER/NAME of a model on the hub, or a folder'


def _model(model: Model) -> Found:
    if model.n_embd % model.n_head:
        yield "n_embd", f"= {model.n_embd}: must be a multiple of n_head = {model.n_head}"


def _train(train: Train) -> Found:
    if train.min_learning_rate > train.learning_rate:
        yield (
            "min_learning_rate",
            f"= {train.min_learning_rate:g}: is above learning_rate = {train.learning_rate:g}, so the rate would "
            "rise for the whole run; it must be at most learning_rate",
        )
    if train.warmup_steps >= train.max_steps:
        yield "warmup_steps", f"= {train.warmup_steps}: must be below max_steps = {train.max_steps}"


def _init_from(init_from: str, brings_tokenizer: BringsTokenizer | None) -> Found:
    if not init_from.removeprefix(HUB_PREFIX).strip():
        yield "init_from", f'is empty: it must be a run, "{HUB_PREFIX}ID" or the path of a file of weights'
    elif brings_tokenizer is not None:
        try:
            brings_tokenizer(init_from)
        except NotYet:  # an experiment that may run before this one
            pass
        except UserError as error:
            yield "init_from", f'= "{init_from}": {error}'


def _without_tokenizer(init_from: str, tokenizer: Tokenizer, brings_tokenizer: BringsTokenizer) -> Found:
    try:
        brings = brings_tokenizer(init_from)
    except UserError:  # not there yet
        return
    if not brings and tokenizer.kind == "byte_bpe":
        yield "train.init_from", f'= "{init_from}": {NO_TOKENIZER}'
