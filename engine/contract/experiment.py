"""The experiment schema: what an `experiments/NAME.toml` may say, with its defaults and bounds.

Reading a file, with every problem in it reported at once, is `loading.py`; what follows from a file
by arithmetic alone (parameters, tokens per step, memory) is `shape.py`.

    slm-tui schema        # this module as JSON Schema, for editors
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1, le=10**9)]  # the upper bounds only keep out what no machine can do
CountOrZero = Annotated[int, Meta(ge=0, le=10**9)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(gt=0, le=1)]
Probability = Annotated[float, Meta(ge=0, le=1)]
VocabSize = Annotated[int, Meta(ge=257, le=1_000_000)]  # 256 bytes and end-of-text; trainers reserve room for all
Threads = Annotated[int, Meta(ge=1, le=1_024)]
BelowOne = Annotated[float, Meta(ge=0, lt=1)]
Temperature = Annotated[float, Meta(ge=0, le=100, description="0 is greedy")]
Penalty = Annotated[float, Meta(ge=1, le=100, description="1 is off")]
DEVICE_PATTERN = r"^(auto|cpu|mps|cuda(:(0|[1-9][0-9]?))?)$"
DEVICE_NAMES = "auto, cpu, mps, cuda or cuda:N"
HUB_PREFIX = "huggingface:"  # of a train.init_from that is a name on the hub


def only(key: str, *values: str) -> dict[str, Any]:
    """The mark of a field that means something only where another one of its table, `key`, is one of `values`."""
    return {"only": (key, values)}


BUILTIN, HUB, FILES = (only("source", source) for source in ("builtin", "hub", "files"))


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of an experiment file; its docstrings and field order are what `slm-tui schema` shows."""


class Translate(Table, frozen=True):
    """Machine translation of the corpus before training."""

    model: Annotated[
        str, Meta(min_length=1, description="Marian model: a folder, or on the hub, such as Helsinki-NLP/opus-mt-en-ar")
    ]
    fraction: Annotated[
        Share, Meta(description="first part of what data.fraction leaves of each split; the rest is left out")
    ] = 1.0
    batch_size: Annotated[Count, Meta(description="sentences translated at once")] = 32
    max_length: Annotated[Count, Meta(description="longest translation of a sentence, in tokens")] = 512


class Data(Table, frozen=True):
    """Where the stories come from and how they are split."""

    source: Literal["builtin", "hub", "files"]
    language: Annotated[Literal["english", "arabic"], Meta(description="of the built-in corpus", extra=BUILTIN)] = (
        "english"
    )
    stories: Annotated[Count, Meta(description="how many built-in stories to write", extra=BUILTIN)] = 20_000
    dataset: Annotated[str | None, Meta(description="hub dataset, OWNER/NAME", extra=HUB)] = None
    config: Annotated[str | None, Meta(description="hub dataset's configuration", extra=HUB)] = None
    train_split: Annotated[str, Meta(description="hub dataset's training split", extra=HUB)] = "train"
    val_split: Annotated[
        str, Meta(description='hub dataset\'s validation split; "" makes one by val_fraction', extra=HUB)
    ] = "validation"
    streaming_rows: Annotated[
        Count | None,
        Meta(description="hub: stream the first rows of each split, instead of downloading all of it", extra=HUB),
    ] = None
    files: Annotated[
        tuple[str, ...],
        Meta(description="paths, globs or URLs of csv, tsv, jsonl, json, parquet or txt files", extra=FILES),
    ] = ()
    text_column: Annotated[
        str, Meta(description="column or key that holds the story", extra=only("source", "hub", "files"))
    ] = "text"
    document_separator: Annotated[
        str,
        Meta(min_length=1, description=r'between stories in txt files; "\n\n" where that is a blank line', extra=FILES),
    ] = "<|endoftext|>"
    repair_mojibake: Annotated[
        bool, Meta(description="repair text that was once decoded wrongly, such as â€œ for “")
    ] = False
    normalization: Annotated[
        Literal["NFC", "NFD", "NFKC", "NFKD"] | None, Meta(description="Unicode normal form of the stories")
    ] = None
    val_fraction: Annotated[
        float, Meta(gt=0, lt=1, description="of the stories, where there is no validation split")
    ] = 0.1
    split_seed: Seed = 42
    fraction: Annotated[
        Share, Meta(description="first part of each split to use; of that, translate.fraction is translated")
    ] = 1.0
    translate: Translate | None = None


class Tokenizer(Table, frozen=True):
    """Text to token ids. Not used where `train.init_from` brings a tokenizer along."""

    kind: Literal["gpt2", "byte_bpe", "huggingface"]
    vocab_size: Annotated[
        VocabSize | None,
        Meta(description="byte_bpe: entries to train, end-of-text included; huggingface: its entries, for estimates"),
    ] = None
    min_frequency: Annotated[
        Count, Meta(description="byte_bpe: rarest pair that is merged", extra=only("kind", "byte_bpe"))
    ] = 2
    name: Annotated[
        str | None, Meta(description="huggingface: model on the hub or a folder", extra=only("kind", "huggingface"))
    ] = None
    end_of_text: Annotated[
        str | None,
        Meta(
            description="huggingface: the token between stories; by default the tokenizer's own eos_token",
            extra=only("kind", "huggingface"),
        ),
    ] = None


