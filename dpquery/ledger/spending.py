"""When and for what budgets were spent, from the charges in the audit."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import select

from dpquery.accounting.loss import Definition, Loss
from dpquery.ledger import books
from dpquery.ledger.clock import read_time, time_of
from dpquery.ledger.failures import damaged
from dpquery.ledger.records import DATASET
from dpquery.ledger.schema import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dpquery.ledger.store import Ledger

WINDOW = timedelta(days=7)
"""What a rate is taken over."""
_USUAL = 50
"""Charges that say what is usual."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What some charges cost everybody together."""

    loss: Loss
    releases: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Spending:
    """What a ledger tells of its charges at one moment."""

    now: datetime
    """The ledger's time."""
    first: datetime | None
    """Of the first charge."""
    balances: Mapping[str, Loss]
    """By scope."""
    week: Mapping[str, Loss]
    """By scope, in the last :data:`WINDOW`."""
    tables: Mapping[str, Sum]
    """By the name of a table whose rows were read."""
    days: Mapping[str, Sum]
    """By day, UTC, as 2026-11-24; ascending."""
    usual: Loss | None
    """The middle one of the last charges; ``None`` before there is any."""


class SpendingReader:
    """
    Reads the charges of a ledger, each of them once.

    One object may be asked again and again: it remembers how far it has read.
    """

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._lock = Lock()
        self._number = 0
        self._first: datetime | None = None
        self._tables: dict[str, Sum] = {}
        self._days: dict[str, Sum] = {}
        self._week: deque[tuple[datetime, dict[str, Loss]]] = deque()
        self._usual: deque[Loss] = deque(maxlen=_USUAL)

    def read(self, ledger: Ledger) -> Spending:
        """
        Return what *ledger* tells now.

        Raises:
            LedgerError: it cannot be read, or a charge cannot be understood.
        """
        query = (
            select(EVENTS.c.number, EVENTS.c.at, EVENTS.c.body)
            .where(EVENTS.c.kind == "charged")
            .order_by(EVENTS.c.number)
        )
        with self._lock, ledger.reading() as connection:
            for number, at, body in connection.execute(
                query.where(EVENTS.c.number > self._number)
            ):
                self._add(read_time(at), body)
                self._number = number
            return self._spending(time_of(connection), books.balances(connection))

    def _add(self, at: datetime, body: str) -> None:
        debits, tables = self._charge(body)
        whole = debits.get(DATASET, Loss.zero(self._definition))
        for table in tables:
            _add_to(self._tables, table, whole, at)
        _add_to(self._days, at.date().isoformat(), whole, at)
        self._first = at if self._first is None else min(self._first, at)
        self._week.append((at, debits))
        newest = self._week[-1][0]
        while newest - self._week[0][0] > WINDOW:
            self._week.popleft()
        if whole.amount:
            self._usual.append(whole)

    def _charge(self, body: str) -> tuple[dict[str, Loss], list[str]]:
        try:
            facts = json.loads(body)
            debits = {
                str(scope): Loss(self._definition, amount, delta)
                for scope, (amount, delta) in facts["debits"].items()
            }
            return debits, [str(each) for each in facts.get("tables", ())]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise damaged("a charge in its audit cannot be understood") from None

    def _spending(
        self, now: datetime, balances: dict[str, tuple[int, int]]
    ) -> Spending:
        week: dict[str, Loss] = {}
        for at, debits in self._week:
            for scope, loss in debits.items() if now - at <= WINDOW else ():
                before = week.get(scope, Loss.zero(self._definition))
                week[scope] = before + loss
        usual = sorted(self._usual, key=lambda loss: loss.amount)
        return Spending(
            now=now,
            first=self._first,
            balances={s: Loss(self._definition, *b) for s, b in balances.items()},
            week=week,
            tables=dict(sorted(self._tables.items())),
            days=dict(sorted(self._days.items())),
            usual=usual[len(usual) // 2] if usual else None,
        )


def _add_to(sums: dict[str, Sum], key: str, loss: Loss, at: datetime) -> None:
    known = sums.get(key)
    if known is None:
        sums[key] = Sum(loss, 1, at)
    else:
        latest = max(known.last, at)
        sums[key] = Sum(known.loss + loss, known.releases + 1, latest)
