"""Asking by accuracy: which measurements a target is for, and what they cost for it.

Noise of standard deviation σ has ρ = Δ²/(2σ²), so that a target of ± alpha is a loss
before anything is measured (theory.md 4.6). Where the error depends on the data, as of
averages, of statistics and of targets in per cent, the same is computed for assumed
groups; for what is computed from several of them, quotes.py does.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import QueryRefused
from dpquery.kernel.outlook import assumed_value, half_width
from dpquery.kernel.prepare import with_steps
from dpquery.kernel.pricing import SMALLEST_SHARE, priced, weights, with_losses
from dpquery.plan.aggregates import (
    LinearEstimator,
    PairEstimator,
    RankEstimator,
    RatioEstimator,
    SpreadEstimator,
)
from dpquery.plan.rewrite.decompose_aggregates import moments_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dpquery.kernel.needs import Target
    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.pricing import PricedStep
    from dpquery.plan.aggregates import Moment
    from dpquery.plan.program import Output, ReleasedColumn

Losses = tuple[tuple[int, ...], ...]
"""For each release, what each of its measurements may spend, in the ledger's units."""
_HALVINGS = 100
"""Steps of a search: each halves a factor of at most 2^40, down to a unit."""


# --- which measurement serves which column ------------------------------------------


STEERED = LinearEstimator | RatioEstimator | SpreadEstimator | PairEstimator
"""What is made of moments that add up: more of their noise can be taken away."""


def targeted(prepared: Prepared) -> tuple[Output, ...]:
    """
    Return the columns that a target is for.

    Raises:
        QueryRefused: DPQ142, the error of a column cannot be steered.
    """
    if any(priced.choices for priced in prepared.steps):
        raise _by_rank(prepared)
    found = [o for o in prepared.program.post.outputs or () if o.cell is not None]
    for output in found:
        for _, column in columns_of(prepared, output):
            if not isinstance(column.estimator, STEERED):
                raise _no_target(f"the error of {output.name!r} cannot be set")
    computed = computed_columns(prepared)
    post = prepared.program.post
    # of CASE and the like nobody knows whether it is a number
    if not found or (post.replicated is not None and post.replicated.smooth):
        found += computed
    if not found:
        raise _no_target("no column of this answer has an error that can be set")
    if any(priced.step.wishes.epsilon is not None for priced in prepared.steps):
        msg = "the query itself says its epsilon, and is asked for an accuracy"
        hint = "leave one of them out: OPTIONS (epsilon = …), or within"
        raise QueryRefused(msg, code="DPQ142", hint=hint)
    return tuple(found)


def computed_columns(prepared: Prepared) -> tuple[Output, ...]:
    """Return the columns that are computed from noisy numbers."""
    post = prepared.program.post
    if post.outputs is None or post.replicated is None:
        return ()
    noisy = post.replicated.columns or ()
    return tuple(o for o, each in zip(post.outputs, noisy, strict=False) if each)


def _no_target(msg: str) -> QueryRefused:
    hint = (
        "counts, sums, averages, variances and what is computed of them can be asked "
        "for by accuracy; for others say how much they may cost: epsilon"
    )
    return QueryRefused(msg, code="DPQ142", hint=hint)


def _by_rank(prepared: Prepared) -> QueryRefused:
    """Refuse a target for values that are chosen: choices do not add up."""
    named = [
        repr(output.name)
        for output in prepared.program.post.outputs or ()
        for _, column in columns_of(prepared, output)
        if isinstance(column.estimator, RankEstimator)
    ]
    which = named[0] if named else "a value of this query"
    msg = f"{which} is chosen by its rank: how far that is from the value nobody knows"
    hint = (
        "say how much it may cost, for example epsilon=0.5; its price says how many\n"
        "rows it is off then. How many rows are below a value has an error of its own"
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
    found = targeted(prepared)
    if target.relative or any(output.cell is None for output in found):
        return False
    return all(
        isinstance(column.estimator, LinearEstimator)
        for output in found
        for _, column in columns_of(prepared, output)
    )


def cheapest(prepared: Prepared, target: Target) -> Losses:
    """
    Return the least that brings every noisy column within *target*.

    Each measurement gets what the strictest of its columns needs. Exact where
    :func:`is_closed`; otherwise for groups as :mod:`dpquery.kernel.outlook` assumes,
    and nothing for columns that are computed.
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


def losses_of(prepared: Prepared) -> Losses:
    """Return what every measurement of a query spends."""
    return tuple(tuple(loss.amount for loss in s.handed_out) for s in prepared.steps)


def shared(usual: Prepared, amount: float) -> Losses:
    """Return an amount as the losses of all measurements, shared as usual."""
    shares = [[Fraction(w) for w in weights(each.step)] for each in usual.steps]
    rate = Fraction(amount) / sum(map(sum, shares))
    return tuple(
        tuple(max(math.floor(rate * each), SMALLEST_SHARE) for each in of_step)
        for of_step in shares
    )


def multiplied(usual: Prepared, losses: Losses, factor: Mapping[str, float]) -> Losses:
    """Return losses for intervals that are narrower by a factor for each column."""
    pure = usual.loss.definition is Definition.PURE
    power = 1 if pure else 2  # ε is inverse to the noise, ρ to its square
    grown = [
        [
            None if by is None else max(math.ceil(amount * by**power), SMALLEST_SHARE)
            for amount, by in zip(amounts, each, strict=True)
        ]
        for amounts, each in zip(losses, factors(usual, factor), strict=True)
    ]
    return completed(usual, grown)


def factors(
    prepared: Prepared, by_output: Mapping[str, float]
) -> tuple[tuple[float | None, ...], ...]:
    """Return what each measurement is multiplied by; ``None``: no target is for it."""
    found: list[list[float | None]] = [
        [None] * len(p.handed_out) for p in prepared.steps
    ]
    others = [o for o in computed_columns(prepared) if o.name in by_output]
    for output in (*targeted(prepared), *others):
        for at, place in _places(prepared, output):
            before = found[at][place] or 1.0
            found[at][place] = max(before, by_output.get(output.name, 1.0))
    return tuple(map(tuple, found))


def _places(prepared: Prepared, output: Output) -> Iterator[tuple[int, int]]:
    """Return the measurements, by release and place, that an output's error is of."""
    if output.cell is None:  # it may be computed from any of them
        for at, priced_step in enumerate(prepared.steps):
            yield from ((at, place) for place in range(len(priced_step.handed_out)))
    for at, column in columns_of(prepared, output):
        yield from ((at, place) for place in served(prepared.steps[at], column))
