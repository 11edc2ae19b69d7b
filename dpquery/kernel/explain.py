"""How a query is answered, told with its numbers: the plan, the noise, the price.

No cardinality and no timing is in it (conventions.md 7.1): everything follows from
the query and the policy.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, assert_never

from dpquery.accounting.loss import Definition, Loss
from dpquery.kernel.several import PricedQuantiles
from dpquery.noise.calibration import Law
from dpquery.plan.aggregates import (
    DistinctTotal,
    DistinctValues,
    GridValue,
    Moment,
    Present,
    Product,
    RankKind,
    RankTarget,
    Rows,
    Square,
    Total,
    Units,
    expression_of,
)
from dpquery.plan.expressions import TEMPORAL
from dpquery.plan.program import BoundingMode, ListedKeys, PublicKeys
from dpquery.plan.relations import Scan
from dpquery.plan.render import expression_text, owned_lines
from dpquery.plan.walk import relations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.pricing import PricedChoice, PricedStep
    from dpquery.noise.calibration import Additive
    from dpquery.plan.program import ReleaseStep


def explain(prepared: Prepared) -> str:
    """Return the explanation, a few lines per release."""
    lines: list[str] = []
    for priced in prepared.steps:
        step = priced.step
        lines.append(f"release {step.name}{_share(priced, prepared)}")
        lines += owned_lines(step.source, 1)
        lines += [f"  {line}" for line in (*_keys(priced), *_bounding(step))]
        lines += [f"  {line}" for line in _noise(priced)]
    for each in prepared.program.inputs:
        lines.append(f"answer {each.name}, which later releases read, at no cost")
        lines.append(f"  {readable(each.computed.sql)}")
    read = "what is released" if prepared.steps else "public tables alone"
    lines.append(f"answer, computed from {read}, at no cost")
    return "\n".join([*lines, f"  {readable(prepared.program.post.computed.sql)}"])


_QUOTED = re.compile(
    r"""
    '(?:[^']|'')*'                                               # a text
    | "(?:main|public_tables)"\."(?P<table>\w+)"(?:\ AS\ "(?P=table)")?
    | "(?P<name>[a-zA-Z_]\w*)"
    | "(?:[^"]|"")*"                                              # any other name
    """,
    re.VERBOSE,
)


def readable(sql: str) -> str:
    """
    Return SQL above the boundary for people: without schemas and needless quotes.

    >>> readable('SELECT "r1"."a0" AS "n", "a b" FROM "main"."r1" AS "r1"')
    'SELECT r1.a0 AS n, "a b" FROM r1'
    """
    return _QUOTED.sub(lambda found: found["table"] or found["name"] or found[0], sql)


def _share(priced: PricedStep, prepared: Prepared) -> str:
    """Say which part of the price one of several releases is."""
    if len(prepared.steps) == 1:
        return ""
    loss = sum(priced.handed_out, Loss.zero(prepared.loss.definition))
    part = loss.amount / max(1, prepared.loss.amount)
    return f": {_spent(loss)}, {part:.3g} of the price"


def _spent(loss: Loss) -> str:
    letter = "ρ" if loss.definition is Definition.ZCDP else "ε"
    return f"{letter} {loss.value:.3g}"


def _keys(priced: PricedStep) -> Iterator[str]:
    """Say which keys are public, and why."""
    step = priced.step
    for index, key in enumerate(step.keys):
        yield f"key {key.name} = {expression_text(key.expression)}: {_why(step, index)}"
    if priced.threshold is not None:
        steps, _ = priced.noise_of(Units())
        yield (
            f"groups show when their noisy count of {step.source.kind}s is at least "
            f"{priced.threshold / steps:,.4g}; δ {priced.delta:.2g}"
        )
    elif step.keys and step.columns:
        yield "every group is shown, empty ones too; no δ is spent"
    elif step.keys:
        yield "groups show that some row has, so far as the noise lets one see"


def _why(step: ReleaseStep, index: int) -> str:
    if step.domain is None:
        return "not public"
    for source in step.domain.sources:
        if index not in source.keys:
            continue
        match source:
            case ListedKeys(rows=rows):
                return f"public, {len(rows)} values from the policy or the query"
            case PublicKeys(relation=relation):
                tables = (
                    each.table.name
                    for each in relations(relation)
                    if isinstance(each, Scan)
                )
                named = ", ".join(dict.fromkeys(tables)) or "the query"
                return f"public, from {named}"
            case _:
                assert_never(source)
    return "public"


def _bounding(step: ReleaseStep) -> Iterator[str]:
    how, kind = step.bounding, step.source.kind
    if how.single_group:
        where = " in one group" if step.keys else ""
        yield f"each {kind} counts{where}; what is above its limit is scaled down"
    elif how.mode is BoundingMode.TRUNCATE:
        groups = f"in at most {how.groups} groups"
        yield f"each {kind} counts {groups}, within the limit"
    else:
        norm = f"the L{how.norm} norm of what it adds is scaled down to the limit"
        yield f"each {kind} counts in all its groups; {norm}"


def _noise(priced: PricedStep) -> Iterator[str]:
    step = priced.step
    for vector in priced.vectors:
        for at in vector.moments:
            bounded = step.moments[at]
            grid = _unit(bounded.moment) / bounded.steps
            yield (
                f"measure {moment_text(bounded.moment)}: "
                f"limit {bounded.limit * grid:,.6g}, {_law(vector.noise, grid)}"
                + (f", {_spent(vector.handed_out)}" if at == vector.moments[0] else "")
                + (", in one vector" if len(vector.moments) > 1 else "")
            )
    for union, distinct in zip(priced.unions, step.distinct, strict=True):
        grid = _unit(distinct.moment)
        yield (
            f"measure {moment_text(distinct.moment)}: each {step.source.kind} adds at "
            f"most {distinct.per_group} of its own values to a group; "
            f"{_law(union.noise, grid)}, {_spent(union.handed_out)}"
        )
    for choice in priced.choices:
        yield _choice(step, choice)


def _law(noise: Additive, grid: float) -> str:
    name = "Gaussian" if noise.law is Law.GAUSSIAN else "Laplace"
    return f"discrete {name} noise with σ {noise.std * grid:,.4g}"


def _choice(step: ReleaseStep, choice: PricedChoice | PricedQuantiles) -> str:
    ranking = step.rankings[choice.ranking]
    value = expression_text(ranking.value.expression)
    low, high = _ends(ranking.value)
    spent = sum((loss for _, loss in choice.levels[1:]), choice.levels[0][1])
    rows = choice.levels[-1][0].scale / choice.units(ranking)
    targets = ", ".join(target_text(target, value) for target in choice.targets)
    if isinstance(choice, PricedQuantiles):
        targets += f" together, the middle one first, in {len(choice.depths)} depths"
    return (
        f"choose {targets} among {ranking.bins:,} values "
        f"in [{low}, {high}] by rank: penalties with scale {rows:,.4g} rows, "
        f"{_spent(spent)}"
    )


def target_text(target: RankTarget, value: str) -> str:
    """Return what is chosen as SQL-like text; MIN and MAX say what they are."""
    match target.kind:
        case RankKind.LOWEST:
            return f"MIN({value}), as a value near the lowest rank,"
        case RankKind.HIGHEST:
            return f"MAX({value}), as a value near the highest rank,"
        case RankKind.QUANTILE:
            return f"QUANTILE({value}, {float(target.fraction or 0):g})"
        case RankKind.BELOW | RankKind.ABOVE:
            side = "lower" if target.kind is RankKind.BELOW else "upper"
            of = f"QUANTILE({value}, {float(target.fraction or 0):g})"
            return f"the {side} end of the interval of {of}"
        case _:
            assert_never(target.kind)


def _ends(value: GridValue) -> tuple[str, str]:
    return _end(value, value.low), _end(value, value.high)


def _end(value: GridValue, steps: int) -> str:
    """Return a bound as people write it; times count in days from year 1."""
    at = value.grid * steps
    if value.expression.type not in TEMPORAL:
        return f"{float(at):g}"
    day = min(max(int(at), 1), dt.date.max.toordinal())
    return dt.date.fromordinal(day).isoformat()


def _unit(moment: Moment) -> float:
    """Return the size of one step in the unit of the answer."""
    match moment:
        case Total(value=value) | DistinctTotal(value=value):
            return float(value.grid)
        case Square(value=value):
            return float(value.grid) ** 2
        case Product(left=left, right=right):
            return float(left.grid * right.grid)
        case Rows() | Units() | Present() | DistinctValues():
            return 1.0
        case _:
            assert_never(moment)


def moment_text(moment: Moment) -> str:
    """Return a moment as SQL-like text."""
    match moment:
        case Rows(where=where, most=most):
            which = "" if where is None else f" where {expression_text(where)}"
            return f"COUNT(*){which}{_most(most)}"
        case Units(where=where):
            which = "" if where is None else f" where {expression_text(where)}"
            return f"COUNT(DISTINCT unit){which}"
        case Present(value=value, beside=beside, most=most):
            counted = expression_text(expression_of(value))
            return f"COUNT({counted}){_beside(beside)}{_most(most)}"
        case Total(value=value, group_bounds=(low, high)):
            least, most_ = (f"{float(value.grid * each):g}" for each in (low, high))
            summed = expression_text(value.expression)
            return f"SUM({summed}) in [{least}, {most_}] for a group"
        case Total(value=value, beside=beside):
            return f"SUM({_clamped(value)}){_beside(beside)}"
        case Square(value=value, beside=beside):
            return f"SUM(({_clamped(value)})²){_beside(beside)}"
        case Product(left=left, right=right):
            return f"SUM(({_clamped(left)}) * ({_clamped(right)}))"
        case DistinctValues(values=values):
            inner = ", ".join(expression_text(expression_of(each)) for each in values)
            return f"COUNT(DISTINCT {inner})"
        case DistinctTotal(value=value):
            return f"SUM(DISTINCT {_clamped(value)})"
        case _:
            assert_never(moment)


def _beside(other: GridValue | None) -> str:
    return "" if other is None else f" beside {expression_text(other.expression)}"


def _most(most: int | None) -> str:
    return "" if most is None else f", at most {most} for a group"


def _clamped(value: GridValue) -> str:
    low, high = _ends(value)
    inner = f"{expression_text(value.expression)} in [{low}, {high}]"
    middle = float(value.grid * value.centre)
    return f"{inner} - {middle:g}" if value.centre else inner
