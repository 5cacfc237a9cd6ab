"""Gathers what benchmarks/gpu.py needs on a machine without a network that has Python 3.12 and torch 2.11 or later.

    python benchmarks/gpu_wheels.py DIR [--mirror DIR] [--python 3.12]

DIR/wheels holds the packages that such a machine lacks, DIR/mirror the stories of AraStories (`--mirror`, or
SLM_DATA_MIRROR); all of it is below 60 MB. There:

    python -m pip install --no-index --no-deps --find-links DIR/wheels DIR/wheels/*.whl
    python benchmarks/gpu.py --mirror DIR/mirror
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

# What the engine imports on the way of a training beside torch and numpy, and pytest's plugins that the settings name.
PACKAGES = (
    "filelock", "ftfy", "msgspec", "nvidia-ml-py", "platformdirs", "psutil", "pyarrow", "pytest", "pytest-asyncio",
    "pytest-timeout", "pytest-xdist", "execnet", "iniconfig", "pluggy", "packaging", "safetensors", "tiktoken", "regex",
    "tokenizers", "tomli", "tomlkit", "typing-extensions", "wcwidth",
)  # fmt: skip
LARGEST = 60 << 20  # bytes of all of it
STORIES = Path("raw.githubusercontent.com/UBC-NLP/arastories")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--mirror", type=Path, default=os.environ.get("SLM_DATA_MIRROR"))
    parser.add_argument("--python", default="3.12")
    parser.add_argument("--skip", nargs="*", default=["pyarrow"], help="what the machine has")
    arguments = parser.parse_args()
    wheels = arguments.folder / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    constraints = Path(__file__).resolve().parent.parent / "constraints.txt"
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(wheels),
        "--python-version", arguments.python, "--implementation", "cp", "--constraint", str(constraints),
        "--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64", "--platform", "any",
    ]  # fmt: skip
    subprocess.run([*command, *(name for name in PACKAGES if name not in arguments.skip)], check=True)
    if arguments.mirror:
        shutil.copytree(Path(arguments.mirror) / STORIES, arguments.folder / "mirror" / STORIES, dirs_exist_ok=True)
    size = sum(path.stat().st_size for path in arguments.folder.rglob("*") if path.is_file())
    print(f"{arguments.folder}: {size / 2**20:.1f} MB, {len(list(wheels.iterdir()))} wheels")
    if size > LARGEST:
        sys.exit(f"that is more than {LARGEST >> 20} MB: --skip what the machine has")


if __name__ == "__main__":
    main()
