"""Releases made by hand: charts and pages need no database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dpquery.results import Amount, Interval, Price, Release

if TYPE_CHECKING:
    from collections.abc import Callable


def around(values: list[Any], half: float) -> list[Interval | None]:
    """Return intervals of one width; NULL has none."""
    return [None if v is None else Interval(v - half, v + half) for v in values]


def release(
    columns: tuple[str, ...],
    rows: list[tuple[Any, ...]],
    bars: dict[str, list[Interval | None]] | float | None = None,
    *,
    counts: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    replayed: bool = False,
) -> Release:
    """Return a release; a number for *bars* is the half width of the last column."""
    if isinstance(bars, int | float):
        bars = {columns[-1]: around([row[-1] for row in rows], bars)}
    known = bars or {}
    return Release(
        id="r_1",
        columns=columns,
        rows=rows,
        price=Price(0.2, 1e-10, 0.0011),
        remaining=Amount(2.8, 9e-7),
        replayed=replayed,
        notes=list(notes),
        noisy=tuple(known),
        explanation="",
        _intervals=lambda _: known,
        counts=counts,
    )


@pytest.fixture
def made() -> Callable[..., Release]:
    return release
