"""SQL and policy into a priced program: pure, and reads no data.

Everything here may be told to the analyst, for nothing: it is a function of the
query, the policy and the budget's definition (threats.md 1, I1).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.allocation import split
from dpquery.accounting.events import Event, Withholding
from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import QueryRefused
from dpquery.kernel.estimates import Readings, estimate
from dpquery.noise.calibration import Additive, calibrate
from dpquery.noise.intervals import Linear, interval
from dpquery.noise.partition_selection import threshold
from dpquery.plan.aggregates import (
    LinearEstimator,
    Moment,
    RatioEstimator,
    Units,
)
from dpquery.plan.analysis.sensitivity import unit_weights
from dpquery.plan.expressions import ColumnRef
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.results import Expected
from dpquery.sql.bind import bind

if TYPE_CHECKING:
    from dpquery.accounting.accountant import Promise
    from dpquery.plan.program import (
        Output,
        PostQuery,
        Program,
        ReleasedColumn,
        ReleaseStep,
    )
    from dpquery.policy.catalog import Catalog


SMALLEST_SHARE = 1000
"""Ledger units below which a measurement would be noise and nothing else."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a query is answered: the owner's, and the ε that was asked for."""

    promise: Promise
    """The dataset's (ε, δ); it turns ε into the loss that the ledger adds up."""
    epsilon: float
    delta: float
    """The chance, for one query, of showing a group that should be withheld."""
    rules: BoundingRules


@dataclass(frozen=True, slots=True)
class PricedStep:
    """One release with its noise."""

    step: ReleaseStep
    noise: tuple[Additive, ...]
    """One per moment, in the moment's sub-steps."""
    handed_out: tuple[Loss, ...]
    """What each moment may spend; checked again when the noise is drawn."""
    threshold: int | None
    """Groups show when their noisy unit count, in sub-steps, is at least this."""

    @property
    def unit_moment(self) -> int | None:
        """The index of the moment that counts units, if there is one."""
        kinds = [isinstance(each.moment, Units) for each in self.step.moments]
        return kinds.index(True) if any(kinds) else None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query that can be answered, at a known price."""

    sql: str
    steps: tuple[PricedStep, ...]
    post: PostQuery
    loss: Loss
    """What is debited."""
    events: tuple[Event, ...]
    fingerprint: str
    """Equal for queries with the same plan, noise and price."""

    @property
    def only_step(self) -> PricedStep:
        """The one release of a query whose FROM has no released table."""
        (step,) = self.steps
        return step


def prepare(
    sql: str, catalog: Catalog, terms: Terms, dialect: str = "duckdb"
) -> Prepared:
    """
    Return the program that answers *sql*, with its noise and its price.

    Raises:
        SQLSyntaxError, QueryRefused: there is no private answer; nothing is charged.
    """
    program = compile_program(bind(sql, catalog, dialect), catalog, terms.rules)
    budget = terms.promise.loss_of(terms.epsilon)
    shares = split(budget, [1.0] * len(program.releases))
    steps = tuple(
        _priced(step, share, terms)
        for step, share in zip(program.releases, shares, strict=True)
    )
    events = tuple(event for step in steps for event in _events(step, terms.delta))
    loss = sum(
        (each for step in steps for each in step.handed_out),
        Loss.zero(budget.definition),
    )
    withheld = [e for e in events if isinstance(e, Withholding)]
    loss += loss_of_events(withheld, budget.definition)
    _check(events, loss)
    return Prepared(
        sql, steps, program.post, loss, events, _fingerprint(program, steps)
    )


def _check(events: tuple[Event, ...], charged: Loss) -> None:
    """Recompute the loss from the parameters in use, and compare with the charge."""
    if not loss_of_events(events, charged.definition).within(charged):
        msg = "the noise of this query would lose more than its price"
        raise RuntimeError(msg)


def _priced(step: ReleaseStep, share: Loss, terms: Terms) -> PricedStep:
    if step.withholds and share.definition is Definition.PURE:
        msg = "the groups of this query are not public, and pure DP cannot hide them"
        place = step.keys[0].place
        hint = (
            "group by columns with `values`, `values_from` or bounds, or by columns\n"
            "of public tables; the owner may also give the budget a delta"
        )
        raise QueryRefused(msg, code="DPQ127", place=place, hint=hint)
    shares = weights(step)
    if share.amount < SMALLEST_SHARE * sum(shares):
        parts = len(shares)
        msg = f"ε {terms.epsilon:g} is too little for this query's {parts} measurements"
        hint = "ask for more, or for fewer columns at a time"
        raise QueryRefused(msg, code="DPQ140", hint=hint)
    handed_out = split(share, shares)
    noise = tuple(
        calibrate(bounded.sensitivity, loss)
        for bounded, loss in zip(step.moments, handed_out, strict=True)
    )
    priced = PricedStep(step, noise, handed_out, None)
    unit = priced.unit_moment
    if not step.withholds or unit is None:
        return priced
    least = threshold(
        noise[unit], delta=terms.delta, weights=unit_weights(step.bounding)
    )
    return PricedStep(step, noise, handed_out, least)


def weights(step: ReleaseStep) -> list[float]:
    """
    Return how one release's loss is shared among its moments.

    Equal shares give equal relative errors. An average whose count nobody asked for
    gives two thirds to its sum: theory.md 2.2, 1.77 instead of 2.18 at τ = 0.3.
    """
    shown = {
        moment
        for column in step.columns
        if isinstance(column.estimator, LinearEstimator)
        for _, moment in column.estimator.terms
    }
    averaged: set[Moment] = {
        column.estimator.numerator
        for column in step.columns
        if isinstance(column.estimator, RatioEstimator)
        and column.estimator.denominator not in shown
    }
    return [2.0 if each.moment in averaged else 1.0 for each in step.moments]


def _events(priced: PricedStep, delta: float) -> list[Event]:
    events: list[Event] = [noise.event() for noise in priced.noise]
    if priced.threshold is not None:
        events.append(Withholding(delta))
    return events


def _fingerprint(program: Program, steps: tuple[PricedStep, ...]) -> str:
    """Name what is answered and how; positions in the text are not part of it."""
    parts = [repr(program), *(repr((s.noise, s.threshold)) for s in steps)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def expected(prepared: Prepared, confidence: float = 0.95) -> tuple[Expected, ...]:
    """Return the half width to expect of every noisy column; ``None``: unknown yet."""
    step = prepared.only_step
    return tuple(
        Expected(output.name, _half_width(step, column, confidence))
        for output, column in released_outputs(prepared)
    )


def released_outputs(
    prepared: Prepared,
) -> list[tuple[Output, ReleasedColumn]]:
    """Return the outputs that are released columns as they are, with the columns."""
    step = prepared.only_step.step
    columns = {column.name: column for column in step.columns}
    return [
        (output, columns[output.expression.name])
        for output in prepared.post.outputs
        if isinstance(output.expression, ColumnRef)
        and output.expression.name in columns
    ]


def _half_width(
    priced: PricedStep, column: ReleasedColumn, confidence: float
) -> float | None:
    zeros: Readings = dict.fromkeys((b.moment for b in priced.step.moments), 0)
    found = estimate(column.estimator, priced, zeros)
    return interval(found, confidence).high if isinstance(found, Linear) else None
