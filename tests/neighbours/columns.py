"""What a question may read: columns and what is known of them, tables, aliases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Type(StrEnum):
    """What a column holds; a name for each that DuckDB can cast to."""

    WHOLE = "BIGINT"
    REAL = "DOUBLE"
    TEXT = "VARCHAR"
    DAY = "DATE"
    TIME = "TIMESTAMP"
    FLAG = "BOOLEAN"


NUMBERS = (Type.WHOLE, Type.REAL)
TIMES = (Type.DAY, Type.TIME)
PERSON, VISIT, EXAM, BILL = "person", "visit", "exam", "bill"
CODE, REGION = "code", "region"


@dataclass(frozen=True)
class Column:
    """One column of a table in FROM."""

    name: str
    type: Type
    bounded: bool = False
    """Whether SUM knows bounds of it."""
    tie: str = ""
    """What it says of the owner: PERSON is the unit, the others are keys."""
    joins: str = ""
    """What it has in common with other tables: CODE, REGION."""


@dataclass(frozen=True)
class Table:
    """What stands in FROM, under an alias."""

    text: str
    """Without the alias."""
    columns: tuple[Column, ...]
    kind: str = ""
    """Whose rows they are: ``person`` or ``sensors``; empty for public ones."""
    alias: str = ""
    whole: bool = False
    """Whether it is a table of the policy, and no query."""

    @property
    def private(self) -> bool:
        return bool(self.kind)

    def called(self, alias: str) -> Table:
        """Return the table under *alias*."""
        return replace(self, alias=alias)

    def __str__(self) -> str:
        return f"{self.text} AS {self.alias}"

    def refs(self) -> list[tuple[str, Column]]:
        """Return every column as it is named from outside."""
        return [(f"{self.alias}.{each.name}", each) for each in self.columns]


def _columns(*said: tuple[str, Type, str]) -> tuple[Column, ...]:
    """Return columns; the last words are ``b`` for bounds, or what they tie or join."""
    found = []
    for name, type_, words in said:
        parts = words.split()
        tie = next((p for p in parts if p in {PERSON, VISIT, EXAM, BILL}), "")
        joins = next((p for p in parts if p in {CODE, REGION}), "")
        found.append(Column(name, type_, "b" in parts, tie, joins))
    return tuple(found)


W, R, T, D, S, F = Type.WHOLE, Type.REAL, Type.TEXT, Type.DAY, Type.TIME, Type.FLAG

PRIVATE = {
    "people": _columns(
        ("id", W, PERSON),
        ("sex", T, ""),
        ("born", W, "b"),
        ("region", T, REGION),
        ("score", R, "b"),
    ),
    "visits": _columns(
        ("visit", W, VISIT),
        ("person", W, PERSON),
        ("ward", T, ""),
        ("cost", R, "b"),
        ("seen", D, "b"),
        ("urgent", F, ""),
        ("stay", W, "b"),
        ("weight", R, "b"),
        ("big", W, ""),
        ("code", W, CODE),
    ),
    "bills": _columns(
        ("person", W, PERSON), ("visit", W, BILL), ("amount", R, "b"), ("due", D, "")
    ),
    "exams": _columns(
        ("exam", T, EXAM),
        ("visit", W, VISIT),
        ("kind", T, ""),
        ("dose", R, "b"),
        ("n", W, "b"),
    ),
    "findings": _columns(
        ("exam", T, EXAM), ("size", R, "b"), ("note", T, ""), ("taken", S, "b")
    ),
}
SENSORS = _columns(("room", T, ""), ("reading", R, "b"), ("code", W, CODE))
PUBLIC = {
    "regions": _columns(("name", T, REGION), ("land", T, ""), ("area", W, "")),
    "codes": _columns(("code", W, CODE), ("label", T, ""), ("factor", R, "")),
}
VIEWS = {
    "grown": (
        "SELECT id, region, score FROM people WHERE born < 2002",
        _columns(("id", W, PERSON), ("region", T, REGION), ("score", R, "b")),
    ),
    "stays": (
        """
        SELECT v.person, v.ward, COUNT(*) AS times, MAX(v.stay) AS longest
        FROM visits AS v JOIN people AS p ON v.person = p.id
        GROUP BY v.person, v.ward
        """,
        _columns(
            ("person", W, PERSON),
            ("ward", T, ""),
            ("times", W, ""),
            ("longest", W, "b"),
        ),
    ),
    "lands": (
        "SELECT DISTINCT land, name FROM regions WHERE land IS NOT NULL",
        _columns(("land", T, ""), ("name", T, REGION)),
    ),
}


def of_type(
    refs: Iterable[tuple[str, Column]], *types: Type, bounded: bool | None = None
) -> list[str]:
    """Return the columns of some types, bounded ones, or the others."""
    return [
        name
        for name, column in refs
        if column.type in types and bounded in {None, column.bounded}
    ]
