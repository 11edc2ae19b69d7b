"""Whose rows a database holds, guessed from its keys and names; never from a value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dpquery.policy.catalog import SqlType, fold
from dpquery.policy.engine_types import sql_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dpquery.policy.stored import StoredColumn, StoredTable

_UNITS = {
    *("person", "people", "individual", "human", "resident", "inhabitant", "citizen"),
    *("patient", "donor", "subject", "participant", "respondent", "insured"),
    *("customer", "client", "consumer", "user", "member", "subscriber", "visitor"),
    *("employee", "worker", "applicant", "candidate", "student", "pupil", "teacher"),
    *("household", "family", "borrower", "policyholder", "taxpayer", "voter"),
    *("player", "driver", "rider", "passenger", "guest", "beneficiary"),
    *("firm", "company", "enterprise", "business", "supplier", "merchant"),
    *("organisation", "organization", "account", "device"),
}
"""Words for those who are protected most often."""

_IDENTIFIERS = {SqlType.INTEGER, SqlType.VARCHAR, SqlType.DATE}


@dataclass(frozen=True, slots=True)
class Link:
    """``column`` of a table is ``key`` of *table*."""

    column: str
    table: str
    key: str
    declared: bool
    """Whether the database says so; otherwise the names do."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """How the owner of a table's rows is found, as far as that can be guessed."""

    unit_column: str | None = None
    """The column that says whose row it is."""
    through: Link | None = None
    """Without one: the reference that leads to the owner."""
    choices: tuple[str, ...] = ()
    """Several columns that could say it: the owner of the data has to choose."""
    links: tuple[Link, ...] = ()
    """All other references to tables whose owner is known."""

    @property
    def known(self) -> bool:
        """Whether rows have one owner, if the guess is right and choices are made."""
        return bool(self.unit_column or self.through or self.choices)


@dataclass(frozen=True, slots=True)
class Guess:
    """Who is protected, and how the rows of each table lead to them."""

    unit: str | None = None
    """In a word; ``None`` when nothing can be guessed."""
    table: str | None = None
    """The table with one row a unit, if there is one."""
    followers: int = 0
    """How many tables refer to it, directly or through others."""
    owners: Mapping[str, Ownership] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    """For each table a column that is unique, or ought to be by its name."""


def guess(tables: Sequence[StoredTable]) -> Guess:
    """Guess the privacy unit of *tables*: the table that others refer to."""
    keys = {each.name: key for each in tables if (key := _key(each)) is not None}
    links = {each.name: list(_links(each, tables, keys)) for each in tables}
    followers = {each.name: _followers(each.name, links) for each in tables}
    ranked = sorted(
        (each for each in tables if each.name in keys),
        key=lambda each: _rank(each, followers[each.name], links[each.name]),
    )
    best = ranked[-1] if ranked else None
    if best is not None and (followers[best.name] or _is_unit(best.name)):
        unit, column = singular(best.name), keys[best.name]
        owners = _owners(tables, links, best, column)
        return Guess(unit, best.name, len(followers[best.name]), owners, keys)
    shared = _shared_column(tables)
    if shared is None:
        return Guess(owners={each.name: Ownership() for each in tables}, keys=keys)
    owners = _owners(tables, links, None, shared)
    return Guess(_stem(shared), None, 0, owners, keys)


def singular(name: str) -> str:
    """
    Return the word for one of *name*.

    >>> singular("Patients"), singular("companies"), singular("addresses")
    ('patient', 'company', 'address')
    """
    word = fold(name)
    for plural, single in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("s", "")):
        if word.endswith(plural) and not word.endswith(("ss", "us", "is")):
            return word.removesuffix(plural) + single
    return word


def _is_unit(word: str) -> bool:
    """Tell whether a name speaks of those who are protected."""
    return not _UNITS.isdisjoint(re.split(r"[^a-z]+", singular(word)))


def _stem(column: str) -> str:
    """
    Return what an identifier identifies.

    >>> _stem("patient_id"), _stem("CustomerID"), _stem("name")
    ('patient', 'customer', 'name')
    """
    return re.sub(r"_?(?:id|key|no|nr)$", "", fold(column)) or fold(column)


def _key(table: StoredTable) -> str | None:
    """Return a column that is unique, or ought to be by its name."""
    if table.keys:
        return table.keys[0]
    for column in table.columns:
        name = fold(column.name)
        named = name != _stem(name) and _stem(name) in {
            singular(table.name),
            fold(table.name),
        }
        if (named or name == "id") and identifies(column):
            return column.name
    return None


