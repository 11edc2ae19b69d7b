"""Which privacy unit owns each row, and the refusal of whatever loses it.

Upholds theory.md 1.2: what this module returns is *unit-local*. Removing a unit
removes exactly its own rows and changes no other. The proof is by induction over
the operators; each rule of theory.md 1.3 that is accepted here is one case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from dpquery.errors import QueryRefused
from dpquery.plan.expressions import (
    ColumnRef,
    Expression,
    conjunction,
    equals,
)
from dpquery.plan.relations import Filter, Join, JoinKind, Owned, Relation, Scan
from dpquery.plan.walk import equated, predicates, scans
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from dpquery.policy.catalog import Catalog, CatalogTable, Hop, Owner

Pair = tuple[ColumnRef, ColumnRef]


def own(relation: Relation, catalog: Catalog) -> Owned:
    """
    Return *relation* with the column that says whose row it is.

    The owner's path is joined by the planner, never by the analyst; private tables
    are tied to each other by an explicit equality of their units, which is a no-op
    where the policy's foreign keys are right and enforces locality where they are
    wrong (theory.md 1.3).

    Raises:
        QueryRefused: a row could belong to no unit, or to two.
    """
    _refuse_outer_joins(relation)
    private = [scan for scan in scans(relation) if not scan.table.public]
    if not private:
        msg = "this query reads public tables only"
        hint = "public tables need no privacy; query them directly, or join one"
        place = next(scans(relation)).place
        raise QueryRefused(msg, code="DPQ119", place=place, hint=hint)
    kind = _one_kind(private)
    pairs = list(equated(predicates(relation)))
    resolver = _Paths(catalog, private, pairs)
    units = {scan.name: resolver.unit(scan) for scan in private}
    ties = _ties(private, units, pairs)
    for hidden, condition in resolver.hidden:
        relation = Join(relation, hidden, JoinKind.INNER, condition)
    if ties:
        relation = Filter(relation, conjunction(ties))
    unit = units[private[0].name]
    return Owned(relation, unit, tuple(dict.fromkeys(units.values())), kind)


def _refuse_outer_joins(relation: Relation) -> None:
    """Refuse outer joins whose unmatched rows would speak of everybody."""
    match relation:
        case Scan():
            return
        case Filter(child=child):
            _refuse_outer_joins(child)
        case Join(left=left, right=right, kind=kind, place=place):
            _refuse_outer_joins(left)
            _refuse_outer_joins(right)
            privates = [
                any(not s.table.public for s in scans(x)) for x in (left, right)
            ]
            if kind is JoinKind.INNER or not privates[1]:
                return
            if privates[0]:
                msg = "a LEFT JOIN between two private tables is not supported yet"
                hint = "use JOIN, or count the two tables in separate queries"
                raise QueryRefused(msg, code="DPQ112", place=place, hint=hint)
            msg = "this join keeps public rows that no private row matches"
            hint = (
                "whether a row has no match is a statement about everybody; put the\n"
                "private table first, or use JOIN: groups of a public table are shown\n"
                "even when they are empty"
            )
            raise QueryRefused(msg, code="DPQ111", place=place, hint=hint)
        case _:
            assert_never(relation)


def _one_kind(private: list[Scan]) -> str:
    """Return the kind of unit that all private tables share."""
    kinds = {s.table.owner.kind: s for s in private if s.table.owner is not None}
    if len(kinds) > 1:
        first, second, *_ = kinds
        msg = f"one table protects each {first}, the other each {second}"
        hint = "a row cannot belong to two kinds of unit; ask about one table at a time"
        raise QueryRefused(msg, code="DPQ113", place=kinds[second].place, hint=hint)
    return next(iter(kinds))


class _Paths:
    """Finds each scan's unit column, adding the owner's path where it is not read."""

    def __init__(
        self, catalog: Catalog, private: list[Scan], pairs: list[Pair]
    ) -> None:
        self._catalog = catalog
        self._private = {scan.name: scan for scan in private}
        self._pairs = pairs
        self.hidden: list[tuple[Scan, Expression]] = []
        """Scans to be joined for their unit column, with their conditions."""
        self._found: dict[str, ColumnRef] = {}

    def unit(self, scan: Scan) -> ColumnRef:
        """Return the column that holds the unit of *scan*'s rows."""
        if scan.name not in self._found:
            self._found[scan.name] = self._search(scan)
        return self._found[scan.name]

    def _search(self, scan: Scan) -> ColumnRef:
        owner = _owner(scan.table)
        if not owner.path:
            return column_of(scan, owner.column)
        hop = owner.path[0]
        parent = self._partner(scan, hop)
        if parent is None:
            name = f"{scan.name}:{hop.table}"
            parent = Scan(self._catalog.tables[hop.table], name)
            condition = equals(column_of(scan, hop.column), column_of(parent, hop.key))
            self.hidden.append((parent, condition))
        return self.unit(parent)

    def _partner(self, scan: Scan, hop: Hop) -> Scan | None:
        """Return the scan that the query itself joins as this hop, if it does."""
        child = (scan.name, hop.column)
        for pair in self._pairs:
            for one, other in (pair, pair[::-1]):
                parent = self._private.get(other.relation)
                if (
                    (one.relation, one.name) == child
                    and parent is not None
                    and parent is not scan
                    and (parent.table.name, other.name) == (hop.table, hop.key)
                ):
                    return parent
        return None


