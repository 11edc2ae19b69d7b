"""Public key domains as SQL: a filter on rows, and the list of all groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import TEMPORAL
from dpquery.plan.program import KeyDomain, KeySource, ListedKeys, PublicKeys
from dpquery.plan.walk import names
from dpquery.sql.functions import cast, text
from dpquery.sql.lowering.expressions import (
    ENGINE_TYPES,
    column,
    constant,
    lower,
    lower_key,
)
from dpquery.sql.lowering.relations import source
from dpquery.sql.lowering.select import identifier, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.plan.expressions import Constant, Expression
    from dpquery.plan.program import ReleaseStep
    from dpquery.policy.catalog import SqlType


def domain_expressions(of: KeyDomain) -> list[Expression]:
    """Return the expressions that the domain computes on public tables."""
    return [
        expression
        for source in of.sources
        if isinstance(source, PublicKeys)
        for expression in source.expressions
    ]


def in_domain(step: ReleaseStep) -> list[exp.Expr]:
    """
    Return conditions that leave out rows outside the domain.

    Before the clip, or groups that nobody will see would use up contributions
    (theory.md 2.4).
    """
    if step.domain is None:
        return []
    joined = names(step.source.relation)
    conditions = []
    for each in step.domain.sources:
        columns = [plain(step.keys[index].name) for index in each.keys]
        if isinstance(each, ListedKeys):
            conditions.append(_listed(columns[0], each, step))
        elif each.optional:
            continue  # with a partner or without, every row is in the domain
        elif names(each.relation) <= joined:
            conditions += [_known(name) for name in columns]
        else:
            called = [step.keys[index].name for index in each.keys]
            keys = table_keys(each, called).subquery(copy=False)
            conditions.append(exp.In(this=columns[0], query=keys))
    return conditions


def _known(value: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=value, expression=exp.Null()))


def _listed(name: exp.Column, keys: ListedKeys, step: ReleaseStep) -> exp.Expr:
    type_ = step.keys[keys.keys[0]].expression.type
    values = [row[0] for row in keys.rows]
    known = [constant(value, type_) for value in values if value is not None]
    tests: list[exp.Expr] = []
    if known:
        tests.append(exp.In(this=name.copy(), expressions=known))
    if None in values:
        tests.append(exp.Is(this=name.copy(), expression=exp.Null()))
    return exp.Paren(this=exp.or_(*tests, copy=False))


def table_keys(keys: PublicKeys, called: Sequence[str]) -> exp.Select:
    """
    Return the distinct keys that public tables have, in columns *called* so.

    NULL is not among them, unless the query LEFT JOINs the table: then one more row,
    of NULLs, stands for what has no partner.
    """
    found = source(keys.relation)
    items = [
        exp.Alias(this=lower_key(expression), alias=identifier(name))
        for name, expression in zip(called, keys.expressions, strict=True)
    ]
    if keys.optional:
        both = exp.Values(
            expressions=[
                exp.Tuple(expressions=[exp.Boolean(this=each)])
                for each in (True, False)
            ],
            alias=exp.TableAlias(
                this=identifier("has"), columns=[identifier("partner")]
            ),
        )
        partner = exp.Join(this=found.first, side="LEFT", on=column("has", "partner"))
        query = exp.Select(expressions=items).from_(both, copy=False)
        query.set("joins", [partner, *found.joins])
        return query.distinct(copy=False)
    query = found.select(items)
    for expression in keys.expressions:
        query = query.where(_known(lower(expression)), copy=False)
    return query.distinct(copy=False)


def domain(step: ReleaseStep) -> exp.Select:
    """Return all groups: the cross product of the domain's sources."""
    if step.domain is None:
        msg = "a release with unknown keys has no domain"
        raise ValueError(msg)
    parts = [
        _source(each, f"d{at}", step) for at, each in enumerate(step.domain.sources)
    ]
    where = {
        index: f"d{at}" for at, s in enumerate(step.domain.sources) for index in s.keys
    }
    items = [
        exp.Alias(this=column(where[index], key.name), alias=identifier(key.name))
        for index, key in enumerate(step.keys)
    ]
    query = exp.Select(expressions=items).from_(parts[0], copy=False)
    for part in parts[1:]:
        query = query.join(part, join_type="cross", copy=False)
    # each group once, whatever two spellings of one value the sources list: a row of
    # a unit must not be added up twice
    return query.distinct(copy=False)


def _source(keys: KeySource, alias: str, step: ReleaseStep) -> exp.Expr:
    called = [step.keys[index].name for index in keys.keys]
    if isinstance(keys, PublicKeys):
        return _aliased(exp.Subquery(this=table_keys(keys, called)), alias, called)
    types = [step.keys[index].expression.type for index in keys.keys]
    rows = [
        exp.Tuple(expressions=[_cell(v, t) for v, t in zip(row, types, strict=True)])
        for row in keys.rows
    ]
    listed = _aliased(exp.Values(expressions=rows), alias, called)
    if not TEMPORAL.intersection(types):
        return listed
    # one CAST for all dates, not one for each: that would be half of the statement
    items = [
        exp.Alias(
            this=cast(column(alias, name), ENGINE_TYPES[type_]), alias=identifier(name)
        )
        for name, type_ in zip(called, types, strict=True)
    ]
    query = exp.Select(expressions=items).from_(listed, copy=False)
    return _aliased(exp.Subquery(this=query), alias, called)


def _cell(value: Constant, type_: SqlType) -> exp.Expr:
    """Return a listed key; dates as text, NULL without its type."""
    if type_ not in TEMPORAL:
        return constant(value, type_)
    return exp.Null() if value is None else text(str(value))


def _aliased(made: exp.Expr, alias: str, called: list[str]) -> exp.Expr:
    columns = [identifier(name) for name in called]
    made.set("alias", exp.TableAlias(this=identifier(alias), columns=columns))
    return made
