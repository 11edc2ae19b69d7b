"""Where the columns of a relation come from: its tables, and what ties them.

Derived tables, groups and joins are looked through, down to what has columns of its
own. For hints and public keys only: what a row is *said* to be is never trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from dpquery.plan.expressions import (
    Aggregated,
    ColumnRef,
    Expression,
    Subquery,
    Window,
    conjuncts,
)
from dpquery.plan.relations import (
    Filter,
    Group,
    Join,
    JoinKind,
    Listed,
    Named,
    Project,
    Relation,
    Released,
    Sample,
    Scan,
    SetOperation,
    Top,
    Unnest,
)
from dpquery.plan.walk import subexpressions, substituted

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 256
"""Parts of a definition that is written out: each name in it can stand for as many
again, and a short text can go on like that."""

Leaf = Scan | Listed | Released | SetOperation
Definitions = dict[tuple[str, str], Expression]


@dataclass(frozen=True, slots=True)
class Sources:
    """The tables below a relation."""

    leaves: Mapping[str, Leaf]
    """By name, left to right."""
    optional: frozenset[str]
    """Leaves whose columns are NULL where an outer join found nothing."""
    conditions: tuple[Expression, ...]
    """Conditions on columns of leaves that hold for every row."""
    matches: tuple[Expression, ...]
    """Conditions of LEFT joins: they hold where there is a partner."""
    definitions: Mapping[tuple[str, str], Expression]
    """What columns of derived tables and keys of groups are computed from."""

    def expanded(self, expression: Expression) -> Expression:
        """Return *expression* over the columns of leaves, as far as that is known."""

        def definition(column: ColumnRef) -> Expression:
            found = self.definitions.get((column.relation, column.name))
            return column if found is None else self.expanded(found)

        return substituted(expression, definition)

    def column(self, expression: Expression) -> ColumnRef | None:
        """Return the column of a leaf that *expression* is, if it is one."""
        found = self.expanded(expression)
        return found if isinstance(found, ColumnRef) else None


def sources(relation: Relation) -> Sources:
    """Return the tables below *relation*."""
    found = _Found({}, set(), [], [], {}, {})
    found.visit(relation, optional=False)
    plain = Sources({}, frozenset(), (), (), found.definitions)
    return Sources(
        found.leaves,
        frozenset(found.optional),
        tuple(map(plain.expanded, found.conditions)),
        tuple(map(plain.expanded, found.matches)),
        found.definitions,
    )


@dataclass(slots=True)
class _Found:
    leaves: dict[str, Leaf]
    optional: set[str]
    conditions: list[Expression]
    matches: list[Expression]
    definitions: Definitions
    sizes: dict[tuple[str, str], int]

    def visit(self, relation: Relation, *, optional: bool) -> None:
        match relation:
            case Scan() | Listed() | Released() | SetOperation():
                self.leaves[relation.name] = relation
                if optional:
                    self.optional.add(relation.name)
            case Filter(child=child, predicate=predicate):
                self.visit(child, optional=optional)
                (self.matches if optional else self.conditions).extend(
                    conjuncts(predicate)
                )
            case Join():
                self.join(relation, optional=optional)
            case Project(child=child, name=name, columns=made):
                self.visit(child, optional=optional)
                self.define(name, made, optional=optional)
            case Group(child=child, name=name, keys=keys):
                self.visit(child, optional=optional)
                self.define(name, keys, optional=optional)
            case Unnest(child=child) | Sample(child=child) | Top(child=child):
                self.visit(child, optional=optional)
            case _:
                assert_never(relation)

    def join(self, join: Join, *, optional: bool) -> None:
        inner, full = join.kind is JoinKind.INNER, join.kind is JoinKind.FULL
        self.visit(join.left, optional=optional or full)
        self.visit(join.right, optional=optional or not inner)
        holds = self.conditions if inner and not optional else self.matches
        holds.extend(conjuncts(join.condition))

    def define(self, name: str, made: tuple[Named, ...], *, optional: bool) -> None:
        """Keep what columns are; where a row may be missing, only plain columns."""
        for each in made:
            plain = isinstance(each.expression, ColumnRef)
            if plain or not (optional or _opaque(each.expression)):
                size = self.size(each.expression)
                if size <= LARGEST:
                    self.definitions[name, each.name] = each.expression
                    self.sizes[name, each.name] = size

    def size(self, expression: Expression) -> int:
        """Return how many parts *expression* has when it is written out."""
        return sum(
            self.sizes.get((part.relation, part.name), 1)
            if isinstance(part, ColumnRef)
            else 1
            for part in subexpressions(expression)
        )


def _opaque(expression: Expression) -> bool:
    """Return whether a value depends on more than its row."""
    return any(
        isinstance(each, Aggregated | Window | Subquery)
        for each in subexpressions(expression)
    )
