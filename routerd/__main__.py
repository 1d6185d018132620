"""`routerd`, and `python -m routerd`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Ctrl-C while it is loaded ends it as later, but without a word."""
    try:
        from routerd.cli.main import main as commands
    except KeyboardInterrupt:
        sys.exit(1)
    commands(prog_name="routerd")


if __name__ == "__main__":
    main()
