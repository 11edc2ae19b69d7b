"""Asking for more, granting it, and budgets that change in the policy."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import dpquery
from dpquery.errors.codes import TOPICS
from dpquery.ledger import clock, journal
from dpquery.service import Service
from dpquery.service.requests import End, Epsilon

from .conftest import Open

COUNT = "SELECT COUNT(*) AS n FROM patients"
OLD = "SELECT COUNT(*) AS n FROM patients WHERE age > 60"
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)


def set_clock(monkeypatch: pytest.MonkeyPatch, time: dt.datetime) -> None:
    class Frozen(dt.datetime):
        @classmethod
        def now(cls, tz: object = None) -> dt.datetime:  # noqa: ARG003
            return time

    monkeypatch.setattr(clock, "datetime", Frozen)
    monkeypatch.setattr(journal, "datetime", Frozen)


def policy_events(service: Service) -> list[dict[str, Any]]:
    with service.backends.ledger.reading() as connection:
        rows = connection.exec_driver_sql(
            "SELECT body FROM events WHERE kind = 'policy' ORDER BY number"
        )
        return [json.loads(body) for (body,) in rows]


def test_a_grant_is_spent_in_the_session_that_is_open(open_ward: Open) -> None:
    service = open_ward()
    session = service.session("alice")
    session.query(COUNT, epsilon=1.0)
    with pytest.raises(dpquery.BudgetExceeded):
        session.query(OLD, epsilon=0.5)
    asked = session.request(1, "the final figures")
    assert (asked.id, asked.analyst, asked.state) == (1, "alice", "open")
    assert service.requests() == [asked]
    decided = service.approve(asked.id)
    assert (decided.state, decided.granted, decided.notes) == ("approved", 1.0, ())
    assert service.requests() == []
    assert [each.state for each in service.requests(decided=True)] == ["approved"]
    assert session.budget().total.epsilon == 2.0
    session.query(OLD, epsilon=0.5)
    assert [each.state for each in session.requests()] == ["approved"]
    assert service.session("bob").requests() == []


def test_denied(open_ward: Open) -> None:
    service = open_ward()
    session = service.session("alice")
    session.request("0.5", "why not")
    assert service.deny("1", "no").answer == "no"
    assert session.budget().total.epsilon == 1.0
    assert [(each.state, each.answer) for each in session.requests()] == [
        ("denied", "no")
    ]


def test_a_grant_never_raises_the_dataset(open_ward: Open) -> None:
    service = open_ward()
    session = service.session("alice")
    session.request(100, "everything")
    (note,) = service.approve(1).notes
    assert note.startswith("the dataset has ε 4 left for everybody, less than alice")
    assert session.budget().remaining.epsilon <= 4
    session.query(COUNT, epsilon=1.0)

    def ask_on() -> None:
        for age in range(40):
            session.query(f"SELECT COUNT(*) FROM patients WHERE age > {age}", epsilon=1)

    with pytest.raises(dpquery.BudgetExceeded) as refusal:
        ask_on()
    assert refusal.value.code == "DPQ202"
    assert len(session.history()) < 40


def test_a_grant_that_ends_leaves_what_was_spent(
    open_ward: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = open_ward()
    session = service.session("alice")
    session.request(2, "a pilot")
    service.approve(1, expires="30d")
    for age in (10, 11, 12):
        session.query(f"SELECT COUNT(*) FROM patients WHERE age > {age}", epsilon=1.0)
    spent = session.budget().spent
    set_clock(monkeypatch, NOW + dt.timedelta(days=31))
    assert session.budget().spent == spent
    assert session.budget().total.epsilon == 1.0
    assert session.budget().remaining.epsilon == 0.0
    with pytest.raises(dpquery.BudgetExceeded) as refusal:
        session.query(COUNT, epsilon=0.1)
    assert refusal.value.code == "DPQ205"
    assert "lowered below what is spent" in str(refusal.value)
    assert [each.state for each in session.requests()] == ["expired"]
    again = session.query("SELECT COUNT(*) FROM patients WHERE age > 10", epsilon=1.0)
    assert again.replayed


@pytest.mark.parametrize(
    ("end", "found"),
    [
        ("2099-01-31", "2099-02-01T00:00:00+00:00"),
        (dt.date(2099, 1, 31), "2099-02-01T00:00:00+00:00"),
        ("2099-01-31T12:00:00.5+02:00", "2099-01-31T10:00:00+00:00"),
        ("2099-01-31T12:00", "2099-01-31T12:00:00+00:00"),
        (dt.datetime(2099, 1, 31, 1), "2099-01-31T01:00:00+00:00"),
        ("30d", (NOW + dt.timedelta(days=30)).isoformat()),
        (" 12 h ", (NOW + dt.timedelta(hours=12)).isoformat()),
        ("2w", (NOW + dt.timedelta(days=14)).isoformat()),
        (dt.timedelta(days=1), (NOW + dt.timedelta(days=1)).isoformat()),
    ],
    ids=[str(at) for at in range(9)],
)
def test_ends(
    open_ward: Open, monkeypatch: pytest.MonkeyPatch, end: End, found: str
) -> None:
    set_clock(monkeypatch, NOW)
    service = open_ward()
    service.session("alice").request(1, "x")
    assert service.approve(1, expires=end).expires_at == found


@pytest.mark.parametrize(
    "end",
    [
        "",
        "tomorrow",
        "0d",
        "-1d",
        "1y",
        "99999w",
        "9999-12-31",
        "2020-01-01",
        "\u0663\u0660d",
        "9999-12-31T23:59:59-23:00",
        "0001-01-01T00:00:00+23:00",
        dt.timedelta.max,
        dt.timedelta(0),
        dt.timedelta(microseconds=1),
        5,
    ],
)
def test_ends_that_are_none(open_ward: Open, end: End) -> None:
    service = open_ward()
    service.session("alice").request(1, "x")
    if end == "99999w":  # far, and yet a time
        assert service.approve(1, expires=end).state == "approved"
        return
    with pytest.raises(dpquery.ConfigError) as refusal:
        service.approve(1, expires=end)
    assert refusal.value.code == "DPQ443"
    assert service.requests()[0].state == "open"


@pytest.mark.parametrize(
    "epsilon",
    [0, -1, float("nan"), float("inf"), True, "x", "", 10**400, None, "1e-400", [1]],
)
def test_amounts_that_are_none(open_ward: Open, epsilon: Epsilon) -> None:
    service = open_ward()
    session = service.session("alice")
    with pytest.raises(dpquery.ConfigError) as refusal:
        session.request(epsilon, "x")
    assert refusal.value.code == "DPQ401"
    if epsilon is not None:
        session.request(1, "x")
        with pytest.raises(dpquery.ConfigError):
            service.approve(1, epsilon=epsilon)


@pytest.mark.parametrize(
    "reason", ["", " \n", "x" * 1001, "a\x00b", "\x1b[2J", "\ud800"]
)
def test_reasons_that_are_none(open_ward: Open, reason: str) -> None:
    service = open_ward()
    session = service.session("alice")
    with pytest.raises(dpquery.ConfigError) as refusal:
        session.request(1, reason)
    assert refusal.value.code == "DPQ442"
    assert "DPQ442" in TOPICS
    session.request(Decimal("0.1"), "Übersicht\nfür März")
    with pytest.raises(dpquery.ConfigError):
        service.deny(1, reason=reason)


def test_who_is_not_listed_any_more(open_ward: Open) -> None:
    open_ward().session("alice").request(1, "x")
    service = open_ward(("  alice: {epsilon: 1}\n", ""))
    with pytest.raises(dpquery.AccessDenied):
        service.approve(1)
    assert service.deny(1, reason="gone").state == "denied"


def test_no_such_request(open_ward: Open) -> None:
    service = open_ward()
    for number in (0, 7, 10**30, -1, "x", "", True, 1.5, "1_0"):
        with pytest.raises(dpquery.ConfigError) as refusal:
            service.approve(number)
        assert refusal.value.code == "DPQ440"


# --- budgets that change in the policy -------------------------------------------


def test_raised_and_lowered_in_the_policy(open_ward: Open) -> None:
    service = open_ward()
    service.session("alice").query(COUNT, epsilon=1.0)
    higher = open_ward(("alice: {epsilon: 1}", "alice: {epsilon: 2}"))
    first = higher.session("alice").query(OLD, epsilon=0.5)
    lower = open_ward(("alice: {epsilon: 1}", "alice: {epsilon: 0.5}"))
    session = lower.session("alice")
    with pytest.raises(dpquery.BudgetExceeded) as refusal:
        session.query(OLD, epsilon=0.1)
    assert refusal.value.code == "DPQ205"
    assert str(refusal.value).startswith(
        "DPQ205  alice's budget was lowered below what is spent"
    )
    assert session.query(OLD, epsilon=0.5).rows == first.rows
    found = policy_events(lower)
    assert [each["analysts"]["alice"] for each in found] == ["1", "2", "0.5"]
    assert len({each["digest"] for each in found}) == 3


def test_a_dataset_lowered_below_what_is_spent(open_ward: Open) -> None:
    open_ward().session("alice").query(COUNT, epsilon=1.0)
    session = open_ward(("budget: {epsilon: 4", "budget: {epsilon: 0.5")).session("bob")
    with pytest.raises(dpquery.BudgetExceeded) as refusal:
        session.query(COUNT, epsilon=0.1)
    assert refusal.value.code == "DPQ205"
    assert "the dataset's budget was lowered below what is spent" in str(refusal.value)
    open_ward().session("bob").query(COUNT, epsilon=0.1)  # raised again


def test_the_same_policy_is_no_event(open_ward: Open) -> None:
    open_ward()
    service = open_ward(("version: 1", "# words\nversion: 1"))
    assert len(policy_events(service)) == 1


def test_a_draft_is_not_in_force(open_ward: Open, folder: Path) -> None:
    service = open_ward()
    text = (folder / "ward.yaml").read_text(encoding="utf-8")
    draft = folder / "draft.yaml"
    draft.write_text(text.replace("epsilon: 4", "epsilon: 5"), encoding="utf-8")
    with Service.open(draft, in_force=False):
        pass
    assert len(policy_events(service)) == 1
