"""`checkpoints/best/` and `last/`, and `last/`'s state of the trainer.

write    a checkpoint to its directory, which is replaced
writer   the same in a thread, from copies, while the training goes on
read     the model, its tokenizer, and the trainer's state, or words where a file is damaged
"""
