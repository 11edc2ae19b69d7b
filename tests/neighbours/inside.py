"""Queries inside FROM whose rows belong to units: derived tables of every kind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from . import joins, subqueries
from .columns import NUMBERS, PERSON, Column, Table, Type, of_type
from .values import any_value, condition, number, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from .joins import From
    from .writer import Writer

Refs = list[tuple[str, Column]]
Item = tuple[str, Column]
"""What stands behind SELECT, and the column that it makes."""


def derived(w: Writer) -> Table:
    """Return a query of rows that people own, without an alias."""
    w.depth += 1
    try:
        makers: list[Callable[[Writer, From], Table]] = [
            *(_projected, _different, _grouped, _grouped),
            *(_windowed, _windowed, _first_of_unit, _set_operation),
        ]
        make = w.one_of(makers)
        return make(w, joins.joined(w, most=1))
    finally:
        w.depth -= 1


def _query(items: list[Item], rest: str, how: str = "SELECT") -> str:
    listed = ", ".join(f"{text} AS {column.name}" for text, column in items)
    return f"({how} {listed} {rest})"


_ODD = ('"a b"', '"__unit"', '"C 0"', '"__n"', '"1"')
"""Names that the plan does not take over: what it makes instead must be free."""


def _oddly_named(w: Writer, items: list[Item]) -> list[Item]:
    """Return *items*, one of them perhaps under a strange name."""
    if not w.rarely():
        return items
    w.made("odd names")
    at = w.one_of(range(len(items)))
    text, column = items[at]
    odd = (text, replace(column, name=w.one_of(_ODD)))
    return [*items[:at], odd, *items[at + 1 :]]


def _table(text: str, items: list[Item]) -> Table:
    return Table(text, tuple(column for _, column in items), "person")


def _where(w: Writer, source: From) -> str:
    match w.one_of(range(4)):
        case 0:
            return condition(w, source.refs())
        case 1:
            return subqueries.condition_on(w, source)
        case _:
            return ""


def _tied(w: Writer, source: From) -> list[Item]:
    """Choose columns that say whose row it is, each kind once."""
    found: dict[str, Item] = {}
    for name, column in source.ties():
        if column.tie not in found and w.one_of([True, True, False]):
            found[column.tie] = (name, replace(column, name=column.tie))
    return list(found.values())


def _others(w: Writer, refs: Refs, most: int = 3) -> list[Item]:
    """Choose other columns, and perhaps something computed."""
    found: list[Item] = []
    plain = [(name, each) for name, each in refs if not each.tie]
    for at in range(1 + w.one_of(range(most))):
        if plain and not w.rarely():
            name, column = w.one_of(plain)
            found.append((name, replace(column, name=f"c{at}")))
        else:
            column = Column(f"c{at}", Type.REAL, bounded=False)
            found.append((number(w, refs), column))
    return found


# --- SELECT lists ----------------------------------------------------------------


def _projected(w: Writer, source: From) -> Table:
    w.made("derived table")
    tied = _tied(w, source)
    if not tied:
        w.made("unit out of sight")
    items = [*tied, *_others(w, source.refs())]
    if w.rarely() and source.ties():
        w.made("subquery in SELECT")
        value = subqueries.scalar(w, source)
        items.append((value, Column("sub", Type.REAL)))
    items = _oddly_named(w, items)
    return _table(_query(items, source.filtered(_where(w, source))), items)


def _different(w: Writer, source: From) -> Table:
    w.made("DISTINCT inside")
    items = [*_said(w, source, "DISTINCT"), *_others(w, source.refs(), 2)]
    items = _oddly_named(w, items)
    how = "SELECT DISTINCT"
    return _table(_query(items, source.filtered(_where(w, source)), how), items)


def _said(w: Writer, source: From, what: str) -> list[Item]:
    """Return columns that say the unit; nothing, when that is to be missed."""
    if not source.ties() or w.misses(what):
        return []
    return _tied(w, source) or [_any_tie(w, source)]


def _any_tie(w: Writer, source: From) -> Item:
    name, column = w.one_of(source.ties())
    return name, replace(column, name=column.tie)


# --- groups ----------------------------------------------------------------------

_INNER = (
    *("COUNT(*)", "COUNT({x})", "SUM({x})", "AVG({x})", "MIN({x})", "MAX({x})"),
    *("MEDIAN({x})", "QUANTILE_CONT({x}, 0.25)", "QUANTILE_DISC({x}, 0.75)"),
    *("VAR_SAMP({x})", "STDDEV_POP({x})", "COUNT(DISTINCT {v})", "MAX({t})"),
    *("BOOL_OR({p})", "BOOL_AND({p})", "COUNT(*) FILTER (WHERE {p})"),
    *("SUM({x}) FILTER (WHERE {p})", "COUNT_IF({p})", "SUM(DISTINCT {x})"),
)


def aggregate(w: Writer, refs: Refs, name: str) -> Item:
    """Write an aggregate of one unit's rows."""
    shape = w.one_of(_INNER)
    type_ = Type.REAL
    if shape.startswith("BOOL"):
        type_ = Type.FLAG
    elif "{t}" in shape:
        type_ = Type.TEXT
    made = shape.format(
        x=number(w, refs),
        v=any_value(w, refs),
        p=condition(w, refs, 0),
        t=text(w, refs),
    )
    return made, Column(name, type_)


