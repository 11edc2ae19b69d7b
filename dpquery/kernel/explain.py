"""How a query is answered, told with its numbers: the plan, the noise, the price.

No cardinality and no timing is in it (conventions.md 7.1): everything follows from
the query and the policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from dpquery.noise.calibration import Law
from dpquery.plan.aggregates import Moment, Present, Rows, Total, Units, expression_of
from dpquery.plan.program import BoundingMode, ListedKeys, TableKeys
from dpquery.plan.render import expression_text, owned_lines

if TYPE_CHECKING:
    from dpquery.kernel.prepare import Prepared, PricedStep
    from dpquery.plan.program import BoundedMoment, PostQuery, ReleaseStep


def explain(prepared: Prepared) -> str:
    """Return the explanation, a few lines per release."""
    lines: list[str] = []
    for priced in prepared.steps:
        step = priced.step
        lines.append(f"release {step.name}")
        lines += owned_lines(step.source, 1)
        lines += [f"  {line}" for line in (*_keys(priced), *_bounding(step))]
        lines += [f"  {line}" for line in _noise(priced)]
    lines.append("answer, computed from what is released, at no cost")
    lines += [
        f"  {output.name} = {expression_text(output.expression)}"
        for output in prepared.post.outputs
    ]
    return "\n".join([*lines, *_choice(prepared.post)])


def _choice(post: PostQuery) -> list[str]:
    """Say which rows of the answer are shown, and in which order."""
    lines = []
    if post.having is not None:
        lines.append(f"  where {expression_text(post.having)}")
    if post.order:
        ways = (" descending" if each.descending else "" for each in post.order)
        texts = (expression_text(each.expression) for each in post.order)
        lines.append(
            "  ordered by " + ", ".join(map("".join, zip(texts, ways, strict=True)))
        )
    if post.limit is not None:
        lines.append(f"  at most {post.limit} rows")
    if post.offset:
        lines.append(f"  after the first {post.offset} rows")
    return lines


def _keys(priced: PricedStep) -> list[str]:
    """Say which keys are public, and why."""
    step = priced.step
    lines = [
        f"key {key.name} = {expression_text(key.expression)}: {_why(step, index)}"
        for index, key in enumerate(step.keys)
    ]
    if priced.threshold is not None and priced.unit_moment is not None:
        steps = step.moments[priced.unit_moment].steps
        lines.append(
            f"groups show when their noisy count of {step.source.kind}s is at least "
            f"{priced.threshold / steps:,.4g}"
        )
    elif step.keys:
        lines.append("every group is shown, empty ones too; no δ is spent")
    return lines


def _why(step: ReleaseStep, index: int) -> str:
    if step.domain is None:
        return "not public"
    for source in step.domain.sources:
        if index not in source.keys:
            continue
        match source:
            case ListedKeys(rows=rows):
                return f"public, {len(rows)} values from the policy or the query"
            case TableKeys(scan=scan):
                return f"public, from the public table {scan.table.name}"
            case _:
                assert_never(source)
    return "public"


def _bounding(step: ReleaseStep) -> list[str]:
    how, kind = step.bounding, step.source.kind
    if how.single_group:
        where = " in one group" if step.keys else ""
        return [f"each {kind} counts{where}; what is above its limit is scaled down"]
    if how.mode is BoundingMode.TRUNCATE:
        return [f"each {kind} counts in at most {how.groups} groups, within the limit"]
    norm = f"the L{how.norm} norm of what it adds is scaled down to the limit"
    return [f"each {kind} counts in all its groups; {norm}"]


def _noise(priced: PricedStep) -> list[str]:
    lines = []
    for bounded, noise, loss in zip(
        priced.step.moments, priced.noise, priced.handed_out, strict=True
    ):
        grid = _unit(bounded)
        limit, sd = bounded.limit * grid, noise.std * grid
        law = "discrete Gaussian" if noise.law is Law.GAUSSIAN else "discrete Laplace"
        spent = "ρ" if noise.law is Law.GAUSSIAN else "ε"
        lines.append(
            f"measure {moment_text(bounded.moment)}: limit {limit:,.6g}, {law} noise "
            f"with σ {sd:,.4g}, {spent} {loss.value:.3g}"
        )
    return lines


def _unit(bounded: BoundedMoment) -> float:
    """Return the size of one sub-step in the unit of the answer."""
    grid = (
        float(bounded.moment.value.grid) if isinstance(bounded.moment, Total) else 1.0
    )
    return grid / bounded.steps


def moment_text(moment: Moment) -> str:
    """Return a moment as SQL-like text."""
    match moment:
        case Rows():
            return "COUNT(*)"
        case Units():
            return "COUNT(DISTINCT unit)"
        case Present(value=value):
            return f"COUNT({expression_text(expression_of(value))})"
        case Total(value=value):
            low, high = float(value.grid * value.low), float(value.grid * value.high)
            inner = f"{expression_text(value.expression)} in [{low:g}, {high:g}]"
            middle = float(value.grid * value.centre)
            return f"SUM({inner} - {middle:g})" if value.centre else f"SUM({inner})"
        case _:
            assert_never(moment)
