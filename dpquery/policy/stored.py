"""What a store says of itself: names, types, keys and comments; never a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """One column, as the database declares it."""

    name: str
    type: str
    """The type as the engine spells it, e.g. ``DECIMAL(15,2)``."""
    nullable: bool = True
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class StoredReference:
    """A foreign key of one column: ``column`` is ``key`` of *table*."""

    column: str
    table: str
    key: str


@dataclass(frozen=True, slots=True)
class StoredTable:
    """One table, as the database declares it."""

    name: str
    columns: tuple[StoredColumn, ...]
    comment: str | None = None
    keys: tuple[str, ...] = ()
    """Columns that are unique by themselves; the primary key first."""
    references: tuple[StoredReference, ...] = ()

    def column(self, name: str) -> StoredColumn | None:
        """Return the column of this very name."""
        return next((each for each in self.columns if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Store:
    """What there is, and where."""

    tables: tuple[StoredTable, ...]
    views: tuple[str, ...] = ()
    """Names of views: their rows are those of tables, so they are not listed."""
