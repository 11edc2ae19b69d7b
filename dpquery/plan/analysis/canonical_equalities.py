"""Columns that a condition makes equal, so that one can stand for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.analysis.canonical_expressions import attributes
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from dpquery.plan.expressions import ColumnRef

_MERGED = frozenset({SqlType.INTEGER, SqlType.DATE, SqlType.BOOLEAN})


def says_value(column: ColumnRef) -> bool:
    """
    Return whether values of *column* that are equal are the same value.

    Not in DOUBLE: 0 and -0 are equal and print apart. Not in VARCHAR: a column may have
    a collation, by which texts are equal that are spelled differently; UUID has none.
    """
    return column.type in _MERGED or column.engine_type == "UUID"


class EqualColumns:
    """Classes of columns, by their digests; equality is transitive among them."""

    def __init__(self) -> None:
        self._class: dict[str, set[str]] = {}
        self._columns: dict[str, ColumnRef] = {}

    def add(self, one: tuple[str, ColumnRef], other: tuple[str, ColumnRef]) -> None:
        """Note that two columns are equal, and not NULL."""
        merged: set[str] = set()
        for text, column in (one, other):
            self._columns.setdefault(text, column)
            merged |= self._class.get(text, {text})
        for text in merged:
            self._class[text] = merged

    def class_of(self, text: str) -> tuple[str, ...]:
        """Return all columns that are equal to one; nothing if no condition is."""
        return tuple(sorted(self._class.get(text, ())))

    def classes(self) -> set[tuple[str, ...]]:
        """Return the classes; of one column when it is only said to be not NULL."""
        return {self.class_of(text) for text in self._class}

    def representatives(self) -> dict[str, str]:
        """
        Return for each column one that stands for it wherever it is read.

        It has the same type in the engine too, for narrow numbers overflow earlier.
        """
        first: dict[tuple[object, ...], str] = {}
        kinds = {
            text: (self.class_of(text), *attributes(column))
            for text, column in self._columns.items()
            if column.engine_type
        }
        for text in sorted(kinds):
            first.setdefault(kinds[text], text)
        return {text: first[kind] for text, kind in kinds.items()}
