"""The one place where exact becomes noisy: exact rows in, noisy groups out.

Upheld here (threats.md 1): exact values live between :meth:`Sealed.open` and the draw,
in this module only; what comes out has the noise that was charged for, or nothing does.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from dpquery.kernel.ranked import Histogram, ranked, ranked_together
from dpquery.kernel.readings import Group, Key, Noisy
from dpquery.kernel.several import PricedQuantiles
from dpquery.kernel.stored import StoredReadings
from dpquery.noise.additive import measure
from dpquery.plan.aggregates import Units
from dpquery.sql.lowering.lower import lower_release
from dpquery.sql.lowering.rankings import lower_distinct, lower_ranking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dpquery.accounting.loss import Loss
    from dpquery.engines.sealed import Sealed
    from dpquery.kernel.pricing import PricedChoice, PricedStep
    from dpquery.noise.calibration import Additive
    from dpquery.plan.aggregates import RankTarget
    from dpquery.plan.profile import Sought
    from dpquery.plan.program import ReleaseStep
    from dpquery.sql.lowering.lower import EngineSQL

Ask: TypeAlias = "Callable[[EngineSQL], Sealed]"
"""What runs a statement on private rows."""
MAX_GROUPS = 1_000_000
"""Groups that one release may have before withholding."""
ONE_IN_TWENTY = 1.645
"""Standard deviations that noise exceeds, in one direction, one time in twenty."""

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
class Draws:
    """What is measured of a release, and with which noise."""

    vectors: Mapping[int, tuple[Additive, Loss]]
    unions: Mapping[int, tuple[Additive, Loss]]
    choices: frozenset[int]

    @classmethod
    def all(cls, priced: PricedStep) -> Draws:
        """Return all of *priced*, each with the noise that its price is of."""
        return cls(
            {at: (v.noise, v.handed_out) for at, v in enumerate(priced.vectors)},
            {at: (u.noise, u.handed_out) for at, u in enumerate(priced.unions)},
            frozenset(range(len(priced.choices))),
        )


def measured(
    priced: PricedStep,
    statements: Statements,
    ask: Ask,
    draws: Draws | None = None,
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
    draws = Draws.all(priced) if draws is None else draws
    step = priced.step
    exact: Rows = [()] if statements.sums is None else ask(statements.sums).open()
    unions = {
        at: _by_key(ask(statements.unions[at]).open(), len(step.keys))
        for at in draws.unions
    }
    groups = _not_withheld(priced, _added_up(priced, exact, unions, draws))
    chosen = [priced.choices[at] for at in sorted(draws.choices)]
    for at in sorted({choice.ranking for choice in chosen}):
        opened = ask(statements.histograms[at]).open()
        histograms = _histograms(opened, len(step.keys))
        found = [histograms.get(group.keys, {}) for group in groups]
        for choice in chosen:
            if choice.ranking == at:
                value = step.rankings[at].value
                for target, picked in _picked(priced, choice, found):
                    for group, each in zip(groups, picked, strict=True):
                        group.chosen[value, target] = each
    return groups


def units_by_size(
    sought: Sought, sealed: Sealed, noise: Additive, handed_out: Loss
) -> StoredReadings:
    """
    Return a noisy histogram of units; *noise* is for a unit that is in one bin.

    Raises:
        RuntimeError: the engine gave other rows than it was asked for.
    """
    found = _by_key(sealed.open(), 1)
    bins = [(at,) for at in sought.bins]
    if not set(found) <= set(bins):
        _fail()
    noisy = measure(noise, [found.get(at, 0) for at in bins], handed_out)
    values: dict[Key, tuple[int, ...]] = {
        at: (count,) for at, count in zip(bins, noisy, strict=True)
    }
    return StoredReadings((noise,), values)


def union_sizes(
    sealed: Iterable[Sealed], drawn: Iterable[tuple[Additive, Loss]]
) -> StoredReadings:
    """
    Return noisy sizes of unions without groups, each with noise for its own Δ.

    Raises:
        RuntimeError: the engine gave other rows than it was asked for.
    """
    noises, sizes = [], []
    for each, (noise, handed_out) in zip(sealed, drawn, strict=True):
        found = _by_key(each.open(), 0)
        if not set(found) <= {()}:
            _fail()
        sizes += measure(noise, [found.get((), 0)], handed_out)
        noises.append(noise)
    return StoredReadings(tuple(noises), {(): tuple(sizes)})


def _picked(
    priced: PricedStep,
    choice: PricedChoice | PricedQuantiles,
    histograms: Sequence[Histogram],
) -> Iterable[tuple[RankTarget, list[Fraction]]]:
    """Return what is chosen of each group, for every target of *choice*."""
    if isinstance(choice, PricedQuantiles):
        together = ranked_together(priced, choice, histograms)
        return zip(choice.targets, together, strict=True)
    return [(choice.target, ranked(priced, choice, histograms))]


def _added_up(
    priced: PricedStep,
    exact: Rows,
    unions: Mapping[int, dict[Key, Any]],
    draws: Draws,
) -> list[Group]:
    """Return all groups with their noisy sums and unions."""
    step, count = priced.step, len(priced.step.keys)
    if len(exact) > MAX_GROUPS:
        _fail()
    if len({row[:count] for row in exact}) < len(exact):
        _fail()  # a group that is there twice has twice its sensitivity
    rows = sorted(exact, key=lambda row: [sort_key(cell) for cell in row[:count]])
    groups = [Group(row[:count], {}) for row in rows]
    for at, (noise, loss) in draws.vectors.items():
        moments = [step.moments[each] for each in priced.vectors[at].moments]
        values = [
            row[count + each] for row in rows for each in priced.vectors[at].moments
        ]
        noisy = iter(measure(noise, values, loss))
        for group in groups:
            for each in moments:
                reading = Noisy.of(next(noisy), noise, each.steps)
                group.readings[each.moment] = reading
    for at, (noise, loss) in draws.unions.items():
        values = [unions[at].get(group.keys) or 0 for group in groups]
        noisy = iter(measure(noise, values, loss))
        for group in groups:
            moment = step.distinct[at].moment
            group.readings[moment] = Noisy.of(next(noisy), noise, 1)
    return groups


def _not_withheld(priced: PricedStep, groups: list[Group]) -> list[Group]:
    """Leave out the groups with too few units."""
    if priced.threshold is None:
        return groups
    steps, _ = priced.noise_of(Units())
    least = Fraction(priced.threshold, steps)
    return [group for group in groups if group.readings[Units()].value >= least]


def visible(priced: PricedStep, groups: list[Group]) -> list[Group]:
    """Return the groups that are shown: all, or of public keys those that some row has.

    SELECT DISTINCT of public keys shows those that are clearly there; post-processing.
    """
    if priced.step.withholds or priced.step.columns or not priced.step.keys:
        return groups
    return [group for group in groups if _is_there(group.readings[Units()])]


def _is_there(units: Noisy) -> bool:
    return float(units.value) >= max(0.5, ONE_IN_TWENTY * units.deviation)


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


def sort_key(cell: object) -> tuple[bool, Any]:
    """Order keys by value, NULL last; never by the order in which rows were read."""
    return (cell is None, 0 if cell is None else cell)
