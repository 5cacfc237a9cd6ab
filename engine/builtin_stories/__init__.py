"""The built-in corpus: stories that a grammar tells.

stories           distinct stories from a seed
english, arabic   who a story is about, how it opens, its plots and words
"""
