"""SQL and policy into a priced program: pure, and reads no data.

Everything here may be told to the analyst, for nothing: it is a function of the
query, the policy and the budget's definition (threats.md 1, I1).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.allocation import split
from dpquery.accounting.events import Event, Withholding
from dpquery.accounting.loss import Loss
from dpquery.errors import BudgetExceeded, QueryRefused
from dpquery.kernel.consistency import AS_MEASURED, Shaping
from dpquery.kernel.other_row import shares as divided
from dpquery.kernel.other_row import with_other_row
from dpquery.kernel.pricing import PricedStep, priced
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.sql.queries.bind import bind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from dpquery.accounting.accountant import Promise
    from dpquery.accounting.loss import Definition
    from dpquery.plan.program import Program, ReleasedColumn, ReleaseStep
    from dpquery.policy.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a query is answered: the owner's, and the ε that was asked for."""

    promise: Promise
    """The dataset's (ε, δ); it turns ε into the loss that the ledger adds up."""
    epsilon: float
    delta: float
    """The chance, for one query, of showing a group that should be withheld."""
    rules: BoundingRules
    now: dt.datetime | None = None
    """The moment of the query, for ``current_date`` and the like."""
    max_epsilon: float | None = None
    """What one query may spend, whatever its own text says; ``None``: ``epsilon``."""
    histogram: Loss | None = None
    """What a histogram costs that limits are chosen from."""
    other: bool = False
    """Whether a row is asked for that holds what is withheld."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query that can be answered, at a known price."""

    sql: str
    program: Program
    steps: tuple[PricedStep, ...]
    loss: Loss
    """What is debited."""
    events: tuple[Event, ...]
    fingerprint: str
    """Equal for queries with the same plan, noise, price and shaping."""
    histogram: Loss | None = None
    """What each histogram costs that it is waiting for."""
    other: bool = False
    """Whether a row was asked for that holds what is withheld."""
    shaping: Shaping = AS_MEASURED
    """What is made of released cells, on request (shaping.py)."""

    def column(self, release: str, name: str) -> tuple[PricedStep, ReleasedColumn]:
        """Return a column of the release called *release*."""
        found = next(each for each in self.steps if each.step.name == release)
        return found, next(c for c in found.step.columns if c.name == name)


def prepare(
    sql: str, catalog: Catalog, terms: Terms, dialect: str = "duckdb"
) -> Prepared:
    """
    Return the program that answers *sql*, with its noise and its price.

    Raises:
        SQLSyntaxError, QueryRefused: there is no private answer; nothing is charged.
        BudgetExceeded: its own text asks for more than one query may spend.
    """
    query = bind(sql, catalog, dialect, terms.now)
    program = compile_program(query, catalog, terms.rules)
    if terms.other:
        program = with_other_row(query, program, catalog, terms.rules)
    shares = _shares(program.releases, terms)
    steps = tuple(
        priced(step, share, _delta(step, terms), step.wishes.epsilon or terms.epsilon)
        for step, share in zip(program.releases, shares, strict=True)
    )
    made = _assembled(sql, program, steps, terms.promise.definition)
    return replace(made, histogram=terms.histogram, other=terms.other)


def _assembled(
    sql: str, program: Program, steps: tuple[PricedStep, ...], definition: Definition
) -> Prepared:
    """Return a query with its price, checked against the noise that it has."""
    events = tuple(event for step in steps for event in step.events())
    loss = sum(
        (each for step in steps for each in step.handed_out), Loss.zero(definition)
    )
    withheld = [e for e in events if isinstance(e, Withholding)]
    loss += loss_of_events(withheld, definition)
    _check(events, loss)
    return Prepared(sql, program, steps, loss, events, _fingerprint(program, steps))


def with_steps(before: Prepared, steps: tuple[PricedStep, ...]) -> Prepared:
    """Return the same query with other noise, at its price."""
    made = _assembled(before.sql, before.program, steps, before.loss.definition)
    made = replace(made, histogram=before.histogram, other=before.other)
    return as_another_question(made, before.shaping) if before.shaping.any else made


def as_another_question(prepared: Prepared, shaping: Shaping) -> Prepared:
    """Return the same measurement with another answer, by another name."""
    parts = [prepared.fingerprint, repr(shaping)]
    fingerprint = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return replace(prepared, fingerprint=fingerprint, shaping=shaping)


def _shares(releases: Sequence[ReleaseStep], terms: Terms) -> list[Loss]:
    """
    Return what each release may spend.

    Releases that say how much they want get that; the others share what the query as a
    whole was asked with.
    """
    asked = [step.wishes.epsilon for step in releases if step.other_of is None]
    others = asked.count(None)
    budget = terms.promise.loss_of(terms.epsilon)
    rest = iter(split(budget, [1.0] * others) if others else ())
    shares = [
        next(rest) if wish is None else terms.promise.loss_of(float(wish))
        for wish in asked
    ]
    most = terms.max_epsilon or terms.epsilon
    total = sum(shares, Loss.zero(budget.definition))
    if others < len(asked) and not total.within(terms.promise.loss_of(most)):
        place = next(s.wishes.place for s in releases if s.wishes.epsilon is not None)
        msg = f"this asks for more than ε {most:g}, the limit of one query"
        hint = "lower epsilon in OPTIONS, or ask the owner for more"
        raise BudgetExceeded(msg, code="DPQ203", place=place, hint=hint)
    return divided(releases, shares)


def _delta(step: ReleaseStep, terms: Terms) -> float:
    """Return the release's δ; the query's own may be smaller than the policy's."""
    wish = step.wishes.delta
    if wish is None:
        return terms.delta
    if float(wish) > terms.delta:
        msg = f"delta {float(wish):g} is above the policy's {terms.delta:g}"
        hint = "options can tighten the policy, never loosen it: leave delta out"
        place = step.wishes.place
        raise QueryRefused(msg, code="DPQ136", place=place, hint=hint)
    return float(wish)


def _check(events: tuple[Event, ...], charged: Loss) -> None:
    """Recompute the loss from the parameters in use, and compare with the charge."""
    if not loss_of_events(events, charged.definition).within(charged):
        msg = "the noise of this query would lose more than its price"
        raise RuntimeError(msg)


def _fingerprint(program: Program, steps: tuple[PricedStep, ...]) -> str:
    """Name what is answered and how; positions in the text are not part of it."""
    noise = ((s.vectors, s.unions, s.choices, s.threshold, s.delta) for s in steps)
    parts = [repr(program), *map(repr, noise)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
