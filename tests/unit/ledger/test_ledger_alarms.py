"""Shares of limits: told once, over all processes, and again when a limit rises."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import select

from dpquery.errors import BudgetExceeded
from dpquery.ledger.alarms import Alarms, share_of
from dpquery.ledger.records import Crossing, Debit, block_scope
from dpquery.ledger.schema import EVENTS
from dpquery.ledger.store import Ledger

from .conftest import Change, FailsWith, MakeCharge, OpenLedger, Start, zcdp

SHARES = (Decimal("0.5"), Decimal("0.8"), Decimal(1))
Told = list[Crossing]
Watched = Callable[[], tuple[Ledger, Told]]


@pytest.fixture
def watched(open_ledger: OpenLedger) -> Watched:
    def make() -> tuple[Ledger, Told]:
        told: Told = []
        ledger = open_ledger()
        ledger.alarms = Alarms(SHARES, told.append)
        return ledger, told

    return make


def shares(told: Told, scope: str = "analyst:alice") -> list[float]:
    return [float(each.share) for each in told if each.scope == scope]


def alerts(ledger: Ledger) -> list[dict[str, Any]]:
    query = select(EVENTS.c.body).where(EVENTS.c.kind == "alert")
    with ledger.reading() as connection:
        return [json.loads(body) for body in connection.execute(query).scalars()]


def test_each_share_is_told_once(watched: Watched, make_charge: MakeCharge) -> None:
    ledger, told = watched()
    for _ in range(10):
        ledger.reserve(make_charge(10, mine=100))
    assert shares(told) == [0.5, 0.8, 1.0]
    assert [each.spent.amount for each in told] == [50, 80, 100]
    assert told[0].limit.amount == 100
    facts = alerts(ledger)
    assert [each["share"] for each in facts] == [0.5, 0.8, 1.0]
    assert facts[0].keys() == {"scope", "share", "spent", "limit"}


def test_one_charge_may_reach_several(
    watched: Watched, make_charge: MakeCharge
) -> None:
    ledger, told = watched()
    lease = ledger.answer(make_charge(85, mine=100, dataset=170), "{}")
    assert shares(told) == [0.5, 0.8]
    assert shares(told, "dataset") == [0.5]
    assert lease.crossed == tuple(told)


def test_exactly_at_a_share_and_just_below(
    watched: Watched, make_charge: MakeCharge
) -> None:
    ledger, told = watched()
    ledger.reserve(make_charge(499_999, mine=10**6))
    assert told == []
    ledger.reserve(make_charge(1, mine=10**6))
    assert shares(told) == [0.5]


def test_a_refusal_tells_nothing(watched: Watched, make_charge: MakeCharge) -> None:
    ledger, told = watched()
    with pytest.raises(BudgetExceeded):
        ledger.reserve(make_charge(85, mine=100, dataset=80))
    assert told == []
    assert alerts(ledger) == []


def test_a_limit_that_is_raised_can_be_reached_again(
    watched: Watched, make_charge: MakeCharge
) -> None:
    ledger, told = watched()
    ledger.reserve(make_charge(60, mine=100))
    ledger.reserve(make_charge(1, mine=1000))
    assert shares(told) == [0.5]
    ledger.reserve(make_charge(500, mine=1000))
    assert shares(told) == [0.5, 0.5]
    ledger.reserve(make_charge(1, mine=1010))  # raised, and still above
    assert shares(told) == [0.5, 0.5]


def test_a_limit_that_is_lowered_is_told_at_the_next_charge(
    watched: Watched, make_charge: MakeCharge
) -> None:
    ledger, told = watched()
    ledger.reserve(make_charge(60, mine=1000))
    ledger.reserve(make_charge(1, mine=70))
    ledger.reserve(make_charge(1, mine=70))
    assert shares(told) == [0.5, 0.8]


def test_delta_counts_too(watched: Watched, make_charge: MakeCharge) -> None:
    ledger, told = watched()
    charge = make_charge(1, 6)
    ledger.reserve(
        make_charge(1, 6, analyst_limit=zcdp(charge.analyst_limit.amount, 10))
    )
    assert shares(told) == [0.5]
    assert share_of(zcdp(1, 6), zcdp(10, 10)) == Fraction(6, 10)
    assert share_of(zcdp(1, 0), zcdp(10, 0)) == Fraction(1, 10)


def test_blocks_are_told_and_scopes_without_a_limit_are_not(
    watched: Watched, make_charge: MakeCharge
) -> None:
    ledger, told = watched()
    block = block_scope("2026-01")
    debits = (Debit(block, zcdp(9), zcdp(10)), Debit("block:b", zcdp(9), None))
    ledger.reserve(make_charge(9, dataset_limit=None, blocks=debits))
    assert [each.scope for each in told] == [block, block]


def test_nobody_is_told_without_shares(
    open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    ledger = open_ledger()
    ledger.reserve(make_charge(100, mine=100))
    assert alerts(ledger) == []


def test_what_was_told_is_no_number(
    watched: Watched, make_charge: MakeCharge, change: Change, fails_with: FailsWith
) -> None:
    ledger, _ = watched()
    ledger.reserve(make_charge(60, mine=100))
    change("UPDATE meta SET value = 'x' WHERE key = 'alert:analyst:alice'")
    with fails_with("DPQ551"):
        ledger.reserve(make_charge(1, mine=100))
    assert ledger.spent("analyst:alice") == zcdp(60)


RACE = """
from decimal import Decimal
from dpquery.ledger.alarms import Alarms
told = []
shares = tuple(Decimal(each) / 10 for each in range(1, 11))
ledger.alarms = Alarms(shares, lambda each: told.append((each.scope, each.share)))
sys.stdin.readline()
for _ in range(25):
    ledger.reserve(charge("alice", 1, 100))
print(sum(scope == "dataset" for scope, _ in told), len(told))
"""


def test_processes_tell_each_share_once(start: Start, open_ledger: OpenLedger) -> None:
    processes = [start(RACE) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    counts = [process.communicate(timeout=60)[0].split() for process in processes]
    assert sum(int(dataset) for dataset, _ in counts) == 10
    assert sum(int(each) for _, each in counts) == 20
    assert len(alerts(open_ledger())) == 20
