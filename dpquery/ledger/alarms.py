"""Shares of limits that spending reaches: each found once, whoever spends."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from dpquery.ledger import books
from dpquery.ledger.failures import damaged
from dpquery.ledger.journal import DPQUERY
from dpquery.ledger.records import Crossing
from dpquery.ledger.schema import META

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from dpquery.accounting.loss import Loss
    from dpquery.ledger.journal import Recording
    from dpquery.ledger.records import Charge, Debit, Lease

_KEY = "alert:"
"""Of what was told last of a scope, in the table of facts."""


@dataclass(frozen=True, slots=True)
class Alarms:
    """
    At which shares of a limit somebody is told, and whom.

    What was told last of a scope is kept beside its balance and changed in the
    transaction of the charge, so that all processes together tell a share once. When
    a limit was raised, spending may reach the same share of it again: that is told.
    """

    shares: tuple[Decimal, ...] = ()
    """In (0, 1], ascending."""
    inform: Callable[[Crossing], None] = lambda _: None
    """Called after the transaction; does not raise and does not wait."""

    def crossed(self, recording: Recording, charge: Charge) -> tuple[Crossing, ...]:
        """Find, and write down, what *charge* has reached: it was debited just now."""
        if not self.shares:
            return ()
        connection = recording.connection
        limited = [each for each in charge.debits if each.limit is not None]
        told = _told(connection, [each.scope for each in limited])
        found: list[Crossing] = []
        for debit in limited:
            after = books.spent(connection, debit.scope, debit.loss.definition)
            known = told.get(debit.scope, Decimal(0))
            reached = self._reached(after, debit)
            known_yet = min(known, self._reached(after.minus(debit.loss), debit))
            found += [
                _written(recording, debit, after, share)
                for share in self.shares
                if known_yet < share <= reached
            ]
            if reached != known:
                _keep(connection, debit.scope, reached)
        return tuple(found)

    def tell(self, lease: Lease) -> None:
        """Tell what *lease* has reached, once it is durable."""
        for each in lease.crossed:
            self.inform(each)

    def _reached(self, spent: Loss, debit: Debit) -> Decimal:
        """Return the highest share that *spent* has reached; 0 for none."""
        if debit.limit is None:
            return Decimal(0)
        share = share_of(spent, debit.limit)
        return max((s for s in self.shares if Fraction(s) <= share), default=Decimal(0))


def share_of(spent: Loss, limit: Loss) -> Fraction:
    """
    Return which part of *limit* is spent, in the ledger's own units.

    Of rho and delta the one that is nearer to its end: answers stop when either is.
    """
    parts = (spent.amount, limit.amount), (spent.delta, limit.delta)
    return max(Fraction(part, whole) if whole else Fraction(0) for part, whole in parts)


def _written(
    recording: Recording, debit: Debit, spent: Loss, share: Decimal
) -> Crossing:
    """Write a crossing into the audit."""
    limit = spent if debit.limit is None else debit.limit
    facts = {
        "scope": debit.scope,
        "share": float(share),
        "spent": [spent.amount, spent.delta],
        "limit": [limit.amount, limit.delta],
    }
    entry = recording.append(DPQUERY, "alert", facts)
    return Crossing(debit.scope, share, spent, limit, entry.at)


def _told(connection: Connection, scopes: Iterable[str]) -> dict[str, Decimal]:
    """Return the highest share that was told of each scope."""
    keys = [_KEY + scope for scope in scopes]
    rows = connection.execute(select(META).where(META.c.key.in_(keys)))
    try:
        return {row.key.removeprefix(_KEY): Decimal(row.value) for row in rows}
    except ArithmeticError:
        raise damaged("what was told of a budget is no number") from None


def _keep(connection: Connection, scope: str, share: Decimal) -> None:
    connection.execute(delete(META).where(META.c.key == _KEY + scope))
    connection.execute(insert(META).values(key=_KEY + scope, value=str(share)))
