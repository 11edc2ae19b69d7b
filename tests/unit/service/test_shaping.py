"""Answers made non-negative or monotone, on request: free, told apart, and said."""

from __future__ import annotations

import datetime as dt
from itertools import accumulate, cycle
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.errors import QueryRefused
from dpquery.kernel import measurement
from dpquery.noise.calibration import Additive
from dpquery.service import Service

from .test_release_store import DATA, POLICY, spent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = """
CREATE TABLE visits (id BIGINT, day DATE, a VARCHAR, cost DOUBLE, gain DOUBLE);
INSERT INTO visits SELECT i, DATE '2026-01-01' + CAST(i % 30 AS INTEGER) * 3,
  ['x', 'y'][1 + i % 2], 1, -1 FROM range(20) AS r(i);
"""
VISITS = """\
  visits:
    privacy_unit_column: id
    key: id
    columns:
      day: {bounds: [2026-01-01, 2026-03-31]}
      a: {values: [x, y]}
      cost: {bounds: [0, 10]}
      gain: {bounds: [-10, 10]}
"""
BY_DAY = "SELECT day, COUNT(*) AS n, SUM(cost) AS s FROM visits GROUP BY day"
RUNNING = "SELECT day, a, COUNT(*) AS n FROM visits GROUP BY day, a"
CELLS = "SELECT a, b, c, COUNT(*) AS n FROM people WHERE age = 7 GROUP BY a, b, c"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with duckdb.connect(tmp_path / "shop.duckdb") as database:
        database.execute(DATA + DAYS)
    policy = POLICY.replace("budget:", f"{VISITS}budget:")
    (tmp_path / "shop.yaml").write_text(policy)
    with Service.open(tmp_path / "shop.yaml") as opened:
        yield opened


@pytest.fixture
def known_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the same noise each time, of both signs and of a sum above zero."""

    def measured(noise: Additive, exact: list[int], _: object) -> list[int]:
        times = cycle((1.5, -1.0, 0.5, -0.7, 2.0))
        return [x + round(noise.scale * next(times)) for x in exact]

    monkeypatch.setattr(measurement, "measure", measured)


def test_cells_are_not_negative_and_their_total_stays(service: Service) -> None:
    session = service.session("alice")
    raw = session.query(BY_DAY)
    found = session.query(BY_DAY, nonnegative=True)
    assert min(row[1] for row in raw.rows) < 0
    for at in (1, 2):
        cells = [row[at] for row in found.rows]
        assert min(cells) >= 0
        total = max(0, sum(row[at] for row in raw.rows))
        assert sum(cells) == pytest.approx(total, abs=1e-6)
    assert all(type(row[1]) is int for row in found.rows)
    assert any("non-negative" in note for note in found.notes)
    assert not any("non-negative" in note for note in raw.notes)


@pytest.mark.usefixtures("known_noise")
def test_it_is_free_for_a_known_answer(service: Service) -> None:
    """The measurement is the same; the answers are two, and each is given again."""
    session = service.session("alice")
    raw = session.query(BY_DAY)
    before = spent(service)
    assert session.price(BY_DAY, nonnegative=True).rho == 0
    shaped = session.query(BY_DAY, nonnegative=True)
    running = session.query(BY_DAY, monotone=True)
    assert spent(service) == before
    assert shaped.price.epsilon == running.price.epsilon == 0
    assert shaped.rows != raw.rows
    assert running.rows not in (raw.rows, shaped.rows)
    for options, release in (
        ({}, raw),
        ({"nonnegative": True}, shaped),
        ({"monotone": True}, running),
    ):
        again = session.query(BY_DAY, **options)
        assert again.replayed
        assert again.rows == release.rows
        assert again.intervals() == release.intervals()


def test_asked_first_with_it_and_then_without(service: Service) -> None:
    session = service.session("alice")
    session.query(BY_DAY, nonnegative=True)
    before = spent(service)
    assert min(row[1] for row in session.query(BY_DAY).rows) < 0
    assert spent(service) == before


def test_intervals_are_the_raw_ones_from_zero_on(service: Service) -> None:
    session = service.session("alice")
    raw, found = session.query(BY_DAY), session.query(BY_DAY, nonnegative=True)
    for name in ("n", "s"):
        bars = zip(raw.intervals()[name], found.intervals()[name], strict=True)
        for one, other in bars:
            assert other == (max(0, one.low), max(0, one.high))


def test_running_totals_never_fall(service: Service) -> None:
    """For each of the other keys, in the order of the days."""
    session = service.session("alice")
    found = session.query(RUNNING, monotone=True)
    for a in "xy":
        days = sorted(row for row in found.rows if row[1] == a)
        cells = [row[2] for row in days]
        assert min(cells) >= 0
        assert isinstance(days[0][0], dt.date)
        sql = (
            f"SELECT day, SUM(n) OVER (PARTITION BY a ORDER BY day) AS t "
            f"FROM ({RUNNING}) WHERE a = '{a}' ORDER BY day"
        )
        above = session.query(sql, monotone=True)
        assert above.price.epsilon == 0
        assert [row[1] for row in above.rows] == list(accumulate(cells))


def test_levels_still_add_up(service: Service) -> None:
    """Each group's cells are projected onto what was made of the group itself."""
    sql = "SELECT a, c, COUNT(*) AS n FROM people WHERE age = 7 GROUP BY ROLLUP (a, c)"
    session = service.session("alice")
    found = {row[:2]: row[2] for row in session.query(sql, nonnegative=True).rows}
    assert min(found.values()) >= 0
    for a in "xy":
        assert sum(found[a, c] for c in (1, 2, 3, 4)) == found[a, None]
    assert found["x", None] + found["y", None] == found[None, None]


@pytest.mark.parametrize("level", ["ROLLUP", "CUBE"])
def test_levels_are_made_of_the_same_measurements(service: Service, level: str) -> None:
    """Where nothing is negative, nothing changes: by a and b, of 5,000 people."""
    sql = f"SELECT a, b, COUNT(*) AS n FROM people GROUP BY {level} (a, b)"
    session = service.session("alice")
    raw = session.query(sql)
    assert session.query(sql, nonnegative=True).rows == raw.rows


@pytest.mark.parametrize(
    ("sql", "options"),
    [
        ("SELECT a, AVG(age) FROM people GROUP BY a", {"nonnegative": True}),
        ("SELECT a, SUM(gain) FROM visits GROUP BY a", {"nonnegative": True}),
        ("SELECT a, COUNT(*) FROM people GROUP BY a", {"monotone": True}),
        (
            "SELECT c, age, COUNT(*) FROM people GROUP BY c, age",
            {"monotone": True},
        ),
    ],
)
def test_nothing_to_shape_is_refused(
    service: Service, sql: str, options: dict[str, bool]
) -> None:
    with pytest.raises(QueryRefused) as refused:
        service.session("alice").query(sql, **options)
    assert refused.value.code == "DPQ428"
    assert spent(service) == 0


def test_averages_are_as_measured(service: Service) -> None:
    sql = "SELECT a, COUNT(*) AS n, AVG(age) AS m FROM people WHERE age = 7 GROUP BY a"
    session = service.session("alice")
    raw, found = session.query(sql), session.query(sql, nonnegative=True)
    assert [row[2] for row in raw.rows] == [row[2] for row in found.rows]
    assert min(row[3] for row in session.query(CELLS, nonnegative=True).rows) >= 0
