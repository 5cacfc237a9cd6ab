"""The commands: each module holds a few that belong together, and `cli.py` joins them."""
