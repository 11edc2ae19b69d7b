"""The time that a ledger goes by: never earlier than what it has written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from dpquery.ledger.failures import damaged
from dpquery.ledger.schema import EVENTS

if TYPE_CHECKING:
    from sqlalchemy import Connection


def time_of(connection: Connection) -> datetime:
    """
    Return the later of the clock and the newest time in the audit, in whole seconds.

    A clock that is set back gives nothing again that had come to its end.
    """
    known = connection.execute(select(func.max(EVENTS.c.at))).scalar_one()
    clock = datetime.now(UTC).replace(microsecond=0)
    return clock if known is None else max(clock, read_time(known))


def read_time(text: str) -> datetime:
    """
    Return a time that a ledger has written.

    Raises:
        LedgerError: DPQ551, it is none.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise damaged("it holds a time that is none") from None
