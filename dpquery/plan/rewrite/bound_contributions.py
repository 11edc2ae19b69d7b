"""A limit on what one unit adds: norm clip, or k groups per unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.plan.aggregates import (
    AdditiveMoment,
    DistinctMoment,
    DistinctTotal,
    DistinctValues,
    Present,
    Product,
    RankEstimator,
    Rows,
    Square,
    Total,
    Units,
    expression_of,
)
from dpquery.plan.analysis.dependencies import (
    determined_by_unit,
    groups_per_unit,
    rows_per_group,
    rows_per_unit,
    undeclared,
)
from dpquery.plan.analysis.disjoint import disjoint
from dpquery.plan.analysis.partitions import listed_groups
from dpquery.plan.analysis.sensitivity import (
    CLIP_ROOM,
    distinct_sensitivity,
    moment_limit,
    row_limit,
    sensitivity,
    sub_steps,
)
from dpquery.plan.expressions import TEMPORAL
from dpquery.plan.program import (
    BoundedDistinct,
    BoundedMoment,
    BoundedRanking,
    Bounding,
    BoundingMode,
    GroupKey,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dpquery.plan.aggregates import GridValue, RankTarget
    from dpquery.plan.analysis.blocks import Calendar
    from dpquery.plan.expressions import Expression
    from dpquery.plan.profile import Lookup
    from dpquery.plan.program import KeyDomain, ReleasedColumn
    from dpquery.plan.relations import Owned

    Choose = Callable[[Sequence[AdditiveMoment], float], float]
    Keep = Callable[[DistinctMoment, Callable[[int], int]], int | None]

CAP_FACTOR = 16
"""G = 16·k: raises the threshold by 3-8 % only (theory.md 2.5)."""
USUAL_KEPT = 8
"""Values that a unit keeps in a union, where nobody says how many rows it has and
nothing was measured: the noise of a hundred would drown most unions, and to lose
values, many units must have many each that no other unit has."""
MOST_BINS = 1 << 20
"""Candidates of a quantile: two choices among 1,024 each find one of them."""


@dataclass(frozen=True, slots=True)
class BoundingRules:
    """The owner's choices."""

    mode: BoundingMode
    norm: int
    """2 under zCDP, 1 under pure DP."""
    groups: int
    """``max_groups_per_unit``."""
    min_units: int = 1
    """``min_group_units``."""
    calendar: Calendar | None = None
    """Blocks of time, where the owner has such."""
    profile: Lookup | None = None
    """Finds histograms that limits are chosen by; ``None``: all limits are fixed."""
    seeks: bool = False
    """Whether histograms of the very rows are wanted, even where limits are fixed."""
    noise: float = 1.0
    """The multiplier of the noise that chosen limits are best for: 1/√(2ρ), or 1/ε."""


def bounding(
    rules: BoundingRules,
    source: Owned,
    keys: Sequence[GroupKey],
    domain: KeyDomain | None,
    *,
    counts_units: bool = True,
) -> Bounding:
    """
    Return how contributions to one release are bounded.

    No unit is in more groups than there are, nor than it has rows: a short list of
    public keys makes k smaller than the policy's, and so does one row per unit.

    Where nobody asks for the number of units (*counts_units*), it only decides which
    groups are shown, and a unit in g groups weighs 1/√g in each. That shows most (Gopi
    et al. 2020): whatever k is, a group shows if the sum of min(1/√k, 1/√g) over its
    units reaches about zσ for Δ = 1, and no k makes that sum larger than k = 1 does.
    """
    single = determined_by_unit([key.expression for key in keys], source)
    listed = None if domain is None else listed_groups(domain)
    groups = min(rules.groups, groups_per_unit(source.relation) or rules.groups)
    if listed is not None:
        groups = min(groups, max(1, listed))
    withholds = domain is None
    norm = rules.mode is BoundingMode.NORM and not single
    spread = withholds and norm and not counts_units and groups > 1
    return Bounding(
        mode=rules.mode,
        norm=rules.norm,
        groups=1 if single else groups,
        group_cap=CAP_FACTOR * groups if withholds and not single else None,
        single_group=single,
        min_units=rules.min_units if withholds else 1,
        unit_groups=1 if spread else None,
    )


def bound_contributions(
    moments: Sequence[AdditiveMoment],
    source: Owned,
    how: Bounding,
    chosen: Choose | None = None,
) -> tuple[BoundedMoment, ...]:
    """
    Return *moments*, each with its limit, its sensitivity, bundle and vector.

    *chosen* returns a vector's limit from what the hints say of it.
    """
    relation = source.relation
    per_unit, per_group = rows_per_unit(relation), rows_per_group(relation)
    vectors = _vectors(moments)
    bundles: dict[object, int] = {}
    bounded = []
    for moment, vector in zip(moments, vectors, strict=True):
        together = [m for m, v in zip(moments, vectors, strict=True) if v == vector]
        rows = row_limit(per_unit, per_group, how, len(together))
        limit = moment_limit(moment, rows, how)
        if chosen is not None:
            limit = chosen(together, limit)
        steps = sub_steps(moment, limit, how)
        clip = math.ceil(limit * steps)
        bundle = bundles.setdefault(_bundle_key(moment, vector), len(bundles))
        room = 0 if isinstance(moment, Units) else CLIP_ROOM
        delta = sensitivity(clip + room, how)
        bounded.append(BoundedMoment(moment, bundle, vector, steps, clip, delta))
    return tuple(bounded)


