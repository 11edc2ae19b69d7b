"""
From events to losses, and from zCDP losses to (epsilon, delta).

The conversion is Canonne-Kamath-Steinke 2020 (arXiv 2004.00010, Proposition 12): a
rho-zCDP mechanism is (epsilon, delta)-DP for every a > 1 with

    log delta = (a - 1)(a rho - epsilon) - log(a - 1) + a log(1 - 1/a).

With y = a - 1 this is y((1 + y) rho - epsilon) - y log(1 + 1/y) - log(1 + y), convex in
y and free of cancellation. *Any* y > 0 gives a valid bound, so the searches below can
cost tightness, never soundness; floating-point error is covered by ``_SLACK``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from dpquery.accounting.events import (
    Event,
    ExponentialMechanism,
    GaussianNoise,
    LaplaceNoise,
    PermuteAndFlip,
    Withholding,
)
from dpquery.accounting.loss import Definition, Loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SLACK = 1e-14
"""Relative rounding error allowed for in a sum of terms; it is below 3e-15."""


@dataclass(frozen=True, slots=True)
class Promise:
    """
    An (epsilon, delta) budget, and how losses and epsilons convert under it.

    Without delta the promise is pure DP. With delta, half of it pays for withholding
    small groups and half for the conversion from zCDP (theory.md 3.3).

    >>> Promise(epsilon=1, delta=1e-6).limit()
    Loss(definition=<Definition.ZCDP: 'zcdp'>, amount=22937446688, delta=499999999999)
    """

    epsilon: float
    delta: float | None

    def __post_init__(self) -> None:
        _check(self.epsilon, self.delta)
        if self.epsilon == 0:
            raise ValueError("a promise of epsilon 0 allows no answer")

    @property
    def definition(self) -> Definition:
        """The definition of privacy that losses under this promise are kept in."""
        return Definition.PURE if self.delta is None else Definition.ZCDP

    @property
    def delta_for_groups(self) -> float:
        """The delta that all withholding of groups together may use."""
        return 0.0 if self.delta is None else self.delta / 2

    @property
    def delta_for_conversion(self) -> float:
        """The delta at which zCDP losses are read as epsilon."""
        return 0.0 if self.delta is None else self.delta / 2

    def limit(self) -> Loss:
        """Return the loss that keeps this promise, rounded down."""
        spendable = self.loss_of(self.epsilon)
        return spendable + Loss.down(self.definition, 0, self.delta_for_groups)

    def loss_of(self, epsilon: float) -> Loss:
        """Return what a query of *epsilon* may spend on noise, rounded down."""
        match self.definition:
            case Definition.PURE:
                return Loss.down(self.definition, epsilon)
            case Definition.ZCDP:
                rho = rho_of(epsilon, self.delta_for_conversion)
                return Loss.down(self.definition, rho)

    def epsilon_of(self, loss: Loss) -> float:
        """
        Return *loss* as an epsilon at this promise's delta.

        It is a reading, to show: what is promised is the limit. Under zCDP it is
        rounded up, under pure DP to the nearest float.
        """
        if loss.definition is not self.definition:
            raise ValueError(
                f"a {loss.definition} loss under a {self.definition} promise"
            )
        match self.definition:
            case Definition.PURE:
                return loss.value
            case Definition.ZCDP:
                return epsilon_of(loss.value, self.delta_for_conversion)


def loss_of_events(events: Iterable[Event], definition: Definition) -> Loss:
    """
    Return the loss of *events* together, summed exactly and rounded up once.

    Raises:
        ValueError: For an event that has no loss under *definition*.
    """
    amount, delta = Fraction(0), Fraction(0)
    for event in events:
        match event, definition:
            case GaussianNoise(), Definition.ZCDP:
                # Canonne-Kamath-Steinke 2020, Theorem 4 and its multivariate form
                ratio = Fraction(event.sensitivity) / Fraction(event.scale)
                amount += ratio * ratio / 2
            case LaplaceNoise(), Definition.PURE:
                amount += Fraction(event.sensitivity) / Fraction(event.scale)
            case ExponentialMechanism(), Definition.ZCDP:
                # (2 sensitivity / scale)^2 / 8: bounded range, Cesar-Rogers 2020
                ratio = Fraction(event.sensitivity) / Fraction(event.scale)
                amount += ratio * ratio / 2
            case PermuteAndFlip(), Definition.PURE:
                amount += 2 * Fraction(event.sensitivity) / Fraction(event.scale)
            case Withholding(), Definition.ZCDP:
                delta += Fraction(event.delta)
            case _:
                raise ValueError(
                    f"{type(event).__name__} has no loss under {definition}"
                )
    return Loss.up(definition, amount, delta)


def log_delta(rho: float, epsilon: float) -> float:
    """Return log delta such that rho-zCDP is (epsilon, delta)-DP, rounded up."""
    _check(rho)
    _check(epsilon)
    if rho == 0:
        return -math.inf
    # the derivative in y, which increases: the minimum is at its root
    y = _root(
        lambda y: (rho - epsilon) + 2 * y * rho - math.log1p(1 / y),
        (epsilon + 1) / rho + 1,
    )
    terms = (y * (rho - epsilon), y * y * rho, -y * math.log1p(1 / y), -math.log1p(y))
    return min(0.0, _rounded_up(terms))


@lru_cache(maxsize=4096, typed=True)
def epsilon_of(rho: float, delta: float) -> float:
    """
    Return the smallest epsilon with rho-zCDP => (epsilon, delta)-DP, rounded up.

    Solved for epsilon, the bound is (1 + y) rho - log(1 + 1/y) + (L - log(1 + y)) / y
    with L = log(1/delta); its minimum is where rho y^2 + log(1 + y) = L.

    >>> round(epsilon_of(0.024356, 1e-6), 4)
    1.0
    """
    _check(rho, delta)
    if rho == 0:
        return 0.0
    log_odds = -math.log(delta)
    y = _root(
        lambda y: rho * y * y + math.log1p(y) - log_odds,
        min(math.sqrt(log_odds / rho), math.expm1(min(log_odds, 700.0))),
    )
    terms = (rho, y * rho, -math.log1p(1 / y), log_odds / y, -math.log1p(y) / y)
    return max(0.0, _rounded_up(terms))


@lru_cache(maxsize=4096, typed=True)
def rho_of(epsilon: float, delta: float) -> float:
    """
    Return the largest rho with rho-zCDP => (epsilon, delta)-DP, rounded down.

    Solved for rho, the bound is (epsilon + log(1 + 1/y) - (L - log(1 + y)) / y)/(1 + y)
    with L = log(1/delta); eliminating rho from it and from the condition for a minimum
    in :func:`epsilon_of` leaves one equation for y, whose left side decreases.

    >>> round(rho_of(1, 1e-6), 6)
    0.024356
    """
    _check(epsilon, delta)
    log_odds = -math.log(delta)
    y = _root(
        lambda y: (
            epsilon
            + math.log1p(1 / y)
            - (log_odds - math.log1p(y)) * (1 + 2 * y) / (y * y)
        ),
        math.expm1(min(log_odds, 700.0)),
    )
    terms = (-epsilon, -math.log1p(1 / y), log_odds / y, -math.log1p(y) / y)
    return max(0.0, -_rounded_up(terms) / (1 + y) * (1 - _SLACK))


def _root(increasing: Callable[[float], float], high: float) -> float:
    """Return about where *increasing* crosses 0 between 0 and *high*, never 0."""
    low = 0.0
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (low, middle) if increasing(middle) > 0 else (middle, high)
    return high


def _rounded_up(terms: tuple[float, ...]) -> float:
    """Return no less than the true sum of *terms*, each right to a few ulps."""
    return math.fsum(terms) + _SLACK * math.fsum(map(abs, terms))


def _check(loss: float, delta: float | None = None) -> None:
    """Refuse what is no rho or epsilon, and what is no delta."""
    if type(loss) not in (int, float) or not 0 <= loss < math.inf:
        raise ValueError(f"a privacy loss is a finite number >= 0: {loss!r}")
    if delta is not None and not (type(delta) is float and 0 < delta < 1):
        raise ValueError(f"delta is a number between 0 and 1: {delta!r}")
