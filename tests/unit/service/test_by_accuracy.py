"""Asking by accuracy: targets are reached, paid once, and refused for nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import BudgetExceeded, ConfigError, QueryRefused
from dpquery.kernel import sampling
from dpquery.ledger.records import DATASET, analyst_scope

if TYPE_CHECKING:
    from dpquery.results import Release
    from dpquery.service import Service, Session
    from tests.unit.service.conftest import Open

RICH = ("alice: {epsilon: 1}", "alice: {epsilon: 1000}")
HUGE = ("budget: {epsilon: 4,", "query: {max_epsilon: 1e3}\nbudget: {epsilon: 1e4,")
PURE = (", delta: 1e-6}", "}")
COUNT = "SELECT COUNT(*) AS n FROM patients"


@pytest.fixture
def ward(open_ward: Open) -> Service:
    return open_ward(RICH, HUGE)


@pytest.fixture
def session(ward: Service) -> Session:
    return ward.session("alice")


def relative_error(release: Release, column: str) -> float:
    """Return the largest half interval over the smallest value in it."""
    bars = [bar for bar in release.intervals()[column] if bar is not None]
    assert len(bars) == len(release.rows)
    return max((bar.high - bar.low) / 2 / bar.low for bar in bars)


def spent(ward: Service) -> list[int]:
    ledger = ward.backends.ledger
    return [ledger.spent(s).amount for s in (DATASET, analyst_scope("alice"))]


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_an_absolute_target_is_reached_and_no_more(
    session: Session, confidence: float
) -> None:
    release = session.query(COUNT, within=25, confidence=confidence)
    ((low, high),) = [
        bar for bar in release.intervals(confidence)["n"] if bar is not None
    ]
    assert 24 < (high - low) / 2 <= 25


def test_each_measurement_gets_what_its_column_needs(session: Session) -> None:
    # a sum of ages moves by 120 where a count moves by 1: it needs nearly all
    both = "SELECT COUNT(*) AS n, SUM(age) AS s FROM patients"
    alone = session.price("SELECT SUM(age) AS s FROM patients", epsilon=1)
    release = session.query(both, within=200)
    widths = {
        name: (bar.high - bar.low) / 2
        for name, (bar,) in release.intervals().items()
        if bar is not None
    }
    assert widths["n"] <= 200
    assert 199 < widths["s"] <= 200
    half = alone.expected[0].half_width
    assert half is not None
    needed = alone.rho * (half / 200) ** 2
    assert release.price.rho == pytest.approx(needed, rel=0.01)


def test_the_price_of_an_absolute_target_is_known_before(session: Session) -> None:
    price = session.price(COUNT, within=25)
    assert session.query(COUNT, within=25).price.rho == price.rho
    assert session.price(COUNT, within=25).rho == 0


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        (COUNT, "n"),
        ("SELECT SUM(age) AS s FROM patients", "s"),
        ("SELECT sex, COUNT(*) AS n, AVG(age) AS a FROM patients GROUP BY sex", "na"),
        ("SELECT sex, COUNT(*) AS n FROM patients GROUP BY ROLLUP (sex)", "n"),
    ],
)
def test_a_relative_target_is_reached_in_rounds(
    session: Session, sql: str, columns: str
) -> None:
    release = session.query(sql, within="5%")
    for column in columns:
        assert relative_error(release, column) <= 0.05
    # at most (5/2)² times the least price: more needs a first guess 6 sigma too low
    assert max(relative_error(release, column) for column in columns) > 0.02
    assert "within" in release.notes[0]
    assert "rounds" in release.notes[0]


def test_rounds_cost_what_the_last_one_would(ward: Service) -> None:
    session = ward.session("alice")
    release = session.query(COUNT, within="5%")
    sigma = math.sqrt(1 / (2 * release.price.rho))
    (bar,) = release.intervals()["n"]
    assert bar is not None
    assert (bar.high - bar.low) / 2 == pytest.approx(1.96 * sigma, rel=0.05)
    assert spent(ward) == [round(release.price.rho * 1e12)] * 2
    rounds = session.history()
    assert len(rounds) > 1
    assert math.fsum(each.price.rho for each in rounds) == pytest.approx(
        release.price.rho
    )


@pytest.mark.parametrize("within", [25, "5%"])
def test_asked_again_it_is_the_same_for_nothing(
    ward: Service, within: float | str
) -> None:
    session = ward.session("alice")
    first = session.query(COUNT, within=within)
    before, rounds = spent(ward), len(session.history())
    again = session.query(COUNT, within=within)
    assert again.replayed
    assert not first.replayed
    assert (again.rows, again.id, again.price.rho) == (first.rows, first.id, 0)
    assert again.notes == first.notes
    assert (spent(ward), len(session.history())) == (before, rounds)


def test_a_better_target_pays_the_difference(ward: Service) -> None:
    session = ward.session("alice")
    coarse = session.query(COUNT, within=25)
    fine = session.query(COUNT, within=5)
    price = session.price("SELECT COUNT(*) AS m FROM patients", within=5)
    assert price.rho == 0
    assert fine.price.rho == pytest.approx(24 * coarse.price.rho, rel=0.05)


def test_too_exact_is_refused_for_nothing(ward: Service) -> None:
    session = ward.session("alice")
    with pytest.raises(BudgetExceeded) as found:
        session.query(COUNT, within=1, max_epsilon=1)
    assert found.value.code == "DPQ207"
    assert spent(ward) == [0, 0]
    assert found.value.hint is not None
    reached = float(found.value.hint.split("±")[1].split(":")[0])
    bought = session.query(COUNT, within=reached, max_epsilon=1)
    assert 0.9 < bought.price.epsilon <= 1.0


@pytest.mark.parametrize("max_epsilon", [0.05, 0.5])
def test_a_limit_is_never_passed(ward: Service, max_epsilon: float) -> None:
    session = ward.session("alice")
    sql = "SELECT sex, COUNT(*) AS n, AVG(age) AS a FROM patients GROUP BY sex"
    release = session.query(sql, within="0.5%", max_epsilon=max_epsilon)
    assert release.price.epsilon <= max_epsilon
    assert release.notes[0].startswith("not within 0.5 %: stopped")


def test_nobody_may_allow_more_than_the_owner(open_ward: Open) -> None:
    session = open_ward().session("bob")
    with pytest.raises(BudgetExceeded) as found:
        session.query(COUNT, within="5%", max_epsilon=0.6)
    assert found.value.code == "DPQ203"
    assert session.query(COUNT, within="0.1%").price.epsilon <= 0.5


def test_what_is_near_zero_is_given_up(ward: Service) -> None:
    nobody = "SELECT COUNT(*) AS n FROM patients WHERE age > 110"
    release = ward.session("alice").query(nobody, within="5%", max_epsilon=5)
    assert release.price.epsilon <= 5
    assert "too small to be that exact" in release.notes[0]


def test_an_exhausted_budget_ends_the_rounds(open_ward: Open) -> None:
    session = open_ward(("alice: {epsilon: 1}", "alice: {epsilon: 0.3}")).session(
        "alice"
    )
    session.query("SELECT COUNT(*) AS n FROM visits", epsilon=0.28)
    release = session.query(COUNT, within="5%")
    assert release.rows
    assert 0 < release.price.epsilon < 0.3
    assert "not within 5 %" in release.notes[0]
    assert "budget" in release.notes[0]


def test_groups_that_may_be_withheld_are_measured_anew(ward: Service) -> None:
    session = ward.session("alice")
    sql = "SELECT seen, COUNT(*) AS n FROM patients GROUP BY seen"
    release = session.query(sql, within="5%")
    assert relative_error(release, "n") <= 0.05
    assert release.price.delta > 0
    total = math.fsum(each.price.rho for each in session.history())
    assert total == pytest.approx(release.price.rho)
    once = session.query(
        "SELECT seen, COUNT(*) AS n FROM patients GROUP BY 1", within=4
    )
    assert all(bar.high - bar.low <= 8 for bar in once.intervals()["n"] if bar)


def test_under_pure_dp_rounds_add_up(open_ward: Open) -> None:
    session = open_ward(RICH, HUGE, PURE).session("alice")
    release = session.query(COUNT, within="5%")
    assert relative_error(release, "n") <= 0.05
    history = session.history()
    assert len(history) > 1
    assert release.price.epsilon == pytest.approx(
        math.fsum(each.price.epsilon for each in history)
    )
    absolute = session.query("SELECT SUM(age) AS s FROM patients", within=400)
    (bar,) = absolute.intervals()["s"]
    assert bar is not None
    assert 390 < (bar.high - bar.low) / 2 <= 400


def test_what_has_no_error_has_no_target(session: Session) -> None:
    for sql in (
        "SELECT MEDIAN(age) FROM patients",
        "SELECT COUNT(*), MAX(age) FROM patients",
        "SELECT COUNT(*), BOOL_OR(age > 30) FROM patients",
        "SELECT sex FROM patients GROUP BY sex",
        (
            "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS (epsilon = 0.5) COUNT(*) AS n "
            "FROM patients"
        ),
    ):
        for ask in (session.query, session.price):
            with pytest.raises(QueryRefused) as found:
                ask(sql, within=25)
            assert found.value.code == "DPQ142"


MALE = "CASE WHEN sex = 'm' THEN 1 ELSE 0 END"
MOMENTS = (
    "VAR_POP(age)",
    "VAR_SAMP(age)",
    "STDDEV_POP(age)",
    "STDDEV_SAMP(age)",
    "COVAR_POP(age, age * age)",
    "COVAR_SAMP(age, age * age)",
    "CORR(age, age * age)",
    "REGR_SLOPE(age * age, age)",
    "REGR_INTERCEPT(age * age, age)",
    "REGR_R2(age * age, age)",
    "REGR_SXX(age * age, age)",
    "REGR_SYY(age * age, age)",
    "REGR_SXY(age * age, age)",
    "REGR_COUNT(age * age, age)",
    "REGR_AVGX(age * age, age)",
    "REGR_AVGY(age * age, age)",
)


@pytest.mark.parametrize("item", MOMENTS)
def test_what_is_made_of_moments_is_as_exact_as_asked_for(
    ward: Service, item: str
) -> None:
    session = ward.session("alice")
    sql = f"SELECT {item} AS s FROM patients"
    release = session.query(sql, within="5%")
    (bar,) = release.intervals()["s"]
    assert bar is not None
    assert (bar.high - bar.low) / 2 <= 0.05 * max(bar.low, -bar.high)
    # rounds are charged as they happen, and cost what they cost together
    rounds = session.history()
    assert len(rounds) > 1
    total = math.fsum(each.price.rho for each in rounds)
    assert total == pytest.approx(release.price.rho)
    assert spent(ward) == [pytest.approx(total * 1e12, rel=1e-9)] * 2
    again = session.query(sql, within="5%")
    assert (again.rows, again.price.rho) == (release.rows, 0)


@pytest.mark.parametrize(
    ("item", "within"),
    [
        ("STDDEV(age)", 1),
        ("VAR_POP(age)", 20),
        (f"CORR(age, {MALE})", 0.05),
        ("CORR(age, age * age)", 0.1),
        (f"REGR_SLOPE(age, {MALE})", 1),
    ],
)
def test_statistics_within_an_amount(
    session: Session, item: str, within: float
) -> None:
    sql = f"SELECT {item} AS s FROM patients"
    release = session.query(sql, within=within)
    (bar,) = release.intervals()["s"]
    assert bar is not None
    assert bar.high - bar.low <= 2 * within
    assert release.notes[0].startswith("within ")


@pytest.mark.usefixtures("no_noise")  # rounds go by what was released
def test_a_statistic_costs_about_what_it_would_at_once(session: Session) -> None:
    """At most 1.6 times, the step of the last round, where intervals are straight."""
    sql = "SELECT VAR_POP(age) AS v, COUNT(*) AS n FROM patients"
    release = session.query(sql, within="3%")
    errors = [relative_error(release, name) for name in "vn"]
    assert 0.03 / 1.25 / 1.1 < max(errors) <= 0.03


def test_a_statistic_has_a_price_beforehand(session: Session) -> None:
    for item in MOMENTS:
        sql = f"SELECT {item} AS s FROM patients"
        (usual,) = session.price(sql, epsilon=50).expected
        assert usual.half_width is not None
        price = session.price(sql, within=usual.half_width / 2, max_epsilon=1000)
        (found,) = price.expected
        assert found.half_width == pytest.approx(usual.half_width / 2, rel=0.01), item
        assert session.price(sql, within="5%", max_epsilon=1000).rho > 0
        if item != "REGR_COUNT(age * age, age)":
            assert any("1,000 rows" in note for note in price.notes), item
    price = session.price(f"SELECT CORR(age, {MALE}) FROM patients", within=0.1)
    assert any("correlated by" in note for note in price.notes)


def test_computed_columns_are_as_exact_as_asked_for(ward: Service) -> None:
    session = ward.session("alice")
    for sql in (
        "SELECT SUM(age) / COUNT(*) AS m FROM patients",
        "SELECT COUNT(*) AS n, SQRT(SUM(age)) AS m FROM patients",
        "SELECT sex, 100 * STDDEV(age) / AVG(age) AS m FROM patients GROUP BY sex",
    ):
        release = session.query(sql, within="5%")
        assert relative_error(release, "m") <= 0.05
        assert release.notes[0].startswith("within ")


QUOTIENT = "SUM(age) / COUNT(*)"


def test_a_computed_column_has_an_error_beforehand(session: Session) -> None:
    sql = f"SELECT SUM(age) AS s, COUNT(*) AS n, {QUOTIENT} AS m FROM patients"
    total, count, quotient = session.price(sql, epsilon=50).expected
    assert quotient.assuming == "a group of 1,000 rows"
    assert total.half_width is not None
    assert count.half_width is not None
    # of values half way to the farther bound, by the delta method
    half = math.hypot(total.half_width, 60 * count.half_width) / 1000
    assert quotient.half_width == pytest.approx(half, rel=0.15)
    alone = session.price(f"SELECT {QUOTIENT} AS m FROM patients", epsilon=0.01)
    assert (alone.expected[0].half_width or 0) > 60  # it could be anything
    assert session.budget().spent.epsilon == 0


def test_an_expected_error_reads_no_row(
    ward: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = ward.session("alice")
    sql = (
        f"SELECT {QUOTIENT} AS m, STDDEV(age) AS d, CORR(age, age * age) AS c "
        "FROM patients"
    )
    share = "SELECT sex, COUNT(*) / SUM(COUNT(*)) OVER () AS m FROM patients GROUP BY 1"
    session.price(sql)  # what the engine says of types is known then
    monkeypatch.setattr(ward.backends.engine, "execute", None)
    for each in (sql, share):
        assert session.price(each, epsilon=0.7).rho > 0
        assert session.price(each, within="7%").rho > 0


@pytest.mark.parametrize("beside", ["", "COUNT(*) AS n, "])
@pytest.mark.parametrize("within", ["1%", 0.5])
def test_a_computed_column_has_a_price_beforehand(
    session: Session, beside: str, within: float | str
) -> None:
    sql = f"SELECT {beside}{QUOTIENT} AS m FROM patients"
    price = session.price(sql, within=within)
    *_, quotient = price.expected
    wanted = 0.5 if within == 0.5 else 60 * 0.01 / 1.01
    assert quotient.half_width is not None
    if beside and within == 0.5:  # a count within half a row needs more than that
        assert quotient.half_width <= 1.05 * wanted
    else:
        assert quotient.half_width == pytest.approx(wanted, rel=0.05)
    assert price.notes[0].startswith("an estimate, for a group of 1,000 rows")


def test_what_one_group_does_not_say_is_known_with_the_answer(
    session: Session,
) -> None:
    share = "100.0 * COUNT(*) / SUM(COUNT(*)) OVER ()"
    sql = f"SELECT sex, {share} AS m FROM patients GROUP BY sex"
    price = session.price(sql, within="5%", max_epsilon=3)
    assert "'m' is known with the answer only: this is the most" in price.notes[0]
    assert price.epsilon == pytest.approx(3, rel=1e-6)
    assert [(each.column, each.half_width) for each in price.expected] == [("m", None)]
    release = session.query(sql, within="5%", max_epsilon=300)
    assert release.notes[0].startswith("within ")
    assert release.price.epsilon < 100


@pytest.mark.parametrize(
    "item",
    [
        "CASE WHEN COUNT(*) > 1000000 THEN 'many' END",
        "CASE WHEN COUNT(*) > 0 THEN 'some' ELSE 'none' END",
        "CAST(COUNT(*) AS VARCHAR)",
    ],
)
def test_what_is_no_number_is_not_paid_for(session: Session, item: str) -> None:
    beside = session.query(f"SELECT COUNT(*) AS n, {item} AS m FROM patients", within=9)
    assert beside.notes[0].startswith("within ")
    assert beside.price.epsilon < 1.1
    alone = session.query(f"SELECT {item} AS m FROM patients", within=9)
    assert "interval to go by" in alone.notes[0]
    assert alone.price.rho == 0  # the count is known better


@pytest.mark.parametrize("item", ["ABS(COUNT(*) - 10)", "COALESCE(COUNT(*), 0) / 2"])
def test_what_may_have_a_kink_is_steered_too(session: Session, item: str) -> None:
    release = session.query(
        f"SELECT COUNT(*) AS n, {item} AS m FROM patients", within=9
    )
    for bars in release.intervals().values():
        assert all(bar.high - bar.low <= 18 for bar in bars if bar)
    assert release.notes[0].startswith("within ")


def test_a_limit_holds_for_statistics(session: Session) -> None:
    release = session.query(
        "SELECT sex, VAR_POP(age) AS v FROM patients GROUP BY sex",
        within="0.1%",
        max_epsilon=0.5,
    )
    assert release.price.epsilon <= 0.5
    assert release.notes[0].startswith("not within 0.1 %: stopped")


def test_what_has_no_interval_is_not_paid_for(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "MOST_STATISTICS", 1)
    release = session.query("SELECT STDDEV(age) AS s FROM patients", within="5%")
    assert "1 value has no interval to go by" in release.notes[0]
    assert release.price.epsilon < 10


def test_values_that_are_chosen_say_why_not(session: Session) -> None:
    for item in ("MEDIAN(age)", "MIN(age)", "MAX(age)", "QUANTILE_CONT(age, 0.9)"):
        with pytest.raises(QueryRefused) as found:
            session.query(f"SELECT {item} AS m FROM patients", within="5%")
        assert found.value.code == "DPQ142"
        assert "'m' is chosen by its rank" in found.value.message
        assert found.value.hint is not None
        assert "epsilon=0.5" in found.value.hint
    session.query("SELECT MEDIAN(age) AS m FROM patients", epsilon=0.5)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"within": 0}, "DPQ417"),
        ({"within": -1}, "DPQ417"),
        ({"within": "100%"}, "DPQ417"),
        ({"within": "five"}, "DPQ417"),
        ({"within": math.nan}, "DPQ417"),
        ({"within": True}, "DPQ417"),
        ({"within": 5, "epsilon": 1}, "DPQ418"),
        ({"max_epsilon": 1}, "DPQ418"),
        ({"confidence": 0.9}, "DPQ418"),
        ({"within": 5, "confidence": 1}, "DPQ402"),
        ({"within": 5, "max_epsilon": 0}, "DPQ401"),
    ],
)
def test_options_that_make_no_sense(
    session: Session, options: dict[str, float | str], code: str
) -> None:
    for ask in (session.query, session.price):
        with pytest.raises(ConfigError) as found:
            ask(COUNT, **options)  # type: ignore[arg-type]
        assert found.value.code == code
    assert session.budget().spent.epsilon == 0


def test_an_earlier_answer_is_not_asked_for_by_accuracy(session: Session) -> None:
    with pytest.raises(ConfigError) as found:
        session.query(COUNT, within=5, as_of="last")
    assert found.value.code == "DPQ418"


def test_an_expected_average_says_what_it_assumes(session: Session) -> None:
    sql = "SELECT COUNT(*) AS n, AVG(age) AS a FROM patients"
    count, average = session.price(sql, epsilon=1).expected
    assert count.assuming is None
    assert average.assuming == "a group of 1,000 rows"
    assert average.half_width is not None
    better = session.price(sql, epsilon=5).expected[1].half_width
    assert better is not None
    assert 0 < better < average.half_width < 120
    notes = session.price(sql, within="5%").notes
    assert any("1,000 rows" in note for note in notes)


def test_half_of_the_errors_are_within_a_target_at_one_half(session: Session) -> None:
    sql = "SELECT age, COUNT(*) AS n FROM patients GROUP BY age"
    release = session.query(sql, within=25, confidence=0.5)
    truth = dict.fromkeys(range(121), 0)
    for patient in range(300):
        truth[20 + patient % 70] += 1
    errors = [abs(count - truth[int(age)]) for age, count in release.rows]
    assert len(errors) == 121
    hits = sum(error <= 25 for error in errors)
    # beyond: 1e-9 of 121 fair coins, on either side (exact binomial tails)
    assert 27 < hits < 94
