"""Which lists of public groups have a group for every row: hints, never trusted.

Tables by such lists are made of all rows, so that the total of one is the total of
another. The owner says that ``values`` are closed; a list without NULL leaves out rows
without a value, unless the database has the column NOT NULL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.analysis.sources import sources
from dpquery.plan.expressions import ColumnRef
from dpquery.plan.relations import Scan

if TYPE_CHECKING:
    from dpquery.plan.analysis.sources import Sources
    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import ReleaseStep


def complete_sources(step: ReleaseStep) -> tuple[bool, ...]:
    """Return for each source of the step's domain whether every row has its group."""
    if step.domain is None:
        return ()
    known = sources(step.source.relation)
    return tuple(
        all(_is_listed(step.keys[at].expression, known) for at in source.keys)
        for source in step.domain.sources
    )


def _is_listed(key: Expression, known: Sources) -> bool:
    column = known.column(key)
    leaf = None if column is None else known.leaves.get(column.relation)
    if not isinstance(column, ColumnRef) or not isinstance(leaf, Scan):
        return False
    declared = leaf.table.columns.get(column.name)
    if declared is None or column.relation in known.optional:
        return False
    if declared.values is not None:
        return None in declared.values or not declared.nullable
    return declared.values_from is not None and not declared.nullable
