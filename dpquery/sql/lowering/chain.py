"""The rows of a release, up to exact moments per unit and key.

Upholds unit-locality (theory.md 1.2): up to ``parts`` a row depends on one unit only,
or adds up rows of light units, each within the limits by its number of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp

from dpquery.plan.aggregates import (
    AdditiveMoment,
    GridValue,
    Present,
    Product,
    Rows,
    Square,
    Total,
    Units,
)
from dpquery.plan.expressions import Call
from dpquery.policy.catalog import SqlType
from dpquery.sql.functions import binary, call, cast, number, text
from dpquery.sql.lowering.bounding import scaled_by_unit
from dpquery.sql.lowering.domain import domain, in_domain
from dpquery.sql.lowering.expressions import balanced, column, lower, lower_key
from dpquery.sql.lowering.relations import source
from dpquery.sql.lowering.select import add_join, identifier, plain, select, table
from dpquery.sql.lowering.values import on_grid, raw, values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import ReleaseStep

SALT = "dpquery-groups-1"
"""Names the hash that chooses groups and values; it need not be secret."""

Table: TypeAlias = tuple[str, exp.Select, bool | None]
"""A common table expression: its name, its query, and whether its rows are kept for
all uses or read again for each; ``None`` leaves that to the engine."""


def with_tables(query: exp.Select, tables: Sequence[Table]) -> exp.Select:
    """Return *query* with common table expressions before it, in order."""
    for name, body, materialized in tables:
        alias = exp.TableAlias(this=identifier(name))
        cte = exp.CTE(this=body, alias=alias, materialized=materialized)
        existing = query.args.get("with_")
        if existing is None:
            query.set("with_", exp.With(expressions=[cte]))
        else:
            existing.append("expressions", cte)
    return query


def or_zero(value: exp.Expr) -> exp.Expr:
    """Return *value*, 0 where it is NULL."""
    return call("coalesce", value, number(0))


class Chain:
    """Builds the tables of one release that are about single units."""

    def __init__(self, step: ReleaseStep) -> None:
        self.step = step
        self.keys = [key.name for key in step.keys]
        self.moments = [f"m{index}" for index in range(len(step.moments))]
        self._values = values(step)

    def same_keys(self, one: str, other: str) -> exp.Expr:
        """Return the condition that two tables' keys are equal, NULLs too."""
        same: list[exp.Expr] = [
            exp.NullSafeEQ(this=column(one, key), expression=column(other, key))
            for key in self.keys
        ]
        return balanced(exp.And, same)

    def own_keys(self) -> list[tuple[str, exp.Expr]]:
        """Return the keys as columns of the only table."""
        return [(key, plain(key)) for key in self.keys]

    # --- rows of one unit --------------------------------------------------------

    def tables(self, few: int | None) -> list[Table]:
        """
        Return the tables up to ``parts``: exact moments per unit and key.

        Units with at most *few* rows are one part of each key together, with a NULL
        unit. Who they are is found by reading the rows twice, which takes half the
        time of a part for each unit and key where few units are heavy.
        """
        # read twice, rows are not kept: they would need memory for every one of them
        again = None if few is None else False
        rows = [("source", self._source(), again), ("rows", self._rows(), again)]
        if few is None:
            return [*rows, *self._known(self._parts())]
        heavy = select([("u", plain("u"))], "rows").group_by(plain("u"), copy=False)
        many = exp.GT(this=exp.Count(this=exp.Star()), expression=number(few))
        heavy = heavy.having(many, copy=False)
        return [*rows, ("heavy", heavy, True), *self._known(self._parts_of_heavy())]

    def _known(self, found: exp.Select) -> list[Table]:
        """
        Return ``parts``: what is *found*, without keys outside the domain.

        All rows of a part have one key, so looking it up once a part is enough.
        """
        step = self.step
        reused = True if scaled_by_unit(step.bounding) else None
        if step.bounding.single_group or step.domain is None:
            return [("parts", found, reused)]
        names = ["u", *self.keys, *self.moments]
        known = select([(name, column("found", name)) for name in names], "found")
        add_join(known, table("domain"), self.same_keys("found", "domain"))
        return [
            ("domain", domain(step), None),
            ("found", found, None),
            ("parts", known, reused),
        ]

    def _source(self) -> exp.Select:
        step = self.step
        columns = [
            ("u", lower(step.source.unit)),
            *((key.name, lower_key(key.expression)) for key in step.keys),
            *((f"x{i}", raw(value)) for i, value in enumerate(self._values)),
        ]
        found = source(step.source.relation)
        known = Call("is_null", (step.source.unit,), SqlType.BOOLEAN)
        found.filters.append(Call("not", (known,), SqlType.BOOLEAN))
        items = [exp.Alias(this=made, alias=identifier(name)) for name, made in columns]
        return found.select(items)

    def _rows(self) -> exp.Select:
        columns = [
            ("u", plain("u")),
            *self.own_keys(),
            *(
                (f"x{i}", on_grid(v, plain(f"x{i}")))
                for i, v in enumerate(self._values)
            ),
        ]
        query = select(columns, "source")
        if self.step.bounding.single_group:  # or a row could choose its unit's group
            for condition in in_domain(self.step):
                query = query.where(condition, copy=False)
        return query

    def _parts(self) -> exp.Select:
        """Return the exact moments; a determined key is taken per unit."""
        single = self.step.bounding.single_group
        # every unit is put into one group, whatever its rows say: the smallest key
        keys = [(k, call("min", plain(k)) if single else plain(k)) for k in self.keys]
        query = select([("u", plain("u")), *keys, *self._exact()], "rows")
        by = ["u"] if single else ["u", *self.keys]
        return query.group_by(*map(plain, by), copy=False)

    def _parts_of_heavy(self) -> exp.Select:
        """Return the exact moments per heavy unit, and of all others together."""
        unit = column("heavy", "u")
        query = select([("u", unit), *self.own_keys(), *self._exact()], "rows")
        same = exp.EQ(this=column("rows", "u"), expression=unit.copy())
        add_join(query, table("heavy"), same, "LEFT")
        return query.group_by(unit.copy(), *map(plain, self.keys), copy=False)

    def _exact(self) -> list[tuple[str, exp.Expr]]:
        moments = [bounded.moment for bounded in self.step.moments]
        return [(f"m{i}", self._moment(moment)) for i, moment in enumerate(moments)]

    def _moment(self, moment: AdditiveMoment) -> exp.Expr:
        match moment:
            case Units(where=None):
                return number(1)
            case Units(where=where) if where is not None:
                return call("max", self._flag(where))
            case Rows(where=None):
                return exp.Count(this=exp.Star())
            case Rows(where=where) if where is not None:
                return call("sum", self._flag(where))
            case Present(value=value, beside=beside):
                return call("count", self._beside(value, beside))
            case Total(value=value, beside=beside):
                return or_zero(call("sum", self._beside(value, beside)))
            case Square(value=value, beside=beside, centre=centre):
                kept = cast(self._beside(value, beside), "BIGINT")
                square = exp.Mul(this=kept, expression=kept.copy())
                return or_zero(call("sum", binary(exp.Sub, square, number(centre))))
            case Product(left=left, right=right):
                sides = [cast(self.value(each), "BIGINT") for each in (left, right)]
                product = exp.Mul(this=sides[0], expression=sides[1])
                return or_zero(call("sum", product))
            case _:
                msg = f"no sum is {moment!r}"
                raise ValueError(msg)

    def value(self, value: GridValue | Expression) -> exp.Column:
        """Return the column of the rows that holds *value*."""
        return plain(f"x{self._values.index(value)}")

    def _flag(self, where: Expression) -> exp.Expr:
        """Return 1 where a condition is true, and 0 elsewhere."""
        true = exp.If(this=self.value(where), true=number(1))
        return exp.Case(ifs=[true], default=number(0))

    def _beside(
        self, value: GridValue | Expression, beside: GridValue | None
    ) -> exp.Expr:
        """Return a value on the rows that have the other one too."""
        if beside is None:
            return self.value(value)
        known = exp.Not(this=exp.Is(this=self.value(beside), expression=exp.Null()))
        return exp.Case(ifs=[exp.If(this=known, true=self.value(value))])

    def kept(self) -> exp.Select:
        """Return k parts of each unit: a function of the unit's own rows only."""
        names = ["u", *self.keys, *self.moments]
        own = [] if self.step.source.by_row else ["u"]
        parts = [cast(plain(name), "VARCHAR") for name in (*own, *self.keys)]
        salted = call("md5", call("concat_ws", text("|"), text(SALT), *parts))
        order = [salted, *map(plain, self.keys)]
        rank = exp.Window(
            this=call("row_number"),
            partition_by=[plain("u")],
            order=exp.Order(expressions=[exp.Ordered(this=each) for each in order]),
        )
        ranked = select([*((n, plain(n)) for n in names), ("rank", rank)], "parts")
        query = select([(n, plain(n)) for n in names], ranked.subquery("ranked"))
        first = binary(exp.LTE, plain("rank"), number(self.step.bounding.groups))
        return query.where(first, copy=False)
