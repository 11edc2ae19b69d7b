"""A simulation says what a service does, reads no row and writes no ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from dpquery.engines.duckdb import DuckDBEngine
from dpquery.errors import AccessDenied, BudgetExceeded, DPQueryError
from dpquery.results import Simulated
from dpquery.service import Service
from dpquery.service.simulation import Simulation, split

Open = Callable[..., Service]

QUERIES = """
SELECT COUNT(*) FROM patients;
SELECT sex, COUNT(*) FROM patients GROUP BY sex;
SELECT COUNT(*) FROM patients -- again;
;
SELECT id FROM patients;
SELECT sex, COUNT(*), SUM(age) FROM patients GROUP BY sex;
SELECT age, COUNT(*) FROM patients GROUP BY age;
SELECT SUM(cost) FROM visits WHERE id IN (SELECT id FROM patients WHERE sex = 'f');
SELECT 1 + 1;
SELECT MEDIAN(age) FROM patients;
"""

EPOCHS = (
    "budget: {epsilon: 4, delta: 1e-6}",
    """budget: {epsilon: 4, delta: 1e-6}
epochs:
  {column: patients.seen, every: day, privacy: unit-epoch,
   budget: {epsilon: 0.5, delta: 1e-6}}""",
)
SEEN = ("seen: {}", "seen: {bounds: [2024-01-01, 2024-01-04]}")


def write(folder: Path, open_ward: Open, *edits: tuple[str, str]) -> Path:
    """Write the policy, without a ledger beside it."""
    open_ward(*edits).close()
    for path in folder.glob("ward.ledger*"):
        path.unlink()
    return folder / "ward.yaml"


def simulated(
    path: Path,
    queries: str = QUERIES,
    *,
    from_now: bool = False,
    analyst: str = "alice",
) -> list[Simulated]:
    with Simulation.of(path, from_now=from_now) as simulation:
        return list(simulation.run(analyst, split(queries)))


def truth(service: Service, queries: str, analyst: str = "alice") -> list[float]:
    """Ask for good, and return what the analyst has spent after each query."""
    spent = []
    with service.session(analyst) as session:
        for part in split(queries):
            with contextlib.suppress(DPQueryError):
                session.query(part.sql)
            spent.append(session.budget().spent.epsilon)
    return spent


def test_it_says_what_becomes_of_each(open_ward: Open, folder: Path) -> None:
    found = simulated(write(folder, open_ward))
    assert [each.decision for each in found] == [
        "answered", "answered", "free", "refused", "answered", "answered", "answered",
        "free", "answered",
    ]  # fmt: skip
    assert [each.line for each in found] == [2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert (found[3].code, found[3].price.epsilon) == ("DPQ122", 0)
    assert [each.column for each in found[1].expected] == ["COUNT(*)"]


@pytest.mark.parametrize("analyst", ["alice", "bob"])
@pytest.mark.parametrize(
    "edits",
    [
        (),
        (("delta: 1e-6}", "delta: 1e-6}\nsharing: isolated"),),
        ((", delta: 1e-6", ""),),
        (SEEN, EPOCHS),
    ],
    ids=["open", "isolated", "pure", "epochs"],
)
def test_it_is_what_a_service_charges(
    open_ward: Open, folder: Path, edits: tuple[tuple[str, str], ...], analyst: str
) -> None:
    path = write(folder, open_ward, *edits)
    found = simulated(path, analyst=analyst)
    with open_ward(*edits) as service:
        spent = truth(service, QUERIES, analyst)
    for each, real in zip(found, spent, strict=True):
        # tables put together from others may cost less than they do here
        assert each.analyst_spent.epsilon >= real * (1 - 1e-9)
    first = next(at for at, each in enumerate(found) if at and each.decision != "free")
    assert found[first].analyst_spent.epsilon == pytest.approx(spent[first], rel=0.5)
    assert found[0].analyst_spent.epsilon == pytest.approx(spent[0])


def test_it_reads_no_row_and_makes_no_ledger(
    open_ward: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder, open_ward)

    def refuse(*_: object) -> None:
        raise AssertionError("a row would be read")

    monkeypatch.setattr(DuckDBEngine, "execute", refuse)
    monkeypatch.setattr(DuckDBEngine, "check_unique", refuse)
    assert len(simulated(path)) == 9
    assert len(simulated(path, from_now=True)) == 9  # there is none: nothing is spent
    assert sorted(each.name for each in folder.iterdir()) == [
        "ward.duckdb",
        "ward.yaml",
    ]


def test_from_now_begins_with_what_is_spent(open_ward: Open, folder: Path) -> None:
    count = "SELECT COUNT(*) FROM patients"
    with open_ward() as service:
        service.session("alice").query(count)
        service.session("bob").query("SELECT COUNT(*) FROM visits")
    before = {each: each.read_bytes() for each in folder.iterdir()}
    path = folder / "ward.yaml"
    again, other = simulated(
        path, f"{count};SELECT AVG(age) FROM patients", from_now=True
    )
    assert (again.decision, again.message) == ("free", "asked before")
    assert again.analyst_spent.epsilon == pytest.approx(0.2, rel=1e-3)
    assert again.dataset_spent.epsilon > again.analyst_spent.epsilon
    assert other.decision == "answered"
    (shared,) = simulated(path, "SELECT COUNT(*) FROM visits", from_now=True)
    (fresh,) = simulated(path, "SELECT COUNT(*) FROM visits")
    assert shared.dataset_spent.epsilon == again.dataset_spent.epsilon
    assert fresh.dataset_spent.epsilon == pytest.approx(0.2, rel=1e-3)
    assert {each: each.read_bytes() for each in folder.iterdir()} == before


def test_the_first_that_no_longer_fits(open_ward: Open, folder: Path) -> None:
    path = write(folder, open_ward)
    asks = [f"SELECT COUNT(*) FROM patients WHERE age > {at}" for at in range(60)]
    found = simulated(path, ";".join(asks))
    over = [at for at, each in enumerate(found) if each.decision == "over budget"]
    assert over == list(range(over[0], 60))
    assert {found[at].code for at in over} == {"DPQ201"}
    assert found[-1].price.epsilon == pytest.approx(0.2, rel=1e-3)
    assert "ε 0.2, and" in (found[-1].hint or "")
    with open_ward() as service:
        session = service.session("alice")
        for each in asks[: over[0]]:
            session.query(each)
        with pytest.raises(BudgetExceeded):
            session.query(asks[over[0]])


def test_blocks_have_budgets_too(open_ward: Open, folder: Path) -> None:
    path = write(folder, open_ward, SEEN, EPOCHS)
    ask = "SELECT COUNT(*) FROM patients WHERE seen = DATE '2024-01-0{}' AND age > {}"
    asks = [ask.format(1 + at // 20, at) for at in range(40)]
    found = simulated(path, ";".join(asks), analyst="bob")
    decisions = [each.decision for each in found]
    assert "DPQ204" in {each.code for each in found}
    assert decisions[0] == decisions[20] == "answered"
    assert decisions[19] == "over budget"


def test_strangers_learn_nothing(open_ward: Open, folder: Path) -> None:
    path = write(folder, open_ward)
    with pytest.raises(AccessDenied):
        simulated(path, analyst="mallory")
