"""A process that behaves towards the outside as an engine does, and trains nothing.

    python stand_in.py RUN_DIRECTORY [--host NAME] [--silent | --queued]

Takes the run's lock, writes `run_started` (or nothing, or `queued`), says "ready" on stdout, and waits for SIGTERM,
upon which it writes `run_ended`.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from engine.contract.events import EventWriter, Queued, RunEnded, RunStarted
from engine.runs.run import Run


def main() -> None:
    run = Run(Path(sys.argv[1]))
    host = sys.argv[sys.argv.index("--host") + 1] if "--host" in sys.argv else socket.gethostname()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with run.hold_lock():
        emit = EventWriter(run.metrics)
        if "--queued" in sys.argv:
            emit(Queued(pid=os.getpid(), host=host, device="cpu", ahead=1))
        elif "--silent" not in sys.argv:
            emit(RunStarted(pid=os.getpid(), host=host))
        print("ready", flush=True)
        signal.sigwait({signal.SIGTERM})
        emit(RunEnded(reason="stopped"))


if __name__ == "__main__":
    main()
