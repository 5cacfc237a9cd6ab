"""How fast text becomes a `.bin` file of GPT-2 tokens, and with how much memory, beside nanoGPT's way.

    SLM_DATA_MIRROR=DIR python benchmarks/preparing.py [TEXT_FILE] [--megabytes 60] [--rounds 3] [--peak]

TEXT_FILE holds stories, `<|endoftext|>` between them; without one they are TinyStories of the mirror. They are
repeated, each copy under a number of its own, to so many megabytes. nanoGPT's way is its data/openwebtext/prepare.py:
a `datasets` set, `map(num_proc)` with `encode_ordinary`, and 1024 shards written into a memory map; its set is made
before the clock starts. Ours is timed from the text file to prepared data: hashing, splitting and reading are in it.
Rounds alternate, each starts from the text alone, medians are told.
--peak runs ours alone and says how much memory it took, which is the figure for a large text.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

EOT = "<|endoftext|>"

OURS = """
import os, resource, sys, time
from pathlib import Path
from engine.contract.experiment import Data, Experiment, Model, Tokenizer, Train
from engine.runs.workspace import Workspace
from engine.data.prepare import prepare

root = Path(sys.argv[1])
wanted = Experiment(
    data=Data("files", files=("a.txt",), val_fraction=0.0005),
    tokenizer=Tokenizer("gpt2"),
    model=Model(1, 1, 8, 8),
    train=Train(1),
)
mirror = os.environ.get("SLM_DATA_MIRROR")
start = time.perf_counter()
data = prepare("bench", wanted, Workspace(root), Path(mirror) if mirror else None, lambda event: None)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
print(seconds, peak, data.manifest.train.tokens + data.manifest.val.tokens)
"""

NANOGPT = """
import os, resource, sys, time
from pathlib import Path
import numpy as np
import datasets
from datasets import Dataset
from engine.data.tokenizers.byte_pair import gpt2

datasets.disable_progress_bars()
root, num_proc = Path(sys.argv[1]), len(os.sched_getaffinity(0))
os.environ["TIKTOKEN_CACHE_DIR"] = str(root / "cache")
mirror = os.environ.get("SLM_DATA_MIRROR")
gpt2(root / "cache", Path(mirror) if mirror else None)
import tiktoken

enc = tiktoken.get_encoding("gpt2")


def read():
    with open(root / "a.txt", encoding="utf-8") as file:
        for text in file.read().split("<|endoftext|>"):
            yield {"text": text}


whole = Dataset.from_generator(read, cache_dir=str(root / "arrow"))
split = whole.train_test_split(test_size=0.0005, seed=2357, shuffle=True)


def process(example):
    ids = enc.encode_ordinary(example["text"])
    ids.append(enc.eot_token)
    return {"ids": ids, "len": len(ids)}


start = time.perf_counter()
tokenized = split.map(process, remove_columns=["text"], desc="tokenizing the splits", num_proc=num_proc)
total = 0
for name, dset in tokenized.items():
    length = int(np.sum(dset["len"], dtype=np.uint64))
    arr = np.memmap(root / f"{name}.bin", dtype=np.uint16, mode="w+", shape=(length,))
    shards, idx = min(1024, len(dset)), 0
    for batch_idx in range(shards):
        batch = dset.shard(num_shards=shards, index=batch_idx, contiguous=True).with_format("numpy")
        arr_batch = np.concatenate(batch["ids"])
        arr[idx : idx + len(arr_batch)] = arr_batch
        idx += len(arr_batch)
    arr.flush()
    total += length
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
print(seconds, peak, total)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, nargs="?")
    parser.add_argument("--megabytes", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peak", action="store_true", help="ours alone, for its memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        megabytes = write(root / "a.txt", stories(arguments.text), arguments.megabytes)
        print(f"{megabytes:.0f} MB of text, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
        if arguments.peak:
            measured("slm-tui", OURS, root / "a.txt", megabytes)
            return
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            ours.append(measured("slm-tui", OURS, root / "a.txt", megabytes))
            theirs.append(measured("nanoGPT's way", NANOGPT, root / "a.txt", megabytes))
        ratio = statistics.median(ours) / statistics.median(theirs)
        print(f"medians: {statistics.median(ours):.1f} and {statistics.median(theirs):.1f} MB/s, {ratio:.2f} times")


def stories(path: Path | None) -> list[str]:
    """The stories to repeat."""
    if path is not None:
        return path.read_text(encoding="utf-8").split(EOT)
    from pyarrow import parquet

    mirror = os.environ.get("SLM_DATA_MIRROR")
    if not mirror:
        sys.exit("wants a text file, or SLM_DATA_MIRROR with roneneldan/TinyStories in it")
    table = parquet.read_table(Path(mirror) / "roneneldan" / "TinyStories" / "train.parquet", columns=["text"])
    return [str(text) for text in table.column(0).to_pylist()]


def write(path: Path, texts: list[str], megabytes: int) -> float:
    """Write the stories again and again; the size in MB."""
    copy = 0
    with open(path, "w", encoding="utf-8") as file:
        while file.tell() < megabytes * 1e6:
            file.writelines(f"{copy} {text.strip()}\n{EOT}\n" for text in texts)
            copy += 1
    return path.stat().st_size / 1e6


def measured(name: str, program: str, text: Path, megabytes: float) -> float:
    """Run `program` on the text in a process and a folder of its own; its MB/s."""
    with tempfile.TemporaryDirectory(dir=text.parent) as root:
        (Path(root) / text.name).hardlink_to(text)
        done = subprocess.run([sys.executable, "-c", program, root], stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak, tokens = map(float, done.stdout.split()[-3:])
    print(
        f"{name:>14}: {seconds:6.1f} s  {megabytes / seconds:5.1f} MB/s  {tokens / 1e6:6.1f} M tokens  "
        f"peak of the process {peak:,.0f} MB"
    )
    return megabytes / seconds


if __name__ == "__main__":
    main()
