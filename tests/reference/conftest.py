"""One service and one plain database for each sample."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.service import Service, Session

from .scenarios import loose_policy, owned_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Ask = Callable[[str], Session]
Plain = Callable[[str], duckdb.DuckDBPyConnection]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Ask]:
    """Return alice's session at a sample under its loose policy, nothing spent."""
    with ExitStack() as stack:

        def open_session(scenario: str) -> Session:
            path = loose_policy(scenario, tmp_path)
            return stack.enter_context(Service.open(path)).session("alice")

        yield open_session


@pytest.fixture(scope="module")
def plain() -> Iterator[Plain]:
    """Return a plain database with a sample's owned rows."""
    with ExitStack() as stack:
        yield cache(lambda scenario: stack.enter_context(owned_rows(scenario)))
