"""
Kill, starve and lock out the processes of one ledger; then count what must be zero.

``python -m benchmarks.faults [--kills 1000] [--processes 16] [--postgres]``: so many
processes answer questions from one ledger and are killed (SIGKILL) at random moments.
Other processes hold its lock, its disk fills up, may not be written, or fails; its
write-ahead log is cut off; a server is stopped as by a crash. Whatever happens: no
answer without a debit, no debit lost, no limit passed, an audit without a finding, and
every survivor answers the next question.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from benchmarks.postgres import Server, Unavailable
from benchmarks.workers import (
    AMOUNT,
    Where,
    ask,
    fork,
    kill,
    running,
    stop,
    wait_all,
)
from dpquery.accounting.loss import Definition
from dpquery.errors import LedgerError
from dpquery.ledger import audit
from dpquery.ledger.acceptance import accept
from dpquery.ledger.opening import head_beside
from dpquery.ledger.records import DATASET
from dpquery.ledger.schema import DEBITS, RELEASES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LIVES = 0.4
"""Seconds that a process lives on average before it is killed."""


_LIES = ("DPQ551", "DPQ556", "DPQ557", "DPQ558", "DPQ560", "DPQ999")
"""Codes of errors that none of the faults is."""


@dataclass(slots=True)
class Outcome:
    """What one scenario came to."""

    name: str
    counts: dict[str, int] = field(default_factory=dict)
    """To be read."""
    wrong: dict[str, int] = field(default_factory=dict)
    """To be zero."""
    skipped: str = ""

    @property
    def holds(self) -> bool:
        """Whether all that must be zero is."""
        return not any(self.wrong.values())


def examine(where: Where, outcome: Outcome, *, lost_rows: bool = False) -> None:
    """Count what workers say against what the ledger says."""
    told = where.told()
    given = [release for word, release in told if word == "given"]
    stored = {release for word, release in told if word == "stored"}
    with where.open() as ledger:
        with ledger.reading() as connection:
            debits = connection.execute(
                select(DEBITS.c.release).where(
                    DEBITS.c.scope == DATASET, DEBITS.c.amount == AMOUNT
                )
            ).scalars()
            debited = set(debits)
            query = select(RELEASES.c.id).where(RELEASES.c.state == "settled")
            settled = set(connection.execute(query).scalars())
        spent = ledger.spent(DATASET).amount
    head = where.head or head_beside(where.location)
    outcome.counts |= {
        "answers": len(given),
        "debits": len(debited),
    }
    codes = Counter(code for word, code in told if word == "error")
    outcome.counts |= {f"errors {code}": n for code, n in sorted(codes.items())}
    outcome.wrong |= {
        "unpaid answers": max(0, AMOUNT * len(given) - spent),
        "findings of the audit": len(audit.verify(where.location, head).findings),
        "errors that lie": sum(codes[code] for code in _LIES),
    }
    if not lost_rows:
        outcome.wrong |= {
            "answers without a debit": len(set(given) - debited),
            "stored answers lost": len(stored - settled),
        }


def contend(where: Where, outcome: Outcome, processes: int, answers: int = 100) -> None:
    """Have many ask for the last of a budget: all of it is spent, and no more."""
    with where.open() as ledger:
        limit = ledger.spent(DATASET).amount + AMOUNT * answers
    pids = [fork(lambda: ask(where, limit)) for _ in range(processes)]
    stuck = wait_all(pids, 120)
    with where.open() as ledger:
        spent = ledger.spent(DATASET).amount
    outcome.wrong |= {
        "overspent": max(0, spent - limit),
        "not spent at the limit": max(0, limit - spent),
        "stuck": stuck,
    }


def kills(
    where: Where,
    count: int,
    processes: int,
    name: str = "kill -9",
    meanwhile: Callable[[], None] = lambda: None,
) -> Outcome:
    """Kill processes at random moments, then let the last ones go on."""
    outcome = Outcome(name)
    chance = random.Random(count)  # noqa: S311 -- no secret
    where.open().close()  # what is imported now, no worker has to import
    alive: list[tuple[float, int]] = []
    killed = 0
    while killed < count:
        while len(alive) < processes:
            pid = fork(lambda: ask(where))
            alive.append((time.monotonic() + chance.expovariate(1 / LIVES), pid))
        alive.sort()
        due, pid = alive.pop(0)
        time.sleep(max(0.0, due - time.monotonic()))
        kill(pid)
        killed += 1
        meanwhile()
    outcome.wrong["stuck survivors"] = stop([pid for _, pid in alive])
    survived = sum(word == "survived" for word, _ in where.told())
    outcome.counts |= {"kills": killed, "survivors": survived}
    outcome.wrong["survivors without an answer"] = len(alive) - survived
    examine(where, outcome)
    contend(where, outcome, processes)
    examine(where, outcome)
    return outcome


def busy(where: Where, processes: int) -> Outcome:
    """Have another process hold SQLite's lock for longer than anybody waits."""
    outcome = Outcome("SQLITE_BUSY")
    with where.open():
        pass
    with running(where, processes, busy_seconds=0.05):
        for _ in range(5):
            other = sqlite3.connect(where.location, isolation_level=None, timeout=30)
            other.execute("BEGIN IMMEDIATE")
            time.sleep(0.3)
            other.execute("ROLLBACK")
            other.close()
            time.sleep(0.1)
    codes = [code for word, code in where.told() if word == "error"]
    outcome.counts["locked out"] = codes.count("DPQ552")
    outcome.wrong["never locked out"] = int("DPQ552" not in codes)
    examine(where, outcome)
    contend(where, outcome, processes)
    return outcome


