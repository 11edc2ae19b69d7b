"""Asking by accuracy: what a target says of a cell, and what it costs in closed form.

Noise of standard deviation σ has ρ = Δ²/(2σ²), so that a target of ± alpha is a loss
before anything is measured (theory.md 4.6). Where the error depends on the data, as of
averages and of targets in per cent, the same is computed for assumed groups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.accounting.loss import Loss
from dpquery.errors import QueryRefused
from dpquery.kernel.outlook import assumed_value, half_width
from dpquery.kernel.prepare import with_steps
from dpquery.kernel.pricing import SMALLEST_SHARE, priced, weights, with_losses
from dpquery.noise.intervals import Linear, Ratio, interval, point
from dpquery.plan.aggregates import LinearEstimator, RatioEstimator
from dpquery.plan.rewrite.decompose_aggregates import moments_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.pricing import PricedStep
    from dpquery.noise.intervals import Estimate
    from dpquery.plan.aggregates import Moment
    from dpquery.plan.program import Output, ReleasedColumn
    from dpquery.results import Interval

Losses = tuple[tuple[int, ...], ...]
"""For each release, what each of its measurements may spend, in the ledger's units."""
NARROW = 0.3
"""Intervals that are at most this part of their values say what is needed."""
NARROW_COUNT = 0.1
"""The same of the number of rows that an average is of: its error is inverse to it."""
CLAMPED = 4.0
"""How much better a ratio is asked for at most, while its interval is cut off."""
_HALVINGS = 100
"""Steps of a search: each halves a factor of at most 2^40, down to a unit."""


@dataclass(frozen=True, slots=True)
class Target:
    """How exact every noisy value is to be."""

    amount: float
    """Half the width of the interval, or the part of the value that it may be."""
    relative: bool
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{100 * self.amount:.4g} %" if self.relative else f"{self.amount:.6g}"


@dataclass(frozen=True, slots=True)
class Need:
    """How far one released value is from a target."""

    error: float
    """Half its interval; for targets in per cent, as a part of the value."""
    least: float
    """How many times narrower its interval must be, if noise made it look small."""
    next: float
    """How many times narrower it shall be: what the released value says, once that is
    known well, and *least* before."""
    reached: bool


def need_of(estimate: Estimate | None, target: Target) -> Need:
    """
    Return how far a released value is from *target*; ``None``: it is NULL so far.

    In per cent: z sd <= alpha (abs(value) - z sd), so that the error is within alpha of
    any value in the interval (theory.md 4.6). It reads released numbers only.
    """
    value = point(estimate) if isinstance(estimate, Linear | Ratio) else None
    if estimate is None or value is None:  # an average over hardly any rows, it seems
        return Need(math.inf, CLAMPED, CLAMPED, reached=False)
    bar = interval(estimate, target.confidence)
    half = max(bar.high - value, value - bar.low)
    rows = _rows_may_be(estimate, target.confidence)
    if not target.relative:
        ratio = half / target.amount
        least, far = ratio / rows, rows > 1 + NARROW_COUNT
        error, done = half, half <= target.amount
    else:
        wanted = target.amount / (1 + target.amount)
        ratio = half / (wanted * abs(value)) if value else math.inf
        least = half / (wanted * (abs(value) + half) * rows) if half else 0.0
        far = rows > 1 + NARROW_COUNT or half > NARROW * abs(value)
        smallest = max(bar.low, -bar.high, 0.0)
        error = half / smallest if smallest else math.inf
        done = half <= target.amount * smallest
    if isinstance(estimate, Ratio) and _cut_off(estimate, bar):
        least = min(max(least, math.sqrt(CLAMPED)), CLAMPED)
    return Need(error, least, least if far else ratio, done)


def _rows_may_be(estimate: Estimate, confidence: float) -> float:
    """Return how many times more rows an average may be of than was released."""
    if not isinstance(estimate, Ratio):
        return 1.0
    rows, bar = point(estimate.denominator), interval(estimate.denominator, confidence)
    return bar.high / rows if rows else math.inf


