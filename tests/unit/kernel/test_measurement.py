"""Exact rows become noisy groups: which are shown, in which order, what stops it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.engines.sealed import Sealed
from dpquery.kernel import measurement
from dpquery.kernel.measurement import measured, statements_of

from .conftest import EXACT, TERMS

if TYPE_CHECKING:
    import duckdb

    from dpquery.sql.lowering.lower import EngineSQL

    from .conftest import Measure, Price, Rows


def given(
    price: Price,
    sql: str,
    rows: list[Rows],
    terms: Any = EXACT,  # noqa: ANN401 -- terms
) -> list[measurement.Group]:
    """Measure a query whose statements the engine answers with *rows*, one by one."""
    (step,) = price(sql, terms).steps
    answers = iter(rows)
    return measured(step, statements_of(step.step), lambda _: Sealed(next(answers)))


@pytest.mark.usefixtures("no_noise")
def test_rows_are_in_the_order_of_their_keys_null_last(
    measure: Measure, orders: duckdb.DuckDBPyConnection
) -> None:
    """Never in one in which the engine read them."""
    orders.execute(
        "INSERT INTO orders (order_id, customer_id, note, kind) SELECT n, n,"
        " ['b', NULL, 'a', 'c'][1 + n % 4], ['y', 'x', NULL][1 + n % 3]"
        " FROM range(240) AS r(n) ORDER BY hash(n)"
    )
    found = [
        g.keys for g in measure("SELECT note, kind, COUNT(*) FROM orders GROUP BY 1, 2")
    ]
    notes, kinds = ("a", "b", "c", None), ("x", "y", None)
    assert found == [(note, kind) for note in notes for kind in kinds]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        # a group that is there twice has twice its sensitivity
        (
            "SELECT status, COUNT(*) FROM orders GROUP BY status",
            [[("open", 5), ("open", 7)]],
        ),
        (
            "SELECT status, COUNT(DISTINCT note) FROM orders GROUP BY status",
            [[("open",), ("paid",)], [("open", 5), ("open", 7)]],
        ),
        ("SELECT MEDIAN(amount) FROM orders", [[(5,)], [(3, 1), (3, 2)]]),
    ],
)
@pytest.mark.usefixtures("no_noise")
def test_what_comes_twice_stops_the_release(
    price: Price, sql: str, rows: list[Rows]
) -> None:
    with pytest.raises(RuntimeError, match="other rows"):
        given(price, sql, rows)


def test_more_groups_than_a_release_may_have(
    price: Price, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "MAX_GROUPS", 2)
    with pytest.raises(RuntimeError, match="other rows"):
        given(
            price,
            "SELECT note, COUNT(*) FROM orders GROUP BY note",
            [[(name, 9, 9) for name in "abc"]],
        )


# --- which groups are shown -------------------------------------------------------


@pytest.mark.usefixtures("no_noise")
def test_withheld_groups_are_those_below_the_threshold(price: Price) -> None:
    sql = "SELECT note, COUNT(*) FROM orders GROUP BY note"
    (step,) = price(sql, TERMS).steps
    least = step.threshold
    assert least is not None
    rows = [("a", least - 1, 10), ("b", least, 20), ("c", least + 1, 30)]
    found = given(price, sql, [rows], TERMS)
    assert [group.keys for group in found] == [("b",), ("c",)]


@pytest.mark.usefixtures("no_noise")
def test_public_groups_are_shown_whatever_they_hold(price: Price) -> None:
    sql = "SELECT status, COUNT(*) FROM orders GROUP BY status"
    found = given(price, sql, [[("open", 0), ("paid", -99)]], TERMS)
    assert [group.keys for group in found] == [("open",), ("paid",)]


@pytest.mark.parametrize("terms", [EXACT, TERMS])
@pytest.mark.usefixtures("no_noise")
def test_distinct_public_keys_are_shown_where_a_row_is_clearly_there(
    price: Price,
    terms: Any,  # noqa: ANN401 -- terms
) -> None:
    sql = "SELECT DISTINCT status FROM orders"
    (step,) = price(sql, terms).steps
    units = step.step.moments[0]
    _, noise = step.noise_of(units.moment)
    least = max(units.steps / 2, measurement.ONE_IN_TWENTY * noise.std)
    rows = [("open", int(least) + 1), ("paid", int(least) - 1)]
    groups = given(price, sql, [rows], terms)
    assert [g.keys for g in measurement.visible(step, groups)] == [("open",)]
    assert step.threshold is None  # no δ is spent: the keys are public


@pytest.mark.usefixtures("no_noise")
def test_keys_of_public_tables_are_read_and_no_private_row(
    price: Price, orders: duckdb.DuckDBPyConnection
) -> None:
    orders.execute("INSERT INTO products VALUES (1, 'a', 1), (2, 'b', 2)")
    (step,) = price("SELECT kind, COUNT(DISTINCT note) FROM orders GROUP BY 1").steps
    sums = statements_of(step.step).sums
    assert sums is not None
    assert "orders" not in sums.tables
    assert sorted(orders.execute(sums.text).fetchall()) == [("a",), ("b",)]


# --- choices ----------------------------------------------------------------------


def test_values_are_chosen_for_the_groups_that_are_shown_only(
    price: Price, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which groups are shown is known from what is noisy, before a value is chosen."""
    asked: list[int] = []

    def ranked(_step: object, _choice: object, histograms: list[object]) -> list[int]:
        asked.append(len(histograms))
        return [0] * len(histograms)

    monkeypatch.setattr(measurement, "ranked", ranked)
    monkeypatch.setattr(
        measurement, "measure", lambda _noise, exact, _loss: list(exact)
    )
    sql = "SELECT note, MEDIAN(amount) FROM orders GROUP BY note"
    (step,) = price(sql, TERMS).steps
    least = step.threshold
    assert least is not None
    many = [("a", 1, 1), ("b", least + 5, 5), ("c", least + 9, 5)]
    bins = [("a", 3, 7), ("b", 3, 7), ("c", 4, 7)]
    found = given(price, sql, [many, bins], TERMS)
    assert asked == [2, 2, 2]  # the value, and the ends of its interval
    assert [group.keys for group in found] == [("b",), ("c",)]


