"""One release with its noise: what each measurement may spend, and how noisy it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.accounting.allocation import split
from dpquery.accounting.events import Event, Withholding
from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import QueryRefused
from dpquery.kernel.several import PricedQuantiles, priced_quantiles, together
from dpquery.kernel.shares import weight_of_each
from dpquery.noise.calibration import Additive, Choice, calibrate, calibrate_choice
from dpquery.noise.partition_selection import threshold
from dpquery.noise.ranks import (
    Beside,
    End,
    Quantile,
    Wanted,
    score_sensitivity,
    units_of_a_row,
)
from dpquery.plan.aggregates import Moment, RankKind, Units
from dpquery.plan.analysis.sensitivity import unit_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from dpquery.plan.aggregates import RankTarget
    from dpquery.plan.program import BoundedRanking, ReleaseStep

SMALLEST_SHARE = 1000
"""Ledger units below which a measurement would be noise and nothing else."""
CANDIDATES = 1 << 10
"""Candidates of one choice; more are chosen among in two choices."""
FIRST_CHOICE = (1.0, 2.0)
"""How two choices share a loss: the first only has to find the neighbourhood."""
OF_CHOICE = {RankKind.QUANTILE: 2 / 3, RankKind.BELOW: 1 / 6, RankKind.ABOVE: 1 / 6}
"""How a quantile and the ends of its interval share a loss: the quantile has a rank
error that is 22 % larger than it would be without them."""


@dataclass(frozen=True, slots=True)
class PricedVector:
    """Moments that are measured as one vector."""

    moments: tuple[int, ...]
    """Positions in the release's moments."""
    noise: Additive
    """In the moments' sub-steps."""
    handed_out: Loss
    """What the vector may spend; checked again when the noise is drawn."""


@dataclass(frozen=True, slots=True)
class PricedUnion:
    """One union of values: its size, or the sum of its values."""

    noise: Additive
    handed_out: Loss


@dataclass(frozen=True, slots=True)
class PricedChoice:
    """One value that is chosen by rank, in one choice or two."""

    ranking: int
    """Which of the release's rankings it is chosen from."""
    target: RankTarget
    levels: tuple[tuple[Choice, Loss], ...]
    """The coarse choice and the fine one, or a fine one alone."""

    @property
    def targets(self) -> tuple[RankTarget, ...]:
        """The target, as one of several would be."""
        return (self.target,)

    @property
    def wanted(self) -> Wanted:
        """What is wanted, in the words of the noise."""
        return wanted(self.target)

    def units(self, ranking: BoundedRanking) -> int:
        """Return how many units of a penalty a row is away from the next."""
        return units_of_a_row(self.wanted) * ranking.steps


@dataclass(frozen=True, slots=True)
class PricedStep:
    """One release with its noise."""

    step: ReleaseStep
    vectors: tuple[PricedVector, ...]
    unions: tuple[PricedUnion, ...]
    choices: tuple[PricedChoice | PricedQuantiles, ...]
    delta: float
    """The chance of showing a group that should be withheld."""
    threshold: int | None
    """Groups show when their noisy unit count, in sub-steps, is at least this."""

    def noise_of(self, moment: Moment) -> tuple[int, Additive]:
        """Return the sub-steps of a moment, and the noise in them."""
        for vector in self.vectors:
            for at in vector.moments:
                bounded = self.step.moments[at]
                if bounded.moment == moment:
                    return bounded.steps, vector.noise
        for union, bounded_union in zip(self.unions, self.step.distinct, strict=True):
            if bounded_union.moment == moment:
                return 1, union.noise
        msg = f"{moment!r} is not measured"
        raise ValueError(msg)

    @property
    def handed_out(self) -> tuple[Loss, ...]:
        """What every measurement may spend."""
        return (
            *(vector.handed_out for vector in self.vectors),
            *(union.handed_out for union in self.unions),
            *(loss for choice in self.choices for _, loss in choice.levels),
        )

    def events(self) -> list[Event]:
        """Return what the ledger records of the release."""
        found: list[Event] = [vector.noise.event() for vector in self.vectors]
        found += [union.noise.event() for union in self.unions]
        found += [c.event() for choice in self.choices for c, _ in choice.levels]
        if self.threshold is not None:
            found.append(Withholding(self.delta))
        return found


def wanted(target: RankTarget) -> Wanted:
    """Return a rank target in the words of the noise."""
    match target.kind:
        case RankKind.LOWEST:
            return End.LOWEST
        case RankKind.HIGHEST:
            return End.HIGHEST
        case RankKind.QUANTILE:
            return _quantile(target)
        case RankKind.BELOW | RankKind.ABOVE:
            return Beside(_quantile(target), target.kind is RankKind.ABOVE)


def _quantile(target: RankTarget) -> Quantile:
    fraction = target.fraction
    if fraction is None:
        msg = "a quantile has a fraction"
        raise ValueError(msg)
    return Quantile(fraction.numerator, fraction.denominator)


