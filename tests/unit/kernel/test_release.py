"""A query from its charge to its answer: reserve, measure, compute, settle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.accounting.loss import Definition, Loss
from dpquery.engines.base import Limits
from dpquery.engines.sealed import Sealed
from dpquery.errors import BudgetExceeded, EngineFailure, QueryRefused
from dpquery.kernel.postprocess import open_released
from dpquery.kernel.release import Asked, Backends, release
from dpquery.ledger.records import DATASET
from dpquery.ledger.store import Ledger
from dpquery.noise.intervals import Linear, Ratio
from dpquery.noise.sampled import Ends

from .conftest import EXACT

if TYPE_CHECKING:
    import duckdb

    from dpquery.engines.base import Statement
    from dpquery.engines.released import ReleasedDatabase
    from dpquery.kernel.release import Answer

    from .conftest import Price

LIMITS = Limits(memory="500MB", threads=1, seconds=30)
ROOM = Loss(Definition.ZCDP, 10**40, 10**18)


class Engine:
    """Runs statements on a database, and remembers what the ledger said then."""

    def __init__(self, database: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        self.asked: list[tuple[Statement, int]] = []

    def execute(self, statement: Statement) -> Sealed:
        self.asked.append((statement, self._ledger.spent(DATASET).amount))
        given = dict(statement.parameters) or None
        return Sealed(self._database.execute(statement.sql, given).fetchall())


@pytest.fixture(scope="module")
def database_above() -> Iterator[ReleasedDatabase]:
    database = open_released()
    yield database
    database.close()


@pytest.fixture
def backends(
    orders: duckdb.DuckDBPyConnection, tmp_path: Path, database_above: ReleasedDatabase
) -> Iterator[Backends]:
    orders.execute(
        "INSERT INTO orders (order_id, customer_id, amount, status, express, note)"
        " SELECT"
        " n, n, n % 10, CASE WHEN n % 2 = 0 THEN 'open' ELSE 'paid' END, n < 60,"
        " ['a', 'b', 'c', NULL][1 + n % 4] FROM range(100) AS r(n)"
    )
    ledger = Ledger.open(str(tmp_path / "shop.ledger"), definition=Definition.ZCDP)
    yield Backends(Engine(orders, ledger), ledger, database_above, LIMITS)  # type: ignore[arg-type]
    ledger.close()


Run = Callable[[str], "Answer"]


def asked(limit: Loss = ROOM) -> Asked:
    return Asked("alice", "version 1", limit, limit)


@pytest.fixture
def run(price: Price, backends: Backends) -> Run:
    return lambda sql: release(price(sql, EXACT), asked(), backends)


@pytest.mark.usefixtures("no_noise")
@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT COUNT(*) AS n FROM orders", [(100,)]),
        (
            "SELECT status, COUNT(*) AS n FROM orders GROUP BY status",
            [("open", 50), ("paid", 50)],
        ),
        # releases one after the other, and what is made of them
        (
            (
                "SELECT COUNT(*) FROM orders WHERE amount > (SELECT AVG(amount) FROM"
                " orders)"
            ),
            [(50,)],
        ),
        (
            (
                "SELECT COUNT(*) FROM orders WHERE note IN (SELECT note FROM orders"
                " GROUP BY note HAVING COUNT(*) > 5)"
            ),
            [(75,)],
        ),
        (
            (
                "SELECT COUNT(*) FROM orders WHERE note NOT IN (SELECT note FROM orders"
                " GROUP BY note HAVING COUNT(*) > 5)"
            ),
            [(0,)],
        ),
        (
            (
                "SELECT COUNT(*) FROM orders o JOIN (SELECT status, AVG(amount) AS"
                " mean FROM"
                " orders GROUP BY status) m ON o.status = m.status WHERE o.amount >"
                " m.mean"
            ),
            [(40,)],
        ),
        (
            (
                "SELECT COUNT(*) FROM orders o WHERE amount > (SELECT AVG(w.amount)"
                " FROM"
                " orders AS w WHERE w.status = o.status)"
            ),
            [(40,)],
        ),
        (
            (
                "SELECT a.n - b.n AS more FROM (SELECT COUNT(*) AS n FROM orders) AS a,"
                " (SELECT COUNT(*) AS n FROM orders WHERE express) AS b"
            ),
            [(40,)],
        ),
        (
            (
                "SELECT COUNT(*) FROM orders WHERE express AND amount >= (SELECT"
                " MAX(a) FROM"
                " (SELECT status, AVG(amount) AS a FROM orders GROUP BY status) AS t)"
            ),
            [(30,)],
        ),
        # levels, with their totals
        (
            (
                "SELECT status, COUNT(*) AS n, GROUPING(status) g FROM orders GROUP BY"
                " ROLLUP (status) ORDER BY g, status"
            ),
            [("open", 50, 0), ("paid", 50, 0), (None, 100, 1)],
        ),
    ],
)
def test_answers_without_noise(run: Run, sql: str, rows: list[tuple[Any, ...]]) -> None:
    assert run(sql).published.rows == rows


@pytest.mark.usefixtures("no_noise")
def test_the_charge_is_there_before_any_row_is_read(
    run: Run, backends: Backends, price: Price
) -> None:
    sql = "SELECT COUNT(*) FROM orders WHERE amount > (SELECT AVG(amount) FROM orders)"
    run(sql)
    engine: Any = backends.engine
    assert len(engine.asked) == 2
    charged = price(sql, EXACT).loss.amount
    assert [spent for _, spent in engine.asked] == [charged, charged]


@pytest.mark.usefixtures("no_noise")
def test_answers_are_given_to_later_statements_as_parameters(
    run: Run, backends: Backends
) -> None:
    run("SELECT COUNT(*) FROM orders WHERE amount > (SELECT AVG(amount) FROM orders)")
    engine: Any = backends.engine
    first, second = (statement for statement, _ in engine.asked)
    assert first.parameters == {}
    assert second.parameters == {"i1_c0": [4.5]}
    assert "4.5" not in second.sql


@pytest.mark.usefixtures("no_noise")
def test_the_same_question_is_not_asked_again(run: Run, backends: Backends) -> None:
    sql = "SELECT status, COUNT(*) AS n FROM orders GROUP BY status"
    first = run(sql)
    engine: Any = backends.engine
    before = len(engine.asked), backends.ledger.spent(DATASET)
    again = run(sql)
    assert (again.replayed, again.id) == (True, first.id)
    assert again.published == first.published
    assert (len(engine.asked), backends.ledger.spent(DATASET)) == before


def test_without_budget_no_row_is_read(price: Price, backends: Backends) -> None:
    little = Loss(Definition.ZCDP, 5, 0)
    with pytest.raises(BudgetExceeded):
        release(price("SELECT COUNT(*) FROM orders", EXACT), asked(little), backends)
    engine: Any = backends.engine
    assert engine.asked == []
    assert backends.ledger.spent(DATASET).amount == 0


def test_what_cannot_be_run_above_costs_nothing(run: Run, backends: Backends) -> None:
    with pytest.raises(QueryRefused) as caught:
        run("SELECT no_such_function(COUNT(*)) FROM orders")
    assert caught.value.code == "DPQ141"
    engine: Any = backends.engine
    assert engine.asked == []
    assert backends.ledger.spent(DATASET).amount == 0


@pytest.mark.parametrize("failing", [0, 1])
def test_every_failure_after_the_charge_reads_the_same(
    run: Run, backends: Backends, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """... and the charge stands: whether a query fails can depend on the data."""
    engine: Any = backends.engine
    execute = engine.execute
    calls = iter(range(9))

    def broken(statement: Statement) -> Sealed:
        if next(calls) == failing:
            raise ZeroDivisionError("row 17 of patient 4711")
        return execute(statement)  # type: ignore[no-any-return]

    monkeypatch.setattr(engine, "execute", broken)
    with pytest.raises(EngineFailure) as caught:
        run(
            "SELECT COUNT(*) FROM orders WHERE amount > (SELECT AVG(amount) FROM"
            " orders)"
        )
    assert caught.value.code == "DPQ502"
    assert "4711" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert backends.ledger.spent(DATASET).amount > 0


# --- error bars -------------------------------------------------------------------


@pytest.mark.usefixtures("no_noise")
def test_cells_have_the_estimates_of_their_own_rows(run: Run) -> None:
    answer = run(
        "SELECT status, COUNT(*) AS n, AVG(amount) AS m, MEDIAN(amount) AS q,"
        " COUNT(*) + 1 AS more FROM orders GROUP BY status ORDER BY n, status DESC"
    )
    found = answer.published.estimates
    assert [row[0] for row in answer.published.rows] == ["paid", "open"]
    assert set(found) == {"n", "m", "q"}
    counts = [each.terms[0][1].value for each in found["n"] if isinstance(each, Linear)]
    assert counts == [50 * 1024, 50 * 1024]
    assert all(isinstance(each, Ratio) for each in found["m"])
    # of the paid, odd numbers: their mean is 5; of the open 4
    sums = [
        each.numerator.terms[0][1].value
        for each in found["m"]
        if isinstance(each, Ratio)
    ]
    assert sums[0] > sums[1]
    # of the paid, odd numbers up to 9; of the open, even ones up to 8
    rows = {row[0]: row[3] for row in answer.published.rows}
    for status, each in zip(("paid", "open"), found["q"], strict=True):
        assert isinstance(each, Ends)
        assert each.low <= rows[status] <= each.high
        assert each.high - each.low <= 2


@pytest.mark.usefixtures("no_noise")
def test_cells_of_levels_and_joins(run: Run) -> None:
    rollup = run("SELECT status, COUNT(*) AS n FROM orders GROUP BY ROLLUP (status)")
    of_levels = [
        e.terms[0][1].value
        for e in rollup.published.estimates["n"]
        if isinstance(e, Linear)
    ]
    assert of_levels == [n * 1024 for _, n in rollup.published.rows]
    joined = run(
        "SELECT a.status, b.n AS express FROM (SELECT status, COUNT(*) AS n FROM orders"
        " GROUP BY 1) AS a LEFT JOIN (SELECT status, COUNT(*) AS n FROM orders WHERE"
        " express AND status <> 'paid' GROUP BY 1) AS b ON a.status = b.status"
    )
    (first, second) = joined.published.estimates["express"]
    assert isinstance(first, Linear)
    assert second is None  # no partner, no number
