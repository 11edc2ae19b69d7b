"""How much noise a privacy loss buys: scales in closed form, rounded safely."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from dpquery.accounting.events import Event, GaussianNoise, LaplaceNoise
from dpquery.accounting.loss import Definition, Loss

_SLACK = 2.0**-48
"""
Relative widening of every scale: 16 units in the last place.

Our four roundings and OpenDP's upward ones together stay below half of it, so
OpenDP's own map of the widened scale is still within the loss that was handed out.
"""


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
        if type(self.sensitivity) is not int or self.sensitivity < 1:
            raise ValueError(f"a sensitivity is an integer >= 1: {self.sensitivity!r}")
        if type(self.scale) is not float or not 0 < self.scale < math.inf:
            raise ValueError(f"a scale is a finite float > 0: {self.scale!r}")

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
    if handed_out.amount == 0:
        raise ValueError("no finite noise costs nothing")
    match handed_out.definition:
        case Definition.ZCDP:
            law, per_unit = Law.GAUSSIAN, 1 / math.sqrt(2 * handed_out.value)
        case Definition.PURE:
            law, per_unit = Law.LAPLACE, 1 / handed_out.value
        case _:
            assert_never(handed_out.definition)
    scale = float_up(sensitivity) * per_unit * (1 + _SLACK)
    return Additive(law, sensitivity, scale)


def float_up(number: int) -> float:
    """
    Return the smallest float that is not below *number*.

    >>> float_up(2**53 + 1) - 2**53
    2.0
    """
    nearest = float(number)
    return nearest if nearest >= number else math.nextafter(nearest, math.inf)
