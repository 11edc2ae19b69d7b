"""Blocks of time as the policy has them: which there are, and what each may lose."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.accounting.accountant import Promise
from dpquery.accounting.loss import Loss
from dpquery.errors import PolicyError
from dpquery.ledger.records import Debit, block_scope
from dpquery.plan.analysis.blocks import UNDATED, Calendar
from dpquery.policy.ownership import find, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dpquery.policy.catalog import Catalog
    from dpquery.policy.model import Epochs


@dataclass(frozen=True, slots=True)
class Blocks:
    """
    What is promised of each block, and of everything.

    Under unit-epoch, each block is within the budget of a block, and what has no date
    within the whole budget. Under unit-lifetime a unit counts in at most L blocks, so
    that L times the budget of a block and that of what has no date are together within
    the whole budget (theory.md 3.5).
    """

    epochs: Epochs
    promise: Promise
    """The whole budget."""

    @property
    def block_promise(self) -> Promise:
        """What each block may lose, as the policy has it."""
        budget = self.epochs.budget
        delta = None if budget.delta is None else float(budget.delta)
        return Promise(float(budget.epsilon), delta)

    def limit(self, block: str) -> Loss:
        """Return what one block may lose."""
        whole, each = self.promise.limit(), self.block_promise.limit()
        cap = self.epochs.participation_cap
        if cap is None:
            return whole if block == UNDATED else each
        share = Loss(whole.definition, whole.amount // cap, whole.delta // cap)
        amount, delta = min(each.amount, share.amount), min(each.delta, share.delta)
        if block != UNDATED:
            return Loss(whole.definition, amount, delta)
        return whole.minus(Loss(whole.definition, amount * cap, delta * cap))

    def debits(self, steps: Iterable[tuple[Sequence[str], Loss]]) -> tuple[Debit, ...]:
        """Return what releases in (blocks, loss) take from each block."""
        found: dict[str, Loss] = {}
        for blocks, loss in steps:
            for block in blocks:
                before = found.get(block)
                found[block] = loss if before is None else before + loss
        return tuple(
            Debit(block_scope(block), loss, self.limit(block))
            for block, loss in sorted(found.items())
            if loss.amount or loss.delta
        )


def calendar_of(epochs: Epochs, catalog: Catalog) -> Calendar:
    """
    Return the blocks of *epochs* in the words of the catalog.

    Raises:
        PolicyError: the dated table does not fit.
    """
    name, column = split(epochs.column)
    table = catalog.tables[_spelled(catalog.tables, name)]
    found = table.columns[_spelled(table.columns, column)]
    bounds = found.bounds
    if bounds is None:
        msg = f"{epochs.column} has no bounds, so nothing says which blocks there are"
        raise PolicyError(msg, code="DPQ311", hint="give it bounds: [first, last]")
    if epochs.participation_cap is not None and (
        table.owner is None or table.owner.path
    ):
        msg = f"a participation_cap needs the unit column in {table.name} itself"
        hint = "give the table a privacy_unit_column, or choose unit-epoch"
        raise PolicyError(msg, code="DPQ314", hint=hint)
    first, last = (_day(each) for each in bounds)
    return Calendar(
        table.name, found.name, epochs.every, first, last, epochs.participation_cap
    )


def _day(bound: object) -> dt.date:
    """Return a bound's day."""
    if isinstance(bound, dt.datetime):
        return bound.date()
    if isinstance(bound, dt.date):
        return bound
    msg = "blocks are spans of time, and this bound is none"
    raise PolicyError(msg, code="DPQ314", hint="name a column of dates")


def _spelled(names: Mapping[str, object], name: str) -> str:
    found = find(names, name)
    if found is None:
        msg = f"there is no {name} in the data"
        raise PolicyError(msg, code="DPQ320", hint="see `epochs:` in the policy")
    return found
