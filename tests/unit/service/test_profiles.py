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
from dpquery.service.question import Question
from dpquery.service.simulation import Simulation, split

Open = Callable[..., Service]

NOBODY = (
    "    max_rows_per_unit: 100\n    columns: {cost: {bounds: [0, 100]}}",
    "    columns: {cost: {}, stay: {}}",
)
"""A policy that says nothing of visits."""
EXACT = ("budget: {epsilon: 4,", "query: {max_epsilon: 1e9}\nbudget: {epsilon: 1e9,")
SHARP = (
    "budget: {epsilon: 4,",
    "query: {profile_epsilon: 1e6, max_epsilon: 1e6}\nbudget: {epsilon: 1e9,",
)
"""Histograms as good as exact."""
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
    """A patient has a row in each of three groups: over them the norm is √3, not 3."""
    sql = "SELECT stay, COUNT(*) AS n FROM visits WHERE stay IN (0, 3, 6) GROUP BY stay"
    service = open_ward(NOBODY, SHARP)
    service.profile("visits")
    (wide,) = service.session("bob").price(sql).expected
    names = {each.size_of for each in service.profile(sql).histograms}
    assert "rows of a patient in visits, patients by visits.stay" in names
    (narrow,) = service.session("bob").price(sql).expected
    assert wide.half_width is not None
    assert narrow.half_width is not None
    assert narrow.half_width < wide.half_width * 0.8


def test_what_was_answered_without_a_profile_is_answered_again(open_ward: Open) -> None:
    service = open_ward(SHARP)  # everything is declared
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


def test_a_price_knows_how_many_rows_there_are(open_ward: Open) -> None:
    service = open_ward(NOBODY, SHARP)
    service.profile("visits")
    (average,) = service.session("bob").price("SELECT AVG(cost) FROM visits").expected
    assert average.assuming is not None
    rows = int(average.assuming.split()[3].replace(",", ""))
    assert rows == pytest.approx(1300, rel=0.2)
    assert average.half_width is not None


FEW = "SELECT COUNT(DISTINCT stay) FROM visits"
UNIQUE = "SELECT COUNT(DISTINCT n) FROM many"
MANY = (
    "budget:",
    "  many: {references: {id: patients.id}, columns: {n: {}}}\nbudget:",
)
SURE = (
    "budget: {epsilon: 4,",
    """\
query: {epsilon: 0.5, max_epsilon: 9, profile_epsilon: 20}
budget: {epsilon: 1e4,""",
)
"""Sizes of unions with a noise of about 1: what is chosen from them is certain."""


@pytest.fixture
def unions(folder: Path, open_ward: Open) -> Service:
    """Open a ward with 30 values that each patient has alone."""
    with duckdb.connect(folder / "ward.duckdb") as database:
        database.execute(
            "CREATE TABLE many AS SELECT i % 300 AS id, i AS n FROM range(9000) AS r(i)"
        )
    bob = (
        "bob: {epsilon: 4, max_epsilon_per_query: 0.5}",
        "bob: {epsilon: 1e4, max_epsilon_per_query: 9}",
    )
    return open_ward(NOBODY, MANY, SURE, bob, RICH)


def kept(service: Service, sql: str) -> tuple[int, int, int]:
    """Return how many values a unit keeps in a group and in all, and Δ."""
    prepared, _ = service.session("bob").drafted(Question(sql))
    assert not prepared.program.missing
    bounded = prepared.steps[0].step.distinct[-1]
    return bounded.per_group, bounded.in_all, bounded.sensitivity


def test_few_values_are_counted_with_the_noise_of_one_a_unit(unions: Service) -> None:
    session = unions.session("bob")
    price = session.price(FEW)
    (note,) = (each for each in price.notes if "profile" in each)
    assert (
        "different values of visits.stay in visits, patients when a patient keeps few"
        in note
    )
    release = session.query(FEW)
    assert spent(unions).rho == pytest.approx(price.rho)
    assert kept(unions, FEW) == (1, 1, 1)
    interval = release.intervals()[release.columns[0]][0]
    assert interval is not None
    assert interval.high - interval.low < 60  # of 100 values a unit it was 4,000


def test_nearly_unique_values_are_all_kept(unions: Service) -> None:
    release = unions.session("bob").query(UNIQUE, epsilon=8)
    assert kept(unions, UNIQUE) == (32, 32, 32)
    assert release.rows[0][0] == pytest.approx(9_000, rel=0.2)


def test_a_union_is_measured_once_for_all_queries(unions: Service) -> None:
    session = unions.session("bob")
    session.query(FEW)
    usual = session.price("SELECT COUNT(*) FROM patients WHERE age > 30").rho
    for sql in (
        f"{FEW} WHERE stay > 3",
        "SELECT COUNT(DISTINCT stay) FROM visits JOIN patients USING (id) GROUP BY sex",
    ):
        before = spent(unions).rho
        price = unions.session("alice").price(sql)
        assert [note for note in price.notes if "measured once" in note] == []
        unions.session("alice").query(sql)
        assert spent(unions).rho - before == pytest.approx(price.rho)
        assert price.rho <= usual * (1 + 1e-9)
        assert kept(unions, sql)[0] == 1


def test_a_profile_shows_each_union_with_its_own_noise(unions: Service) -> None:
    dry = unions.profile(UNIQUE, dry_run=True)
    found = unions.profile(UNIQUE)
    assert spent(unions).rho == pytest.approx(dry.price.rho)
    of = "different values of many.n in many, patients when a patient keeps up to {}"
    assert [each.size_of for each in found.histograms] == [
        of.format(1 << power) for power in range(8)
    ]
    for each, kept_ in zip(found.histograms, (1, 2, 4, 8, 16, 30, 30, 30), strict=True):
        noise = 7 * each.deviation
        assert each.units[0] == pytest.approx(300 * kept_, abs=noise)
        assert each.deviation == pytest.approx(
            each.up_to[0] * found.histograms[0].deviation, rel=1e-6
        )
    assert unions.profile(UNIQUE).price.rho == 0


def test_declared_rows_are_the_most_and_a_profile_makes_them_fewer(
    open_ward: Open, folder: Path
) -> None:
    assert folder
    few = ("max_rows_per_unit: 100", "max_rows_per_unit: 20")
    service = open_ward(
        few, SURE, ("{cost: {bounds: [0, 100]}}", "{cost: {}, stay: {}}")
    )
    assert kept(service, FEW) == (20, 20, 20)
    service.profile(FEW)
    assert kept(service, FEW) == (1, 1, 1)


def test_pure_privacy_has_unions_too(open_ward: Open) -> None:
    service = open_ward(NOBODY, (", delta: 1e-6", ""))
    price = service.session("bob").price(FEW)
    service.session("bob").query(FEW)
    assert spent(service).value == pytest.approx(2 * 0.2)
    assert price.epsilon == pytest.approx(0.4)


def test_without_a_profile_a_unit_keeps_a_few_values(open_ward: Open) -> None:
    never = ("budget:", "query: {profile: never}\nbudget:")
    service = open_ward(NOBODY, never)
    assert kept(service, FEW) == (8, 8, 8)
    (note,) = service.session("bob").price(FEW).notes
    assert "a patient adds up to 8 of its different values" in note


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
