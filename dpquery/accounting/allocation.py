"""How the loss of one query is shared out over its measurements."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from dpquery.accounting.loss import Loss

if TYPE_CHECKING:
    from collections.abc import Sequence


def split(total: Loss, weights: Sequence[float]) -> tuple[Loss, ...]:
    """
    Return one loss per weight, proportional to the weights and rounded down.

    Their sum is at most *total* and below it by fewer units than there are weights.
    Only the amount is shared: delta pays for withholding, not for noise.

    >>> from dpquery.accounting.loss import Definition
    >>> [part.amount for part in split(Loss(Definition.ZCDP, 100), [1, 1, 1])]
    [33, 33, 33]

    Raises:
        ValueError: For a weight that is not positive and finite, or a share of nothing.
    """
    if not all(math.isfinite(weight) and weight > 0 for weight in weights):
        raise ValueError("weights are finite and positive")
    exact = [Fraction(weight) for weight in weights]
    whole = sum(exact)
    amounts = [math.floor(total.amount * weight / whole) for weight in exact]
    if 0 in amounts:
        raise ValueError("too little to share: some measurement would get no loss")
    return tuple(Loss(total.definition, amount) for amount in amounts)
