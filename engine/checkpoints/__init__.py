"""`checkpoints/best/` and `last/`: write and read."""
