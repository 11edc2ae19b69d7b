"""When a statistical test fails, how often wrongly, and what it would see."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

FALSE_ALARM = 1e-9


def statistic(seen: Iterable[int], chances: Iterable[float], draws: int) -> float:
    """Pearson's statistic of counts against the chances of their cells."""
    return math.fsum(
        (count - draws * chance) ** 2 / (draws * chance)
        for count, chance in zip(seen, chances, strict=True)
    )


def gamma_tail(a: float, x: float) -> float:
    """Q(a, x): the chance that a Gamma(a) variable is above x."""
    front = math.exp(a * math.log(x) - x - math.lgamma(a)) if x > 0 else 0.0
    if x < a + 1:  # the series of P(a, x)
        term = total = 1 / a
        n = a
        while term > total * 1e-16:
            n += 1
            term *= x / n
            total += term
        return 1 - front * total
    # the continued fraction of Q(a, x), by Lentz
    b = x + 1 - a
    c, d = 1e300, 1 / b
    fraction = d
    for i in range(1, 10_000):
        step = -i * (i - a)
        b += 2
        d = 1 / (step * d + b)
        c = b + step / c
        fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * fraction


def chi_square_limit(degrees: int) -> float:
    """The value that a chi-square variable exceeds with chance FALSE_ALARM."""
    low, high = float(degrees), 20.0 * degrees + 200
    for _ in range(100):
        middle = (low + high) / 2
        if gamma_tail(degrees / 2, middle / 2) > FALSE_ALARM:
            low = middle
        else:
            high = middle
    return high


def power(right: Sequence[float], wrong: Sequence[float], draws: int) -> float:
    """The chance to see that a law is *wrong*, by the normal approximation."""
    degrees = len(right) - 1
    distance = draws * math.fsum(
        (q - p) ** 2 / p for p, q in zip(right, wrong, strict=True)
    )
    spread = math.sqrt(2 * degrees + 4 * distance)
    deviations = (degrees + distance - chi_square_limit(degrees)) / spread
    return 0.5 * math.erfc(-deviations / math.sqrt(2))


def outside(low: float, high: float, chance: float, trials: int) -> float:
    """P[hits are outside of [low, high]] for binomial hits."""
    logs = math.log(chance), math.log1p(-chance)
    return math.fsum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(hits + 1)
            - math.lgamma(trials - hits + 1)
            + hits * logs[0]
            + (trials - hits) * logs[1]
        )
        for hits in range(trials + 1)
        if not low <= hits <= high
    )