def identifies(column: StoredColumn) -> bool:
    """Tell whether equality on *column* is exact."""
    return sql_type(column.type)[0] in _IDENTIFIERS


def _links(
    table: StoredTable, tables: Sequence[StoredTable], keys: Mapping[str, str]
) -> Iterator[Link]:
    """Yield the references of *table*: the declared ones, and what names suggest."""
    declared = {each.column for each in table.references}
    for each in table.references:
        if each.table != table.name:
            yield Link(each.column, each.table, each.key, declared=True)
    for column in table.columns:
        if column.name in declared or not identifies(column):
            continue
        for other in tables:
            key = keys.get(other.name)
            stored = other.column(key) if key is not None else None
            if stored is None or other.name == table.name:
                continue
            if _same_kind(column, stored) and _refers(column.name, other.name, stored):
                yield Link(column.name, other.name, stored.name, declared=False)


def _refers(column: str, table: str, key: StoredColumn) -> bool:
    """Tell whether by their names *column* holds the *key* of another *table*."""
    name = fold(column)
    if name != fold(key.name) and fold(key.name) != "id":
        return False
    return name != "id" and _stem(name) in {singular(table), fold(table)}


def _same_kind(column: StoredColumn, other: StoredColumn) -> bool:
    return sql_type(column.type)[0] is sql_type(other.type)[0]


def _followers(name: str, links: Mapping[str, Sequence[Link]]) -> set[str]:
    """Return the tables from which references lead to *name*."""
    found: set[str] = set()
    new = {name}
    while new:
        new = {
            table
            for table, those in links.items()
            if table not in found | {name} and any(each.table in new for each in those)
        }
        found |= new
    return found


def _rank(
    table: StoredTable, followers: set[str], links: Sequence[Link]
) -> tuple[bool, bool, int, int]:
    """Order tables: people before things, those that others refer to, the roots."""
    word = _is_unit(table.name)
    return word and bool(followers), word, len(followers), -len(links)


def _shared_column(tables: Sequence[StoredTable]) -> str | None:
    """Return the column that says of whom a row is, where no table lists them."""
    names = [
        column.name
        for table in tables
        for column in table.columns
        if identifies(column)
        and _stem(column.name) != fold(column.name)
        and _is_unit(_stem(column.name))
    ]
    counted = {fold(name): sum(fold(n) == fold(name) for n in names) for name in names}
    return max(names, key=lambda name: counted[fold(name)], default=None)


def _owners(
    tables: Sequence[StoredTable],
    links: Mapping[str, Sequence[Link]],
    root: StoredTable | None,
    column: str,
) -> dict[str, Ownership]:
    """Return for each table how its rows lead to the unit."""
    owners: dict[str, Ownership] = {}
    for table in tables:
        own = _own_columns(table, links[table.name], root, column)
        if len(own) == 1:
            owners[table.name] = Ownership(unit_column=own[0])
        elif own:
            owners[table.name] = Ownership(choices=tuple(own))
    while True:
        found = {
            table.name: Ownership(through=up[0])
            for table in tables
            if table.name not in owners
            and (up := [each for each in links[table.name] if _leads(owners, each)])
        }
        if not found:
            break
        owners |= found
    return {
        table.name: _with_links(
            owners.get(table.name, Ownership()), links, table, owners
        )
        for table in tables
    }


def _own_columns(
    table: StoredTable,
    links: Sequence[Link],
    root: StoredTable | None,
    column: str,
) -> list[str]:
    """Return the columns of *table* that could say whose row it is."""
    if root is None:
        return [each.name for each in table.columns if fold(each.name) == fold(column)]
    if table.name == root.name:
        return [column]
    own = [each for each in links if each.table == root.name and each.key == column]
    return list(dict.fromkeys(each.column for each in own))


def _leads(owners: Mapping[str, Ownership], link: Link) -> bool:
    """Tell whether the rows that *link* leads to have a known owner."""
    return link.table in owners and owners[link.table].known


def _with_links(
    own: Ownership,
    links: Mapping[str, Sequence[Link]],
    table: StoredTable,
    owners: Mapping[str, Ownership],
) -> Ownership:
    """Add the references to other tables whose owner is known."""
    others = tuple(
        each
        for each in links[table.name]
        if each != own.through and _leads(owners, each)
    )
    return Ownership(own.unit_column, own.through, own.choices, others)
