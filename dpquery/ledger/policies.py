"""Which policy was in force when: an event for each change of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import select

from dpquery.ledger.failures import damaged
from dpquery.ledger.journal import OWNER
from dpquery.ledger.schema import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from dpquery.ledger.store import Ledger


def remember(ledger: Ledger, promises: Mapping[str, object]) -> bool:
    """
    Write an event when the policy is not the one that was in force last.

    Return whether it is another one. Policies with one ``digest`` are the same.
    """
    digest = promises["digest"]
    with ledger.reading() as connection:
        if _newest(connection) == digest:
            return False
    with ledger.recording() as recording:
        if _newest(recording.connection) == digest:
            return False
        recording.append(OWNER, "policy", promises)
    return True


def _newest(connection: Connection) -> str | None:
    """Return the digest of the policy that was in force last."""
    query = (
        select(EVENTS.c.body)
        .where(EVENTS.c.kind == "policy")
        .order_by(EVENTS.c.number.desc())
        .limit(1)
    )
    body = connection.execute(query).scalar_one_or_none()
    if body is None:
        return None
    try:
        return str(json.loads(body)["digest"])
    except (ValueError, KeyError, TypeError):
        raise damaged("it does not say which policy was in force") from None
