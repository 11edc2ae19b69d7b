"""A query as a program: releases, then one SELECT over what was released."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from dpquery.errors import Place
    from dpquery.plan.aggregates import Aggregate, Estimator, Moment
    from dpquery.plan.expressions import Constant, Expression
    from dpquery.plan.relations import Owned, Relation, Scan
    from dpquery.policy.catalog import SqlType


@dataclass(frozen=True, slots=True)
class GroupKey:
    """One expression of GROUP BY."""

    name: str
    """Its column in the released table: ``k0``, ``k1``, …"""
    expression: Expression
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Output:
    """One column of the answer, over released columns."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Ordering:
    """One expression of ORDER BY, over released columns."""

    expression: Expression
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class PostQuery:
    """The SELECT over released tables: free, whatever it says."""

    outputs: tuple[Output, ...]
    having: Expression | None
    order: tuple[Ordering, ...]
    limit: int | None
    offset: int


@dataclass(frozen=True, slots=True)
class AggregateQuery:
    """A DP boundary as the binder found it: private rows in, aggregates out."""

    name: str
    """The released table's name: ``r1``, ``r2``, …"""
    source: Relation
    keys: tuple[GroupKey, ...]
    aggregates: tuple[Aggregate, ...]
    """Their released columns are ``a0``, ``a1``, …"""


@dataclass(frozen=True, slots=True)
class Query:
    """What the binder makes of one statement."""

    boundaries: tuple[AggregateQuery, ...]
    post: PostQuery


# --- after the rewrites ----------------------------------------------------------


class BoundingMode(StrEnum):
    """How a unit's contribution is kept within the sensitivity (theory.md 2.2)."""

    NORM = "norm"
    """Scale the unit's whole vector down to the norm limit; every group counts."""
    TRUNCATE = "truncate"
    """Keep at most k groups of the unit, and scale each down to its limit."""


@dataclass(frozen=True, slots=True)
class Bounding:
    """What one unit may add to one release."""

    mode: BoundingMode
    norm: int
    """2 for Gaussian noise, 1 for Laplace noise."""
    groups: int
    """k: groups that one unit may touch at full weight; 1 when keys follow it."""
    group_cap: int | None
    """G: with more groups than this, a unit counts in no group's unit count."""
    single_group: bool
    """Each unit is put into exactly one group, by construction of the SQL."""


@dataclass(frozen=True, slots=True)
class BoundedMoment:
    """A moment with the limit on what one unit adds to it."""

    moment: Moment
    bundle: int
    """Moments of one bundle are scaled by one common factor per unit."""
    steps: int
    """Sub-steps per step of the moment's grid, so that scaled-down counts keep digits;
    the released integers are in sub-steps."""
    limit: int
    """Largest norm of one unit (per group under TRUNCATE), in sub-steps."""
    sensitivity: int
    """Δ in sub-steps: the norm by which one unit changes the released vector."""


@dataclass(frozen=True, slots=True)
class ListedKeys:
    """Key tuples written out: from the policy or from the query itself."""

    keys: tuple[int, ...]
    """Which group keys these tuples are for."""
    rows: tuple[tuple[Constant, ...], ...]


@dataclass(frozen=True, slots=True)
class TableKeys:
    """Key tuples computed from one public table."""

    keys: tuple[int, ...]
    scan: Scan
    expressions: tuple[Expression, ...]
    optional: bool = False
    """The query LEFT JOINs the table: what the expressions are without a partner is
    a key too, and NULL may be one."""


KeySource: TypeAlias = ListedKeys | TableKeys


@dataclass(frozen=True, slots=True)
class KeyDomain:
    """A public list of groups: the cross product of its sources."""

    sources: tuple[KeySource, ...]


@dataclass(frozen=True, slots=True)
class ReleasedColumn:
    """One aggregate of the released table and how moments make it."""

    name: str
    estimator: Estimator
    type: SqlType


@dataclass(frozen=True, slots=True)
class ReleaseStep:
    """One exact, contribution-bounded integer aggregate, ready to be lowered."""

    name: str
    source: Owned
    keys: tuple[GroupKey, ...]
    domain: KeyDomain | None
    """``None``: keys are unknown, so small groups are withheld."""
    moments: tuple[BoundedMoment, ...]
    bounding: Bounding
    columns: tuple[ReleasedColumn, ...]

    @property
    def withholds(self) -> bool:
        """Whether groups with few units are left out of the answer."""
        return self.domain is None


@dataclass(frozen=True, slots=True)
class Program:
    """Releases in the order in which they run, then the final SELECT."""

    releases: tuple[ReleaseStep, ...]
    post: PostQuery
