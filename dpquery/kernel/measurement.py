"""The one place where exact becomes noisy: exact rows in, noisy groups out.

Upheld here (threats.md 1): exact values live between :meth:`Sealed.open` and the draw,
in this module only; what comes out has the noise that was charged for, or nothing does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from dpquery.kernel.ranked import Histogram, ranked
from dpquery.noise.additive import measure
from dpquery.plan.aggregates import Units
from dpquery.sql.lowering.lower import lower_release
from dpquery.sql.lowering.rankings import lower_distinct, lower_ranking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

    from dpquery.engines.sealed import Sealed
    from dpquery.kernel.pricing import PricedStep
    from dpquery.plan.aggregates import GridValue, Moment, RankTarget
    from dpquery.plan.program import ReleaseStep
    from dpquery.sql.lowering.lower import EngineSQL

MAX_GROUPS = 1_000_000
"""Groups that one release may have before withholding."""
ONE_IN_TWENTY = 1.645
"""Standard deviations that noise exceeds, in one direction, one time in twenty."""

Key = tuple[Any, ...]
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Statements:
    """All that a release reads, as SQL for the engine."""

    sums: EngineSQL | None
    """(keys…, moments…); ``None`` when there is nothing to read."""
    unions: tuple[EngineSQL, ...]
    """Each (keys…, size)."""
    histograms: tuple[EngineSQL, ...]
    """Each (keys…, bin, weight)."""

    @property
    def all(self) -> tuple[EngineSQL, ...]:
        """All of them."""
        sums = () if self.sums is None else (self.sums,)
        return (*sums, *self.unions, *self.histograms)


def statements_of(step: ReleaseStep) -> Statements:
    """Return what *step* reads."""
    return Statements(
        lower_release(step) if step.moments or step.keys else None,
        tuple(lower_distinct(step, at) for at in range(len(step.distinct))),
        tuple(lower_ranking(step, at) for at in range(len(step.rankings))),
    )


@dataclass(frozen=True, slots=True)
class Group:
    """One group with its noisy moments."""

    keys: Key
    readings: dict[Moment, int]
    chosen: dict[tuple[GridValue, RankTarget], Fraction] = field(default_factory=dict)


def measured(
    priced: PricedStep, statements: Statements, ask: Callable[[EngineSQL], Sealed]
) -> list[Group]:
    """
    Return the noisy groups of a release in the order of their keys.

    Noise is drawn for every group before any is looked at: the vector of all groups has
    the sensitivity that was calibrated for. Values are chosen only for the groups that
    are shown, which is known from what is noisy.

    Raises:
        EngineFailure: the engine failed.
        RuntimeError: it gave other rows than it was asked for.
    """
    step = priced.step
    exact: Rows = [()] if statements.sums is None else ask(statements.sums).open()
    unions = [_by_key(ask(each).open(), len(step.keys)) for each in statements.unions]
    groups = _shown(priced, _added_up(priced, exact, unions))
    for at, statement in enumerate(statements.histograms):
        histograms = _histograms(ask(statement).open(), len(step.keys))
        found = [histograms.get(group.keys, {}) for group in groups]
        for choice in priced.choices:
            if choice.ranking == at:
                value = step.rankings[at].value
                picked = ranked(priced, choice, found)
                for group, each in zip(groups, picked, strict=True):
                    group.chosen[value, choice.target] = each
    return groups


def _added_up(
    priced: PricedStep, exact: Rows, unions: Sequence[dict[Key, Any]]
) -> list[Group]:
    """Return all groups with their noisy sums and unions."""
    step, count = priced.step, len(priced.step.keys)
    if len(exact) > MAX_GROUPS:
        _fail()
    if len({row[:count] for row in exact}) < len(exact):
        _fail()  # a group that is there twice has twice its sensitivity
    rows = sorted(exact, key=lambda row: [_sort_key(cell) for cell in row[:count]])
    groups = [Group(row[:count], {}) for row in rows]
    for vector in priced.vectors:
        moments = [step.moments[at].moment for at in vector.moments]
        values = [row[count + at] for row in rows for at in vector.moments]
        noisy = iter(measure(vector.noise, values, vector.handed_out))
        for group in groups:
            group.readings.update((moment, next(noisy)) for moment in moments)
    for union, bounded, sizes in zip(priced.unions, step.distinct, unions, strict=True):
        values = [sizes.get(group.keys) or 0 for group in groups]
        noisy = iter(measure(union.noise, values, union.handed_out))
        for group in groups:
            group.readings[bounded.moment] = next(noisy)
    return groups


def _shown(priced: PricedStep, groups: list[Group]) -> list[Group]:
    """Leave out the groups that must not, or need not, be shown."""
    step = priced.step
    if priced.threshold is not None:
        least: float = priced.threshold
    elif step.keys and not step.columns:
        # SELECT DISTINCT of public keys: those that some row has, so far as is known
        steps, noise = priced.noise_of(Units())
        least = max(steps / 2, ONE_IN_TWENTY * noise.std)
    else:
        return groups
    return [group for group in groups if group.readings[Units()] >= least]


def _by_key(rows: Rows, count: int) -> dict[Key, Any]:
    """Return the last cell of each row by its keys."""
    found = {row[:count]: row[count] for row in rows}
    if len(found) < len(rows):
        _fail()
    return found


def _histograms(rows: Rows, count: int) -> dict[Key, Histogram]:
    """Return weights by key, then by bin."""
    found: dict[Key, Histogram] = {}
    for row in rows:
        bins = found.setdefault(row[:count], {})
        if row[count] in bins:
            _fail()
        bins[row[count]] = row[count + 1]
    return found


def _fail() -> NoReturn:
    msg = "the engine gave other rows than it was asked for"
    raise RuntimeError(msg)


def _sort_key(cell: object) -> tuple[bool, Any]:
    """Order keys by value, NULL last; never by the order in which rows were read."""
    return (cell is None, 0 if cell is None else cell)
