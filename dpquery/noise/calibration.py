"""How much noise a privacy loss buys: scales in closed form, rounded safely."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from dpquery.accounting.events import (
    Event,
    ExponentialMechanism,
    GaussianNoise,
    LaplaceNoise,
    PermuteAndFlip,
)
from dpquery.accounting.loss import Definition, Loss

_SLACK = 2.0**-48
"""
Relative widening of every scale: 16 units in the last place.

Our four roundings and OpenDP's upward ones together stay below half of it, so
OpenDP's own map of the widened scale is still within the loss that was handed out.
"""

MOST_SENSITIVE = 2**62 - 1
"""No choice is more sensitive: OpenDP's map doubles the number in 64 bits."""


class Law(StrEnum):
    """The distribution of integer noise."""

    GAUSSIAN = "gaussian"
    """Discrete Gaussian, P[z] ~ exp(-z^2 / (2 scale^2)); under zCDP."""
    LAPLACE = "laplace"
    """Discrete Laplace, P[z] ~ exp(-|z| / scale); under pure DP."""


@dataclass(frozen=True, slots=True)
class Additive:
    """
    Integer noise added to every element of an integer vector.

    Raises:
        ValueError: For parameters that describe no noise.
    """

    law: Law
    sensitivity: int
    """Grid units, at least 1: L2 for the Gaussian law, L1 for the Laplace law."""
    scale: float
    """Grid units: sigma of the Gaussian law, b of the Laplace law."""

    def __post_init__(self) -> None:
        _check(self.sensitivity, self.scale)

    @property
    def definition(self) -> Definition:
        """The definition of privacy that this noise is charged under."""
        match self.law:
            case Law.GAUSSIAN:
                return Definition.ZCDP
            case Law.LAPLACE:
                return Definition.PURE
            case _:
                assert_never(self.law)

    @property
    def std(self) -> float:
        """
        The standard deviation, in grid units.

        Exact for the Laplace law. A discrete Gaussian's is at most its scale
        (Canonne-Kamath-Steinke 2020), and equal to 6 digits from 1 up.
        """
        match self.law:
            case Law.GAUSSIAN:
                return self.scale
            case Law.LAPLACE:
                step = 1 / self.scale
                return math.sqrt(2) * math.exp(-step / 2) / -math.expm1(-step)
            case _:
                assert_never(self.law)

    def event(self) -> Event:
        """Return what the ledger records of one use of this noise."""
        match self.law:
            case Law.GAUSSIAN:
                return GaussianNoise(self.sensitivity, self.scale)
            case Law.LAPLACE:
                return LaplaceNoise(self.sensitivity, self.scale)
            case _:
                assert_never(self.law)


@dataclass(frozen=True, slots=True)
class Choice:
    """
    In every group of a release, one noisy choice of the candidate of least penalty.

    The law follows the definition of privacy, as OpenDP pairs them. zCDP: the
    exponential mechanism, P[candidate] ~ exp(-penalty / scale). Pure DP: permute and
    flip, which is never worse. *scale* is 2 times sensitivity / epsilon where a
    textbook writes exp(-epsilon penalty / (2 sensitivity)).

    Raises:
        ValueError: For parameters that describe no choice.
    """

    definition: Definition
    """The definition of privacy that the choices are charged under."""
    sensitivity: int
    """
    From 1 to MOST_SENSITIVE, in units of the penalties.

    At least the L2 norm under zCDP, the L1 norm under pure DP, over all groups, of how
    far one privacy unit moves any penalty of a group.
    """
    scale: float
    """In units of the penalties."""

    def __post_init__(self) -> None:
        _check(self.sensitivity, self.scale)
        if self.sensitivity > MOST_SENSITIVE:
            raise ValueError(f"a choice this sensitive: {self.sensitivity!r}")

    def event(self) -> Event:
        """Return what the ledger records of one use of this choice."""
        match self.definition:
            case Definition.ZCDP:
                return ExponentialMechanism(self.sensitivity, self.scale)
            case Definition.PURE:
                return PermuteAndFlip(self.sensitivity, self.scale)
            case _:
                assert_never(self.definition)


def calibrate(sensitivity: int, handed_out: Loss) -> Additive:
    """
    Return the least noise that costs at most *handed_out*.

    Gaussian: rho = sensitivity^2 / (2 scale^2) (Canonne-Kamath-Steinke 2020, Theorem
    4 and its multivariate form). Laplace: epsilon = sensitivity / scale.

    >>> calibrate(3, Loss.up(Definition.PURE, 0.5)).scale.__round__(9)
    6.0

    Raises:
        ValueError: For a loss of nothing and for a sensitivity below 1: no finite
            noise, or none at all, would do.
    """
    scale = _least_scale(sensitivity, handed_out)
    match handed_out.definition:
        case Definition.ZCDP:
            return Additive(Law.GAUSSIAN, sensitivity, scale)
        case Definition.PURE:
            return Additive(Law.LAPLACE, sensitivity, scale)
        case _:
            assert_never(handed_out.definition)


def calibrate_choice(sensitivity: int, handed_out: Loss) -> Choice:
    """
    Return the sharpest choice that costs at most *handed_out*.

    zCDP: rho = (2 sensitivity / scale)^2 / 8. Pure DP: epsilon = 2 sensitivity / scale.
    The theorems are with the events.

    >>> calibrate_choice(3, Loss.up(Definition.PURE, 0.5)).scale.__round__(9)
    12.0

    Raises:
        ValueError: For a loss of nothing, and for a sensitivity below 1 or above
            MOST_SENSITIVE.
    """
    match handed_out.definition:
        case Definition.ZCDP:
            scale = _least_scale(sensitivity, handed_out)
        case Definition.PURE:
            scale = _least_scale(2 * sensitivity, handed_out)
        case _:
            assert_never(handed_out.definition)
    return Choice(handed_out.definition, sensitivity, scale)


def _least_scale(distance: int, handed_out: Loss) -> float:
    """Return distance / sqrt(2 rho) or distance / epsilon, widened."""
    if handed_out.amount == 0:
        raise ValueError("no finite noise costs nothing")
    match handed_out.definition:
        case Definition.ZCDP:
            per_unit = 1 / math.sqrt(2 * handed_out.value)
        case Definition.PURE:
            per_unit = 1 / handed_out.value
        case _:
            assert_never(handed_out.definition)
    return float_up(distance) * per_unit * (1 + _SLACK)


def _check(sensitivity: int, scale: float) -> None:
    """Refuse parameters that describe no noise."""
    if type(sensitivity) is not int or sensitivity < 1:
        raise ValueError(f"a sensitivity is an integer >= 1: {sensitivity!r}")
    if type(scale) is not float or not 0 < scale < math.inf:
        raise ValueError(f"a scale is a finite float > 0: {scale!r}")


def float_up(number: int) -> float:
    """
    Return the smallest float that is not below *number*.

    >>> float_up(2**53 + 1) - 2**53
    2.0
    """
    nearest = float(number)
    return nearest if nearest >= number else math.nextafter(nearest, math.inf)
