"""Tables, types, owners and public domains, as the binder needs them.

The policy says what is promised; the engine says which columns exist and of which
type. A :class:`Catalog` is the two joined and checked against each other.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Scalar = bool | int | Decimal | str | dt.date
"""A constant that a policy can hold."""


def fold(name: str) -> str:
    """
    Return *name* with ASCII letters in lower case: names are equal when this is.

    Only ASCII, as in DuckDB: to Python's ``lower`` the Kelvin sign is a ``k``.

    >>> fold("Visits"), fold(chr(0x212A) + "ey") == fold("key")
    ('visits', False)
    """
    return (
        name.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
    )


class SqlType(StrEnum):
    """The types that expressions are checked with; engine types map onto them."""

    BOOLEAN = "BOOLEAN"
    INTEGER = "INTEGER"
    """Any integer of at most 64 bits."""
    DECIMAL = "DECIMAL"
    DOUBLE = "DOUBLE"
    VARCHAR = "VARCHAR"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    TIME = "TIME"
    INTERVAL = "INTERVAL"
    """A span of time: a constant, or the difference of two timestamps."""
    BOOLEAN_LIST = "BOOLEAN[]"
    INTEGER_LIST = "INTEGER[]"
    DOUBLE_LIST = "DOUBLE[]"
    VARCHAR_LIST = "VARCHAR[]"
    DATE_LIST = "DATE[]"
    TIMESTAMP_LIST = "TIMESTAMP[]"
    STRUCT = "STRUCT"
    """Named fields; which ones is in the column's engine type."""
    UNSUPPORTED = "UNSUPPORTED"
    """Everything else: the column exists, but cannot be used in a query."""

    @property
    def element(self) -> SqlType | None:
        """
        The type of a list's elements; ``None`` for what is no list.

        >>> SqlType.DATE_LIST.element, SqlType.DATE.element
        (<SqlType.DATE: 'DATE'>, None)
        """
        return SqlType(self[:-2]) if self.endswith("[]") else None

    @property
    def list_of(self) -> SqlType | None:
        """
        The type of lists of this; ``None`` if there are none.

        >>> SqlType.DATE.list_of, SqlType.INTERVAL.list_of
        (<SqlType.DATE_LIST: 'DATE[]'>, None)
        """
        return next((each for each in SqlType if each == f"{self}[]"), None)


@dataclass(frozen=True, slots=True)
class DescribedColumn:
    """One column that exists in the database, as an engine describes it."""

    table: str
    name: str
    type: str
    """The type as the engine spells it, e.g. ``DECIMAL(15,2)``."""
    nullable: bool


@dataclass(frozen=True, slots=True)
class CatalogColumn:
    """One column that analysts may name."""

    name: str
    type: SqlType
    engine_type: str
    """The type as the engine spells it, e.g. ``DECIMAL(15,2)``."""
    decimals: int = 0
    """Digits after the point, for DECIMAL."""
    bounds: tuple[Scalar, Scalar] | None = None
    """Public lower and upper bound: numbers, or dates for DATE and TIMESTAMP."""
    values: tuple[Scalar | None, ...] | None = None
    """The closed public list of keys; ``None`` in it stands for SQL NULL."""
    values_from: tuple[str, str] | None = None
    """(public table, column) whose values are the public list of keys."""
    grid: Decimal | None = None
    """The step to which values are rounded before they are added up."""
    nullable: bool = field(default=True, repr=False)
    """Whether the database allows NULL in it."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of an ownership path: ``child.column = table.key``, key unique."""

    column: str
    table: str
    key: str


ROW_ID = "rowid"
"""The pseudo-column that tells rows apart under row privacy."""


@dataclass(frozen=True, slots=True)
class Owner:
    """How to find the privacy unit of a private table's row (theory.md 1.1)."""

    path: tuple[Hop, ...]
    """From the table up to the table that holds the unit column; often empty."""
    column: str
    """The unit column, in the last table of the path; ``rowid`` under row privacy."""
    kind: str
    """Which unit is protected: the policy's word, or the table under row privacy."""


@dataclass(frozen=True, slots=True)
class CatalogTable:
    """One table that analysts may name."""

    name: str
    columns: Mapping[str, CatalogColumn] = field(hash=False)
    """In the engine's order; keys are the names as the engine spells them."""
    owner: Owner | None
    """``None`` for a public table."""
    key: str | None = None
    """A column declared unique."""
    references: tuple[Hop, ...] = ()
    """All declared foreign keys, the one on the ownership path included."""
    max_rows_per_unit: int | None = None
    """A hint for noise; never trusted."""
    max_rows_per_group: int | None = None
    """A hint for noise: rows of one unit that fall into one group; never trusted."""

    @property
    def public(self) -> bool:
        """Whether the table's content depends on no private row."""
        return self.owner is None


@dataclass(frozen=True, slots=True)
class Catalog:
    """All tables and views of one policy."""

    tables: Mapping[str, CatalogTable]
    unit: str
    """The policy's word for the privacy unit, e.g. ``patient``."""
    views: Mapping[str, str] = field(default_factory=dict)
    """The owner's SELECTs by their names, none of which is a table's; DuckDB's SQL,
    as it stands in the policy and not bound yet."""
