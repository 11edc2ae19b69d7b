"""A small clinic: tables owned in every way there is, and what their cells can hold.

Cells are texts that DuckDB converts, or ``None`` for NULL.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dpquery.policy.catalog import Catalog, CatalogColumn, CatalogTable, Hop, Owner
from dpquery.policy.engine_types import sql_type

from .columns import VIEWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

Row = tuple[str | None, ...]
Rows = dict[str, list[Row]]
UNIT = "person"
ROW = "sensors"
"""The table under row privacy, and the kind of its units."""


@dataclass(frozen=True)
class Hints:
    """What the policy says about ordinary people; small, so that clips bind."""

    per_unit: int | None
    per_group: int | None


def _column(name: str, type_: str, **said: Any) -> CatalogColumn:  # noqa: ANN401
    kind, decimals = sql_type(type_)
    return CatalogColumn(name, kind, type_, decimals, **said)


_FEW_DAYS = (dt.date(2020, 2, 20), dt.date(2020, 3, 10))
_COLUMNS = {
    "people": (
        _column("id", "INTEGER"),
        _column("sex", "VARCHAR", values=("f", "m", None)),
        _column("born", "INTEGER", bounds=(1998, 2003)),
        _column("region", "VARCHAR", values_from=("regions", "name")),
        _column("score", "DOUBLE", bounds=(-10, 10)),
    ),
    "visits": (
        _column("visit", "BIGINT"),
        _column("person", "BIGINT"),
        _column("ward", "VARCHAR"),
        _column("cost", "DECIMAL(10,2)", bounds=(0, 50), grid=Decimal("0.01")),
        _column("seen", "DATE", bounds=_FEW_DAYS),
        _column("urgent", "BOOLEAN", values=(False, True, None)),
        _column("stay", "BIGINT", bounds=(-3, 5)),
        _column("weight", "DOUBLE", bounds=(Decimal("-1.5"), Decimal("2.5"))),
        _column("big", "BIGINT"),
        _column("code", "INTEGER"),
    ),
    "bills": (
        _column("person", "INTEGER"),
        _column("visit", "BIGINT"),
        _column("amount", "DOUBLE", bounds=(0, 1000), grid=Decimal(3)),
        _column("due", "DATE"),
    ),
    "exams": (
        _column("exam", "VARCHAR"),
        _column("visit", "INTEGER"),
        _column("kind", "VARCHAR", values=("a", "", "ß'\"", None)),
        _column("dose", "DOUBLE", bounds=(0, 20), grid=Decimal("0.001")),
        _column("n", "SMALLINT", bounds=(0, 6)),
    ),
    "findings": (
        _column("exam", "VARCHAR"),
        _column("size", "FLOAT", bounds=(0, 100)),
        _column("note", "VARCHAR"),
        _column("taken", "TIMESTAMP", bounds=_FEW_DAYS),
    ),
    "sensors": (
        _column("room", "VARCHAR"),
        _column("reading", "DOUBLE", bounds=(0, 1)),
        _column("code", "INTEGER"),
    ),
    "regions": (
        _column("name", "VARCHAR"),
        _column("land", "VARCHAR"),
        _column("area", "INTEGER"),
    ),
    "codes": (
        _column("code", "INTEGER"),
        _column("label", "VARCHAR"),
        _column("factor", "DOUBLE"),
    ),
}
NAMES = {table: [each.name for each in columns] for table, columns in _COLUMNS.items()}

_VISIT, _EXAM = Hop("visit", "visits", "visit"), Hop("exam", "exams", "exam")
_OWNERS: dict[str, Owner | None] = {
    "people": Owner((), "id", UNIT),
    "visits": Owner((), "person", UNIT),
    "bills": Owner((), "person", UNIT),
    "exams": Owner((_VISIT,), "person", UNIT),
    "findings": Owner((_EXAM, _VISIT), "person", UNIT),
    "sensors": Owner((), "rowid", ROW),
}
_KEYS = {
    "bills": "visit",  # is said to be unique, and is not: that may cost accuracy only
    "people": "id",
    "visits": "visit",
    "exams": "exam",
    "regions": "name",
    "codes": "code",
}
_REFERENCES = {
    "people": (Hop("region", "regions", "name"),),
    "visits": (Hop("person", "people", "id"), Hop("code", "codes", "code")),
    "bills": (Hop("person", "people", "id"), _VISIT),
    "exams": (_VISIT,),
    "findings": (_EXAM,),
}


def catalog(hints: Hints, *, views: bool = True) -> Catalog:
    """Return the tables with *hints* on every private one, and perhaps the views."""
    tables = {}
    for name, columns in _COLUMNS.items():
        owner = _OWNERS.get(name)
        tables[name] = CatalogTable(
            name,
            {each.name: each for each in columns},
            owner,
            _KEYS.get(name),
            _REFERENCES.get(name, ()),
            max_rows_per_unit=hints.per_unit if owner else None,
            max_rows_per_group=hints.per_group if owner else None,
        )
    texts = {name: sql for name, (sql, _) in VIEWS.items()} if views else {}
    return Catalog(tables, UNIT, texts)


def create_statements(rows: Rows) -> Iterator[str]:
    """Yield SQL that makes these tables anew, their rows in this order."""
    for table, columns in _COLUMNS.items():
        if table not in rows:
            continue
        listed = ", ".join(f'"{each.name}" {each.engine_type}' for each in columns)
        yield f"CREATE OR REPLACE TABLE {table} ({listed})"
        if rows[table]:
            values = ", ".join(f"({', '.join(map(_cell, row))})" for row in rows[table])
            yield f"INSERT INTO {table} VALUES {values}"


def _cell(cell: str | None) -> str:
    return "NULL" if cell is None else "'" + cell.replace("'", "''") + "'"


def owned(rows: Rows) -> dict[str, list[str | None]]:
    """
    Return the unit of every row, table by table; ``None`` where nobody owns it.

    Written apart from the product, which finds owners by joins.
    """
    visits = _by_key(rows, "visits", "visit", "person")
    exams = _by_key(rows, "exams", "exam", "visit")
    return {
        "people": [_get(row, "people", "id") for row in rows["people"]],
        "visits": [_get(row, "visits", "person") for row in rows["visits"]],
        "bills": [_get(row, "bills", "person") for row in rows["bills"]],
        "exams": [visits.get(_get(row, "exams", "visit")) for row in rows["exams"]],
        "findings": [
            visits.get(exams.get(_get(row, "findings", "exam")))
            for row in rows["findings"]
        ],
    }


def without(rows: Rows, units: AbstractSet[str | None]) -> Rows:
    """Return *rows* without all that belongs to *units*; ``None``: what nobody owns."""
    left = dict(rows)
    for table, owners_ in owned(rows).items():
        pairs = zip(rows[table], owners_, strict=True)
        left[table] = [row for row, of in pairs if of not in units]
    return left


def people(rows: Rows) -> list[str]:
    """Return every person that has a row."""
    found = {unit for units in owned(rows).values() for unit in units}
    return sorted(unit for unit in found if unit is not None)


def _get(row: Row, table: str, column: str) -> str | None:
    return row[NAMES[table].index(column)]


def _by_key(
    rows: Rows, table: str, key: str, value: str
) -> Mapping[str | None, str | None]:
    """Return *value* by *key*; a NULL key is nobody's partner."""
    pairs: Iterable[tuple[str | None, str | None]] = (
        (_get(row, table, key), _get(row, table, value)) for row in rows[table]
    )
    return {found: of for found, of in pairs if found is not None}
