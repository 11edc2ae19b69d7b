"""
What stands between a calibrated mechanism and a draw: OpenDP's own verdict.

Claim: nothing is drawn unless OpenDP's own privacy map, recomputed from the very
measurement about to run, is finite and within the loss that was handed out.
"""

from __future__ import annotations

import math
from operator import index
from typing import TYPE_CHECKING

from dpquery.accounting.loss import Loss

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dpquery.noise.calibration import Additive, Choice

LARGEST = 2**62
"""Exact values are saturated to +-LARGEST: 1-Lipschitz, so sensitivity is kept."""


class CalibrationError(RuntimeError):
    """The noise would cost more than was handed out; nothing was drawn."""


def confirm(loss: Loss, handed_out: Loss) -> None:
    """
    Refuse to go on when *loss* is not within *handed_out*.

    Raises:
        CalibrationError: When it is more, or of another definition.
    """
    if loss.definition is not handed_out.definition or not loss.within(handed_out):
        raise CalibrationError(
            f"noise of {loss.value!r} ({loss.definition}) for a loss of "
            f"{handed_out.value!r} ({handed_out.definition})"
        )


def finite(mechanism: Additive | Choice, amount: float) -> Loss:
    """
    Return *amount*, from OpenDP's map for *mechanism*, as a loss, rounded up.

    Raises:
        CalibrationError: When it is no number: that would be no noise.
    """
    if not math.isfinite(amount):
        raise CalibrationError(f"noise of scale {mechanism.scale!r} hides nothing")
    return Loss.up(mechanism.definition, amount)


def saturated(values: Iterable[int]) -> list[int]:
    """
    Return *values* within +-LARGEST, which OpenDP's 64 bits hold.

    Raises:
        TypeError: For a value that is no integer.
    """
    return [max(-LARGEST, min(LARGEST, index(value))) for value in values]
