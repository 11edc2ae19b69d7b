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
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.aggregates import Units, expression_of
from dpquery.plan.program import PublicKeys
from dpquery.plan.relations import Released, Scan
from dpquery.plan.walk import relations, subqueries
from dpquery.sql.functions import binary, call, number
from dpquery.sql.lowering.bounding import (
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
from dpquery.sql.lowering.chain import Chain, Table, or_zero, with_tables
from dpquery.sql.lowering.domain import domain, domain_expressions
from dpquery.sql.lowering.expressions import column, functions_below, functions_of
from dpquery.sql.lowering.select import add_join, plain, select, table
from dpquery.sql.lowering.values import VALUE_FUNCTIONS, values

if TYPE_CHECKING:
    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import ReleaseStep
    from dpquery.plan.relations import Relation

SATURATION = 1 << 62
"""Sums are brought within this; 1-Lipschitz, so sensitivities stay as they are."""


@dataclass(frozen=True, slots=True)
class EngineSQL:
    """A statement and everything that it may touch."""

    text: str
    tables: frozenset[str]
    functions: frozenset[str]
    inputs: tuple[str, ...] = ()
    """Inputs of the program whose columns are the statement's parameters."""


def lower_release(step: ReleaseStep) -> EngineSQL:
    """
    Return the statement whose rows are (keys…, moments in sub-steps…).

    Without moments it reads the list of groups, and no private row.
    """
    return engine_sql(step, _Builder(step).answer(), rows=bool(step.moments))


def lower_parts(step: ReleaseStep) -> EngineSQL:
    """
    Return the statement for the exact moments per (unit, key), before any clip.

    This is the table that the neighbour tests compare: it must be unit-local.
    """
    return engine_sql(step, _Builder(step).parts())


def engine_sql(step: ReleaseStep, query: exp.Select, *, rows: bool = True) -> EngineSQL:
    """Return *query* as text, with what the release may read and call."""
    below = [*([step.source.relation] if rows else []), *_listed_from(step)]
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
    expressions: list[Expression] = []
    if rows:
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


class _Builder:
    """Builds the statement of one release's sums."""

    def __init__(self, step: ReleaseStep) -> None:
        self._step = step
        self._chain = Chain(step)
        self._keys = self._chain.keys
        self._moments = self._chain.moments

    def answer(self) -> exp.Select:
        """Return the whole statement."""
        step = self._step
        if not step.moments:
            keys = [(key, plain(key)) for key in self._keys]
            return with_tables(select(keys, "domain"), [("domain", domain(step), None)])
        moments = [(f"m{i}", self._saturated(i)) for i in range(len(step.moments))]
        tables = self._clipping()
        if step.domain is None or not self._keys:
            return with_tables(
                select([*self._chain.own_keys(), *moments], "totals"), tables
            )
        keys = [(key, column("domain", key)) for key in self._keys]
        query = select([*keys, *moments], "domain")
        add_join(
            query, table("totals"), self._chain.same_keys("domain", "totals"), "LEFT"
        )
        if step.bounding.single_group:
            tables.append(("domain", domain(step), None))
        return with_tables(query, tables)

    def parts(self) -> exp.Select:
        """Return the statement that stops before the clip."""
        step = self._step
        named = [(name, plain(name)) for name in ("u", *self._keys)]
        exact = [(name, within_reach(step, i)) for i, name in enumerate(self._moments)]
        return with_tables(select([*named, *exact], "parts"), self._chain.tables(None))

    # --- the clip and the sums ---------------------------------------------------

    def _clipping(self) -> list[Table]:
        """Return the tables up to ``totals``."""
        step = self._step
        if scaled_by_unit(step.bounding):
            tables = self._scaled_by_unit()
        else:
            tables = self._chain.tables(None)
            source = "parts"
            if not step.bounding.single_group:
                tables.append(("kept", self._chain.kept(), None))
                source = "kept"
            names = [*self._keys, *self._moments]
            parts = [(name, plain(name)) for name in names]
            tables.append(("factors", select([*parts, *factors(step)], source), None))
            tables.append(("clipped", self._clipped("factors"), None))
        return [*tables, ("totals", self._totals(), None)]

    def _clipped(self, source: str, few: int | None = None) -> exp.Select:
        keys = [(key, column(source, key)) for key in self._keys]
        moments: list[tuple[str, exp.Expr]] = []
        for index, name in enumerate(self._moments):
            clipped = clipped_moment(self._step, index)
            if few is not None:
                light = exp.Is(this=column(source, "u"), expression=exp.Null())
                exact = in_sub_steps(self._step, index)
                branch = exp.If(this=light, true=exact)
                clipped = exp.Case(ifs=[branch], default=clipped)
            moments.append((name, clipped))
        return select([*keys, *moments], source)

    def _scaled_by_unit(self) -> list[Table]:
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
            *self._chain.tables(few),
            ("norms", norms, None),
            ("factors", units, None),
            ("clipped", clipped, None),
        ]

    def _totals(self) -> exp.Select:
        sums = [
            (f"m{i}", call("sum", plain(f"m{i}")))
            for i in range(len(self._step.moments))
        ]
        query = select([*self._chain.own_keys(), *sums], "clipped")
        if self._keys:
            query = query.group_by(*map(plain, self._keys), copy=False)
        how = self._step.bounding
        if how.group_cap is not None or how.min_units > 1:
            query = query.having(self._counted(), copy=False)
        return query

    def _counted(self) -> exp.Expr:
        """
        Keep groups that at least N units count in: one, where nobody asks for more.

        A unit with more groups than the cap has weight zero in all of them, and counts
        in none: its groups must not even be tried, for the threshold allows for no
        more than the cap (theory.md 2.5). This comparison is exact; that one unit can
        decide it is hidden by a threshold on what is above N - 1 (``threshold``).
        """
        weight = plain(f"m{units_index(self._step)}")
        least = self._step.bounding.min_units
        if least == 1:
            return binary(exp.GT, call("sum", weight), number(0))
        counts = exp.If(this=binary(exp.GT, weight, number(0)), true=number(1))
        units = call("sum", exp.Case(ifs=[counts], default=number(0)))
        return binary(exp.GTE, units, number(least))

    def _saturated(self, index: int) -> exp.Expr:
        return within(or_zero(column("totals", f"m{index}")), SATURATION)


def units_index(step: ReleaseStep) -> int:
    """Return which moment counts the units that have a row."""
    return next(i for i, b in enumerate(step.moments) if b.moment == Units())
