"""A ledger that cannot be trusted gives a clear error, and no answer."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.accounting.loss import Definition, Loss
from dpquery.ledger.records import DATASET
from dpquery.ledger.schema import METADATA, SCHEMA_VERSION
from dpquery.ledger.store import Ledger

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from dpquery.ledger.records import Charge

    OpenLedger = Callable[..., Ledger]
    MakeCharge = Callable[..., Charge]
    FailsWith = Callable[[str], AbstractContextManager[None]]
    Change = Callable[[str], list[tuple[Any, ...]]]
    Start = Callable[[str], subprocess.Popen[str]]


def zcdp(amount: int, delta: int = 0) -> Loss:
    return Loss(Definition.ZCDP, amount, delta)


@pytest.fixture
def location(path: Path) -> str:
    """Files only: how they break is their own."""
    return str(path)


@pytest.fixture
def filled(open_ledger: OpenLedger, make_charge: MakeCharge, path: Path) -> Path:
    """A ledger file with two releases, closed."""
    with open_ledger() as ledger:
        ledger.settle(ledger.reserve(make_charge(5, sql="x" * 20_000)), "y" * 20_000)
        ledger.reserve(make_charge(7))
    return path


def driver_connection(ledger: Ledger) -> sqlite3.Connection:
    """The sqlite3 connection under an open ledger."""
    return ledger._database._connected().connection.driver_connection


@pytest.mark.parametrize("content", [b"a text, no database\n" * 500, os.urandom(9000)])
def test_another_kind_of_file(
    path: Path, open_ledger: OpenLedger, fails_with: FailsWith, content: bytes
) -> None:
    path.write_bytes(content)
    with fails_with("DPQ551"):
        open_ledger()
    assert path.read_bytes() == content


def test_an_empty_file(
    path: Path, open_ledger: OpenLedger, fails_with: FailsWith
) -> None:
    path.touch()
    with fails_with("DPQ551"):
        open_ledger()
    assert path.read_bytes() == b""


def test_another_database(
    change: Change, open_ledger: OpenLedger, fails_with: FailsWith
) -> None:
    change("CREATE TABLE visits (id INTEGER)")
    with fails_with("DPQ551"):
        open_ledger()


@pytest.mark.parametrize("keep", [1, 100, 512, 4096, 4097, 0.3, 0.9])
def test_a_truncated_file(
    filled: Path, open_ledger: OpenLedger, fails_with: FailsWith, keep: float
) -> None:
    content = filled.read_bytes()
    filled.write_bytes(content[: keep if keep >= 1 else int(keep * len(content))])
    with fails_with("DPQ551"):
        open_ledger().history("alice")


def test_overwritten_pages(
    filled: Path, open_ledger: OpenLedger, fails_with: FailsWith
) -> None:
    content = bytearray(filled.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    filled.write_bytes(content)
    with fails_with("DPQ551"):
        open_ledger()


@pytest.mark.parametrize("table", sorted(METADATA.tables))
def test_a_dropped_table(
    filled: Path,
    change: Change,
    open_ledger: OpenLedger,
    fails_with: FailsWith,
    table: str,
) -> None:
    change(f"DROP TABLE {table}")
    with fails_with("DPQ551"):
        open_ledger()
    assert filled.exists()


def test_a_table_dropped_while_open(
    open_ledger: OpenLedger,
    change: Change,
    make_charge: MakeCharge,
    fails_with: FailsWith,
) -> None:
    ledger = open_ledger()
    change("DROP TABLE accounts")
    with fails_with("DPQ551"):
        ledger.reserve(make_charge())
    with fails_with("DPQ551"):
        ledger.spent(DATASET)


@pytest.mark.parametrize(
    "tampering",
    [
        "DELETE FROM accounts",
        "DELETE FROM accounts WHERE scope = 'dataset'",
        "DELETE FROM releases",
        "DELETE FROM releases WHERE number = 2",
        "UPDATE releases SET analyst = 'bob' WHERE number = 2",
        "UPDATE releases SET delta = substr('1' || delta, 1, 40) WHERE number = 1",
        "UPDATE accounts SET spent_amount = printf('%040d', 11)",
        "UPDATE accounts SET scope = 'analyst:eve' WHERE scope != 'dataset'",
        "DELETE FROM debits",
        "DELETE FROM debits WHERE number = 4",
        "UPDATE debits SET amount = printf('%040d', 6) WHERE number = 4",
        "UPDATE debits SET scope = 'block:2026' WHERE number = 1",
        "UPDATE debits SET release = 'r_other' WHERE number = 4",
        "INSERT INTO debits SELECT 9, 'r_x', scope, amount, delta FROM debits LIMIT 1",
    ],
)
def test_accounts_debits_and_releases_that_do_not_match(
    filled: Path,
    change: Change,
    open_ledger: OpenLedger,
    fails_with: FailsWith,
    tampering: str,
) -> None:
    change(tampering)
    with fails_with("DPQ551"):
        open_ledger()
    assert filled.exists()


@pytest.mark.parametrize(
    "value",
    [
        *("NULL", "-1", "1e300", "0", "'0'", "9e999"),
        *(f"'{'x' * 40}'", f"'-{'1' * 39}'", f"'1{'x' * 38}1'"),
    ],
)
@pytest.mark.parametrize(
    "column",
    [
        *("accounts SET spent_amount", "releases SET amount", "releases SET delta"),
        *("debits SET amount", "debits SET delta"),
    ],
)
def test_sqlite_refuses_what_is_no_amount(
    filled: Path, change: Change, column: str, value: str
) -> None:
    assert filled.exists()
    with pytest.raises(sqlite3.IntegrityError):
        change(f"UPDATE {column} = {value}")


def test_an_amount_that_got_past_sqlite(
    filled: Path, open_ledger: OpenLedger, fails_with: FailsWith
) -> None:
    connection = sqlite3.connect(filled, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute("UPDATE accounts SET spent_amount = 'NaN'")
    connection.close()
    with fails_with("DPQ551"):
        open_ledger()


def test_a_newer_ledger(
    filled: Path, change: Change, open_ledger: OpenLedger, fails_with: FailsWith
) -> None:
    newer = SCHEMA_VERSION + 1
    change(f"UPDATE meta SET value = '{newer}' WHERE key = 'schema_version'")
    before = filled.read_bytes()
    with fails_with("DPQ555"):
        open_ledger()
    assert filled.read_bytes() == before


def test_another_definition(
    filled: Path, open_ledger: OpenLedger, fails_with: FailsWith
) -> None:
    with fails_with("DPQ558"):
        open_ledger(definition=Definition.PURE)
    assert open_ledger().spent(DATASET) == zcdp(12)
    assert filled.exists()


@pytest.mark.parametrize(
    "location",
    [
        "",
        ":memory:",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "file:x",
        "mysql://host/ledger",
        "postgresql://host:port/ledger",
        "nonsense://x",
        "://",
        "sqlite://host:port/x",
        "a\0b",
        "x" * 5000,
    ],
)
def test_what_is_no_file(
    location: str,
    fails_with: FailsWith,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with fails_with("DPQ550"):
        Ledger.open(location, definition=Definition.ZCDP)
    assert list(tmp_path.iterdir()) == []


def test_a_directory(
    path: Path, open_ledger: OpenLedger, fails_with: FailsWith
) -> None:
    path.mkdir()
    with fails_with("DPQ550"):
        open_ledger()


def test_a_missing_directory(tmp_path: Path, fails_with: FailsWith) -> None:
    for location in (tmp_path / "no" / "x", tmp_path / "file" / "x"):
        (tmp_path / "file").touch()
        with fails_with("DPQ550"):
            Ledger.open(str(location), definition=Definition.ZCDP)
    assert not (tmp_path / "no").exists()


def test_a_link_to_nothing(
    path: Path, open_ledger: OpenLedger, fails_with: FailsWith
) -> None:
    path.symlink_to(path.parent / "elsewhere")
    with fails_with("DPQ550"):
        open_ledger()


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_ledger_that_another_process_holds(
    filled: Path,
    open_ledger: OpenLedger,
    make_charge: MakeCharge,
    fails_with: FailsWith,
    begin: str,
) -> None:
    ledger = open_ledger(busy_seconds=0.05)
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute(begin)
    with fails_with("DPQ552"):
        ledger.reserve(make_charge())
    with fails_with("DPQ552"):
        open_ledger(busy_seconds=0.05)
    other.execute("ROLLBACK")
    other.close()
    ledger.reserve(make_charge())
    assert ledger.spent(DATASET) == zcdp(13)


def test_a_full_disk(
    open_ledger: OpenLedger, make_charge: MakeCharge, fails_with: FailsWith
) -> None:
    ledger = open_ledger()
    lease = ledger.reserve(make_charge(5))
    driver_connection(ledger).execute("PRAGMA max_page_count = 1")  # as it is now
    with fails_with("DPQ553"):
        ledger.reserve(make_charge(7, sql="x" * 100_000))
    driver_connection(ledger).execute("PRAGMA max_page_count = 1")
    with fails_with("DPQ553"):
        ledger.settle(lease, "x" * 100_000)
    assert ledger.spent(DATASET) == zcdp(5)
    assert ledger.find("alice", "f", "v1") is None
    ledger.settle(lease, "now there is room")


def test_a_file_that_may_not_grow(
    start: Start, open_ledger: OpenLedger, path: Path
) -> None:
    process = start("""
resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat(path + "-wal").st_size + 5000,) * 2)
count = 0
try:
    for _ in range(100):
        ledger.reserve(charge("alice", 7))
        count += 1
except LedgerError as error:
    print(count, error.code, flush=True)
os._exit(0)
""")
    count, code = process.communicate()[0].split()
    assert code in {"DPQ553", "DPQ559"}
    ledger = open_ledger()
    assert path.exists()
    assert ledger.spent(DATASET) == zcdp(7 * int(count))
    assert len(ledger.history("alice")) == int(count)


@contextlib.contextmanager
def as_somebody_else() -> Iterator[None]:
    """Drop root's right to write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shared(make_charge: MakeCharge) -> Iterator[Path]:
    """A ledger in a directory that everybody may read; imports are done."""
    room = Path(tempfile.mkdtemp())
    with Ledger.open(str(room / "x"), definition=Definition.ZCDP) as ledger:
        ledger.settle(ledger.reserve(make_charge(5)), "{}")
    yield room / "x"
    room.chmod(0o755)
    shutil.rmtree(room)


@pytest.mark.parametrize(
    ("directory", "file"), [(0o555, 0o444), (0o555, 0o666), (0o777, 0o444)]
)
def test_a_read_only_ledger(
    shared: Path, fails_with: FailsWith, directory: int, file: int
) -> None:
    shared.chmod(file)
    shared.parent.chmod(directory)
    with as_somebody_else(), fails_with("DPQ554"):
        Ledger.open(str(shared), definition=Definition.ZCDP)


