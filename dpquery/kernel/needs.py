"""
How far a released value is from the accuracy that was asked for.

It is read off the value and its interval: released numbers only, so that whatever is
decided by it is post-processing (docs/privacy.md, "Asking by accuracy").
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dpquery.noise.intervals import Linear, Ratio, interval, point
from dpquery.noise.sampled import Sampled

if TYPE_CHECKING:
    from dpquery.noise.intervals import Estimate
    from dpquery.results import Interval

NARROW = 0.3
"""Intervals that are at most this part of their values say what is needed."""
NARROW_COUNT = 0.1
"""The same of the number of rows that an average is of: its error is inverse to it."""
CLAMPED = 4.0
"""How much better a ratio is asked for at most, while its interval is cut off."""
UNTOLD = 8.0
"""How much better a computed column has to be affordable for a round in the hope that
it has an interval then: an eighth of a limit's ε is lost if it never has one."""
OPEN = 2.0
"""How much better a statistic is asked for, while its interval has no end."""
BENT = 1.25
"""The same while its error is not in proportion to the noise: a factor of 1.6 in ρ,
which is the most that can be too much."""
CROOKED = 1.5
"""How many times longer one side of an interval may be than the other, in proportion:
noise that is a fifth of a count at 95 % makes one over it as crooked."""
FAR = 1.2
"""How many times narrower a statistic's interval has to be for its width to be a rough
guide: of values that are far from exact, widths are too."""
SHORT = 0.85
"""The part of that way that is gone at once."""
HEAVY = 1.3
"""How many times longer its tails may be than a normal law's. Of 999 replicates, both
are off by some 6 %."""
HALF = 0.5
"""The confidence of the middle of an interval, that its tails are compared with."""
NORMAL_TAILS = 2.906
"""A normal law's interval at 95 % over that at a half: 1.960 / 0.6745."""
REDRAWN = 1.02
"""How much narrower than needed a statistic's interval is meant to be: it is drawn
again, and 999 replicates give its ends to some 4 %. Each per cent costs two of ρ, and
what falls short is asked for once more."""


@dataclass(frozen=True, slots=True)
class Target:
    """How exact every noisy value is to be."""

    amount: float
    """Half the width of the interval, or the part of the value that it may be."""
    relative: bool
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{100 * self.amount:.4g} %" if self.relative else f"{self.amount:.6g}"


@dataclass(frozen=True, slots=True)
class Need:
    """How far one released value is from a target."""

    error: float
    """Half its interval; for targets in per cent, as a part of the value."""
    least: float
    """How many times narrower its interval must be, if noise made it look small."""
    next: float
    """How many times narrower it shall be: what the released value says, once that is
    known well, and *least* before."""
    reached: bool
    known: bool = True
    """Whether it is a number with an interval, or NULL."""


def need_of(
    estimate: Estimate | None,
    target: Target,
    shown: object = None,
    *,
    computed: bool = False,
) -> Need:
    """
    Return how far a released value, as it is *shown*, is from *target*.

    In per cent: z sd <= alpha (abs(value) - z sd), so that the error is within alpha of
    any value in the interval (theory.md 4.6). It reads released numbers only. What is
    NULL so far, as an average over hardly any rows, may not be so with less noise. A
    number without an interval will have none, but for one that is *computed*, whose
    replicates may be all on one side of it for the noise.
    """
    if estimate is None and shown is not None:
        least, step = (UNTOLD, CLAMPED) if computed else (math.inf, math.inf)
        return Need(math.inf, least, step, reached=False, known=False)
    value = _value(estimate, shown)
    if value is not None and isinstance(estimate, Linear | Ratio | Sampled):
        return _need_of_number(estimate, value, target)
    least = CLAMPED
    if isinstance(estimate, Ratio):
        least = max(least, _of_most_rows(estimate, target))
    return Need(math.inf, least, CLAMPED, reached=False)


def _need_of_number(
    estimate: Linear | Ratio | Sampled, value: float, target: Target
) -> Need:
    """Return how far a number is from *target*."""
    bar = interval(estimate, target.confidence)
    half = max(bar.high - value, value - bar.low)
    rows = _rows_may_be(estimate, target.confidence)
    if not target.relative:
        ratio = half / target.amount
        least, far = ratio / rows, rows > 1 + NARROW_COUNT
        error, done = half, half <= target.amount
    else:
        wanted = target.amount / (1 + target.amount)
        ratio = half / (wanted * abs(value)) if value else math.inf
        largest = abs(value) + half
        least = half / (wanted * largest * rows) if 0 < half < math.inf else 0.0
        far = rows > 1 + NARROW_COUNT or half > NARROW * abs(value)
        smallest = max(bar.low, -bar.high, 0.0)
        error = half / smallest if smallest else math.inf
        done = half <= target.amount * smallest
    if isinstance(estimate, Ratio) and _cut_off(estimate, bar):
        step = min(max(least, math.sqrt(CLAMPED)), CLAMPED)
        return Need(error, max(step, _of_most_rows(estimate, target)), step, done)
    if isinstance(estimate, Sampled):
        steps = _step(estimate)
        if steps is not None:  # how far it is nobody can tell yet
            return Need(error, steps, steps, done)
        least, ratio = least / REDRAWN, ratio * REDRAWN
        if ratio > FAR:  # from nearer by, the rest of the way is seen better
            ratio = max(FAR, SHORT * ratio)
    return Need(error, least, least if far else ratio, done)


def _of_most_rows(ratio: Ratio, target: Target) -> float:
    """
    Return how much better a mean must be that is over hardly any rows, it seems.

    At least so much: if it is over as many as there may be, its interval is that of its
    sum over so many. Over none at all, whatever is spent on it is lost.
    """
    rows = interval(ratio.denominator, target.confidence).high
    bar = interval(ratio.numerator, target.confidence)
    wanted = target.amount
    if target.relative:
        wanted *= max(abs(ratio.low), abs(ratio.high))
    return (bar.high - bar.low) / 2 / (wanted * rows) if rows > 0 else math.inf


def _value(estimate: Estimate | None, shown: object) -> float | None:
    """Return the number that an interval is around."""
    match estimate:
        case Linear() | Ratio():
            return point(estimate)
        case Sampled():
            return estimate.middle if shown is None else float(str(shown))
        case _:
            return None


def _rows_may_be(estimate: Estimate, confidence: float) -> float:
    """Return how many times more rows an average may be of than was released."""
    if not isinstance(estimate, Ratio):
        return 1.0
    rows, bar = point(estimate.denominator), interval(estimate.denominator, confidence)
    return bar.high / rows if rows else math.inf


def _cut_off(ratio: Ratio, bar: Interval) -> bool:
    """Return whether bounds cut an interval off: its width says little then."""
    return bar.low <= ratio.low or bar.high >= ratio.high


def _step(estimate: Sampled) -> float | None:
    """
    Return how much better a statistic is asked for, while its error is no guide.

    A statistic is linear in its moments where noise is small beside them: ``None``.
    Where it is not, replicates are crooked, have heavy tails, or none at all on some
    side. An interval that its bounds cut off says as little.
    """
    free = replace(estimate, least=-math.inf, most=math.inf)
    bar, inner = interval(free, 0.95), interval(free, HALF)
    if math.isinf(bar.high - bar.low):
        return OPEN
    if bar.low < estimate.least or bar.high > estimate.most:
        return BENT
    sides = bar.high - estimate.middle, estimate.middle - bar.low
    width, core = bar.high - bar.low, inner.high - inner.low
    crooked = max(sides) > CROOKED * min(sides)
    return BENT if crooked or width > HEAVY * NORMAL_TAILS * core else None
