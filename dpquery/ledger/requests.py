"""Analysts' requests for more budget, and what the owner decided of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from dpquery.errors import BudgetExceeded, ConfigError
from dpquery.ledger.clock import read_time, time_of
from dpquery.ledger.failures import damaged
from dpquery.ledger.journal import OWNER
from dpquery.ledger.schema import REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Row

    from dpquery.ledger.store import Ledger

OPEN, APPROVED, DENIED = "open", "approved", "denied"
MOST_OPEN = 20
"""Of one analyst: whoever asks on and on is waiting for the same answer."""
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as it is now."""

    number: int
    analyst: str
    epsilon: Decimal
    reason: str
    asked_at: datetime
    state: str
    """``open``, ``approved`` or ``denied``."""
    decided_at: datetime | None
    granted: Decimal | None
    """What was approved, which may be another amount than what was asked for."""
    expires_at: datetime | None
    answer: str | None
    """The owner's reason."""
    in_force: bool
    """Whether what was granted counts now."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the owner decides of a request."""

    approve: bool
    epsilon: Decimal | None = None
    """``None``: as asked."""
    expires: Callable[[datetime], datetime] | None = None
    """From the ledger's time to the end; ``None``: it does not end."""
    reason: str | None = None


def ask(ledger: Ledger, analyst: str, epsilon: Decimal, reason: str) -> Request:
    """
    Write down that *analyst* asks for more.

    Raises:
        BudgetExceeded: DPQ206, too many of their requests are open already.
    """
    with ledger.recording() as recording:
        connection = recording.connection
        mine = REQUESTS.c.analyst == analyst, REQUESTS.c.state == OPEN
        count = select(func.count()).select_from(REQUESTS).where(*mine)
        if connection.execute(count).scalar_one() >= MOST_OPEN:
            msg = f"{MOST_OPEN} requests of {analyst} are open already"
            hint = "wait for the owner's answer: `dpquery requests` shows it"
            raise BudgetExceeded(msg, code="DPQ206", hint=hint)
        values = {
            "analyst": analyst,
            "epsilon": _plain(epsilon),
            "reason": reason,
            "asked_at": _text(time_of(connection)),
            "state": OPEN,
        }
        new = insert(REQUESTS).values(**values).returning(REQUESTS.c.number)
        number = connection.execute(new).scalar_one()
        facts = {"request": number, "epsilon": _plain(epsilon), "reason": reason}
        recording.append(analyst, "requested", facts)
        return _one(connection, number)


def decide(ledger: Ledger, number: int | str, decision: Decision) -> Request:
    """
    Write down what the owner says to a request; once.

    Raises:
        ConfigError: DPQ440, there is none of this number; DPQ441, it was decided.
        ValueError: It would have ended already.
    """
    with ledger.recording() as recording:
        connection = recording.connection
        request = _one(connection, number)
        if request.state != OPEN:
            msg = f"request {request.number} was {request.state} before"
            hint = "a decision stays; the analyst may ask again"
            raise ConfigError(msg, code="DPQ441", hint=hint)
        now = time_of(connection)
        expires = decision.expires and decision.expires(now)
        if expires is not None and expires <= now:
            raise ValueError("a grant that has ended already")
        granted = None
        if decision.approve:
            granted = _plain(decision.epsilon or request.epsilon)
        values = {
            "state": APPROVED if decision.approve else DENIED,
            "decided_at": _text(now),
            "granted": granted,
            "expires_at": expires and _text(expires),
            "answer": decision.reason,
        }
        known = update(REQUESTS).where(REQUESTS.c.number == request.number)
        connection.execute(known.values(**values))
        facts = {
            "request": request.number,
            "analyst": request.analyst,
            "reason": decision.reason,
        }
        if decision.approve:
            facts |= {"epsilon": granted, "expires": values["expires_at"]}
        recording.append(OWNER, str(values["state"]), facts)
        return _one(connection, request.number)


def listed(ledger: Ledger, analyst: str | None = None) -> list[Request]:
    """Return all requests, or those of *analyst*, oldest first."""
    query = select(REQUESTS).order_by(REQUESTS.c.number)
    if analyst is not None:
        query = query.where(REQUESTS.c.analyst == analyst)
    with ledger.reading() as connection:
        now = time_of(connection)
        return [_request(row, now) for row in connection.execute(query)]


def find(ledger: Ledger, number: int | str) -> Request:
    """
    Return one request.

    Raises:
        ConfigError: DPQ440, there is none of this number.
    """
    with ledger.reading() as connection:
        return _one(connection, number)


def granted(ledger: Ledger, analyst: str) -> Decimal:
    """Return the ε that *analyst* was granted beside the policy, and still has."""
    query = select(REQUESTS).where(
        REQUESTS.c.analyst == analyst, REQUESTS.c.state == APPROVED
    )
    with ledger.reading() as connection:
        rows = connection.execute(query).all()
        if not rows:
            return Decimal(0)
        now = time_of(connection)
        requests = [_request(row, now) for row in rows]
    return sum((r.granted or Decimal(0) for r in requests if r.in_force), Decimal(0))


def _one(connection: Connection, number: int | str) -> Request:
    row, text = None, str(number).strip()
    if _NUMBER.fullmatch(text):
        query = select(REQUESTS).where(REQUESTS.c.number == int(text))
        row = connection.execute(query).one_or_none()
    if row is None:
        msg = f"there is no request {text[:20]!r}"
        hint = "`dpquery requests --all` lists them"
        raise ConfigError(msg, code="DPQ440", hint=hint)
    return _request(row, time_of(connection))


def _request(row: Row[tuple[object, ...]], now: datetime) -> Request:
    expires = row.expires_at and read_time(row.expires_at)
    return Request(
        number=row.number,
        analyst=row.analyst,
        epsilon=_number(row.epsilon),
        reason=row.reason,
        asked_at=read_time(row.asked_at),
        state=row.state,
        decided_at=row.decided_at and read_time(row.decided_at),
        granted=None if row.granted is None else _number(row.granted),
        expires_at=expires,
        answer=row.answer,
        in_force=row.state == APPROVED and (expires is None or now < expires),
    )


def _number(text: str) -> Decimal:
    """Return an amount; a request that is no positive number grants nothing."""
    try:
        value = Decimal(text)
    except (ArithmeticError, TypeError):
        raise damaged("it holds a request for no number") from None
    if not value.is_finite() or value <= 0:
        raise damaged("it holds a request for no amount")
    return value


def _plain(amount: Decimal) -> str:
    """Write 6.0 as 6, and 1E+2 as 100."""
    return format(amount.normalize(), "f")


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")
