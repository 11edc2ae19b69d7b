"""What was measured before is used again: for whom, at what price, with what error."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import duckdb
import pytest

import dpquery
from dpquery.ledger.records import DATASET, analyst_scope
from dpquery.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dpquery.results import Release

    Open = Callable[..., Service]

POLICY = """\
version: 1
name: shop
source: {duckdb: shop.duckdb}
privacy_unit: person
tables:
  people:
    privacy_unit_column: id
    key: id
    columns:
      a: {values: [x, y]}
      b: {values: [p, q, r]}
      c: {values: [1, 2, 3, 4]}
      maybe: {values: [u, v]}
      age: {bounds: [0, 120]}
      town: {}
budget: {epsilon: 50, delta: 1e-6}
query: {max_epsilon: 20}
analysts: {alice: {epsilon: 40}, bob: {epsilon: 40}}
"""
DATA = """
CREATE TABLE people (id BIGINT, a VARCHAR NOT NULL, b VARCHAR NOT NULL,
  c INTEGER NOT NULL, maybe VARCHAR, age INTEGER, town VARCHAR);
INSERT INTO people SELECT i, ['x', 'y'][1 + i % 2], ['p', 'q', 'r'][1 + i % 3],
  1 + i % 4, [NULL, 'u', 'v'][1 + i % 3], i % 100, 'town ' || (i % 2)
  FROM range(5000) AS r(i);
