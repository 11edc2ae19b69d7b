"""FROM: tables joined in every way that keeps one owner for each row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from . import tables
from .columns import CODE, NUMBERS, PERSON, REGION, TIMES, Column, Table, of_type
from .values import condition, number

if TYPE_CHECKING:
    from .writer import Writer

Refs = list[tuple[str, Column]]


@dataclass
class From:
    """Tables joined so far, and what WHERE has to say for commas."""

    text: str
    tables: list[Table]
    where: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Whose rows they are."""
        return next((each.kind for each in self.tables if each.kind), "")

    def refs(self) -> Refs:
        """Return all columns that can be named."""
        return [ref for table in self.tables for ref in table.refs()]

    def ties(self) -> Refs:
        """Return the columns that say whose row it is."""
        return [(name, each) for name, each in self.refs() if each.tie]

    def filtered(self, *more: str) -> str:
        """Return FROM and WHERE."""
        parts = [*self.where, *(each for each in more if each)]
        where = f" WHERE {' AND '.join(parts)}" if parts else ""
        return f"FROM {self.text}{where}"


def joined(w: Writer, most: int = 2, kind: str = "person") -> From:
    """Write FROM with rows that have owners."""
    found = _first(w, kind)
    for _ in range(w.one_of([0, 0, 1, 1, 2][: 2 * most + 1])):
        _join(w, found)
    return found


def _first(w: Writer, kind: str) -> From:
    if kind != "person":
        table = tables.sensors(w)
        return From(str(table), [table])
    table = tables.private(w)
    if not w.rarely():
        return From(str(table), [table])
    other = tables.public(w)
    on = f"{_to_public(w, table.refs(), other)}"
    how = w.one_of(["JOIN", "RIGHT JOIN"])
    w.made(f"public {how} private")
    return From(f"{other} {how} {table} ON {on}", [other, table])


def _join(w: Writer, left: From) -> None:
    ties = left.ties()
    if ties and w.one_of([True, True, False]):
        if w.rarely():
            _lateral(w, left, ties)
        else:
            _private(w, left, ties)
    else:
        _public(w, left)


# --- private rows ----------------------------------------------------------------


def _private(w: Writer, left: From, ties: Refs) -> None:
    name, of = w.one_of(ties)
    right = tables.holder(w, of.tie)
    mine = next(each for each in right.columns if each.tie == of.tie)
    on = f"{name} = {right.alias}.{mine.name}"
    if w.misses("join"):
        on = _loose(w, left, right)
    same = name.endswith(f".{mine.name}")
    kinds = ["ON", "ON", "LEFT", "RIGHT", "FULL", "comma", "SEMI", "ANTI", "ASOF"]
    how = w.one_of([*kinds, *(["USING", "NATURAL"] if same else [])])
    once = _once(left, mine.name) and len(left.tables) == 1
    if how in {"USING", "NATURAL"} and not once:
        how = "ON"
    w.made(f"private {how}")
    more = f" AND {condition(w, left.refs() + right.refs(), 0)}"
    on += w.one_of(["", more])
    _put(w, left, right, how, on, mine)


def _put(w: Writer, left: From, right: Table, how: str, on: str, mine: Column) -> None:
    match how:
        case "ON":
            left.text += f" JOIN {right} ON {on}"
        case "LEFT":
            left.text += f" LEFT JOIN {right} ON {on}"
            right = _loses_unit(right)
        case "RIGHT":
            left.text += f" RIGHT JOIN {right} ON {on}"
            left.tables = [_loses_unit(each) for each in left.tables]
        case "FULL":
            left.text += f" FULL JOIN {right} ON {on}"
            left.tables = [_loses_unit(each) for each in left.tables]
            right = _loses_unit(right)
        case "comma":
            left.text += f", {right}"
            left.where.append(on)
        case "SEMI" | "ANTI":
            left.text += f" {how} JOIN {right} ON {on}"
            return
        case "ASOF":
            left.text += f" {_asof(w, left, right, on)}"
            right = _loses_ties(right)
        case "USING":
            left.text += f" JOIN {right} USING ({mine.name})"
        case _:
            left.text += f" NATURAL JOIN {right}"
    left.tables.append(right)


def _once(left: From, name: str) -> bool:
    return sum(each.name == name for _, each in left.refs()) == 1


def _loses_unit(table: Table) -> Table:
    """Return a side whose unit may be NULL; keys still find owners."""
    columns = (
        replace(each, tie="") if each.tie == PERSON else each for each in table.columns
    )
    return replace(table, columns=tuple(columns))


def _loses_ties(table: Table) -> Table:
    """Return rows that are found for the row before them, and say nothing of it."""
    columns = (replace(each, tie="") for each in table.columns)
    return replace(table, columns=tuple(columns))


