"""A query as a program: releases, then one SELECT over what was released."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from decimal import Decimal

    from dpquery.errors import Place
    from dpquery.plan.aggregates import (
        AdditiveMoment,
        Aggregate,
        DistinctMoment,
        Estimator,
        GridValue,
        RankTarget,
    )
    from dpquery.plan.expressions import Constant, Expression
    from dpquery.plan.profile import Clip, Histogram, Sought
    from dpquery.plan.relations import Owned, Relation
    from dpquery.policy.catalog import CatalogTable, SqlType


@dataclass(frozen=True, slots=True)
class GroupKey:
    """One expression of GROUP BY."""

    name: str
    """Its column in the released table: ``k0``, ``k1``, …"""
    expression: Expression
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the query itself says of one release; it may tighten the policy only."""

    epsilon: Decimal | None = None
    """What this release may spend."""
    delta: Decimal | None = None
    """The chance of showing a group that should be withheld."""
    groups: int | None = None
    """Groups that one unit counts in at full weight."""
    min_units: int | None = None
    """Units that a group must have to be shown."""
    public_groups: bool = False
    """Whether the groups must be public."""
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AggregateQuery:
    """A DP boundary as the binder found it: private rows in, aggregates out."""

    name: str
    """The released table's name: ``r1``, ``r2``, …"""
    source: Relation
    keys: tuple[GroupKey, ...]
    aggregates: tuple[Aggregate, ...]
    """Their released columns are ``a0``, ``a1``, …"""
    wishes: Wishes = Wishes()


@dataclass(frozen=True, slots=True)
class PublicTable:
    """A public table that is read above the boundary, with the columns in use."""

    table: CatalogTable
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Computed:
    """
    A SELECT over released and public tables: free, whatever it says.

    The plan does not look into its text.
    """

    sql: str
    released: tuple[str, ...]
    """The released tables that it reads."""
    public: tuple[PublicTable, ...]


@dataclass(frozen=True, slots=True)
class Input:
    """Released values that private rows are compared or joined with."""

    name: str
    """``i1``, ``i2``, …"""
    computed: Computed
    columns: tuple[tuple[str, SqlType], ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """The released number that an output shows as it is."""

    levels: tuple[str, ...]
    """The released tables that its rows may come from: one for each level of ROLLUP."""
    column: str
    row: int
    """Which of the hidden last columns says the row: ``level · LEVEL + row``."""


LEVEL = 10**9
"""Rows that the released table of one level has at most."""


@dataclass(frozen=True, slots=True)
class Output:
    """One column of the answer."""

    name: str
    cell: Cell | None
    """``None`` for what is computed, and for keys."""


@dataclass(frozen=True, slots=True)
class PostQuery:
    """The last SELECT: the outputs, then the rows that their cells come from."""

    computed: Computed
    outputs: tuple[Output, ...] | None
    """``None`` when the engine names the columns: ``SELECT *`` of a PIVOT, say."""
    rows: int
    """How many hidden columns follow."""


@dataclass(frozen=True, slots=True)
class Query:
    """What the binder makes of one statement."""

    boundaries: tuple[AggregateQuery, ...]
    """In an order in which they can run."""
    inputs: tuple[Input, ...]
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
    min_units: int = 1
    """N: a group of unknown key that fewer units count in is not there at all."""
    unit_groups: int | None = None
    """Groups in which the number of units counts a unit in full, where that number
    only decides which groups are shown; ``None``: as many as all else, k."""

    @property
    def full_units(self) -> int:
        """Groups that a unit may be in and be counted in full in each."""
        return self.groups if self.unit_groups is None else self.unit_groups


@dataclass(frozen=True, slots=True)
class BoundedMoment:
    """A moment with the limit on what one unit adds to it."""

    moment: AdditiveMoment
    bundle: int
    """Moments of one bundle are scaled by one common factor per unit."""
    vector: int
    """Moments of one vector have one limit, sensitivity and noise together."""
    steps: int
    """Sub-steps per step of the moment's grid, so that scaled-down counts keep digits;
    the released integers are in sub-steps."""
    limit: int
    """Largest norm of one unit (per group under TRUNCATE), in sub-steps."""
    sensitivity: int
    """Δ in sub-steps: the norm by which one unit changes the released vector."""


@dataclass(frozen=True, slots=True)
class BoundedDistinct:
    """A union of values, of which each unit keeps a few (theory.md 2.6)."""

    moment: DistinctMoment
    per_group: int
    """Values that one unit keeps in a group."""
    in_all: int
    """Values that one unit keeps in all groups together."""
    sensitivity: int
    """Δ of the vector over all groups, in steps."""


@dataclass(frozen=True, slots=True)
class BoundedRanking:
    """A histogram per group, from which values are chosen by rank (theory.md 2.7)."""

    value: GridValue
    bins: int
    """How many bins the value's steps are put into; each is a candidate."""
    targets: tuple[RankTarget, ...]
    steps: int
    """Sub-steps in the weight of a row."""
    limit: int
    """Largest norm of a unit's weights over its groups, in sub-steps."""
    sensitivity: int
    """The norm over all groups by which one unit changes the weights, in sub-steps."""


@dataclass(frozen=True, slots=True)
class ListedKeys:
    """Key tuples written out: from the policy or from the query itself."""

    keys: tuple[int, ...]
    """Which group keys these tuples are for."""
    rows: tuple[tuple[Constant, ...], ...]


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """Key tuples computed from public rows."""

    keys: tuple[int, ...]
    relation: Relation
    """Public tables, with the query's own conditions on them."""
    expressions: tuple[Expression, ...]
    optional: bool = False
    """The query LEFT JOINs the table: what the expressions are without a partner is
    a key too, and NULL may be one."""


KeySource: TypeAlias = ListedKeys | PublicKeys


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
    distinct: tuple[BoundedDistinct, ...]
    rankings: tuple[BoundedRanking, ...]
    bounding: Bounding
    columns: tuple[ReleasedColumn, ...]
    wishes: Wishes = Wishes()
    blocks: tuple[str, ...] = ()
    """The blocks of time that its rows may be of, where the owner has such."""
    missing: tuple[Sought, ...] = field(default=(), repr=False)
    """Histograms to be measured first: without them its limits are made up."""
    clips: tuple[Clip, ...] = field(default=(), repr=False)
    """What histograms say of its limits."""
    profile: tuple[tuple[Sought, Histogram], ...] = field(default=(), repr=False)
    """The histograms that were looked up for it."""
    other_of: str | None = None
    """The release of whose withheld groups these are the rows, if they are."""

    @property
    def withholds(self) -> bool:
        """Whether groups with few units are left out of the answer."""
        return self.domain is None


@dataclass(frozen=True, slots=True)
class Program:
    """Releases in the order in which they run, then the final SELECT."""

    releases: tuple[ReleaseStep, ...]
    inputs: tuple[Input, ...]
    post: PostQuery

    @property
    def missing(self) -> tuple[Sought, ...]:
        """Histograms to be measured before it can run, each once."""
        return tuple(dict.fromkeys(s for each in self.releases for s in each.missing))
