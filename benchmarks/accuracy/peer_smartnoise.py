# mypy: ignore-errors
# ruff: noqa: SLF001
"""
SmartNoise SQL's answers to one line; runs in an environment that has nothing of ours.

Reads a job (JSON) on stdin and writes answers on stdout. DuckDB stands where SmartNoise
expects PostgreSQL: the SQL that samples rows and clamps values is SmartNoise's own. It
runs three times, for three samples; noise is drawn by SmartNoise for each trial.
"""

from __future__ import annotations

import json
import sys
import warnings

import duckdb
from snsql import Privacy, from_connection
from snsql.sql.odometer import OdometerHeterogeneous

warnings.simplefilter("ignore")
SAMPLES = 3


class Cursor:
    """DuckDB's cursor as SmartNoise takes PostgreSQL's."""

    def __init__(self, connection: object) -> None:
        self.connection = connection

    def execute(self, text: str) -> None:
        """Run *text*."""
        self.connection.execute(text)

    @property
    def description(self) -> list:
        """The columns."""
        return self.connection.description

    def __iter__(self) -> object:
        return iter(self.connection.fetchall())


class Connection:
    """DuckDB's connection as SmartNoise takes PostgreSQL's; it only reads."""

    def __init__(self, connection: object) -> None:
        self.connection = connection

    def cursor(self) -> Cursor:
        """Return a cursor."""
        return Cursor(self.connection)

    def commit(self) -> None:
        """Nothing was written."""

    def rollback(self) -> None:
        """Nothing was written."""


def metadata(job: dict, most: int) -> dict:
    """Return the metadata of the one table: bounds, rows per unit, public keys."""
    columns = {
        "u": {"type": "int", "private_id": True},
        "g": {"type": "string"},
        "max_ids": most,
        "sample_max_ids": True,
        "censor_dims": not job["public"],
        "clamp_counts": False,
        "clamp_columns": True,
    }
    for at, (_, low, high) in enumerate(job["measures"]):
        unit = step(high)
        columns[f"v{at}"] = {
            "type": "float",
            "lower": low / unit,
            "upper": high / unit,
        }
    return {"": {"main": {"flat": columns}}}


def step(high: float) -> float:
    """Return the unit in which values are given: SmartNoise refuses large noise."""
    return max(1.0, high / 100)


def query(job: dict) -> str:
    """Return the query in SmartNoise's SQL."""
    names = {
        "count": "COUNT(*)",
        "units": "COUNT(DISTINCT u)",
        "distinct": "COUNT(DISTINCT v{at})",
    }
    columns = [
        names.get(kind, f"{kind.upper()}(v{{at}})").format(at=at) + f" AS a{at}"
        for at, (kind, _, _) in enumerate(job["measures"])
    ]
    if not job["keys"]:
        return f"SELECT {', '.join(columns)} FROM main.flat"
    return f"SELECT g, {', '.join(columns)} FROM main.flat GROUP BY g"


def reader(connection: object, job: dict, epsilon: float, delta: float) -> object:
    """Return a reader with *epsilon* for each column, as SmartNoise counts."""
    return from_connection(
        Connection(connection),
        privacy=Privacy(epsilon=epsilon, delta=delta),
        metadata=metadata(job, job["most"]),
        engine="postgres",
    )


def per_column(connection: object, job: dict, sql: str) -> tuple[float, float]:
    """Return the largest ε and δ a column at which the whole costs what it may."""

    def costs(each: float, delta: float) -> tuple[float, float]:
        found = reader(connection, job, each, delta)
        odometer = OdometerHeterogeneous(found.privacy)
        spent = [cost for cost in found._get_mechanism_costs(sql) if cost]
        for epsilon, delta_ in spent * job["questions"]:
            odometer.spend(Privacy(epsilon=epsilon, delta=delta_))
        return odometer.spent

    high, delta = job["epsilon"], job["delta"]
    while costs(high, delta)[1] > job["delta"]:
        delta /= 1.25
    if costs(high, delta)[0] <= job["epsilon"] * (1 + 1e-9):
        return high, delta
    low = 0.0
    for _ in range(20):
        middle = (low + high) / 2
        fits = costs(middle, delta)[0] <= job["epsilon"] * (1 + 1e-9)
        low, high = (middle, high) if fits else (low, middle)
    return low, delta


def cells(job: dict) -> object:
    """Return what makes a key and numbers of a row."""
    keys = 1 if job["keys"] else 0
    units = [
        step(high) if kind in ("sum", "avg") else 1.0
        for kind, _, high in job["measures"]
    ]

    def split(row: list) -> tuple:
        values = [float(x) * unit for x, unit in zip(row[keys:], units, strict=True)]
        return row[0] if keys else "all", values

    return split


def main() -> None:
    """Answer one job."""
    job = json.load(sys.stdin)
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "6GB"})
    connection.execute("SET enable_progress_bar = false")
    values = [
        f", v{at} / {step(high)} AS v{at}"
        for at, (_, _, high) in enumerate(job["measures"])
    ]
    connection.execute(
        f"CREATE TABLE flat AS SELECT u, g{''.join(values)} "
        f"FROM read_parquet('{job['parquet']}')"
    )
    sql = query(job)
    epsilon, delta = per_column(connection, job, sql)
    found = reader(connection, job, epsilon, delta)
    subquery, _ = found._rewrite(sql)
    answers = []
    samples = [
        found.reader._execute_ast(subquery) for _ in range(min(SAMPLES, job["trials"]))
    ]
    for trial in range(job["trials"]):
        rows = found.execute(sql, pre_aggregated=list(samples[trial % len(samples)]))
        answers.append(dict(map(cells(job), rows[1:])))
    print(json.dumps({"answers": answers, "per_column": [epsilon, delta]}))


main()
