"""The device that computes.

choice       which one, and setting it up
precision    fp32, bf16 or fp16
compilation  compiled where that works, and otherwise not
peak_rates   how fast it could be
memory       reserving, releasing, and telling when it is short
cores        cores that others leave free
timeline     when queued work is done, and how long it took
"""
