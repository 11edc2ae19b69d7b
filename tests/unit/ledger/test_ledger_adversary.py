"""The ledger's own filter, against an asker who sees every balance."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import BudgetExceeded
from dpquery.ledger.records import DATASET, Charge, Debit, analyst_scope, block_scope
from dpquery.ledger.store import Ledger

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    OpenLedger = Callable[..., Ledger]
    Start = Callable[[str], subprocess.Popen[str]]

ANALYSTS = ("alice", "bob")
BLOCKS = tuple(map(block_scope, ("2026-01", "2026-02", "undated")))
CODES = {"DPQ201", "DPQ202", "DPQ204"}


def within(source: random.Random, left: Loss) -> Loss:
    """Return a price that aims at the edge of what is left."""
    share, nudge = source.choice((5, 40, 100, 100, 120)), source.choice((-1, 0, 0, 1))
    amount = max(0, left.amount * share // 100 + nudge)
    if left.definition is Definition.PURE:
        return Loss(left.definition, amount)
    return Loss(left.definition, amount, max(0, left.delta * share // 200 + nudge))


@pytest.mark.parametrize("definition", Definition)
def test_an_adaptive_asker_gets_past_no_limit_of_a_real_ledger(
    tmp_path: Path, definition: Definition
) -> None:
    codes, reached = set(), 0
    for seed in range(4):
        path = tmp_path / f"{seed}.ledger"
        refusals, edges = asked_adaptively(path, definition, seed)
        codes |= refusals
        reached += edges
    assert codes == CODES
    assert reached


def asked_adaptively(
    path: Path, definition: Definition, seed: int
) -> tuple[set[str], int]:
    """Return the codes of refusals, and how many scopes were spent to the edge."""
    source = random.Random(seed)  # noqa: S311 -- seeded
    delta = 0 if definition is Definition.PURE else 1000
    limits = {DATASET: Loss(definition, 50_000, delta)}
    limits |= {analyst_scope(a): Loss(definition, 30_000, delta) for a in ANALYSTS}
    limits |= {block: Loss(definition, 9_000, delta) for block in BLOCKS}
    zero, codes = Loss.zero(definition), set()
    kept = dict.fromkeys(limits, zero)
    with Ledger.open(str(path), definition=definition) as ledger:
        for _ in range(90):
            analyst = source.choice(ANALYSTS)
            mine = analyst_scope(analyst)
            aim = source.choice([*limits])
            fresh = within(source, limits[aim].minus(kept[aim]))
            own = fresh if source.random() < 0.5 else within(source, fresh)
            blocks = tuple(
                Debit(block, fresh, limits[block])
                for block in source.sample(BLOCKS, source.randint(0, 3))
            )
            charge = Charge(
                analyst,
                "f",
                "v",
                "SELECT 1",
                own,
                (),
                limits[DATASET],
                limits[mine],
                dataset_loss=fresh,
                blocks=blocks,
            )
            fits = all(
                (kept[debit.scope] + debit.loss).within(limits[debit.scope])
                for debit in charge.debits
            )
            try:
                lease = ledger.reserve(charge)
            except BudgetExceeded as refusal:
                codes.add(refusal.code)
                assert not fits
            else:
                assert fits
                for debit in charge.debits:
                    kept[debit.scope] += debit.loss
                if source.random() < 0.8:  # else it died: the debit stands
                    ledger.settle(lease, "{}")
            for scope, limit in limits.items():
                assert ledger.spent(scope) == kept[scope]
                assert kept[scope].within(limit)
    return codes, sum(kept[s].amount == limits[s].amount for s in limits)


def test_processes_that_share_limits_get_exactly_what_the_least_one_has(
    start: Start, open_ledger: OpenLedger
) -> None:
    """Prices of 3, 5 and 1; whoever asks for 1 takes the last, so nothing is left."""
    race = """
import random
from dpquery.ledger.records import Debit, block_scope

limit = lambda n: Loss(Definition.ZCDP, n)
source = random.Random(int(sys.stdin.readline()))
analyst, paid = source.choice(["alice", "bob"]), 0
for at in range(60):
    price = limit(source.choice([1, 3, 5]) if at < 30 else 1)
    blocks = (Debit(block_scope("2026-01"), price, limit(101)),)
    made = Charge(analyst, "f", "v1", "SELECT 1", price, (), limit(150), limit(10**9),
                  blocks=blocks)
    try:
        ledger.settle(ledger.reserve(made), "{}")
        paid += price.amount
    except BudgetExceeded:
        pass
print(paid)
"""
    processes = [start(race) for _ in range(4)]
    for at, process in enumerate(processes):
        process.stdin.write(f"{at}\n")
        process.stdin.flush()
    paid = [int(process.communicate()[0]) for process in processes]
    assert sum(paid) == 101
    ledger = open_ledger()
    for scope in (DATASET, block_scope("2026-01")):
        assert ledger.spent(scope) == Loss(Definition.ZCDP, 101)
