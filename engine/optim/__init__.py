"""One optimizer step.

optimizer   parameter groups, optimizers, schedule
muon        momentum whose update is made orthogonal
"""
