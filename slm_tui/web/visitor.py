"""What one visitor of a web page sees, drawn through textual-serve on stdin and stdout. It is started by the server.

python -m slm_tui.web.visitor --workspace DIR                  the dashboard
python -m slm_tui.web.visitor --stories RUN_DIRECTORY          the stories of one run, and nothing else
"""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.contract.checkpoints import checkpoint_name
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.base_app import BaseApp, show
from slm_tui.web.driver import VisitorDriver


def main() -> None:
    """Draw until the visitor leaves or the server is gone."""
    parser = argparse.ArgumentParser(prog="python -m slm_tui.web.visitor")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--workspace", type=Path)
    what.add_argument("--stories", type=Path)
    parser.add_argument("--checkpoint", type=checkpoint_name, default="best")
    parser.add_argument("--scheme", choices=("dark", "light"), default="dark", help="of a page for strangers")
    parser.add_argument("--no-copy", action="store_true", help="the page may not write to the clipboard")
    chosen = parser.parse_args()
    app: BaseApp
    if chosen.stories is not None:
        from slm_tui.stories_app import StoriesApp

        app = StoriesApp(Run(chosen.stories), chosen.checkpoint, f"slm-{chosen.scheme}", VisitorDriver)
    else:
        from slm_tui.app import SlmTui

        app = SlmTui(Workspace(chosen.workspace), VisitorDriver)
    app.can_copy = not chosen.no_copy
    show(app)


if __name__ == "__main__":
    main()
