"""A privacy loss as two integers, so that sums are exact and limits are sharp."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TypeAlias

AMOUNT_UNITS = 10**12
"""Units of ``Loss.amount`` in one rho (zCDP) or one epsilon (pure DP)."""
DELTA_UNITS = 10**18
"""Units of ``Loss.delta`` in one delta."""

Number: TypeAlias = int | float | Fraction | Decimal

_MAX_EXPONENT = 400
"""Of a Decimal: ``1e999999999`` would become an integer of a billion digits."""


class Definition(StrEnum):
    """The definition of privacy that a budget is kept in."""

    ZCDP = "zcdp"
    """Approximate zero-concentrated DP: a loss is (rho, delta)."""
    PURE = "pure"
    """Pure DP: a loss is epsilon."""


@dataclass(frozen=True, slots=True)
class Loss:
    """
    What a release costs, or what a budget allows.

    Losses add up to the loss of all releases together, however the later ones were
    chosen (see :mod:`dpquery.accounting.filters`). Python's integers do not overflow,
    so neither do these.

    >>> third = Loss.up(Definition.ZCDP, Fraction(1, 3))
    >>> third.amount, (third + third).amount
    (333333333334, 666666666668)
    """

    definition: Definition
    amount: int
    """In units of 1e-12 rho (zCDP) or 1e-12 epsilon (pure DP)."""
    delta: int = 0
    """In units of 1e-18."""

    def __post_init__(self) -> None:
        for part in (self.amount, self.delta):
            if type(part) is not int or part < 0:
                raise ValueError(f"a privacy loss is made of integers >= 0: {part!r}")
        if self.definition is Definition.PURE and self.delta:
            raise ValueError("a pure-DP loss has no delta")

    @classmethod
    def up(cls, definition: Definition, amount: Number, delta: Number = 0) -> Loss:
        """
        Return the smallest loss that covers *amount* and *delta*: for costs.

        Raises:
            ValueError: For NaN, infinities, negatives, booleans and other types.
        """
        return cls(
            definition,
            math.ceil(_exact(amount) * AMOUNT_UNITS),
            math.ceil(_exact(delta) * DELTA_UNITS),
        )

    @classmethod
    def down(cls, definition: Definition, amount: Number, delta: Number = 0) -> Loss:
        """
        Return the largest loss within *amount* and *delta*: for limits.

        Raises:
            ValueError: For NaN, infinities, negatives, booleans and other types.
        """
        return cls(
            definition,
            math.floor(_exact(amount) * AMOUNT_UNITS),
            math.floor(_exact(delta) * DELTA_UNITS),
        )

    @classmethod
    def zero(cls, definition: Definition) -> Loss:
        """Return the loss of releasing nothing."""
        return cls(definition, 0)

    def __add__(self, other: Loss) -> Loss:
        self._same_definition(other)
        return Loss(
            self.definition, self.amount + other.amount, self.delta + other.delta
        )

    def minus(self, other: Loss) -> Loss:
        """Return what is left of this loss after *other*; each part at least 0."""
        self._same_definition(other)
        return Loss(
            self.definition,
            max(0, self.amount - other.amount),
            max(0, self.delta - other.delta),
        )

    def within(self, limit: Loss) -> bool:
        """Return whether neither part is above the limit's."""
        self._same_definition(limit)
        return self.amount <= limit.amount and self.delta <= limit.delta

    @property
    def value(self) -> float:
        """The nearest float to the rho (zCDP) or epsilon (pure DP)."""
        return self.amount / AMOUNT_UNITS

    @property
    def delta_value(self) -> float:
        """The nearest float to the delta."""
        return self.delta / DELTA_UNITS

    @property
    def rho(self) -> float:
        """
        The zCDP loss, to show.

        A pure loss of epsilon is zCDP with rho = epsilon * tanh(epsilon / 2) and no
        less in general (theory.md 3.2): the worst case is randomised response.
        """
        match self.definition:
            case Definition.ZCDP:
                return self.value
            case Definition.PURE:
                return self.value * math.tanh(self.value / 2)

    def _same_definition(self, other: Loss) -> None:
        if self.definition is not other.definition:
            raise ValueError(
                f"losses under {self.definition} and {other.definition} do not mix"
            )


def _exact(number: Number) -> Fraction:
    """Return *number* without rounding, or refuse what is no finite amount."""
    # bool is an int to Python; numpy scalars are floats that carry their own rules
    if type(number) not in (int, float, Fraction, Decimal):
        raise ValueError(f"not a number: {number!r}")
    if isinstance(number, Decimal) and abs(number.adjusted()) > _MAX_EXPONENT:
        raise ValueError("a number of absurd size or precision")
    try:
        exact = Fraction(number)
    except (ValueError, OverflowError):
        raise ValueError(f"not a finite number: {number!r}") from None
    if exact < 0:
        raise ValueError(f"a privacy loss is not negative: {number!r}")
    return exact
