"""A ledger of version 1 keeps every debit and every answer."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import BudgetExceeded
from dpquery.ledger import audit
from dpquery.ledger.records import DATASET, Lease, analyst_scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from dpquery.ledger.records import Charge
    from dpquery.ledger.store import Ledger

    OpenLedger = Callable[..., Ledger]
    MakeCharge = Callable[..., Charge]
    FailsWith = Callable[[str], AbstractContextManager[None]]
    Change = Callable[[str], list[tuple[Any, ...]]]


def zcdp(amount: int, delta: int = 0) -> Loss:
    return Loss(Definition.ZCDP, amount, delta)


def digits(name: str) -> str:
    plain = f"CHECK (length({name}) = 40 AND {name} NOT GLOB '*[^0-9]*')"
    return f"{name} TEXT NOT NULL {plain}"


OLD = f"""
PRAGMA journal_mode = WAL;
CREATE TABLE accounts (
    scope TEXT NOT NULL, {digits("spent_amount")}, {digits("spent_delta")},
    PRIMARY KEY (scope)
) STRICT;
CREATE TABLE meta (
    "key" TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY ("key")
) STRICT;
CREATE TABLE releases (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL,
    analyst TEXT NOT NULL, fingerprint TEXT NOT NULL, data_version TEXT NOT NULL,
    sql TEXT NOT NULL, reserved_at TEXT NOT NULL, settled_at TEXT,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'settled')),
    {digits("amount")}, {digits("delta")}, events TEXT NOT NULL, payload TEXT,
    UNIQUE (id), CHECK ((state = 'settled') = (payload IS NOT NULL))
) STRICT;
CREATE INDEX releases_by_loss ON releases (analyst, amount, delta);
CREATE INDEX releases_by_question ON releases (analyst, fingerprint, data_version);
CREATE TABLE snapshots (
    data_version TEXT NOT NULL, verdict TEXT NOT NULL, PRIMARY KEY (data_version)
) STRICT;
INSERT INTO meta VALUES ('schema_version', '1'), ('definition', 'zcdp');
INSERT INTO snapshots VALUES ('v1', 'fine');
INSERT INTO releases (
    id, analyst, fingerprint, data_version, sql, reserved_at, settled_at, state,
    amount, delta, events, payload
) VALUES
    ('r_1', 'alice', 'f', 'v1', 'SELECT 1', 't', 't', 'settled',
     printf('%040d', 5), printf('%040d', 1), '[]', 'old answer'),
    ('r_2', 'alice', 'g', 'v1', 'SELECT 2', 't', NULL, 'reserved',
     printf('%040d', 7), printf('%040d', 0), '[]', NULL),
    ('r_3', 'bob', 'f', 'v1', 'SELECT 1', 't', 't', 'settled',
     printf('%040d', 0), printf('%040d', 0), '[]', 'free');
INSERT INTO accounts VALUES
    ('dataset', printf('%040d', 12), printf('%040d', 1)),
    ('analyst:alice', printf('%040d', 12), printf('%040d', 1)),
    ('analyst:bob', printf('%040d', 0), printf('%040d', 0));
"""
"""What dpquery 0.1 wrote: schema.py of version 1, as SQLAlchemy spelled it."""


@pytest.fixture
def location(path: Path) -> str:
    return str(path)


@pytest.fixture
def old(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(OLD)
    connection.close()
    return path


def test_debits_and_answers_are_kept(
    old: Path, open_ledger: OpenLedger, make_charge: MakeCharge, change: Change
) -> None:
    ledger = open_ledger()
    assert ledger.spent(DATASET) == zcdp(12, 1)
    assert ledger.spent(analyst_scope("alice")) == zcdp(12, 1)
    assert ledger.find("alice", "f", "v1").payload == "old answer"
    assert ledger.verdict("v1") == "fine"
    with pytest.raises(BudgetExceeded):
        ledger.reserve(make_charge(4, mine=15))
    ledger.settle(ledger.reserve(make_charge(3, mine=15)), "new answer")
    ledger.settle(Lease("r_2"), "late answer")
    ledger.close()
    assert open_ledger().spent(DATASET) == zcdp(15, 1)
    assert change("SELECT scope, count(*) FROM debits GROUP BY 1 ORDER BY 1") == [
        ("analyst:alice", 3),
        ("analyst:bob", 1),
        ("dataset", 4),
    ]
    kinds = [kind for (kind,) in change("SELECT kind FROM events ORDER BY number")]
    assert kinds == ["migrated", "charged", "settled", "settled"]
    assert old.with_name(old.name + ".head").is_file()


@pytest.mark.parametrize(
    "tampering",
    [
        "DELETE FROM releases WHERE id = 'r_2'",
        "UPDATE accounts SET spent_amount = printf('%040d', 11)",
        "DROP INDEX releases_by_loss",
        "DROP TABLE snapshots",
        "DELETE FROM meta",
    ],
)
def test_a_damaged_one_stays_as_it_is(
    old: Path,
    open_ledger: OpenLedger,
    change: Change,
    fails_with: FailsWith,
    tampering: str,
) -> None:
    change(tampering)
    code = "DPQ555" if "meta" in tampering else "DPQ551"
    for _ in range(2):
        with fails_with(code):
            open_ledger()
    assert old.exists()
    tables = change("SELECT name FROM sqlite_master WHERE name = 'debits'")
    assert tables == []


def test_an_old_copy_put_back_after_the_migration_is_refused(
    old: Path, open_ledger: OpenLedger, make_charge: MakeCharge, fails_with: FailsWith
) -> None:
    copy = old.read_bytes()
    with open_ledger() as ledger:
        ledger.reserve(make_charge(1))
    old.write_bytes(copy)
    with fails_with("DPQ560"):
        open_ledger()
    assert old.read_bytes() == copy


def test_a_migrated_ledger_verifies_and_its_past_is_fixed(
    old: Path, head: Path, open_ledger: OpenLedger, change: Change
) -> None:
    found = audit.verify(str(old), head).findings
    assert [each.where for each in found] == ["ledger"]
    assert "no audit yet" in found[0].message
    with open_ledger() as ledger:
        ledger.settle(Lease("r_2"), "late")
    assert audit.verify(str(old), head).findings == ()
    for sql, where in (
        ("UPDATE releases SET payload = 'x' WHERE id = 'r_1'", "answers"),
        ("UPDATE releases SET payload = 'x' WHERE id = 'r_2'", "answers"),
        ("DELETE FROM releases WHERE id = 'r_3'", "answers"),
        ("UPDATE debits SET scope = 'analyst:bob' WHERE number = 2", "debits"),
    ):
        kept = old.read_bytes()
        change(sql)
        assert where in {e.where for e in audit.verify(str(old), head).findings}
        old.write_bytes(kept)
