"""A table of many equal groups: one answer about it is many independent noisy ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from dpquery.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dpquery.results import Interval

GROUPS, PEOPLE = 500, 120
POLICY = f"""\
version: 1
name: crowd
source: {{duckdb: crowd.duckdb}}
privacy_unit: person
tables:
  people:
    privacy_unit_column: id
    key: id
    columns:
      g: {{values: {list(range(GROUPS))}}}
      s: {{values: [a, b]}}
      x: {{bounds: [0, 100]}}
      y: {{bounds: [0, 100]}}
budget: {{epsilon: 1e9, delta: 1e-6}}
query: {{epsilon: 1, max_epsilon: 1e6}}
analysts: {{alice: {{epsilon: 1e9}}}}
"""
DATA = f"""
CREATE TABLE people (id BIGINT, g INTEGER, s VARCHAR, x DOUBLE, y DOUBLE);
INSERT INTO people SELECT i, i // {PEOPLE}, ['a', 'b'][1 + i % 2], (n * 37) % 100,
  (n * 37 % 100 + n * 53 % 60) % 101
FROM (SELECT i, i % {PEOPLE} AS n FROM range({GROUPS * PEOPLE}) AS r(i));
"""


def crowd(folder: Path) -> Service:
    """Return a service for GROUPS groups of PEOPLE people, the same in each."""
    with duckdb.connect(folder / "crowd.duckdb") as database:
        database.execute(DATA)
    (folder / "crowd.yaml").write_text(POLICY)
    return Service.open(folder / "crowd.yaml")


def truth(sql: str) -> float:
    """Return what plain SQL gives in column v; it is the same in every group."""
    with duckdb.connect() as database:
        database.execute(DATA)
        found = database.execute(f"SELECT DISTINCT v FROM ({sql})").fetchall()
    assert max(found)[0] - min(found)[0] <= 1e-9 * abs(max(found)[0])
    return float(found[0][0])


def bars(
    service: Service, sql: str, epsilon: float, answers: int, confidence: float
) -> Iterator[Interval | None]:
    """Yield the intervals of column v of each group, in so many answers."""
    for at in range(answers):
        again = sql.replace("FROM people", f"FROM people WHERE x < {101 + at}")
        answer = service.session("alice").query(again, epsilon=epsilon)
        yield from answer.intervals(confidence)["v"]
