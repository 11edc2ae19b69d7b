"""What can stand in FROM: tables, views, WITH, derived tables, constants, answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import inside
from .columns import (
    BILL,
    CODE,
    EXAM,
    PERSON,
    PRIVATE,
    PUBLIC,
    REGION,
    SENSORS,
    VIEWS,
    VISIT,
    Column,
    Table,
    Type,
)
from .values import condition, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from .writer import Writer

UNIT, ROW = "person", "sensors"
_FIRST = (
    *("people", "people", "visits", "visits", "visits", "visits"),
    *("bills", "bills", "exams", "exams", "findings"),
)
HOLDERS = {
    PERSON: ("people", "visits", "bills"),
    VISIT: ("visits", "exams"),
    EXAM: ("exams", "findings"),
    BILL: ("bills",),
}
"""The tables that have a column which says that of the owner."""


def base(w: Writer, name: str) -> Table:
    """Return a table of the policy under an alias."""
    if name == ROW:
        return Table(ROW, SENSORS, ROW, w.alias("s"), whole=True)
    columns = PRIVATE.get(name) or PUBLIC[name]
    kind = UNIT if name in PRIVATE else ""
    return Table(name, columns, kind, w.alias(name), whole=True)


def private(w: Writer) -> Table:
    """Return some table of rows that people own."""
    match w.one_of(range(12)):
        case 0 | 1 if w.depth < 2:
            return _named(w, inside.derived(w))
        case 2 | 3 | 4 if w.depth < 2:
            made = inside.derived(w)
            return made.called(w.alias("d"))
        case 5:
            return _view(w, w.one_of(["grown", "stays"]))
        case 6:
            return _sampled(w, base(w, w.one_of(_FIRST)))
        case _:
            return base(w, w.one_of(_FIRST))


def holder(w: Writer, tie: str) -> Table:
    """Return a table with a column that says *tie*."""
    again = [each for each in w.named if any(c.tie == tie for c in each.columns)]
    if again and w.one_of([True, False]):
        w.made("WITH, read again")
        return w.one_of(again).called(w.alias("q"))
    if w.depth < 2 and w.rarely():
        made = inside.derived(w).called(w.alias("d"))
        if any(each.tie == tie for each in made.columns):
            return made
    if tie == PERSON and w.rarely():
        return _view(w, w.one_of(["stays", "grown"]))
    return base(w, w.one_of(HOLDERS[tie]))


def sensors(w: Writer) -> Table:
    """Return rows each of which is a unit, as a table or as a query on it."""
    found = base(w, ROW)
    match w.one_of(range(4)):
        case 0:
            w.made("row privacy, derived")
            where = condition(w, found.refs())
            text = f"(SELECT room, reading, code FROM {found} WHERE {where})"
            return Table(text, SENSORS, ROW, w.alias("d"))
        case 1:
            w.made("row privacy, UNION ALL")
            text = f"SELECT room, reading, code FROM sensors WHERE {{}} {number(w, [])}"
            text = f"({text.format('reading <')} UNION ALL {text.format('code >=')})"
            return Table(text, SENSORS, ROW, w.alias("d"))
        case _:
            w.made("row privacy")
            return found


def public(w: Writer) -> Table:
    """Return some table whose rows depend on nobody."""
    makers: list[Callable[[Writer], Table]] = [
        _public_table,
        _public_table,
        _public_table,
        _values,
        _series,
        _public_query,
        _answer,
    ]
    return w.one_of(makers)(w)


def _public_table(w: Writer) -> Table:
    if w.rarely():
        return _view(w, "lands")
    return base(w, w.one_of(["codes", "codes", "regions"]))


def _values(w: Writer) -> Table:
    w.made("VALUES")
    rows = w.one_of(["(0, 'a'), (1, NULL), (1, 'b')", "(-7, ''), (NULL, 'north')"])
    alias = w.alias("v")
    columns = (
        Column("a", Type.WHOLE, bounded=True, joins=CODE),
        Column("b", Type.TEXT, joins=REGION),
    )
    return Table(
        f"(SELECT * FROM (VALUES {rows}) AS {alias}(a, b))", columns, "", alias
    )


def _series(w: Writer) -> Table:
    w.made("generate_series")
    alias = w.alias("g")
    column = Column("x", Type.WHOLE, bounded=True, joins=CODE)
    series = w.one_of(
        ["generate_series(0, 3)", "generate_series(-7, 5, 3)", "range(3)"]
    )
    return Table(f"(SELECT * FROM {series} AS {alias}(x))", (column,), "", alias)


def _public_query(w: Writer) -> Table:
    """Return a query of public tables: groups, windows, the first rows, a union."""
    code, label = Column("code", Type.WHOLE, joins=CODE), Column("label", Type.TEXT)
    extra = Column("m", Type.REAL)
    match w.one_of(range(6)):
        case 0:
            w.made("public GROUP BY")
            text = "SELECT code, MAX(label) AS label, SUM(factor) AS m FROM codes"
            text += f" GROUP BY code{w.one_of(['', ' HAVING COUNT(*) > 1'])}"
        case 1:
            w.made("public window")
            number = "ROW_NUMBER() OVER (ORDER BY factor)"
            text = f"SELECT code, label, {number} AS m FROM codes"
            extra = Column("m", Type.WHOLE)
        case 2:
            w.made("public LIMIT")
            text = "SELECT code, label, factor AS m FROM codes ORDER BY factor LIMIT 2"
        case 3:
            w.made("public DISTINCT ON")
            text = "SELECT DISTINCT ON (code) code, label, factor AS m FROM codes"
        case 4:
            w.made("public set operation")
            kind = w.one_of(["UNION", "UNION ALL", "EXCEPT", "INTERSECT ALL"])
            text = f"SELECT code, label, factor AS m FROM codes {kind} "
            text += "SELECT area, name, 1 FROM regions"
        case _:
            w.made("public LEFT JOIN public")
            text = "SELECT c.code, r.land AS label, c.factor AS m FROM codes AS c "
            text += "LEFT JOIN regions AS r ON c.code = r.area"
    return Table(f"({text})", (code, label, extra), "", w.alias("p"))


def _answer(w: Writer) -> Table:
    """Return an earlier answer: rows that are given as parameters."""
    w.made("input in FROM")
    inner = base(w, w.one_of(["visits", "people", "exams"]))
    refs = inner.refs()
    by = w.one_of(_answered(inner))
    measure = w.one_of(["COUNT(*)", f"AVG({number(w, refs)})"])
    text = f"(SELECT {by} AS k, {measure} AS m FROM {inner} GROUP BY 1)"
    type_ = Type.WHOLE if by.endswith((".code", ".n")) else Type.TEXT
    joins = CODE if type_ is Type.WHOLE else REGION
    columns = (Column("k", type_, joins=joins), Column("m", Type.REAL))
    return Table(text, columns, "", w.alias("a"))


def _answered(inner: Table) -> list[str]:
    names = {"visits": ["ward", "code"], "people": ["region"], "exams": ["kind", "n"]}
    return [f"{inner.alias}.{name}" for name in names[inner.text]]


def _view(w: Writer, name: str) -> Table:
    w.made("view")
    kind = "" if name == "lands" else UNIT
    return Table(name, VIEWS[name][1], kind, w.alias("w"))


def _named(w: Writer, made: Table) -> Table:
    """Put a query into WITH."""
    w.made("WITH")
    name = f"named{len(w.named) + 1}"
    w.queries.append(f"{name} AS {made.text}")
    found = Table(name, made.columns, made.kind)
    w.named.append(found)
    return found.called(w.alias("q"))


def _sampled(w: Writer, table: Table) -> Table:
    w.made("TABLESAMPLE")
    share = f"BERNOULLI (50 PERCENT){w.one_of(['', ' REPEATABLE (7)'])}"
    text = f"(SELECT * FROM {table.text} TABLESAMPLE {share})"
    return Table(text, table.columns, table.kind, table.alias)
