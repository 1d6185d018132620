"""How routerd starts another process of its own."""

from __future__ import annotations

import sys

# With -P no module is taken from the directory that it is started in, whatever lies there.
PYTHON = (sys.executable, "-P")
ROUTERD = (*PYTHON, "-m", "routerd")
