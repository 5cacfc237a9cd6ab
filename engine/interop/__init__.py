"""Weights in and out: Hugging Face folders, nanoGPT's checkpoints, GGUF; and metrics as csv or TensorBoard's events."""
