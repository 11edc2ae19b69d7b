"""The clip as SQL: what one unit adds never exceeds the limits of the plan.

Integers throughout, except for one DOUBLE factor per unit and bundle, computed from
exact integers of that unit alone, so it does not depend on the order in which the
engine reads rows (theory.md 1.4, 2.3).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.aggregates import Present, Rows, Total, Units
from dpquery.plan.analysis.sensitivity import (
    CLIP_ROOM,
    CLIP_SLACK,
    ROOMY,
    SUB_STEPS,
    row_reach,
)
from dpquery.plan.expressions import Subquery, Window
from dpquery.plan.program import BoundedMoment, Bounding, BoundingMode
from dpquery.plan.relations import Filter, Join, Listed, Project, Released, Scan
from dpquery.plan.walk import children, expressions, subexpressions
from dpquery.sql.functions import call, cast, number, text
from dpquery.sql.lowering.select import plain

if TYPE_CHECKING:
    from dpquery.plan.aggregates import AdditiveMoment
    from dpquery.plan.program import ReleaseStep
    from dpquery.plan.relations import Relation

CLIPPING_FUNCTIONS = frozenset(
    {
        "sum",
        "min",
        "max",
        "count",
        "count_star",
        "abs",
        "sqrt",
        "trunc",
        "least",
        "greatest",
        "coalesce",
        "row_number",
        "md5",
        "concat_ws",
        "*",
        "/",
        "-",
        "+",
        "nullif",
    }
)
"""What the skeleton of a release calls."""

NARROW = (1 << 31) - 1
WIDE = 1 << 53


def scaled_by_unit(bounding: Bounding) -> bool:
    """Return whether factors are per unit, so that norms over its groups are needed."""
    return bounding.mode is BoundingMode.NORM and not bounding.single_group


def reach(bounded: BoundedMoment) -> int:
    """
    Return the clamp of a unit's exact moment in one group, before its norm is taken.

    It is far above the limit, and makes overflow impossible: squares fit 64 bits in
    the narrow case and 106 of HUGEINT's 127 in the wide one.
    """
    return NARROW if bounded.limit <= bounded.steps << 30 else WIDE


def within(value: exp.Expr, most: int) -> exp.Expr:
    """Return *value*, which is not NULL, kept within ±most, as BIGINT."""
    above = call("greatest", value, number(-most))
    return cast(call("least", above, number(most)), "BIGINT")


def within_reach(step: ReleaseStep, index: int) -> exp.Expr:
    """Return moment *index* of one part, kept within its reach."""
    moment = step.moments[index].moment
    if isinstance(moment, Units):
        return plain(f"m{index}")
    limits = group_bounds(moment)
    if limits is not None:
        low, high = (number(each) for each in limits)
        above = call("greatest", plain(f"m{index}"), low)
        return cast(call("least", above, high), "BIGINT")
    return within(plain(f"m{index}"), reach(step.moments[index]))


def few_rows(step: ReleaseStep) -> int | None:
    """
    Return how many rows leave a unit within every limit, whatever they hold.

    The norm of a unit's moments is at most its rows times what one row adds, so that
    all of its factors are 1; where moments are one vector, a row may add to each of
    them, whatever the plan says. ``None`` where that is no help: with unit indicators,
    whose weight follows the number of groups, with limits of less than a row, and
    where it takes long to read the rows twice.
    """
    if not step.moments or any(map(_weighs, step.moments)):
        return None
    if not _is_plain(step.source.relation):
        return None
    vectors = [bounded.vector for bounded in step.moments]
    few = [
        bounded.limit
        // (
            bounded.steps
            * row_reach(bounded.moment)
            * _row_norm(vectors.count(bounded.vector), step.bounding)
        )
        for bounded in step.moments
    ]
    return min(few) or None


def _is_plain(relation: Relation) -> bool:
    """Return whether rows are joined, filtered and computed with one by one."""
    parts = [e for part in expressions(relation) for e in subexpressions(part)]
    if any(isinstance(part, Subquery | Window) for part in parts):
        return False
    kinds = Scan | Listed | Released | Filter | Join | Project
    plain = isinstance(relation, kinds) and not getattr(relation, "distinct", False)
    return plain and all(map(_is_plain, children(relation)))


def _row_norm(cells: int, bounding: Bounding) -> int:
    """Return the norm, rounded up, of a row that counts in each of some cells."""
    return cells if bounding.norm == 1 else math.isqrt(cells - 1) + 1


def _weighs(bounded: BoundedMoment) -> bool:
    """Return whether what a unit adds is more than the sum of what its rows add."""
    moment = bounded.moment
    return isinstance(moment, Units) or group_bounds(moment) is not None


def group_bounds(moment: AdditiveMoment) -> tuple[int, int] | None:
    """Return the query's own bounds of what a unit adds to a group."""
    match moment:
        case Total(group_bounds=bounds):
            return bounds
        case Rows(most=most) | Present(most=most) if most is not None:
            return 0, most
        case _:
            return None


def in_sub_steps(step: ReleaseStep, index: int) -> exp.Expr:
    """Return moment *index* of a part as it is, in sub-steps."""
    steps = step.moments[index].steps
    value = plain(f"m{index}")
    return value if steps == 1 else exp.Mul(this=value, expression=number(steps))


def target(bounded: BoundedMoment) -> str:
    """Return what a scaled norm aims at, in steps, as a DOUBLE literal."""
    aim = bounded.limit * (1 - CLIP_SLACK)
    if bounded.limit < ROOMY:
        aim = bounded.limit + CLIP_ROOM / 2
    return repr(aim / bounded.steps)


