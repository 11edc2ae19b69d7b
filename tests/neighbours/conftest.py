"""A database in memory that computes what a locked one would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.lockdown import PINNED

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    settings = {**PINNED, "threads": 2, "preserve_insertion_order": False}
    with duckdb.connect(config=settings) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened
