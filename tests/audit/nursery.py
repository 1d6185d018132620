"""Projectors that start at once: this process has imported everything, and forks one per line.

python -m tests.audit.nursery DIR    for each line of stdin, a projector that follows DIR's log in
                                     small batches; its pid on stdout
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from routerd.audit.process import follow


def main(directory: str) -> None:
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            follow(Path(directory), batch=16)
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("gone", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
