"""Balances and debits, within a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, func, insert, not_, or_, select, update

from dpquery.accounting import filters
from dpquery.accounting.loss import Loss
from dpquery.errors import BudgetExceeded
from dpquery.ledger.failures import damaged
from dpquery.ledger.records import ANALYST, DATASET, analyst_scope
from dpquery.ledger.schema import ACCOUNTS, DEBITS, RELEASES

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from dpquery.accounting.loss import Definition
    from dpquery.ledger.records import Debit

ACCEPTED = "x"
"""What the names begin with under which lost spending is debited."""


def spent(connection: Connection, scope: str, definition: Definition) -> Loss:
    """Return what *scope* has spent; nothing, when it has no account yet."""
    query = select(ACCOUNTS.c.spent_amount, ACCOUNTS.c.spent_delta).where(
        ACCOUNTS.c.scope == scope
    )
    row = connection.execute(query).one_or_none()
    return Loss.zero(definition) if row is None else Loss(definition, *row)


def balances(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return amount and delta that each scope has spent."""
    return {
        scope: (amount, delta)
        for scope, amount, delta in connection.execute(select(ACCOUNTS))
    }


def admit(connection: Connection, analyst: str, each: Debit) -> None:
    """
    Refuse a debit that its scope has no room for.

    Raises:
        BudgetExceeded: DPQ201 for the analyst's limit, DPQ202 for the dataset's, DPQ204
            for a block's; DPQ205 when a limit is lower than what is spent already.
    """
    before = spent(connection, each.scope, each.loss.definition)
    if each.limit is None or filters.admits(each.limit, before, each.loss):
        return
    if each.scope == analyst_scope(analyst):
        whose, code = f"{analyst}'s budget", "DPQ201"
    elif each.scope == DATASET:
        whose, code = "the dataset's budget", "DPQ202"
    else:
        whose, code = f"the budget of {each.scope.partition(':')[2]}", "DPQ204"
    if not before.within(each.limit):
        msg = f"{whose} was lowered below what is spent"
        raise BudgetExceeded(msg, code="DPQ205")
    msg = f"this would cost more than is left of {whose}"
    raise BudgetExceeded(msg, code=code)


def debit(connection: Connection, release: str, each: Debit) -> None:
    """Write a debit and the new balance, in the transaction that has read it."""
    loss = each.loss
    connection.execute(
        insert(DEBITS).values(
            release=release, scope=each.scope, amount=loss.amount, delta=loss.delta
        )
    )
    after = spent(connection, each.scope, loss.definition) + loss
    values = {"spent_amount": after.amount, "spent_delta": after.delta}
    known = update(ACCOUNTS).where(ACCOUNTS.c.scope == each.scope).values(**values)
    if connection.execute(known).rowcount == 0:
        connection.execute(insert(ACCOUNTS).values(scope=each.scope, **values))


def owed(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return what the debits of each scope add up to, from the debits alone."""
    query = select(
        DEBITS.c.scope, DEBITS.c.amount, DEBITS.c.delta, func.count()
    ).group_by(DEBITS.c.scope, DEBITS.c.amount, DEBITS.c.delta)
    found: dict[str, tuple[int, int]] = {}
    for scope, amount, delta, count in connection.execute(query):
        amounts, deltas = found.get(scope, (0, 0))
        found[scope] = amounts + count * amount, deltas + count * delta
    return found


def check(connection: Connection) -> None:
    """
    Refuse accounts that are not what their debits add up to, and releases not paid.

    Raises:
        LedgerError: DPQ551.
    """
    if balances(connection) != owed(connection):
        raise damaged("its accounts do not match its debits")
    if connection.execute(_unpaid()).first() is not None:
        raise damaged("its debits do not match its releases")
    if connection.execute(_unused()).first() is not None:
        raise damaged("a release is missing")


def _unpaid() -> Select[str]:
    """Return releases whose analyst was not debited what the release says."""
    free = and_(RELEASES.c.amount == 0, RELEASES.c.delta == 0)
    paid = and_(
        DEBITS.c.release == RELEASES.c.id,
        DEBITS.c.scope == ANALYST + RELEASES.c.analyst,
    )
    exactly = and_(
        DEBITS.c.amount == RELEASES.c.amount, DEBITS.c.delta == RELEASES.c.delta
    )
    return (
        select(RELEASES.c.id)
        .select_from(RELEASES.outerjoin(DEBITS, paid))
        .where(or_(and_(DEBITS.c.scope.is_(None), not_(free)), not_(exactly)))
        .limit(1)
    )


def _unused() -> Select[str]:
    """Return debits of no release, but those that the owner has accepted."""
    return (
        select(DEBITS.c.release)
        .select_from(DEBITS.outerjoin(RELEASES, DEBITS.c.release == RELEASES.c.id))
        .where(RELEASES.c.id.is_(None), DEBITS.c.release.not_like(ACCEPTED + "%"))
        .limit(1)
    )
