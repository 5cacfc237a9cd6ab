"""From prepared data to checkpoints.

loop             batch, forward, backward, step, log, evaluate, save: top to bottom in one function
step_log         step events, and the rates in them
state            what a resumed run needs to go on as if it had never stopped
starting_point   weights and a tokenizer that were trained before
evaluate         loss, perplexity and bits per byte
samples          stories that a run writes along the way
monitor          use of the machine
"""
