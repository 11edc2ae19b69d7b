"""Charges, ledgers and processes for the ledger's tests."""

from __future__ import annotations

import os
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest

import dpquery.errors
from benchmarks.postgres import Server, Unavailable
from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import LedgerError
from dpquery.errors.codes import TOPICS
from dpquery.ledger.records import Charge
from dpquery.ledger.store import Ledger

OpenLedger: TypeAlias = Callable[..., Ledger]
MakeCharge: TypeAlias = Callable[..., Charge]
FailsWith: TypeAlias = Callable[[str], AbstractContextManager[None]]
Change: TypeAlias = Callable[[str], list[tuple[Any, ...]]]
Start: TypeAlias = Callable[[str], subprocess.Popen[str]]

ROOM = 10**30


def zcdp(amount: int, delta: int = 0) -> Loss:
    return Loss(Definition.ZCDP, amount, delta)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clinic.ledger"


@pytest.fixture
def head(path: Path) -> Path:
    return path.with_name("clinic.ledger.head")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server, one a session."""
    try:
        started = Server(durable=False)
    except Unavailable as reason:
        pytest.skip(str(reason))
    with started:
        yield started


def execute(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Run SQL on a server behind the ledger's back."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, path: Path) -> Iterator[str]:
    """Where a new ledger is: a file, or a schema of its own on a server."""
    if request.param == "sqlite":
        yield str(path)
        return
    server = request.getfixturevalue("server")
    schema = "s" + secrets.token_hex(6)
    execute(server.url(), f"CREATE SCHEMA {schema}")
    yield server.url(schema)
    execute(server.url(), f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def open_ledger(location: str, head: Path) -> Iterator[OpenLedger]:
    """Open the ledger at ``location``; everything is closed at the end."""
    opened = []
    where = head if "://" in location else None  # a file's is beside it

    def open_it(
        definition: Definition = Definition.ZCDP, busy_seconds: float = 10
    ) -> Ledger:
        opened.append(
            Ledger.open(
                location, definition=definition, busy_seconds=busy_seconds, head=where
            )
        )
        return opened[-1]

    yield open_it
    for ledger in opened:
        ledger.close()


@pytest.fixture
def make_charge() -> MakeCharge:
    def make(
        amount: int = 1,
        delta: int = 0,
        *,
        dataset: int = ROOM,
        mine: int = ROOM,
        **changes: object,
    ) -> Charge:
        values = {
            "analyst": "alice",
            "fingerprint": "f",
            "data_version": "v1",
            "sql": "SELECT count(*) FROM visits",
            "loss": zcdp(amount, delta),
            "events": (),
            "dataset_limit": zcdp(dataset, ROOM),
            "analyst_limit": zcdp(mine, ROOM),
        }
        return Charge(**values | changes)

    return make


@pytest.fixture
def fails_with() -> FailsWith:
    """Expect a LedgerError with this code: explained, and in our words only."""

    @contextmanager
    def expect(code: str) -> Iterator[None]:
        with pytest.raises(LedgerError) as caught:
            yield
        error = caught.value
        assert error.code == code
        assert code in TOPICS
        assert error.hint
        assert error.__cause__ is None
        if error.__context__ is not None:
            assert error.__suppress_context__
            assert str(error.__context__) not in str(error)

    return expect


@pytest.fixture
def change(location: str) -> Change:
    """Run SQL behind the ledger's back."""

    def run(sql: str) -> list[tuple[Any, ...]]:
        if "://" in location:
            return execute(location, sql)
        connection = sqlite3.connect(location, isolation_level=None)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    return run


SCRIPT = """
import os, resource, signal, sys
from pathlib import Path
from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import BudgetExceeded, LedgerError
from dpquery.ledger import books
from dpquery.ledger.records import Charge, DATASET, analyst_scope
from dpquery.ledger.store import Ledger

def charge(analyst, amount, limit=10**30):
    cost, limit = (Loss(Definition.ZCDP, each) for each in (amount, limit))
    return Charge(analyst, "f", "v1", "SELECT 1", cost, (), limit, limit)

def admitted(ledger, analyst, amount, limit, attempts):
    count = 0
    for _ in range(attempts):
        try:
            ledger.settle(ledger.reserve(charge(analyst, amount, limit)), "{}")
            count += 1
        except BudgetExceeded:
            pass
    return count

path, head = sys.argv[1:]
head = Path(head) if head else None
ledger = Ledger.open(path, definition=Definition.ZCDP, head=head)
"""


@pytest.fixture
def start(location: str, head: Path) -> Iterator[Start]:
    """Start Python processes that have opened the ledger and go on with *code*."""
    started = []
    root = Path(dpquery.errors.__file__).parents[2]
    where = str(head) if "://" in location else ""

    def start_it(code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(  # noqa: S603 -- our own script
            [sys.executable, "-c", SCRIPT + code, location, where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        started.append(process)
        return process

    yield start_it
    for process in started:
        process.kill()
        process.communicate()
