"""Requests for more budget, what they grant, and for how long."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from dpquery.errors import BudgetExceeded, ConfigError
from dpquery.errors.codes import TOPICS
from dpquery.ledger import clock, journal, requests
from dpquery.ledger.requests import Decision
from dpquery.ledger.schema import EVENTS
from dpquery.ledger.store import Ledger

from .conftest import Change, FailsWith, OpenLedger

YES = Decision(approve=True)
NO = Decision(approve=False, reason="no")
DAY = timedelta(days=1)


def for_days(days: float) -> Decision:
    return Decision(approve=True, expires=lambda now: now + days * DAY)


def ask(ledger: Ledger, epsilon: str = "0.5", analyst: str = "alice") -> int:
    return requests.ask(ledger, analyst, Decimal(epsilon), "figures").number


def events(ledger: Ledger) -> list[tuple[str, str, dict[str, object]]]:
    with ledger.reading() as connection:
        rows = connection.execute(select(EVENTS).order_by(EVENTS.c.number)).all()
    return [(row.actor, row.kind, json.loads(row.body)) for row in rows]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    def set_to(time: datetime) -> None:
        class Frozen(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # noqa: ARG003
                return time

        monkeypatch.setattr(clock, "datetime", Frozen)
        monkeypatch.setattr(journal, "datetime", Frozen)

    return set_to


def test_a_request_is_open_until_it_is_decided_once(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    number = ask(ledger, "6.0")
    (request,) = requests.listed(ledger)
    assert (request.state, request.epsilon, request.in_force) == ("open", 6, False)
    assert requests.granted(ledger, "alice") == 0
    decided = requests.decide(ledger, number, YES)
    assert (decided.state, decided.granted, decided.in_force) == ("approved", 6, True)
    assert requests.granted(ledger, "alice") == 6
    assert requests.granted(ledger, "bob") == 0
    for again in (YES, NO):
        with pytest.raises(ConfigError) as refusal:
            requests.decide(ledger, number, again)
        assert refusal.value.code == "DPQ441"
    kinds = [each[:2] for each in events(ledger)]
    assert kinds[-2:] == [("alice", "requested"), ("(owner)", "approved")]
    facts = events(ledger)[-1][2]
    assert facts == {
        "request": number,
        "analyst": "alice",
        "epsilon": "6",
        "expires": None,
        "reason": None,
    }


def test_a_denied_request_grants_nothing(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    decided = requests.decide(ledger, ask(ledger), NO)
    assert (decided.state, decided.granted, decided.answer) == ("denied", None, "no")
    assert requests.granted(ledger, "alice") == 0
    assert events(ledger)[-1][1] == "denied"


def test_another_amount_and_sums(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    third = Decision(approve=True, epsilon=Decimal("0.1"))
    requests.decide(ledger, ask(ledger), third)
    requests.decide(ledger, ask(ledger, "0.2"), YES)
    assert requests.granted(ledger, "alice") == Decimal("0.3")


@pytest.mark.parametrize("number", [0, -1, 7, 2**63, 10**40])
def test_no_such_request(open_ledger: OpenLedger, number: int) -> None:
    with pytest.raises(ConfigError) as refusal:
        requests.decide(open_ledger(), number, YES)
    assert refusal.value.code == "DPQ440"
    assert "DPQ440" in TOPICS


def test_a_grant_ends(
    open_ledger: OpenLedger, set_clock: Callable[[datetime], None]
) -> None:
    ledger = open_ledger()
    start = datetime.now(UTC).replace(microsecond=0)
    requests.decide(ledger, ask(ledger), for_days(30))
    set_clock(start + 29 * DAY)
    assert requests.granted(ledger, "alice") == Decimal("0.5")
    set_clock(start + 31 * DAY)
    assert requests.granted(ledger, "alice") == 0
    (request,) = requests.listed(ledger)
    assert (request.state, request.in_force) == ("approved", False)


def test_a_clock_that_is_set_back_revives_nothing(
    open_ledger: OpenLedger, set_clock: Callable[[datetime], None]
) -> None:
    ledger = open_ledger()
    start = datetime.now(UTC).replace(microsecond=0)
    requests.decide(ledger, ask(ledger), for_days(30))
    set_clock(start + 31 * DAY)
    ledger.note("alice", "refused", {})
    set_clock(start + 1 * DAY)
    assert requests.granted(ledger, "alice") == 0
    ledger.note("alice", "refused", {})  # the newest event is earlier than one before
    assert requests.granted(ledger, "alice") == 0
    # a span begins at the ledger's time, not at the clock's
    decided = requests.decide(ledger, ask(ledger), for_days(1))
    assert decided.expires_at == start + 32 * DAY


def test_an_end_that_is_past(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    number = ask(ledger)
    for days in (0, -1):
        with pytest.raises(ValueError, match="ended already"):
            requests.decide(ledger, number, for_days(days))
    assert requests.find(ledger, number).state == "open"


def test_nobody_asks_on_and_on(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    for _ in range(requests.MOST_OPEN):
        ask(ledger)
    with pytest.raises(BudgetExceeded) as refusal:
        ask(ledger)
    assert refusal.value.code == "DPQ206"
    ask(ledger, analyst="bob")
    requests.decide(ledger, 1, NO)
    ask(ledger)


def test_two_owners_decide_at_once(open_ledger: OpenLedger) -> None:
    ledgers = [open_ledger() for _ in range(4)]
    number = ask(ledgers[0])

    def decide(ledger: Ledger) -> str:
        try:
            return requests.decide(ledger, number, YES).state
        except ConfigError as refusal:
            return refusal.code

    with ThreadPoolExecutor(4) as threads:
        found = sorted(threads.map(decide, ledgers))
    assert found == ["DPQ441"] * 3 + ["approved"]
    assert requests.granted(ledgers[0], "alice") == Decimal("0.5")


@pytest.mark.parametrize("value", ["'NaN'", "'-1'", "'Infinity'", "'much'", "''"])
def test_a_grant_of_no_number_is_damage(
    open_ledger: OpenLedger, change: Change, fails_with: FailsWith, value: str
) -> None:
    ledger = open_ledger()
    requests.decide(ledger, ask(ledger), YES)
    change(f"UPDATE requests SET granted = {value}")
    with fails_with("DPQ551"):
        requests.granted(ledger, "alice")


def test_an_end_that_is_no_time_is_damage(
    open_ledger: OpenLedger, change: Change, fails_with: FailsWith
) -> None:
    ledger = open_ledger()
    requests.decide(ledger, ask(ledger), YES)
    change("UPDATE requests SET expires_at = 'never'")
    with fails_with("DPQ551"):
        requests.granted(ledger, "alice")