def priced(
    step: ReleaseStep, share: Loss, delta: float, epsilon: float | Decimal
) -> PricedStep:
    """
    Return *step* with the noise that *share* buys; *epsilon* is what was asked for.

    Raises:
        QueryRefused: DPQ127, groups cannot be hidden under pure DP; DPQ140, *share* is
            too little.
    """
    if step.withholds and share.definition is Definition.PURE:
        raise _no_delta(step)
    shares = weights(step)
    if share.amount < SMALLEST_SHARE * sum(shares):
        parts = len(shares)
        msg = f"ε {epsilon:g} is too little for this query's {parts} measurements"
        hint = "ask for more, or for fewer columns at a time"
        raise QueryRefused(msg, code="DPQ140", hint=hint)
    losses = iter(split(share, shares))
    vectors = tuple(_vector(step, moments, next(losses)) for moments in _vectors(step))
    unions = tuple(_union(each.sensitivity, next(losses)) for each in step.distinct)
    choices = tuple(
        priced_quantiles(at, ranking, next(losses), CANDIDATES)
        if len(targets) > 1
        else _choice(at, ranking, targets[0], next(losses))
        for at, ranking in enumerate(step.rankings)
        for targets in _targets(ranking)
    )
    least = _threshold(step, vectors, delta) if step.withholds else None
    return PricedStep(step, vectors, unions, choices, delta, least)


def with_losses(before: PricedStep, losses: Sequence[Loss]) -> PricedStep:
    """
    Return a release with a loss for every vector and union, in their order.

    Raises:
        ValueError: it chooses by rank.
    """
    if before.choices:
        raise ValueError("choices have two levels, and a loss for each")
    rest = iter(losses)
    step = before.step
    vectors = tuple(_vector(step, each.moments, next(rest)) for each in before.vectors)
    unions = tuple(_union(each.sensitivity, next(rest)) for each in step.distinct)
    least = _threshold(step, vectors, before.delta) if step.withholds else None
    return PricedStep(step, vectors, unions, (), before.delta, least)


def _no_delta(step: ReleaseStep) -> QueryRefused:
    msg = "the groups of this query are not public, and pure DP cannot hide them"
    place = step.keys[0].place if step.keys else None
    hint = (
        "group by columns with `values`, `values_from` or bounds, or by columns\n"
        "of public tables; the owner may also give the budget a delta"
    )
    return QueryRefused(msg, code="DPQ127", place=place, hint=hint)


def _vectors(step: ReleaseStep) -> list[tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for at, bounded in enumerate(step.moments):
        found.setdefault(bounded.vector, []).append(at)
    return [tuple(each) for each in found.values()]


def _vector(step: ReleaseStep, moments: tuple[int, ...], loss: Loss) -> PricedVector:
    sensitivity = max(step.moments[at].sensitivity for at in moments)
    return PricedVector(moments, calibrate(sensitivity, loss), loss)


def _union(sensitivity: int, loss: Loss) -> PricedUnion:
    return PricedUnion(calibrate(sensitivity, loss), loss)


def _choice(
    at: int, ranking: BoundedRanking, target: RankTarget, loss: Loss
) -> PricedChoice:
    distance = score_sensitivity(wanted(target), ranking.sensitivity)
    parts = (loss,) if ranking.bins <= CANDIDATES else split(loss, FIRST_CHOICE)
    levels = tuple((calibrate_choice(distance, part), part) for part in parts)
    return PricedChoice(at, target, levels)


def _targets(ranking: BoundedRanking) -> list[tuple[RankTarget, ...]]:
    """Return the targets of a ranking, those that are chosen together as one."""
    several = together(ranking)
    alone = [(each,) for each in ranking.targets if each not in several]
    return [several, *alone] if several else list(alone)


def _threshold(
    step: ReleaseStep, vectors: Sequence[PricedVector], delta: float
) -> int | None:
    for vector in vectors:
        for at in vector.moments:
            if step.moments[at].moment == Units():
                how = step.bounding
                return threshold(
                    vector.noise,
                    delta=delta,
                    weights=unit_weights(how),
                    others=(how.min_units - 1) * step.moments[at].steps,
                )
    msg = "a release that withholds groups counts units"
    raise ValueError(msg)


def weights(step: ReleaseStep) -> list[float]:
    """Return how one release's loss is shared: vectors, unions, then choices."""
    of = weight_of_each(column.estimator for column in step.columns)
    found = [
        max(of.get(step.moments[at].moment, 1.0) for at in moments)
        for moments in _vectors(step)
    ]
    found += [of.get(each.moment, 1.0) for each in step.distinct]
    return found + [
        sum(_share(each, ranking) for each in targets)
        for ranking in step.rankings
        for targets in _targets(ranking)
    ]


def _share(target: RankTarget, ranking: BoundedRanking) -> float:
    """Return the weight of one target; a quantile shares its own with its ends."""
    if set(target.ends) <= set(ranking.targets):
        return OF_CHOICE.get(target.kind, 1.0)
    return 1.0
