"""A ledger that was put back to an older copy answers nothing."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import LedgerError
from dpquery.ledger import head as heads
from dpquery.ledger.head import Head
from dpquery.ledger.records import DATASET
from dpquery.ledger.store import Ledger

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from dpquery.ledger.records import Charge

    OpenLedger = Callable[..., Ledger]
    MakeCharge = Callable[..., Charge]
    FailsWith = Callable[[str], AbstractContextManager[None]]
    Change = Callable[[str], list[tuple[Any, ...]]]
    Start = Callable[[str], subprocess.Popen[str]]


def zcdp(amount: int, delta: int = 0) -> Loss:
    return Loss(Definition.ZCDP, amount, delta)


def forget(change: Change, last: int) -> None:
    """Put a ledger of charges of 5 back to its first *last* events, soundly."""
    for scope in ("dataset", "analyst:alice"):
        spent = 5 * (last - 1)
        change(
            f"UPDATE accounts SET spent_amount = '{spent:040}' WHERE scope = '{scope}'"
        )
    change(f"DELETE FROM accounts WHERE spent_amount = '{0:040}'")
    change(f"DELETE FROM debits WHERE number > {2 * (last - 1)}")
    change(f"DELETE FROM releases WHERE number > {last - 1}")
    change(f"DELETE FROM events WHERE number > {last}")


def test_an_older_state_is_refused(
    open_ledger: OpenLedger,
    make_charge: MakeCharge,
    change: Change,
    fails_with: FailsWith,
) -> None:
    with open_ledger() as ledger:
        for _ in range(3):
            ledger.reserve(make_charge(5))
    forget(change, 3)
    for _ in range(2):
        with fails_with("DPQ560"):
            open_ledger()


def test_an_older_state_is_refused_while_open(
    open_ledger: OpenLedger,
    make_charge: MakeCharge,
    change: Change,
    fails_with: FailsWith,
    head: Path,
) -> None:
    ledger = open_ledger()
    other = open_ledger()  # has seen nothing but the first event
    ledger.settle(ledger.reserve(make_charge(5)), "{}")
    lease = ledger.reserve(make_charge(5))
    before = heads.read(head)
    change("DELETE FROM events WHERE number = 4")
    for each in (ledger, other):
        with fails_with("DPQ560"):
            each.reserve(make_charge(5))
        with fails_with("DPQ560"):
            each.answer(make_charge(5), "{}")
        with fails_with("DPQ560"):
            each.settle(lease, "{}")
        with fails_with("DPQ560"):
            each.note("(owner)", "policy", {})
    # whoever knows better does not even look at old answers
    with fails_with("DPQ560"):
        ledger.find("alice", "f", "v1")
    with fails_with("DPQ560"):
        ledger.spent(DATASET)
    assert heads.read(head) == before


def test_a_ledger_that_went_another_way_is_refused(
    open_ledger: OpenLedger,
    make_charge: MakeCharge,
    change: Change,
    head: Path,
    fails_with: FailsWith,
) -> None:
    """More events than the head knows do not make up for other ones."""
    with open_ledger() as ledger:
        for _ in range(3):
            ledger.reserve(make_charge(5))
    kept = head.read_bytes()
    forget(change, 1)  # no more than a new ledger: its head may be missing
    head.unlink()
    with open_ledger() as ledger:
        for _ in range(5):
            ledger.reserve(make_charge(5))
    head.write_bytes(kept)
    with fails_with("DPQ560"):
        open_ledger()


class TestFiles:
    @pytest.fixture
    def location(self, path: Path) -> str:
        return str(path)

    @pytest.fixture
    def older(
        self, path: Path, open_ledger: OpenLedger, make_charge: MakeCharge
    ) -> Path:
        """A copy that knows one charge of two."""
        with open_ledger() as ledger:
            ledger.settle(ledger.reserve(make_charge(5)), "{}")
        copy = path.with_name("copy")
        shutil.copy(path, copy)
        with open_ledger() as ledger:
            ledger.reserve(make_charge(7))
        return copy

    def test_an_older_copy(
        self, path: Path, older: Path, open_ledger: OpenLedger, fails_with: FailsWith
    ) -> None:
        newest = path.read_bytes()
        shutil.copy(older, path)
        with fails_with("DPQ560"):
            open_ledger()
        path.write_bytes(newest)
        assert open_ledger().spent(DATASET) == zcdp(12)

    @pytest.mark.parametrize("way", ["rename", "write"])
    def test_an_older_copy_while_open(
        self,
        path: Path,
        older: Path,
        open_ledger: OpenLedger,
        make_charge: MakeCharge,
        fails_with: FailsWith,
        way: str,
    ) -> None:
        ledger = open_ledger()
        ledger.reserve(make_charge(1))
        with sqlite3.connect(path, isolation_level=None) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.close()
        if way == "rename":
            older.rename(path)
        else:
            path.write_bytes(older.read_bytes())
        code = "DPQ556" if way == "rename" else "DPQ560"
        for _ in range(2):
            ledger._database.disconnect()  # SQLite would go on with what it remembers
            with fails_with(code):
                ledger.reserve(make_charge(1))
            with fails_with(code):
                ledger.answer(make_charge(1), "{}")
            with fails_with(code):
                ledger.find("alice", "f", "v1")
        with fails_with("DPQ560"):
            open_ledger()

    def test_a_backup_with_its_head_forgotten(
        self,
        path: Path,
        head: Path,
        older: Path,
        open_ledger: OpenLedger,
        fails_with: FailsWith,
    ) -> None:
        """``rm clinic.ledger*; cp backup clinic.ledger`` is no way around it."""
        shutil.copy(older, path)
        head.unlink()
        with fails_with("DPQ560"):
            open_ledger()
        assert not head.exists()

    def test_a_head_that_is_deleted_while_open(
        self,
        head: Path,
        open_ledger: OpenLedger,
        make_charge: MakeCharge,
        fails_with: FailsWith,
    ) -> None:
        ledger = open_ledger()
        ledger.reserve(make_charge(5))
        head.unlink()
        with fails_with("DPQ560"):
            ledger.reserve(make_charge(5))
        assert ledger.spent(DATASET) == zcdp(5)

    def test_a_ledger_that_is_deleted(
        self,
        path: Path,
        head: Path,
        older: Path,
        open_ledger: OpenLedger,
        fails_with: FailsWith,
    ) -> None:
        older.unlink()
        path.unlink()
        with fails_with("DPQ560"):
            open_ledger()
        assert [each.name for each in path.parent.iterdir()] == [head.name]

    def test_the_head_of_another_ledger(
        self, path: Path, head: Path, open_ledger: OpenLedger, fails_with: FailsWith
    ) -> None:
        open_ledger().close()
        other = path.with_name("other")
        with Ledger.open(str(other), definition=Definition.ZCDP):
            shutil.copy(other.with_name("other.head"), head)
        with fails_with("DPQ560"):
            open_ledger()

    @pytest.mark.parametrize(
        "content",
        [b"", b"{}", b"[]\n[]\n", b"\xff" * 2048, b"\0" * 2048, b"nonsense" * 100],
    )
    def test_a_damaged_head(
        self,
        head: Path,
        open_ledger: OpenLedger,
        make_charge: MakeCharge,
        fails_with: FailsWith,
        content: bytes,
    ) -> None:
        ledger = open_ledger()
        ledger.reserve(make_charge(5))
        kept = head.read_bytes()
        head.write_bytes(content)
        with fails_with("DPQ551"):
            ledger.reserve(make_charge(5))
        with fails_with("DPQ551"):
            open_ledger()
        assert head.read_bytes() == content
        head.write_bytes(kept)
        ledger.reserve(make_charge(5))
        assert open_ledger().spent(DATASET) == zcdp(10)

    def test_an_edited_head(
        self,
        head: Path,
        open_ledger: OpenLedger,
        make_charge: MakeCharge,
        fails_with: FailsWith,
    ) -> None:
        with open_ledger() as ledger:
            ledger.reserve(make_charge(5))
        head.write_bytes(re.sub(rb'"number":.', b'"number":0', head.read_bytes()))
        with fails_with("DPQ551"):
            open_ledger()

    def test_a_head_that_may_not_be_read(
        self, head: Path, open_ledger: OpenLedger, fails_with: FailsWith
    ) -> None:
        open_ledger().close()
        head.unlink()
        head.mkdir()
        with fails_with("DPQ550"):
            open_ledger()

    def test_a_torn_head_falls_back_on_the_one_before(
        self, head: Path, open_ledger: OpenLedger, make_charge: MakeCharge
    ) -> None:
        with open_ledger() as ledger:
            for _ in range(3):
                ledger.reserve(make_charge(5))
        content = head.read_bytes()
        newest = heads.read(head)
        width = len(content) // 2
        at = content.index(f'"number":{newest.number}'.encode()) // width
        torn = bytearray(content)
        torn[at * width + 40 : (at + 1) * width] = b"?" * (width - 40)
        head.write_bytes(torn)
        assert heads.read(head).number == newest.number - 1
        assert open_ledger().spent(DATASET) == zcdp(15)
        assert heads.read(head) == newest

    def test_a_kill_between_commit_and_head(
        self, head: Path, start: Start, open_ledger: OpenLedger
    ) -> None:
        process = start("""
