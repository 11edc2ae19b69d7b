"""However many ask at once, and wherever one dies, the limit holds."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import BudgetExceeded
from dpquery.ledger.records import DATASET, analyst_scope
from dpquery.ledger.store import Ledger

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from dpquery.ledger.records import Charge

    OpenLedger = Callable[..., Ledger]
    MakeCharge = Callable[..., Charge]
    Start = Callable[[str], subprocess.Popen[str]]


def zcdp(amount: int, delta: int = 0) -> Loss:
    return Loss(Definition.ZCDP, amount, delta)


def test_eight_processes_get_exactly_what_there_is(
    start: Start, open_ledger: OpenLedger
) -> None:
    race = """
print("ready", flush=True)
sys.stdin.readline()
print(admitted(ledger, "alice", 7, 7 * 60 + 6, 25))
"""
    processes = [start(race) for _ in range(8)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [int(process.communicate()[0]) for process in processes]
    assert sum(counts) == 60
    ledger = open_ledger()
    assert ledger.spent(DATASET) == zcdp(7 * 60)
    assert [each.state for each in ledger.history("alice")] == ["settled"] * 60


def test_a_ledger_survives_a_fork(start: Start, open_ledger: OpenLedger) -> None:
    forks = """
ledger.reserve(charge("alice", 7))
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        inherited = ledger._database._connection is not None
        os._exit(99 if inherited else admitted(ledger, "alice", 7, 7 * 41 + 6, 25))
    children.append(child)
counts = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
counts.append(admitted(ledger, "alice", 7, 7 * 41 + 6, 1))
print(sum(counts), ledger.spent(DATASET).amount)
"""
    output, _ = start(forks).communicate()
    assert output == f"40 {7 * 41}\n"
    assert open_ledger().spent(analyst_scope("alice")) == zcdp(7 * 41)


def test_threads_share_a_ledger(
    open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    ledger = open_ledger()

    def ask(_: object) -> int:
        try:
            ledger.settle(ledger.reserve(make_charge(3, mine=91)), "{}")
        except BudgetExceeded:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(60))) == 30
    assert ledger.spent(DATASET) == zcdp(90)


def test_a_ledger_is_created_once(
    location: str, head: Path, make_charge: MakeCharge
) -> None:
    where = head if "://" in location else None

    def ask(_: object) -> int:
        with Ledger.open(location, definition=Definition.ZCDP, head=where) as ledger:
            ledger.reserve(make_charge())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(16)))
    with Ledger.open(location, definition=Definition.ZCDP, head=where) as ledger:
        assert ledger.spent(DATASET) == zcdp(16)
    assert {each.name for each in head.parent.iterdir()} <= {
        "clinic.ledger",
        "clinic.ledger.head",
    }


def test_a_kill_between_debit_and_answer_keeps_the_debit(
    start: Start, open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    process = start("""
lease = ledger.reserve(charge("alice", 7))
print(lease.release_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
""")
    release_id = process.communicate()[0].strip()
    assert process.returncode == -signal.SIGKILL
    ledger = open_ledger()
    assert ledger.spent(DATASET) == zcdp(7)
    (orphan,) = ledger.history("alice")
    assert (orphan.release_id, orphan.state) == (release_id, "reserved")
    assert ledger.find("alice", "f", "v1") is None
    ledger.settle(ledger.reserve(make_charge(1)), "{}")
    assert ledger.spent(DATASET) == zcdp(8)


def test_a_kill_within_a_debit_leaves_none(
    start: Start, open_ledger: OpenLedger, make_charge: MakeCharge
) -> None:
    process = start("""
ledger.reserve(charge("alice", 7))
def die(connection, release, debit):
    real(connection, release, debit)
    if debit.scope == DATASET:
        os.kill(os.getpid(), signal.SIGKILL)
real, books.debit = books.debit, die
ledger.reserve(charge("alice", 7))
""")
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    ledger = open_ledger()
    assert ledger.spent(DATASET) == ledger.spent(analyst_scope("alice")) == zcdp(7)
    ledger.reserve(make_charge(1))
