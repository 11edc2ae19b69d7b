"""Relations below the DP boundary: what rows are read, joined and kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from dpquery.errors import Place
    from dpquery.plan.expressions import ColumnRef, Expression
    from dpquery.policy.catalog import CatalogTable


class JoinKind(StrEnum):
    """How rows without a partner are treated."""

    INNER = "INNER"
    LEFT = "LEFT"


@dataclass(frozen=True, slots=True)
class Scan:
    """All rows of one table of the catalog."""

    table: CatalogTable
    name: str
    """Unique in the plan; columns refer to it."""
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Filter:
    """The rows of *child* for which *predicate* is true."""

    child: Relation
    predicate: Expression


@dataclass(frozen=True, slots=True)
class Join:
    """Pairs of rows for which *condition* is true."""

    left: Relation
    right: Relation
    kind: JoinKind
    condition: Expression
    place: Place | None = field(default=None, compare=False, repr=False)


Relation: TypeAlias = Scan | Filter | Join


@dataclass(frozen=True, slots=True)
class Owned:
    """
    A unit-local relation: every row belongs to exactly one privacy unit.

    Made by :func:`dpquery.plan.analysis.privacy_unit.own` only, so holding one is
    the proof that the rules of theory.md 1.3 were applied.
    """

    relation: Relation
    unit: ColumnRef
    """The column that holds the row's unit; rows where it is NULL are dropped."""
    units: tuple[ColumnRef, ...]
    """All columns known to hold the same unit, for ``COUNT(DISTINCT unit)``."""
    kind: str
    """What a unit is: the policy's word, or the table's name under row privacy."""
