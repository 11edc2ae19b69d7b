"""Blocks of time in a service: what is debited to which, and what each may lose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from dpquery.accounting.accountant import Promise
from dpquery.accounting.loss import Loss
from dpquery.errors import BudgetExceeded
from dpquery.ledger.records import DATASET, analyst_scope, block_scope
from dpquery.service import Service

POLICY = """\
version: 1
name: log
source: {duckdb: log.duckdb}
privacy_unit: person
tables:
  people:
    privacy_unit_column: person
    key: person
    columns: {age: {bounds: [0, 100]}}
  events:
    privacy_unit_column: person
    max_rows_per_unit: 100
    columns: {day: {bounds: [2026-01-01, 2026-04-30]}, x: {bounds: [0, 10]}}
epochs:
  column: events.day
  every: month
  privacy: unit-epoch
  budget: {epsilon: 1, delta: 1e-6}
budget: {epsilon: 3, delta: 1e-6}
analysts: {alice: {epsilon: 50}}
query: {max_epsilon: 5}
"""
DATA = """
CREATE TABLE people AS SELECT i AS person, i % 90 AS age FROM range(500) AS r(i);
CREATE TABLE events AS SELECT i % 500 AS person, i % 7 AS x,
  DATE '2026-01-01' + (i % 120)::INTEGER AS day FROM range(2000) AS r(i);
"""
LIFETIME = ("privacy: unit-epoch", "privacy: unit-lifetime\n  participation_cap: 2")
MONTHS = {"2026-01": 31, "2026-02": 28, "2026-03": 31, "2026-04": 30}
Open = Callable[..., Service]


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[Open]:
    with duckdb.connect(tmp_path / "log.duckdb") as database:
        database.execute(DATA)
    opened: list[Service] = []

    def open_it(*changes: tuple[str, str]) -> Service:
        text = POLICY
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "log.yaml").write_text(text)
        opened.append(Service.open(tmp_path / "log.yaml"))
        return opened[-1]

    yield open_it
    for service in opened:
        service.close()


def spent(service: Service) -> dict[str, int]:
    """Return what every block has lost."""
    balances = service.backends.ledger.balances()
    return {
        scope.partition(":")[2]: loss.amount
        for scope, loss in balances.items()
        if scope.startswith(block_scope(""))
    }


def ask(service: Service, rest: str, epsilon: float) -> int:
    """Ask how many rows there are, and return what the analyst has paid."""
    before = service.backends.ledger.spent(analyst_scope("alice")).amount
    service.session("alice").query(f"SELECT COUNT(*) FROM {rest}", epsilon=epsilon)
    return service.backends.ledger.spent(analyst_scope("alice")).amount - before


JANUARY = "events WHERE day < '2026-02-01'"
SPRING = "events WHERE day >= '2026-03-01'"


def test_a_query_over_several_blocks_is_debited_to_each(open_log: Open) -> None:
    service = open_log()
    one = ask(service, JANUARY, 0.4)
    assert spent(service) == {"2026-01": one}
    two = ask(service, SPRING, 0.3)
    assert spent(service) == {"2026-01": one, "2026-03": two, "2026-04": two}
    rest = ask(service, "people WHERE age > 40", 0.2)
    both = ask(
        service, f"people JOIN ({'SELECT * FROM ' + JANUARY}) USING (person)", 0.2
    )
    assert spent(service) == {
        "2026-01": one + both,
        "2026-03": two,
        "2026-04": two,
        "undated": rest + both,
    }
    # everything together is read, and no limit
    whole = service.backends.ledger.spent(DATASET).amount
    assert whole == one + two + rest + both
    again = ask(service, f"({'SELECT * FROM ' + JANUARY}) AS e", 0.1)
    assert (again, spent(service)["2026-01"]) == (0, one + both)


def test_a_block_that_is_spent_refuses_and_charges_nothing(open_log: Open) -> None:
    service = open_log()
    ask(service, JANUARY, 0.9)
    before = service.backends.ledger.balances()
    for rest in (f"{JANUARY} AND x > 2", "events", "events WHERE day = '2026-01-31'"):
        with pytest.raises(BudgetExceeded) as refusal:
            ask(service, rest, 0.8)
        assert refusal.value.code == "DPQ204"
        assert "2026-01" in str(refusal.value)
        price = service.session("alice").price(f"SELECT COUNT(*) FROM {rest}")
        assert price.epsilon > 0
    assert service.backends.ledger.balances() == before
    assert ask(service, SPRING, 0.9) > 0  # another block has its own budget
    whole = Promise(1, 1e-6).limit()
    assert all(amount <= whole.amount for amount in spent(service).values())


def test_unit_epoch_blocks_add_up_to_more_than_one_may_lose(open_log: Open) -> None:
    """A lifetime is what the dataset's account reads: shown, and never a limit."""
    service = open_log()
    for at, (month, days) in enumerate(MONTHS.items()):
        span = f"DATE '{month}-01' AND DATE '{month}-{days}'"
        ask(service, f"events WHERE day BETWEEN {span}", 0.9)
        assert len(spent(service)) == at + 1
    dataset, *_ = service.report().accounts
    assert (dataset.kind, dataset.total) == ("dataset", None)
    assert dataset.spent.epsilon > 1.5
    assert {a.name for a in service.report().accounts if a.kind == "block"} == {*MONTHS}


def limit_of(service: Service, block: str) -> Loss:
    session = service.session("alice")
    blocks = session._drafts.blocks
    assert blocks is not None
    return blocks.limit(block)


def test_limits_under_unit_epoch(open_log: Open) -> None:
    service = open_log()
    assert limit_of(service, "2026-02") == Promise(1, 1e-6).limit()
    assert limit_of(service, "undated") == Promise(3, 1e-6).limit()


@pytest.mark.parametrize("cap", [1, 2, 7])
@pytest.mark.parametrize("epsilon", [0.1, 1, 3])
def test_under_unit_lifetime_all_of_a_unit_is_within_the_whole_budget(
    open_log: Open, cap: int, epsilon: float
) -> None:
    more = (LIFETIME[0], LIFETIME[1].replace("2", str(cap)))
    service = open_log(more, ("{epsilon: 1, delta", f"{{epsilon: {epsilon}, delta"))
    whole, block = Promise(3, 1e-6).limit(), limit_of(service, "2026-01")
    undated = limit_of(service, "undated")
    assert block.within(Promise(epsilon, 1e-6).limit())
    assert cap * block.amount + undated.amount == whole.amount
    assert cap * block.delta + undated.delta == whole.delta


def test_under_unit_lifetime_a_block_has_its_limit(open_log: Open) -> None:
    service = open_log(
        LIFETIME, ("{epsilon: 1, delta: 1e-6}", "{epsilon: 1, delta: 4e-7}")
    )
    ask(service, JANUARY, 0.8)
    with pytest.raises(BudgetExceeded) as refusal:
        ask(service, f"{JANUARY} AND x > 2", 0.8)
    assert refusal.value.code == "DPQ204"
    assert ask(service, "people", 0.8) > 0
    assert all(
        amount <= limit_of(service, block).amount
        for block, amount in spent(service).items()
    )
