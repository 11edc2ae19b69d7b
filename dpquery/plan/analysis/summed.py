"""In which steps fractions are added up inside a unit."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from dpquery.plan.analysis.bounds import decimals
from dpquery.plan.analysis.sources import sources
from dpquery.plan.expressions import ColumnRef
from dpquery.plan.relations import Scan

if TYPE_CHECKING:
    from dpquery.plan.expressions import Expression
    from dpquery.plan.relations import Relation

USUAL = 6
"""Digits after the point where neither the type nor the policy says how many."""
MOST = 9
"""More would leave a 64-bit integer too few digits before the point."""


def digits_of(value: Expression, relation: Relation) -> int:
    """
    Return how many digits after the point of *value* are added up.

    Sums inside a unit are sums of integers, for a sum of DOUBLE depends on the order
    in which rows are read (theory.md 1.4).
    """
    known = sources(relation)
    made = known.expanded(value)
    digits = decimals(made)
    if digits is None and isinstance(made, ColumnRef):
        leaf = known.leaves.get(made.relation)
        column = leaf.table.columns.get(made.name) if isinstance(leaf, Scan) else None
        if column is not None and column.grid is not None:
            digits = max(0, -int(Decimal(column.grid).as_tuple().exponent))
    return min(USUAL if digits is None else digits, MOST)
