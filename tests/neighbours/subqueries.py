"""Subqueries in expressions: of the same unit, of public rows, of earlier answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import tables
from .columns import CODE, NUMBERS, Column, Table, Type, of_type
from .values import clamped, condition, key, number

if TYPE_CHECKING:
    from .joins import From
    from .writer import Writer

Refs = list[tuple[str, Column]]
_ANY = ("= ANY", "> ANY", "<= ALL", "<> ALL")


def condition_on(w: Writer, source: From) -> str:
    """Write a condition with a subquery."""
    ties = source.ties()
    kinds = ["public", "input"]
    if ties:
        kinds += ["exists", "exists", "in", "in", "any", "scalar", "look-up"]
    match w.one_of(kinds):
        case "exists":
            return _exists(w, source)
        case "in":
            return _in(w, source)
        case "any":
            return _any(w, source)
        case "scalar":
            sign = w.one_of(["<", ">=", "="])
            return f"{number(w, source.refs(), 0)} {sign} {scalar(w, source)}"
        case "look-up":
            return _look_up(w, source)
        case "public":
            return _public(w, source.refs())
        case _:
            return _input(w, source.refs())


class _Inner:
    """A table inside a subquery, tied to the row outside."""

    def __init__(self, w: Writer, source: From, feature: str) -> None:
        name, of = w.one_of(source.ties())
        self.table: Table = tables.holder(w, of.tie)
        mine = next(each for each in self.table.columns if each.tie == of.tie)
        self.outer, self.column = name, f"{self.table.alias}.{mine.name}"
        self.tie = f"{self.column} = {name}"
        if w.misses(feature):
            self.tie = condition(w, source.refs() + self.table.refs())
        w.made(f"{feature} by {of.tie}")
        self.refs = self.table.refs()
        more = condition(w, self.refs + source.refs(), 0)
        self.where = w.one_of(
            [self.tie, f"{self.tie} AND {more}", f"{more} AND {self.tie}"]
        )
        self.from_ = f"FROM {self.table} WHERE {self.where}"


def _exists(w: Writer, source: From) -> str:
    inner = _Inner(w, source, "EXISTS")
    negated = w.one_of(["", "NOT "])
    shape = w.one_of(["SELECT 1 {0}", "SELECT 1 {0}", "{1}", "{2}"])
    groups = (
        f"SELECT {w.one_of(inner.refs)[0]} {inner.from_} GROUP BY 1 HAVING COUNT(*) > 1"
    )
    first = f"SELECT {number(w, inner.refs)} {inner.from_} ORDER BY 1 LIMIT 1"
    return f"{negated}EXISTS ({shape.format(inner.from_, groups, first)})"


def _in(w: Writer, source: From) -> str:
    negated = w.one_of(["", "NOT "])
    if w.one_of([True, False]):  # the unit, or a key that finds it, among others
        name, of = w.one_of(source.ties())
        inner = tables.holder(w, of.tie)
        mine = next(each for each in inner.columns if each.tie == of.tie)
        w.made(f"IN on {of.tie}")
        shown = f"{inner.alias}.{mine.name}"
        if w.misses("IN"):
            shown = w.one_of(of_type(inner.refs(), of.type))
        where = condition(w, inner.refs(), 0)
        return f"{name} {negated}IN (SELECT {shown} FROM {inner} WHERE {where})"
    tied = _Inner(w, source, "IN")
    value = number(w, source.refs(), 0)
    return f"{value} {negated}IN (SELECT {number(w, tied.refs)} {tied.from_})"


def _any(w: Writer, source: From) -> str:
    inner = _Inner(w, source, "ANY")
    value = number(w, source.refs(), 0)
    return f"{value} {w.one_of(_ANY)} (SELECT {number(w, inner.refs)} {inner.from_})"


def scalar(w: Writer, source: From) -> str:
    """Write a number that is computed from the rows of the same unit."""
    inner = _Inner(w, source, "scalar")
    shapes = (
        *("AVG({x})", "MAX({x})", "COUNT(*)", "SUM({x})", "MEDIAN({x})"),
        *("COUNT(DISTINCT {x})", "STDDEV_SAMP({x})", "{x}", "{x} ORDER"),
    )
    shape = w.one_of(shapes)
    value = number(w, inner.refs)
    if shape.endswith("ORDER"):
        return (
            f"(SELECT {value} {inner.from_} ORDER BY {number(w, inner.refs)} LIMIT 1)"
        )
    return f"(SELECT {shape.format(x=value)} {inner.from_})"


# --- what is not about the unit --------------------------------------------------


def _public(w: Writer, refs: Refs) -> str:
    w.made("public subquery")
    codes = [name for name, each in refs if each.joins == CODE]
    value = w.one_of(codes) if codes else number(w, refs, 0)
    negated = w.one_of(["", "NOT "])
    match w.one_of(range(4)):
        case 0:
            return f"{value} {negated}IN (SELECT code FROM codes WHERE factor > 0)"
        case 1:
            return f"{negated}EXISTS (SELECT 1 FROM codes AS k WHERE k.code < {value})"
        case 2:
            least = f"SELECT MIN(k.code) FROM codes AS k WHERE k.factor <> {value}"
            return f"{value} > ({least})"
        case _:
            order = "ORDER BY factor DESC LIMIT 2"
            return f"{value} {negated}IN (SELECT code FROM codes {order})"


def _input(w: Writer, refs: Refs) -> str:
    """Compare with an earlier answer, whatever it is."""
    w.made("input in WHERE")
    inner = tables.base(w, w.one_of(["visits", "people", "exams", "sensors"]))
    value = number(w, refs, 0)
    of = number(w, inner.refs(), 0)
    match w.one_of(range(4)):
        case 0:
            return f"{value} > (SELECT AVG({of}) FROM {inner})"
        case 1:
            where = condition(w, inner.refs(), 0)
            return f"{value} <= (SELECT COUNT(*) FROM {inner} WHERE {where})"
        case 2:
            texts = of_type(refs, Type.TEXT)
            by = w.one_of(of_type(inner.refs(), Type.TEXT))
            if texts:
                keys = f"SELECT {by} FROM {inner} GROUP BY {by} HAVING COUNT(*) > 2"
                return f"{w.one_of(texts)} {w.one_of(['', 'NOT '])}IN ({keys})"
            return f"{value} > (SELECT SUM({of}) FROM {inner})"
        case _:
            by = key(w, inner.refs())
            return f"{value} >= ALL (SELECT COUNT(*) FROM {inner} GROUP BY {by})"


def _look_up(w: Writer, source: From) -> str:
    """Compare with an aggregate of many people's rows that are alike."""
    inner = tables.base(w, w.one_of(["visits", "people", "exams"]))
    alike = [
        (name, theirs)
        for name, mine in source.refs()
        for theirs, other in inner.refs()
        if mine.type is other.type and mine.type not in NUMBERS and not other.tie
    ]
    if not alike:
        return _input(w, source.refs())
    w.made("look-up")
    mine, theirs = w.one_of(alike)
    measure = w.one_of(["AVG({})", "SUM({})"]).format(number(w, inner.refs(), 0))
    query = f"SELECT {measure} FROM {inner} WHERE {theirs} = {mine}"
    return f"{number(w, source.refs(), 0)} > ({query})"


__all__ = ["clamped", "condition_on", "scalar"]
