"""Whatever is changed behind the ledger's back, `verify` finds and names."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.accounting.events import GaussianNoise
from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import BudgetExceeded, LedgerError
from dpquery.ledger import audit
from dpquery.ledger import head as heads
from dpquery.ledger.acceptance import accept
from dpquery.ledger.chain import GENESIS, flaw, link
from dpquery.ledger.records import (
    DATASET,
    Debit,
    NewMeasurement,
    View,
    analyst_scope,
    block_scope,
)
from dpquery.ledger.told import KINDS

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

WARD = View("ward", "visits", "shape")
NOISE = (GaussianNoise(1.0, 10.0),)
LOSS = Loss.up(Definition.ZCDP, 0.01)


def zcdp(amount: int, delta: int = 0) -> Loss:
    return Loss(Definition.ZCDP, amount, delta)


@pytest.fixture
def filled(open_ledger: OpenLedger, make_charge: MakeCharge) -> None:
    """Seven events of all that a ledger does by itself."""
    with open_ledger() as ledger:
        block = (Debit(block_scope("2026"), zcdp(3), None),)
        new = (NewMeasurement(WARD, LOSS, 0),)
        charge = make_charge(loss=LOSS, events=NOISE, blocks=block, measurements=new)
        lease = ledger.reserve(charge)
        ledger.settle(lease, "first", {lease.measurements[0]: "[1]"})
        ledger.answer(make_charge(0, analyst="bob", used=lease.measurements), "second")
        ledger.reserve(make_charge(5, fingerprint="never answered"))
        ledger.note("bob", "refused", {"code": "DPQ201"})


@pytest.mark.usefixtures("filled")
class TestVerify:
    @pytest.fixture
    def findings(self, location: str, head: Path) -> Callable[[], dict[str, str]]:
        def find() -> dict[str, str]:
            found = audit.verify(location, head).findings
            assert len({each.where for each in found}) == len(found)
            return {each.where: each.message for each in found}

        return find

    def test_an_honest_ledger(self, location: str, head: Path) -> None:
        found = audit.verify(location, head)
        assert found.findings == ()
        assert found.events == 7
        assert found.hash == heads.read(head).hash

    @pytest.mark.parametrize(
        ("tampering", "where", "message"),
        [
            (
                "UPDATE events SET body = replace(body, '5', '4') WHERE number = 6",
                "chain",
                "event 6 was changed",
            ),
            ("UPDATE events SET at = 'x' WHERE number = 3", "chain", "event 3 was"),
            ("UPDATE events SET actor = 'x' WHERE number = 3", "chain", "event 3 was"),
            ("UPDATE events SET kind = 'x' WHERE number = 7", "chain", "event 7 was"),
            ("DELETE FROM events WHERE number = 3", "chain", "event 3 is missing"),
            ("DELETE FROM events WHERE number = 1", "chain", "event 1 is missing"),
            ("DELETE FROM events WHERE number = 7", "head", "event 7 at the end"),
            ("DELETE FROM events WHERE number > 4", "head", "events 5 to 7 at the end"),
            ("DELETE FROM events", "head", "events 1 to 7 at the end"),
            ("UPDATE debits SET amount = %s WHERE number = 1", "debits", "r_"),
            ("DELETE FROM debits WHERE number = 5", "debits", "r_"),
            ("UPDATE debits SET scope = 'block:1' WHERE number = 3", "debits", "r_"),
            (
                "UPDATE accounts SET spent_amount = %s WHERE scope = 'dataset'",
                "accounts",
                "dataset has not",
            ),
            ("DELETE FROM accounts WHERE scope = 'block:2026'", "accounts", "block:20"),
            (
                "UPDATE releases SET payload = 'x' WHERE number = 1",
                "answers",
                "event 3",
            ),
            ("UPDATE releases SET sql = 'x' WHERE number = 1", "answers", "event 2"),
            (
                "UPDATE releases SET analyst = 'b' WHERE number = 3",
                "answers",
                "event 6",
            ),
            (
                "UPDATE releases SET events = '[]' WHERE number = 1",
                "answers",
                "event 2",
            ),
            ("UPDATE releases SET id = 'r_0' WHERE number = 3", "answers", "r_0 was"),
            ("DELETE FROM releases WHERE number = 3", "answers", "event 6"),
            (
                "UPDATE releases SET payload = 'x', state = 'settled' WHERE number = 3",
                "answers",
                "no event says so",
            ),
            (
                "UPDATE releases SET payload = NULL, state = 'reserved'",
                "answers",
                "event 3",
            ),
            ("UPDATE measurements SET readings = '[2]'", "measurements", "readings of"),
            ("UPDATE measurements SET readings = NULL", "measurements", "readings of"),
            ("UPDATE measurements SET id = 'm_0'", "measurements", "m_0 was never"),
            ("DELETE FROM measurements", "measurements", "event 2"),
            ("UPDATE meta SET value = 'l_0' WHERE key = 'ledger'", "head", "another"),
            (
                "UPDATE meta SET value = 'x' WHERE key = 'definition'",
                "ledger",
                "counts",
            ),
            ("DROP TABLE holdings", "ledger", "holdings is missing"),
            ("DROP TABLE meta", "ledger", "no ledger"),
            ("UPDATE meta SET value = '9' WHERE key LIKE 's%%'", "ledger", "version"),
        ],
    )
    def test_tampering(
        self,
        change: Change,
        findings: Callable[[], dict[str, str]],
        tampering: str,
        where: str,
        message: str,
    ) -> None:
        change(tampering.replace("%s", f"'{9:040}'").replace("%%", "%"))
        assert message in findings()[where]

    def test_two_events_in_each_others_place(
        self, change: Change, findings: Callable[[], dict[str, str]]
    ) -> None:
        for old, new in ((5, 99), (6, 5), (99, 6)):
            change(f"UPDATE events SET number = {new} WHERE number = {old}")
        assert findings()["chain"] == "event 5 does not follow the event before it"

    def test_a_chain_made_anew_is_not_the_one_of_the_head(
        self, location: str, change: Change, findings: Callable[[], dict[str, str]]
    ) -> None:
        """Who has the code can make a sound chain; the head they have not."""
        previous = GENESIS
        for each in audit.events(location):
            body = each.body.replace("bob", "eve")
            actor = each.actor.replace("bob", "eve")
            fields = (each.number, each.at, actor, each.kind, body, previous)
            new = link(*fields)
            change(
                f"UPDATE events SET actor = '{actor}', body = '{body}', "
                f"previous = '{previous}', hash = '{new}' WHERE number = {each.number}"
            )
            previous = new
        found = findings()
        assert "chain" not in found
        assert found["head"] == "event 7 is not the one that was written"
        assert "event 4" in found["answers"]

    def test_a_missing_head(
        self, head: Path, findings: Callable[[], dict[str, str]]
    ) -> None:
        head.unlink()
        assert "is missing" in findings()["head"]

    def test_a_damaged_head(
        self, head: Path, findings: Callable[[], dict[str, str]]
    ) -> None:
        head.write_text("nonsense")
        assert "cannot be understood" in findings()["head"]

    def test_a_ledger_without_a_head(self, location: str) -> None:
        assert audit.verify(location, None).findings == ()

    def test_nothing_is_written(
        self, location: str, head: Path, change: Change
    ) -> None:
        change("DELETE FROM events WHERE number = 7")
        before = change("SELECT * FROM events"), head.read_bytes()
        audit.verify(location, head)
        assert (change("SELECT * FROM events"), head.read_bytes()) == before

    def test_export_gives_the_chain(self, location: str) -> None:
        found = audit.events(location)
        assert flaw(found) == ""
        assert flaw(found[3:], found[2].hash, 4) == ""
        assert {each.kind for each in found} == {
            *("created", "charged", "settled", "refused")
        }
        assert {each.kind for each in found} < KINDS

    def test_every_kind_is_known(
        self,
        open_ledger: OpenLedger,
        location: str,
        findings: Callable[[], dict[str, str]],
    ) -> None:
        with open_ledger() as ledger:
            for kind in ("policy", "requested", "approved", "denied", "refused"):
                ledger.note("(owner)", kind, {"id": 1})
        assert findings() == {}
        with open_ledger() as ledger:
            ledger.note("(owner)", "charged", {"release": 1})
            ledger.note("(owner)", "gift", {})
            ledger.note("(owner)", "created", {})
            facts = {"release": "r_9", "answer": "", "measurements": {}}
            ledger.note("(owner)", "settled", facts)
        assert "event 13 does not say" in findings()["events"]
        assert "3 more" in findings()["events"]
        assert len(audit.events(location)) == 16

    def test_noise_that_was_not_paid_for(
        self, open_ledger: OpenLedger, findings: Callable[[], dict[str, str]]
    ) -> None:
        noise = '[{"event":"gaussian_noise","sensitivity":1.0,"scale":1.0}]'
        facts = {"release": "r_9", "noise": noise, "debits": {"dataset": [1, 0]}}
        with open_ledger() as ledger:
            ledger.note("eve", "charged", facts | {"measured": []})
        found = findings()
        assert "less than its noise" in found["events"]
        assert "r_9 is not debited" in found["debits"]
        assert "r_9 is missing" in found["answers"]


class TestFiles:
    @pytest.fixture
    def location(self, path: Path) -> str:
        return str(path)

    @pytest.mark.parametrize(
        "content", [b"", b"a text, no database\n" * 500, b"\0" * 9000]
    )
    def test_what_is_no_ledger(self, path: Path, head: Path, content: bytes) -> None:
        path.write_bytes(content)
        if not content:
            with pytest.raises(LedgerError):
                audit.verify(str(path), head)
            return
        (found,) = audit.verify(str(path), head).findings
        assert found.where == "ledger"

    def test_what_is_not_there(self, path: Path, head: Path) -> None:
        with pytest.raises(LedgerError) as caught:
            audit.verify(str(path), head)
        assert caught.value.code == "DPQ550"
        assert not path.exists()

    @pytest.mark.usefixtures("filled")
    @pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
    def test_a_truncated_file(self, path: Path, head: Path, keep: float) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])
        assert audit.verify(str(path), head).findings

    @pytest.mark.usefixtures("filled")
    def test_a_directory_in_which_nothing_can_be_made(
        self, path: Path, head: Path
    ) -> None:
        path.parent.chmod(0o555)
        try:
            assert audit.verify(str(path), head).findings == ()
        finally:
            path.parent.chmod(0o755)

    def test_accepting_an_older_copy(
        self,
        path: Path,
        head: Path,
        open_ledger: OpenLedger,
        make_charge: MakeCharge,
        fails_with: FailsWith,
    ) -> None:
        """What was spent stays spent, by whom and for which block it was."""
        block = (Debit(block_scope("2026"), zcdp(3), None),)
        with open_ledger() as ledger:
            ledger.settle(ledger.reserve(make_charge(5)), "kept")
        shutil.copy(path, path.with_name("copy"))
        with open_ledger() as ledger:
            ledger.settle(ledger.reserve(make_charge(7, 1, blocks=block)), "lost")
            ledger.reserve(make_charge(2, analyst="bob"))
            spent = ledger.balances()
        path.with_name("copy").replace(path)
        with fails_with("DPQ560"):
            open_ledger()
        known = heads.read(head)
        done = accept(str(path), Definition.ZCDP, head)
        assert done.why == "older"
        assert done.lost == (known.ledger, 6)
        with open_ledger() as ledger:
            assert ledger.balances() == spent
            assert ledger.find("alice", "f", "v1").payload == "kept"
            with pytest.raises(BudgetExceeded):
                ledger.reserve(make_charge(2, mine=13))
            ledger.reserve(make_charge(1, mine=13))
        assert audit.verify(str(path), head).findings == ()
        accepted = audit.events(str(path))[3]
        assert (accepted.kind, accepted.actor) == ("accepted", "(owner)")
        assert accepted.facts()["lost"]["hash"] == known.hash
        assert accepted.facts()["debits"] == {
            "analyst:alice": [7, 1],
            "analyst:bob": [2, 0],
            "block:2026": [3, 0],
            "dataset": [9, 1],
        }
        assert head.with_name(head.name + ".lost").is_file()

    def test_accepting_a_new_file_for_one_that_was_lost(
        self,
        path: Path,
        head: Path,
        open_ledger: OpenLedger,
        make_charge: MakeCharge,
        fails_with: FailsWith,
    ) -> None:
        with open_ledger() as ledger:
            ledger.reserve(make_charge(5))
        path.unlink()
        with fails_with("DPQ560"):
            open_ledger()
        assert accept(str(path), Definition.ZCDP, head).why == "another"
        with open_ledger() as ledger:
            assert ledger.spent(DATASET) == zcdp(5)
            assert ledger.spent(analyst_scope("alice")) == zcdp(5)
        assert audit.verify(str(path), head).findings == ()

    @pytest.mark.parametrize(
        ("content", "why"), [(None, "missing"), (b"nonsense", "unreadable")]
    )
    def test_accepting_that_the_head_is_lost(
        self,
        path: Path,
        head: Path,
        open_ledger: OpenLedger,
        make_charge: MakeCharge,
        content: bytes | None,
        why: str,
    ) -> None:
        with open_ledger() as ledger:
            ledger.reserve(make_charge(5))
        head.unlink()
        if content is not None:
            head.write_bytes(content)
        done = accept(str(path), Definition.ZCDP, head)
        assert (done.why, done.debits) == (why, {})
        assert open_ledger().spent(DATASET) == zcdp(5)
        assert audit.events(str(path))[-1].facts()["lost"] is None

    def test_nothing_to_accept(
        self, path: Path, head: Path, open_ledger: OpenLedger, make_charge: MakeCharge
    ) -> None:
        with open_ledger() as ledger:
            ledger.reserve(make_charge(5))
        before = head.read_bytes()
        for _ in range(2):
            assert accept(str(path), Definition.ZCDP, head).why == ""
        assert head.read_bytes() == before
        assert len(audit.events(str(path))) == 2

    def test_a_damaged_ledger_is_not_accepted(
        self,
        path: Path,
        head: Path,
        open_ledger: OpenLedger,
        make_charge: MakeCharge,
        change: Change,
        fails_with: FailsWith,
    ) -> None:
        with open_ledger() as ledger:
            ledger.reserve(make_charge(5))
        change("DELETE FROM debits")
        with fails_with("DPQ551"):
            accept(str(path), Definition.ZCDP, head)


@pytest.mark.usefixtures("filled")
def test_accepting_on_either_database(
    location: str, head: Path, change: Change, open_ledger: OpenLedger
) -> None:
    for table, last in (("events", 5), ("releases", 2), ("debits", 3)):
        change(f"DELETE FROM {table} WHERE number > {last}")
    amount = f"'{LOSS.amount:040}'"
    change(f"UPDATE accounts SET spent_amount = {amount} WHERE scope != 'block:2026'")
    assert accept(location, Definition.ZCDP, head).why == "older"
    ledger = open_ledger()
    assert ledger.spent(DATASET) == LOSS + zcdp(5)
    assert ledger.spent(analyst_scope("alice")) == LOSS + zcdp(5)
    assert ledger.spent(block_scope("2026")) == zcdp(3)
    assert audit.verify(location, head).findings == ()
