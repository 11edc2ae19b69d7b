"""`audit` and `receipt`, from the command line, on a ledger without data."""

from __future__ import annotations

import csv
import io
import json
import shutil
from typing import TYPE_CHECKING

import pytest

from dpquery.accounting.accountant import Promise
from dpquery.accounting.events import GaussianNoise
from dpquery.accounting.loss import Loss
from dpquery.ledger.chain import Entry, flaw
from dpquery.ledger.records import Charge
from dpquery.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., "object"]

POLICY = """
version: 1
name: clinic
source: {duckdb: clinic.duckdb}
privacy_unit: patient
tables: {patients: {privacy_unit_column: id, columns: {id: {}}}}
budget: {epsilon: 8, delta: 0.000001}
query: {epsilon: 0.2, delta: 1.0e-10}
analysts: {alice: {epsilon: 3}}
ledger: clinic.ledger
"""
LIMIT = Promise(8, 1e-6).limit()
LOSS = Loss.up(LIMIT.definition, 0.01)


def ask(path: Path) -> str:
    noise = (GaussianNoise(1.0, 10.0),)
    charge = Charge("alice", "f", "v", "SELECT 1", LOSS, noise, LIMIT, LIMIT)
    with Ledger.open(str(path), definition=LIMIT.definition) as ledger:
        lease = ledger.reserve(charge)
        ledger.settle(lease, "{}")
    return lease.release_id


@pytest.fixture
def service() -> None:
    """The real one."""


@pytest.fixture
def policies() -> None:
    """The real ones."""


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clinic.yaml").write_text(POLICY)
    return tmp_path / "clinic.ledger"


def test_verify(ledger: Path, command: Command) -> None:
    got = command("audit", "verify")
    assert (got.status, got.out) == (5, "")
    assert "DPQ550" in got.err
    ask(ledger)
    got = command("audit", "verify")
    assert (got.status, got.out) == (0, "")
    assert "nothing found" in got.err
    copy = ledger.read_bytes()
    ask(ledger)
    ledger.write_bytes(copy)
    got = command("audit", "verify", "--format", "json")
    assert got.status == 1
    assert json.loads(got.out) == [
        {
            "where": "head",
            "message": "events 4 to 5 at the end are missing: "
            "an older copy was put back",
        }
    ]
    got = command("audit", "verify")
    assert (got.status, got.out[:5]) == (1, "head:")


def test_export(ledger: Path, command: Command, tmp_path: Path) -> None:
    ask(ledger)
    got = command("audit", "export")
    assert got.status == 0
    rows = [json.loads(line) for line in got.out.splitlines()]
    assert flaw(Entry(**row) for row in rows) == ""
    assert [row["kind"] for row in rows] == ["created", "charged", "settled"]
    got = command("audit", "export", "--format", "csv")
    table = list(csv.DictReader(io.StringIO(got.out)))
    assert [row["body"] for row in table] == [row["body"] for row in rows]
    got = command("audit", "export", "-o", "a.parquet")
    assert (got.status, got.out) == (0, "")
    pyarrow = pytest.importorskip("pyarrow.parquet")
    read = pyarrow.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["hash"] for row in read] == [row["hash"] for row in rows]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--since", "yesterday"], "DPQ450"),
        (["--since", "2026-13-01"], "DPQ450"),
        (["--format", "parquet"], "DPQ408"),
    ],
)
def test_export_of_what_is_none(
    ledger: Path, command: Command, options: list[str], code: str
) -> None:
    ask(ledger)
    got = command("audit", "export", *options)
    assert (got.status, got.out) == (2, "")
    assert code in got.err


def test_export_since(ledger: Path, command: Command) -> None:
    ask(ledger)
    assert command("audit", "export", "--since", "9999-12-31").out == ""
    assert command("audit", "export", "--since", "2020-01-01").out.count("\n") == 3


def test_accept(ledger: Path, command: Command, tmp_path: Path) -> None:
    ask(ledger)
    got = command("audit", "accept")
    assert (got.status, got.out) == (0, "")
    assert "nothing to accept" in got.err
    shutil.copy(ledger, tmp_path / "copy")
    ask(ledger)
    shutil.copy(tmp_path / "copy", ledger)
    got = command("audit", "accept")
    assert (got.status, got.out) == (0, "")
    assert "lost: up to event 5" in got.err
    assert "charged to dataset: ρ 0.01\n" in got.err
    assert command("audit", "verify").status == 0
    ask(ledger)


def test_receipts(ledger: Path, command: Command, tmp_path: Path) -> None:
    first, second = ask(ledger), ask(ledger)
    for name, release in (("a.json", first), ("b.json", second)):
        got = command("receipt", "export", release, "-o", name)
        assert (got.status, got.out, got.err) == (0, "", "")
    (tmp_path / "clinic.yaml").unlink()
    ledger.unlink()
    got = command("receipt", "verify", "a.json")
    assert (got.status, got.out) == (0, "")
    assert "not who signed it" in got.err
    assert "its noise loses ρ 0.005, and ρ 0.01 was debited" in got.err
    got = command("receipt", "verify", "a.json", "--key", "clinic.ledger.pub")
    assert got.status == 0
    assert "the key that was given" in got.err
    assert command("receipt", "verify", "b.json", "--after", "a.json").status == 0
    got = command("receipt", "verify", "a.json", "--after", "b.json")
    assert got.status == 1
    assert "not charged after" in got.out
    changed = (tmp_path / "a.json").read_text().replace("alice", "bob")
    (tmp_path / "a.json").write_text(changed)
    for options in (["a.json"], ["b.json", "--after", "a.json"]):
        got = command("receipt", "verify", *options)
        assert got.status == 1
        assert got.out
    (tmp_path / "a.json").write_bytes(b"\xff\x00")
    assert command("receipt", "verify", "a.json").status == 1


def test_receipts_that_cannot_be_had(ledger: Path, command: Command) -> None:
    ask(ledger)
    got = command("receipt", "export", "r_0", "-o", "r.json")
    assert got.status == 5
    assert "DPQ561" in got.err
    for options in (["none.json"], ["."], ["clinic.yaml", "--key", "none.pub"]):
        got = command("receipt", "verify", *options)
        assert (got.status, got.out) == (2, "")
        assert "DPQ451" in got.err
    got = command("receipt", "verify", "clinic.yaml", "--key", "clinic.yaml")
    assert got.status == 5
    assert "DPQ562" in got.err
