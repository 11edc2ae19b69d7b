"""Whose row it is: the way from each private table to its privacy unit.

Every private table says itself whose rows it holds, or has exactly one reference to
a private table that knows (theory.md 1.1). The checks here are on the words of the
policy; that every key on the way is unique is checked on the data.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.policy.catalog import fold
from dpquery.policy.values import Problem

if TYPE_CHECKING:
    from dpquery.policy.model import Column, Table

Tables = Mapping[str, "Table"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A declared foreign key: ``column`` of one table is ``key`` of *table*."""

    column: str
    table: str
    """The other table, as the policy spells it where it is declared."""
    key: str


def find(names: Iterable[str], name: str) -> str | None:
    """
    Return how *names* spell *name*; ASCII letters match in either case.

    >>> find(["Visits"], "visits")
    'Visits'
    """
    wanted = fold(name)
    return next((each for each in names if fold(each) == wanted), None)


def split(dotted: str) -> tuple[str, str]:
    """Split ``table.column``; table names hold no dot."""
    table, _, column = dotted.partition(".")
    return table, column


def references(tables: Tables, name: str) -> list[Reference]:
    """Return the references of table *name*; those to no table are left out."""
    found = []
    for column, dotted in tables[name].references.items():
        target, key = split(dotted)
        if (spelled := find(tables, target)) is not None:
            found.append(Reference(column, spelled, key))
    return found


def path(tables: Tables, name: str) -> list[Reference] | None:
    """
    Return the references from private table *name* up to a table that knows its unit.

    Returns ``None`` when there is no such way, or it is not the only one.
    """
    steps: list[Reference] = []
    while not tables[name].knows_its_unit:
        up = [each for each in references(tables, name) if _private(tables, each)]
        if len(up) != 1 or len(steps) >= len(tables):
            return None
        steps += up
        name = up[0].table
    return steps


def ownership_problems(tables: Tables) -> Iterator[Problem]:
    """Say everything that is wrong with how *tables* point at each other."""
    for name, table in tables.items():
        for column, dotted in table.references.items():
            at = ("tables", name, "references", column)
            yield from _target_problems(tables, dotted, at)
        for column, said in (table.columns or {}).items():
            yield from _domain_problems(tables, (name, column), said)
        if table.public:
            yield from _public_problems(tables, name)
        elif not table.knows_its_unit:
            yield from _path_problems(tables, name)


def _private(tables: Tables, reference: Reference) -> bool:
    return not tables[reference.table].public


def _target_problems(
    tables: Tables, dotted: str, at: tuple[str, ...]
) -> Iterator[Problem]:
    """Check that ``table.column`` is a column the policy does not hide."""
    name, column = split(dotted)
    spelled = find(tables, name)
    if spelled is None:
        hint = suggest(name, tables) or "list it under `tables:`, or correct the name"
        yield Problem(f"there is no table `{name}` in this policy", hint, "DPQ320", at)
        return
    table = tables[spelled]
    if table.public and table.columns is not None and not find(table.columns, column):
        hint = suggest(column, table.columns) or f"list it under `{spelled}`"
        message = f"table `{spelled}` has no column `{column}` in this policy"
        yield Problem(message, hint, "DPQ320", at)


def _domain_problems(
    tables: Tables, where: tuple[str, str], column: Column
) -> Iterator[Problem]:
    """Check that keys come from a public table."""
    if column.values_from is None:
        return
    at = ("tables", where[0], "columns", where[1], "values_from")
    yield from _target_problems(tables, column.values_from, at)
    spelled = find(tables, split(column.values_from)[0])
    if spelled is not None and not tables[spelled].public:
        message = f"table `{spelled}` is private, so its values are no public list"
        hint = f"list the values here, or declare `{spelled}` public if it is"
        yield Problem(message, hint, "DPQ322", at)


def _public_problems(tables: Tables, name: str) -> Iterator[Problem]:
    """Check that a public table does not belong to a private one."""
    for each in references(tables, name):
        if _private(tables, each):
            message = f"a public table cannot reference the private `{each.table}`"
            hint = "public means: the content depends on no private row"
            at = ("tables", name, "references", each.column)
            yield Problem(message, hint, "DPQ322", at)


def _path_problems(tables: Tables, name: str) -> Iterator[Problem]:
    """Check that a table without a unit of its own is led to one, in one way."""
    known = references(tables, name)
    if len(known) < len(tables[name].references):
        return  # a reference to nothing is a problem of its own
    up = [each for each in known if _private(tables, each)]
    if len(up) > 1:
        columns = " and ".join(f"`{each.column}`" for each in up)
        message = f"the owner of a row of `{name}` is ambiguous: {columns}"
        hint = "add privacy_unit_column, or keep one reference to a private table"
        at = ("tables", name, "references", up[1].column)
        yield Problem(message, hint, "DPQ322", at)
    elif not up:
        message = f"no reference of `{name}` leads to a private table"
        hint = "add privacy_unit_column, or `public: true` if no row is private"
        yield Problem(message, hint, "DPQ322", ("tables", name, "references"))
    elif _is_in_cycle(tables, name):
        at = ("tables", name, "references", up[0].column)
        message = f"the references of `{name}` lead back to `{name}`"
        hint = "one table on the way needs a privacy_unit_column"
        yield Problem(message, hint, "DPQ321", at)


def _is_in_cycle(tables: Tables, start: str) -> bool:
    """Follow the references of *start* until they end or come back."""
    name = start
    for _ in tables:
        if tables[name].knows_its_unit:
            return False
        up = [each for each in references(tables, name) if _private(tables, each)]
        if len(up) != 1:
            return False  # reported there
        name = up[0].table
        if name == start:
            return True
    return False


def suggest(name: str, known: Iterable[str]) -> str | None:
    """
    Return a question with the nearest of *known* names, if one is near.

    >>> suggest("vists", ["visits", "patients"])
    'did you mean `visits`?'
    """
    spelled = {fold(each): each for each in known}
    near = difflib.get_close_matches(fold(name), spelled, n=1)
    return f"did you mean `{spelled[near[0]]}`?" if near else None
