"""A limit on what one unit adds: norm clip, or k groups per unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.plan.aggregates import Moment, Present, Total, Units
from dpquery.plan.analysis.dependencies import (
    determined_by_unit,
    rows_per_group,
    rows_per_unit,
)
from dpquery.plan.analysis.partitions import listed_groups
from dpquery.plan.analysis.sensitivity import (
    CLIP_ROOM,
    moment_limit,
    row_limit,
    sensitivity,
    sub_steps,
)
from dpquery.plan.program import BoundedMoment, Bounding, BoundingMode, GroupKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.plan.program import KeyDomain
    from dpquery.plan.relations import Owned

CAP_FACTOR = 16
"""G = 16·k: raises the threshold by 3-8 % only (theory.md 2.5)."""


@dataclass(frozen=True, slots=True)
class BoundingRules:
    """The owner's choices."""

    mode: BoundingMode
    norm: int
    """2 under zCDP, 1 under pure DP."""
    groups: int
    """``max_groups_per_unit``."""


def bounding(
    rules: BoundingRules,
    source: Owned,
    keys: Sequence[GroupKey],
    domain: KeyDomain | None,
) -> Bounding:
    """
    Return how contributions to one release are bounded.

    No unit is in more groups than there are: a short list of public keys makes k
    smaller than the policy's.
    """
    single = determined_by_unit([key.expression for key in keys], source)
    listed = None if domain is None else listed_groups(domain)
    groups = rules.groups if listed is None else min(rules.groups, listed)
    withholds = domain is None
    return Bounding(
        mode=rules.mode,
        norm=rules.norm,
        groups=1 if single else groups,
        group_cap=CAP_FACTOR * groups if withholds and not single else None,
        single_group=single,
    )


def bound_contributions(
    moments: Sequence[Moment], source: Owned, how: Bounding
) -> tuple[BoundedMoment, ...]:
    """Return *moments*, each with its limit, its sensitivity and its bundle."""
    relation = source.relation
    rows = row_limit(rows_per_unit(relation), rows_per_group(relation), how)
    bundles: dict[object, int] = {}
    bounded = []
    for moment in moments:
        limit = moment_limit(moment, rows, how)
        steps = sub_steps(moment, limit, how)
        clip = math.ceil(limit * steps)
        bundle = bundles.setdefault(_bundle_key(moment), len(bundles))
        room = 0 if isinstance(moment, Units) else CLIP_ROOM
        delta = sensitivity(clip + room, how)
        bounded.append(BoundedMoment(moment, bundle, steps, clip, delta))
    return tuple(bounded)


def _bundle_key(moment: Moment) -> object:
    """
    Return what moments have in common that must be scaled together.

    The two moments of an average are made of the same rows: scaling them by one
    factor keeps the ratio unbiased (theory.md 2.2).
    """
    match moment:
        case Total(value=value) | Present(value=value):
            return value
        case Units():
            return "units"
        case _:
            return "rows"
