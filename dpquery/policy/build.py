"""The policy joined with the database: a catalog, or what does not fit."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from dpquery.errors import PolicyError
from dpquery.policy.catalog import (
    ROW_ID,
    Catalog,
    CatalogColumn,
    CatalogTable,
    DescribedColumn,
    Hop,
    Owner,
    SqlType,
)
from dpquery.policy.engine_types import sql_type
from dpquery.policy.model import Column
from dpquery.policy.ownership import find, path, references, split, suggest
from dpquery.policy.values import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dpquery.policy.document import Location
    from dpquery.policy.load import LoadedPolicy
    from dpquery.policy.ownership import Reference


_NUMBERS = {SqlType.INTEGER, SqlType.DECIMAL, SqlType.DOUBLE}
_DATES = {SqlType.DATE, SqlType.TIMESTAMP}
_IDENTIFIERS = {SqlType.INTEGER, SqlType.VARCHAR, SqlType.DATE}
_CONSTANTS = {
    SqlType.INTEGER: int,
    SqlType.BOOLEAN: bool,
    SqlType.DATE: dt.date,
    SqlType.VARCHAR: str,
}


def build(loaded: LoadedPolicy, described: Sequence[DescribedColumn]) -> Catalog:
    """
    Join the policy with what the database holds; names as the engine spells them.

    Raises:
        PolicyError: DPQ330 a table or DPQ331 a column does not exist, DPQ332 bounds or
            values do not fit a column's type, DPQ333 a column cannot identify units.
    """
    join = _Join(loaded, _by_table(described))
    catalog = Catalog(
        {spelled: join.table(name) for name, spelled in join.spelled.items()},
        loaded.policy.privacy_unit,
        dict(loaded.policy.views),
    )
    _check_units(join, catalog)
    _check_hops(join, catalog)
    _check_key_lists(join, catalog)
    return catalog


def _by_table(
    described: Sequence[DescribedColumn],
) -> dict[str, dict[str, DescribedColumn]]:
    """Group columns by table; keys as the engine spells them, in its order."""
    tables: dict[str, dict[str, DescribedColumn]] = {}
    for column in described:
        tables.setdefault(column.table, {})[column.name] = column
    return tables


@dataclass(frozen=True, slots=True)
class _Use:
    """One mention of a column in the policy."""

    column: str
    location: Location
    said: Column
    """What the policy says about it."""


class _Join:
    """The policy, the database, and how the second spells the tables of the first."""

    def __init__(
        self,
        loaded: LoadedPolicy,
        existing: Mapping[str, Mapping[str, DescribedColumn]],
    ) -> None:
        self.loaded = loaded
        self.tables = loaded.policy.tables
        self.existing = existing
        self.spelled = {name: self.existing_table(name) for name in self.tables}

    def refuse(
        self, location: Location, message: str, code: str, hint: str | None = None
    ) -> NoReturn:
        """Refuse the policy because of what stands at *location*."""
        place = self.loaded.place(location)
        raise PolicyError(message, code=code, hint=hint, place=place)

    def existing_table(self, name: str) -> str:
        """Return how the database spells table *name*."""
        spelled = find(self.existing, name)
        if spelled is None:
            message = f"there is no table `{name}` in the database"
            self.refuse(
                ("tables", name), message, "DPQ330", suggest(name, self.existing)
            )
        return spelled

    def existing_column(self, name: str, column: str, location: Location) -> str:
        """Return how the database spells *column* of the policy's table *name*."""
        columns = self.existing[self.spelled[name]]
        spelled = find(columns, column)
        if spelled is None:
            message = f"there is no column `{column}` in table `{name}`"
            self.refuse(location, message, "DPQ331", suggest(column, columns))
        return spelled

    def uses(self, name: str) -> Iterator[_Use]:
        """Yield each column that the policy names in table *name*; listed ones last."""
        table, top = self.tables[name], ("tables", name)
        nothing = Column()
        for part in ("privacy_unit_column", "key"):
            if (column := getattr(table, part)) is not None:
                yield _Use(column, (*top, part), nothing)
        for column in table.references:
            yield _Use(column, (*top, "references", column), nothing)
        for other in self.tables:
            for each in references(self.tables, other):
                if each.table == name:
                    location = ("tables", other, "references", each.column)
                    yield _Use(each.key, location, nothing)
        for column, said in (table.columns or {}).items():
            yield _Use(column, (*top, "columns", column), said)

    def table(self, name: str) -> CatalogTable:
        """Describe the policy's table *name* to the binder."""
        table = self.tables[name]
        uses = {
            self.existing_column(name, use.column, use.location): use
            for use in self.uses(name)
        }
        open_to_all = table.public and table.columns is None
        columns = {
            column: self.column(described, uses.get(column))
            for column, described in self.existing[self.spelled[name]].items()
            if column in uses or open_to_all
        }
        return CatalogTable(
            name=self.spelled[name],
            columns=columns,
            owner=None if table.public else self.owner(name),
            key=None if table.key is None else find(columns, table.key),
            references=tuple(
                self.hop(name, step) for step in references(self.tables, name)
            ),
            max_rows_per_unit=table.max_rows_per_unit,
            max_rows_per_group=table.max_rows_per_group,
        )

    def column(self, described: DescribedColumn, use: _Use | None) -> CatalogColumn:
        """Describe one column, after checking what is said against its type."""
        kind, decimals = sql_type(described.type)
        said = use.said if use is not None else Column()
        if use is not None:
            self.check_said(use, kind, described.type)
        return CatalogColumn(
            name=described.name,
            type=kind,
            engine_type=described.type,
            nullable=described.nullable,
            decimals=decimals,
            bounds=said.bounds,
            values=said.values,
            values_from=None if use is None else self.key_list(use),
            grid=said.grid,
        )

    def check_said(self, use: _Use, kind: SqlType, engine_type: str) -> None:
        """Check that bounds, grid and values are of the column's type."""
        said = use.said
        is_a = f"column `{use.column}` is {engine_type} in the database"
        if said.bounds is not None:
            numeric = is_number(said.bounds[0])
            if kind not in (_NUMBERS if numeric else _DATES):
                what = "numbers" if numeric else "dates"
                message = f"{is_a}, so its bounds cannot be {what}"
                self.refuse((*use.location, "bounds"), message, "DPQ332")
        if said.grid is not None and kind not in _NUMBERS:
            message = f"{is_a}; a grid is for numbers"
            self.refuse((*use.location, "grid"), message, "DPQ332", "remove the grid")
        for position, value in enumerate(said.values or ()):
            if value is not None and type(value) is not _CONSTANTS.get(kind):
                hint = (
                    "group by floor(…) or a CASE instead"
                    if kind in {SqlType.DECIMAL, SqlType.DOUBLE}
                    else None
                )
                location = (*use.location, "values", position)
                self.refuse(location, f"{is_a}; this is no value of it", "DPQ332", hint)

    def key_list(self, use: _Use) -> tuple[str, str] | None:
        """Return the public column that holds a column's values."""
        if use.said.values_from is None:
            return None
        table, column = split(use.said.values_from)
        name = find(self.tables, table) or table
        location = (*use.location, "values_from")
        return self.spelled[name], self.existing_column(name, column, location)

    def owner(self, name: str) -> Owner:
        """Return how to find the unit of a row of private table *name*."""
        hops = []
        for step in path(self.tables, name) or ():
            hops.append(self.hop(name, step))
            name = step.table
        column = self.tables[name].privacy_unit_column
        if column is None:
            return Owner(tuple(hops), ROW_ID, kind=f"row of {self.spelled[name]}")
        location = ("tables", name, "privacy_unit_column")
        column = self.existing_column(name, column, location)
        return Owner(tuple(hops), column, kind=self.loaded.policy.privacy_unit)

    def hop(self, name: str, step: Reference) -> Hop:
        """Spell a reference of table *name* as the database does."""
        location = ("tables", name, "references", step.column)
        column = self.existing_column(name, step.column, location)
        key = self.existing_column(step.table, step.key, location)
        return Hop(column, self.spelled[step.table], key)