def test_noise_is_drawn_for_all_groups_before_any_is_looked_at(
    price: Price, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def measure(_noise: object, exact: list[int], _loss: object) -> list[int]:
        drawn.append(len(exact))
        return list(exact)

    monkeypatch.setattr(measurement, "measure", measure)
    sql = "SELECT note, COUNT(*) FROM orders GROUP BY note"
    given(price, sql, [[(name, 1, 1) for name in "abcdef"]], TERMS)
    assert drawn == [6, 6]  # units and rows, of groups that are then withheld


def test_a_vector_is_drawn_at_once(
    price: Price, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def measure(_noise: object, exact: list[int], _loss: object) -> list[int]:
        sizes.append(len(exact))
        return list(exact)

    monkeypatch.setattr(measurement, "measure", measure)
    cells = "COUNT_IF(amount < 1), COUNT_IF(amount >= 1 AND amount < 2)"
    sql = f"SELECT status, {cells} FROM orders GROUP BY status"
    groups = given(price, sql, [[("open", 1, 2), ("paid", 3, 4)]])
    assert sizes == [4]
    drawn = [[r.terms[0][1].value for r in g.readings.values()] for g in groups]
    assert drawn == [[1, 2], [3, 4]]


def test_statements_are_those_of_the_release(price: Price) -> None:
    (step,) = price(
        "SELECT COUNT(*), COUNT(DISTINCT note), MEDIAN(amount) FROM orders"
    ).steps
    statements = statements_of(step.step)
    assert len(statements.all) == 3
    (none,) = price("SELECT COUNT(DISTINCT note) FROM orders").steps
    assert statements_of(none.step).sums is None


Ask = Callable[["EngineSQL"], Sealed]
