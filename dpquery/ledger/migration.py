"""Older ledgers, brought forward in one transaction; newer ones are never touched."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, MetaData, Table, func, insert, inspect, select, update
from sqlalchemy.schema import DropIndex, Index

from dpquery.errors import LedgerError
from dpquery.ledger.books import owed
from dpquery.ledger.chain import digest, to_body
from dpquery.ledger.failures import damaged
from dpquery.ledger.schema import (
    DEBITS,
    META,
    METADATA,
    RELEASES,
    SCHEMA_VERSION,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from dpquery.accounting.loss import Definition

_FIRST_TABLES = {"meta", "accounts", "releases", "snapshots"}
"""Those of version 1."""


def create_tables(connection: Connection, definition: Definition) -> None:
    """Fill an empty database."""
    METADATA.create_all(connection, checkfirst=False)
    facts = {
        "schema_version": str(SCHEMA_VERSION),
        "definition": definition.value,
        "ledger": new_name(),
    }
    connection.execute(
        insert(META), [{"key": key, "value": value} for key, value in facts.items()]
    )


def new_name() -> str:
    """Return a name for a ledger that no other has."""
    return "l_" + secrets.token_hex(8)


def facts_of(connection: Connection) -> dict[str, str]:
    """
    Return what a ledger says of itself.

    Raises:
        LedgerError: it is no ledger, or one of a newer dpquery.
    """
    tables = set(inspect(connection).get_table_names())
    if not tables >= _FIRST_TABLES:
        raise damaged("tables are missing")
    rows = connection.execute(select(META.c.key, META.c.value))
    facts = {row.key: row.value for row in rows}
    version = facts.get("schema_version", "")
    if version == str(SCHEMA_VERSION) and not METADATA.tables.keys() <= tables:
        raise damaged("tables are missing")
    if version not in {"1", str(SCHEMA_VERSION)}:
        raise LedgerError(
            "the ledger was written by another version of dpquery",
            code="DPQ555",
            hint="use a dpquery that is at least as new as the ledger",
        )
    return facts


def bring_forward(connection: Connection, facts: dict[str, str]) -> bool:
    """Bring an older ledger to this version; return whether it was one."""
    if facts["schema_version"] != "1":
        return False
    # of another MetaData: new ledgers of this process shall not have it
    releases = Table("releases", MetaData(), Column("analyst"))
    connection.execute(DropIndex(Index("releases_by_loss", releases.c.analyst)))
    new = [t for name, t in METADATA.tables.items() if name not in _FIRST_TABLES]
    METADATA.create_all(connection, tables=new, checkfirst=False)
    columns = (RELEASES.c.id, RELEASES.c.amount, RELEASES.c.delta, RELEASES.c.analyst)
    for id_, amount, delta, analyst in connection.execute(select(*columns)).all():
        each = {"release": id_, "amount": amount, "delta": delta}
        scopes = ("dataset", f"analyst:{analyst}")
        connection.execute(insert(DEBITS), [{**each, "scope": s} for s in scopes])
    version = update(META).where(META.c.key == "schema_version")
    connection.execute(version.values(value=str(SCHEMA_VERSION)))
    connection.execute(insert(META).values(key="ledger", value=new_name()))
    return True


def migrated(connection: Connection) -> dict[str, Any]:
    """Return what the audit keeps of a ledger that had none before."""
    return {
        "from": 1,
        "releases": connection.execute(select(func.max(RELEASES.c.number))).scalar_one()
        or 0,
        "debits": {s: list(spent) for s, spent in owed(connection).items()},
        "answers": answers_digest(connection),
    }


def answers_digest(
    connection: Connection, last: int | None = None, later: Collection[str] = ()
) -> str:
    """
    Return a digest of all releases up to number *last*, and of their answers.

    The answers of *later* count as not yet given.
    """
    columns = (
        *(RELEASES.c.number, RELEASES.c.id, RELEASES.c.analyst, RELEASES.c.fingerprint),
        *(RELEASES.c.data_version, RELEASES.c.sql, RELEASES.c.reserved_at),
        *(RELEASES.c.amount, RELEASES.c.delta, RELEASES.c.events, RELEASES.c.payload),
    )
    query = select(*columns).order_by(RELEASES.c.number)
    if last is not None:
        query = query.where(RELEASES.c.number <= last)
    rows = []
    for row in connection.execute(query):
        *facts, payload = row
        answer = None if payload is None or row.id in later else digest(payload)
        rows.append([*facts, answer])
    return digest(to_body({"releases": rows}))
