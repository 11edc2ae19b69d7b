"""The clip as SQL: what one unit adds never exceeds the limits of the plan.

Integers throughout, except for one DOUBLE factor per unit and bundle, computed from
exact integers of that unit alone, so it does not depend on the order in which the
engine reads rows (theory.md 1.4, 2.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.aggregates import Units
from dpquery.plan.analysis.sensitivity import CLIP_SLACK, SUB_STEPS
from dpquery.plan.program import BoundedMoment, Bounding, BoundingMode
from dpquery.sql.functions import binary, call, cast, number, text

if TYPE_CHECKING:
    from dpquery.plan.program import ReleaseStep

CLIPPING_FUNCTIONS = frozenset(
    {
        "sum",
        "min",
        "count",
        "count_star",
        "abs",
        "sqrt",
        "trunc",
        "least",
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


def target(bounded: BoundedMoment) -> str:
    """Return the limit in steps as a DOUBLE literal, a hair below the exact one."""
    return repr(bounded.limit / bounded.steps * (1 - CLIP_SLACK))


def bundles(step: ReleaseStep) -> list[list[int]]:
    """Return the moments' indexes by bundle; unit indicators have weights instead."""
    found: dict[int, list[int]] = {}
    for index, bounded in enumerate(step.moments):
        if not isinstance(bounded.moment, Units):
            found.setdefault(bounded.bundle, []).append(index)
    return list(found.values())


def factors(step: ReleaseStep) -> list[exp.Expression]:
    """Return one factor in (0, 1] per bundle: 1 when nothing is above its limit."""
    return [_factor(step, bundle) for bundle in bundles(step)]


def _factor(step: ReleaseStep, bundle: list[int]) -> exp.Expression:
    within: list[exp.Expression] = []
    ratios: list[exp.Expression] = [cast(text("1"), "DOUBLE")]
    for index in bundle:
        bounded = step.moments[index]
        size, limit, root = _size(step, index)
        within.append(binary(exp.LTE, size, _huge(limit)))
        norm: exp.Expression = cast(size.copy(), "DOUBLE")
        norm = call("sqrt", norm) if root else norm
        ratios.append(binary(exp.Div, cast(text(target(bounded)), "DOUBLE"), norm))
    unscaled = exp.If(
        this=exp.and_(*within, copy=False), true=cast(text("1"), "DOUBLE")
    )
    return exp.Case(ifs=[unscaled], default=call("least", *ratios))


def _size(step: ReleaseStep, index: int) -> tuple[exp.Expression, int, bool]:
    """Return a moment's size, the largest size allowed, and whether it is squared."""
    bounded, column = step.moments[index], exp.column(f"m{index}", quoted=True)
    if not scaled_by_unit(step.bounding):
        return call("abs", column), bounded.limit // bounded.steps, False
    if step.bounding.norm == 1:
        size = call("sum", call("abs", column))
        return size, bounded.limit // bounded.steps, False
    factor: exp.Expression = column.copy()
    if reach(bounded) == WIDE:
        factor = cast(factor, "HUGEINT")
    squares = call("sum", binary(exp.Mul, factor, column))
    return squares, bounded.limit**2 // bounded.steps**2, True


def _huge(value: int) -> exp.Expression:
    return number(value) if value < (1 << 62) else cast(text(str(value)), "HUGEINT")


def clipped_moment(step: ReleaseStep, index: int) -> exp.Expression:
    """Return moment *index* of one unit in one group, clipped, in sub-steps."""
    bounded = step.moments[index]
    if isinstance(bounded.moment, Units):
        return _unit_weight(step.bounding)
    column: exp.Expression = exp.column(f"m{index}", quoted=True)
    bundle = next(b for b, has in enumerate(bundles(step)) if index in has)
    factor = exp.column(f"f{bundle}", quoted=True)
    product = binary(exp.Mul, cast(column, "DOUBLE"), factor)
    if bounded.steps > 1:
        steps = cast(text(str(bounded.steps)), "DOUBLE")
        product = binary(exp.Mul, product, steps)
    # toward zero: rounding may only make a contribution smaller
    return cast(call("trunc", product), "BIGINT")


def _unit_weight(bounding: Bounding) -> exp.Expression:
    """Return the indicator's weight; the plan's ``unit_weight`` is the same number."""
    if bounding.single_group:
        return number(1)
    if bounding.mode is BoundingMode.TRUNCATE:
        return number(SUB_STEPS)
    groups = exp.column("g", quoted=True)
    k, steps = (
        cast(text(str(each)), "DOUBLE") for each in (bounding.groups, SUB_STEPS)
    )
    ratio: exp.Expression = binary(exp.Div, k, cast(groups.copy(), "DOUBLE"))
    if bounding.norm != 1:
        ratio = call("sqrt", ratio)
    scaled = cast(call("trunc", binary(exp.Mul, steps, ratio)), "BIGINT")
    ifs = [
        exp.If(
            this=binary(exp.LTE, groups.copy(), number(bounding.groups)),
            true=number(SUB_STEPS),
        )
    ]
    if bounding.group_cap is not None:
        beyond = binary(exp.GT, groups.copy(), number(bounding.group_cap))
        ifs.append(exp.If(this=beyond, true=number(0)))
    return exp.Case(ifs=ifs, default=scaled)
