"""Whatever moves budget is an event; what was measured is known to all."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.accounting.events import GaussianNoise, to_json
from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import BudgetExceeded
from dpquery.ledger.chain import GENESIS, Entry, digest, flaw
from dpquery.ledger.records import (
    DATASET,
    Debit,
    Holding,
    Lease,
    NewMeasurement,
    Outdated,
    View,
    analyst_scope,
    block_scope,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from dpquery.ledger.records import Charge
    from dpquery.ledger.store import Ledger

    OpenLedger = Callable[..., Ledger]
    MakeCharge = Callable[..., Charge]
    FailsWith = Callable[[str], AbstractContextManager[None]]
    Change = Callable[[str], list[tuple[Any, ...]]]

WARD = View("ward", "visits", "shape")
CITY = View("city", "visits", "other shape")


def zcdp(amount: int, delta: int = 0) -> Loss:
    return Loss(Definition.ZCDP, amount, delta)


@pytest.fixture
def events(change: Change) -> Callable[[], list[Entry]]:
    """All events, in order."""
    columns = "number, at, actor, kind, body, previous, hash"

    def read() -> list[Entry]:
        rows = change(f"SELECT {columns} FROM events ORDER BY number")
        return [Entry(*row) for row in rows]

    return read


def test_a_new_ledger_begins_a_chain(
    open_ledger: OpenLedger, events: Callable[[], list[Entry]]
) -> None:
    open_ledger().close()
    open_ledger()
    (first,) = events()
    assert (first.number, first.kind, first.actor) == (1, "created", "(dpquery)")
    assert first.previous == GENESIS
    assert re.fullmatch("l_[0-9a-f]{16}", first.facts()["ledger"])


def test_charges_answers_and_notes_are_events(
    open_ledger: OpenLedger,
    make_charge: MakeCharge,
    events: Callable[[], list[Entry]],
) -> None:
    ledger = open_ledger()
    noise = (GaussianNoise(1.0, 10.0),)
    loss = Loss.up(Definition.ZCDP, 0.01)
    charge = make_charge(
        loss=loss,
        events=noise,
        blocks=(Debit(block_scope("2026-01"), zcdp(3), None),),
        measurements=(NewMeasurement(WARD, loss, 0),),
        used=("m_1",),
        tables=("visits",),
        policy="p",
    )
    lease = ledger.reserve(charge)
    ledger.settle(lease, "ä", {lease.measurements[0]: "[1]"})
    free = ledger.answer(make_charge(0, analyst="bob"), "again")
    ledger.note("carol", "refused", {"code": "DPQ201", "sql": "SELECT 1"})
    found = events()
    assert flaw(found) == ""
    assert [(e.actor, e.kind) for e in found[1:]] == [
        ("alice", "charged"),
        ("alice", "settled"),
        ("bob", "charged"),
        ("bob", "settled"),
        ("carol", "refused"),
    ]
    assert found[1].facts() == {
        "release": lease.release_id,
        "sql": charge.sql,
        "plan": "f",
        "data": "v1",
        "policy": "p",
        "noise": to_json(noise),
        "debits": {
            "analyst:alice": [loss.amount, 0],
            "dataset": [loss.amount, 0],
            "block:2026-01": [3, 0],
        },
        "measured": list(lease.measurements),
        "used": ["m_1"],
        "tables": ["visits"],
    }
    assert found[2].facts() == {
        "release": lease.release_id,
        "answer": digest("ä"),
        "measurements": {lease.measurements[0]: digest("[1]")},
    }
    assert found[4].facts()["release"] == free.release_id
    assert found[5].facts() == {"code": "DPQ201", "sql": "SELECT 1"}
    assert ledger.balances() == {
        "analyst:alice": loss,
        "dataset": loss,
        "block:2026-01": zcdp(3),
    }


def test_what_is_refused_writes_no_event(
    open_ledger: OpenLedger,
    make_charge: MakeCharge,
    events: Callable[[], list[Entry]],
    fails_with: FailsWith,
) -> None:
    ledger = open_ledger()
    lease = ledger.reserve(make_charge(5))
    with pytest.raises(BudgetExceeded):
        ledger.reserve(make_charge(5, mine=9))
    with pytest.raises(BudgetExceeded):
        ledger.answer(make_charge(5, mine=9), "{}")
    with fails_with("DPQ557"):
        ledger.settle(Lease("r_0"), "{}")
    with fails_with("DPQ557"):
        ledger.settle(lease, "{}", {"m_0": "[]"})
    assert [e.kind for e in events()] == ["created", "charged"]
    assert ledger.find("alice", "f", "v1") is None
    ledger.settle(lease, "{}")


@pytest.mark.parametrize("debit", [0, 1])
def test_a_block_has_a_limit_of_its_own(
    open_ledger: OpenLedger, make_charge: MakeCharge, debit: int
) -> None:
    ledger = open_ledger()
    january = block_scope("2026-01")
    blocks = (Debit(january, zcdp(6), zcdp(11)),)
    ledger.reserve(make_charge(debit, blocks=blocks, dataset_limit=None))
    with pytest.raises(BudgetExceeded, match="2026-01") as caught:
        ledger.reserve(make_charge(debit, blocks=blocks, dataset_limit=None))
    assert caught.value.code == "DPQ204"
    assert ledger.spent(january) == zcdp(6)
    assert ledger.spent(DATASET) == zcdp(debit)
    full = (Debit(january, zcdp(5), zcdp(11)),)
    ledger.reserve(make_charge(debit, blocks=full, dataset_limit=None))
    assert ledger.spent(january) == zcdp(11)


def test_a_scope_is_debited_once_a_charge(
    open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    ledger = open_ledger()
    twice = (Debit(block_scope("x"), zcdp(6), zcdp(11)),) * 2
    with pytest.raises(ValueError, match="once"):
        ledger.reserve(make_charge(1, blocks=twice))
    assert ledger.balances() == {}


def test_others_may_pay_less_than_the_analyst(
    open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    ledger = open_ledger()
    ledger.reserve(make_charge(5, dataset_loss=zcdp(2), dataset=2))
    assert ledger.spent(analyst_scope("alice")) == zcdp(5)
    assert ledger.spent(DATASET) == zcdp(2)
    noise = (GaussianNoise(1.0, 10.0),)
    with pytest.raises(ValueError, match="lose more"):
        ledger.reserve(make_charge(5 * 10**9, dataset_loss=zcdp(9), events=noise))


def test_a_view_that_was_measured_since_is_outdated(
    open_ledger: OpenLedger,
    make_charge: MakeCharge,
    events: Callable[[], list[Entry]],
) -> None:
    ledger = open_ledger()
    other = open_ledger()
    plan = make_charge(5, measurements=(NewMeasurement(WARD, zcdp(5), 0),), mine=5)
    lease = ledger.reserve(plan)
    ledger.settle(lease, "{}", {lease.measurements[0]: "[7]"})
    # before its budget is looked at: a new plan may cost less
    with pytest.raises(Outdated):
        other.reserve(plan)
    with pytest.raises(Outdated):
        other.answer(plan, "{}")
    assert ledger.spent(DATASET) == zcdp(5)
    assert len(events()) == 3
    (known,) = other.measurements(["visits"], "v1")
    later = (NewMeasurement(WARD, zcdp(1), known.number),)
    other.reserve(make_charge(1, measurements=later))
    other.reserve(make_charge(1, measurements=(NewMeasurement(CITY, zcdp(1), 0),)))
    other.reserve(make_charge(1, data_version="v2", measurements=later))


def test_measurements_are_known_once_they_are_settled(
    open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    ledger = open_ledger()
    new = (NewMeasurement(WARD, zcdp(3, 1), 0), NewMeasurement(CITY, zcdp(2), 0))
    lease = ledger.reserve(make_charge(5, 1, measurements=new))
    assert ledger.measurements(["visits"], "v1") == []
    ledger.settle(lease, "{}", dict(zip(lease.measurements, "ab", strict=True)))
    found = open_ledger().measurements(["visits", "others"], "v1")
    assert [(m.id, m.view, m.loss) for m in found] == [
        (lease.measurements[0], WARD, zcdp(3, 1)),
        (lease.measurements[1], CITY, zcdp(2)),
    ]
    assert {m.release_id for m in found} == {lease.release_id}
    assert ledger.readings(found[0].id) == "a"
    assert ledger.measurements(["others"], "v1") == []
    assert ledger.measurements(["visits"], "v2") == []
    assert ledger.measurements([], "v1") == []


def test_a_measurement_is_settled_once_and_by_its_own_release(
    open_ledger: OpenLedger, make_charge: MakeCharge, fails_with: FailsWith
) -> None:
    ledger = open_ledger()
    new = (NewMeasurement(WARD, zcdp(1), 0),)
    first = ledger.reserve(make_charge(1, measurements=new))
    second = ledger.reserve(make_charge(1, measurements=new))
    ledger.settle(first, "{}", {first.measurements[0]: "a"})
    with fails_with("DPQ557"):
        ledger.settle(second, "{}", {first.measurements[0]: "b"})
    assert ledger.readings(first.measurements[0]) == "a"
    with fails_with("DPQ551"):
        ledger.readings(second.measurements[0])
    ledger.settle(second, "{}", {second.measurements[0]: "b"})


def test_holdings_are_the_last_ones_paid_for(
    open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    ledger = open_ledger()
    lease = ledger.reserve(make_charge(2, holdings=(Holding(WARD, zcdp(2)),)))
    assert ledger.holdings("alice", ["visits"], "v1") == []  # no answer yet
    ledger.settle(lease, "{}")
    assert [h.loss for h in ledger.holdings("alice", ["visits"], "v1")] == [zcdp(2)]
    ledger.answer(
        make_charge(3, holdings=(Holding(WARD, zcdp(5)), Holding(CITY, zcdp(1)))), "{}"
    )
    found = open_ledger().holdings("alice", ["visits"], "v1")
    assert {h.view.view: h.loss for h in found} == {"ward": zcdp(5), "city": zcdp(1)}
    assert ledger.holdings("bob", ["visits"], "v1") == []
    assert ledger.holdings("alice", ["visits"], "v2") == []
    assert ledger.holdings("alice", ["elsewhere"], "v1") == []


def test_an_answer_of_a_day(
    open_ledger: OpenLedger, make_charge: MakeCharge, change: Change
) -> None:
    ledger = open_ledger()
    for day in ("2026-01-01", "2026-01-02"):
        lease = ledger.reserve(make_charge())
        ledger.settle(lease, day)
        change(
            f"UPDATE releases SET settled_at = '{day}T10:00:00+00:00' "
            f"WHERE id = '{lease.release_id}'"
        )
    found = [
        ledger.find_until("alice", "f", until)
        for until in ("2026-01-02", "2026-01-02T09", "2026-01-01", "2025", "2026")
    ]
    assert [each and each.payload for each in found] == [
        *("2026-01-02", "2026-01-01", "2026-01-01", None, "2026-01-02"),
    ]


def test_clocks_decide_nothing(
    open_ledger: OpenLedger,
    make_charge: MakeCharge,
    events: Callable[[], list[Entry]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A clock that jumps back and forth gives no budget, order or answer back."""
    times = iter([*("2030-01-01", "1970-01-01", "2026-01-01")] * 20)

    class Clock:
        @staticmethod
        def now(zone: object) -> Clock:
            assert zone is not None
            return Clock()

        @staticmethod
        def isoformat(timespec: str) -> str:
            assert timespec == "seconds"
            return next(times) + "T00:00:00+00:00"

    monkeypatch.setattr("dpquery.ledger.entries.datetime", Clock)
    monkeypatch.setattr("dpquery.ledger.journal.datetime", Clock)
    ledger = open_ledger()
    for at in range(4):
        ledger.settle(ledger.reserve(make_charge(3, mine=12)), str(at))
    with pytest.raises(BudgetExceeded):
        ledger.reserve(make_charge(3, mine=12))
    assert open_ledger().find("alice", "f", "v1").payload == "3"
    assert [each.payload for each in ledger.history("alice")] == ["3", "2", "1", "0"]
    found = events()
    assert flaw(found) == ""
    assert len({each.at for each in found}) == 3


def test_bodies_are_json_of_one_form(
    open_ledger: OpenLedger, events: Callable[[], list[Entry]]
) -> None:
    open_ledger().note("(owner)", "policy", {"b": 1, "a": {"y": "ü", "x": None}})
    assert events()[1].body == '{"a":{"x":null,"y":"ü"},"b":1}'
    with pytest.raises(ValueError, match="Out of range"):
        open_ledger().note("(owner)", "policy", {"a": float("nan")})
    assert json.loads(events()[-1].body)["b"] == 1
