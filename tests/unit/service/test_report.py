"""The owner's view: accounts, tables, days, forecasts."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from dpquery.accounting.accountant import Promise
from dpquery.accounting.loss import Definition, Loss
from dpquery.ledger.records import Charge, Debit, block_scope
from dpquery.ledger.spending import Spending
from dpquery.results import Forecast
from dpquery.service.report import forecast

from .conftest import Open

COUNT = "SELECT COUNT(*) AS n FROM patients"
NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
EPOCHS = """\
epochs:
  column: patients.seen
  every: month
  PRIVACY
  budget: {epsilon: 1, delta: 1e-6}
"""


def zcdp(amount: int, delta: int = 0) -> Loss:
    return Loss(Definition.ZCDP, amount, delta)


def spending(first: dt.timedelta | None, week: int, delta: int = 0) -> Spending:
    return Spending(
        now=NOW,
        first=None if first is None else NOW - first,
        balances={},
        week={"dataset": zcdp(week, delta)} if week or delta else {},
        tables={},
        days={},
        usual=None,
    )


@pytest.mark.parametrize(
    ("first", "week", "left", "days", "over"),
    [
        (30 * DAY, 700, 900, 9.0, 7),
        (4 * DAY, 400, 900, 9.0, 4),
        (7 * DAY, 700, 50, 0.5, 7),
        (30 * DAY, 0, 900, None, 7),
        (30 * DAY, 700, 0, 0.0, 7),
        (30 * DAY, 0, 0, 0.0, 7),
    ],
)
def test_forecasts(
    first: dt.timedelta, week: int, left: int, days: float | None, over: int
) -> None:
    found = forecast(spending(first, week), "dataset", zcdp(left, 10))
    assert found == Forecast(days, over)


def test_a_forecast_looks_at_delta_too() -> None:
    found = forecast(spending(30 * DAY, 7, 70), "dataset", zcdp(10**6, 100))
    assert found == Forecast(10.0, 7)


@pytest.mark.parametrize("first", [None, 0 * DAY, 2 * DAY - dt.timedelta(seconds=1)])
def test_no_forecast_before_two_days(first: dt.timedelta | None) -> None:
    assert forecast(spending(first, 700), "dataset", zcdp(900)) is None
    assert forecast(spending(2 * DAY, 700), "dataset", zcdp(900)) is not None


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (9.2, "exhausted in about 9 days at the rate of the last 7 days"),
        (1.2, "exhausted in about 1 day at the rate of the last 7 days"),
        (0.2, "exhausted in less than a day at the rate of the last 7 days"),
        (0.0, "exhausted"),
        (1e30, "lasts for more than ten years at the rate of the last 7 days"),
        (None, "no end in sight: nothing was spent in the last 7 days"),
    ],
)
def test_forecasts_in_words(days: float | None, text: str) -> None:
    assert str(Forecast(days, 7)) == text


def test_a_new_dataset(open_ward: Open) -> None:
    report = open_ward().report()
    assert [(each.kind, each.name) for each in report.accounts] == [
        ("dataset", "(dataset)"),
        ("analyst", "alice"),
        ("analyst", "bob"),
    ]
    assert [each.share for each in report.accounts] == [0, 0, 0]
    assert report.usual.epsilon == pytest.approx(0.2)
    assert report.accounts[1].queries_left == 20
    assert (report.tables, report.days, report.requests) == ((), (), ())
    assert report.accounts[0].forecast is None


def test_what_was_spent_granted_and_asked(open_ward: Open) -> None:
    service = open_ward()
    session = service.session("alice")
    session.query(COUNT, epsilon=0.5)
    session.request(1, "a")
    service.approve(1)
    session.request(2, "b")
    report = service.report()
    dataset, alice, bob = report.accounts
    assert alice.granted == 1.0
    assert alice.total is not None
    assert alice.total.epsilon == 2.0
    assert alice.spent.epsilon == pytest.approx(0.5)
    assert dataset.spent == alice.spent
    assert bob.spent.epsilon == 0
    assert dataset.share is not None
    assert alice.share is not None
    assert 0 < dataset.share < alice.share < 0.5
    assert [each.id for each in report.requests] == [2]
    assert report.usual.epsilon == pytest.approx(0.5)
    (day,) = report.days
    assert (day.releases, day.spent) == (1, dataset.spent)


def charge(**changes: object) -> Charge:
    limit = Promise(4, 1e-6).limit()
    made = Charge("alice", "f", "v", "SELECT 1", zcdp(10**9), (), limit, limit)
    return replace(made, **changes)


def test_tables_of_the_charges(open_ward: Open) -> None:
    service = open_ward()
    ledger = service.backends.ledger
    ledger.reserve(charge(tables=("patients", "visits")))
    ledger.reserve(charge(tables=("visits",)))
    patients, visits = service.report().tables
    assert (patients.name, patients.releases) == ("patients", 1)
    assert (visits.name, visits.releases) == ("visits", 2)
    assert visits.spent == service.report().accounts[0].spent


@pytest.mark.parametrize(
    "privacy", ["unit-epoch", "unit-lifetime\n  participation_cap: 2"]
)
def test_blocks(open_ward: Open, privacy: str) -> None:
    dated = ("seen: {}", "seen: {bounds: [2024-01-01, 2024-12-31]}")
    epochs = (
        "analysts:",
        EPOCHS.replace("PRIVACY", f"privacy: {privacy}") + "analysts:",
    )
    service = open_ward(dated, epochs)
    block = Promise(1, 1e-6).limit()
    debit = Debit(block_scope("2024-02"), zcdp(block.amount // 2), block)
    service.backends.ledger.reserve(charge(blocks=(debit,)))
    dataset, *_, february = service.report().accounts
    assert dataset.total is None  # what is promised is promised block by block
    assert (february.kind, february.name) == ("block", "2024-02")
    assert february.share == pytest.approx(0.5)
    assert february.total is not None
    assert february.total.epsilon == pytest.approx(1.0)


def test_tables_of_a_query(open_ward: Open) -> None:
    service = open_ward()
    service.session("alice").query("SELECT SUM(cost) FROM visits", epsilon=0.2)
    service.session("bob").query(COUNT, epsilon=0.2)
    found = {each.name: each.releases for each in service.report().tables}
    assert found == {"patients": 2, "visits": 1}


def test_analysts_who_have_left_are_shown(open_ward: Open) -> None:
    open_ward().session("alice").query(COUNT)
    report = open_ward(("  alice: {epsilon: 1}\n", "")).report()
    alice = next(each for each in report.accounts if each.name == "alice")
    assert (alice.total, alice.share) == (None, None)
    assert alice.spent.epsilon == pytest.approx(0.2)
