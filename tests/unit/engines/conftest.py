"""A small private database for the engine's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.base import Limits
from dpquery.engines.duckdb import DuckDBEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMITS = Limits(memory="200MB", threads=2, seconds=20)


@pytest.fixture
def limits() -> Limits:
    return LIMITS


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    path = tmp_path / "clinic.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute(
            "CREATE TABLE visits AS SELECT range AS visit_id, range % 7 AS patient_id,"
            " 'ward ' || (range % 3) AS ward, range::DECIMAL(9,2) AS cost"
            " FROM range(1000);"
            "CREATE TABLE regions (name VARCHAR NOT NULL, __hidden INTEGER);"
            "CREATE TABLE __secret (a INTEGER);"
            "CREATE VIEW dear AS SELECT visit_id FROM visits WHERE cost > 10;"
        )
    return path


@pytest.fixture
def engine(clinic: Path) -> Iterator[DuckDBEngine]:
    opened = DuckDBEngine.open(clinic, LIMITS)
    yield opened
    opened.close()
