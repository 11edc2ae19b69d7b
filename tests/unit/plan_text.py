"""Plans and programs as text, for the golden files."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, assert_never

from dpquery.kernel.explain import moment_text, readable
from dpquery.plan.aggregates import (
    Aggregate,
    AnyEstimator,
    AnyRow,
    Average,
    Clamp,
    Count,
    CountDistinct,
    CountUnits,
    DistinctTotal,
    Estimator,
    Extreme,
    LinearEstimator,
    Moment,
    Pair,
    PairEstimator,
    Product,
    Quantile,
    RankEstimator,
    RankTarget,
    RatioEstimator,
    Spread,
    SpreadEstimator,
    Square,
    Sum,
    Total,
    Units,
)
from dpquery.plan.program import (
    BoundedDistinct,
    BoundedMoment,
    BoundedRanking,
    Bounding,
    BoundingMode,
    Cell,
    KeyDomain,
    ListedKeys,
    Query,
    ReleaseStep,
    Wishes,
)
from dpquery.plan.render import (
    constant_text,
    expression_text,
    owned_lines,
    relation_lines,
)

if TYPE_CHECKING:
    from dpquery.plan.expressions import Expression

# --- what the binder makes ----------------------------------------------------------


def query_text(query: Query) -> str:
    """Return a bound query: its releases, the answers between them, the last SELECT."""
    lines: list[str] = []
    for boundary in query.boundaries:
        lines.append(f"release {boundary.name}{wishes_text(boundary.wishes)}")
        lines += relation_lines(boundary.source, 1)
        lines += [
            f"  {key.name} {key.expression.type} = {expression_text(key.expression)}"
            for key in boundary.keys
        ]
        lines += [
            f"  a{index} = {aggregate_text(each)}"
            for index, each in enumerate(boundary.aggregates)
        ]
    for given in query.inputs:
        columns = ", ".join(
            f"c{at} {type_}" for at, (_, type_) in enumerate(given.columns)
        )
        lines += [
            f"input {given.name} ({columns})",
            f"  {readable(given.computed.sql)}",
        ]
    post = query.post
    lines += ["answer", f"  {readable(post.computed.sql)}"]
    bars = [
        f"{each.name} of {cell_text(each.cell)}"
        for each in post.outputs or ()
        if each.cell is not None
    ]
    lines += [f"  error bars: {', '.join(bars)}"] if bars else []
    return "\n".join(lines)


def cell_text(cell: Cell) -> str:
    """Return a released number: which column of which tables, by which row number."""
    of = "|".join(cell.levels)
    return f"{of}.{cell.column}" + (f" by row {cell.row + 1}" if cell.row else "")


def wishes_text(wishes: Wishes) -> str:
    """Return what the query itself says of a release."""
    parts = []
    if wishes.epsilon is not None:
        parts.append(f"epsilon {wishes.epsilon}")
    if wishes.delta is not None:
        parts.append(f"delta {wishes.delta}")
    if wishes.groups is not None:
        parts.append(f"at most {wishes.groups} groups")
    if wishes.min_units is not None:
        parts.append(f"at least {wishes.min_units} units in a group")
    if wishes.public_groups:
        parts.append("public groups")
    return f" with {', '.join(parts)}" if parts else ""


def aggregate_text(aggregate: Aggregate) -> str:
    """Return an aggregate as it was written."""
    match aggregate:
        case Count(argument=argument, where=where, clamp=clamp):
            of = "*" if argument is None else expression_text(argument)
            return f"COUNT({of}){_where(where)}{_clamp(clamp)}"
        case CountUnits(where=where):
            return f"COUNT(DISTINCT unit){_where(where)}"
        case CountDistinct(values=values, with_null=with_null):
            of = ", ".join(map(expression_text, values))
            return f"COUNT(DISTINCT {of}){', NULL too' if with_null else ''}"
        case Sum(argument=argument, distinct=distinct, clamp=clamp):
            of = f"{'DISTINCT ' if distinct else ''}{expression_text(argument)}"
            return f"SUM({of}){_clamp(clamp)}"
        case Average(argument=argument, distinct=distinct, clamp=clamp):
            of = f"{'DISTINCT ' if distinct else ''}{expression_text(argument)}"
            return f"AVG({of}){_clamp(clamp)}"
        case Spread(kind=kind, argument=argument, clamp=clamp):
            return f"{kind}({expression_text(argument)}){_clamp(clamp)}"
        case Pair(kind=kind, y=y, x=x):
            return f"{kind}({expression_text(y)}, {expression_text(x)})"
        case Quantile(argument=argument, fraction=fraction, continuous=continuous):
            name = "QUANTILE_CONT" if continuous else "QUANTILE_DISC"
            return f"{name}({expression_text(argument)}, {fraction})"
        case Extreme(argument=argument, largest=largest):
            return f"{'MAX' if largest else 'MIN'}({expression_text(argument)})"
        case AnyRow(condition=condition, negated=negated):
            return f"{'no' if negated else 'some'} row has {expression_text(condition)}"
        case _:
            assert_never(aggregate)


def _where(where: Expression | None) -> str:
    return "" if where is None else f" where {expression_text(where)}"


def _clamp(clamp: Clamp | None) -> str:
    if clamp is None:
        return ""
    of = "a group" if clamp.per_group else "a row"
    return f" within [{clamp.low}, {clamp.high}] for {of}"


# --- what is released ---------------------------------------------------------------


def step_text(step: ReleaseStep) -> str:
    """Return one release: whose rows, which groups, what is measured and made of it."""
    head = f"release {step.name}{wishes_text(step.wishes)}"
    lines = [head, *owned_lines(step.source, 1)]
    lines += [f"  {k.name} = {expression_text(k.expression)}" for k in step.keys]
    lines += [f"  {each}" for each in domain_lines(step.domain)]
    lines.append(f"  {bounding_text(step.bounding)}")
    for index, each in enumerate(step.moments):
        beside = [at for at, m in enumerate(step.moments) if m.vector == each.vector]
        shared = f", in one vector with m{beside[0]}" if beside[0] < index else ""
        lines.append(f"  m{index} = {bounded_text(each)}{shared}")
    lines += [
        f"  d{index} = {distinct_text(each)}"
        for index, each in enumerate(step.distinct)
    ]
    lines += [
        f"  h{index} = {ranking_text(each)}" for index, each in enumerate(step.rankings)
    ]
    lines += [
        f"  {column.name} {column.type} = {_Names(step).text(column.estimator)}"
        for column in step.columns
    ]
    return "\n".join(lines)


def domain_lines(domain: KeyDomain | None) -> list[str]:
    """Return where the groups come from."""
    if domain is None:
        return ["groups: not public; those with few units are withheld"]
    lines = []
    for source in domain.sources:
        names = ", ".join(f"k{index}" for index in source.keys)
        if isinstance(source, ListedKeys):
            values = [constant_text(value) for (value,) in source.rows]
            shown = ", ".join(
                values if len(values) < 10 else [*values[:2], "…", values[-1]]
            )
            lines.append(f"groups: {names} in {shown} ({len(values)} values)")
        else:
            of = ", ".join(expression_text(each) for each in source.expressions)
            rest = ", or without a partner" if source.optional else ""
            lines.append(f"groups: {names} from {of}{rest}")
            lines += relation_lines(source.relation, 1)
    return lines or ["groups: one"]


def bounding_text(how: Bounding) -> str:
    """Return how what a unit adds is kept within its limits."""
    if how.single_group:
        return f"bounding: one group per unit, {how.mode}, L{how.norm}"
    uncapped = how.group_cap is None or how.mode is BoundingMode.TRUNCATE
    cap = "" if uncapped else f", no more than {how.group_cap} groups count"
    if how.unit_groups is not None:
        cap += f", units in {how.unit_groups}"
    if how.min_units > 1:
        cap += f", {how.min_units} units make a group"
    return f"bounding: {how.mode} over {how.groups} groups, L{how.norm}{cap}"


def bounded_text(bounded: BoundedMoment) -> str:
    """Return a moment with its limits."""
    return (
        f"{moment_text(bounded.moment)}; in steps of "
        f"{step_of(bounded.moment) / bounded.steps},"
        f" limit {bounded.limit}, Δ {bounded.sensitivity}, bundle {bounded.bundle}"
    )


def step_of(moment: Moment) -> Fraction:
    """Return the size of a moment's step, in the unit of the answer."""
    match moment:
        case Total(value=value) | DistinctTotal(value=value):
            return value.grid
        case Square(value=value):
            return value.grid**2
        case Product(left=left, right=right):
            return left.grid * right.grid
        case _:
            return Fraction(1)


