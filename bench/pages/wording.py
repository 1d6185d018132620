"""How numbers are written for people, and what stands beside some of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bench.stats import Estimate

MINUS = "−"
FEW = 10


def figure(value: float, places: int = 3) -> str:
    """A number with a real minus sign.

    >>> figure(-0.12345), figure(-0.0001)
    ('−0.123', '0.000')
    """
    told = f"{abs(value):,.{places}f}"
    return f"{MINUS}{told}" if value < 0 and float(told.replace(",", "")) else told


def signed(value: float, places: int = 3) -> str:
    """A difference, with its sign whatever it is.

    >>> signed(0.5), signed(-0.5), signed(0.0)
    ('+0.500', '−0.500', '0.000')
    """
    told = figure(value, places)
    return told if told.startswith(MINUS) or not float(told.replace(",", "")) else f"+{told}"


def places(estimate: Estimate) -> int:
    """Decimals that an estimate of 0 to 1 is worth, and that show on which side of 0 it lies.

    >>> places(Estimate(0.5, 0.4, 0.6)), places(Estimate(0.003, 0.0001, 0.006))
    (3, 4)
    """
    hidden = estimate.sign != 0 and min(abs(estimate.low), abs(estimate.high)) < 0.0005
    return 4 if hidden or estimate.high - estimate.low < 0.004 else 3


def difference(estimate: Estimate, sign: bool = True) -> str:
    """A difference and its interval, in a sentence.

    >>> difference(Estimate(0.5, 0.4, 0.6)), difference(Estimate(0.5, 0.5, 0.5))
    ('+0.500 (95% interval +0.400 to +0.600)', '+0.5000 (no interval: nothing varied)')
    """
    digits, shown = places(estimate), signed if sign else figure
    if estimate.low == estimate.high:
        return f"{shown(estimate.mean, digits)} (no interval: nothing varied)"
    mean, low, high = (shown(v, digits) for v in (estimate.mean, estimate.low, estimate.high))
    return f"{mean} (95% interval {low} to {high})"


def between(estimate: Estimate, sign: bool = False) -> str:
    """The interval alone, for a table or a picture.

    >>> between(Estimate(0.5, 0.4, 0.6)), between(Estimate(0.0, -0.1, 0.1), sign=True)
    ('[0.400, 0.600]', '[−0.100, +0.100]')
    """
    shown = signed if sign else figure
    digits = places(estimate)
    return f"[{shown(estimate.low, digits)}, {shown(estimate.high, digits)}]"


def noted(estimate: Estimate) -> str:
    """A difference and its interval, as short as can be."""
    return f"{signed(estimate.mean, places(estimate))} {between(estimate, sign=True)}"


def whole(number: float) -> str:
    """A count with separators."""
    return f"{number:,.0f}"


def usd(amount: float) -> str:
    """An amount of money at three digits, whole dollars at least.

    >>> usd(0.0123456), usd(3.14159), usd(51.5), usd(1234.5), usd(0.0)
    ('$0.0123', '$3.14', '$51.5', '$1,234', '$0')
    """
    if amount == 0.0:
        return "$0"
    return f"${amount:,.{max(0, 2 - math.floor(math.log10(abs(amount))))}f}"


def rough(number: float) -> str:
    """A number at one digit, or two where the first is 1: no more is known of it.

    >>> rough(1234), rough(47_812)
    ('1,200', '50,000')
    """
    power = 10.0 ** math.floor(math.log10(number))
    step = power / 10 if number / power < 2 else power
    return whole(round(number / step) * step)


def figures(value: float) -> str:
    """A tick's name: as few decimals as it needs.

    >>> figures(0.25), figures(3.0), figures(-1200.0)
    ('0.25', '3', '−1,200')
    """
    return figure(value).rstrip("0").rstrip(".")


def plain_usd(amount: float) -> str:
    """A tick's name on an axis of money."""
    return f"{amount:,.0f}" if amount >= 10 or amount == int(amount) else f"{amount:.3g}"


def shown_as(agents: Sequence[str]) -> Callable[[str], str]:
    """Agents' names for pictures: without what stands before the last slash, if they stay apart.

    >>> shown_as(["a/x", "b/y"])("a/x"), shown_as(["a/x", "b/x"])("a/x")
    ('x', 'a/x')
    """
    short = {agent: agent.rpartition("/")[2] for agent in agents}
    apart = len(set(short.values())) == len(short) and all(short.values())
    return (lambda agent: short[agent]) if apart else str


def of_few_seeds(seeds: int) -> str:
    """What intervals over few seeds do not hold; nothing for many, or for one, which has none.

    Shares: of 4,000 samples of normal values, resampled as bench.stats does.
    """
    if not 1 < seeds < FEW:
        return ""
    return (
        f" Intervals over {seeds} seeds are too narrow: a bootstrap of 3 holds the mean in 72 of"
        " 100 cases, of 5 in 83, of 20 in 92."
    )
