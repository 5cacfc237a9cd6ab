"""What an experiment file means in numbers, by arithmetic alone: no torch, no data.

    slm-tui show NAME

The tests hold these against the real model.
"""

from __future__ import annotations

from engine.contract.checks import GPT2_VOCAB_SIZE
from engine.contract.experiment import Experiment, Model, Tokenizer, Train

FP32 = 4  # bytes
# Logits that a CPU holds at once, 64 MB: products of 256 tokens and a vocabulary of 50,257 entries run at full speed.
CPU_CHUNK_LOGITS = 2**24


def vocab_size(tokenizer: Tokenizer) -> int:
    """Entries of the vocabulary as asked for; a byte_bpe trained on little text may come out smaller.

    A huggingface tokenizer whose file does not say is taken to be as large as GPT-2's.
    """
    return tokenizer.vocab_size or GPT2_VOCAB_SIZE


def parameter_count(model: Model, vocab_size: int) -> int:
    """Trainable parameters; a tied head counts once."""
    width = model.n_embd
    matrices = 12 * width * width  # attention 3 + 1, MLP 4 + 4
    norms, biases = 2 * width, 9 * width + 2 * width  # the norms' biases too
    block = matrices + norms + (biases if model.bias else 0)
    final_norm = width * (2 if model.bias else 1)
    embeddings = (vocab_size + model.block_size) * width
    head = 0 if model.tie_weights else vocab_size * width
    return embeddings + model.n_layer * block + final_norm + head


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

    Weights, gradients and AdamW's two moments, and either, after the forward pass, what each block keeps for the
    backward one and a chunk of logits; or, when that is given back, the token embedding's gradient a second time and
    what the optimizer's arithmetic takes. Dropout keeps its noise, and on a CPU makes attention keep its whole score
    matrices.
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
    embedding = FP32 * vocabulary * model.n_embd
    return state + max(activations + logits, 2 * embedding)
