"""The pictures in the README, from the real application on real runs.

    make screenshots

Trains `quickstart` twice in a temporary workspace, at a third of its learning rate and as it is shipped, and
photographs the screens.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent
PROGRAM = (sys.executable, "-m", "slm_tui")
RUNS = (("--set", "train.learning_rate=4e-3"), ())  # the overrides of each
WAIT = "wait"  # in the place of a key: for a model to be loaded and its story to be written
PICTURES: dict[str, tuple[tuple[int, int], Sequence[str]]] = {  # name: size, and the keys that lead there
    "home": ((180, 44), ()),
    "run": ((120, 36), ("enter", "enter")),
    "compare": ((120, 36), ("enter", "space", "down", "space", "v")),
    "stories": ((120, 30), ("g", "enter", WAIT, "p", "left", *["left"] * 30)),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ.update(HOME=folder, XDG_CONFIG_HOME=folder, XDG_STATE_HOME=folder)
        workspace = home / "stories"
        subprocess.run([*PROGRAM, "init", workspace], check=True)
        for overrides in RUNS:
            subprocess.run([*PROGRAM, "run", "quickstart", *overrides], cwd=workspace, check=True)
        for name, (size, keys) in PICTURES.items():
            (FOLDER / f"{name}.svg").write_text(asyncio.run(picture(workspace, size, keys)), encoding="utf-8")


async def picture(workspace: Path, size: tuple[int, int], keys: Sequence[str]) -> str:
    """The screen after `keys`, as SVG."""
    from engine.runs.workspace import Workspace
    from slm_tui.app import SlmTui

    app = SlmTui(Workspace(workspace))
    async with app.run_test(size=size) as pilot:
        while app.catalog is None:
            await pilot.pause(0.05)
        await pilot.pause(0.5)
        app.screen.go_to("quickstart")  # type: ignore[attr-defined]
        for key in keys:
            await pilot.pause(10 if key == WAIT else 0.1)
            if key != WAIT:
                await pilot.press(key)
        await pilot.pause(1.5)
        return app.export_screenshot(title="slm-tui")


if __name__ == "__main__":
    main()
