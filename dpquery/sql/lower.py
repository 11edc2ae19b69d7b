"""A release into one SELECT for the engine: bound, add up, give back integers.

The statement is a chain of common table expressions, each one step of theory.md 2.1::

    source   rows with their unit, keys and values; filters applied; no NULL units
    rows     values as clamped integers; rows outside a public key domain left out
    parts    one row per (unit, key): the exact integer moments
    kept     under truncation: at most k parts of each unit, chosen by a keyed hash
    norms    under norm clipping: one row per unit, its factors
    clipped  the moments, scaled toward zero
    totals   one row per key

and last the answer: public keys with zeros where nothing was found. Up to ``parts``
a row depends on one unit only; ``clipped`` bounds what that unit adds; after it,
there are only sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.aggregates import (
    GridValue,
    Moment,
    Present,
    Rows,
    Total,
    Units,
    expression_of,
)
from dpquery.plan.expressions import TEMPORAL, conjuncts
from dpquery.plan.program import BoundingMode, ReleaseStep
from dpquery.plan.relations import Filter, Join, Relation, Scan
from dpquery.plan.walk import scans
from dpquery.sql.functions import binary, call, cast, clamped_date, number, text
from dpquery.sql.lower_bounding import (
    CLIPPING_FUNCTIONS,
    clipped_moment,
    factors,
    reach,
    scaled_by_unit,
)
from dpquery.sql.lower_domain import domain, domain_expressions, in_domain
from dpquery.sql.lower_expressions import balanced, column, functions_of, lower
from dpquery.sql.lower_values import VALUE_FUNCTIONS, on_grid, raw, values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dpquery.plan.expressions import Expression

SATURATION = 1 << 62
"""Sums are brought within this; 1-Lipschitz, so sensitivities stay as they are."""
SALT = "dpquery-groups-1"
"""Names the hash that chooses groups under truncation; it need not be secret."""


@dataclass(frozen=True, slots=True)
class EngineSQL:
    """A statement and everything that it may touch."""

    text: str
    tables: frozenset[str]
    functions: frozenset[str]


def lower_release(step: ReleaseStep, schema: str = "main") -> EngineSQL:
    """Return the statement whose rows are (keys…, moments in sub-steps…)."""
    return _engine_sql(step, _Builder(step, schema).answer())


def lower_parts(step: ReleaseStep, schema: str = "main") -> EngineSQL:
    """
    Return the statement for the exact moments per (unit, key), before any clip.

    This is the table that the neighbour tests compare: it must be unit-local.
    """
    return _engine_sql(step, _Builder(step, schema).parts())


def _engine_sql(step: ReleaseStep, query: exp.Select) -> EngineSQL:
    relation = step.source.relation
    tables = {scan.table.name for scan in scans(relation)}
    expressions = [*_conditions(relation), *(key.expression for key in step.keys)]
    expressions += [expression_of(value) for value in values(step)]
    if step.domain is not None:
        tables |= {s.scan.table.name for s in step.domain.sources if hasattr(s, "scan")}
        expressions += domain_expressions(step.domain)
    functions = functions_of(expressions) | VALUE_FUNCTIONS | CLIPPING_FUNCTIONS
    text_ = query.sql("duckdb", pretty=True, comments=False)
    return EngineSQL(text_, frozenset(tables), functions)


def _conditions(relation: Relation) -> Iterator[Expression]:
    """Yield every condition in *relation*, those of LEFT joins too."""
    match relation:
        case Filter(child=child, predicate=predicate):
            yield from _conditions(child)
            yield predicate
        case Join(left=left, right=right, condition=condition):
            yield from _conditions(left)
            yield from _conditions(right)
            yield condition


def _name(name: str) -> exp.Column:
    return exp.column(name, quoted=True)


def _select(
    columns: Sequence[tuple[str, exp.Expression]], source: str | exp.Expression
) -> exp.Select:
    """Return ``SELECT … AS "name", … FROM source``."""
    items = [exp.alias_(value, name, quoted=True) for name, value in columns]
    table = exp.to_table(source, quoted=True) if isinstance(source, str) else source
    if isinstance(source, str):
        table = exp.Table(this=exp.to_identifier(source, quoted=True))
    return exp.Select().select(*items, copy=False).from_(table, copy=False)


class _Builder:
    """Builds the chain of one release."""

    def __init__(self, step: ReleaseStep, schema: str) -> None:
        self._step = step
        self._schema = schema
        self._keys = [key.name for key in step.keys]
        self._values = values(step)

    def answer(self) -> exp.Select:
        """Return the whole statement."""
        step = self._step
        moments = [(f"m{i}", self._saturated(i)) for i in range(len(step.moments))]
        if step.domain is None or not self._keys:
            query = _select([*self._own_keys(), *moments], "totals")
            return self._with(query, self._clipping())
        keys = [(key, column("domain", key)) for key in self._keys]
        query = _select([*keys, *moments], "domain")
        same = [
            exp.NullSafeEQ(this=column("domain", k), expression=column("totals", k))
            for k in self._keys
        ]
        totals = exp.Table(this=exp.to_identifier("totals", quoted=True))
        query = query.join(totals, on=exp.and_(*same), join_type="left", copy=False)
        tables = [*self._clipping(), ("domain", domain(step, self._schema), False)]
        return self._with(query, tables)

    def parts(self) -> exp.Select:
        """Return the statement that stops before the clip."""
        names = ["u", *self._keys, *(f"m{i}" for i in range(len(self._step.moments)))]
        query = _select([(name, _name(name)) for name in names], "parts")
        return self._with(query, self._chain())

    def _with(
        self, query: exp.Select, tables: Sequence[tuple[str, exp.Select, bool]]
    ) -> exp.Select:
        for name, body, materialized in tables:
            alias = exp.TableAlias(this=exp.to_identifier(name, quoted=True))
            cte = exp.CTE(this=body, alias=alias, materialized=materialized or None)
            existing = query.args.get("with_")
            if existing is None:
                query.set("with_", exp.With(expressions=[cte]))
            else:
                existing.append("expressions", cte)
        return query

    def _own_keys(self) -> list[tuple[str, exp.Expression]]:
        return [(key, _name(key)) for key in self._keys]

    # --- rows of one unit --------------------------------------------------------

    def _chain(self) -> list[tuple[str, exp.Select, bool]]:
        wanted = scaled_by_unit(self._step.bounding)
        return [
            ("source", self._source(), False),
            ("rows", self._rows(), False),
            ("parts", self._parts(), wanted),
        ]

    def _source(self) -> exp.Select:
        step = self._step
        columns = [
            ("u", lower(step.source.unit)),
            *((key.name, _key(key.expression)) for key in step.keys),
            *((f"x{i}", raw(value)) for i, value in enumerate(self._values)),
        ]
        first, joins, filters = _flattened(step.source.relation)
        query = _select(columns, self._table(first))
        for join in joins:
            scan = join.right
            if not isinstance(scan, Scan):
                msg = "joins are flattened, so what is joined is a scan"
                raise TypeError(msg)
            query = query.join(
                self._table(scan),
                on=lower(join.condition),
                join_type=join.kind.lower(),
                copy=False,
            )
        known = exp.Not(
            this=exp.Is(this=lower(step.source.unit), expression=exp.Null())
        )
        wanted = balanced(exp.And, [*map(lower, filters), known])
        return query.where(wanted, copy=False)

    def _table(self, scan: Scan) -> exp.Table:
        table = exp.Table(
            this=exp.to_identifier(scan.table.name, quoted=True),
            db=exp.to_identifier(self._schema, quoted=True),
        )
        alias = exp.to_identifier(scan.name, quoted=True)
        table.set("alias", exp.TableAlias(this=alias))
        return table

    def _rows(self) -> exp.Select:
        columns = [
            ("u", _name("u")),
            *self._own_keys(),
            *(
                (f"x{i}", on_grid(v, _name(f"x{i}")))
                for i, v in enumerate(self._values)
            ),
        ]
        query = _select(columns, "source")
        for condition in in_domain(self._step, self._schema):
            query = query.where(condition, copy=False)
        return query

    def _parts(self) -> exp.Select:
        """Return the exact moments; a determined key is taken per unit."""
        moments = [
            (f"m{i}", self._moment(bounded.moment, reach(bounded)))
            for i, bounded in enumerate(self._step.moments)
        ]
        single = self._step.bounding.single_group
        # every unit is put into one group, whatever its rows say: the smallest key
        keys = [(k, call("min", _name(k)) if single else _name(k)) for k in self._keys]
        query = _select([("u", _name("u")), *keys, *moments], "rows")
        by = ["u"] if single else ["u", *self._keys]
        return query.group_by(*map(_name, by), copy=False)

    def _moment(self, moment: Moment, most: int) -> exp.Expression:
        match moment:
            case Units():
                return number(1)
            case Rows():
                return _within(exp.Count(this=exp.Star()), most)
            case Present(value=value):
                return _within(call("count", self._value(value)), most)
            case Total(value=value):
                zero = number(0)
                return _within(
                    call("coalesce", call("sum", self._value(value)), zero), most
                )

    def _value(self, value: GridValue | Expression) -> exp.Column:
        return _name(f"x{self._values.index(value)}")

    # --- the clip and the sums ---------------------------------------------------

    def _clipping(self) -> list[tuple[str, exp.Select, bool]]:
        step = self._step
        chain = self._chain()
        per_unit = scaled_by_unit(step.bounding)
        truncated = step.bounding.mode is BoundingMode.TRUNCATE
        source = "parts"
        if truncated and not step.bounding.single_group:
            chain.append(("kept", self._kept(), False))
            source = "kept"
        named = [(f"f{i}", f) for i, f in enumerate(factors(step))]
        names = [*self._keys, *(f"m{i}" for i in range(len(step.moments)))]
        plain = [(name, column(source, name)) for name in names]
        if per_unit:
            groups = ("g", exp.Count(this=exp.Star()))
            norms = _select([("u", _name("u")), groups, *named], source)
            chain.append(("norms", norms.group_by(_name("u"), copy=False), False))
            reuse = [(name, column("norms", name)) for name in ("g", *dict(named))]
            joined = _select([*plain, *reuse], source)
            on = exp.EQ(this=column(source, "u"), expression=column("norms", "u"))
            table = exp.Table(this=exp.to_identifier("norms", quoted=True))
            scaled = joined.join(table, on=on, copy=False)
        else:
            scaled = _select([*plain, *named], source)
        chain.append(("scaled", scaled, False))
        moments = [(f"m{i}", clipped_moment(step, i)) for i in range(len(step.moments))]
        chain.append(
            ("clipped", _select([*self._own_keys(), *moments], "scaled"), False)
        )
        chain.append(("totals", self._totals(), False))
        return chain

    def _kept(self) -> exp.Select:
        """Return k parts of each unit: a function of the unit's own rows only."""
        names = ["u", *self._keys, *(f"m{i}" for i in range(len(self._step.moments)))]
        parts = [cast(_name(name), "VARCHAR") for name in ("u", *self._keys)]
        salted = call("md5", call("concat_ws", text("|"), text(SALT), *parts))
        order = [salted, *map(_name, self._keys)]
        rank = exp.Window(
            this=call("row_number"),
            partition_by=[_name("u")],
            order=exp.Order(expressions=[exp.Ordered(this=each) for each in order]),
        )
        ranked = _select([*((n, _name(n)) for n in names), ("rank", rank)], "parts")
        query = _select([(n, _name(n)) for n in names], ranked.subquery("ranked"))
        first = binary(exp.LTE, _name("rank"), number(self._step.bounding.groups))
        return query.where(first, copy=False)

    def _totals(self) -> exp.Select:
        sums = [
            (f"m{i}", call("sum", _name(f"m{i}")))
            for i in range(len(self._step.moments))
        ]
        query = _select([*self._own_keys(), *sums], "clipped")
        if self._keys:
            query = query.group_by(*map(_name, self._keys), copy=False)
        if self._step.bounding.group_cap is not None:
            query = query.having(self._counted(), copy=False)
        return query

    def _counted(self) -> exp.Expression:
        """
        Keep groups that some unit counts in.

        A unit with more groups than the cap has weight zero in all of them. Groups of
        its own must not even be tried: the threshold allows for no more than the cap
        (theory.md 2.5).
        """
        kinds = [isinstance(b.moment, Units) for b in self._step.moments]
        weight = call("sum", _name(f"m{kinds.index(True)}"))
        return binary(exp.GT, weight, number(0))

    def _saturated(self, index: int) -> exp.Expression:
        total = call("coalesce", column("totals", f"m{index}"), number(0))
        return cast(_within(total, SATURATION), "BIGINT")


def _key(expression: Expression) -> exp.Expression:
    """Return a group key; dates within the years that every driver can hold."""
    lowered = lower(expression)
    return clamped_date(lowered) if expression.type in TEMPORAL else lowered


def _within(value: exp.Expression, most: int) -> exp.Expression:
    """Return *value* kept within ±most, as BIGINT."""
    high = exp.If(this=binary(exp.GT, value.copy(), number(most)), true=number(most))
    low = exp.If(this=binary(exp.LT, value.copy(), number(-most)), true=number(-most))
    return cast(exp.Case(ifs=[high, low], default=value), "BIGINT")


def _flattened(relation: Relation) -> tuple[Scan, list[Join], list[Expression]]:
    """
    Return the first scan, the joins in order, and the filters.

    A filter below a join may move above it: it reads the left side only, and every
    join here is INNER or keeps its left side.
    """
    match relation:
        case Scan():
            return relation, [], []
        case Filter(child=child, predicate=predicate):
            first, joins, filters = _flattened(child)
            return first, joins, [*filters, *conjuncts(predicate)]
        case Join(left=left):
            first, joins, filters = _flattened(left)
            return first, [*joins, relation], filters
