"""What is reserved stays debited; what is settled comes back bit for bit."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.accounting.events import GaussianNoise, Withholding, from_json
from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import BudgetExceeded
from dpquery.ledger.records import DATASET, Lease, analyst_scope
from dpquery.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from dpquery.ledger.records import Charge

    OpenLedger = Callable[..., Ledger]
    MakeCharge = Callable[..., Charge]
    FailsWith = Callable[[str], AbstractContextManager[None]]
    Change = Callable[[str], list[tuple[Any, ...]]]


def zcdp(amount: int, delta: int = 0) -> Loss:
    return Loss(Definition.ZCDP, amount, delta)


def test_a_new_ledger_is_a_file_and_its_head_with_nothing_spent(
    open_ledger: OpenLedger, location: str, head: Path
) -> None:
    ledger = open_ledger()
    assert ledger.spent(DATASET) == zcdp(0)
    assert ledger.balances() == {}
    assert ledger.history("alice") == []
    ledger.close()
    files = [] if "://" in location else ["clinic.ledger"]
    assert names(head.parent) == [*files, head.name]


def names(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


def test_a_debit_counts_for_its_analyst_and_the_dataset(
    open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    ledger = open_ledger()
    ledger.reserve(make_charge(5, 1))
    ledger.reserve(make_charge(7, 2, analyst="bob"))
    assert ledger.spent(analyst_scope("alice")) == zcdp(5, 1)
    assert ledger.spent(analyst_scope("bob")) == zcdp(7, 2)
    assert ledger.spent(DATASET) == zcdp(12, 3)
    ledger.close()
    assert open_ledger().spent(DATASET) == zcdp(12, 3)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"mine": 9}, "DPQ201"),
        ({"dataset": 9}, "DPQ202"),
        ({"mine": 9, "dataset": 9}, "DPQ201"),
        ({"analyst_limit": zcdp(10**9, 1)}, "DPQ201"),
        ({"dataset_limit": zcdp(10**9, 1)}, "DPQ202"),
    ],
    ids=str,
)
def test_a_refused_charge_leaves_no_trace(
    open_ledger: OpenLedger, make_charge: MakeCharge, limits: dict[str, Any], code: str
) -> None:
    ledger = open_ledger()
    ledger.reserve(make_charge(5, 1))
    with pytest.raises(BudgetExceeded) as caught:
        ledger.reserve(make_charge(5, 1, **limits))
    assert caught.value.code == code
    assert ledger.spent(DATASET) == zcdp(5, 1)
    assert len(ledger.history("alice")) == 1
    ledger.reserve(make_charge(4, 0, **limits))


def test_the_last_unit_can_be_spent_and_no_more(
    open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    ledger = open_ledger()
    ledger.reserve(make_charge(10, mine=10, dataset=10))
    with pytest.raises(BudgetExceeded):
        ledger.reserve(make_charge(1, mine=10, dataset=10))
    assert ledger.spent(DATASET) == zcdp(10)


def test_analysts_do_not_use_up_each_others_share(
    open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    ledger = open_ledger()
    ledger.reserve(make_charge(10, mine=10))
    ledger.reserve(make_charge(10, mine=10, analyst="bob"))
    with pytest.raises(BudgetExceeded, match="dataset"):
        ledger.reserve(make_charge(10, mine=10, dataset=29, analyst="carol"))


def test_the_same_question_is_found_bit_for_bit(
    open_ledger: OpenLedger, make_charge: MakeCharge, location: str
) -> None:
    ledger = open_ledger()
    payload = '{"rows":[[0.1,"ü\\u0000",null]]}\n \t😀'
    if "://" not in location:
        payload += "\x00"  # is in no JSON text, and PostgreSQL has no such text
    lease = ledger.reserve(make_charge(5, 1))
    assert ledger.find("alice", "f", "v1") is None
    ledger.settle(lease, payload)
    ledger.close()
    found = open_ledger().find("alice", "f", "v1")
    assert found.payload == payload
    assert found.release_id == lease.release_id
    assert found.loss == zcdp(5, 1)
    assert found.state == "settled"
    assert re.fullmatch(r"r_[0-9a-f]{16}", found.release_id)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found.reserved_at)


@pytest.mark.parametrize(
    "question", [("bob", "f", "v1"), ("alice", "g", "v1"), ("alice", "f", "v2")]
)
def test_another_question_is_not(
    open_ledger: OpenLedger, make_charge: MakeCharge, question: tuple[str, str, str]
) -> None:
    ledger = open_ledger()
    ledger.settle(ledger.reserve(make_charge()), "{}")
    assert ledger.find(*question) is None


def test_the_newest_answer_is_found(
    open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    ledger = open_ledger()
    for payload in ("first", "second"):
        ledger.settle(ledger.reserve(make_charge()), payload)
    ledger.reserve(make_charge())
    assert ledger.find("alice", "f", "v1").payload == "second"


def test_an_answer_is_stored_once(
    open_ledger: OpenLedger, make_charge: MakeCharge, fails_with: FailsWith
) -> None:
    ledger = open_ledger()
    lease = ledger.reserve(make_charge())
    ledger.settle(lease, "first")
    with fails_with("DPQ557"):
        ledger.settle(lease, "second")
    with fails_with("DPQ557"):
        ledger.settle(Lease("r_0123456789abcdef"), "never reserved")
    assert ledger.find("alice", "f", "v1").payload == "first"


def test_history_is_newest_first_and_shows_what_got_no_answer(
    open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    ledger = open_ledger()
    ledger.settle(ledger.reserve(make_charge(1, sql="SELECT 1")), "{}")
    ledger.reserve(make_charge(2, sql="SELECT 2"))
    ledger.reserve(make_charge(3, analyst="bob"))
    assert [
        (each.sql, each.state, each.payload) for each in ledger.history("alice")
    ] == [
        ("SELECT 2", "reserved", None),
        ("SELECT 1", "settled", "{}"),
    ]


def test_amounts_are_integers_beyond_what_sqlite_can_count(
    open_ledger: OpenLedger, make_charge: MakeCharge, change: Change
) -> None:
    ledger = open_ledger()
    for _ in range(2):
        ledger.reserve(make_charge(2**70 + 1, 2**64 + 1, mine=2**80, dataset=2**80))
    assert ledger.spent(DATASET) == zcdp(2**71 + 2, 2**65 + 2)
    with pytest.raises(BudgetExceeded):
        ledger.reserve(make_charge(1, dataset=2**71 + 2))
    ledger.close()
    stored = change("SELECT spent_amount, spent_delta FROM accounts")
    assert set(stored) == {(f"{2**71 + 2:040}", f"{2**65 + 2:040}")}
    assert open_ledger().history("alice")[0].loss == zcdp(2**70 + 1, 2**64 + 1)


def test_events_must_not_lose_more_than_the_charge_pays(
    open_ledger: OpenLedger, make_charge: MakeCharge, change: Change
) -> None:
    ledger = open_ledger()
    events = (GaussianNoise(1.0, 10.0), Withholding(1e-10))
    with pytest.raises(ValueError, match="lose more"):
        ledger.reserve(make_charge(5 * 10**9 - 1, 10**9, events=events))
    with pytest.raises(ValueError, match="lose more"):
        ledger.reserve(make_charge(5 * 10**9, 10**8 - 1, events=events))
    assert ledger.spent(DATASET) == zcdp(0)
    paid = Loss.up(Definition.ZCDP, Fraction(1, 200), 1e-10)
    ledger.reserve(make_charge(loss=paid, events=events))
    assert [from_json(text) for (text,) in change("SELECT events FROM releases")] == [
        events
    ]


def test_a_charge_in_another_definition_is_a_mistake(
    open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    with pytest.raises(ValueError, match="do not mix"):
        open_ledger().reserve(make_charge(loss=Loss(Definition.PURE, 1)))


def test_verdicts_are_kept_for_each_version_of_the_data(
    open_ledger: OpenLedger,
) -> None:
    ledger = open_ledger()
    assert ledger.verdict("v1") is None
    ledger.record_verdict("v1", "bad")
    ledger.record_verdict("v2", "fine")
    ledger.record_verdict("v1", "fine after all")
    ledger.close()
    assert open_ledger().verdict("v1") == "fine after all"


def test_a_pure_ledger_counts_epsilon(tmp_path: Path, make_charge: MakeCharge) -> None:
    def pure(amount: int) -> Loss:
        return Loss(Definition.PURE, amount)

    limit = pure(10**12)
    charge = make_charge(loss=pure(1), dataset_limit=limit, analyst_limit=limit)
    with Ledger.open(
        f"sqlite:///{tmp_path / 'pure.ledger'}", definition=Definition.PURE
    ) as ledger:
        ledger.reserve(charge)
        assert ledger.spent(DATASET) == pure(1)
    assert (tmp_path / "pure.ledger").is_file()


@pytest.mark.parametrize("name", ["a b.ledger", "50%?#.ledger", "für.ledger", "-x"])
def test_any_file_name_will_do(
    tmp_path: Path, make_charge: MakeCharge, name: str
) -> None:
    for _ in range(2):
        with Ledger.open(str(tmp_path / name), definition=Definition.ZCDP) as ledger:
            ledger.reserve(make_charge())
    assert ledger.spent(DATASET) == zcdp(2)
    ledger.close()
    assert names(tmp_path) == [name, name + ".head"]


def test_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_charge: MakeCharge
) -> None:
    monkeypatch.chdir(tmp_path)
    with Ledger.open("here.ledger", definition=Definition.ZCDP) as ledger:
        monkeypatch.chdir("/")
        ledger.reserve(make_charge())
    assert (tmp_path / "here.ledger").is_file()


def test_an_error_is_not_a_reservation(
    open_ledger: OpenLedger, make_charge: MakeCharge, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("dpquery.ledger.books.debit", stop)
        with pytest.raises(KeyboardInterrupt):
            ledger.reserve(make_charge())
    assert ledger.spent(DATASET) == zcdp(0)
    ledger.reserve(make_charge())
