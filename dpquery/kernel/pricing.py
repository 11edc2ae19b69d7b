"""One release with its noise: what each measurement may spend, and how noisy it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.accounting.allocation import split
from dpquery.accounting.events import Event, Withholding
from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import QueryRefused
from dpquery.noise.calibration import Additive, Choice, calibrate, calibrate_choice
from dpquery.noise.partition_selection import threshold
from dpquery.noise.ranks import End, Quantile, Wanted, score_sensitivity
from dpquery.plan.aggregates import (
    AnyEstimator,
    LinearEstimator,
    Moment,
    RankEstimator,
    RankKind,
    RatioEstimator,
    Units,
)
from dpquery.plan.analysis.sensitivity import unit_weights
from dpquery.plan.rewrite.decompose_aggregates import moments_of

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
OF_PRESENCE = 1e-3
"""The share of a count that says only whether a sum is of nothing."""
OF_RANK_PRESENCE = 0.1
"""The share of a count that says whether there is anything to choose from."""


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
    def wanted(self) -> Wanted:
        """What is wanted, in the words of the noise."""
        return wanted(self.target)


@dataclass(frozen=True, slots=True)
class PricedStep:
    """One release with its noise."""

    step: ReleaseStep
    vectors: tuple[PricedVector, ...]
    unions: tuple[PricedUnion, ...]
    choices: tuple[PricedChoice, ...]
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
        _choice(at, ranking, target, next(losses))
        for at, ranking in enumerate(step.rankings)
        for target in ranking.targets
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


def _threshold(
    step: ReleaseStep, vectors: Sequence[PricedVector], delta: float
) -> int | None:
    for vector in vectors:
        for at in vector.moments:
            if step.moments[at].moment == Units():
                weights_ = unit_weights(step.bounding)
                return threshold(vector.noise, delta=delta, weights=weights_)
    msg = "a release that withholds groups counts units"
    raise ValueError(msg)


def weights(step: ReleaseStep) -> list[float]:
    """
    Return how one release's loss is shared: vectors, unions, then choices.

    Equal shares give equal relative errors. An average whose count nobody asked for
    gives two thirds to its sum: theory.md 2.2, 1.77 instead of 2.18 at τ = 0.3. What
    only says whether there is anything gets little.
    """
    shown: set[Moment] = set()
    averaged: set[Moment] = set()
    present: dict[Moment, float] = {}
    for column in step.columns:
        match column.estimator:
            case LinearEstimator(presence=presence) | AnyEstimator(presence=presence):
                shown |= set(moments_of(column.estimator)) - {presence}
                if presence is not None:
                    present.setdefault(presence, OF_PRESENCE)
            case RankEstimator(presence=presence):
                present[presence] = OF_RANK_PRESENCE
            case _:
                pass
    for column in step.columns:
        match column.estimator:
            case RatioEstimator(numerator=numerator, denominator=denominator):
                if denominator not in shown:
                    averaged.add(numerator)
            case _:
                pass

    def weight(moment: Moment) -> float:
        if moment in present and moment not in shown and moment != Units():
            return present[moment]
        return 2.0 if moment in averaged else 1.0

    found = [weight(step.moments[moments[0]].moment) for moments in _vectors(step)]
    found += [weight(each.moment) for each in step.distinct]
    return found + [1.0 for ranking in step.rankings for _ in ranking.targets]
