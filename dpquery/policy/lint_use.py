"""Advice on budgets that nobody can use, and on those that are used again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dpquery.accounting.accountant import Promise
from dpquery.policy.advice import Advice, Rule, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from dpquery.policy.catalog import Catalog
    from dpquery.policy.model import Policy

_HARDLY = 100
"""A budget is out of reach when all quotas together are less than one such part."""
_PERIOD = re.compile(
    r"(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2]|q[1-4]|[wk]w?\d\d)(?!\d)"
    r"|(?:^|[-_.])(?:q[1-4]|daily|weekly|monthly|quarterly|yearly|"
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?=[-_.]|$)",
    re.ASCII | re.IGNORECASE,
)


def _limit_without_effect(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """A limit of one query above what could be spent anyway limits nothing."""
    most, whole = policy.query.max_epsilon, policy.budget.epsilon
    if "max_epsilon" in policy.query.model_fields_set and most > whole:
        message = f"one query may cost {most}, and the whole budget is {whole}"
        yield Advice(("query", "max_epsilon"), message, "lower it, or leave it out")
    if policy.query.min_group_units > 1 and policy.budget.delta is None:
        message = "without a delta only public groups are shown, whatever they hold"
        yield Advice(("query", "min_group_units"), message, "leave it out")
    for name, analyst in policy.analysts.items():
        limit = analyst.max_epsilon_per_query
        least = min(most, analyst.epsilon)
        if limit is not None and limit > least:
            message = f"the limit {limit} of `{name}` has no effect: {least} holds"
            at = ("analysts", name, "max_epsilon_per_query")
            yield Advice(at, message, "lower it, or leave it out")


def _out_of_reach(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """A budget that no analyst may spend protects nobody and answers nothing."""
    quotas = [each.epsilon for each in policy.analysts.values()]
    usable = sum(_amount(policy, each) for each in quotas)
    if quotas and usable * _HARDLY < _amount(policy, policy.budget.epsilon):
        message = "all analysts together may spend less than 1 % of the budget"
        hint = "lower the budget, which is what is promised, or raise their shares"
        yield Advice(("budget", "epsilon"), message, hint)


def _amount(policy: Policy, epsilon: Decimal) -> int:
    """Return what the ledger adds up for *epsilon*."""
    delta = policy.budget.delta
    return (
        Promise(float(epsilon), None if delta is None else float(delta)).limit().amount
    )


def _ledger_of_a_period(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """A new ledger for the same rows spends the whole budget on them once more."""
    name = policy.ledger.rpartition("/")[2].removesuffix(".ledger")
    if _PERIOD.search(name):
        message = "the ledger is named after a time: a new one would forget what was"
        message += " spent"
        hint = (
            "keep one ledger for as long as the same people are asked about; `epochs` "
            "give\nnew rows a budget of their own"
        )
        yield Advice(("ledger",), message, hint)


USE_RULES: dict[str, tuple[Severity, Rule]] = {
    "P117": (Severity.INFO, _limit_without_effect),
    "P118": (Severity.INFO, _out_of_reach),
    "P119": (Severity.WARNING, _ledger_of_a_period),
}
"""The rules; the docstring of each is the reason that documentation gives."""