def bundles(step: ReleaseStep) -> list[list[int]]:
    """Return the moments' indexes by bundle; unit indicators have weights instead."""
    found: dict[int, list[int]] = {}
    for index, bounded in enumerate(step.moments):
        if not isinstance(bounded.moment, Units):
            found.setdefault(bounded.bundle, []).append(index)
    return list(found.values())


def sizes(step: ReleaseStep) -> list[tuple[str, exp.Expr]]:
    """Return what a unit's norms are taken from: sums over its groups, exact."""
    found: list[tuple[str, exp.Expr]] = []
    if any(isinstance(bounded.moment, Units) for bounded in step.moments):
        found.append(("g", exp.Count(this=exp.Star())))
    for index in (each for bundle in bundles(step) for each in bundle):
        size = within_reach(step, index)
        if step.bounding.norm == 1:
            size = call("abs", size)
        else:
            wide = reach(step.moments[index]) == WIDE
            factor = cast(size.copy(), "HUGEINT") if wide else size.copy()
            size = exp.Mul(this=factor, expression=size)
        found.append((f"s{index}", call("sum", size)))
    return found


def factors(step: ReleaseStep) -> list[tuple[str, exp.Expr]]:
    """Return one factor in (0, 1] per bundle: 1 when nothing is above its limit."""
    return [(f"f{at}", _factor(step, b)) for at, b in enumerate(bundles(step))]


def _factor(step: ReleaseStep, bundle: list[int]) -> exp.Expr:
    within: list[exp.Expr] = []
    ratios: list[exp.Expr] = [_double("1")]
    for indexes in _vectors(step, bundle):
        bounded = step.moments[indexes[0]]
        limit = bounded.limit // bounded.steps
        squared = step.bounding.norm != 1 and (
            scaled_by_unit(step.bounding) or len(indexes) > 1
        )
        if squared:
            limit = bounded.limit**2 // bounded.steps**2
        size = _size(step, indexes, squared=squared)
        within.append(exp.LTE(this=size, expression=_huge(limit)))
        norm: exp.Expr = cast(size.copy(), "DOUBLE")
        norm = call("sqrt", norm) if squared else norm
        ratios.append(exp.Div(this=_double(target(bounded)), expression=norm))
    unscaled = exp.If(this=exp.and_(*within, copy=False), true=_double("1"))
    return exp.Case(ifs=[unscaled], default=call("least", *ratios))


def _vectors(step: ReleaseStep, bundle: list[int]) -> list[list[int]]:
    """Return the moments of a bundle, those of one vector together."""
    found: dict[int, list[int]] = {}
    for index in bundle:
        found.setdefault(step.moments[index].vector, []).append(index)
    return list(found.values())


def _size(step: ReleaseStep, indexes: list[int], *, squared: bool) -> exp.Expr:
    """Return a vector's size: of the unit in all its groups, or in this one."""
    sizes: list[exp.Expr] = []
    for index in indexes:
        if scaled_by_unit(step.bounding):
            sizes.append(plain(f"s{index}"))
            continue
        value = within_reach(step, index)
        wide = cast(value, "HUGEINT")
        square = exp.Mul(this=wide, expression=wide.copy())
        sizes.append(square if squared else call("abs", value))
    total = sizes[0]
    for size in sizes[1:]:
        total = exp.Add(this=total, expression=size)
    return exp.Paren(this=total) if len(sizes) > 1 else total


def _double(value: str) -> exp.Cast:
    return cast(text(value), "DOUBLE")


def _huge(value: int) -> exp.Expr:
    return number(value) if value < (1 << 62) else cast(text(str(value)), "HUGEINT")


def clipped_moment(step: ReleaseStep, index: int) -> exp.Expr:
    """Return moment *index* of one unit in one group, clipped, in sub-steps."""
    bounded = step.moments[index]
    if isinstance(bounded.moment, Units):
        how = step.bounding
        alone = bounded.moment.where is None
        weight = _unit_weight(how, how.full_units if alone else how.groups)
        if bounded.moment.where is None:
            return weight
        return exp.Mul(this=plain(f"m{index}"), expression=exp.Paren(this=weight))
    bundle = next(b for b, has in enumerate(bundles(step)) if index in has)
    value = cast(within_reach(step, index), "DOUBLE")
    product = exp.Mul(this=value, expression=plain(f"f{bundle}"))
    if bounded.steps > 1:
        product = exp.Mul(this=product, expression=_double(str(bounded.steps)))
    # toward zero: rounding may only make a contribution smaller
    return cast(call("trunc", product), "BIGINT")


def _unit_weight(bounding: Bounding, full: int) -> exp.Expr:
    """
    Return an indicator's weight; it is 1 in up to *full* groups.

    The plan's ``unit_weight`` is the same number.
    """
    if bounding.single_group:
        return number(1)
    if bounding.mode is BoundingMode.TRUNCATE:
        return number(SUB_STEPS)
    k, steps = (_double(str(each)) for each in (full, SUB_STEPS))
    share = exp.Div(this=k, expression=cast(plain("g"), "DOUBLE"))
    ratio = exp.Paren(this=share) if bounding.norm == 1 else call("sqrt", share)
    scaled = cast(call("trunc", exp.Mul(this=steps, expression=ratio)), "BIGINT")
    few = exp.LTE(this=plain("g"), expression=number(full))
    ifs = [exp.If(this=few, true=number(SUB_STEPS))]
    if bounding.group_cap is not None:
        beyond = exp.GT(this=plain("g"), expression=number(bounding.group_cap))
        ifs.append(exp.If(this=beyond, true=number(0)))
    return exp.Case(ifs=ifs, default=scaled)
