"""Public key domains as SQL: a filter on rows, and the list of all groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import TEMPORAL
from dpquery.plan.program import KeyDomain, KeySource, ListedKeys, TableKeys
from dpquery.plan.walk import scans
from dpquery.sql.functions import cast, text
from dpquery.sql.lower_expressions import (
    ENGINE_TYPES,
    column,
    constant,
    lower,
    lower_key,
)

if TYPE_CHECKING:
    from dpquery.plan.expressions import Constant, Expression
    from dpquery.plan.program import ReleaseStep
    from dpquery.policy.catalog import SqlType


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
        elif source.optional:
            continue  # with a partner or without, every row is in the domain
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
    """
    Return the distinct keys that a public table has.

    NULL is not among them, unless the query LEFT JOINs the table: then one more row,
    of NULLs, stands for what has no partner.
    """
    table = exp.Table(
        this=exp.to_identifier(source.scan.table.name, quoted=True),
        db=exp.to_identifier(schema, quoted=True),
        alias=exp.TableAlias(this=exp.to_identifier(source.scan.name, quoted=True)),
    )
    items = [
        exp.alias_(lower_key(expression), f"k{index}", quoted=True)
        for index, expression in zip(source.keys, source.expressions, strict=True)
    ]
    query = exp.Select().select(*items, copy=False)
    if source.optional:
        both = exp.Values(
            expressions=[
                exp.Tuple(expressions=[exp.Boolean(this=each)])
                for each in (True, False)
            ],
            alias=exp.TableAlias(
                this=exp.to_identifier("has", quoted=True),
                columns=[exp.to_identifier("partner", quoted=True)],
            ),
        )
        query = query.from_(both, copy=False)
        partner = column("has", "partner")
        query = query.join(table, on=partner, join_type="left", copy=False)
        return query.distinct(copy=False)
    query = query.from_(table, copy=False)
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
    # each group once, whatever two spellings of one value the sources list: a row of
    # a unit must not be added up twice
    return query.distinct(copy=False)


def _source(
    source: KeySource, alias: str, step: ReleaseStep, schema: str
) -> exp.Expression:
    names = [f"k{index}" for index in source.keys]
    if isinstance(source, TableKeys):
        return _aliased(exp.Subquery(this=table_keys(source, schema)), alias, names)
    types = [step.keys[index].expression.type for index in source.keys]
    rows = [
        exp.Tuple(expressions=[_cell(v, t) for v, t in zip(row, types, strict=True)])
        for row in source.rows
    ]
    listed = _aliased(exp.Values(expressions=rows), alias, names)
    if not TEMPORAL.intersection(types):
        return listed
    # one CAST for all dates, not one for each: that would be half of the statement
    items = [
        exp.Alias(
            this=cast(column(alias, name), ENGINE_TYPES[type_]),
            alias=exp.to_identifier(name, quoted=True),
        )
        for name, type_ in zip(names, types, strict=True)
    ]
    query = exp.Select(expressions=items).from_(listed, copy=False)
    return _aliased(exp.Subquery(this=query), alias, names)


def _cell(value: Constant, type_: SqlType) -> exp.Expression:
    """Return a listed key; dates as text, NULL without its type."""
    if type_ not in TEMPORAL:
        return constant(value, type_)
    return exp.Null() if value is None else text(str(value))


def _aliased(source: exp.Expression, alias: str, names: list[str]) -> exp.Expression:
    columns = [exp.to_identifier(name, quoted=True) for name in names]
    name = exp.to_identifier(alias, quoted=True)
    source.set("alias", exp.TableAlias(this=name, columns=columns))
    return source
