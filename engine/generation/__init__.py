"""Stories from a model.

decoder    a token a step, with a cache
sampler    which token comes next
writer     prompts to pieces of text
quantize   int8 weights for a CPU
"""
