"""The model that is trained: GPT-2's architecture.

gpt      the whole: embeddings, blocks, head, loss, and how it is initialised
blocks   attention and MLP
cache    keys and values of the positions that were computed already
loss     cross-entropy of the head, in chunks, so that logits are never held whole
"""
