"""Both makes of the innermost loops: every test of a learner, a policy or the law runs on each."""

from __future__ import annotations

import pytest

from learners import kernel, plain


@pytest.fixture(params=["compiled", "numpy"])
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "compiled" and not kernel.COMPILED:
        pytest.skip("there was no C compiler when this was installed")
    if request.param == "numpy":
        for name in set(kernel.__all__) - {"COMPILED"}:
            monkeypatch.setattr(kernel, name, getattr(plain, name))