def _loose(w: Writer, left: From, right: Table) -> str:
    """Write a condition that ties rows of two people."""
    one, other = _alike(w, left.refs(), right)
    return f"{one} = {other}" if one else condition(w, left.refs() + right.refs())


def _alike(w: Writer, refs: Refs, right: Table) -> tuple[str, str]:
    """Return two columns of one type."""
    pairs = [
        (name, theirs)
        for name, mine in refs
        for theirs, other in right.refs()
        if mine.type is other.type
    ]
    return w.one_of(pairs[:200]) if pairs else ("", "")


def _asof(w: Writer, left: From, right: Table, on: str) -> str:
    types = w.one_of([NUMBERS, TIMES])
    mine, theirs = of_type(left.refs(), *types), of_type(right.refs(), *types)
    if not (mine and theirs):
        return f"JOIN {right} ON {on}"
    sign = w.one_of([">=", ">", "<", "<="])
    side = w.one_of(["", "LEFT "])
    near = f"{w.one_of(mine)} {sign} {w.one_of(theirs)}"
    base = on.partition(" AND ")[0]
    if " = " not in base:
        return f"ASOF {side}JOIN {right} ON {near}"
    return f"ASOF {side}JOIN {right} ON {base} AND {near}"


def _lateral(w: Writer, left: From, ties: Refs) -> None:
    """Join a subquery that reads the row before it."""
    name, of = w.one_of(ties)
    inner = tables.holder(w, of.tie)
    mine = next(each for each in inner.columns if each.tie == of.tie)
    refs = inner.refs()
    tie = f"{inner.alias}.{mine.name} = {name}"
    if w.misses("lateral"):
        tie = condition(w, refs)
    where = w.one_of([tie, f"{tie} AND {condition(w, left.refs() + refs, 0)}"])
    value, alias = number(w, refs), w.alias("l")
    shapes = {
        "rows": f"SELECT {value} AS x FROM {inner} WHERE {where}",
        "first": f"SELECT {value} AS x FROM {inner} WHERE {where} "
        f"ORDER BY {number(w, refs)} LIMIT {w.one_of([1, 2])}",
        "aggregate": f"SELECT SUM({value}) AS x FROM {inner} WHERE {where}",
        "groups": f"SELECT MAX({value}) AS x FROM {inner} WHERE {where} "
        f"GROUP BY {w.one_of(refs)[0]} HAVING COUNT(*) > 0",
        "different": f"SELECT DISTINCT {value} AS x FROM {inner} WHERE {where}",
    }
    shape = w.one_of(list(shapes))
    w.made(f"LATERAL, {shape}")
    how = w.one_of(
        [
            f", LATERAL ({{}}) AS {alias}",
            f" LEFT JOIN LATERAL ({{}}) AS {alias} ON TRUE",
        ]
    )
    left.text += how.format(shapes[shape])
    left.tables.append(Table("", (Column("x", NUMBERS[1]),), "", alias))


# --- public rows -----------------------------------------------------------------


def _public(w: Writer, left: From) -> None:
    right = tables.public(w)
    on = _to_public(w, left.refs(), right)
    kinds = ["JOIN", "LEFT JOIN", "comma", "SEMI JOIN", "ANTI JOIN", "LATERAL", "ASOF"]
    how = w.one_of(kinds)
    w.made(f"{how} public")
    match how:
        case "comma":
            left.text += f", {right}"
            left.where.append(on)
        case "SEMI JOIN" | "ANTI JOIN":
            left.text += f" {how} {right} ON {on}"
            return
        case "LATERAL":
            alias = w.alias("l")
            order = w.one_of(["", f" ORDER BY {w.one_of(right.refs())[0]} LIMIT 1"])
            names = ", ".join(f"{n} AS {each.name}" for n, each in right.refs())
            query = f"SELECT {names} FROM {right} WHERE {on}{order}"
            left.text += f", LATERAL ({query}) AS {alias}"
            right = right.called(alias)
        case "ASOF":
            left.text += f" {_asof(w, left, right, on)}"
        case _:
            left.text += f" {how} {right} ON {on}"
    left.tables.append(right)


def _to_public(w: Writer, refs: Refs, right: Table) -> str:
    """Write a condition of private and public columns: anything will do."""
    pairs = [
        (name, theirs)
        for name, mine in refs
        for theirs, other in right.refs()
        if mine.joins and mine.joins == other.joins and mine.joins in {CODE, REGION}
    ]
    if pairs and not w.rarely():
        one, other = w.one_of(pairs)
        return f"{one} = {other}"
    numbers, others = of_type(refs, *NUMBERS), of_type(right.refs(), *NUMBERS)
    if numbers and others:
        return f"{w.one_of(numbers)} {w.one_of(['<', '>=', '='])} {w.one_of(others)}"
    one, other = _alike(w, refs, right)
    return f"{one} = {other}" if one else condition(w, refs + right.refs())
