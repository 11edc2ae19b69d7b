"""Group keys that are columns of public rows: which tables list them, and how.

The list of groups is made from the public tables that the keys read, joined and
filtered by the query's own conditions on them, so that it has few groups that no row
can be in (theory.md 2.5: every listed group is shown, so each costs the reader time).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.analysis.key_filters import filtered
from dpquery.plan.expressions import TRUE, ColumnRef, Expression
from dpquery.plan.program import PublicKeys
from dpquery.plan.relations import Join, JoinKind, Relation, Scan
from dpquery.plan.walk import (
    columns,
    equated,
    is_private,
    subqueries,
    substituted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dpquery.plan.analysis.sources import Leaf, Sources


def is_public(leaf: Leaf | None) -> bool:
    """Return whether the rows of a table depend on no private row."""
    return leaf is not None and not is_private(leaf)


def reads_public(expression: Expression, known: Sources) -> bool:
    """Return whether a key is computed from public rows, and from nothing else."""
    read = {column.relation for column in columns(expression)}
    inside = any(subqueries(expression))
    return (
        bool(read)
        and not inside
        and all(is_public(known.leaves.get(name)) for name in read)
    )


def as_public(expression: Expression, known: Sources) -> Expression:
    """Return a key with the public columns that its own are equal to on every row."""
    equal: dict[ColumnRef, ColumnRef] = {}
    for pair in equated(known.conditions):
        for one, other in (pair, pair[::-1]):
            listed = is_public(known.leaves.get(other.relation))
            lost = {one.relation, other.relation} & known.optional
            if listed and not lost and one.type is other.type:
                equal.setdefault(one, other)

    def listed_as(column: ColumnRef) -> Expression:
        private = not is_public(known.leaves.get(column.relation))
        return equal.get(column, column) if private else column

    return substituted(expression, listed_as)


def public_keys(keys: Mapping[int, Expression], known: Sources) -> Iterator[PublicKeys]:
    """Yield the lists of the public *keys*; keys of joined tables are one list."""
    for names, indexes in _together(keys, known):
        leaves = [leaf for name, leaf in known.leaves.items() if name in names]
        yield PublicKeys(
            tuple(indexes),
            _joined(leaves, _conditions(names, known)),
            tuple(keys[at] for at in indexes),
            optional=bool(names & known.optional),
        )


def _together(
    keys: Mapping[int, Expression], known: Sources
) -> list[tuple[frozenset[str], list[int]]]:
    """Return tables and the keys that are listed from them, each table once."""
    found: list[tuple[frozenset[str], list[int]]] = []
    for at, expression in keys.items():
        names = _reached({column.relation for column in columns(expression)}, known)
        indexes = [at]
        for group in list(found):
            if group[0] & names or _connected(group[0], names, known):
                found.remove(group)
                names, indexes = names | group[0], group[1] + indexes
        found.append((frozenset(names), sorted(indexes)))
    return found


def _reached(names: set[str], known: Sources) -> frozenset[str]:
    """Return *names* and the public tables that their rows find by a unique key."""
    if names & known.optional:
        return frozenset(names)
    reached = set(names)
    while True:
        more = {
            other.relation
            for pair in equated(known.conditions)
            for one, other in (pair, pair[::-1])
            if one.relation in reached
            and other.relation not in known.optional
            and _is_key(other, known)
        } - reached
        if not more:
            return frozenset(reached)
        reached |= more


def _is_key(column: ColumnRef, known: Sources) -> bool:
    leaf = known.leaves.get(column.relation)
    return (
        isinstance(leaf, Scan) and leaf.table.public and leaf.table.key == column.name
    )


def _connected(one: frozenset[str], other: frozenset[str], known: Sources) -> bool:
    """Return whether some condition is about both groups of tables, and no others."""
    if (one | other) & known.optional:
        return False
    return any(
        names & one and names & other
        for names in _names_of(_conditions(one | other, known))
    )


def _names_of(conditions: list[Expression]) -> Iterator[set[str]]:
    for condition in conditions:
        yield {column.relation for column in columns(condition)}


def _conditions(names: frozenset[str], known: Sources) -> list[Expression]:
    """Return the conditions that read columns of these tables only."""
    return [
        condition
        for condition in known.conditions
        if not any(is_private(each.relation) for each in subqueries(condition))
        and {column.relation for column in columns(condition)} <= names
        and columns(condition)
    ]


def _joined(leaves: list[Leaf], conditions: list[Expression]) -> Relation:
    relation: Relation = leaves[0]
    for leaf in leaves[1:]:
        relation = Join(relation, leaf, JoinKind.INNER, TRUE)
    return filtered(relation, conditions)
