"""What the three scenarios share: dice, public tables, and rows into DuckDB."""

from __future__ import annotations

import csv
import datetime as dt
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

HERE = Path(__file__).parent
Row = tuple[object, ...]
Weights = Mapping[str, float]
DAY = dt.timedelta(days=1)
HOME = "LU"
"""Where the bank and the customs office are."""


class Dice(Random):
    """Random draws that every scenario needs; for realism, not for secrecy."""

    def chance(self, probability: float) -> bool:
        """Return true with this probability."""
        return self.random() < probability

    def pick(self, weights: Weights) -> str:
        """Draw one key in proportion to its weight."""
        return self.choices(tuple(weights), tuple(weights.values()))[0]

    def or_null(self, value: object, probability: float = 0.01) -> object:
        """Forget *value* with this probability."""
        return None if self.chance(probability) else value

    def money(self, median: float, spread: float) -> Decimal:
        """Draw a log-normal amount, in whole cents."""
        return cents(self.lognormvariate(math.log(median), spread))

    def heavy(self, alpha: float, most: float) -> float:
        """Draw how active somebody is: Pareto from 1, cut off near *most*."""
        return min(self.paretovariate(alpha), most * self.uniform(0.6, 1))

    def day(self, first: dt.date, last: dt.date) -> dt.date:
        """Draw a day between two days, both included."""
        return first + DAY * self.randrange((last - first).days + 1)


def cents(amount: float) -> Decimal:
    """Round to two decimals."""
    return Decimal(round(amount * 100)).scaleb(-2)


def public(name: str, columns: Sequence[str]) -> list[Row]:
    """Read these columns of one public table; DuckDB casts the text on insertion."""
    with (HERE / "public" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [
            tuple(row[column] for column in columns) for row in csv.DictReader(file)
        ]


def codes(name: str) -> list[str]:
    """Read the first column of a public table."""
    return [str(row[0]) for row in public(name, ("code",))]


def falling(keys: Sequence[str], power: float) -> dict[str, float]:
    """Weigh *keys* by Zipf's law: the first is common, the last almost absent."""
    return {key: (rank + 1) ** -power for rank, key in enumerate(keys)}


def fill(
    database: duckdb.DuckDBPyConnection,
    schemas: Mapping[str, str],
    tables: Mapping[str, list[Row]],
) -> None:
    """Create the tables; an UNNEST per column loads far faster than executemany."""
    for table, columns in schemas.items():
        database.execute(f"CREATE TABLE {table} ({columns})")
        types = [column.split()[1] for column in columns.split(", ")]
        values = [list(column) for column in zip(*tables[table], strict=True)]
        unnested = ", ".join(f"unnest(${i}::{t}[])" for i, t in enumerate(types, 1))
        database.execute(f"INSERT INTO {table} SELECT {unnested}", values)
