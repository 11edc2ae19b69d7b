"""The row of what is withheld: one more release, and one more row of the first one's.

It is measured after the groups are shown, on the rows of all others, with an own limit
for each unit and an own share of the loss; it is charged with the rest, before any row
is read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dpquery.accounting.allocation import split
from dpquery.plan.rewrite import compile_release
from dpquery.policy.catalog import SqlType
from dpquery.sql.queries.other_row import withheld_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dpquery.accounting.loss import Loss
    from dpquery.kernel.postprocess import Table
    from dpquery.plan.program import Program, Query, ReleaseStep
    from dpquery.plan.rewrite import BoundingRules
    from dpquery.policy.catalog import Catalog

SHARE = 0.1
"""The part of a release's loss that goes to the row of what it withholds."""
CALLED = "(other)"
"""The key of that row, where keys are texts; of other types they are NULL."""


def with_other_row(
    query: Query, program: Program, catalog: Catalog, rules: BoundingRules
) -> Program:
    """
    Return *program* with a release of what it withholds, if it withholds anything.

    Raises:
        QueryRefused: DPQ145, there is no such row.
    """
    if not any(step.withholds for step in program.releases):
        return program
    other, shown = withheld_rows(query)
    (step,) = program.releases
    made = replace(compile_release(other, catalog, rules), other_of=step.name)
    return replace(program, releases=(step, made), inputs=(*program.inputs, shown))


def shares(releases: Sequence[ReleaseStep], each: Iterable[Loss]) -> list[Loss]:
    """Return what all releases may spend; *each* is for those that the query asks."""
    divided = {step.other_of for step in releases}
    found: list[Loss] = []
    given, rest = iter(each), None
    for step in releases:
        if step.other_of is not None and rest is not None:
            found.append(rest)
            continue
        share = next(given)
        if step.name in divided:
            share, rest = split(share, [1 - SHARE, SHARE])
        found.append(share)
    return found


def with_row(step: ReleaseStep, table: Table, other: Table) -> Table:
    """
    Return the released table of *step* with the one row of *other* as its last.

    Its keys are no group's; its number is the next one.
    """
    columns, rows = table
    keys = tuple(
        CALLED if key.expression.type is SqlType.VARCHAR else None for key in step.keys
    )
    (row,) = other[1]
    return columns, [*rows, (*keys, *row[:-1], len(rows))]
