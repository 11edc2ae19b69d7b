"""A release into one SELECT for the engine: bound, add up, give back integers.

The statement is a chain of common table expressions, each one step of theory.md 2.1::

    source   rows with their unit, keys and values; filters applied; no NULL units
    rows     values as clamped integers
    domain   all groups, where they are public
    heavy    under norm clipping: units with more rows than are always within limits
    parts    one row per (unit, key): the exact integer moments, inside the domain;
             units that are not heavy are one unit, NULL
    kept     under truncation: at most k parts of each unit, chosen by a keyed hash
    norms    under norm clipping: one row per unit, the sizes of its moments
    factors  by how much a unit, or a part, is scaled
    clipped  the moments, scaled toward zero
    totals   one row per key

and last the answer: public keys with zeros where nothing was found. Up to ``parts``
a row depends on one unit only, or adds up rows of light units, each of which is
within the limits by its number of rows; ``clipped`` bounds what the others add; after
it, there are only sums.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    expression_of,
)
from dpquery.plan.expressions import Call, ColumnRef
from dpquery.plan.program import PublicKeys
from dpquery.plan.relations import Released, Scan
from dpquery.plan.walk import relations, subqueries
from dpquery.policy.catalog import ROW_ID, SqlType
from dpquery.sql.functions import binary, call, cast, number, text
from dpquery.sql.lower_bounding import (
    CLIPPING_FUNCTIONS,
    clipped_moment,
    factors,
    few_rows,
    in_sub_steps,
    scaled_by_unit,
    sizes,
    within,
    within_reach,
)
from dpquery.sql.lower_domain import domain, domain_expressions, in_domain
from dpquery.sql.lower_expressions import (
    balanced,
    column,
    functions_below,
    functions_of,
    lower,
    lower_key,
)
from dpquery.sql.lower_relations import source
from dpquery.sql.lower_select import add_join, identifier, plain, select, table
from dpquery.sql.lower_values import VALUE_FUNCTIONS, on_grid, raw, values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import ReleaseStep
    from dpquery.plan.relations import Relation

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
    inputs: tuple[str, ...] = ()
    """Inputs of the program whose columns are the statement's parameters."""


def lower_release(step: ReleaseStep) -> EngineSQL:
    """Return the statement whose rows are (keys…, moments in sub-steps…)."""
    return engine_sql(step, _Builder(step).answer())


def lower_parts(step: ReleaseStep) -> EngineSQL:
    """
    Return the statement for the exact moments per (unit, key), before any clip.

    This is the table that the neighbour tests compare: it must be unit-local.
    """
    return engine_sql(step, _Builder(step).parts())


def engine_sql(step: ReleaseStep, query: exp.Select) -> EngineSQL:
    """Return *query* as text, with what the release may read and call."""
    below = [step.source.relation, *_listed_from(step)]
    tables: set[str] = set()
    inputs: dict[str, None] = {}
    functions: set[str] = set()
    for relation in below:
        functions |= functions_below(relation)
        for each in relations(relation):
            if isinstance(each, Scan):
                tables.add(each.table.name)
            elif isinstance(each, Released):
                inputs[each.source] = None
    expressions = [step.source.unit, *(key.expression for key in step.keys)]
    expressions += [expression_of(value) for value in values(step)]
    if step.domain is not None:
        expressions += domain_expressions(step.domain)
    functions |= functions_of(expressions) | VALUE_FUNCTIONS | CLIPPING_FUNCTIONS
    for part in expressions:
        for subquery in subqueries(part):
            read = list(relations(subquery.relation))
            tables |= {each.table.name for each in read if isinstance(each, Scan)}
            inputs |= {e.source: None for e in read if isinstance(e, Released)}
    # never pretty: sqlglot's pretty printer writes line breaks into some literals, and
    # constants that differ here must differ there
    text_ = query.sql("duckdb", comments=False, copy=False)
    return EngineSQL(text_, frozenset(tables), frozenset(functions), tuple(inputs))


def _listed_from(step: ReleaseStep) -> list[Relation]:
    """Return the public relations that list groups."""
    if step.domain is None:
        return []
    return [s.relation for s in step.domain.sources if isinstance(s, PublicKeys)]


_Table: TypeAlias = tuple[str, exp.Select, bool | None]
"""A common table expression: its name, its query, and whether its rows are kept for
all uses or read again for each; ``None`` leaves that to the engine."""


