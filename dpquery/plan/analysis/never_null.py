"""Which values no row lacks: to count them is to count rows, which is measured once.

From what the database has NOT NULL, and what the query's conditions say. Never trusted:
if it was wrong, rows would be counted that have no value, each within its limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.expressions import Call, ColumnRef, Expression
from dpquery.plan.relations import Scan
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from dpquery.plan.analysis.sources import Sources

ALWAYS_FINITE = frozenset({SqlType.INTEGER, SqlType.DECIMAL})
"""Types without NaN and infinities, which are not added up either."""
COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})


def never_null(expression: Expression, known: Sources) -> bool:
    """Return whether surely every row has a value of *expression*: a plain column."""
    column = known.column(expression)
    if column is None or column.relation in known.optional:
        return False
    leaf = known.leaves.get(column.relation)
    if not isinstance(leaf, Scan):
        return False
    declared = leaf.table.columns.get(column.name)
    if declared is not None and not declared.nullable:
        return True
    return any(_says(condition, column) for condition in known.conditions)


def never_lacking(expression: Expression, known: Sources) -> bool:
    """Return whether surely every row has a finite value of *expression*."""
    return expression.type in ALWAYS_FINITE and never_null(expression, known)


def _says(condition: Expression, column: ColumnRef) -> bool:
    """Return whether a condition holds for no row in which *column* is NULL."""
    match condition:
        case Call(function=name, arguments=arguments) if name in COMPARISONS:
            return column in arguments
        case Call(function="not", arguments=(Call() as negated,)):
            return negated.function == "is_null" and negated.arguments == (column,)
        case _:
            return False
