"""English stories.

grammar                who a story is about, how it opens, which plot it follows
story                  how a story is put together
days, friends, things  plots
words                  their words
"""
