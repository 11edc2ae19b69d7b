"""What was spent by day, by table and lately, from the audit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dpquery.accounting.loss import Definition
from dpquery.ledger import clock, journal, policies
from dpquery.ledger.spending import SpendingReader
from dpquery.ledger.store import Ledger

from .conftest import Change, FailsWith, MakeCharge, OpenLedger, zcdp

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def reader() -> SpendingReader:
    return SpendingReader(Definition.ZCDP)


def set_clock(monkeypatch: pytest.MonkeyPatch, time: datetime) -> None:
    class Frozen(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # noqa: ARG003
            return time

    monkeypatch.setattr(clock, "datetime", Frozen)
    monkeypatch.setattr(journal, "datetime", Frozen)


def test_nothing_yet(open_ledger: OpenLedger, reader: SpendingReader) -> None:
    found = reader.read(open_ledger())
    assert (found.first, found.usual, found.tables, found.days) == (None, None, {}, {})


def test_tables_days_and_the_last_week(
    monkeypatch: pytest.MonkeyPatch,
    open_ledger: OpenLedger,
    make_charge: MakeCharge,
    reader: SpendingReader,
) -> None:
    set_clock(monkeypatch, NOON)
    ledger = open_ledger()
    ledger.reserve(make_charge(5, tables=("visits", "patients")))
    set_clock(monkeypatch, NOON + 9 * DAY)
    ledger.reserve(make_charge(7, tables=("visits",)))
    ledger.reserve(make_charge(1, dataset_loss=zcdp(0)))
    found = reader.read(ledger)
    assert {name: each.loss.amount for name, each in found.tables.items()} == {
        "patients": 5,
        "visits": 12,
    }
    assert found.tables["visits"].releases == 2
    assert [(day, each.loss.amount) for day, each in found.days.items()] == [
        ("2026-11-10", 5),
        ("2026-11-19", 7),
    ]
    assert found.week == {"dataset": zcdp(7), "analyst:alice": zcdp(8)}
    assert found.first == NOON
    assert found.usual == zcdp(7)  # of 5 and 7: what costs the dataset nothing is not
    assert found.balances["dataset"] == zcdp(12)


def test_each_charge_is_read_once(
    open_ledger: OpenLedger, make_charge: MakeCharge, reader: SpendingReader
) -> None:
    ledger: Ledger = open_ledger()
    for count in range(1, 4):
        ledger.settle(ledger.reserve(make_charge(2, tables=("t",))), "{}")
        for _ in range(2):
            assert reader.read(ledger).tables["t"].releases == count
    assert SpendingReader(Definition.ZCDP).read(ledger) == reader.read(ledger)


def test_a_week_ends(
    monkeypatch: pytest.MonkeyPatch,
    open_ledger: OpenLedger,
    make_charge: MakeCharge,
    reader: SpendingReader,
) -> None:
    set_clock(monkeypatch, NOON)
    ledger = open_ledger()
    ledger.reserve(make_charge(5))
    assert reader.read(ledger).week["dataset"] == zcdp(5)
    set_clock(monkeypatch, NOON + 8 * DAY)
    assert reader.read(ledger).week == {}


@pytest.mark.parametrize("body", ["{}", "[]", "x", '{"debits": {"dataset": [-1, 0]}}'])
def test_a_charge_that_cannot_be_read(
    open_ledger: OpenLedger,
    make_charge: MakeCharge,
    reader: SpendingReader,
    change: Change,
    fails_with: FailsWith,
    body: str,
) -> None:
    ledger = open_ledger()
    ledger.reserve(make_charge(5))
    change(f"UPDATE events SET body = '{body}' WHERE kind = 'charged'")
    with fails_with("DPQ551"):
        reader.read(ledger)


def test_policies_are_remembered_when_they_change(
    open_ledger: OpenLedger, change: Change, fails_with: FailsWith
) -> None:
    ledger = open_ledger()
    one, other = {"digest": "a", "name": "x"}, {"digest": "b", "name": "x"}
    assert [policies.remember(ledger, each) for each in (one, one, other, one)] == [
        True,
        False,
        True,
        True,
    ]
    assert change("SELECT count(*) FROM events WHERE kind = 'policy'") == [(3,)]
    change("UPDATE events SET body = '{}' WHERE kind = 'policy'")
    with fails_with("DPQ551"):
        policies.remember(ledger, one)
