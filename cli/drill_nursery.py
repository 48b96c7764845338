"""The parent of a drill host's workers: it loads the code once and forks a worker whenever it is told to.

A worker spends seconds on loading its code, on two cores that the drill needs; a fork has it. Nothing here starts a
thread or the SDK's runtime before a fork. It reads ``start`` lines and writes ``started <pid>`` and ``ended <pid>``.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import select
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

_LOOK_SECONDS = 0.02


def main() -> None:
    """Serve until standard input ends; then end the worker and this process."""
    from freightway import worker

    home, log = Path(sys.argv[1]), Path(sys.argv[2])
    # Found by name: the command line names nothing of the activities.
    import_module("freightway.activities.catalogue").load_steps()
    gc.collect()
    gc.freeze()
    _say("ready")
    child = 0
    while True:
        if child and os.waitpid(child, os.WNOHANG)[0]:
            _say(f"ended {child}")
            child = 0
        if not select.select([0], [], [], _LOOK_SECONDS)[0]:
            continue
        if not os.read(0, 4096):
            break
        if not child:
            child = os.fork()
            if child == 0:
                _work(worker.WorkerSettings(home=home), log)
            _say(f"started {child}")
    if child:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)


def _work(settings: object, log: Path) -> None:
    """Be a worker, as ``freightway worker`` is."""
    from freightway import worker

    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    assert isinstance(settings, worker.WorkerSettings)
    code = 0
    try:
        asyncio.run(worker.serve(settings))
    except Exception:
        logging.getLogger(__name__).exception("the worker broke")
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main()