def _cut_off(ratio: Ratio, bar: Interval) -> bool:
    """Return whether bounds cut an interval off: its width says little then."""
    return bar.low <= ratio.low or bar.high >= ratio.high


# --- which measurement serves which column ------------------------------------------


def targeted(prepared: Prepared) -> tuple[Output, ...]:
    """
    Return the columns that a target is for.

    Raises:
        QueryRefused: DPQ142, the error of a column cannot be steered.
    """
    found = [o for o in prepared.program.post.outputs or () if o.cell is not None]
    for output in found:
        for _, column in columns_of(prepared, output):
            if not isinstance(column.estimator, LinearEstimator | RatioEstimator):
                raise _no_target(f"the error of {output.name!r} cannot be set")
    if not found:
        raise _no_target("no column of this answer has an error that can be set")
    if any(priced.choices for priced in prepared.steps):
        raise _no_target("the error of a value chosen by rank cannot be set")
    if any(priced.step.wishes.epsilon is not None for priced in prepared.steps):
        msg = "the query itself says its epsilon, and is asked for an accuracy"
        hint = "leave one of them out: OPTIONS (epsilon = …), or within"
        raise QueryRefused(msg, code="DPQ142", hint=hint)
    return tuple(found)


def _no_target(msg: str) -> QueryRefused:
    hint = (
        "counts, sums and averages can be asked for by accuracy; for others say "
        "how much they may cost: epsilon"
    )
    return QueryRefused(msg, code="DPQ142", hint=hint)


def columns_of(
    prepared: Prepared, output: Output
) -> Iterator[tuple[int, ReleasedColumn]]:
    """Return the released columns that an output shows, with their release's place."""
    if output.cell is None:
        return
    for at, priced_step in enumerate(prepared.steps):
        if priced_step.step.name in output.cell.levels:
            for column in priced_step.step.columns:
                if column.name == output.cell.column:
                    yield at, column


def served(priced_step: PricedStep, column: ReleasedColumn) -> tuple[int, ...]:
    """Return the measurements, by their places, that a column's error comes from."""
    if priced_step.step.withholds:  # its measurements stand and fall together
        return tuple(range(len(priced_step.handed_out)))
    estimator = column.estimator
    moments = set(moments_of(estimator))
    if isinstance(estimator, LinearEstimator):
        moments = {moment for _, moment in estimator.terms}
    return tuple(
        at for at, of in enumerate(_measured(priced_step)) if moments & set(of)
    )


def _measured(priced_step: PricedStep) -> list[list[Moment]]:
    """Return the moments of every vector and union."""
    step = priced_step.step
    found: list[list[Moment]] = [
        [step.moments[at].moment for at in vector.moments]
        for vector in priced_step.vectors
    ]
    return found + [[union.moment] for union in step.distinct]


# --- losses in closed form ------------------------------------------------------------


def is_closed(prepared: Prepared, target: Target) -> bool:
    """Return whether a target's price is known before anything is measured."""
    return not target.relative and all(
        isinstance(column.estimator, LinearEstimator)
        for output in targeted(prepared)
        for _, column in columns_of(prepared, output)
    )


def cheapest(prepared: Prepared, target: Target) -> Losses:
    """
    Return the least that brings every noisy column within *target*.

    Each measurement gets what the strictest of its columns needs. Exact where
    :func:`is_closed`; otherwise for groups as :mod:`dpquery.kernel.outlook` assumes.
    """
    needed: list[list[int | None]] = [
        [None] * len(p.handed_out) for p in prepared.steps
    ]
    for output in targeted(prepared):
        for at, column in columns_of(prepared, output):
            half = target.amount
            if target.relative:
                value = assumed_value(prepared.steps[at], column)
                half *= value / (1 + target.amount)
            found = _least_losses(prepared.steps[at], column, half, target.confidence)
            for place, amount in found.items():
                needed[at][place] = max(needed[at][place] or 0, amount)
    return completed(prepared, needed)


