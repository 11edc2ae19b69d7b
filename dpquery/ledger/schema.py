"""The tables of a ledger; amounts are decimal text, so that none ever becomes REAL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

from dpquery.ledger.failures import damaged

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

SCHEMA_VERSION = 1
"""Raised by one with every change of a table; a newer ledger is never touched."""

_DIGITS = 40


class Amount(TypeDecorator[int]):
    """
    An integer >= 0 as 40 decimal digits.

    SQLite turns an integer above 2**63 - 1 into a float without a word, and NaN into
    NULL, which SUM skips (threats.md 0.11). Text keeps every digit and sorts right.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str:
        """Return the digits, or refuse anything but an integer >= 0."""
        del dialect
        if type(value) is not int or not 0 <= value < 10**_DIGITS:
            raise ValueError(f"not an amount: {value!r}")
        return f"{value:0{_DIGITS}}"

    def process_result_value(self, value: str | None, dialect: Dialect) -> int:
        """Return the integer, or say that the ledger is damaged."""
        del dialect
        if (
            not isinstance(value, str)
            or len(value) != _DIGITS
            or not (value.isascii() and value.isdigit())
        ):
            raise damaged("it holds an amount that is no number")
        return int(value)


METADATA = MetaData()


def _amount(name: str) -> Column[int]:
    """Return an amount's column, which SQLite checks too."""
    digits_only = f"length({name}) = {_DIGITS} AND {name} NOT GLOB '*[^0-9]*'"
    return Column(name, Amount, CheckConstraint(digits_only), nullable=False)


META = Table(
    "meta",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_strict=True,
)

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("scope", Text, primary_key=True),
    _amount("spent_amount"),
    _amount("spent_delta"),
    sqlite_strict=True,
)
"""What each scope has spent: the sum over its releases, always."""

RELEASES = Table(
    "releases",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("analyst", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("data_version", Text, nullable=False),
    Column("sql", Text, nullable=False),
    Column("reserved_at", Text, nullable=False),
    Column("settled_at", Text),
    Column(
        "state",
        Text,
        CheckConstraint("state IN ('reserved', 'settled')"),
        nullable=False,
    ),
    _amount("amount"),
    _amount("delta"),
    Column("events", Text, nullable=False),
    Column("payload", Text),
    UniqueConstraint("id"),
    CheckConstraint("(state = 'settled') = (payload IS NOT NULL)"),
    Index("releases_by_question", "analyst", "fingerprint", "data_version"),
    Index("releases_by_loss", "analyst", "amount", "delta"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
"""One row a debit, written before the engine runs and never deleted."""

SNAPSHOTS = Table(
    "snapshots",
    METADATA,
    Column("data_version", Text, primary_key=True),
    Column("verdict", Text, nullable=False),
    sqlite_strict=True,
)
"""What the check of each version of the data found, once (theory.md 1.1)."""