def no_space(where: Where, processes: int) -> Outcome:
    """Fill a small disk under a ledger, free it again."""
    outcome = Outcome("ENOSPC")
    with small_disk(where) as (there, disk):
        ballast = disk / "ballast"
        with there.open():
            pass
        with running(there, processes):
            for _ in range(3):
                time.sleep(0.3)
                with contextlib.suppress(OSError), ballast.open("wb", 0) as file:
                    while True:
                        file.write(b"x" * 4096)
                time.sleep(0.5)
                ballast.unlink()
        codes = [code for word, code in there.told() if word == "error"]
        outcome.counts["disk full"] = codes.count("DPQ553")
        outcome.wrong["never full"] = int("DPQ553" not in codes)
        examine(there, outcome)
        contend(there, outcome, processes)
        examine(there, outcome)
        left = [p.name for p in disk.iterdir() if ".head." in p.name]
        outcome.wrong["files left behind"] = len(left)
    return outcome


def read_only(where: Where, processes: int) -> Outcome:
    """Mount a ledger's disk for reading only, then for writing again."""
    outcome = Outcome("read-only")
    with small_disk(where) as (there, disk):
        with running(there, processes):
            time.sleep(0.3)
        mount("-o", "remount,ro", str(disk))
        with running(there, 2):
            time.sleep(0.3)
            codes = [code for word, code in there.told() if word == "error"]
            mount("-o", "remount,rw", str(disk))
        outcome.counts["refused"] = codes.count("DPQ554")
        outcome.wrong["never refused"] = int("DPQ554" not in codes)
        examine(there, outcome)
        contend(there, outcome, processes)
    return outcome


def write_errors(where: Where, processes: int) -> Outcome:
    """Let files grow no further: writes fail with an input/output error."""
    outcome = Outcome("write errors")
    with running(where, processes):
        time.sleep(0.3)
    size = Path(where.location).stat().st_size

    def starve(extra: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + extra, size + extra))
        ask(where)

    pids = [fork(partial(starve, n * 1500)) for n in range(processes)]
    time.sleep(1.5)
    for pid in pids:
        kill(pid)
    codes = [code for word, code in where.told() if word == "error"]
    outcome.counts["failed writes"] = len(codes)
    outcome.wrong["no write failed"] = int(not codes)
    examine(where, outcome)
    contend(where, outcome, processes)
    return outcome


