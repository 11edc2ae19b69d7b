"""Processes that ask one ledger, and write down which answers they have given."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import BudgetExceeded, LedgerError
from dpquery.ledger.records import Charge
from dpquery.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AMOUNT = 7
"""What each answer costs; a limit that it divides can be reached exactly."""
NO_LIMIT = 10**30


@dataclass(frozen=True, slots=True)
class Where:
    """A ledger, and where its workers write what they did."""

    location: str
    head: Path | None
    """``None`` for a file, whose head is beside it."""
    log: Path

    def open(self, busy_seconds: float = 30.0) -> Ledger:
        """Open the ledger."""
        return Ledger.open(
            self.location,
            definition=Definition.ZCDP,
            busy_seconds=busy_seconds,
            head=self.head,
        )

    def told(self) -> list[tuple[str, str]]:
        """Return what the workers wrote: a word and a release or a code."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def charge(analyst: str, limit: int) -> Charge:
    """Return what one answer costs."""
    cost, most = Loss(Definition.ZCDP, AMOUNT), Loss(Definition.ZCDP, limit)
    return Charge(analyst, "f", "v", "SELECT 1", cost, (), most, most)


def fork(work: Callable[[], None]) -> int:
    """Start *work* in a process of its own, deaf to SIGTERM yet; return its id."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        return pid
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)  # nothing of the parent's is to be cleaned up


def ask(where: Where, limit: int = NO_LIMIT, busy_seconds: float = 30.0) -> NoReturn:
    """
    Answer until the limit is reached, or until SIGTERM; then answer once more.

    An answer is written down as given before it is stored: whoever dies in between
    has given it.
    """
    asked_to_stop = []
    signal.signal(signal.SIGTERM, lambda *_: asked_to_stop.append(1))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    log = os.open(where.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def tell(*words: str) -> None:
        os.write(log, (" ".join(words) + "\n").encode())

    chance = random.Random(os.getpid())  # noqa: S311 -- no secret
    ledger: Ledger | None = None
    while True:
        stopping = bool(asked_to_stop)
        try:
            ledger = ledger or where.open(busy_seconds)
            lease = ledger.reserve(charge(f"a{os.getpid() % 5}", limit))
            tell("given", lease.release_id)
            if stopping or chance.random() < 0.8:  # noqa: PLR2004 -- some never are
                ledger.settle(lease, '{"answer":1}')
                tell("stored", lease.release_id)
        except BudgetExceeded:
            tell("full")
            os._exit(0)
        except LedgerError as error:
            tell("error", error.code)
            time.sleep(0.005)
            continue
        if stopping:
            tell("survived")
            os._exit(0)


def wait_all(pids: list[int], seconds: float) -> int:
    """Wait for processes of ours; kill those that take longer, and count them."""
    end, stuck = time.monotonic() + seconds, 0
    for pid in pids:
        while time.monotonic() < end:
            if os.waitpid(pid, os.WNOHANG)[0]:
                break
            time.sleep(0.002)
        else:
            stuck += 1
            kill(pid)
    return stuck


def kill(pid: int) -> None:
    """End one process of ours at once."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


@contextlib.contextmanager
def running(where: Where, count: int, busy_seconds: float = 30.0) -> Iterator[None]:
    """Have workers ask meanwhile; afterwards each answers once more."""
    pids = [fork(lambda: ask(where, busy_seconds=busy_seconds)) for _ in range(count)]
    try:
        yield
    finally:
        stop(pids)


def stop(pids: list[int]) -> int:
    """Have workers answer once more and end; return how many are stuck."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    return wait_all(pids, 60)
