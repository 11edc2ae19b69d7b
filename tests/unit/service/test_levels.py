"""Levels of ROLLUP and CUBE: they add up, and are as good as least squares says."""

from __future__ import annotations

import math
from itertools import count, product
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from dpquery.kernel import measurement
from dpquery.service import Service

from .test_release_store import DATA, POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dpquery.results import Release

    Ask = Callable[..., Release]

ROLLUP = "SELECT a, b, COUNT(*) AS n FROM people GROUP BY ROLLUP (a, b)"
CUBE = "SELECT a, b, COUNT(*) AS n FROM people GROUP BY CUBE (a, b)"
ADDED, APART = "they add up, but for rounding", "need not add up"


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Ask one question of a service with a ledger of its own."""
    with duckdb.connect(tmp_path / "shop.duckdb") as database:
        database.execute(DATA)
    numbers, opened = count(), []

    def one(sql: str, *before: str, epsilon: float = 0.2) -> Release:
        policy = tmp_path / "shop.yaml"
        policy.write_text(f"{POLICY}ledger: {next(numbers)}.ledger\n")
        service = Service.open(policy)
        opened.append(service)
        for each in before:
            service.session("bob").query(each, epsilon=epsilon)
        return service.session("alice").query(sql, epsilon=epsilon)

    yield one
    for service in opened:
        service.close()


def cells(release: Release) -> dict[tuple[Any, ...], int]:
    return {row[:-1]: row[-1] for row in release.rows}


def halves(release: Release, column: str = "n") -> dict[tuple[Any, ...], float]:
    bars = release.intervals()[column]
    return {
        row[:2]: (bar.high - bar.low) / 2
        for row, bar in zip(release.rows, bars, strict=True)
        if bar is not None
    }


def test_rollup_adds_up_exactly(ask: Ask) -> None:
    """In whole numbers too, at every level, however small ε is."""
    for epsilon in (0.05, 1.0):
        found = cells(ask(ROLLUP, epsilon=epsilon))
        for a in "xy":
            assert sum(found[a, b] for b in "pqr") == found[a, None]
        assert found["x", None] + found["y", None] == found[None, None]


def test_cube_adds_up_but_for_rounding(ask: Ask) -> None:
    release = ask(CUBE)
    found = cells(release)
    for b in "pqr":
        assert abs(found["x", b] + found["y", b] - found[None, b]) <= 2
    assert (
        abs(sum(found[a, b] for a, b in product("xy", "pqr")) - found[None, None]) < 5
    )
    assert any(ADDED in note for note in release.notes)
    assert not any(APART in note for note in release.notes)


def test_averages_and_sums_are_of_what_adds_up(ask: Ask) -> None:
    sql = "SELECT a, SUM(age) AS s, AVG(age) AS m FROM people GROUP BY ROLLUP (a)"
    found = {row[0]: row[1:] for row in ask(sql).rows}
    assert found["x"][0] + found["y"][0] == found[None][0]


IMPULSE = 10**9


def impulse(monkeypatch: pytest.MonkeyPatch, at: int | None) -> None:
    """Let the noise of one cell be large, and all others be none."""
    drawn = count()

    def measure(_noise: object, exact: list[int], _loss: object) -> list[int]:
        return [value + (IMPULSE if next(drawn) == at else 0) for value in exact]

    monkeypatch.setattr(measurement, "measure", measure)


def test_levels_are_least_squares(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is that of the normal equations, as are the error bars."""
    numpy = pytest.importorskip("numpy")
    impulse(monkeypatch, None)
    release = ask(ROLLUP)
    order, base = list(cells(release)), cells(release)
    assert sum(base.values()) == 3 * 5000
    # rows of the design are cells in the order in which they are measured
    fine = list(product("xy", "pqr"))
    design = numpy.array(
        [
            *([float(cell == other) for other in fine] for cell in fine),
            *([float(a == other[0]) for other in fine] for a in "xy"),
            [1.0] * 6,
        ]
    )
    best = design @ numpy.linalg.inv(design.T @ design) @ design.T
    places = [*fine, ("x", None), ("y", None), (None, None)]
    for at in (0, 7, 8):  # one of each level: the others are alike
        impulse(monkeypatch, at)
        moved = cells(ask(ROLLUP))
        for row, place in enumerate(places):
            slope = (moved[place] - base[place]) * 1024 / IMPULSE
            assert slope == pytest.approx(best[row, at], abs=1e-5)
    impulse(monkeypatch, None)
    single = halves(ask("SELECT COUNT(*) AS n FROM people", epsilon=0.2))
    bars = halves(release)
    assert set(bars) == set(order)
    # three levels share the loss, so that one alone has the square root of 3 of it
    alone = next(iter(single.values())) * math.sqrt(3)
    for row, place in enumerate(places):
        expected = alone * math.sqrt(best[row, row])
        assert bars[place] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("sql", "note"),
    [
        (ROLLUP, ADDED),
        # units of several groups are counted in each; NULLs and towns have no group
        ("SELECT a, COUNT(DISTINCT c) FROM people GROUP BY ROLLUP (a)", APART),
        ("SELECT maybe, COUNT(*) FROM people GROUP BY ROLLUP (maybe)", APART),
        ("SELECT a, MEDIAN(age) FROM people GROUP BY ROLLUP (a)", APART),
        ("SELECT a, town, COUNT(*) FROM people GROUP BY ROLLUP (a, town)", APART),
        ("SELECT a, COUNT(*) FROM people GROUP BY a", None),
    ],
)
def test_what_is_said(ask: Ask, sql: str, note: str | None) -> None:
    said = [n for n in ask(sql).notes if ADDED in n or APART in n]
    assert bool(said) is (note is not None)
    assert note is None or any(note in each for each in said)


def test_shares_of_a_total_know_of_each_other(ask: Ask) -> None:
    """Not only levels of one SELECT."""
    sql = (
        "SELECT a, COUNT(*) AS n, (SELECT COUNT(*) FROM people) AS t"
        " FROM people GROUP BY a"
    )
    (_, x, t), (_, y, _) = ask(sql).rows
    assert x + y == t


def test_earlier_answers_are_counted_once(ask: Ask) -> None:
    """Levels that were made of one table are no two readings of it."""
    by_cells = "SELECT a, b, COUNT(*) AS n FROM people GROUP BY a, b"
    release = ask(ROLLUP, by_cells, epsilon=0.2)
    found = cells(release)
    for a in "xy":
        assert sum(found[a, b] for b in "pqr") == found[a, None]
    bars, alone = halves(release), halves(ask(by_cells, epsilon=0.2))
    assert bars["x", "p"] <= alone["x", "p"] * 1.0001
    assert bars[None, None] <= alone["x", "p"] * math.sqrt(6) * 1.0001
