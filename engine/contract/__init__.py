"""What the engine and the terminal agree on: experiment files, paths, events. Imports neither torch nor Textual."""