class Model(Table, frozen=True):
    """The GPT's shape."""

    n_layer: Annotated[int, Meta(ge=1, le=1_000)]
    n_head: Annotated[int, Meta(ge=1, le=65_536)]
    n_embd: Annotated[int, Meta(ge=1, le=65_536, description="width; a multiple of n_head")]
    block_size: Annotated[int, Meta(ge=1, le=1_000_000, description="context length, in tokens")]
    dropout: BelowOne = 0.0
    bias: Annotated[bool, Meta(description="biases in linear layers and layer norms")] = True
    tie_weights: Annotated[bool, Meta(description="the output head shares the token embedding")] = True
    activation: Annotated[
        Literal["gelu", "gelu_tanh"], Meta(description="gelu_tanh: its approximation, which OpenAI's GPT-2 has")
    ] = "gelu"
    embedding_std: Annotated[
        Positive, Meta(description="of the initial token embedding; a larger one tells rare words apart sooner")
    ] = 0.02


class Train(Table, frozen=True):
    """The optimisation. A step is one optimizer step, whatever grad_accum_steps is."""

    max_steps: Count
    batch_size: Annotated[int, Meta(ge=1, le=1_000_000, description="windows in a micro-batch")] = 16
    grad_accum_steps: Annotated[Count, Meta(description="micro-batches in a step")] = 1
    optimizer: Annotated[
        Literal["adamw", "muon"],
        Meta(description="muon: Muon for the blocks' matrices, AdamW for the rest"),
    ] = "adamw"
    learning_rate: Annotated[Positive, Meta(description="peak, after warm-up")] = 1e-3
    min_learning_rate: Annotated[NotNegative, Meta(description="where the cosine ends, or the plateau")] = 0.0
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    warmup_steps: CountOrZero = 0
    weight_decay: Annotated[NotNegative, Meta(description="of matrices; biases and norms never decay")] = 0.1
    betas: Annotated[tuple[BelowOne, BelowOne], Meta(description="AdamW's")] = (0.9, 0.95)
    eps: Positive = 1e-8
    grad_clip: Annotated[NotNegative, Meta(description="largest norm of the gradient; 0 is no clipping")] = 1.0
    eval_interval: Annotated[Count, Meta(description="steps between evaluations")] = 100
    eval_batches: Annotated[Count, Meta(description="fixed validation batches of each evaluation")] = 20
    early_stopping: Annotated[
        CountOrZero, Meta(description="stop after this many evaluations without a better one; 0 is never")
    ] = 0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: Annotated[bool | Literal["auto"], Meta(description="torch.compile; auto is on NVIDIA GPUs only")] = "auto"
    deterministic: Annotated[
        bool,
        Meta(
            description="on a GPU a resumed run repeats what it would have been bit by bit, at some speed; a CPU's does"
        ),
    ] = False
    seed: Seed = 1337
    checkpoint_interval: Annotated[Count, Meta(description="steps between saves of checkpoints/last")] = 500
    sample_interval: Annotated[CountOrZero, Meta(description="steps between sample stories; 0 is at the end only")] = 0
    init_from: Annotated[
        str | None, Meta(description='weights to start from, tokenizer included: a run, "huggingface:ID" or a path')
    ] = None


class Hardware(Table, frozen=True):
    """What the run may use of the machine."""

    device: Annotated[
        str,
        Meta(
            pattern=DEVICE_PATTERN,
            description="auto is cuda, then mps, then cpu",
            extra={"wanted": DEVICE_NAMES},
        ),
    ] = "auto"
    memory_fraction: Annotated[Share | None, Meta(description="of the GPU's memory, reserved at the start")] = None
    num_threads: Annotated[Threads | None, Meta(description="CPU threads; all cores by default")] = None
    share_device: Annotated[bool, Meta(description="do not queue with other runs for the device")] = False


class SampleTranslate(Table, frozen=True):
    """Models that turn a prompt into the model's language and the story back."""

    prompt_model: str
    story_model: str


class Sampling(Table, frozen=True):
    """How stories are written; the command line's flags override it."""

    prompts: Annotated[
        tuple[str, ...], Meta(min_length=1, description='of the samples along the way; "" starts a new story')
    ] = ("",)
    max_new_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    temperature: Temperature = 0.8
    top_k: Annotated[CountOrZero, Meta(description="0 is off")] = 0
    top_p: Share = 1.0
    min_p: Annotated[Probability, Meta(description="of the likeliest token's probability; 0 is off")] = 0.0
    repetition_penalty: Penalty = 1.0
    stop: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(description="texts that end a story; they are not part of it"),
    ] = ()
    allowed_script: Literal["any", "arabic"] = "any"
    translate: SampleTranslate | None = None


class Experiment(Table, frozen=True, kw_only=True):
    """One experiment file. Its name is the file's stem."""

    description: str = ""
    tags: tuple[str, ...] = ()
    notes: str = ""
    data: Data
    tokenizer: Tokenizer
    model: Model
    train: Train
    hardware: Hardware = Hardware()
    sampling: Sampling = Sampling()


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of an experiment file."""
    schema = msgspec.json.schema(Experiment)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "slm-tui experiment",
        **schema,
    }
