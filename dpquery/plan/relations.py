"""Relations below the DP boundary: what rows are read, joined, kept and computed.

::

    Relation
    ├── Scan          a table of the policy
    ├── Listed        rows written in the query: VALUES, generate_series
    ├── Released      rows of an earlier answer of the same query
    ├── Filter        rows for which a condition is true
    ├── Join          pairs of rows: inner, outer, lateral
    ├── Unnest        one row for each element of a row's own list
    ├── Sample        the rows of a share of the units
    ├── Top           the first rows in an order
    ├── Project       a SELECT list: new columns, perhaps DISTINCT
    ├── Group         GROUP BY inside a unit, or over public rows
    └── SetOperation  UNION, INTERSECT, EXCEPT

A relation that makes columns has a name that is unique in the plan, and columns
refer to it by that name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from fractions import Fraction

    from dpquery.errors import Place
    from dpquery.plan.expressions import ColumnRef, Constant, Expression, Ordering
    from dpquery.policy.catalog import CatalogTable


class JoinKind(StrEnum):
    """How rows without a partner are treated; a RIGHT join is a LEFT one, turned."""

    INNER = "INNER"
    LEFT = "LEFT"
    FULL = "FULL"


class SetKind(StrEnum):
    """Which rows of two relations are kept."""

    UNION = "UNION"
    INTERSECT = "INTERSECT"
    EXCEPT = "EXCEPT"


@dataclass(frozen=True, slots=True)
class Named:
    """A column that a relation makes, and what it is computed from."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Scan:
    """All rows of one table of the catalog."""

    table: CatalogTable
    name: str
    """Unique in the plan; columns refer to it."""
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """Rows of constants; their content is part of the query's text."""

    name: str
    columns: tuple[ColumnRef, ...]
    rows: tuple[tuple[Constant, ...], ...]


@dataclass(frozen=True, slots=True)
class Released:
    """
    The rows of an earlier answer: constants, given everything said so far.

    Their content is not known before the earlier releases have run.
    """

    name: str
    source: str
    """The program's input that these rows are."""
    columns: tuple[ColumnRef, ...]


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
    lateral: bool = False
    """Whether the right side may read columns of the left one."""


@dataclass(frozen=True, slots=True)
class Unnest:
    """The rows of *child*, each once for every element of its own list."""

    child: Relation
    name: str
    elements: Expression
    """A list; NULL and the empty list have no elements."""
    column: ColumnRef
    keeps: bool = False
    """Whether a row without elements is kept, with NULL."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows of about a *share* of the units, chosen by a hash of the unit."""

    child: Relation
    share: Fraction
    seed: int
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Top:
    """The first rows of *child* in an order that leaves no ties."""

    child: Relation
    order: tuple[Ordering, ...]
    count: int
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Project:
    """New columns for every row of *child*; windows may stand in them."""

    child: Relation
    name: str
    columns: tuple[Named, ...]
    distinct: bool = False
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Group:
    """
    One row for each value of *keys*, exact: inside a unit, or over public rows.

    Without keys there is one row, also for no rows at all.
    """

    child: Relation
    name: str
    keys: tuple[Named, ...]
    aggregates: tuple[Named, ...]
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SetOperation:
    """Rows of both sides, by position; sides have equal types."""

    kind: SetKind
    distinct: bool
    left: Project
    right: Project
    name: str
    columns: tuple[ColumnRef, ...]
    place: Place | None = field(default=None, compare=False, repr=False)


Relation: TypeAlias = (
    Scan
    | Listed
    | Released
    | Filter
    | Join
    | Unnest
    | Sample
    | Top
    | Project
    | Group
    | SetOperation
)


@dataclass(frozen=True, slots=True)
class Owned:
    """
    A unit-local relation: every row belongs to exactly one privacy unit.

    Made by :func:`dpquery.plan.analysis.privacy_unit.own` only, so holding one is
    the proof that the rules of theory.md 1.3 were applied.
    """

    relation: Relation
    unit: Expression
    """The row's unit; rows where it is NULL are dropped."""
    units: tuple[ColumnRef, ...]
    """Columns that hold the same unit on every row, for ``COUNT(DISTINCT unit)``."""
    kind: str
    """What a unit is: the policy's word, or the table's name under row privacy."""
    owner_keys: tuple[tuple[ColumnRef, tuple[str, str]], ...] = ()
    """Columns that find the owner where they are not NULL: as the (table, key) that
    they hold a value of."""
    attached: bool = False
    """In a subquery: every row belongs to the unit of the outer row."""
    by_row: bool = False
    """Whether a unit is a row of a table, so that its name is the row's number. That is
    a position: it can change when another row goes, so nothing may be chosen by it."""


@dataclass(frozen=True, slots=True)
class Unowned:
    """Rows that depend on no private row: public tables, constants, earlier answers."""

    relation: Relation


Rows: TypeAlias = Owned | Unowned
