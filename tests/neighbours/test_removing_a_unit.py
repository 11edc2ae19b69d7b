"""Random databases and questions: remove one unit, and compare (theory.md 6.1)."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, note, settings

from dpquery.errors import QueryRefused
from dpquery.plan.program import BoundingMode

from .examples import examples
from .removal import check_removals, plan

if TYPE_CHECKING:
    import duckdb

    from .removal import Example

ZERO = Fraction(0)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def remove_at_random(
    connection: duckdb.DuckDBPyConnection, mode: BoundingMode, norm: int, count: int
) -> None:
    """Check *count* examples; most must be answered, and some reach 0.9 Δ."""
    reached: list[Fraction] = []
    refused = 0

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=SLOW,
    )
    @given(example=examples(mode, norm))
    def check(example: Example) -> None:
        nonlocal refused
        note(f"{example}")
        try:
            step = plan(example)
        except QueryRefused:
            refused += 1
            return
        reached.append(max(check_removals(connection, example, step), default=ZERO))

    check()
    assert refused < count / 5
    assert sum(share > 0 for share in reached) > count / 3  # most are about somebody
    assert max(reached) > Fraction(9, 10) ** norm


@pytest.mark.parametrize("norm", [2, 1])
@pytest.mark.parametrize("mode", BoundingMode)
def test_a_unit_more_or_less(
    connection: duckdb.DuckDBPyConnection, mode: BoundingMode, norm: int
) -> None:
    remove_at_random(connection, mode, norm, 80)


@pytest.mark.long
@pytest.mark.parametrize("norm", [2, 1])
@pytest.mark.parametrize("mode", BoundingMode)
def test_a_unit_more_or_less_in_many_databases(
    connection: duckdb.DuckDBPyConnection, mode: BoundingMode, norm: int
) -> None:
    remove_at_random(connection, mode, norm, 5_000)