def _owner(table: CatalogTable) -> Owner:
    if table.owner is None:
        msg = f"{table.name} is public and has no owner"
        raise ValueError(msg)
    return table.owner


def column_of(scan: Scan, name: str) -> ColumnRef:
    """Return a reference to a column of *scan*, which need not be listed."""
    column = scan.table.columns.get(name)
    if column is None:  # rowid, under row privacy
        return ColumnRef(scan.name, name, SqlType.INTEGER, "BIGINT")
    return ColumnRef(
        scan.name, column.name, column.type, column.engine_type, column.decimals
    )


def _ties(
    private: list[Scan], units: dict[str, ColumnRef], pairs: list[Pair]
) -> list[Expression]:
    """Return the equalities of units that make every row single-owned."""
    joined = [private[0].name]  # in order: plans of one text are equal in all processes
    ties: list[Expression] = []
    waiting = private[1:]
    while waiting:
        for scan in waiting:
            partner = next(
                (
                    other
                    for other in joined
                    if _tied(scan.name, other, units, pairs, private)
                ),
                None,
            )
            if partner is not None:
                break
        else:
            raise _untied(waiting[0])
        if units[scan.name] != units[partner]:
            ties.append(equals(units[scan.name], units[partner]))
        joined.append(scan.name)
        waiting.remove(scan)
    return ties


def _tied(
    one: str,
    other: str,
    units: dict[str, ColumnRef],
    pairs: list[Pair],
    private: list[Scan],
) -> bool:
    """Return whether the query itself says that two rows have the same unit."""
    if units[one] == units[other]:
        return True
    tables = {scan.name: scan.table for scan in private}
    for pair in pairs:
        ends = {end.relation: end for end in pair}
        if set(ends) != {one, other}:
            continue
        left, right = ends[one], ends[other]
        if (left, right) == (units[one], units[other]):
            return True
        if _same_map(tables[one], left.name, tables[other], right.name):
            return True
    return False


def _same_map(one: CatalogTable, a: str, other: CatalogTable, b: str) -> bool:
    """
    Return whether the ownership path itself sends both columns to one owner.

    Other foreign keys do not: two visits in one region are two patients' visits, and
    an equality of units that the query does not have would change its meaning.
    """
    target_a, target_b = _owner_key(one, a), _owner_key(other, b)
    return (target_a is not None and target_a in {(other.name, b), target_b}) or (
        target_b is not None and target_b == (one.name, a)
    )


def _owner_key(table: CatalogTable, column: str) -> tuple[str, str] | None:
    """Return the table and key that *column* finds the owner by, if it does."""
    path = _owner(table).path
    if not path or path[0].column != column:
        return None
    return path[0].table, path[0].key


def _untied(scan: Scan) -> QueryRefused:
    owner = _owner(scan.table)
    msg = f"this join would separate rows from their {owner.kind}"
    column = owner.column if not owner.path else owner.path[0].column
    hint = (
        f"add an equality of the {owner.kind} to the join's ON, or join along the\n"
        f"policy's foreign key ({scan.table.name}.{column}), or declare one table "
        "`public` in the policy"
    )
    return QueryRefused(msg, code="DPQ110", place=scan.place, hint=hint)