def _vectors(moments: Sequence[AdditiveMoment]) -> list[int]:
    """
    Number the vectors that are measured at once.

    Counts of rows of disjoint kinds are cells of one vector: a row is in one of them
    at most, so together they cost what one costs (theory.md 2.2).
    """
    found: list[int] = []
    families: dict[int, list[Rows]] = {}
    for moment in moments:
        vector = len(set(found))
        if isinstance(moment, Rows) and moment.where is not None:
            for number, family in families.items():
                if all(disjoint(moment.where, e.where) for e in family if e.where) and (
                    family[0].most == moment.most
                ):
                    vector = number
                    break
            families.setdefault(vector, []).append(moment)
        found.append(vector)
    return found


def _bundle_key(moment: AdditiveMoment, vector: int) -> object:
    """
    Return what moments have in common that must be scaled together.

    The moments of an average, or of a correlation, are made of the same rows: scaling
    them by one factor keeps ratios unbiased (theory.md 2.2).
    """
    match moment:
        case Total(group_bounds=bounds) if bounds is not None:
            return moment
        case Present(most=most) if most is not None:
            return moment
        case Total(value=value) | Present(value=value) | Square(value=value):
            beside = moment.beside
            pair = {expression_of(value)} | ({beside.expression} if beside else set())
            return frozenset(pair)
        case Product(left=left, right=right):
            return frozenset({left.expression, right.expression})
        case Units():
            return "units"
        case _:
            return ("rows", vector)


def bound_distinct(
    moments: Sequence[DistinctMoment],
    source: Owned,
    how: Bounding,
    kept: Keep | None = None,
) -> tuple[BoundedDistinct, ...]:
    """
    Return unions of values, of which each unit keeps a few (theory.md 2.6).

    A unit has at most as many different values as rows, a few in each of k groups, and
    one where the value follows from the unit. *kept* returns how many of them are best,
    for the Δ of each number; ``None``: nothing is known.
    """
    relation = source.relation
    in_all = rows_per_unit(relation)
    usual = USUAL_KEPT if undeclared(relation) else in_all
    per_group = min(rows_per_group(relation) or in_all, in_all)

    def limits(most: int) -> tuple[int, int]:
        """Return how many values a unit keeps, in a group and in all."""
        if how.single_group:
            return min(in_all, most), min(in_all, most)
        each = min(per_group, most)
        return each, min(in_all, each * how.groups)

    def moved(most: int) -> int:
        """Return Δ of how many values there are."""
        return distinct_sensitivity(*limits(most), 1, how)

    found = []
    for moment in moments:
        values = [expression_of(value) for value in _values(moment)]
        most = 1
        if in_all > 1 and not determined_by_unit(values, source):
            most = (kept and kept(moment, moved)) or usual
        each, total = limits(most)
        reach = moment.value.reach if isinstance(moment, DistinctTotal) else 1
        delta = distinct_sensitivity(each, total, reach, how)
        found.append(BoundedDistinct(moment, each, total, delta))
    return tuple(found)


def _values(moment: DistinctMoment) -> Sequence[Expression | GridValue]:
    return moment.values if isinstance(moment, DistinctValues) else (moment.value,)


def bound_rankings(
    columns: Sequence[ReleasedColumn],
    source: Owned,
    how: Bounding,
    chosen: Choose | None = None,
) -> tuple[BoundedRanking, ...]:
    """Return one histogram for each value that something is chosen of by rank."""
    relation = source.relation
    wanted: dict[GridValue, list[RankTarget]] = {}
    for column in columns:
        if isinstance(column.estimator, RankEstimator):
            targets = wanted.setdefault(column.estimator.value, [])
            if column.estimator.target not in targets:
                targets.append(column.estimator.target)
    rows = row_limit(rows_per_unit(relation), rows_per_group(relation), how)
    found = []
    for value, targets in wanted.items():
        moment = Present(value)
        limit = moment_limit(moment, rows, how)
        if chosen is not None:
            limit = chosen([moment], limit)
        steps = sub_steps(moment, limit, how)
        clip = math.ceil(limit * steps)
        bins = min(value.high - value.low + 1, MOST_BINS)
        delta = sensitivity(clip + CLIP_ROOM, how)
        ends = [end for target in targets for end in target.ends]
        if value.expression.type in TEMPORAL:  # intervals are of numbers
            ends = []
        found.append(BoundedRanking(value, bins, (*targets, *ends), steps, clip, delta))
    return tuple(found)
