"""Who may ask, and what a query of theirs may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.accounting.accountant import Promise
from dpquery.errors import AccessDenied, BudgetExceeded, ConfigError

if TYPE_CHECKING:
    from decimal import Decimal

    from dpquery.accounting.loss import Loss
    from dpquery.policy.model import Budget, Policy

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


def _promise(budget: Budget) -> Promise:
    delta = None if budget.delta is None else float(budget.delta)
    return Promise(float(budget.epsilon), delta)


def dataset_promise(policy: Policy) -> Promise:
    """Return the (ε, δ) that the owner promises for everything together."""
    return _promise(policy.budget)


def promise_of(
    policy: Policy, scope: str, granted: Decimal | int = 0
) -> Promise | None:
    """
    Return what is promised for a *scope* of the ledger, with what was *granted* to it.

    ``None`` where nothing is: for an analyst whom the policy does not list any more,
    for a block that it does not know, and for the dataset where it is promised block
    by block.
    """
    dataset = dataset_promise(policy)
    kind, _, name = scope.partition(":")
    epochs = policy.epochs
    match kind:
        case "dataset":
            return None if epochs is not None else dataset
        case "analyst" if name in policy.analysts:
            epsilon = policy.analysts[name].epsilon + granted
            return Promise(float(epsilon), dataset.delta)
        case "block" if epochs is not None:
            return _promise(epochs.budget)
        case _:
            return None


def grant(policy: Policy, analyst: str, granted: Decimal | int = 0) -> Grant:
    """
    Return what *analyst* may spend: their quota, and what was *granted* beside it.

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
    quota = listed.epsilon + granted
    usual = min(policy.query.epsilon, most, quota)
    return Grant(
        analyst,
        Promise(float(quota), dataset.delta),
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


OWNER = "(owner)"
"""Who measures profiles for everybody; no analyst is called so."""


def owners_grant(policy: Policy) -> Grant:
    """Return what limits the owner, who has no quota: the dataset's promise."""
    epsilon = float(policy.query.epsilon)
    return Grant(OWNER, dataset_promise(policy), epsilon, epsilon)