def test_a_read_only_directory_for_a_new_ledger(
    shared: Path, fails_with: FailsWith
) -> None:
    shared.parent.chmod(0o555)
    with as_somebody_else(), fails_with("DPQ550"):
        Ledger.open(str(shared.with_name("new")), definition=Definition.ZCDP)


def test_a_directory_that_may_not_be_looked_into(
    shared: Path, fails_with: FailsWith
) -> None:
    shared.parent.chmod(0o000)
    with as_somebody_else(), fails_with("DPQ550"):
        Ledger.open(str(shared), definition=Definition.ZCDP)


def test_a_ledger_that_becomes_read_only(
    open_ledger: OpenLedger, make_charge: MakeCharge, fails_with: FailsWith
) -> None:
    ledger = open_ledger()
    ledger.reserve(make_charge(5))
    driver_connection(ledger).execute("PRAGMA query_only = ON")
    with fails_with("DPQ554"):
        ledger.reserve(make_charge(7))
    assert ledger.spent(DATASET) == zcdp(5)


@pytest.mark.parametrize("replacement", [None, "a copy"])
def test_a_file_that_is_taken_away(
    path: Path,
    open_ledger: OpenLedger,
    make_charge: MakeCharge,
    fails_with: FailsWith,
    replacement: str | None,
) -> None:
    ledger = open_ledger()
    lease = ledger.reserve(make_charge(5))
    kept = path.with_name("kept")
    path.rename(kept)
    if replacement:
        shutil.copy(kept, path)
    with fails_with("DPQ556"):
        ledger.reserve(make_charge(7))
    with fails_with("DPQ556"):
        ledger.settle(lease, "{}")
    kept.replace(path)
    ledger.settle(lease, "{}")
    assert ledger.spent(DATASET) == zcdp(5)
