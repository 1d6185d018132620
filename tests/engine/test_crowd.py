"""How many calls are gathered: as many as ask at once, and who asks alone hardly ever waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from routerd.engine.crowd import LAST, MOST, PATIENCE_S, ROUNDS, SOON_S, Crowd


def rounds(crowd: Crowd, count: int, around: Callable[[int], int], gap_s: float = 0.0) -> list[int]:
    """Serve `count` rounds of callers who wait for their answers, `around(round)` of them; the
    number that each round served. gap_s: from one call to the next."""
    served = []
    for number in range(count):
        within = int(PATIENCE_S / gap_s) + 1 if gap_s else MOST
        came = min(crowd.aim, around(number), within)
        served.append(came)
        crowd.served(came, PATIENCE_S if came < crowd.aim else gap_s * (came - 1))
    return served


def waits_in_vain(crowd: Crowd, count: int, callers: int) -> int:
    """In how many of `count` rounds more calls were waited for than there are callers."""
    vain = 0
    for _ in range(count):
        vain += crowd.aim > callers
        rounds(crowd, 1, lambda _: callers)
    return vain


@pytest.mark.parametrize("callers", [1, 2, 3, 5, 8])
def test_a_steady_number_of_callers_waits_ever_more_rarely_in_vain(callers: int) -> None:
    """After the first attempts, patience ends without company once in LAST rounds."""
    crowd = Crowd()
    rounds(crowd, 4 * LAST, lambda _: callers)
    assert waits_in_vain(crowd, 10 * LAST, callers) <= 11


@pytest.mark.parametrize("callers", [2, 4, 8, MOST, 100])
def test_all_who_ask_at_once_are_gathered(callers: int) -> None:
    """A crowd is served in rounds of its own size, of at most MOST."""
    crowd = Crowd()
    rounds(crowd, LAST, lambda _: callers)
    last = rounds(crowd, 100, lambda _: callers)
    assert sum(last) >= 95 * min(callers, MOST)


def test_a_large_crowd_is_found_soon() -> None:
    """From calls that come alone to rounds of MOST it takes a few rounds, once it was tried."""
    crowd = Crowd()
    rounds(crowd, 10 * LAST, lambda _: 1)
    assert MOST in rounds(crowd, LAST + 6 * ROUNDS, lambda _: 100)


def test_a_crowd_that_leaves_is_waited_for_a_few_times_only() -> None:
    """When one caller remains, he is soon served without waiting."""
    crowd = Crowd()
    rounds(crowd, LAST, lambda _: 100)
    assert crowd.aim == MOST
    assert waits_in_vain(crowd, LAST, callers=1) <= 4


def test_a_crowd_that_hesitates_once_is_still_a_crowd() -> None:
    """One round that comes short costs a part of the aim, which is soon regained."""
    crowd = Crowd()
    rounds(crowd, LAST, lambda _: 100)
    rounds(crowd, 1, lambda _: 2)
    assert crowd.aim > MOST // 2
    rounds(crowd, 2 * ROUNDS, lambda _: 100)
    assert crowd.aim == MOST


def test_calls_that_follow_each_other_slowly_are_not_gathered() -> None:
    """Whoever comes later than SOON_S after the other is no company, patience or not."""
    crowd = Crowd()
    served = rounds(crowd, 10 * LAST, lambda _: 100, gap_s=1.5 * SOON_S)
    assert served.count(1) >= 0.95 * len(served)
