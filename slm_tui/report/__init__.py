"""Runs on one web page, to be sent to somebody."""
