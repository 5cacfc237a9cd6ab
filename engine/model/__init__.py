"""The GPT.

gpt   embeddings, blocks, head, loss
"""
