"""Private profiles: no bounds to declare, measured once, free from then on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from dpquery.accounting.loss import Loss
from dpquery.engines.duckdb import DuckDBEngine
from dpquery.errors import (
    BudgetExceeded,
    ConfigError,
    QueryRefused,
    SQLSyntaxError,
)
from dpquery.ledger.records import DATASET, analyst_scope
from dpquery.service import Service
from dpquery.service.simulation import Simulation, split

Open = Callable[..., Service]

NOBODY = (
    "    max_rows_per_unit: 100\n    columns: {cost: {bounds: [0, 100]}}",
    "    columns: {cost: {}, stay: {}}",
)
"""A policy that says nothing of visits."""
EXACT = ("budget: {epsilon: 4,", "query: {max_epsilon: 1e9}\nbudget: {epsilon: 1e9,")
RICH = ("alice: {epsilon: 1}", "alice: {epsilon: 1e9}")
TOTAL = "SELECT SUM(cost) FROM visits"
BY_SEX = (
    "SELECT sex, SUM(cost), COUNT(*) FROM visits JOIN patients USING (id) GROUP BY sex"
)


@pytest.fixture
def folder(folder: Path) -> Path:
    """Make costs of all sizes and both signs; one patient in a hundred is heavy."""
    with duckdb.connect(folder / "ward.duckdb") as database:
        database.execute("""
            CREATE OR REPLACE TABLE visits AS
            SELECT i % 300 AS id, (i % 40 - 2) * 25.5 AS cost, i % 9 AS stay
            FROM range(900) AS r(i)
            UNION ALL SELECT 7, 900.0, 3 FROM range(400)""")
    return folder


def spent(service: Service, scope: str = DATASET) -> Loss:
    return service.backends.ledger.spent(scope)


def test_a_sum_without_bounds_is_answered_at_a_price_that_is_shown(
    open_ward: Open,
) -> None:
    service = open_ward(NOBODY)
    session = service.session("alice")
    price = session.price(TOTAL)
    assert spent(service) == Loss.zero(spent(service).definition)
    (note,) = (each for each in price.notes if "profile" in each)
    assert "largest visits.cost of a patient" in note
    release = session.query(TOTAL)
    assert release.price.rho == pytest.approx(price.rho)
    assert spent(service).rho == pytest.approx(price.rho)
    assert spent(service, analyst_scope("alice")).rho == pytest.approx(price.rho)
    again = session.query(TOTAL)
    assert (again.replayed, again.rows) == (True, release.rows)
    assert spent(service).rho == pytest.approx(price.rho)


def test_every_later_query_chooses_its_limits_for_nothing(open_ward: Open) -> None:
    service = open_ward(NOBODY)
    alice = service.session("alice")
    usual = alice.price("SELECT COUNT(*) FROM patients").rho
    alice.query("SELECT SUM(cost), COUNT(*) FROM visits")
    for analyst in ("alice", "bob"):
        session = service.session(analyst)
        for sql in (
            "SELECT AVG(cost) FROM visits WHERE stay = 3",
            "SELECT SUM(cost), COUNT(cost) FROM visits WHERE cost > 100",
            "SELECT stay, SUM(cost) FROM visits WHERE stay IN (1, 2) GROUP BY stay",
        ):
            price = session.price(sql)
            assert [n for n in price.notes if "measured once" in n] == []
            assert price.rho <= usual * (1 + 1e-9)


def test_limits_follow_what_the_units_are_like(open_ward: Open) -> None:
    """Exact answers of a huge budget are clipped little; noise follows the sizes."""
    service = open_ward(NOBODY, EXACT, RICH)
    session = service.session("alice")
    release = session.query(TOTAL, epsilon=1e8)
    true = sum((i % 40 - 2) * 25.5 for i in range(900)) + 400 * 900.0
    assert release.rows[0][0] == pytest.approx(true, rel=0.02)
    assert release.retained["SUM(cost)"] > 0.97


def test_the_owner_measures_for_everybody(open_ward: Open) -> None:
    service = open_ward(NOBODY)
    dry = service.profile("visits", dry_run=True)
    assert spent(service).amount == 0
    found = service.profile("visits")
    assert found.price.rho == pytest.approx(spent(service).rho)
    # sizes of sums are about values whose bounds are measured first
    assert found.price.rho >= dry.price.rho > 0
    assert spent(service, analyst_scope("alice")).amount == 0
    assert service.profile("visits").price.rho == 0
    before = spent(service)
    price = service.session("alice").price(TOTAL)
    service.session("alice").query(TOTAL)
    assert (spent(service).rho - before.rho) == pytest.approx(price.rho)


def test_a_profile_of_a_query_is_about_its_own_groups(open_ward: Open) -> None:
    service = open_ward(NOBODY)
    service.profile("visits")
    wide = service.session("bob").price(BY_SEX).expected
    names = {each.size_of for each in service.profile(BY_SEX).histograms}
    assert any("by patients.sex" in name for name in names)
    narrow = service.session("bob").price(BY_SEX).expected
    for one, other in zip(narrow, wide, strict=True):
        assert one.half_width is not None
        assert other.half_width is not None
        assert one.half_width <= other.half_width * 1.5


def test_what_was_answered_without_a_profile_is_answered_again(open_ward: Open) -> None:
    service = open_ward()  # everything is declared
    session = service.session("alice")
    first = session.query("SELECT SUM(cost) FROM visits")
    service.profile("visits")
    again = session.query("SELECT SUM(cost) FROM visits")
    assert (again.replayed, again.rows) == (True, first.rows)
    assert session.price("SELECT SUM(cost) FROM visits").rho == 0
    other = session.query("SELECT SUM(cost) FROM visits", epsilon=0.3)
    assert not other.replayed
    wide, narrow = (each.intervals()["SUM(cost)"][0] for each in (first, other))
    assert wide is not None
    assert narrow is not None
    assert narrow.high - narrow.low < (wide.high - wide.low) / 2


def test_isolated_analysts_have_their_own(open_ward: Open) -> None:
    isolated = ("delta: 1e-6}", "delta: 1e-6}\nsharing: isolated")
    service = open_ward(NOBODY, isolated)
    with pytest.raises(ConfigError) as error:
        service.profile("visits")
    assert error.value.code == "DPQ447"
    alice, bob = service.session("alice"), service.session("bob")
    price = bob.price(TOTAL).rho
    alice.query(TOTAL)
    assert bob.price(TOTAL).rho == pytest.approx(price)
    bob.query(TOTAL)
    assert spent(service).rho == pytest.approx(2 * price)


def test_pure_privacy_has_profiles_too(open_ward: Open) -> None:
    service = open_ward(NOBODY, (", delta: 1e-6", ""))
    release = service.session("bob").query("SELECT COUNT(*), SUM(cost) FROM visits")
    assert spent(service).value == pytest.approx(4 * 0.2)
    assert len(release.rows) == 1


def test_nothing_is_charged_when_not_all_of_it_fits(open_ward: Open) -> None:
    service = open_ward(NOBODY, ("alice: {epsilon: 1}", "alice: {epsilon: 0.25}"))
    session = service.session("alice")
    with pytest.raises(BudgetExceeded) as error:
        session.query(TOTAL)
    assert error.value.code == "DPQ201"
    assert "profile" in error.value.message
    assert spent(service).amount == 0
    assert session.price(TOTAL).notes[0] == "this is more than is left"


def test_a_policy_may_do_without(open_ward: Open) -> None:
    never = ("budget:", "query: {profile: never}\nbudget:")
    session = open_ward(NOBODY, never).session("alice")
    with pytest.raises(QueryRefused) as error:
        session.query(TOTAL)
    assert error.value.code == "DPQ120"


def test_a_price_reads_no_row(open_ward: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_ward(NOBODY).session("alice")

    def refuse(*_: object) -> None:
        raise AssertionError("a row would be read")

    monkeypatch.setattr(DuckDBEngine, "execute", refuse)
    assert session.price(BY_SEX).epsilon > 0
    assert session.profile("visits", dry_run=True).price.epsilon > 0


@pytest.mark.parametrize("of", ["nothing", "patient", "SELECT 1 +", "SELECT id FROM x"])
def test_what_cannot_be_profiled(open_ward: Open, of: str) -> None:
    service = open_ward(NOBODY)
    with pytest.raises((ConfigError, QueryRefused, SQLSyntaxError)):
        service.profile(of)
    assert spent(service).amount == 0


def test_a_simulation_charges_a_profile_once(open_ward: Open, folder: Path) -> None:
    open_ward(NOBODY).close()
    text = f"{TOTAL}; SELECT SUM(cost) FROM visits WHERE stay = 1;"
    for path in folder.glob("ward.ledger*"):
        path.unlink()
    with Simulation.of(folder / "ward.yaml") as simulation:
        first, second = simulation.run("alice", split(text))
    assert first.price.epsilon > second.price.epsilon > 0


def test_what_an_answer_may_cost_includes_its_profile(open_ward: Open) -> None:
    service = open_ward(NOBODY)
    session = service.session("alice")
    with pytest.raises(BudgetExceeded) as found:
        session.query(TOTAL, within="50%", max_epsilon=0.05)
    assert found.value.code == "DPQ207"
    assert spent(service) == Loss.zero(spent(service).definition)
    release = session.query(TOTAL, within="0.1%", max_epsilon=0.5)
    assert release.price.epsilon <= 0.5
    assert release.price.rho == pytest.approx(spent(service).value)


def test_a_profile_that_no_query_uses_says_so(open_ward: Open) -> None:
    never = ("budget: {epsilon: 4,", "query: {profile: never}\nbudget: {epsilon: 4,")
    service = open_ward(NOBODY, never)
    for dry_run in (True, False, False):
        found = service.profile("visits", dry_run=dry_run)
        assert "profile: never" in found.price.notes[0]


def test_of_few_units_a_note_says_that_the_limit_is_a_guess(
    open_ward: Open, folder: Path
) -> None:
    with duckdb.connect(folder / "ward.duckdb") as database:
        database.execute("DELETE FROM visits WHERE id > 2")
    notes = open_ward(NOBODY).session("alice").query(TOTAL).notes
    assert any("its limit is a guess" in note for note in notes)
    assert not any("at least 0%" in note for note in notes)