"""
BY_A = "SELECT a, COUNT(*) AS n FROM people GROUP BY a"
BY_AB = "SELECT a, b, COUNT(*) AS n FROM people GROUP BY a, b"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with duckdb.connect(tmp_path / "shop.duckdb") as database:
        database.execute(DATA)
    return tmp_path


@pytest.fixture
def open_shop(folder: Path) -> Iterator[Open]:
    opened: list[Service] = []

    def open_it(more: str = "") -> Service:
        (folder / "shop.yaml").write_text(POLICY + more)
        opened.append(Service.open(folder / "shop.yaml"))
        return opened[-1]

    yield open_it
    for service in opened:
        service.close()


def spent(service: Service, scope: str = DATASET) -> int:
    return service.backends.ledger.spent(scope).amount


def half(release: Release, column: str = "n") -> float:
    bar = release.intervals()[column][0]
    assert bar is not None
    return (bar.high - bar.low) / 2


@pytest.mark.parametrize(
    "sql",
    [
        "select P.A as a, count( * ) n from people as P group by p.a",
        "SELECT a, COUNT(1) AS n FROM (SELECT id, a, b FROM people) GROUP BY a",
        "WITH w AS (SELECT * FROM people) SELECT a, COUNT(*) AS n FROM w GROUP BY 1",
        f"{BY_A} ORDER BY n DESC LIMIT 2",
    ],
)
def test_another_spelling_has_the_same_numbers_for_nothing(
    open_shop: Open, sql: str
) -> None:
    service = open_shop()
    session = service.session("alice")
    first, before = session.query(BY_A), spent(service)
    again = session.query(sql)
    assert (spent(service), spent(service, analyst_scope("alice"))) == (before, before)
    assert again.replayed
    assert again.price.rho == 0
    assert sorted(again.rows) == first.rows
    assert half(again) == half(first)


def test_new_arithmetic_on_old_numbers_is_free(open_shop: Open) -> None:
    service = open_shop()
    session = service.session("alice")
    first, before = session.query(BY_A), spent(service)
    share = session.query(f"SELECT a, 100.0 * n / SUM(n) OVER () AS s FROM ({BY_A})")
    total = sum(n for _, n in first.rows)
    assert [s for _, s in share.rows] == [100.0 * n / total for _, n in first.rows]
    assert spent(service) == before
    assert any("nothing new was measured" in note for note in share.notes)


def test_a_better_answer_pays_the_difference(open_shop: Open) -> None:
    service = open_shop()
    session = service.session("alice")
    session.query(BY_A, epsilon=0.5)
    better = session.query(BY_A, epsilon=2.0)
    alone = open_shop(more="ledger: other.ledger\n").session("alice")
    fresh = alone.query(BY_A, epsilon=2.0)
    whole = alone._service.backends.ledger.spent(DATASET).amount
    assert spent(service) == pytest.approx(whole, abs=10)
    assert half(better) == pytest.approx(half(fresh), rel=0.05)
    assert not better.replayed
    # what was first, is what it was
    assert session.query(f"{BY_A} ORDER BY a", epsilon=0.5).price.rho == 0


def test_who_comes_second_pays_and_the_dataset_does_not(open_shop: Open) -> None:
    service = open_shop()
    first, before = service.session("alice").query(BY_A), spent(service)
    theirs = service.session("bob").query(BY_A)
    assert theirs.rows == first.rows
    assert spent(service) == before
    assert spent(service, analyst_scope("bob")) == before
    assert theirs.price.rho == pytest.approx(first.price.rho)
    again = service.session("bob").query(f"{BY_A} ORDER BY 2")
    assert again.price.rho == 0


def test_isolated_analysts_share_nothing(open_shop: Open) -> None:
    service = open_shop("sharing: isolated\n")
    first = service.session("alice").query(BY_A)
    theirs = service.session("bob").query(BY_A)
    assert spent(service) == 2 * spent(service, analyst_scope("bob"))
    assert theirs.rows != first.rows or half(theirs) == half(first)
    assert not any("earlier answers" in note for note in theirs.notes)
    assert service.session("alice").query(f"{BY_A} ORDER BY 1").price.rho == 0


def test_finer_groups_are_added_up(open_shop: Open) -> None:
    service = open_shop()
    session = service.session("alice")
    fine, before = session.query(BY_AB, epsilon=10.0), spent(service)
    coarse = session.query(BY_A, epsilon=0.5)
    assert spent(service) == before
    for value, count in coarse.rows:  # but for rounding: what is shown is whole
        assert abs(count - sum(n for a, _, n in fine.rows if a == value)) <= 2
    assert half(coarse) == pytest.approx(half(fine) * math.sqrt(3), rel=0.05)
    assert any("by other groups" in note for note in coarse.notes)
    ((total,),) = session.query("SELECT COUNT(*) AS n FROM people", epsilon=0.5).rows
    assert abs(total - sum(n for *_, n in fine.rows)) <= 3
    assert spent(service) == before


def test_what_rows_may_not_be_in_is_not_added_up(open_shop: Open) -> None:
    """A list without NULL, of a column that may be NULL, has not all rows."""
    service = open_shop()
    session = service.session("alice")
    session.query("SELECT maybe, COUNT(*) AS n FROM people GROUP BY 1", epsilon=20.0)
    before = spent(service)
    ((count,),) = session.query("SELECT COUNT(*) AS n FROM people", epsilon=5.0).rows
    assert spent(service) > before
    assert abs(count - 5000) < 50


@pytest.mark.parametrize(
    ("fine", "coarse"),
    [
        ("COUNT(DISTINCT id)", "COUNT(DISTINCT id)"),
        ("COUNT(*)", "SUM(age)"),
        ("COUNT(*)", "COUNT(age)"),
        ("COUNT(DISTINCT age)", "COUNT(DISTINCT age)"),
        ("MAX(age)", "MAX(age)"),
    ],
)
def test_what_does_not_add_up_is_measured(
    open_shop: Open, fine: str, coarse: str
) -> None:
    service = open_shop()
    session = service.session("alice")
    session.query(f"SELECT a, b, {fine} AS n FROM people GROUP BY a, b", epsilon=20.0)
    before = spent(service)
    session.query(f"SELECT a, {coarse} AS n FROM people GROUP BY a", epsilon=1.0)
    assert spent(service) > before


def test_other_rows_are_another_question(open_shop: Open) -> None:
    service = open_shop()
    session = service.session("alice")
    session.query(BY_A)
    before = spent(service)
    session.query("SELECT a, COUNT(*) AS n FROM people WHERE age < 50 GROUP BY a")
    assert spent(service) == 2 * before


def test_unknown_groups_are_used_again_as_a_whole(open_shop: Open) -> None:
    service = open_shop()
    session = service.session("alice")
    sql = "SELECT town, COUNT(*) AS n FROM people GROUP BY town"
    first, before = session.query(sql, epsilon=2.0), spent(service)
    again = session.query(f"SELECT n * 2 AS n, town FROM ({sql})", epsilon=1.0)
    assert [(t, n // 2) for n, t in again.rows] == first.rows
    assert spent(service) == before
    session.query(sql, epsilon=3.0)  # better: measured anew, and in full
    assert spent(service) > 2 * before


def test_a_median_is_chosen_once(open_shop: Open) -> None:
    service = open_shop()
    session = service.session("alice")
    first = session.query("SELECT MEDIAN(age) AS m FROM people", epsilon=2.0)
    before = spent(service)
    again = session.query("SELECT MEDIAN(age) + 1 AS m FROM people", epsilon=1.0)
    assert again.rows == [(first.rows[0][0] + 1,)]
    assert spent(service) == before


def test_new_data_has_new_answers_and_old_ones_on_request(
    open_shop: Open, folder: Path
) -> None:
    service = open_shop()
    session = service.session("alice")
    first, before = session.query(BY_A, epsilon=5.0), spent(service)
    service.close()
    with duckdb.connect(folder / "shop.duckdb") as database:
        database.execute("DELETE FROM people WHERE a = 'x'")
    service = open_shop()
    session = service.session("alice")
    fresh = session.query(BY_A, epsilon=5.0)
    assert spent(service) == 2 * before
    assert not fresh.replayed
    assert fresh.rows[0][1] < first.rows[0][1] - 1000
    old = session.query(BY_A, epsilon=5.0, as_of="2999")
    assert old.rows == fresh.rows
    assert spent(service) == 2 * before
    assert old.notes[0].startswith("as of ")
    with pytest.raises(dpquery.ConfigError) as refusal:
        session.query(BY_A, epsilon=5.0, as_of="2001-01-01")
    assert refusal.value.code == "DPQ416"


def test_the_owner_may_name_the_data(open_shop: Open, folder: Path) -> None:
    service = open_shop("data_version: march\n")
    first = service.session("alice").query(BY_A)
    service.close()
    with duckdb.connect(folder / "shop.duckdb") as database:
        database.execute("CREATE TABLE other (i INTEGER)")  # another file, by its time
    again = open_shop("data_version: march\n").session("alice").query(BY_A)
    assert (again.replayed, again.rows) == (True, first.rows)
    later = open_shop("data_version: april\n").session("alice").query(BY_A)
    assert not later.replayed


def test_pure_dp_uses_what_is_good_enough(folder: Path) -> None:
    text = POLICY.replace(", delta: 1e-6", "")
    (folder / "shop.yaml").write_text(text)
    with Service.open(folder / "shop.yaml") as service:
        session = service.session("alice")
        session.query(BY_A, epsilon=1.0)
        before = spent(service)
        session.query(f"{BY_A} ORDER BY n", epsilon=0.5)
        assert spent(service) == before
        session.query(BY_A, epsilon=2.0)  # losses of Laplace noise do not merge
        assert spent(service) == 3 * before


def test_constants_are_left_out_of_the_audit_on_request(open_shop: Open) -> None:
    service = open_shop("audit: {literals: redact}\n")
    session = service.session("alice")
    session.query("SELECT COUNT(*) FROM people WHERE town = 'Ulm' AND age > 41")
    (entry,) = session.history()
    assert "Ulm" not in entry.sql
    assert "41" not in entry.sql
    assert entry.sql.startswith("SELECT COUNT")
