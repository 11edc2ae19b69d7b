"""Oracles for discrete noise: 40 digits, summed term by term."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from itertools import count
from typing import TYPE_CHECKING

import pytest

from dpquery.noise.calibration import Law

if TYPE_CHECKING:
    from collections.abc import Callable

_DIGITS = 40


@cache
def _sum_from(law: Law, scale: float, start: int) -> Decimal:
    """The sum of the law's terms from *start* on, to about 35 digits."""
    with localcontext() as context:
        context.prec = _DIGITS
        width, total = Decimal(scale), Decimal(0)
        for z in count(start):
            ratio = z / width
            term = (-ratio * ratio / 2 if law is Law.GAUSSIAN else -ratio).exp()
            total += term
            if term < total * Decimal(10) ** -_DIGITS:
                return total
    raise AssertionError("the terms decrease")


@cache
def _tail(law: Law, scale: float, t: int) -> Fraction:
    """P[Z >= t], to about 35 digits."""
    with localcontext() as context:
        context.prec = _DIGITS
        return Fraction(_sum_from(law, scale, t) / (1 + 2 * _sum_from(law, scale, 1)))


@pytest.fixture(scope="session")
def exact_tail() -> Callable[[Law, float, int], Fraction]:
    return _tail
