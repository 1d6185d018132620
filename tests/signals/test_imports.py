"""Who configures no classifier pays for none."""

from __future__ import annotations

import subprocess
import sys

STARTED = """
import sys
import routerd.cli.main, routerd.router, routerd.server.app
from routerd import Router
with Router.open({"agents": [{"id": "a"}]}) as router:
    router.route(description="nothing to find here")
print(*{"re2", "aiohttp"} & sys.modules.keys())
"""


def test_without_signals_nothing_of_them_is_imported() -> None:
    """Neither the regular expressions nor the HTTP client, by a daemon or by a router."""
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, check=True)
    assert done.stdout.split() == []
