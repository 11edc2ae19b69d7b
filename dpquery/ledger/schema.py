"""The tables of a ledger; amounts are decimal text, so that none ever becomes REAL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
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

SCHEMA_VERSION = 2
"""Raised by one with every change of a table; a newer ledger is never touched, an older
one is brought forward (:mod:`dpquery.ledger.migration`)."""

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
    """Return an amount's column, which the database checks too."""
    # in words that SQLite and PostgreSQL share
    digits = f"length({name}) = {_DIGITS} AND trim({name}, '0123456789') = ''"
    return Column(name, Amount, CheckConstraint(digits), nullable=False)


def _number() -> Column[int]:
    """Return the number of a row, given in the order of writing."""
    # SQLite numbers rows by itself only in an INTEGER column
    type_ = BigInteger().with_variant(Integer, "sqlite")
    return Column("number", type_, primary_key=True, autoincrement=True)


_APPEND_ONLY: dict[str, Any] = {"sqlite_strict": True, "sqlite_autoincrement": True}

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
"""What each scope has spent: the sum over its debits, always."""

DEBITS = Table(
    "debits",
    METADATA,
    _number(),
    Column("release", Text, nullable=False),
    Column("scope", Text, nullable=False),
    _amount("amount"),
    _amount("delta"),
    Index("debits_by_release", "release"),
    Index("debits_by_scope", "scope", "amount", "delta"),
    **_APPEND_ONLY,
)
"""What each release took from each scope; rows are only ever added."""

RELEASES = Table(
    "releases",
    METADATA,
    _number(),
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
    **_APPEND_ONLY,
)
"""One row an answer, written before the engine runs and never deleted. The amounts are
its analyst's price; what it cost everybody is in the debits."""

MEASUREMENTS = Table(
    "measurements",
    METADATA,
    _number(),
    Column("id", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("view", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("data_version", Text, nullable=False),
    Column("shape", Text, nullable=False),
    _amount("amount"),
    _amount("delta"),
    Column("readings", Text),
    UniqueConstraint("id"),
    Index("measurements_by_view", "view", "data_version"),
    Index("measurements_by_source", "source", "data_version"),
    **_APPEND_ONLY,
)
"""What was measured with noise, and may be used again; readings come when settled."""

HOLDINGS = Table(
    "holdings",
    METADATA,
    Column("analyst", Text, primary_key=True),
    Column("view", Text, primary_key=True),
    Column("data_version", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("shape", Text, nullable=False),
    _amount("amount"),
    _amount("delta"),
    Index("holdings_by_source", "analyst", "source", "data_version"),
    sqlite_strict=True,
)
"""How well each analyst has paid to know each view."""

EVENTS = Table(
    "events",
    METADATA,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("events_by_kind", "kind", "number"),
    Index("events_by_time", "at"),
    sqlite_strict=True,
)
"""The audit: each event holds the hash of the one before it."""

REQUESTS = Table(
    "requests",
    METADATA,
    _number(),
    Column("analyst", Text, nullable=False),
    Column("epsilon", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_at", Text, nullable=False),
    Column(
        "state",
        Text,
        CheckConstraint("state IN ('open', 'approved', 'denied')"),
        nullable=False,
    ),
    Column("decided_at", Text),
    Column("granted", Text),
    Column("expires_at", Text),
    Column("answer", Text),
    **_APPEND_ONLY,
)
"""Analysts' requests for more budget, and what the owner decided."""

SNAPSHOTS = Table(
    "snapshots",
    METADATA,
    Column("data_version", Text, primary_key=True),
    Column("verdict", Text, nullable=False),
    sqlite_strict=True,
)
"""What the check of each version of the data found, once (theory.md 1.1)."""
