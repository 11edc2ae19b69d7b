"""Advice on blocks in time, and on who is told of them."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from dpquery.policy.advice import Advice, Rule, Severity
from dpquery.policy.ownership import find, split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.policy.catalog import Catalog
    from dpquery.policy.model import Policy

_DAYS = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}
_MANY_BLOCKS = 10_000
_LOOPBACK = re.compile(r"http://(?:localhost|127\.0\.0\.1|\[::1\])(?:[:/?#]|$)")


def _default_above_block(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """A query that costs more than a block may lose is refused in every block."""
    if policy.epochs is None:
        return
    most = policy.epochs.budget.epsilon
    if policy.query.epsilon > most:
        message = f"a query costs {policy.query.epsilon}, and a block may lose {most}"
        hint = "lower query.epsilon, or raise the budget of a block"
        yield Advice(("epochs", "budget", "epsilon"), message, hint)


def _block_above_lifetime(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """What a block may lose beyond the lifetime budget can never be spent."""
    epochs = policy.epochs
    if epochs is None or epochs.privacy != "unit-lifetime":
        return
    if epochs.budget.epsilon > policy.budget.epsilon:
        message = "a block may lose more than the whole budget, which limits it"
        yield Advice(("epochs", "budget", "epsilon"), message, "lower it")


def _many_blocks(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """Each block has an account in the ledger, and a query may be charged to all."""
    if policy.epochs is None:
        return
    name, column = split(policy.epochs.column)
    table = policy.tables[find(policy.tables, name) or name]
    columns = table.columns or {}
    bounds = columns[find(columns, column) or column].bounds
    match bounds:
        case (dt.date() as first, dt.date() as last):
            blocks = ((last - first).days + 1) // _DAYS[policy.epochs.every]
            if blocks > _MANY_BLOCKS:
                message = f"there are some {blocks:,} blocks, each with its own account"
                hint = f"narrow the bounds of `{policy.epochs.column}`, or make blocks"
                yield Advice(("epochs", "every"), message, f"{hint} longer")


def _alerts_in_the_clear(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """An alert names analysts and what they spent; http sends it in plain text."""
    webhook = policy.alerts and policy.alerts.webhook
    if webhook and webhook.lower().startswith("http://"):
        if _LOOPBACK.match(webhook.lower()):
            return
        message = "alerts travel in plain text: the webhook is http"
        yield Advice(("alerts", "webhook"), message, "use https")


EPOCH_RULES: dict[str, tuple[Severity, Rule]] = {
    "P120": (Severity.WARNING, _default_above_block),
    "P121": (Severity.WARNING, _block_above_lifetime),
    "P122": (Severity.WARNING, _many_blocks),
    "P123": (Severity.WARNING, _alerts_in_the_clear),
}
"""The rules; the docstring of each is the reason that documentation gives."""
