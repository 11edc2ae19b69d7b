"""The normal form of a release: the same measurement, however the question was spelled.

Upholds: equal digests mean that the engine computes the same integers of whatever data.
What a digest covers is all that the lowering reads; in doubt two plans differ, which
costs money and nothing else. ``canonical_relations`` and ``canonical_expressions`` have
the arguments for what is left out: names, places, and orders without a meaning.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from dpquery.plan.aggregates import (
    DistinctTotal,
    DistinctValues,
    GridValue,
    Present,
    Product,
    Rows,
    Square,
    Total,
    Units,
    expression_of,
)
from dpquery.plan.analysis.canonical_expressions import constant_digest, digest, term
from dpquery.plan.analysis.canonical_relations import Block, block, blocks
from dpquery.plan.program import BoundingMode, ListedKeys, PublicKeys
from dpquery.plan.relations import Released
from dpquery.plan.walk import names, relations, subqueries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dpquery.plan.aggregates import AdditiveMoment, DistinctMoment, RankTarget
    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import (
        BoundedDistinct,
        BoundedMoment,
        BoundedRanking,
        GroupKey,
        KeySource,
        ReleaseStep,
    )
    from dpquery.plan.relations import Relation

DomainSource = tuple[tuple[str, ...], str]
"""The digests of the keys that a list is for, sorted, and the digest of the list."""


@dataclass(frozen=True, slots=True)
class Canonical:
    """
    The normal form of a release: digests that do not depend on names or spelling.

    All are SHA-256 in hexadecimal. Each is about the release whose *source*, *keys* as
    a set, *domain* and *bounding* it stands beside: by itself it says nothing.
    """

    source: str
    """The owned relation, and whose row each row is."""
    keys: tuple[str, ...]
    """Of each key, in the step's order: its expression. Equal keys are numbered."""
    domain: tuple[DomainSource, ...] | None
    """The lists whose cross product the groups are, sorted; ``None`` where keys are
    unknown. Digests are of sets of tuples, in the order of the sorted keys."""
    bounding: str
    moments: tuple[str, ...]
    """Of each moment: what is added up, without its limits."""
    limits: tuple[str, ...]
    """Of each moment: sub-steps, limit and sensitivity, its own and those of what is
    scaled with it."""
    distinct: tuple[str, ...]
    """Of each union: the values, and how many of them a unit keeps."""
    rankings: tuple[str, ...]
    """Of each histogram: value, bins and limits, without what is chosen from it."""
    volatile: bool
    """Whether earlier answers are read: then the digests say nothing of their values,
    and the release is like no other one."""


def canonical(step: ReleaseStep) -> Canonical:
    """Return the normal form of *step*."""
    described = (_described(step, each) for each in blocks(step.source.relation))
    return min(described, key=_sorted)


def target_digest(target: RankTarget) -> str:
    """Return the digest of what is chosen from a histogram."""
    return digest("target", target.kind.value, str(target.fraction))


def _described(step: ReleaseStep, source: Block) -> Canonical:
    """Return the normal form, by one of the descriptions of its rows."""
    keys = _keys(step.keys, source)
    return Canonical(
        source=_source(source, step),
        keys=keys,
        domain=_domain(step, keys),
        bounding=_bounding(step, keys),
        moments=tuple(_moment(each.moment, source) for each in step.moments),
        limits=tuple(_limits(each, step, source) for each in step.moments),
        distinct=tuple(_distinct(each, keys, source) for each in step.distinct),
        rankings=tuple(_ranking(each, source) for each in step.rankings),
        volatile=reads_answers(step),
    )


def _sorted(made: Canonical) -> tuple[str, tuple[list[str], ...]]:
    """Return what decides between two descriptions of one release."""
    parts = (made.keys, made.moments, made.distinct, made.rankings)
    return made.source, tuple(map(sorted, parts))


# --- rows and groups -------------------------------------------------------------


def _source(source: Block, step: ReleaseStep) -> str:
    owned = step.source
    unit = source.unit(owned.unit)
    return digest("source", source.text, unit, owned.kind, owned.by_row)


def _keys(keys: Sequence[GroupKey], source: Block) -> tuple[str, ...]:
    made: list[str] = []
    seen: Counter[str] = Counter()
    for key in keys:
        value = term(key.expression, source)
        made.append(digest("key", value, seen[value]))
        seen[value] += 1
    return tuple(made)


def _domain(
    step: ReleaseStep, keys: tuple[str, ...]
) -> tuple[DomainSource, ...] | None:
    if step.domain is None:
        return None
    joined = names(step.source.relation)
    return tuple(
        sorted(_listed(each, step, keys, joined) for each in step.domain.sources)
    )


def _listed(
    source: KeySource, step: ReleaseStep, keys: tuple[str, ...], joined: frozenset[str]
) -> DomainSource:
    order = sorted(range(len(source.keys)), key=lambda at: keys[source.keys[at]])
    called = tuple(keys[source.keys[at]] for at in order)
    match source:
        case ListedKeys(rows=rows):
            types = [step.keys[index].expression.type for index in source.keys]
            tuples = {
                tuple(constant_digest(row[at], types[at]) for at in order)
                for row in rows
            }
            return called, digest("listed", tuple(sorted(tuples)))
        case PublicKeys(relation=relation, expressions=made, optional=optional):
            rows_ = block(relation, {}, 0)
            values = tuple(term(made[at], rows_) for at in order)
            # of a table that the query joins, the lowering need not read the list again
            shared = names(relation) <= joined
            return called, digest("public", rows_.text, values, optional, shared)
        case _:
            assert_never(source)


def _bounding(step: ReleaseStep, keys: tuple[str, ...]) -> str:
    how = step.bounding
    hashed: tuple[str, ...] = ()
    if how.mode is BoundingMode.TRUNCATE and not how.single_group:
        hashed = keys  # which groups a unit keeps: a hash of the keys in their order
    parts = (how.mode.value, how.norm, how.groups, how.group_cap, how.single_group)
    usual = how.min_units == 1 and how.unit_groups is None
    more = () if usual else (how.min_units, how.unit_groups)
    return digest("bounding", parts, hashed, *more)


# --- what is measured ------------------------------------------------------------


def _maybe(expression: Expression | None, source: Block) -> str | None:
    return None if expression is None else term(expression, source)


def _value(value: GridValue | Expression | None, source: Block) -> str | None:
    if not isinstance(value, GridValue):
        return _maybe(value, source)
    ends = (value.low, value.high, value.centre)
    return digest("grid", term(value.expression, source), str(value.grid), ends)


def _moment(moment: AdditiveMoment, source: Block) -> str:
    match moment:
        case Rows(where=where, most=most):
            return digest("rows", _maybe(where, source), most)
        case Present(value=value, beside=beside, most=most):
            both = (_value(value, source), _value(beside, source))
            return digest("present", both, most)
        case Units(where=where):
            return digest("units", _maybe(where, source))
        case Total(value=value, beside=beside, group_bounds=bounds):
            both = (_value(value, source), _value(beside, source))
            return digest("total", both, bounds)
        case Square(value=value, beside=beside, centred=centred):
            both = _value(value, source), _value(beside, source)
            return digest("square", *both, *([] if centred else ["as they are"]))
        case Product(left=left, right=right):
            sides = sorted(str(_value(each, source)) for each in (left, right))
            return digest("product", tuple(sides))
        case _:
            assert_never(moment)


_EXACT = 1 << 53
"""Products of DOUBLE up to this are whole numbers without rounding."""


def _limits(bounded: BoundedMoment, step: ReleaseStep, source: Block) -> str:
    own = _bounds(bounded, source)
    if isinstance(bounded.moment, Units):
        return digest("limits", own)  # a weight, whatever is measured beside it
    mates = [
        each
        for each in step.moments
        if each.bundle == bounded.bundle and not isinstance(each.moment, Units)
    ]
    if any(each.limit >= _EXACT for each in step.moments):
        # then it may show which units count as light, and that follows from all limits
        mates = [*step.moments]
    vectors: dict[tuple[int, int], list[str]] = {}
    for each in mates:
        place = (each.bundle, each.vector)
        vectors.setdefault(place, []).append(_bounds(each, source))
    together = sorted(tuple(sorted(each)) for each in vectors.values())
    return digest("limits", own, tuple(together))


def _bounds(bounded: BoundedMoment, source: Block) -> str:
    parts = (bounded.steps, bounded.limit, bounded.sensitivity)
    return digest("bounds", _moment(bounded.moment, source), parts)


def _distinct(bounded: BoundedDistinct, keys: tuple[str, ...], source: Block) -> str:
    # which values a unit keeps: a hash of the keys and values in their order
    parts = (bounded.per_group, bounded.in_all, bounded.sensitivity)
    return digest("distinct", _union(bounded.moment, source), parts, keys)


def _union(moment: DistinctMoment, source: Block) -> str:
    match moment:
        case DistinctValues(values=values, with_null=with_null):
            made = tuple(_value(each, source) for each in values)
            return digest("values", made, with_null)
        case DistinctTotal(value=value):
            return digest("total", _value(value, source))
        case _:
            assert_never(moment)


def _ranking(ranking: BoundedRanking, source: Block) -> str:
    parts = (ranking.bins, ranking.steps, ranking.limit, ranking.sensitivity)
    return digest("ranking", _value(ranking.value, source), parts)


def reads_answers(step: ReleaseStep) -> bool:
    """Return whether a release reads earlier answers."""
    return any(isinstance(each, Released) for each in _read(step))


# --- what is read ----------------------------------------------------------------


def _read(step: ReleaseStep) -> Iterator[Relation]:
    """Yield every relation that the release reads."""
    yield from relations(step.source.relation)
    if step.domain is not None:
        for each in step.domain.sources:
            if isinstance(each, PublicKeys):
                yield from relations(each.relation)
                yield from _below(each.expressions)
    yield from _below([step.source.unit, *(key.expression for key in step.keys)])
    yield from _below(_measured(step))


def _below(expressions: Iterable[Expression]) -> Iterator[Relation]:
    for expression in expressions:
        for subquery in subqueries(expression):
            yield from relations(subquery.relation)


def _measured(step: ReleaseStep) -> Iterator[Expression]:
    """Yield the expressions of all that is measured."""
    for bounded in step.moments:
        match bounded.moment:
            case Rows(where=where) | Units(where=where):
                yield from () if where is None else (where,)
            case Present(value=value, beside=beside):
                yield expression_of(value)
                yield from () if beside is None else (beside.expression,)
            case Total(value=value, beside=beside) | Square(value=value, beside=beside):
                yield value.expression
                yield from () if beside is None else (beside.expression,)
            case Product(left=left, right=right):
                yield left.expression
                yield right.expression
            case _:
                assert_never(bounded.moment)
    for union in step.distinct:
        match union.moment:
            case DistinctValues(values=values):
                yield from map(expression_of, values)
            case DistinctTotal(value=value):
                yield value.expression
            case _:
                assert_never(union.moment)
    yield from (ranking.value.expression for ranking in step.rankings)