def cut_log(where: Where, processes: int, times: int = 10) -> Outcome:
    """Cut SQLite's write-ahead log after a crash: what is lost is noticed and paid."""
    outcome = Outcome("truncated WAL")
    chance = random.Random(times)  # noqa: S311 -- no secret
    head = head_beside(where.location)
    refused = told = 0
    for _ in range(times):
        pids = [fork(lambda: ask(where)) for _ in range(min(4, processes))]
        time.sleep(0.4)
        for pid in pids:
            kill(pid)
        log = Path(where.location + "-wal")
        if log.exists():
            with log.open("r+b") as file:
                file.truncate(chance.randrange(0, log.stat().st_size + 1))
        try:
            where.open().close()
        except LedgerError as error:
            refused += 1
            told += error.code != "DPQ560"
            accept(where.location, Definition.ZCDP, head)
    outcome.counts["rollbacks noticed"] = refused
    outcome.wrong["told as something else"] = told
    examine(where, outcome, lost_rows=True)
    contend(where, outcome, processes)
    return outcome


@contextlib.contextmanager
def small_disk(where: Where) -> Iterator[tuple[Where, Path]]:
    """
    Mount a disk of a few MB, for a ledger on it.

    Raises:
        Unavailable: this user or system cannot.
    """
    disk = where.log.with_name("disk")
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk))
    try:
        yield Where(str(disk / "x.ledger"), None, where.log), disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)  # noqa: S603, S607


def mount(*arguments: str) -> None:
    """Mount something, or say that it cannot be done."""
    try:
        subprocess.run(  # noqa: S603 -- our own command
            ["mount", *arguments],  # noqa: S607 -- the system's
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.SubprocessError):
        raise Unavailable("this user cannot mount a small disk") from None


def crashes(server: Server, where: Where, count: int, processes: int) -> Outcome:
    """Kill processes, and stop the server as by a crash every now and then."""
    chance = random.Random(7)  # noqa: S311 -- no secret
    stops = 0

    def perhaps() -> None:
        nonlocal stops
        if chance.random() < 0.02:  # noqa: PLR2004 -- every fiftieth time
            server.stop("immediate")
            time.sleep(0.05)
            server.start()
            stops += 1

    outcome = kills(where, count, processes, "PostgreSQL, crashes", perhaps)
    outcome.counts["server crashes"] = stops
    return outcome


ON_FILES: tuple[Callable[[Where, int], Outcome], ...] = (
    *(busy, no_space, read_only, write_errors, cut_log),
)


def run(
    room: Path, kill_count: int, processes: int, *, postgres: bool, kills_only: bool
) -> list[Outcome]:
    """Run all scenarios in *room*, an empty directory."""

    def place(name: str) -> Where:
        (room / name).mkdir()
        return Where(str(room / name / "x.ledger"), None, room / name / "log")

    found = [kills(place("kills"), kill_count, processes)]
    for scenario in () if kills_only else ON_FILES:
        try:
            found.append(scenario(place(scenario.__name__), processes))
        except Unavailable as reason:
            found.append(Outcome(scenario.__name__, skipped=str(reason)))
    if not kills_only:
        found.append(Outcome("EIO of a disk", skipped="needs a device that can fail"))
    if postgres:
        try:
            with Server() as server:
                where = Where(server.url(), room / "pg.head", room / "pg.log")
                found.append(crashes(server, where, kill_count, processes))
        except Unavailable as reason:
            found.append(Outcome("PostgreSQL", skipped=str(reason)))
    return found


def report(outcomes: Sequence[Outcome]) -> str:
    """Lay outcomes out as a table."""
    lines = []
    for each in outcomes:
        state = "skipped: " + each.skipped if each.skipped else "holds"
        lines.append(f"{each.name:22}{state if each.holds else 'FAILS'}")
        rows = [(f"{n:,}", text) for text, n in each.counts.items()]
        rows += [(f"{n:,}", f"{text}, must be 0") for text, n in each.wrong.items()]
        lines += [f"{number:>12}  {text}" for number, text in rows]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; 0 when everything holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--kills-only", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dpq-faults-") as name:
        outcomes = run(
            Path(name),
            options.kills,
            options.processes,
            postgres=options.postgres,
            kills_only=options.kills_only,
        )
    if options.json:
        facts = {o.name: o.counts | o.wrong for o in outcomes}
        print(json.dumps(facts, indent=1))
    else:
        print(report(outcomes))
    return 0 if all(each.holds for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
