"""`python -m routerd` is `routerd`."""

from __future__ import annotations

from routerd.cli.main import main

if __name__ == "__main__":
    main(prog_name="routerd")