class _Builder:
    """Builds the chain of one release."""

    def __init__(self, step: ReleaseStep) -> None:
        self._step = step
        self._keys = [key.name for key in step.keys]
        self._moments = [f"m{index}" for index in range(len(step.moments))]
        self._values = values(step)

    def answer(self) -> exp.Select:
        """Return the whole statement."""
        step = self._step
        moments = [(f"m{i}", self._saturated(i)) for i in range(len(step.moments))]
        tables = self._clipping()
        if step.domain is None or not self._keys:
            return self._with(select([*self._own_keys(), *moments], "totals"), tables)
        keys = [(key, column("domain", key)) for key in self._keys]
        query = select([*keys, *moments], "domain")
        add_join(query, table("totals"), self._same_keys("domain", "totals"), "LEFT")
        if step.bounding.single_group:
            tables.append(("domain", domain(step), None))
        return self._with(query, tables)

    def _same_keys(self, one: str, other: str) -> exp.Expression:
        same: list[exp.Expression] = [
            exp.NullSafeEQ(this=column(one, key), expression=column(other, key))
            for key in self._keys
        ]
        return balanced(exp.And, same)

    def parts(self) -> exp.Select:
        """Return the statement that stops before the clip."""
        step = self._step
        named = [(name, plain(name)) for name in ("u", *self._keys)]
        exact = [(name, within_reach(step, i)) for i, name in enumerate(self._moments)]
        return self._with(select([*named, *exact], "parts"), self._chain(None))

    def _with(self, query: exp.Select, tables: Sequence[_Table]) -> exp.Select:
        for name, body, materialized in tables:
            alias = exp.TableAlias(this=exp.to_identifier(name, quoted=True))
            cte = exp.CTE(this=body, alias=alias, materialized=materialized)
            existing = query.args.get("with_")
            if existing is None:
                query.set("with_", exp.With(expressions=[cte]))
            else:
                existing.append("expressions", cte)
        return query

    def _own_keys(self) -> list[tuple[str, exp.Expression]]:
        return [(key, plain(key)) for key in self._keys]

    # --- rows of one unit --------------------------------------------------------

    def _chain(self, few: int | None) -> list[_Table]:
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

    def _known(self, found: exp.Select) -> list[_Table]:
        """
        Return ``parts``: what is *found*, without keys outside the domain.

        All rows of a part have one key, so looking it up once a part is enough.
        """
        step = self._step
        reused = True if scaled_by_unit(step.bounding) else None
        if step.bounding.single_group or step.domain is None:
            return [("parts", found, reused)]
        names = ["u", *self._keys, *self._moments]
        known = select([(name, column("found", name)) for name in names], "found")
        add_join(known, table("domain"), self._same_keys("found", "domain"))
        return [
            ("domain", domain(step), None),
            ("found", found, None),
            ("parts", known, reused),
        ]

    def _source(self) -> exp.Select:
        step = self._step
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
            *self._own_keys(),
            *(
                (f"x{i}", on_grid(v, plain(f"x{i}")))
                for i, v in enumerate(self._values)
            ),
        ]
        query = select(columns, "source")
        if self._step.bounding.single_group:  # or a row could choose its unit's group
            for condition in in_domain(self._step):
                query = query.where(condition, copy=False)
        return query

    def _parts(self) -> exp.Select:
        """Return the exact moments; a determined key is taken per unit."""
        single = self._step.bounding.single_group
        # every unit is put into one group, whatever its rows say: the smallest key
        keys = [(k, call("min", plain(k)) if single else plain(k)) for k in self._keys]
        query = select([("u", plain("u")), *keys, *self._exact()], "rows")
        by = ["u"] if single else ["u", *self._keys]
        return query.group_by(*map(plain, by), copy=False)

    def _parts_of_heavy(self) -> exp.Select:
        """Return the exact moments per heavy unit, and of all others together."""
        unit = column("heavy", "u")
        query = select([("u", unit), *self._own_keys(), *self._exact()], "rows")
        same = exp.EQ(this=column("rows", "u"), expression=unit.copy())
        add_join(query, table("heavy"), same, "LEFT")
        return query.group_by(unit.copy(), *map(plain, self._keys), copy=False)

    def _exact(self) -> list[tuple[str, exp.Expression]]:
        moments = [bounded.moment for bounded in self._step.moments]
        return [(f"m{i}", self._moment(moment)) for i, moment in enumerate(moments)]

    def _moment(self, moment: AdditiveMoment) -> exp.Expression:
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
                return _or_zero(call("sum", self._beside(value, beside)))
            case Square(value=value, beside=beside, centre=centre):
                kept = cast(self._beside(value, beside), "BIGINT")
                square = exp.Mul(this=kept, expression=kept.copy())
                return _or_zero(call("sum", binary(exp.Sub, square, number(centre))))
            case Product(left=left, right=right):
                sides = [cast(self._value(each), "BIGINT") for each in (left, right)]
                product = exp.Mul(this=sides[0], expression=sides[1])
                return _or_zero(call("sum", product))
            case _:
                msg = f"no sum is {moment!r}"
                raise ValueError(msg)

    def _value(self, value: GridValue | Expression) -> exp.Column:
        return plain(f"x{self._values.index(value)}")

    def _flag(self, where: Expression) -> exp.Expression:
        """Return 1 where a condition is true, and 0 elsewhere."""
        true = exp.If(this=self._value(where), true=number(1))
        return exp.Case(ifs=[true], default=number(0))

    def _beside(
        self, value: GridValue | Expression, beside: GridValue | None
    ) -> exp.Expression:
        """Return a value on the rows that have the other one too."""
        if beside is None:
            return self._value(value)
        known = exp.Not(this=exp.Is(this=self._value(beside), expression=exp.Null()))
        return exp.Case(ifs=[exp.If(this=known, true=self._value(value))])

    # --- the clip and the sums ---------------------------------------------------

    def _clipping(self) -> list[_Table]:
        """Return the tables up to ``totals``."""
        step = self._step
        if scaled_by_unit(step.bounding):
            tables = self._scaled_by_unit()
        else:
            tables = self._chain(None)
            source = "parts"
            if not step.bounding.single_group:
                tables.append(("kept", self._kept(), None))
                source = "kept"
            names = [*self._keys, *self._moments]
            parts = [(name, plain(name)) for name in names]
            tables.append(("factors", select([*parts, *factors(step)], source), None))
            tables.append(("clipped", self._clipped("factors"), None))
        return [*tables, ("totals", self._totals(), None)]

    def _clipped(self, source: str, few: int | None = None) -> exp.Select:
        keys = [(key, column(source, key)) for key in self._keys]
        moments: list[tuple[str, exp.Expression]] = []
        for index, name in enumerate(self._moments):
            clipped = clipped_moment(self._step, index)
            if few is not None:
                light = exp.Is(this=column(source, "u"), expression=exp.Null())
                exact = in_sub_steps(self._step, index)
                branch = exp.If(this=light, true=exact)
                clipped = exp.Case(ifs=[branch], default=clipped)
            moments.append((name, clipped))
        return select([*keys, *moments], source)

    def _scaled_by_unit(self) -> list[_Table]:
        """Return the tables up to ``clipped`` where a unit has factors of its own."""
        step = self._step
        few = few_rows(step)
        sums = dict(sizes(step))
        norms = select([("u", plain("u")), *sums.items()], "parts")
        norms = norms.group_by(plain("u"), copy=False)
        groups = [("g", plain("g"))] if "g" in sums else []
        units = select([("u", plain("u")), *groups, *factors(step)], "norms")
        same = exp.EQ(this=column("parts", "u"), expression=column("factors", "u"))
        clipped = self._clipped("parts", few)
        add_join(clipped, table("factors"), same, "INNER" if few is None else "LEFT")
        return [
            *self._chain(few),
            ("norms", norms, None),
            ("factors", units, None),
            ("clipped", clipped, None),
        ]

    def _kept(self) -> exp.Select:
        """Return k parts of each unit: a function of the unit's own rows only."""
        names = ["u", *self._keys, *self._moments]
        # a row number is a position: it can change when another row goes
        unit = self._step.source.unit
        by_row = isinstance(unit, ColumnRef) and unit.name == ROW_ID
        own = [] if by_row else ["u"]
        parts = [cast(plain(name), "VARCHAR") for name in (*own, *self._keys)]
        salted = call("md5", call("concat_ws", text("|"), text(SALT), *parts))
        order = [salted, *map(plain, self._keys)]
        rank = exp.Window(
            this=call("row_number"),
            partition_by=[plain("u")],
            order=exp.Order(expressions=[exp.Ordered(this=each) for each in order]),
        )
        ranked = select([*((n, plain(n)) for n in names), ("rank", rank)], "parts")
        query = select([(n, plain(n)) for n in names], ranked.subquery("ranked"))
        first = binary(exp.LTE, plain("rank"), number(self._step.bounding.groups))
        return query.where(first, copy=False)

    def _totals(self) -> exp.Select:
        sums = [
            (f"m{i}", call("sum", plain(f"m{i}")))
            for i in range(len(self._step.moments))
        ]
        query = select([*self._own_keys(), *sums], "clipped")
        if self._keys:
            query = query.group_by(*map(plain, self._keys), copy=False)
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
        weight = call("sum", plain(f"m{units_index(self._step)}"))
        return binary(exp.GT, weight, number(0))

    def _saturated(self, index: int) -> exp.Expression:
        return within(_or_zero(column("totals", f"m{index}")), SATURATION)


def units_index(step: ReleaseStep) -> int:
    """Return which moment counts the units that have a row."""
    return next(i for i, b in enumerate(step.moments) if b.moment == Units())


def _or_zero(value: exp.Expression) -> exp.Expression:
    return call("coalesce", value, number(0))
