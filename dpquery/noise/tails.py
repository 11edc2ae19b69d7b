"""How far discrete noise reaches: upper tails of the two laws, rounded up."""

from __future__ import annotations

import math
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, assert_never

from dpquery.noise.calibration import Law

if TYPE_CHECKING:
    from collections.abc import Callable

_SLACK = 1e-12
"""Relative rounding error allowed for: exponents are below 745, so 2e-13 is real."""
_TERMS = 64
"""How many terms of a discrete Gaussian tail are summed one by one."""
_SUMMED_BELOW = 100.0
"""From this scale on, the integral alone is within 2e-4 of the sum, relatively."""


def tail(law: Law, scale: float, t: int) -> float:
    """
    Return P[Z >= t] for t >= 1, rounded up.

    Laplace: exp(-t/b) / (1 + exp(-1/b)), exact (theory.md 2.5). Gaussian: within
    1e-5 of exact, relatively, below scale 100, and within 2e-4 above, wherever the
    tail is at most 0.15; never below the exact value.

    >>> round(tail(Law.LAPLACE, 1.0, 3), 6)
    0.036397

    Raises:
        ValueError: For t < 1.
    """
    if t < 1:
        raise ValueError(f"tails start at 1: {t!r}")
    match law:
        case Law.GAUSSIAN:
            bound = _gaussian_sum(scale, t) / _gaussian_mass(scale)
        case Law.LAPLACE:
            bound = math.exp(-t / scale) / (1 + math.exp(-1 / scale))
        case _:
            assert_never(law)
    # a probability too small for a float is still above 0
    return min(1.0, max(bound * (1 + _SLACK), sys.float_info.min))


@lru_cache(maxsize=4096)
def reach(law: Law, scale: float, probability: float) -> int:
    """
    Return the smallest t >= 1 with tail(t) <= *probability*.

    >>> reach(Law.LAPLACE, 10.0, 0.025)
    31
    """
    return first(lambda t: tail(law, scale, t) <= probability)


def first(holds: Callable[[int], bool]) -> int:
    """Return the smallest t >= 1 from which *holds*, by doubling and bisection."""
    high = 1
    while not holds(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _gaussian_sum(scale: float, t: int) -> float:
    """
    Return at least the sum of exp(-z^2 / (2 scale^2)) over integers z >= t.

    The first terms as they are; of the rest, each term is at most the integral over
    the unit interval around it where the function is convex, which is from *scale*
    on (Hermite-Hadamard), and over the one before it anywhere (it decreases).
    """
    terms = _TERMS if scale < _SUMMED_BELOW else 0
    head = math.fsum(_gaussian_term(scale, z) for z in range(t, t + terms))
    edge = t + terms - 0.5
    if edge < scale:
        edge -= 0.5
    rest = math.sqrt(math.pi / 2) * scale * math.erfc(edge / (scale * math.sqrt(2)))
    return head + rest


@lru_cache(maxsize=1024)
def _gaussian_mass(scale: float) -> float:
    """
    Return at most the sum of exp(-z^2 / (2 scale^2)) over all integers z.

    It is at least sqrt(2 pi) scale by Poisson summation, to 70 digits from 3 on; and
    at least any part of itself.
    """
    if scale >= 3:  # noqa: PLR2004 -- the docstring's
        return math.sqrt(2 * math.pi) * scale
    part = math.fsum(_gaussian_term(scale, z) for z in range(1, int(9 * scale) + 2))
    return 1 + 2 * part


def _gaussian_term(scale: float, z: int) -> float:
    """Return exp(-z^2 / (2 scale^2))."""
    ratio = z / scale
    return math.exp(-ratio * ratio / 2)
