"""What one analyst may still spend, and what losses are in words of (ε, δ)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.accounting.loss import Loss
from dpquery.ledger.records import DATASET, analyst_scope
from dpquery.results import Price
from dpquery.service.report import amount

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dpquery.accounting.accountant import Promise
    from dpquery.kernel.blocks import Blocks
    from dpquery.ledger.records import Debit
    from dpquery.ledger.store import Ledger
    from dpquery.results import Amount


@dataclass(frozen=True, slots=True)
class Purse:
    """One analyst's accounts, as the ledger has them now."""

    ledger: Ledger
    analyst: str
    dataset: Promise
    """What the owner promises for everything together."""
    blocks: Blocks | None
    """Blocks of time, where they are the promise."""

    def left(self, limit: Loss) -> Loss:
        """Return the largest loss that both ledgers admit; *limit* is the analyst's."""
        own = limit.minus(self.ledger.spent(analyst_scope(self.analyst)))
        if self.blocks is not None:  # which blocks are asked about is not known here
            return own
        all_ = self.dataset.limit().minus(self.ledger.spent(DATASET))
        return Loss(
            own.definition, min(own.amount, all_.amount), min(own.delta, all_.delta)
        )

    def fits(self, debits: Iterable[Debit]) -> bool:
        """Return whether blocks have room for what would be debited to them."""
        spent = self.ledger.balances()
        return all(
            debit.limit is None
            or (
                spent.get(debit.scope, Loss.zero(debit.loss.definition)) + debit.loss
            ).within(debit.limit)
            for debit in debits
        )

    def amount(self, loss: Loss) -> Amount:
        """Return a loss as (ε, δ)."""
        return amount(self.dataset, loss)

    def cost(self, loss: Loss) -> Price:
        """Return a loss as a price."""
        return Price(self.dataset.epsilon_of(loss), loss.delta_value, loss.rho)
