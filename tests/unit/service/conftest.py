"""A small hospital whose policy and data a test can change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from dpquery.service import Service

POLICY = """\
version: 1
name: ward
source: {duckdb: ward.duckdb}
privacy_unit: patient
tables:
  patients:
    privacy_unit_column: id
    key: id
    columns: {sex: {values: [f, m]}, age: {bounds: [0, 120]}, seen: {}}
  visits:
    references: {id: patients.id}
    max_rows_per_unit: 100
    columns: {cost: {bounds: [0, 100]}}
budget: {epsilon: 4, delta: 1e-6}
analysts:
  alice: {epsilon: 1}
  bob: {epsilon: 4, max_epsilon_per_query: 0.5}
"""

DATA = """
CREATE TABLE patients AS
  SELECT i AS id, CASE WHEN i % 3 = 0 THEN 'm' ELSE 'f' END AS sex,
    20 + i % 70 AS age, DATE '2024-01-01' + (i % 2)::INTEGER AS seen
  FROM range(300) AS r(i);
CREATE TABLE visits AS
  SELECT i % 300 AS id, 10.0 AS cost FROM range(900) AS r(i);
"""

Open = Callable[..., Service]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with duckdb.connect(tmp_path / "ward.duckdb") as database:
        database.execute(DATA)
    return tmp_path


@pytest.fixture
def open_ward(folder: Path) -> Iterator[Open]:
    """Open the service, with parts of the policy replaced."""
    opened: list[Service] = []

    def open_service(*replacements: tuple[str, str]) -> Service:
        text = POLICY
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = folder / "ward.yaml"
        path.write_text(text, encoding="utf-8")
        opened.append(Service.open(path))
        return opened[-1]

    yield open_service
    for service in opened:
        service.close()
