"""Histograms and unions: what a release measures beside its sums, as SQL.

Both read the same rows as the sums, and keep to the same rule: up to the last step a
row is about one unit, and what the unit adds is bounded by what it does itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.aggregates import DistinctTotal, DistinctValues, Present
from dpquery.plan.program import BoundedMoment
from dpquery.policy.catalog import SqlType
from dpquery.sql.functions import binary, call, cast, number, text
from dpquery.sql.lowering.bounding import factors, scaled_by_unit, sizes
from dpquery.sql.lowering.chain import SALT, Chain, Table, with_tables
from dpquery.sql.lowering.expressions import column
from dpquery.sql.lowering.lower import EngineSQL, engine_sql
from dpquery.sql.lowering.select import add_join, plain, select, table

if TYPE_CHECKING:
    from dpquery.plan.aggregates import GridValue
    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import BoundedDistinct, ReleaseStep

BIN, WEIGHT = "bin", "weight"


def lower_ranking(step: ReleaseStep, at: int) -> EngineSQL:
    """
    Return the statement whose rows are (keys…, bin, weight in sub-steps).

    A row of a unit weighs what the unit's factor leaves of it, so that all that the
    unit adds, over its groups, is within the limit of the ranking.
    """
    alone, tables = _weighed(step, at)
    chain = Chain(alone)
    items = [*chain.own_keys(), (BIN, plain(BIN)), (WEIGHT, call("sum", plain(WEIGHT)))]
    query = select(items, "weighed")
    query = query.group_by(*map(plain, [*chain.keys, BIN]), copy=False)
    return engine_sql(alone, with_tables(query, tables))


def lower_weights(step: ReleaseStep, at: int) -> EngineSQL:
    """Return the statement for the weights of each unit, which must be unit-local."""
    alone, tables = _weighed(step, at)
    names = ["u", *Chain(alone).keys, BIN, WEIGHT]
    query = select([(name, plain(name)) for name in names], "weighed")
    return engine_sql(alone, with_tables(query, tables))


def _weighed(step: ReleaseStep, at: int) -> tuple[ReleaseStep, list[Table]]:
    """Return the release of one ranking alone, and its tables up to weights."""
    ranking = step.rankings[at]
    counted = BoundedMoment(
        Present(ranking.value),
        bundle=0,
        vector=0,
        steps=ranking.steps,
        limit=ranking.limit,
        sensitivity=ranking.sensitivity,
    )
    alone = replace(step, moments=(counted,), distinct=(), rankings=())
    chain = Chain(alone)
    value = column("rows", chain.value(ranking.value).name)
    bin_ = _bin(value, ranking.value, ranking.bins)
    keys = [(key, column("limited", key)) for key in chain.keys]
    count = cast(exp.Count(this=exp.Star()), "DOUBLE")
    weight = exp.Mul(this=count, expression=column("limited", "f0"))
    if ranking.steps > 1:
        steps = cast(text(str(ranking.steps)), "DOUBLE")
        weight = exp.Mul(this=weight, expression=steps)
    whole = cast(call("trunc", weight), "BIGINT")
    unit = column("limited", "u")
    query = select([("u", unit), *keys, (BIN, bin_), (WEIGHT, whole)], "rows")
    _join_limited(query, chain)
    present = exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null()))
    query = query.where(present, copy=False)
    by = [unit.copy(), *(made.copy() for _, made in keys)]
    query = query.group_by(*by, column("limited", "f0"), bin_.copy(), copy=False)
    return alone, [*_limited(chain), ("weighed", query, None)]


def _bin(value: exp.Expr, of: GridValue, bins: int) -> exp.Expr:
    """Return which of the bins, of equally many steps, a value in steps falls into."""
    wide = cast(value, "BIGINT")
    steps = binary(exp.Add, wide, number(of.centre - of.low))
    if of.high - of.low + 1 == bins:
        return steps
    scaled = binary(exp.Mul, steps, number(bins))
    return binary(exp.IntDiv, scaled, number(of.high - of.low + 1))


def _limited(chain: Chain) -> list[Table]:
    """Return the tables up to ``limited``: units and keys that count, with factors."""
    step = chain.step
    tables = chain.tables(None)
    names = [(name, column("parts", name)) for name in ("u", *chain.keys)]
    if scaled_by_unit(step.bounding):
        sums = [("u", plain("u")), *sizes(step)]
        norms = select(sums, "parts").group_by(plain("u"), copy=False)
        units = select([("u", plain("u")), *factors(step)], "norms")
        limited = select([*names, ("f0", column("factors", "f0"))], "parts")
        same = exp.EQ(this=column("parts", "u"), expression=column("factors", "u"))
        add_join(limited, table("factors"), same)
        tables += [("norms", norms, None), ("factors", units, None)]
    else:
        source = "parts"
        if not step.bounding.single_group:
            tables.append(("kept", chain.kept(), None))
            source = "kept"
        own = [(name, plain(name)) for name in ("u", *chain.keys)]
        limited = select([*own, *factors(step)], source)
    return [*tables, ("limited", limited, None)]


def _join_limited(query: exp.Select, chain: Chain) -> None:
    """Join rows with the units and keys that count."""
    same: exp.Expr = exp.EQ(this=column("rows", "u"), expression=column("limited", "u"))
    if chain.keys and not chain.step.bounding.single_group:
        same = exp.And(this=same, expression=chain.same_keys("rows", "limited"))
    add_join(query, table("limited"), same)


# --- unions --------------------------------------------------------------------------


def lower_distinct(step: ReleaseStep, at: int) -> EngineSQL:
    """Return the statement whose rows are (keys…, size of the union in steps)."""
    alone, tables = _chosen(step, at)
    chain, bounded = Chain(alone), step.distinct[at]
    values = _columns(chain, bounded)
    union = select([*chain.own_keys(), *((n, plain(n)) for n in values)], "chosen")
    size: exp.Expr = exp.Count(this=exp.Star())
    if isinstance(bounded.moment, DistinctTotal):
        size = call("sum", plain(values[0]))
    union = union.distinct(copy=False)
    query = select([*chain.own_keys(), (WEIGHT, size)], union.subquery("different"))
    if chain.keys:
        query = query.group_by(*map(plain, chain.keys), copy=False)
    return engine_sql(alone, with_tables(query, tables))


def lower_chosen(step: ReleaseStep, at: int) -> EngineSQL:
    """Return the statement for the values that each unit keeps: unit-local."""
    alone, tables = _chosen(step, at)
    chain = Chain(alone)
    names = ["u", *chain.keys, *_columns(chain, step.distinct[at])]
    query = select([(name, plain(name)) for name in names], "chosen")
    return engine_sql(alone, with_tables(query, tables))


def _columns(chain: Chain, bounded: BoundedDistinct) -> list[str]:
    return [chain.value(value).name for value in _values(bounded)]


def _values(bounded: BoundedDistinct) -> tuple[Expression | GridValue, ...]:
    moment = bounded.moment
    return moment.values if isinstance(moment, DistinctValues) else (moment.value,)


def _chosen(step: ReleaseStep, at: int) -> tuple[ReleaseStep, list[Table]]:
    """
    Return the release of one union alone, and its tables up to ``chosen``.

    Of its own values a unit keeps so many in a group, and so many in all, the first by
    a hash: a function of the unit's own rows only (theory.md 2.4, 2.6).
    """
    bounded = step.distinct[at]
    counted = tuple(
        BoundedMoment(Present(value), 0, index, 1, 1, 1)
        for index, value in enumerate(dict.fromkeys(_values(bounded)))
    )
    alone = replace(step, moments=counted, distinct=(), rankings=())
    chain = Chain(alone)
    names = _columns(chain, bounded)
    keys = [(key, column("parts", key)) for key in chain.keys]
    made = [
        (name, _merged(column("rows", name), value))
        for name, value in zip(names, _values(bounded), strict=True)
    ]
    query = select([("u", column("rows", "u")), *keys, *made], "rows")
    same: exp.Expr = exp.EQ(this=column("rows", "u"), expression=column("parts", "u"))
    if chain.keys and not step.bounding.single_group:
        same = exp.And(this=same, expression=chain.same_keys("rows", "parts"))
    add_join(query, table("parts"), same)
    if not (isinstance(bounded.moment, DistinctValues) and bounded.moment.with_null):
        for name in names:
            known = exp.Is(this=column("rows", name), expression=exp.Null())
            query = query.where(exp.Not(this=known), copy=False)
    own = ["u", *chain.keys, *names]
    in_group = _ranked("own", own, ["u", *chain.keys], names, step)
    few = binary(exp.LTE, plain("rank"), number(bounded.per_group))
    in_all = _ranked("in_group", own, ["u"], [*chain.keys, *names], step, few)
    last = select([(name, plain(name)) for name in own], "in_all")
    last = last.where(
        binary(exp.LTE, plain("rank"), number(bounded.in_all)), copy=False
    )
    tables: list[Table] = [
        *chain.tables(None),
        ("own", query.distinct(copy=False), None),
        ("in_group", in_group, None),
        ("in_all", in_all, None),
        ("chosen", last, None),
    ]
    return alone, tables


def _merged(value: exp.Expr, of: Expression | GridValue) -> exp.Expr:
    """Return a value that is merged with equal ones; -0.0 is 0.0."""
    kind = getattr(of, "type", None)
    return (
        binary(exp.Add, value, cast(text("0"), "DOUBLE"))
        if kind is SqlType.DOUBLE
        else value
    )


def _ranked(
    source: str,
    names: list[str],
    partition: list[str],
    hashed: list[str],
    step: ReleaseStep,
    where: exp.Expr | None = None,
) -> exp.Select:
    """Number the rows of each partition in the order of a hash."""
    parts = [*([] if step.source.by_row else ["u"]), *hashed]
    texts = [cast(plain(name), "VARCHAR") for name in parts]
    salted = call("md5", call("concat_ws", text("|"), text(SALT), *texts))
    order = [salted, *map(plain, hashed)]
    rank = exp.Window(
        this=call("row_number"),
        partition_by=[plain(name) for name in partition],
        order=exp.Order(expressions=[exp.Ordered(this=each) for each in order]),
    )
    query = select([*((n, plain(n)) for n in names), ("rank", rank)], source)
    return query if where is None else query.where(where, copy=False)
