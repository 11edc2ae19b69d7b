"""The catalog as analysts see it: names, types, bounds, and which keys are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.analysis.bounds import environment
from dpquery.plan.analysis.partitions import possible_values
from dpquery.plan.relations import Scan
from dpquery.plan.walk import column_of
from dpquery.policy.catalog import ROW_ID
from dpquery.results import ColumnInfo, TableInfo

if TYPE_CHECKING:
    from dpquery.policy.catalog import Catalog, CatalogColumn, CatalogTable


def table_infos(catalog: Catalog) -> list[TableInfo]:
    """Return all tables of *catalog*, in the policy's order."""
    return [
        TableInfo(
            table.name,
            table.public,
            _owner_text(table),
            tuple(
                ColumnInfo(c.name, c.engine_type, c.bounds, _keys(table, c))
                for c in table.columns.values()
            ),
        )
        for table in catalog.tables.values()
    ]


def _owner_text(table: CatalogTable) -> str | None:
    """Say how a row finds its unit, e.g. ``visit_id → visits.patient_id``."""
    if table.owner is None:
        return None
    steps = [hop.column for hop in table.owner.path]
    last = table.owner.path[-1].table + "." if table.owner.path else ""
    column = "each row" if table.owner.column == ROW_ID else table.owner.column
    return " → ".join([*steps, last + column])


def _keys(table: CatalogTable, column: CatalogColumn) -> str:
    """Say whether groups by this column are all shown, and why."""
    if table.public:
        return "public"
    if column.values is not None:
        return "listed"
    if column.values_from is not None:
        return "from " + ".".join(column.values_from)
    scan = Scan(table, table.name)
    ranged = possible_values(column_of(scan, column.name), {}, environment(scan))
    return "unknown" if ranged is None else "range"
