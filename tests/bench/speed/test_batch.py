"""The batch bench measures what a batch does, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

from bench.speed.batch import rates


def test_every_batch_is_measured(tmp_path: Path) -> None:
    """One rate a batch, and no log stays."""
    seen = list(rates(tmp_path, batches=2))
    assert len(seen) == 2
    assert min(seen) > 0.0
    assert list(tmp_path.iterdir()) == []
