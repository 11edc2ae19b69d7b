"""However queries are chosen, no scope ever loses more than its limit (theory.md 6.1).

The rules of ``Ledger.reserve`` without a database: a charge is admitted when every one
of its scopes has room, and then all are debited. The asker sees every balance and aims
at the edges.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from dpquery.accounting.filters import admits
from dpquery.accounting.loss import Definition, Loss

SEQUENCES = 100_000
SCOPES = ("analyst", "dataset", "block:1", "block:2")


@dataclass
class Books:
    """Balances of several scopes, as ``books.admit`` and ``books.debit`` keep them."""

    limits: dict[str, Loss]
    spent: dict[str, Loss] = field(default_factory=dict)

    def left(self, scope: str) -> Loss:
        zero = Loss.zero(self.limits[scope].definition)
        return self.limits[scope].minus(self.spent.get(scope, zero))

    def reserve(self, debits: dict[str, Loss]) -> bool:
        zero = {scope: Loss.zero(loss.definition) for scope, loss in debits.items()}
        before = zero | {s: self.spent[s] for s in debits if s in self.spent}
        if not all(
            admits(self.limits[scope], before[scope], loss)
            for scope, loss in debits.items()
        ):
            return False
        self.spent |= {scope: before[scope] + loss for scope, loss in debits.items()}
        return True


def some_loss(source: random.Random, definition: Definition, left: Loss) -> Loss:
    """Return a price that is chosen by what is left: all of it, a bit more, a share."""
    pure = definition is Definition.PURE
    share = source.choice((0, 1, 7, 50, 99, 100, 100, 100, 130))
    nudge = source.choice((-1, 0, 0, 0, 1, 2))
    amount = max(0, left.amount * share // 100 + nudge)
    delta = 0 if pure else max(0, left.delta * (share // 10) // 10 - min(nudge, 0))
    return Loss(definition, amount, delta)


def topped_up(source: random.Random, asked: Loss, known: Loss) -> Loss:
    """Return what is fresh of a question of which something is known."""
    fresh = asked.minus(known)
    if fresh.amount and source.random() < 0.3:
        fresh = Loss(fresh.definition, max(fresh.amount, 3), fresh.delta)
    return fresh


def test_no_sequence_of_a_hundred_thousand_gets_past_a_limit() -> None:
    source = random.Random(20260823)  # noqa: S311 -- seeded
    refused = reached = 0
    for at in range(SEQUENCES):
        definition = Definition.PURE if at % 3 == 0 else Definition.ZCDP
        delta = 0 if at % 3 == 0 else source.choice((0, 1, 5, 10**12))
        most = source.choice((0, 1, 10, 997, 10**10, 10**28))
        whole = Loss(definition, most, delta)
        part = Loss(definition, most // 2 + 1, delta)
        books = Books(dict(zip(SCOPES, (part, whole, part, whole), strict=True)))
        known = Loss.zero(definition)
        for _ in range(source.randint(1, 5)):
            scope = source.choice(SCOPES)
            asked = some_loss(source, definition, books.left(scope))
            fresh = topped_up(source, asked, known)
            debits = {"analyst": asked, "dataset": fresh}
            debits |= {b: fresh for b in SCOPES[2:] if source.random() < 0.5}
            fits = all(loss.within(books.left(s)) for s, loss in debits.items())
            before = dict(books.spent)
            if books.reserve(debits):
                assert fits
                known += fresh
            else:
                refused += 1
                assert not fits
                assert books.spent == before  # of nothing, anything
            for each, spent in books.spent.items():
                assert spent.amount <= books.limits[each].amount
                assert spent.delta <= books.limits[each].delta
                reached += spent.amount == books.limits[each].amount > 0
    assert refused > SEQUENCES // 2
    assert reached > SEQUENCES // 10
