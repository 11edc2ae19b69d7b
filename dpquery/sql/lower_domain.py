"""Public key domains as SQL: a filter on rows, and the list of all groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.program import KeyDomain, KeySource, ListedKeys, TableKeys
from dpquery.plan.walk import scans
from dpquery.sql.lower_expressions import column, constant, lower

if TYPE_CHECKING:
    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import ReleaseStep


def domain_expressions(of: KeyDomain) -> list[Expression]:
    """Return the expressions that the domain computes on public tables."""
    return [
        expression
        for source in of.sources
        if isinstance(source, TableKeys)
        for expression in source.expressions
    ]


def in_domain(step: ReleaseStep, schema: str) -> list[exp.Expression]:
    """
    Return conditions that leave out rows outside the domain.

    Before the clip, or groups that nobody will see would use up contributions
    (theory.md 2.4).
    """
    if step.domain is None:
        return []
    joined = {scan.name for scan in scans(step.source.relation)}
    conditions = []
    for source in step.domain.sources:
        names = [exp.column(f"k{index}", quoted=True) for index in source.keys]
        if isinstance(source, ListedKeys):
            conditions.append(_listed(names[0], source, step))
        elif source.scan.name in joined:
            conditions += [_known(name) for name in names]
        else:
            keys = table_keys(source, schema).subquery(copy=False)
            conditions.append(exp.In(this=names[0], query=keys))
    return conditions


def _known(value: exp.Expression) -> exp.Expression:
    return exp.Not(this=exp.Is(this=value, expression=exp.Null()))


def _listed(name: exp.Column, source: ListedKeys, step: ReleaseStep) -> exp.Expression:
    type_ = step.keys[source.keys[0]].expression.type
    values = [row[0] for row in source.rows]
    known = [constant(value, type_) for value in values if value is not None]
    tests: list[exp.Expression] = []
    if known:
        tests.append(exp.In(this=name.copy(), expressions=known))
    if None in values:
        tests.append(exp.Is(this=name.copy(), expression=exp.Null()))
    return exp.Paren(this=exp.or_(*tests, copy=False))


def table_keys(source: TableKeys, schema: str) -> exp.Select:
    """Return the distinct keys that a public table has; NULL is not among them."""
    table = exp.Table(
        this=exp.to_identifier(source.scan.table.name, quoted=True),
        db=exp.to_identifier(schema, quoted=True),
        alias=exp.TableAlias(this=exp.to_identifier(source.scan.name, quoted=True)),
    )
    items = [
        exp.alias_(lower(expression), f"k{index}", quoted=True)
        for index, expression in zip(source.keys, source.expressions, strict=True)
    ]
    query = exp.Select().select(*items, copy=False).from_(table, copy=False)
    for expression in source.expressions:
        query = query.where(_known(lower(expression)), copy=False)
    return query.distinct(copy=False)


def domain(step: ReleaseStep, schema: str) -> exp.Select:
    """Return all groups: the cross product of the domain's sources."""
    if step.domain is None:
        msg = "a release with unknown keys has no domain"
        raise ValueError(msg)
    parts = [
        _source(source, f"d{at}", step, schema)
        for at, source in enumerate(step.domain.sources)
    ]
    where = {
        index: f"d{at}" for at, s in enumerate(step.domain.sources) for index in s.keys
    }
    items = [
        exp.alias_(column(where[index], key.name), key.name, quoted=True)
        for index, key in enumerate(step.keys)
    ]
    query = exp.Select().select(*items, copy=False).from_(parts[0], copy=False)
    for part in parts[1:]:
        query = query.join(part, join_type="cross", copy=False)
    return query


def _source(
    source: KeySource, alias: str, step: ReleaseStep, schema: str
) -> exp.Expression:
    names = [exp.to_identifier(f"k{index}", quoted=True) for index in source.keys]
    as_ = exp.TableAlias(this=exp.to_identifier(alias, quoted=True), columns=names)
    if isinstance(source, TableKeys):
        return exp.Subquery(this=table_keys(source, schema), alias=as_)
    types = [step.keys[index].expression.type for index in source.keys]
    rows = [
        exp.Tuple(expressions=[constant(v, t) for v, t in zip(row, types, strict=True)])
        for row in source.rows
    ]
    return exp.Values(expressions=rows, alias=as_)
