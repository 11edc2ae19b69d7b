"""Which columns of an answer count something: of the plan, never of the data.

What counts is never below zero, and an answer may be shown like that. What is
released, stored and computed with stays as it was drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.aggregates import (
    DistinctValues,
    LinearEstimator,
    Present,
    Rows,
    Units,
)

if TYPE_CHECKING:
    from dpquery.kernel.prepare import Prepared
    from dpquery.plan.aggregates import Estimator
    from dpquery.plan.program import Output


def counts(prepared: Prepared) -> tuple[str, ...]:
    """Return the names of the outputs that count rows, units or different values."""
    outputs = prepared.program.post.outputs or ()
    other = {each.name for each in outputs if not _is_count(prepared, each)}
    names = dict.fromkeys(each.name for each in outputs)
    return tuple(name for name in names if name not in other)


def _is_count(prepared: Prepared, output: Output) -> bool:
    if output.cell is None:
        return False
    _, column = prepared.column(output.cell.levels[0], output.cell.column)
    return counts_something(column.estimator)


def counts_something(estimator: Estimator) -> bool:
    """Whether what is estimated is a sum of counts, and so not below zero."""
    return (
        isinstance(estimator, LinearEstimator)
        and estimator.integer
        and all(
            coefficient > 0
            and isinstance(moment, Rows | Present | Units | DistinctValues)
            for coefficient, moment in estimator.terms
        )
    )
