"""What an experiment file means in numbers, by arithmetic alone: no torch, no data.

    slm-tui show NAME

The tests hold these against the real model.
"""

from __future__ import annotations

import math

from engine.contract.checks import GPT2_VOCAB_SIZE
from engine.contract.experiment import Experiment, Model, Tokenizer, Train

FP32 = 4  # bytes
# Logits that a CPU holds at once, 64 MB: products of 256 tokens and a vocabulary of 50,257 entries run at full speed.
CPU_CHUNK_LOGITS = 2**24
Shapes = dict[str, tuple[int, ...]]  # of parameters by their names


def vocab_size(tokenizer: Tokenizer) -> int:
    """Entries of the vocabulary as asked for; a byte_bpe trained on little text may come out smaller.

    A huggingface tokenizer whose file does not say is taken to be as large as GPT-2's.
    """
    return tokenizer.vocab_size or GPT2_VOCAB_SIZE


def parameter_shapes(model: Model, vocab_size: int) -> Shapes:
    """Every trainable parameter's name and shape, as the model's state dict has them; a tied head is not one."""
    embeddings, block, rest = _shapes(model, vocab_size)
    blocks = {f"h.{layer}.{name}": shape for layer in range(model.n_layer) for name, shape in block.items()}
    return embeddings | blocks | rest


def parameter_count(model: Model, vocab_size: int) -> int:
    """Trainable parameters; a tied head counts once."""
    embeddings, block, rest = _shapes(model, vocab_size)
    once = sum(map(math.prod, (embeddings | rest).values()))
    return once + model.n_layer * sum(map(math.prod, block.values()))


def _shapes(model: Model, vocab_size: int) -> tuple[Shapes, Shapes, Shapes]:
    """Of the embeddings, of one block, and of what follows the blocks."""
    n_embd = model.n_embd
    tokens = {"wte.weight": (vocab_size, n_embd)}
    positions = {"wpe.weight": (model.block_size, n_embd)}
    block: Shapes = {
        "ln_1": (n_embd,),
        "attn.c_attn": (3 * n_embd, n_embd),  # query, key, value
        "attn.c_proj": (n_embd, n_embd),
        "ln_2": (n_embd,),
        "mlp.c_fc": (4 * n_embd, n_embd),
        "mlp.c_proj": (n_embd, 4 * n_embd),
    }
    head: Shapes = {} if model.tie_weights else {"lm_head.weight": (vocab_size, n_embd)}
    norm: Shapes = {"ln_f": (n_embd,)}
    return {**tokens, **positions}, _parameters(block, model.bias), _parameters(norm, model.bias) | head


def _parameters(weights: Shapes, bias: bool) -> Shapes:
    """The parameters of modules whose weights have these shapes: a bias has an entry for each of the weight's rows."""
    parameters: Shapes = {}
    for module, shape in weights.items():
        parameters[f"{module}.weight"] = shape
        if bias:
            parameters[f"{module}.bias"] = shape[:1]
    return parameters


def tokens_per_step(model: Model, train: Train) -> int:
    """Tokens that one optimizer step learns from."""
    return train.batch_size * train.grad_accum_steps * model.block_size


def training_flops_per_token(model: Model, vocab_size: int) -> int:
    """Floating-point operations of forward and backward, a token (PaLM, appendix B).

    6 a parameter that multiplies (the position table does not; a tied table does, as the head), and the
    attention's two products over the whole context.
    """
    multiplying = parameter_count(model, vocab_size) - model.block_size * model.n_embd
    if not model.tie_weights:
        multiplying -= vocab_size * model.n_embd
    return 6 * multiplying + 12 * model.n_layer * model.n_embd * model.block_size


def training_memory(experiment: Experiment) -> int:
    """Bytes that training takes at its peak, about: within a third of what fp32 on a CPU was seen to use.

    Weights, gradients and AdamW's two moments; what each block keeps for the backward pass; and a chunk of logits.
    Dropout keeps its noise, and on a CPU makes attention keep its whole score matrices.
    """
    model, train = experiment.model, experiment.train
    vocabulary = vocab_size(experiment.tokenizer)
    tokens = train.batch_size * model.block_size  # of a micro-batch
    state = 4 * FP32 * parameter_count(model, vocabulary)
    kept_per_block = 17 * model.n_embd  # 2 norms, qkv 3, attention 2, MLP 4 + 4, residuals 2
    if model.dropout:
        kept_per_block += 2 * model.n_embd + 5 * model.n_head * model.block_size  # 3 kept, about 2 not given back
    activations = FP32 * tokens * model.n_layer * kept_per_block
    logits = FP32 * min(tokens * vocabulary, CPU_CHUNK_LOGITS)
    return state + activations + logits
