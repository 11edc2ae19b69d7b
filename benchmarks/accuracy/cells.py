"""What each unit adds to each group: the exact numbers that the oracle tunes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import duckdb

    from benchmarks.accuracy.lines import Line

Floats: TypeAlias = NDArray[Any]
Ints: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Cells:
    """One entry for each unit and group that have rows together."""

    groups: tuple[str, ...]
    group: Ints
    """Positions in ``groups``."""
    width: Ints
    """In how many groups the unit is."""
    height: Ints
    """How many rows the unit has in all."""
    rows: Floats
    totals: tuple[Floats, ...]
    """For each measure, the sum of its values."""
    unit: Ints
    """Positions of units."""

    def expected(self, values: Floats, k: int) -> tuple[Floats, Floats]:
        """
        Return mean and variance of the totals by group if each unit keeps *k* groups.

        Which ones is drawn: each group of a unit in m groups is kept with chance k/m.
        """
        chance = np.minimum(1, k / self.width)
        count = len(self.groups)
        mean = np.bincount(self.group, values * chance, count)
        spread = values * values * chance * (1 - chance)
        return mean, np.bincount(self.group, spread, count)

    def expected_rows(self, values: Floats, most: int) -> Floats:
        """Return the mean totals by group if each unit keeps *most* rows in all."""
        kept = np.minimum(1, most / self.height)
        return np.bincount(self.group, values * kept, len(self.groups))


def cells(connection: duckdb.DuckDBPyConnection, line: Line) -> Cells:
    """Return the cells of *line*."""
    sums = [f", sum(v{at}) AS s{at}" for at in range(len(line.measures))]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE cells AS SELECT u, g, count(*) AS n"
        f"{''.join(sums)} FROM ({line.flat}) GROUP BY u, g"
    )
    names = [
        row[0]
        for row in connection.execute(
            "SELECT DISTINCT g FROM cells ORDER BY g"
        ).fetchall()
    ]
    found = connection.execute(
        "SELECT dense_rank() OVER (ORDER BY g) - 1 AS g, "
        "dense_rank() OVER (ORDER BY u) - 1 AS unit, count(*) OVER own AS width, "
        "sum(n) OVER own AS height, n, * EXCLUDE (u, g, n) FROM cells "
        "WINDOW own AS (PARTITION BY u)"
    ).fetchnumpy()

    def numbers(name: str) -> Ints:
        return np.ma.filled(found[name], 0).astype(np.int64)

    return Cells(
        tuple(names),
        numbers("g"),
        numbers("width"),
        numbers("height"),
        numbers("n").astype(np.float64),
        tuple(
            np.ma.filled(found[f"s{at}"], 0).astype(np.float64)
            for at in range(len(line.measures))
        ),
        numbers("unit"),
    )