def _check_units(join: _Join, catalog: Catalog) -> None:
    """Check that equal units have equal identifiers wherever they are stored."""
    first: tuple[str, SqlType] | None = None
    for name, table in join.tables.items():
        here = catalog.tables[join.spelled[name]]
        if table.row_privacy and find(join.existing[here.name], ROW_ID):
            message = f"table `{name}` has a column `{ROW_ID}`, which hides row numbers"
            join.refuse(("tables", name, "row_privacy"), message, "DPQ333")
        if table.privacy_unit_column is None or here.owner is None:
            continue
        location = ("tables", name, "privacy_unit_column")
        kind = here.columns[here.owner.column].type
        _check_identifier(join, here, here.owner.column, location)
        if first is not None and kind is not first[1]:
            message = f"the unit is {kind} here and {first[1]} in table `{first[0]}`"
            join.refuse(location, message, "DPQ333", "store it in one type everywhere")
        first = first or (name, kind)


def _check_hops(join: _Join, catalog: Catalog) -> None:
    """Check that both ends of a reference to a private table have one type."""
    for name in join.tables:
        here = catalog.tables[join.spelled[name]]
        for hop, step in zip(
            here.references, references(join.tables, name), strict=True
        ):
            there = catalog.tables[hop.table]
            if there.public:
                continue
            location = ("tables", name, "references", step.column)
            _check_identifier(join, here, hop.column, location)
            _check_identifier(join, there, hop.key, location)
            types = here.columns[hop.column].type, there.columns[hop.key].type
            if types[0] is not types[1]:
                message = f"this column is {types[0]}, the one it refers to {types[1]}"
                join.refuse(location, message, "DPQ333", "store both in one type")


def _check_identifier(
    join: _Join, table: CatalogTable, column: str, location: Location
) -> None:
    """Check that equality on *column* is exact and the same everywhere."""
    if table.columns[column].type not in _IDENTIFIERS:
        message = (
            f"`{table.name}.{column}` is {table.columns[column].engine_type}, which "
            "cannot identify a unit"
        )
        hint = "use a column of integers, text or dates"
        join.refuse(location, message, "DPQ333", hint)


def _check_key_lists(join: _Join, catalog: Catalog) -> None:
    """Check that a column and the public list of its values have one type."""
    for name, table in join.tables.items():
        columns = catalog.tables[join.spelled[name]].columns
        for said in table.columns or {}:
            column = columns[find(columns, said) or said]
            if column.values_from is None:
                continue
            listed = catalog.tables[column.values_from[0]].columns
            kind = listed[column.values_from[1]].type
            if kind is not column.type or kind not in _CONSTANTS:
                location = ("tables", name, "columns", said, "values_from")
                message = f"this column is {column.type}, its list of values {kind}"
                hint = "both must be one of: text, whole numbers, dates, true/false"
                join.refuse(location, message, "DPQ332", hint)
