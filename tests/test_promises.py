"""tests/README.md is true: every test that it names is there, and every promise has a row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TEXT = (TESTS / "README.md").read_text()


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`([\w/]+\.py::\w+)`", TEXT))))
def test_a_named_test_exists(named: str) -> None:
    """A promise is held by a test that can be run under the name given."""
    file, name = named.split("::")
    tree = ast.parse((TESTS / file).read_text())
    functions = (
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert name in {function.name for function in functions}


def test_every_promise_has_a_row() -> None:
    """Promises are numbered from 1 to 16 without a gap; each names a test or says `not yet`."""
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", TEXT, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 17))
    assert all("::" in held or "not yet" in held for _, held in rows)
