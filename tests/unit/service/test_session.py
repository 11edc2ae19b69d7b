"""What an analyst is told: prices, budgets, refusals, and the owner's checks."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

import dpquery
from dpquery.results import Amount

from .conftest import Open

COUNT = "SELECT COUNT(*) AS n FROM patients"
OTHER = "SELECT COUNT(*) AS n FROM patients WHERE age > 50"


def test_an_unknown_analyst(open_ward: Open) -> None:
    with pytest.raises(dpquery.AccessDenied) as refusal:
        open_ward().session("mallory")
    assert refusal.value.code == "DPQ250"


@pytest.mark.parametrize(
    "epsilon", [0, -1, float("nan"), float("inf"), True, "0.1", 10**400, 1e-9]
)
def test_an_epsilon_that_is_none(open_ward: Open, epsilon: float) -> None:
    session = open_ward().session("alice")
    with pytest.raises(dpquery.ConfigError) as refusal:
        session.query(COUNT, epsilon=epsilon)
    assert refusal.value.code == "DPQ401"
    assert session.history() == []


def test_more_than_one_query_may_cost(open_ward: Open) -> None:
    session = open_ward().session("bob")
    with pytest.raises(dpquery.BudgetExceeded) as refusal:
        session.query(COUNT, epsilon=0.6)
    assert refusal.value.code == "DPQ203"
    assert session.history() == []


def test_a_budget_that_is_used_up(open_ward: Open) -> None:
    session = open_ward().session("alice")
    first = session.query(COUNT, epsilon=1.0)
    assert first.remaining.epsilon < 0.01
    with pytest.raises(dpquery.BudgetExceeded) as refusal:
        session.query(OTHER, epsilon=0.5)
    assert refusal.value.code == "DPQ201"
    assert "ε 0.5" in (refusal.value.hint or "")
    assert session.query(COUNT, epsilon=1.0).rows == first.rows  # still free
    assert session.query(COUNT, epsilon=0.5).rows == first.rows  # so is less
    assert session.price(OTHER, epsilon=0.5).notes[0] == "this is more than is left"


def test_the_dataset_is_used_up_by_others(open_ward: Open) -> None:
    service = open_ward(("budget: {epsilon: 4", "budget: {epsilon: 1"))
    service.session("bob").query(COUNT, epsilon=0.5)
    alice = service.session("alice")
    assert alice.budget().spent == Amount(0.0, 0.0)
    assert alice.budget().remaining.epsilon < 1
    with pytest.raises(dpquery.BudgetExceeded) as refusal:
        alice.query(OTHER, epsilon=1.0)
    assert refusal.value.code == "DPQ202"


def test_queries_left_is_how_many_fit(open_ward: Open) -> None:
    session = open_ward().session("alice")
    left = session.budget().queries_left(COUNT)
    price = session.price(COUNT)
    assert price.queries_left == left - 1
    assert left == 20  # 0.2 of 1: losses add as rho, not as epsilon


def test_rows_per_unit_that_nobody_declared_are_noted(open_ward: Open) -> None:
    nobody = ("    max_rows_per_unit: 100\n", "")
    never = ("budget:", "query: {profile: never}\nbudget:")
    session = open_ward(nobody, never).session("alice")
    (note,) = session.query("SELECT COUNT(*) FROM visits").notes
    assert "rows of visits a patient has; 100 are assumed" in note
    assert session.query(COUNT).notes == []


def test_a_key_that_is_not_unique_stops_all_answers(
    open_ward: Open, folder: Path
) -> None:
    with duckdb.connect(folder / "ward.duckdb") as database:
        database.execute("INSERT INTO patients SELECT * FROM patients WHERE id < 7")
    service = open_ward()
    session = service.session("alice")
    texts = set()
    for sql in (COUNT, "SELECT COUNT(*) FROM visits"):
        with pytest.raises(dpquery.EngineFailure) as failure:
            session.query(sql)
        texts.add(str(failure.value))
        assert failure.value.code == "DPQ530"
    (text,) = texts
    assert "7" not in text
    assert session.history() == []
    (finding,) = [each for each in service.check(data=True) if each.code == "P190"]
    assert "7 of its values occur more than once" in finding.message


def test_new_data_is_a_new_question(open_ward: Open, folder: Path) -> None:
    service = open_ward()
    session = service.session("alice")
    first = session.query(COUNT)
    assert session.query(COUNT).replayed
    service.close()
    with duckdb.connect(folder / "ward.duckdb") as database:
        database.execute("INSERT INTO patients VALUES (1000, 'f', 30, NULL)")
    again = open_ward().session("alice").query(COUNT)
    assert not again.replayed
    assert again.id != first.id


def test_every_type_survives_the_ledger(open_ward: Open) -> None:
    session = open_ward().session("alice")
    sql = """
        SELECT seen, date_trunc('month', seen) AS month, sex, age > 60 AS old,
          COUNT(*) AS n, AVG(age) AS a, AVG(age) / 0 AS none
        FROM patients WHERE seen BETWEEN '2024-01-01' AND '2024-01-02'
        GROUP BY ALL
    """
    fresh, stored = session.query(sql), session.query(sql)
    assert (fresh.replayed, stored.replayed) == (False, True)
    assert fresh.rows == stored.rows
    assert fresh.intervals() == stored.intervals()
    kinds = [type(cell) for cell in fresh.rows[0][:5]]
    assert kinds == [dt.date, dt.datetime, str, bool, int]
    assert {row[6] for row in fresh.rows} == {None}


def test_threads_share_a_service(open_ward: Open) -> None:
    service = open_ward()
    session = service.session("alice")
    epsilons = [0.01 + at / 10_000 for at in range(12)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda e: session.query(COUNT, epsilon=e), epsilons))
    assert len({answer.id for answer in answers}) == len(epsilons)
    assert len(session.history()) == len(epsilons)


def test_pure_dp_has_no_delta_and_needs_public_keys(open_ward: Open) -> None:
    service = open_ward(("budget: {epsilon: 4, delta: 1e-6}", "budget: {epsilon: 4}"))
    session = service.session("alice")
    release = session.query("SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex")
    assert release.price.delta == 0
    assert session.budget().remaining.epsilon == pytest.approx(0.8)
    with pytest.raises(dpquery.QueryRefused) as refusal:
        session.query("SELECT seen, COUNT(*) FROM patients GROUP BY seen")
    assert refusal.value.code == "DPQ127"


def test_the_owner_sees_all_budgets(open_ward: Open) -> None:
    service = open_ward()
    service.session("bob").query(COUNT)
    budgets = service.budgets()
    assert list(budgets) == ["(dataset)", "alice", "bob"]
    assert budgets["(dataset)"].spent == budgets["bob"].spent
    assert budgets["alice"].spent.epsilon == 0


def test_a_session_of_its_own_closes_its_service(open_ward: Open, folder: Path) -> None:
    open_ward().close()
    with dpquery.connect(folder / "ward.yaml", analyst="alice") as session:
        assert session.query(COUNT).columns == ("n",)
        assert [table.name for table in session.tables()] == ["patients", "visits"]


@pytest.mark.parametrize(
    ("target", "options", "code"),
    [
        ("https://data.example:8321", {"token": "dpq_x"}, "DPQ412"),
        ("ward.yaml", {}, "DPQ414"),
    ],
)
def test_targets_that_are_none(target: str, options: dict[str, str], code: str) -> None:
    with pytest.raises(dpquery.ConfigError) as refusal:
        dpquery.connect(target, **options)
    assert refusal.value.code == code


def test_a_unit_with_too_many_rows_counts_as_many_as_it_may(open_ward: Open) -> None:
    loose = ("budget: {epsilon: 4, delta: 1e-6}", "budget: {epsilon: 1e9, delta: 1e-6}")
    service = open_ward(
        loose,
        ("alice: {epsilon: 1}", "alice: {epsilon: 1e9}"),
        ("max_rows_per_unit: 100", "max_rows_per_unit: 1"),
        ("analysts:", "query: {max_epsilon: 1e9}\nanalysts:"),
    )
    session = service.session("alice")
    release = session.query(
        "SELECT COUNT(*) AS n, AVG(cost) AS a, SUM(cost) AS s FROM visits", epsilon=1e8
    )
    ((count, average, total),) = release.rows  # three visits each, one counts
    assert count == pytest.approx(300, abs=1)
    assert average == pytest.approx(10, abs=0.05)  # scaled in steps of 1/1024
    assert total == pytest.approx(3000, abs=10)


def test_a_closed_session_asks_nothing(open_ward: Open) -> None:
    service = open_ward()
    session = service.session("alice")
    session.close()
    with pytest.raises(dpquery.ConfigError) as refusal:
        session.query(COUNT)
    assert refusal.value.code == "DPQ415"
    assert service.session("alice").query(COUNT).columns == ("n",)


def test_tens_of_a_bounded_number_are_listed_once(open_ward: Open) -> None:
    session = open_ward().session("alice")
    release = session.query(
        "SELECT age // 10 * 10 AS decade, COUNT(*) FROM patients GROUP BY decade"
    )
    assert [row[0] for row in release.rows] == list(range(0, 130, 10))


def test_a_declared_key_that_is_none_is_found(open_ward: Open, folder: Path) -> None:
    with duckdb.connect(folder / "ward.duckdb") as database:
        database.execute("ALTER TABLE visits ADD COLUMN visit INTEGER DEFAULT 7")
    visits = "    references: {id: patients.id}"
    service = open_ward((visits, f"    key: visit\n{visits}"))
    (finding,) = [each for each in service.check(data=True) if each.code == "P191"]
    assert "visits.visit is declared a key, and 1 of its values" in finding.message
    assert service.session("alice").query(COUNT).columns == ("n",)


def test_the_owner_is_told_of_rows_of_nobody_and_of_a_large_delta(
    open_ward: Open, folder: Path
) -> None:
    def found(*edits: tuple[str, str]) -> dict[str, str]:
        with open_ward(*edits) as service:
            checked = service.check(data=True)
        return {each.code: each.message for each in checked if each.code > "P192"}

    assert found() == {}
    with duckdb.connect(folder / "ward.duckdb") as database:
        database.execute("INSERT INTO patients VALUES (NULL, 'f', 30, NULL)")
    rows = "1 rows of patients do not say whose they are"
    assert found() == {"P193": rows}
    large = found(("delta: 1e-6", "delta: 3.4e-4"))
    assert large == {"P193": rows, "P194": "delta 0.00034 is large for 300 units"}


def test_dates_of_public_tables_outside_the_calendar(
    open_ward: Open, folder: Path
) -> None:
    with duckdb.connect(folder / "ward.duckdb") as database:
        database.execute("CREATE TABLE days AS SELECT DATE '2024-01-01' AS day")
        database.execute("INSERT INTO days VALUES ('infinity'), ('20000-01-01')")
        database.execute("INSERT INTO days VALUES ('9999-12-31'), (NULL)")
    service = open_ward(
        ("seen: {}", "seen: {values_from: days.day}"),
        ("budget:", "  days: {public: true}\nbudget:"),
    )
    release = service.session("alice").query(
        "SELECT seen, COUNT(*) FROM patients GROUP BY seen"
    )
    days = [row[0] for row in release.rows]
    assert days == [dt.date(2024, 1, 1), dt.date(9999, 12, 31)]


def test_a_collation_is_seen_through_a_view(open_ward: Open, folder: Path) -> None:
    with duckdb.connect(folder / "ward.duckdb") as database:
        database.execute("CREATE TABLE names (id INTEGER, n VARCHAR COLLATE NOCASE)")
        database.execute("CREATE VIEW seen_names AS SELECT * FROM names")
    visits = "  visits:"
    names = "  seen_names: {references: {id: patients.id}, columns: {n: {}}}\n"
    session = open_ward((visits, names + visits)).session("alice")
    with pytest.raises(dpquery.QueryRefused) as refusal:
        session.query("SELECT n, COUNT(*) FROM seen_names GROUP BY n")
    assert refusal.value.code == "DPQ105"


def test_an_answer_says_which_columns_count(open_ward: Open) -> None:
    sql = (
        "SELECT sex, COUNT(*) AS n, COUNT(DISTINCT age) AS ages, SUM(age) AS years,"
        " AVG(age) AS mean, COUNT(*) + 1 AS more FROM patients GROUP BY sex"
    )
    session = open_ward().session("alice")
    release = session.query(sql, epsilon=0.5)
    assert release.counts == ("n", "ages")
    assert session.query(sql, epsilon=0.5).counts == ("n", "ages")
    twice = session.query(
        "SELECT COUNT(*) AS n, SUM(age) AS n FROM patients", epsilon=0.1
    )
    assert (twice.columns, twice.counts) == (("n", "n_1"), ("n",))
