"""
How fast a ledger is: stored answers again, and charges with their answers.

``python -m benchmarks.ledger [--seconds 5] [--json]``: through the library, an answered
question is asked again and again (a replay costs nothing, and reads no private row);
and on the ledger alone, a charge is made durable and its answer stored, by one process
and by four, in an SQLite file and, if a server is installed, in PostgreSQL.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dpquery
from benchmarks.postgres import Server, Unavailable
from benchmarks.workers import NO_LIMIT, Where, charge, fork, kill

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[1]
QUESTION = "SELECT ward, count(*) FROM visits GROUP BY ward"
REPLAYS, CHARGES = 300, 200
"""What is aimed at, a second."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One speed."""

    what: str
    per_second: float
    aim: float | None = None


def rate(work: Callable[[], object], seconds: float) -> float:
    """Return how often *work* is done in a second, after it was done once."""
    work()
    done, start = 0, time.perf_counter()
    while (took := time.perf_counter() - start) < seconds:
        work()
        done += 1
    return done / took


def replays(room: Path, seconds: float) -> float:
    """Ask an answered question again through the library."""
    for name in ("policies", "sample_data"):
        shutil.copytree(
            ROOT / name, room / name, ignore=shutil.ignore_patterns("*.le*")
        )
    policy = room / "policies" / "clinic.yaml"
    with dpquery.connect(policy, analyst="alice") as session:
        return rate(lambda: session.query(QUESTION), seconds)


def charges(where: Where, seconds: float) -> float:
    """Charge and settle, one after the other."""
    with where.open() as ledger:

        def answer() -> None:
            ledger.settle(ledger.reserve(charge("alice", NO_LIMIT)), '{"rows":[[1]]}')

        return rate(answer, seconds)


def charges_of_many(where: Where, seconds: float, processes: int = 4) -> float:
    """Charge and settle in several processes at once; all of them together."""
    with where.open() as ledger:
        ledger.reserve(charge("alice", NO_LIMIT))

    def work() -> None:
        speed = charges(where, seconds)
        with where.log.open("a") as log:
            log.write(f"{speed}\n")

    where.log.unlink(missing_ok=True)
    pids = [fork(work) for _ in range(processes)]
    time.sleep(seconds + 0.5)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (
        not where.log.exists() or len(where.log.read_text().split()) < processes
    ):
        time.sleep(0.05)
    for pid in pids:
        kill(pid)
    return sum(map(float, where.log.read_text().split()))


def on_files(room: Path, seconds: float) -> list[Figure]:
    """Measure a ledger in a file."""
    one = Where(str(room / "one.ledger"), None, room / "log")
    many = Where(str(room / "many.ledger"), None, room / "log")
    return [
        Figure("SQLite: replays", replays(room, seconds), REPLAYS),
        Figure("SQLite: charges with answers", charges(one, seconds), CHARGES),
        Figure("SQLite: the same, 4 processes", charges_of_many(many, seconds)),
    ]


def on_a_server(room: Path, seconds: float) -> list[Figure]:
    """Measure a ledger on a server that waits for the disk; nothing without one."""
    try:
        server = Server()
    except Unavailable as reason:
        print(f"PostgreSQL: skipped, {reason}", file=sys.stderr)
        return []
    with server:
        where = Where(server.url(), room / "pg.head", room / "log")
        return [
            Figure(
                "PostgreSQL: charges with answers", charges(where, seconds), CHARGES
            ),
            Figure(
                "PostgreSQL: the same, 4 processes", charges_of_many(where, seconds)
            ),
        ]


def main(arguments: Sequence[str]) -> int:
    """Measure, and print; 1 when an aim is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dpq-ledger-") as name:
        room = Path(name)
        found = on_files(room, options.seconds) + on_a_server(room, options.seconds)
    if options.json:
        print(json.dumps({each.what: round(each.per_second, 1) for each in found}))
    else:
        for each in found:
            aim = "" if each.aim is None else f"   (aim: {each.aim:g})"
            print(f"{each.what:36}{each.per_second:8.0f} a second{aim}")
    return int(any(f.aim is not None and f.per_second < f.aim for f in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
