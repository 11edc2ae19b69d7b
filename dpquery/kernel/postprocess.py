"""The final SELECT, in a database that holds released values only."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dpquery.engines.released import ReleasedColumn, ReleasedDatabase
from dpquery.sql.lower_expressions import ENGINE_TYPES
from dpquery.sql.lower_post import ROW, lower_post

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.engines.base import Limits
    from dpquery.kernel.prepare import Prepared

Row = tuple[Any, ...]


def open_released() -> ReleasedDatabase:
    """Return an empty database for released values."""
    return ReleasedDatabase()


def postprocess(
    prepared: Prepared,
    released: Sequence[Row],
    database: ReleasedDatabase,
    limits: Limits,
) -> tuple[list[Row], list[int]]:
    """
    Return the rows of the answer, and which released row each one came from.

    *released* has the group keys, then the aggregates, one row per group.
    """
    step = prepared.only_step.step
    columns = [
        *(ReleasedColumn(k.name, ENGINE_TYPES[k.expression.type]) for k in step.keys),
        *(ReleasedColumn(c.name, ENGINE_TYPES[c.type]) for c in step.columns),
        ReleasedColumn(ROW, "BIGINT"),
    ]
    numbered = [(*row, index) for index, row in enumerate(released)]
    sql = lower_post(prepared.post, step.name)
    _, rows = database.run({step.name: (columns, numbered)}, sql, limits)
    answers = [tuple(_finite(cell) for cell in row[:-1]) for row in rows]
    return answers, [row[-1] for row in rows]


def _finite(cell: object) -> object:
    """Return NULL for what is not a number: a ratio of noise can be anything."""
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
