"""Balances and debits, within a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from dpquery.accounting import filters
from dpquery.accounting.loss import Loss
from dpquery.errors import BudgetExceeded
from dpquery.ledger.failures import damaged
from dpquery.ledger.records import DATASET, analyst_scope
from dpquery.ledger.schema import ACCOUNTS, DEBITS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dpquery.accounting.loss import Definition
    from dpquery.ledger.records import Debit


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
    Refuse accounts that do not say what their debits add up to.

    Raises:
        LedgerError: DPQ551.
    """
    if balances(connection) != owed(connection):
        raise damaged("its accounts do not match its debits")
