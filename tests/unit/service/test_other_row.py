"""The row of what is withheld: all that is not shown and nothing else, at its price."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.errors import QueryRefused
from dpquery.kernel.other_row import CALLED, SHARE
from dpquery.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dpquery.service import Session

POLICY = """\
version: 1
name: town
source: {duckdb: town.duckdb}
privacy_unit: person
tables:
  trips:
    privacy_unit_column: id
    max_rows_per_unit: 3
    columns:
      town: {}
      code: {}
      day: {}
      fare: {}
      km: {bounds: [0, 100]}
      mode: {values: [bus, tram]}
budget: {epsilon: 1e9, delta: 1e-6}
query: {max_epsilon: 1e9, min_group_units: 20, max_groups_per_unit: 100}
analysts: {alice: {epsilon: 1e9}, bob: {epsilon: 1e9}}
"""
DATA = """
CREATE TABLE trips AS
  SELECT i % 400 AS id,
    CASE WHEN i % 7 = 0 THEN NULL WHEN i % 5 < 3 THEN 'Ürbach ' || i % 5
      ELSE 'hamlet ' || i % 131 END AS town,
    CASE WHEN i % 4 = 0 THEN i % 97 WHEN i % 89 = 1 THEN NULL ELSE i % 3 END AS code,
    DATE '2024-02-28' + CASE WHEN i % 3 = 0 THEN (i % 101)::INTEGER ELSE 1 END AS day,
    CASE WHEN i % 3 = 0 THEN i / 100 ELSE 2.5 END::DECIMAL(9, 2) AS fare,
    (i % 90)::INTEGER AS km, 'bus' AS mode
  FROM range(1200) AS r(i);
"""
EXACT = 1e8
ITEMS = (
    "COUNT(*) AS n, COUNT(DISTINCT id) AS people, SUM(km) AS km, AVG(km) AS mean,"
    " COUNT(DISTINCT code) AS codes, MEDIAN(km) AS middle"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with duckdb.connect(tmp_path / "town.duckdb") as database:
        database.execute(DATA)
    (tmp_path / "town.yaml").write_text(POLICY, encoding="utf-8")
    return tmp_path


@pytest.fixture
def alice(folder: Path) -> Iterator[Session]:
    with Service.open(folder / "town.yaml") as service:
        yield service.session("alice")


def plain(sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as database:
        database.execute(DATA)
        return database.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("keys", "called"),
    [
        ("town", (CALLED,)),
        ("code", (None,)),
        ("day", (None,)),
        ("fare", (None,)),
        ("date_trunc('week', day)", (None,)),
        ("code, town", (None, CALLED)),
        ("upper(town)", (CALLED,)),
        ("code + 1", (None,)),
    ],
)
def test_it_holds_what_is_not_shown_and_nothing_else(
    alice: Session, keys: str, called: tuple[object, ...]
) -> None:
    release = alice.query(
        f"SELECT {keys}, {ITEMS} FROM trips GROUP BY ALL", epsilon=EXACT, other=True
    )
    *shown, other = release.rows
    parts = len(called)
    by = plain(f"SELECT {keys}, COUNT(DISTINCT id) FROM trips GROUP BY ALL")
    big = {row[:parts] for row in by if row[-1] >= 20}
    assert len(big) < len(by)
    assert {row[:parts] for row in shown} == big
    assert other[:parts] == called
    (expected,) = plain(
        f"SELECT {ITEMS} FROM (SELECT *, COUNT(DISTINCT id) OVER (PARTITION BY"
        f" {keys}) AS size FROM trips) WHERE size < 20",
    )
    assert other[parts:] == pytest.approx(expected, rel=1e-3, abs=1.0)


def test_its_numbers_have_their_own_bars(alice: Session) -> None:
    release = alice.query(
        "SELECT town, COUNT(*) AS n FROM trips GROUP BY town", epsilon=100, other=True
    )
    assert release.rows[-1][0] == CALLED
    bars = [each for each in release.intervals()["n"] if each is not None]
    assert len(bars) == len(release.rows)
    *shown, other = (high - low for low, high in bars)
    assert max(shown) == pytest.approx(min(shown))
    # a tenth of the loss, and the whole of it for one measurement, not for two
    assert other == pytest.approx(shown[0] * ((1 - SHARE) / 2 / SHARE) ** 0.5, rel=0.05)


def test_it_is_a_group_like_any_other_above(alice: Session) -> None:
    release = alice.query(
        "SELECT town, 100.0 * COUNT(*) / SUM(COUNT(*)) OVER () AS share FROM trips"
        " GROUP BY town HAVING COUNT(*) > 10 ORDER BY share DESC",
        epsilon=EXACT,
        other=True,
    )
    assert sum(row[1] for row in release.rows) == pytest.approx(100)
    assert CALLED in {row[0] for row in release.rows}


def test_its_price(alice: Session) -> None:
    """It takes a tenth of the ε that is asked, or of what OPTIONS ask."""
    options = "WITH DIFFERENTIAL_PRIVACY OPTIONS (epsilon = 1)"
    for sql in (
        "SELECT town, COUNT(*) FROM trips GROUP BY town",
        f"SELECT {options} code, COUNT(*) FROM trips GROUP BY code",
    ):
        alone = alice.price(sql, epsilon=1)
        price = alice.price(sql, epsilon=1, other=True)
        assert price.rho == pytest.approx(alone.rho, rel=1e-6)
        assert "r1_other: ρ" in price.explanation
        assert "0.1 of the price" in price.explanation
        assert any("10% of the price" in note for note in price.notes)
        # who knows the groups pays for the row alone
        alice.query(sql, epsilon=1)
        more = alice.price(sql, epsilon=1, other=True)
        assert more.rho == pytest.approx(SHARE * (alone.rho or 0), rel=1e-6)
        before = alice.budget().spent.epsilon
        release = alice.query(sql, epsilon=1, other=True)
        assert release.price.rho == pytest.approx(more.rho)
        assert alice.budget().spent.epsilon > before
        # and asking again is free, with the same numbers
        again = alice.query(sql, epsilon=1, other=True)
        assert (again.replayed, again.rows) == (True, release.rows)


@pytest.mark.parametrize("sql", ["SELECT mode, COUNT(*) FROM trips GROUP BY mode"])
def test_where_nothing_is_withheld_there_is_none(alice: Session, sql: str) -> None:
    usual, other = alice.price(sql), alice.price(sql, other=True)
    assert usual.rho == other.rho
    assert "there is no row of what is withheld: no group is" in other.notes
    assert len(alice.query(sql, other=True).rows) == 2


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT DISTINCT town FROM trips",
        "SELECT town, COUNT(*) FROM trips GROUP BY ROLLUP (town)",
        (
            "SELECT a.town, a.n, b.n FROM"
            " (SELECT town, COUNT(*) AS n FROM trips GROUP BY town) AS a,"
            " (SELECT COUNT(*) AS n FROM trips) AS b"
        ),
    ],
)
def test_what_has_no_such_row_is_refused(alice: Session, sql: str) -> None:
    spent = alice.budget().spent
    with pytest.raises(QueryRefused) as refused:
        alice.query(sql, other=True)
    assert refused.value.code == "DPQ145"
    assert refused.value.position is not None
    assert alice.budget().spent == spent
