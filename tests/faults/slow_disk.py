"""`routerd` on a disk whose fsyncs take long: python -m tests.faults.slow_disk FILE ARGUMENTS...

FILE says how many milliseconds each takes, and is read anew for each; -1 is for ever. Beside it
FILE.done has a line for each that is over: when it began and when it ended, in seconds of the
machine's monotonic clock.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from routerd.cli.main import main

fdatasync = os.fdatasync


def slow(fd: int) -> None:
    began_s = time.monotonic()
    file = Path(sys.argv[1])
    delay_ms = int(file.read_text())
    if delay_ms < 0:
        threading.Event().wait()
    time.sleep(delay_ms / 1000)
    fdatasync(fd)
    with Path(f"{file}.done").open("a") as done:
        done.write(f"{began_s} {time.monotonic()}\n")


if __name__ == "__main__":
    os.fdatasync = slow  # type: ignore[assignment]
    main(sys.argv[2:])
