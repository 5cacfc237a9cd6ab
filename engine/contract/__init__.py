"""What the engine and the terminal agree on: experiment files, events, the protocol of generation.

experiment   the schema: every key, its default and bounds
loading      TOML to an experiment, or to all of its problems at once
toml_lines   where each key of a TOML text stands
checks       contradictions between keys
overrides    --set table.key=value, comments kept
shape        parameters, FLOPs and memory by arithmetic
events       the events of metrics.jsonl: types, writer, tailing reader
generation   requests and replies of the generation process
checkpoints  the names of a run's checkpoints
export_formats   what an export can write
files        files and directories are replaced, not rewritten
errors       a mistake that its user can mend
"""
