"""Machine translation with Marian models.

marian      a model that translates sentences
corpus      a whole corpus, before training
stories     a prompt and a story, at generation
memory      what was translated already
sentences   a story's sentences
"""
