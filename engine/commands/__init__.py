"""What `python -m engine VERB` does: one verb a file.

train_run prepare tokenize evaluate generate export_ import_ doctor doctor_train
"""
