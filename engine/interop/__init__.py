"""Weights and metrics in and out.

huggingface   a folder for transformers
model_card    its README.md
nanogpt       nanoGPT's ckpt.pt
gguf          a file for llama.cpp
vocabulary    our tokenizers as tokenizer.json
metrics       csv and TensorBoard's event files
foreign       reads files of weights, never their code
fitting       their tensors by our names, or what does not fit
output        a place that was free, whole or not at all
"""
