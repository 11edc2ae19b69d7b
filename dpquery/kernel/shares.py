"""How one release's loss is shared over what it measures (theory.md 2.2).

The variance of what is shown is a sum of c_j^2 / ρ_j, where c_j is how far moment j
moves it (the delta method) times the moment's Δ. It is least where ρ_j ∝ c_j.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.aggregates import (
    AnyEstimator,
    LinearEstimator,
    Moment,
    PairEstimator,
    PairKind,
    RankEstimator,
    RatioEstimator,
    SpreadEstimator,
    Units,
)
from dpquery.plan.rewrite.decompose_aggregates import moments_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dpquery.plan.aggregates import Estimator

OF_PRESENCE = 1e-3
"""The share of a count that says only whether a sum is of nothing."""
OF_RANK_PRESENCE = 0.1
"""The share of a count that says whether there is anything to choose from."""
UNUSED = 1e-3
"""The share of a moment that the answer does not depend on."""

_SAME = {
    PairKind.COVAR_SAMP: PairKind.COVAR_POP,
    PairKind.REGR_SXY: PairKind.COVAR_POP,
    PairKind.REGR_R2: PairKind.CORR,
}
OF_PAIR: dict[PairKind, tuple[float, ...]] = {
    PairKind.COVAR_POP: (0.4, 0.9, 0.9, UNUSED, UNUSED, 3.8),
    PairKind.CORR: (0.9, 0.7, 0.7, 0.6, 0.6, 2.5),
    PairKind.REGR_SLOPE: (0.9, 0.7, 1.0, UNUSED, 0.8, 2.6),
    PairKind.REGR_INTERCEPT: (0.9, 1.4, 1.2, UNUSED, 0.6, 1.9),
    PairKind.REGR_SXX: (2.2, UNUSED, 1.8, UNUSED, 2.0, UNUSED),
    PairKind.REGR_SYY: (2.2, 1.8, UNUSED, 2.0, UNUSED, UNUSED),
}
"""
What count, sums of y and x, squares of y and x, and product get for a pair of values.

About c_j for normal values of a standard deviation of a third of the half width w of
their bounds, with means within w/3 of the middle and correlations of ±0.3 and ±0.7,
root mean squares of all: errors are smaller than with equal shares by a factor of 1.57
for covariances, 1.2 for correlations, 1.25 for slopes, 1.16 for intercepts, 1.4 for
REGR_SXX and REGR_SYY. Squares get more than the optimum where their noise can make the
answer NULL. A variance alone has c = (0.95, 1, 1.06): equal shares are within 0.2 % of
the optimum, and are kept.
"""


def weight_of_each(estimators: Iterable[Estimator]) -> dict[Moment, float]:
    """
    Return the weight of every moment: the most that any column of a release has for it.

    A displayed sum or count: 1, for equal shares give equal relative errors. An average
    whose count nobody asked for gives two thirds to its sum: 1.77 instead of 2.18 at
    τ = 0.3; shown beside its count or sum, equal shares. What only says whether there
    is anything gets little. The units of a release that withholds groups have 1, shown
    or not: at the threshold, about 6 of their σ, a count has a relative error of only a
    sixth, so that more for it would cost groups, and less would gain few of them.
    """
    columns = tuple(estimators)
    shown = {
        moment
        for each in columns
        if isinstance(each, LinearEstimator | AnyEstimator)
        for moment in set(moments_of(each)) - {each.presence}
    }
    found: dict[Moment, float] = {}
    for each in columns:
        for moment, weight in _weights(each, shown):
            found[moment] = max(found.get(moment, 0.0), weight)
    return found | ({Units(): 1.0} if Units() in found else {})


def _weights(estimator: Estimator, shown: set[Moment]) -> list[tuple[Moment, float]]:
    match estimator:
        case LinearEstimator(presence=presence) | AnyEstimator(presence=presence):
            return [
                (moment, OF_PRESENCE if moment == presence else 1.0)
                for moment in moments_of(estimator)
            ]
        case RankEstimator(presence=presence):
            return [(presence, OF_RANK_PRESENCE)]
        case RatioEstimator(numerator=numerator, denominator=denominator):
            more = 1.0 if denominator in shown else 2.0
            return [(denominator, 1.0), (numerator, more)]
        case PairEstimator(kind=kind):
            shares = OF_PAIR[_SAME.get(kind, kind)]
            return list(zip(moments_of(estimator), shares, strict=True))
        case SpreadEstimator():
            return [(moment, 1.0) for moment in moments_of(estimator)]
