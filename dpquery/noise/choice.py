"""
Noisy choices among public candidates: OpenDP's noisy maximum on integer scores.

Claim: nothing is drawn before ``confirmation`` agrees to the loss of all groups of a
release together. OpenDP is asked once, at the combined sensitivity D: its map is
(2 D / scale)^2 / 8 under zCDP and 2 D / scale under pure DP, and the groups, which are
chosen in independently, cost the sum of the same at their own distances d_g. That is
no more, because D^2 >= sum d_g^2 under zCDP and D >= sum d_g under pure DP.

OpenDP 0.16 draws both laws exactly, in rational arithmetic. By its timing it proposes
candidates at random and takes one with chance exp((score - best) / scale), proposing
with replacement under zCDP (the exponential mechanism, by rejection) and without it
under pure DP (permute and flip): some 3 microseconds for each candidate, whatever the
scale. Before 0.16 it permuted under zCDP as well, and lost up to four times what its
map said (opendp#2911).
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any, assert_never

from dpquery.accounting.loss import Definition, Loss
from dpquery.noise.confirmation import confirm, finite, saturated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.noise.calibration import Choice


def choose(
    choice: Choice, penalties: Sequence[Sequence[int]], handed_out: Loss
) -> list[int]:
    """
    Return, for every group, the index of a candidate of about the least penalty.

    *penalties* holds one vector for each group, of one integer for each candidate, in
    the units of the choice's sensitivity, which covers all groups together. Which
    groups there are, and their candidates, must be public or released.

    Raises:
        CalibrationError: When this costs more than *handed_out*; before any draw.
        TypeError: For a penalty that is no integer; before any draw.
        ValueError: For a group without candidates; before any draw.
    """
    scores = [[-penalty for penalty in saturated(group)] for group in penalties]
    if not all(scores):
        raise ValueError("a choice needs candidates")
    measurement = _measurement(choice)
    confirm(_mapped(choice, measurement), handed_out)
    return [measurement(group) for group in scores]


def choice_spent(choice: Choice) -> Loss:
    """
    Return what one use of *choice* costs by OpenDP's map, rounded up.

    Raises:
        CalibrationError: When the map is infinite: that would be no noise.
    """
    return _mapped(choice, _measurement(choice))


def rank_error(choice: Choice, candidates: int, miss: float) -> float:
    """
    Return how far the chosen penalty is above the least, except with chance *miss*.

    In units of the penalties, for one group. Under both laws a candidate whose penalty
    is x above the least is chosen with chance at most exp(-x / scale): the exponential
    mechanism's weights add up to at least the 1 of the best, and permute and flip
    takes the candidate only after its own flip of that chance. There are at most
    candidates - 1 that are above the least, so P[more than x above] <=
    (candidates - 1) exp(-x / scale). With scale = 2 sensitivity / epsilon that is the
    usual (2 sensitivity / epsilon) ln(candidates / miss), and a hair less.

    >>> from dpquery.noise.calibration import Choice
    >>> round(rank_error(Choice(Definition.ZCDP, 1, 10.0), 1001, 0.05), 1)
    99.0

    Raises:
        ValueError: For no candidates, and for a chance outside (0, 1).
    """
    if candidates < 1 or not 0 < miss < 1:
        raise ValueError(f"{candidates!r} candidates, missed with chance {miss!r}")
    if candidates == 1:
        return 0.0
    return choice.scale * math.log((candidates - 1) / miss)


def _mapped(choice: Choice, measurement: Any) -> Loss:  # noqa: ANN401 -- OpenDP's
    """Return the loss by *measurement*'s own map at the choice's sensitivity."""
    from opendp.mod import OpenDPException  # noqa: PLC0415

    try:
        amount = measurement.map(choice.sensitivity)
    except OpenDPException:  # a loss beyond the largest float
        amount = math.inf
    return finite(choice, amount)


def _measurement(choice: Choice) -> Any:  # noqa: ANN401 -- OpenDP's
    """Return OpenDP's measurement for the choice in one group."""
    # 0.2 s of import that pricing does not need
    from opendp.measurements import make_noisy_max  # noqa: PLC0415

    return make_noisy_max(*_space(choice.definition), scale=choice.scale)


@cache
def _space(definition: Definition) -> tuple[Any, Any, Any]:
    """Return the domain, metric and measure of *definition*: 64-bit score vectors."""
    from opendp.domains import atom_domain, vector_domain  # noqa: PLC0415
    from opendp.measures import (  # noqa: PLC0415
        max_divergence,
        zero_concentrated_divergence,
    )
    from opendp.metrics import linf_distance  # noqa: PLC0415
    from opendp.mod import enable_features  # noqa: PLC0415

    enable_features("contrib")  # OpenDP's flag for what its own team has not vetted
    # OpenDP's default integer is 32 bits wide
    domain = vector_domain(atom_domain(T="i64"))
    # monotonic would halve the loss, and is false: one unit moves the rank penalties
    # below its value one way and those above it the other
    metric = linf_distance(T="i64", monotonic=False)
    match definition:
        case Definition.ZCDP:
            return domain, metric, zero_concentrated_divergence()
        case Definition.PURE:
            return domain, metric, max_divergence()
        case _:
            assert_never(definition)
