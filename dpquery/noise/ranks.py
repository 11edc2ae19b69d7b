"""
Rank scores: how far a public candidate is from a quantile, or from an end, in rows.

Claim: one privacy unit moves no penalty by more than ``score_sensitivity`` says. A
histogram counts, for each candidate in ascending order, the rows whose value it is, in
integer sub-steps of a row; every row has a candidate. Penalties are integers, in units
of a sub-step divided by ``HALVES`` (and by a quantile's denominator). No floating-point
number, and no order of rows, takes part in them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, TypeAlias, assert_never

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.noise.calibration import Choice

ENDS_MISS = 0.01
"""The chance that a quantile is not between the ends of its interval."""
HALVES = 2
"""Penalties are in half sub-steps, so that half a row is an integer."""


@dataclass(frozen=True, slots=True)
class Quantile:
    """
    The share numerator / denominator of the rows, strictly between 0 and 1.

    Raises:
        ValueError: For another share. For 0 and 1, all candidates beyond the last row
            would be as good as its own: that is what an :class:`End` is for.
    """

    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        if not 0 < self.numerator < self.denominator:
            raise ValueError(f"a quantile is between 0 and 1: {self!r}")


class End(StrEnum):
    """Which end of the rows is wanted."""

    LOWEST = "lowest"
    HIGHEST = "highest"


@dataclass(frozen=True, slots=True)
class Beside:
    """An end of a quantile's interval: a value that is surely on one side of it."""

    quantile: Quantile
    above: bool


Wanted: TypeAlias = Quantile | End | Beside


def score_sensitivity(wanted: Wanted, weight: int) -> int:
    """
    Return how far a unit of *weight* sub-steps moves any penalty.

    It is linear, so a norm of weights over groups gives the norm of distances.

    Proof. With the unit go counts of at least 0, of some sum s <= *weight*. Every
    cumulative count c (below v, up to v, above v, from v) falls by some a with 0 <= a
    <= s, and the number of rows N by s. A quantile's penalty is the largest of 0,
    den c - num N + constant, and num N - den c' - constant: the second moves by den a -
    num s, from -num s to (den - num) s, the third likewise. All times HALVES. An end's
    penalty is the largest of 0, 2 c - aim and aim - 2 c', where aim is the lesser of a
    constant and N: 2 c less a constant moves by at most 2 s, and 2 c - N by at most s.
    If functions move by at most D, so do the largest and the least of them. Beside a
    quantile the constant is another one, and an open candidate lacks one of the three.
    """
    match wanted:
        case Beside(quantile=quantile):
            return score_sensitivity(quantile, weight)
        case Quantile(numerator=numerator, denominator=denominator):
            return HALVES * max(numerator, denominator - numerator) * weight
        case End():
            return HALVES * weight
        case _:
            assert_never(wanted)


def units_of_a_row(wanted: Wanted) -> int:
    """Return how far apart the penalties of two rows are, of one sub-step each."""
    match wanted:
        case Quantile(denominator=denominator):
            return HALVES * denominator
        case Beside(quantile=quantile):
            return HALVES * quantile.denominator
        case End():
            return HALVES
        case _:
            assert_never(wanted)


def quantile_penalties(
    quantile: Quantile, histogram: Sequence[int], row: int
) -> list[int]:
    """
    Return each candidate's distance from *quantile*, in half sub-steps times den.

    A candidate covers the ranks from the rows below it to the rows up to it. The aim
    is rank ``q N - 1 / (2 den)``, where a row has *row* sub-steps: inside the ranks of
    the smallest value that at least the share q of the rows does not exceed, which is
    SQL's PERCENTILE_DISC, and of no other candidate. With *row* 0 the aim is ``q N``,
    and if that is between two rows, all candidates from one to the other have no
    penalty.

    >>> quantile_penalties(Quantile(1, 2), [0, 1, 0, 1, 2], row=1)
    [7, 3, 3, 0, 1]
    >>> quantile_penalties(Quantile(1, 2), [0, 1, 0, 1, 2], row=0)
    [8, 4, 4, 0, 0]
    """
    aim = HALVES * quantile.numerator * sum(histogram) - row
    return _distances(histogram, HALVES * quantile.denominator, aim)


