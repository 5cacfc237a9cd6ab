"""Weights and metrics in and out.

huggingface   a folder for transformers
model_card    its README.md
nanogpt       nanoGPT's ckpt.pt
gguf          a file for llama.cpp
vocabulary    our tokenizers as tokenizer.json
metrics       csv and TensorBoard's event files
foreign       reads files of weights, never their code
tensor_names  ours and other tools' names of a GPT-2's tensors
fitting       the weights of our model from their tensors, or what does not fit
output        a place that was free, whole or not at all
"""