from dpquery.ledger import head as heads
ledger.reserve(charge("alice", 7))
heads.Held.keep = lambda self, head: os.kill(os.getpid(), signal.SIGKILL)
ledger.reserve(charge("alice", 7))
""")
        process.communicate()
        assert heads.read(head).number == 2
        ledger = open_ledger()
        assert ledger.spent(DATASET) == zcdp(14)
        assert heads.read(head).number == 3
        assert heads.read(head).spent["dataset"] == (14, 0)


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "DPQ553"), (errno.EIO, "DPQ550"), (errno.EROFS, "DPQ554")],
)
def test_no_room_for_a_head_charges_nothing_and_leaves_nothing(
    open_ledger: OpenLedger,
    make_charge: MakeCharge,
    fails_with: FailsWith,
    head: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: str,
) -> None:
    ledger = open_ledger()
    wide = make_charge(5, analyst="a" * 3000)  # the head has to grow for this name
    before = head.read_bytes(), sorted(head.parent.iterdir())

    def fail(*_: object) -> None:
        raise OSError(number, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with fails_with(code):
            ledger.reserve(wide)
    assert (head.read_bytes(), sorted(head.parent.iterdir())) == before
    assert ledger.spent(DATASET) == zcdp(0)
    ledger.reserve(wide)
    assert heads.read(head).spent["dataset"] == (5, 0)
    assert open_ledger().spent(DATASET) == zcdp(5)


def test_a_head_that_somebody_holds_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "head"
    with heads.held(path) as held:
        held.make_room(Head("l", 1, "h", {}))
        held.keep(Head("l", 1, "h", {}))
        with (
            pytest.raises(LedgerError) as caught,
            heads.held(path, seconds=0.01),
        ):
            pass
    assert caught.value.code == "DPQ552"
    with heads.held(path, seconds=0.01) as held:
        assert held.head == Head("l", 1, "h", {})
