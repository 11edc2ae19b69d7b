"""Databases in memory that compute what a locked one would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.lockdown import PINNED
from dpquery.errors import QueryRefused

from .designs import problem
from .worlds import Worlds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .designs import Design, Noticed


@pytest.fixture(scope="session")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    settings = {**PINNED, "threads": 1, "preserve_insertion_order": False}
    with duckdb.connect(config=settings) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


@pytest.fixture(scope="session")
def worlds(connection: duckdb.DuckDBPyConnection) -> Worlds:
    return Worlds(connection)


@pytest.fixture
def noticed(connection: duckdb.DuckDBPyConnection, worlds: Worlds) -> Noticed:
    """Return what is noticed in the broken pipeline; the sound one has to pass."""

    def check(of: Design, break_it: Callable[[], None]) -> str:
        assert not problem(connection, worlds, of)
        break_it()
        return problem(connection, worlds, of)

    return check


@pytest.fixture
def accepted(connection: duckdb.DuckDBPyConnection, worlds: Worlds) -> Noticed:
    """Return what is noticed once a question that was refused is answered."""

    def check(of: Design, break_it: Callable[[], None]) -> str:
        with pytest.raises(QueryRefused):
            of.program()
        break_it()
        return problem(connection, worlds, of)

    return check
