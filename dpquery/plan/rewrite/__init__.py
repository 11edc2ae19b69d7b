"""From a bound query to a program of releases; pure, and reads no data.

The order is part of the privacy argument:

1. ``own``: every row gets its unit, or the query is refused. First, because a limit
   per unit means nothing for a row without one. What subqueries in keys and aggregates
   read is tied to the unit of their row, like what is read anywhere else.
2. ``decompose_aggregates``: aggregates become integer moments on clamped values. It
   reads bounds from the filters of the owned relation.
3. ``key_domain``: public keys, or none. Before bounding, because rows outside the
   domain must not use up a unit's contribution (theory.md 2.4).
4. ``bound_contributions``: limits per unit, after the last operator that multiplies
   rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dpquery.errors import QueryRefused
from dpquery.plan.aggregates import Units, with_expressions
from dpquery.plan.analysis.partitions import key_domain
from dpquery.plan.analysis.privacy_unit import of_unit, own
from dpquery.plan.expressions import ColumnRef
from dpquery.plan.program import Program, ReleaseStep
from dpquery.plan.rewrite.bound_contributions import (
    BoundingRules,
    bound_contributions,
    bound_distinct,
    bound_rankings,
    bounding,
)
from dpquery.plan.rewrite.clamp_inputs import inputs_of
from dpquery.plan.rewrite.decompose_aggregates import decompose_aggregates
from dpquery.plan.rewrite.fill_groups import fill_groups
from dpquery.plan.walk import columns
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import AggregateQuery, GroupKey, Query
    from dpquery.plan.relations import Owned
    from dpquery.policy.catalog import Catalog


def compile_program(query: Query, catalog: Catalog, rules: BoundingRules) -> Program:
    """
    Return the releases that answer *query*, and the SELECT over them.

    Raises:
        QueryRefused: some row has no single owner, or some value no bounds.
    """
    steps = tuple(compile_release(each, catalog, rules) for each in query.boundaries)
    return Program(steps, query.inputs, query.post)


def compile_release(
    query: AggregateQuery, catalog: Catalog, rules: BoundingRules
) -> ReleaseStep:
    """Return one DP boundary as a bounded integer aggregate."""
    query = fill_groups(query)
    source = own(query.source, catalog)
    query = _of_units(query, source, catalog)
    for key in query.keys:
        _check_key(key, source)
    if query.wishes.groups is not None:
        rules = replace(rules, groups=min(rules.groups, query.wishes.groups))
    inputs = inputs_of(source.relation)
    decomposed = decompose_aggregates(
        query.aggregates, inputs, grouped=bool(query.keys)
    )
    domain = key_domain(query.keys, source.relation, catalog)
    moments = decomposed.moments
    if domain is None or not query.aggregates:
        moments = tuple(dict.fromkeys((Units(), *moments)))
    how = bounding(rules, source, query.keys, domain)
    return ReleaseStep(
        name=query.name,
        source=source,
        keys=query.keys,
        domain=domain,
        moments=bound_contributions(moments, source, how),
        distinct=bound_distinct(decomposed.distinct, source, how),
        rankings=bound_rankings(decomposed.columns, source, how),
        bounding=how,
        columns=decomposed.columns,
        wishes=query.wishes,
    )


def _of_units(query: AggregateQuery, source: Owned, catalog: Catalog) -> AggregateQuery:
    """Return *query* with the subqueries of keys and aggregates tied to their rows."""

    def tied(expression: Expression) -> Expression:
        return of_unit(expression, source, catalog)

    keys = (replace(key, expression=tied(key.expression)) for key in query.keys)
    aggregates = (with_expressions(each, tied) for each in query.aggregates)
    return replace(query, keys=tuple(keys), aggregates=tuple(aggregates))


_KEY_TYPES = frozenset(
    {
        SqlType.BOOLEAN,
        SqlType.INTEGER,
        SqlType.VARCHAR,
        SqlType.DATE,
        SqlType.TIMESTAMP,
    }
)


def _check_key(key: GroupKey, source: Owned) -> None:
    """Refuse keys that would show units, or that print differently when equal."""
    read = columns(key.expression)
    if key.expression == source.unit or (read and read <= set(source.units)):
        msg = f"a group per {source.kind} would show individuals"
        hint = f"group by what a {source.kind} has in common with others"
        raise QueryRefused(msg, code="DPQ123", place=key.place, hint=hint)
    exact = isinstance(key.expression, ColumnRef)  # computed ones are DOUBLE below
    if key.expression.type is SqlType.DECIMAL and exact:
        return
    if key.expression.type not in _KEY_TYPES:
        msg = f"{key.expression.type} values cannot be group keys"
        hint = "round to whole numbers: CAST(FLOOR(x) AS INTEGER)"
        raise QueryRefused(msg, code="DPQ126", place=key.place, hint=hint)


__all__ = ["BoundingRules", "compile_program", "compile_release"]
