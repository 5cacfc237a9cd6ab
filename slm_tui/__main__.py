"""The program: slm-tui, or python -m slm_tui."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


def main() -> None:
    """Run one command. A person's mistake is told in a few lines, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # an Arabic story on a terminal without Unicode is no reason to fail
    from engine.contract.errors import UserError

    try:
        if sys.argv[1:] or "_SLM_TUI_COMPLETE" in os.environ:
            from slm_tui.cli import app

            app(prog_name="slm-tui")
        else:  # the dashboard, without waiting for what parses commands
            from slm_tui.app import open_dashboard

            open_dashboard()
    except UserError as error:
        sys.exit(_told(str(error), 2))
    except OSError as error:
        from slm_tui.formats import explained

        sys.exit(_told(explained(error), 2))
    except Exception as error:
        from slm_tui.engine_calls import EngineFailed

        if not isinstance(error, EngineFailed):
            raise
        sys.exit(_told(str(error), 1))


def _told(message: str, exit_code: int) -> int:
    sys.stderr.write(f"slm-tui: {message}\n")
    return exit_code


if __name__ == "__main__":
    main()