def _grouped(w: Writer, source: From) -> Table:
    w.made("GROUP BY inside")
    refs = source.refs()
    keys = _said(w, source, "GROUP BY")
    plain = [each for each in refs if not each[1].tie]
    if plain and w.one_of([True, False]):
        name, column = w.one_of(plain)
        keys.append((name, replace(column, name="c0")))
    if not keys:
        keys = [_others(w, refs, 1)[0]]
    made = [aggregate(w, refs, f"a{at}") for at in range(w.one_of([1, 1, 2]))]
    having = w.one_of(
        ["", "", " HAVING COUNT(*) > 1", f" HAVING {aggregate_test(w, refs)}"]
    )
    if having:
        w.made("HAVING inside")
    by = "ALL" if w.rarely() else ", ".join(name for name, _ in keys)
    items = _oddly_named(w, [*keys, *made])
    rest = f"{source.filtered(_where(w, source))} GROUP BY {by}{having}"
    return _table(_query(items, rest), items)


def aggregate_test(w: Writer, refs: Refs) -> str:
    """Write a condition on a group of one unit's rows."""
    shape = w.one_of(["AVG({}) > 1", "MAX({}) < 3", "SUM({}) <> 0", "COUNT({}) > 1"])
    return shape.format(number(w, refs))


# --- windows ---------------------------------------------------------------------

_FUNCTIONS = (
    *("ROW_NUMBER()", "RANK()", "DENSE_RANK()", "PERCENT_RANK()", "CUME_DIST()"),
    *("NTILE(2)", "LAG({x})", "LEAD({x}, 2)", "LAG({x}, 1, 0)", "FIRST_VALUE({x})"),
    *("LAST_VALUE({x})", "NTH_VALUE({x}, 2)", "COUNT(*)", "COUNT({x})", "SUM({x})"),
    *("AVG({x})", "MIN({x})", "MAX({x})", "SUM({x}) FILTER (WHERE {p})"),
)
_FRAMES = (
    *("", "", "", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW"),
    *(" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING",),
    *(" RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",),
    *(" ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING",),
)
_RANKS = ("ROW", "RANK", "DENSE", "PERCENT", "CUME", "NTILE", "LAG", "LEAD")


def window(w: Writer, source: From, tie: str) -> str:
    """Write a window function over the rows of a unit."""
    refs = source.refs()
    function = w.one_of(_FUNCTIONS)
    name = function.partition("(")[0].lower()
    w.made(f"window {name}")
    more = w.one_of(["", "", f", {w.one_of(refs)[0]}"])
    partition = (
        f"PARTITION BY {tie}{more}" if tie else f"PARTITION BY {w.one_of(refs)[0]}"
    )
    order = f" ORDER BY {w.one_of(refs)[0]}{w.one_of(['', ' DESC', ' NULLS FIRST'])}"
    order = w.one_of(["", order, order])
    frame = "" if function.startswith(_RANKS) or not order else w.one_of(_FRAMES)
    text = function.format(x=number(w, refs), p=condition(w, refs, 0))
    return f"{text} OVER ({partition}{order}{frame})"


def _windowed(w: Writer, source: From) -> Table:
    ties = source.ties()
    if not ties:
        return _projected(w, source)
    tie = "" if w.misses("window") else w.one_of(ties)[0]
    made = [window(w, source, tie) for _ in range(w.one_of([1, 1, 2]))]
    items = [*_tied(w, source), *_others(w, source.refs(), 2)]
    items += [(each, Column(f"w{at}", Type.REAL)) for at, each in enumerate(made)]
    rest = source.filtered(_where(w, source))
    match w.one_of(range(3)):
        case 0:
            w.made("QUALIFY")
            return _table(
                _query(items, f"{rest} QUALIFY {window(w, source, tie)} <= 2"), items
            )
        case 1:
            w.made("QUALIFY")
            return _table(_query(items, f"{rest} QUALIFY w0 > 1"), items)
        case _:
            return _table(_query(items, rest), items)


def _first_of_unit(w: Writer, source: From) -> Table:
    ties = source.ties()
    if not ties:
        return _projected(w, source)
    w.made("DISTINCT ON")
    on = w.one_of(ties)[0]
    if w.misses("DISTINCT ON"):
        on = w.one_of(source.refs())[0]
    items = _oddly_named(w, [*_tied(w, source), *_others(w, source.refs())])
    order = w.one_of(["", f" ORDER BY {on}, {w.one_of(source.refs())[0]} DESC"])
    rest = source.filtered(_where(w, source)) + order
    return _table(_query(items, rest, f"SELECT DISTINCT ON ({on})"), items)


# --- set operations --------------------------------------------------------------


def _set_operation(w: Writer, source: From) -> Table:
    other = joins.joined(w, most=1)
    mine = {column.tie: name for name, column in source.ties()}
    theirs = {column.tie: name for name, column in other.ties()}
    shared = [tie for tie in mine if tie in theirs]
    kind = w.one_of(
        ["UNION ALL", "UNION ALL", "UNION", "INTERSECT", "EXCEPT", "EXCEPT ALL"]
    )
    if not shared and kind != "UNION ALL":
        kind = "UNION ALL"
    w.made(f"{kind} of rows")
    items: list[Item] = []
    right: list[str] = []
    if shared and not w.misses("set operation"):
        tie = w.one_of(shared)
        type_ = next(c.type for _, c in source.ties() if c.tie == tie)
        items.append((mine[tie], Column(tie, type_, tie=tie)))
        right.append(theirs[tie])
    for at in range(w.one_of([1, 1, 2])):
        name, column = w.one_of(source.refs())
        same = of_type(other.refs(), column.type)
        items.append((name, Column(f"c{at}", column.type)))
        right.append(w.one_of(same) if same else f"CAST(NULL AS {column.type})")
    one = _query(items, source.filtered(_where(w, source)))[1:-1]
    two = f"SELECT {', '.join(right)} {other.filtered(_where(w, other))}"
    return _table(f"({one} {kind} {two})", items)


__all__ = ["NUMBERS", "PERSON", "aggregate", "derived", "window"]
