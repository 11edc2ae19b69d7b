"""What only the data can say of a policy: exact counts, for the owner alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.policy.advice import Finding, Severity
from dpquery.policy.ownership import find

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dpquery.engines.base import KeyCheck
    from dpquery.policy.catalog import Catalog
    from dpquery.policy.load import LoadedPolicy

_ENOUGH = 0.1
"""Delta times the number of units: from here on it is a warning."""


def unit_columns(catalog: Catalog) -> list[tuple[str, str]]:
    """Return every (table, column) that says itself whose row it is."""
    return [
        (table.name, table.owner.column)
        for table in catalog.tables.values()
        if table.owner is not None
        and not table.owner.path
        and table.owner.column in table.columns
    ]


def unit_findings(
    loaded: LoadedPolicy, checks: Sequence[KeyCheck]
) -> Iterator[Finding]:
    """Say which rows are nobody's, and whether delta fits the number of units."""
    for check in checks:
        if check.nulls:
            name = find(loaded.policy.tables, check.table) or check.table
            place = loaded.place(("tables", name, "privacy_unit_column"))
            message = f"{check.nulls:,} rows of {check.table} do not say whose they are"
            hint = "they are left out of all answers"
            yield Finding("P193", Severity.INFO, message, place, hint)
    units = max((check.values for check in checks), default=0)
    delta = loaded.policy.budget.delta
    if delta is not None and float(delta) * units >= _ENOUGH:
        message = f"delta {delta} is large for {units:,} units"
        hint = f"choose at most {_ENOUGH / units:.0e}"
        place = loaded.place(("budget", "delta"))
        yield Finding("P194", Severity.WARNING, message, place, hint)