def _least_losses(
    priced_step: PricedStep, column: ReleasedColumn, half: float, confidence: float
) -> dict[int, int]:
    """Return what a column's measurements must spend for a half width of *half*."""
    shares = _directions(priced_step, column)
    usual = [loss.amount for loss in priced_step.handed_out]
    definition = priced_step.handed_out[0].definition

    def spending(size: float) -> dict[int, int]:
        return {
            at: max(math.ceil(size * s), SMALLEST_SHARE) for at, s in shares.items()
        }

    def enough(size: float) -> bool:
        given = spending(size)
        amounts = [given.get(at, each) for at, each in enumerate(usual)]
        trial = with_losses(priced_step, [Loss(definition, a) for a in amounts])
        found = half_width(trial, column, confidence)
        return found is not None and found <= half

    low, high = 0.0, float(SMALLEST_SHARE)
    while not enough(high) and high < MOST:
        low, high = high, high * 4
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if high - low <= 1e-7 * high:
            break
        low, high = (low, middle) if enough(middle) else (middle, high)
    return spending(high)


MOST = 1e27
"""Where the search for a loss ends: nothing that may be spent is near it."""


def _directions(priced_step: PricedStep, column: ReleasedColumn) -> dict[int, float]:
    """
    Return how a column's measurements share what it needs.

    Σ (c Δ)²/(2ρ) is least, for a given Σρ, where ρ is proportional to c Δ (Lagrange).
    """
    places, estimator = served(priced_step, column), column.estimator
    if priced_step.step.withholds or not isinstance(estimator, LinearEstimator):
        usual = weights(priced_step.step)
        return {at: usual[at] for at in places}
    found = dict.fromkeys(places, 0.0)
    measured = _measured(priced_step)
    for coefficient, moment in estimator.terms:
        at = next(at for at in places if moment in measured[at])
        steps, noise = priced_step.noise_of(moment)
        found[at] += abs(float(coefficient)) * noise.sensitivity / steps
    largest = max(found.values()) or 1.0
    return {at: max(each / largest, 1e-9) for at, each in found.items()}


def completed(prepared: Prepared, needed: Sequence[Sequence[int | None]]) -> Losses:
    """Return losses in which what no target is for has its usual share (pricing.py)."""
    usual = [weights(each.step) for each in prepared.steps]
    pairs = [
        (amount, share)
        for amounts, shares in zip(needed, usual, strict=True)
        for amount, share in zip(amounts, shares, strict=True)
        if amount is not None
    ]
    rate = sum(a for a, _ in pairs) / sum(s for _, s in pairs)
    return tuple(
        tuple(
            max(math.ceil(rate * share) if amount is None else amount, SMALLEST_SHARE)
            for amount, share in zip(amounts, shares, strict=True)
        )
        for amounts, shares in zip(needed, usual, strict=True)
    )


def repriced(prepared: Prepared, losses: Losses) -> Prepared:
    """Return the query with other losses; what withholds keeps its proportions."""
    steps = []
    for each, amounts in zip(prepared.steps, losses, strict=True):
        definition = prepared.loss.definition
        if each.step.withholds:  # one proportion, so that it is known again (pieces.py)
            least = math.ceil(SMALLEST_SHARE * sum(weights(each.step)))
            share = Loss(definition, max(sum(amounts), least))
            steps.append(priced(each.step, share, each.delta, 0.0))
        else:
            given = [Loss(definition, amount) for amount in amounts]
            steps.append(with_losses(each, given))
    return with_steps(prepared, tuple(steps))


def factors(
    prepared: Prepared, by_output: Mapping[str, float]
) -> tuple[tuple[float | None, ...], ...]:
    """Return what each measurement is multiplied by; ``None``: no target is for it."""
    found: list[list[float | None]] = [
        [None] * len(p.handed_out) for p in prepared.steps
    ]
    for output in targeted(prepared):
        for at, column in columns_of(prepared, output):
            for place in served(prepared.steps[at], column):
                before = found[at][place] or 1.0
                found[at][place] = max(before, by_output.get(output.name, 1.0))
    return tuple(map(tuple, found))
