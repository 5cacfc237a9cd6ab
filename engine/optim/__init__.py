"""What moves the weights: one optimizer, and the learning rate as a function of the step.

optimizer         Muon for the blocks' matrices and AdamW for the rest, in one object; gradient clipping
orthogonal        the nearest orthogonal matrix, which is Muon's update
schedule          warm-up, then cosine, constant or plateau
version_1         what checkpoints of the first version say of both
"""
