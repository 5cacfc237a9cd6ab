"""Runs with a checkpoint of random weights."""

from random_runs import make_run

__all__ = ["make_run"]
