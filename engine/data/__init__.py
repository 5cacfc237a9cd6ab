"""From stories to token ids on disk, and from there to batches.

sources        stories of an experiment, divided into training and validation
locate         paths, globs, URLs, the mirror, downloads
readers        csv, tsv, jsonl, json, parquet and txt files as texts
content_hashes hashes of files, remembered while they do not change
hub            data sets and models by their name on the hub
streaming      the first rows of a hub's data set, kept as they come
tidying        mojibake and Unicode normal forms
tokenizers     text to token ids
prepare        stories to train.bin, val.bin and a manifest, cached by content
token_files    stories to files of token ids, on every core
batches        token files to batches; where it stands is one number
progress       progress events at a bearable rate
locks          one process at a time makes a thing, the others wait
write_errors   what the disk refuses, in our words
"""
