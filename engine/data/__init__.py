"""From stories to token ids on disk, and from there to batches."""
