"""The owner's view: where every budget stands, and when it will be exhausted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from dpquery.accounting.loss import Loss
from dpquery.kernel.blocks import Blocks
from dpquery.ledger.alarms import share_of
from dpquery.ledger.records import DATASET, analyst_scope
from dpquery.ledger.spending import WINDOW, Spending
from dpquery.policy.ownership import find
from dpquery.results import Account, Amount, Forecast, Price, Report, Usage
from dpquery.service.access import dataset_promise, promise_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from dpquery.accounting.accountant import Promise
    from dpquery.ledger.spending import Sum
    from dpquery.policy.model import Policy
    from dpquery.results import BudgetRequest

_DAY = timedelta(days=1)
_ENOUGH = 2 * _DAY
"""Of history: less says nothing of a rate."""
_SHOWN_DAYS = 30


def report_of(
    policy: Policy,
    spending: Spending,
    granted: Mapping[str, Decimal],
    requests: tuple[BudgetRequest, ...],
) -> Report:
    """Return where all budgets of *policy* stand."""
    board = _Board(policy, spending, granted)
    whole = board.whole
    days = list(spending.days.items())[-_SHOWN_DAYS:]
    return Report(
        policy=policy.name,
        at=spending.now.isoformat(),
        accounts=board.accounts(),
        tables=tuple(
            _usage(whole, name, each)
            for name, each in spending.tables.items()
            if not _is_public(policy, name)
        ),
        days=tuple(_usage(whole, *each) for each in days),
        requests=requests,
        usual=Price(
            whole.epsilon_of(board.usual), board.usual.delta_value, board.usual.rho
        ),
    )


def how_many(left: Loss, each: Loss) -> int:
    """Return how many losses of *each* fit into *left*."""
    counts = [left.amount // each.amount] if each.amount else []
    if each.delta:
        counts.append(left.delta // each.delta)
    return min(counts, default=0)


def forecast(spending: Spending, scope: str, left: Loss) -> Forecast | None:
    """
    Return when *left* of *scope* is used up at the rate of the last days.

    ``None`` with less than two days of history, which say nothing of a rate.
    """
    if spending.first is None or spending.now - spending.first < _ENOUGH:
        return None
    span = min(WINDOW, spending.now - spending.first)
    over = max(1, round(span / _DAY))
    lately = spending.week.get(scope, Loss.zero(left.definition))
    ends = [
        part / (spent / (span / _DAY))
        for part, spent in ((left.amount, lately.amount), (left.delta, lately.delta))
        if spent
    ]
    if not left.amount:
        return Forecast(0.0, over)
    return Forecast(min(ends, default=None), over)


class _Board:
    """What the accounts of one report have in common."""

    def __init__(
        self, policy: Policy, spending: Spending, granted: Mapping[str, Decimal]
    ) -> None:
        self._policy = policy
        self._spending = spending
        self._granted = granted
        self.whole = dataset_promise(policy)
        default = self.whole.loss_of(float(policy.query.epsilon))
        self.usual = spending.usual or default
        limit = self._limit(DATASET)
        self._dataset_left = (
            None if limit is None else limit.minus(self._spent(DATASET))
        )

    def accounts(self) -> tuple[Account, ...]:
        """Return the dataset's account, the analysts' and the blocks'."""
        scopes = [("dataset", "(dataset)", DATASET)]
        scopes += [
            ("analyst", name, analyst_scope(name)) for name in self._policy.analysts
        ]
        known = {scope for _, _, scope in scopes}
        for scope in sorted(self._spending.balances.keys() - known):
            kind, _, name = scope.partition(":")
            if kind in {"analyst", "block"}:
                scopes.append((kind, name, scope))
        return tuple(self._account(*each) for each in scopes)

    def _account(self, kind: str, name: str, scope: str) -> Account:
        spent = self._spent(scope)
        limit = self._limit(scope)
        promise = promise_of(self._policy, scope, self._granted.get(name, 0))
        read = promise or self.whole
        account = Account(kind, name, None, amount(read, spent), None, None)
        if promise is None or limit is None:
            return account
        own = limit.minus(spent)
        left = own if self._dataset_left is None else _least(own, self._dataset_left)
        return Account(
            kind,
            name,
            total=self._total(promise, limit),
            spent=account.spent,
            remaining=amount(read, left),
            share=float(share_of(spent, limit)),
            granted=float(self._granted.get(name, 0)) if kind == "analyst" else 0.0,
            queries_left=how_many(left, self.usual),
            forecast=forecast(self._spending, scope, own),
        )

    @staticmethod
    def _total(promise: Promise, limit: Loss) -> Amount:
        """Return a limit as it is promised; a block's may be lower than its budget."""
        if limit == promise.limit():
            return Amount(promise.epsilon, promise.delta or 0.0)
        return amount(promise, limit)

    def _spent(self, scope: str) -> Loss:
        return self._spending.balances.get(scope, Loss.zero(self.whole.definition))

    def _limit(self, scope: str) -> Loss | None:
        """Return what *scope* may spend; ``None`` where that is no promise."""
        kind, _, name = scope.partition(":")
        if kind == "block" and self._policy.epochs is not None:
            return Blocks(self._policy.epochs, self.whole).limit(name)
        promise = promise_of(self._policy, scope, self._granted.get(name, 0))
        return None if promise is None else promise.limit()


def amount(promise: Promise, loss: Loss) -> Amount:
    """Return *loss* as the (ε, δ) that it means under *promise*."""
    return Amount(promise.epsilon_of(loss), loss.delta_value)


def _least(one: Loss, other: Loss) -> Loss:
    """Return what fits into both."""
    return Loss(
        one.definition, min(one.amount, other.amount), min(one.delta, other.delta)
    )


def _is_public(policy: Policy, table: str) -> bool:
    name = find(policy.tables, table)
    return name is not None and policy.tables[name].public


def _usage(promise: Promise, name: str, each: Sum) -> Usage:
    return Usage(name, each.releases, amount(promise, each.loss), each.last.isoformat())