def distinct_text(bounded: BoundedDistinct) -> str:
    """Return a union of values with its limits."""
    return (
        f"{moment_text(bounded.moment)}; in steps of {step_of(bounded.moment)}, of a "
        f"unit {bounded.per_group} in a group and {bounded.in_all} in all, "
        f"Δ {bounded.sensitivity}"
    )


def ranking_text(bounded: BoundedRanking) -> str:
    """Return a histogram with its limits."""
    value = bounded.value
    low, high = value.grid * value.low, value.grid * value.high
    return (
        f"histogram of {expression_text(value.expression)} in [{low}, {high}]: "
        f"{bounded.bins} bins; weights in steps of 1/{bounded.steps}, limit "
        f"{bounded.limit}, Δ {bounded.sensitivity}"
    )


class _Names:
    """What the moments of a release are called in the text."""

    def __init__(self, step: ReleaseStep) -> None:
        self._moments: dict[Moment, str] = {
            bounded.moment: f"m{at}" for at, bounded in enumerate(step.moments)
        }
        for at, distinct in enumerate(step.distinct):
            self._moments[distinct.moment] = f"d{at}"
        self._histograms = {
            each.value: f"h{at}" for at, each in enumerate(step.rankings)
        }

    def text(self, estimator: Estimator) -> str:
        """Return how a released column is made of moments."""
        names = self._moments
        match estimator:
            case LinearEstimator(terms=terms, integer=integer, presence=presence):
                parts = [
                    names[moment] if by == 1 else f"{by} · {names[moment]}"
                    for by, moment in terms
                ]
                total = " + ".join(parts)
                total = f"round({total})" if integer else total
                return total + self._null(presence)
            case RatioEstimator(numerator=numerator, denominator=denominator):
                value = estimator.value
                share = f"{names[numerator]} / {names[denominator]}"
                return f"{value.grid * value.centre} + {value.grid} · {share}"
            case SpreadEstimator(kind=kind):
                moments = (estimator.count, estimator.total, estimator.square)
                return f"{kind} of {', '.join(names[each] for each in moments)}"
            case PairEstimator(kind=kind, count=n, product=product):
                of = [n, estimator.total_y, estimator.total_x]
                of += [estimator.square_y, estimator.square_x, product]
                return f"{kind} of {', '.join(names[each] for each in of)}"
            case RankEstimator(value=value, target=target, presence=presence):
                rank = rank_text(target)
                of = self._histograms[value]
                return f"{rank} of {of}, NULL if {names[presence]} is small"
            case AnyEstimator(count=count, negated=negated, presence=presence):
                shown = f"{names[count]} is {'not ' if negated else ''}clearly above 0"
                return shown + self._null(presence)
            case _:
                assert_never(estimator)

    def _null(self, presence: Units | None) -> str:
        return (
            "" if presence is None else f", NULL if {self._moments[presence]} is none"
        )


def rank_text(target: RankTarget) -> str:
    """Return which value is chosen."""
    if target.fraction is not None:
        return f"quantile {target.fraction}"
    return str(target.kind).lower()
