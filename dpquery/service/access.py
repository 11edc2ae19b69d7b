"""Who may ask, and what a query of theirs may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.accounting.accountant import Promise
from dpquery.errors import AccessDenied, BudgetExceeded, ConfigError

if TYPE_CHECKING:
    from dpquery.accounting.loss import Loss
    from dpquery.policy.model import Policy

SMALLEST_EPSILON = 1e-6
"""Less than this is noise and nothing else."""
LARGEST_EPSILON = 1e9
"""More than this is nothing but the exact answer; tests of exactness use it."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What the owner grants one analyst."""

    analyst: str
    promise: Promise
    """The analyst's own quota, as (ε, δ)."""
    default_epsilon: float
    max_epsilon: float

    @property
    def limit(self) -> Loss:
        """The quota in the ledger's units."""
        return self.promise.limit()


def dataset_promise(policy: Policy) -> Promise:
    """Return the (ε, δ) that the owner promises for everything together."""
    delta = policy.budget.delta
    return Promise(
        float(policy.budget.epsilon), None if delta is None else float(delta)
    )


def grant(policy: Policy, analyst: str) -> Grant:
    """
    Return what *analyst* may spend.

    Raises:
        AccessDenied: the policy does not list them.
    """
    listed = policy.analysts.get(analyst)
    if listed is None:
        msg = f"the policy {policy.name} lists no analyst {analyst!r}"
        hint = "names are written exactly as in the policy, under `analysts:`"
        raise AccessDenied(msg, code="DPQ250", hint=hint)
    dataset = dataset_promise(policy)
    most = policy.query.max_epsilon
    if listed.max_epsilon_per_query is not None:
        most = min(most, listed.max_epsilon_per_query)
    usual = min(policy.query.epsilon, most, listed.epsilon)
    return Grant(
        analyst,
        Promise(float(listed.epsilon), dataset.delta),
        float(usual),
        float(most),
    )


def epsilon_to_spend(granted: Grant, asked: float | None) -> float:
    """
    Return the ε of one query.

    Raises:
        ConfigError: *asked* is not a positive number.
        BudgetExceeded: it is more than one query may spend.
    """
    if asked is None:
        return granted.default_epsilon
    number = isinstance(asked, int | float) and not isinstance(asked, bool)
    # infinity and NaN fail the comparison, and so does an integer beyond any float
    if not number or not SMALLEST_EPSILON <= asked <= LARGEST_EPSILON:
        span = f"from {SMALLEST_EPSILON:g} to {LARGEST_EPSILON:g}"
        msg = f"epsilon is a number {span}, not {str(asked)[:40]}"
        raise ConfigError(msg, code="DPQ401", hint="for example epsilon=0.2")
    if asked > granted.max_epsilon:
        msg = (
            f"one query of {granted.analyst} may cost at most ε {granted.max_epsilon:g}"
        )
        hint = f"ask for at most ε {granted.max_epsilon:g}, or ask the owner for more"
        raise BudgetExceeded(msg, code="DPQ203", hint=hint)
    return float(asked)
