"""Runs on disk, read without torch.

workspace      where experiments, runs and prepared data live, and how they are found by name
run            one run's directory, its lock, and the state that follows from its events
info           run.json: what a run is and where it was started
notes          the tags and notes that a person gives a run
event_search   a few events of a huge metrics.jsonl
device_queue   one engine at a time on a device
devices        which device a run will get
"""