def end_penalties(end: End, histogram: Sequence[int], rank: int) -> list[int]:
    """
    Return each candidate's distance, in half sub-steps, from *rank* counted from *end*.

    The candidate that holds the rank has none. The rank, in half sub-steps, is that of
    :func:`end_rank`, but never beyond the middle of the rows, which is as far as can be
    from the candidates beyond both ends.

    >>> end_penalties(End.HIGHEST, [0, 1, 0, 1, 0], rank=1)
    [3, 1, 1, 0, 1]
    """
    # so many half sub-steps are half of the rows
    aim = min(rank, sum(histogram))
    match end:
        case End.LOWEST:
            return _distances(histogram, HALVES, aim)
        case End.HIGHEST:
            return _distances(histogram[::-1], HALVES, aim)[::-1]
        case _:
            assert_never(end)


def end_rank(choice: Choice, candidates: int, row: int) -> int:
    """
    Return the rank to aim at for MIN and MAX, in half sub-steps from the end.

    The end itself is a bad aim: all candidates beyond it would be as good as the last
    value, and there are many of them. At rank t the candidates beyond the end, fewer
    than *candidates*, have penalty t, and another one has none. Under both laws a
    candidate of penalty t is then chosen with chance at most exp(-t / scale), so that

        P[beyond the end] <= candidates * exp(-t / scale) <= 1 / candidates

    from t = 2 scale ln(candidates) on, in a group where t is not beyond the middle. At
    least half a row, of *row* sub-steps: at a huge epsilon the extreme value has no
    penalty and every other candidate one of half a row or more.

    >>> from dpquery.accounting.loss import Definition
    >>> from dpquery.noise.calibration import Choice
    >>> end_rank(Choice(Definition.ZCDP, 2, 20.0), 1000, row=1)
    277

    Raises:
        ValueError: For no candidates.
    """
    if candidates < 1:
        raise ValueError("an end needs candidates")
    return max(row, math.ceil(2 * choice.scale * math.log(candidates)))


def beside_penalties(
    beside: Beside, histogram: Sequence[int], row: int, apart: int, outside: int = 0
) -> list[int]:
    """
    Return each candidate's distance from *apart* beyond a quantile, as it counts them.

    The outermost candidate on that side covers everything beyond it, so that there is
    always one without a penalty, and all candidates on the wrong side of the quantile
    have one of at least *apart*, which is a row or more. The *outside* first and last
    numbers are of rows that no candidate has, and the next ones are the outermost then.

    >>> half = Quantile(1, 2)
    >>> beside_penalties(Beside(half, above=False), [0, 1, 0, 1, 2], row=1, apart=6)
    [1, 0, 3, 3, 7]
    >>> beside_penalties(Beside(half, above=True), [0, 1, 0, 1, 2], row=1, apart=20)
    [27, 23, 23, 19, 0]
    """
    quantile = beside.quantile
    factor = HALVES * quantile.denominator
    counts = list(histogram[::-1] if beside.above else histogram)
    aim = HALVES * quantile.numerator * sum(histogram) - row
    if beside.above:
        aim = factor * sum(histogram) - aim
    aim -= apart
    found = _distances(counts, factor, aim)
    up_to = factor * sum(counts[: outside + 1])
    found[outside] = max(0, aim - up_to)
    return found[::-1] if beside.above else found


def beside_rank(
    choice: Choice, candidates: int, row: int, quantile: Quantile, parts: int
) -> int:
    """
    Return how far from a quantile the end of its interval aims, as penalties count.

    A candidate of penalty t is chosen with chance at most exp(-t / scale), where
    another has none. So with

        t = scale ln(candidates * parts / ENDS_MISS)

    a choice is on the wrong side with chance ENDS_MISS / parts at most, and all *parts*
    of the interval, two ends of one or two choices each, with ENDS_MISS. One row more,
    for a quantile that may lie between two rows.
    """
    far = choice.scale * math.log(candidates * parts / ENDS_MISS)
    return math.ceil(far) + HALVES * quantile.denominator * row


def _distances(histogram: Sequence[int], factor: int, aim: int) -> list[int]:
    """Return how far *aim* is outside of factor times each candidate's ranks."""
    reached = [factor * count for count in accumulate(histogram, initial=0)]
    return [max(0, below - aim, aim - up_to) for below, up_to in pairwise(reached)]
