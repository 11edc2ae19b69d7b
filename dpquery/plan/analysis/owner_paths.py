"""How rows find their unit: the policy's paths, joined by the planner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.expressions import ColumnRef, Expression, equals
from dpquery.plan.relations import Owned, Rows, Scan
from dpquery.plan.walk import column_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.policy.catalog import Catalog, CatalogTable, Hop, Owner

Pair = tuple[ColumnRef, ColumnRef]
OwnerKey = tuple[ColumnRef, tuple[str, str]]


def owner_of(table: CatalogTable) -> Owner:
    """Return the owner of a private table."""
    if table.owner is None:
        msg = f"{table.name} is public and has no owner"
        raise ValueError(msg)
    return table.owner


def owner_keys(scan: Scan, catalog: Catalog) -> tuple[OwnerKey, ...]:
    """
    Return the columns of *scan* that find the owner, as the keys that they hold.

    These are the unique keys of the ownership map (theory.md 1.1): the column that the
    path begins with, the declared key, and what other tables' paths lead to. Equal
    values mean equal owners, so an equality of units added to a join on them changes
    nothing where the policy is right.
    """
    table = scan.table
    hops = {
        (hop.table, hop.key)
        for other in catalog.tables.values()
        if other.owner is not None
        for hop in other.owner.path
    }
    unique = [name for name in table.columns if (table.name, name) in hops]
    if table.key is not None and table.key not in unique:
        unique.append(table.key)
    found = [(column_of(scan, name), (table.name, name)) for name in unique]
    found += [
        (column_of(scan, hop.column), (hop.table, hop.key))
        for hop in owner_of(table).path[:1]
    ]
    return tuple(found)


class Paths:
    """
    Finds each scan's unit, adding the owner's path where the query does not read it.

    Partners are other scans of the same joins, and the row outside of a subquery.
    """

    def __init__(
        self,
        catalog: Catalog,
        private: Sequence[Scan],
        pairs: Sequence[Pair],
        outer: Rows | None,
    ) -> None:
        self._catalog = catalog
        self._private = {scan.name: scan for scan in private}
        self._pairs = pairs
        self._outer = outer
        self.hidden: list[tuple[Scan, Expression]] = []
        """Scans to be joined for their unit column, with their conditions."""
        self._found: dict[str, Expression] = {}

    def unit(self, scan: Scan) -> Expression:
        """Return what holds the unit of *scan*'s rows."""
        if scan.name not in self._found:
            self._found[scan.name] = self._search(scan)
        return self._found[scan.name]

    def _search(self, scan: Scan) -> Expression:
        owner = owner_of(scan.table)
        if not owner.path:
            return column_of(scan, owner.column)
        hop = owner.path[0]
        parent = self._partner(scan, hop)
        if parent is None:
            outside = partner_outside(scan, self._outer, self._pairs)
            if outside is not None:
                return outside
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


def partner_outside(
    scan: Scan, outer: Rows | None, pairs: Sequence[Pair]
) -> Expression | None:
    """
    Return the unit of the outer row, if an equality makes it the unit of *scan* too.

    The first column of the scan's path is equal to a column of the outer row that
    holds the same key: both rows then have one owner, and no join is needed.
    """
    path = owner_of(scan.table).path
    if not isinstance(outer, Owned) or not path:
        return None
    mine = column_of(scan, path[0].column)
    wanted = (path[0].table, path[0].key)
    for pair in pairs:
        for one, other in (pair, pair[::-1]):
            if one == mine and (other, wanted) in outer.owner_keys:
                return outer.unit
    return None
