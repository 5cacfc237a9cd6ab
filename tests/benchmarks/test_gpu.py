"""benchmarks/gpu.py runs on a machine that has torch and few packages more: tried on small models on a CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ABSENT = """
import sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("datasets", "transformers", "textual", "rich", "typer", "sentencepiece", "ftfy"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())
"""


def gpu(tmp_path: Path, *arguments: str) -> tuple[int, list[dict[str, object]], str]:
    """Exit code, results and output of the script, where packages are absent."""
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "sitecustomize.py").write_text(ABSENT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path / 'absent'}{os.pathsep}{ROOT}"}
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *arguments, "--device", "cpu", "--tiny"]
    command += ["--out", str(tmp_path / "out")]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    results = tmp_path / "out" / "results.json"
    return answer.returncode, json.loads(results.read_text()) if results.exists() else [], answer.stdout + answer.stderr


@pytest.mark.slow
def test_speed_and_training_run_without_the_packages_that_such_a_machine_lacks(tmp_path: Path, mirror: Path) -> None:
    code, results, said = gpu(tmp_path, "speed", "train", "--mirror", str(mirror))
    assert code == 0, said
    (ours, generation), trained = ([each for each in results if each["part"] == part] for part in ("speed", "train"))
    assert ours["tokens_per_second"] > 0 and generation["tokens_per_second_of_8"] > 0  # type: ignore[operator]
    assert [each["ended"] for each in trained] == ["finished", "finished"]
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == results
    assert "arastories_enhanced" in said


def test_a_part_that_cannot_run_is_told_and_is_the_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLM_DATA_MIRROR", raising=False)
    code, results, _ = gpu(tmp_path, "train")
    assert code == 1 and "--mirror DIR" in str(results[0]["error"])
    code, _, said = gpu(tmp_path / "out", "sped")
    assert code == 2 and "no part sped; there are doctor, speed, train, tests" in said
