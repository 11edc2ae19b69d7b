"""Aggregates into moments: what is measured, and that nothing is measured twice."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused
from dpquery.plan.aggregates import (
    AnyEstimator,
    DistinctTotal,
    DistinctValues,
    LinearEstimator,
    Present,
    Product,
    RankKind,
    RatioEstimator,
    Rows,
    Square,
    Total,
    Units,
    expression_of,
)
from dpquery.plan.analysis.privacy_unit import own
from dpquery.plan.render import expression_text
from dpquery.plan.rewrite.bound_contributions import MOST_BINS
from dpquery.plan.rewrite.clamp_inputs import STEPS_LIMIT, STEPS_WANTED, inputs_of
from dpquery.plan.rewrite.decompose_aggregates import decompose_aggregates, of_ratios
from dpquery.policy.catalog import SqlType
from dpquery.sql.queries.bind import bind

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.aggregates import Moment
    from dpquery.plan.program import ReleaseStep
    from dpquery.policy.catalog import Catalog

    Compile = Callable[[str], ReleaseStep]


BOTH = [Present, Rows]
PAIR = (Present, Total, Total, Square, Square, Product)


def moments(step: ReleaseStep) -> list[Moment]:
    return [bounded.moment for bounded in step.moments]


def kinds(step: ReleaseStep) -> list[type]:
    return [type(each) for each in moments(step)]


@pytest.mark.parametrize(
    ("items", "measured"),
    [
        ("COUNT(*)", [Rows]),
        ("COUNT(*), COUNT(1), COUNT(*) + 1", [Rows]),
        ("COUNT(amount)", [Present]),
        ("COUNT_IF(express), COUNT(*) FILTER (WHERE express)", [Rows]),
        ("COUNT(CASE WHEN express THEN 1 END)", [Rows]),
        ("COUNT(DISTINCT customer_id)", [Units]),
        ("COUNT(DISTINCT CASE WHEN express THEN customer_id END)", [Units]),
        ("SUM(amount)", [Total]),
        ("SUM(amount), SUM(amount) / 2", [Total]),
        ("SUM(amount), SUM(amount + 1)", [Total, Total]),
        ("AVG(amount)", [Present, Total]),
        ("AVG(amount), SUM(amount), COUNT(amount)", [Present, Total]),
        ("SUM(amount), AVG(amount)", [Total, Present]),
        ("AVG(amount), COUNT(*)", [Present, Total, Rows]),
        ("AVG(amount), AVG(order_id % 7)", [Present, Total, Present, Total]),
        ("VAR_POP(amount)", [Present, Total, Square]),
        ("AVG(amount), STDDEV(amount), VAR_SAMP(amount)", [Present, Total, Square]),
        ("COVAR_POP(amount, order_id % 7)", [*PAIR]),
        ("CORR(amount, order_id % 7), REGR_R2(amount, order_id % 7)", [*PAIR]),
        ("REGR_COUNT(amount, order_id % 7)", [Present]),
        ("REGR_AVGX(amount, order_id % 7)", [Present, Total]),
        (
            "REGR_AVGX(amount, order_id % 7), REGR_AVGY(amount, order_id % 7)",
            [Present, Total, Total],
        ),
        ("MEDIAN(amount)", [Units]),
        ("MEDIAN(amount), MIN(amount), QUANTILE_DISC(amount, 0.9)", [Units]),
        ("BOOL_OR(express)", [Rows]),
        ("COUNT(DISTINCT status)", []),
    ],
)
def test_moments(compile_step: Compile, items: str, measured: list[type]) -> None:
    sql = f"SELECT {items} FROM orders GROUP BY express"
    assert kinds(compile_step(sql)) == measured


@pytest.mark.parametrize(
    ("item", "known"),
    [
        ("SUM(amount)", "NOT (orders.amount IS NULL)"),
        ("BOOL_AND(express)", "NOT (NOT (orders.express) IS NULL)"),
    ],
)
def test_one_group_of_all_rows_may_be_of_none(
    compile_step: Compile, item: str, known: str
) -> None:
    """SQL's sum of nothing is NULL: units with a value are counted, for little."""
    step = compile_step(f"SELECT {item} FROM orders")
    presence = moments(step)[-1]
    assert isinstance(presence, Units)
    assert presence.where is not None
    assert expression_text(presence.where) == known
    estimator = step.columns[0].estimator
    assert isinstance(estimator, LinearEstimator | AnyEstimator)
    assert estimator.presence == presence


@pytest.mark.parametrize(
    ("item", "values", "with_null"),
    [
        ("COUNT(DISTINCT status)", ["orders.status"], False),
        ("COUNT(DISTINCT (status, kind))", ["orders.status", "orders.kind"], False),
        ("SUM(DISTINCT amount)", ["orders.amount"], False),
    ],
)
def test_unions_are_apart_from_sums(
    compile_step: Compile, item: str, values: list[str], *, with_null: bool
) -> None:
    step = compile_step(f"SELECT {item} FROM orders GROUP BY express")
    assert step.moments == ()
    (bounded,) = step.distinct
    moment = bounded.moment
    of = moment.values if isinstance(moment, DistinctValues) else (moment.value,)
    assert [expression_text(expression_of(each)) for each in of] == values
    assert getattr(moment, "with_null", False) is with_null


def test_an_average_of_different_values_is_of_two_unions(compile_step: Compile) -> None:
    step = compile_step("SELECT AVG(DISTINCT amount) FROM orders")
    kinds_ = [type(bounded.moment) for bounded in step.distinct]
    assert kinds_ == [DistinctValues, DistinctTotal]
    total = step.distinct[1].moment
    assert isinstance(total, DistinctTotal)
    assert total.value.reach == 100_000  # centred: half of the bounds, in cents


def test_what_is_chosen_by_rank_shares_one_histogram(compile_step: Compile) -> None:
    step = compile_step(
        "SELECT MEDIAN(amount), MAX(amount), QUANTILE_CONT(amount, 0.5),"
        " QUANTILE_DISC(amount, 0.25), MIN(placed_on) FROM orders"
    )
    money, dates = step.rankings
    kinds_ = [(each.kind, each.fraction) for each in money.targets]
    assert kinds_ == [
        (RankKind.QUANTILE, Fraction(1, 2)),
        (RankKind.HIGHEST, None),
        (RankKind.QUANTILE, Fraction(1, 4)),
        # the ends of their intervals
        (RankKind.BELOW, Fraction(1, 2)),
        (RankKind.ABOVE, Fraction(1, 2)),
        (RankKind.BELOW, Fraction(1, 4)),
        (RankKind.ABOVE, Fraction(1, 4)),
    ]
    assert [each.kind for each in dates.targets] == [RankKind.LOWEST]
    assert (money.bins, dates.bins) == (200_001, 370)  # a bin for each step
    types = [column.type for column in step.columns]
    assert types == [SqlType.DOUBLE] * 3 + [SqlType.DATE]  # equal ones are one


def test_a_histogram_has_at_most_a_million_bins(compile_step: Compile) -> None:
    (ranking,) = compile_step("SELECT MEDIAN(income) FROM customers").rankings
    assert ranking.value.high - ranking.value.low > MOST_BINS == ranking.bins


def test_withheld_groups_are_decided_on_units(compile_step: Compile) -> None:
    step = compile_step("SELECT note, SUM(amount) FROM orders GROUP BY note")
    assert kinds(step) == [Units, Total]
    units = "SELECT note, COUNT(DISTINCT customer_id) FROM orders GROUP BY note"
    assert kinds(compile_step(units)) == [Units]


def test_a_key_alone_measures_units(compile_step: Compile) -> None:
    assert kinds(compile_step("SELECT status FROM orders GROUP BY status")) == [Units]


@pytest.mark.parametrize(
    ("items", "rows", "measured"),
    [
        ("COUNT(amount), COUNT(*)", "orders WHERE amount > 1", [Rows]),
        ("COUNT(amount), COUNT(*)", "orders WHERE amount > 1 OR express", BOTH),
        ("COUNT(amount), AVG(amount)", "orders WHERE amount > 1", [Present, Total]),
        ("MEDIAN(amount)", "orders WHERE amount < 9 GROUP BY note", [Units]),
    ],
)
def test_values_that_no_row_lacks_are_counted_as_rows(
    compile_step: Compile, items: str, rows: str, measured: list[type]
) -> None:
    """But a mean's own count is scaled with its sum, and stays apart."""
    step = compile_step(f"SELECT {items} FROM {rows}")
    assert kinds(step) == measured


@pytest.mark.parametrize(
    ("items", "ratios"),
    [
        ("AVG(amount)", [Present, Total]),
        ("AVG(amount), SUM(amount)", []),
        ("AVG(amount), COUNT(amount)", [Total]),
        ("STDDEV(amount), COUNT(*)", [Present, Total, Square]),
        ("CORR(amount, order_id)", [*PAIR]),
        ("REGR_SXX(amount, order_id)", []),
        ("MEDIAN(amount)", []),
    ],
)
def test_of_what_only_means_are_made(
    shop: Catalog, items: str, ratios: list[type]
) -> None:
    where = "amount BETWEEN 1 AND 9 AND order_id BETWEEN 1 AND 9"
    query = bind(f"SELECT {items} FROM orders WHERE {where}", shop).boundaries[0]
    inputs = inputs_of(own(query.source, shop).relation)
    made = decompose_aggregates(query.aggregates, inputs, grouped=False)
    found = [type(each) for each in made.moments if each in of_ratios(made)]
    assert found == ratios


def test_an_average_and_its_sum_are_made_of_one_centred_sum(
    compile_step: Compile,
) -> None:
    step = compile_step(
        "SELECT AVG(amount), SUM(amount), COUNT(amount) FROM orders"
        " WHERE amount BETWEEN 100 AND 300 GROUP BY express"
    )
    count, total = moments(step)
    assert isinstance(total, Total)
    value = total.value
    assert (value.low, value.high, value.centre) == (10_000, 30_000, 20_000)
    assert value.reach == 10_000
    average, added, counted = (column.estimator for column in step.columns)
    assert average == RatioEstimator(total, Present(value))
    assert added == LinearEstimator(
        ((Fraction(1, 100), total), (Fraction(200), count)), integer=False
    )
    assert counted == LinearEstimator(((Fraction(1), count),), integer=True)


def test_a_sum_alone_is_not_centred(compile_step: Compile) -> None:
    where = "WHERE amount BETWEEN 1 AND 3 GROUP BY express"
    (total,) = moments(compile_step(f"SELECT SUM(amount) FROM orders {where}"))
    assert isinstance(total, Total)
    assert (total.value.low, total.value.high, total.value.centre) == (100, 300, 0)


def test_an_average_is_scaled_by_one_factor(compile_step: Compile) -> None:
    step = compile_step("SELECT status, AVG(amount), COUNT(*) FROM orders GROUP BY 1")
    count, total, rows = step.moments
    assert count.bundle == total.bundle != rows.bundle


@pytest.mark.parametrize(
    ("argument", "type_"),
    [
        ("order_id % 7", SqlType.INTEGER),
        ("express", SqlType.INTEGER),
        ("CASE WHEN express THEN 1 END", SqlType.INTEGER),
        ("amount", SqlType.DOUBLE),
        ("amount / 7", SqlType.DOUBLE),
    ],
)
def test_sums_of_whole_numbers_are_whole(
    compile_step: Compile, argument: str, type_: SqlType
) -> None:
    step = compile_step(f"SELECT SUM({argument}), AVG({argument}) FROM orders")
    assert [column.type for column in step.columns] == [type_, SqlType.DOUBLE]


# --- the grid ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "table", "grid"),
    [
        ("amount", "orders", Fraction(1, 100)),  # the policy's
        ("birth_year", "customers", Fraction(1)),
        ("amount * 0.5", "orders", Fraction(1, 1000)),  # its own digits
        ("amount + 1", "orders", Fraction(1, 100)),
        ("income", "customers", Fraction(1, 1000)),  # 10^8 steps
        ("reading", "sensors", Fraction(1, 10**8)),
        ("income * 1000000000000", "customers", Fraction(10**5)),  # merged
    ],
)
def test_grids(
    compile_step: Compile, argument: str, table: str, grid: Fraction
) -> None:
    total, _ = moments(compile_step(f"SELECT SUM({argument}) FROM {table}"))
    assert isinstance(total, Total)
    assert total.value.grid == grid
    assert total.value.reach <= STEPS_LIMIT
    if argument in {"income", "reading"}:
        assert total.value.reach >= STEPS_WANTED


def test_bounds_are_rounded_outward(compile_step: Compile) -> None:
    where = "birth_year BETWEEN 1950.5 AND 1960.5"
    sql = f"SELECT SUM(birth_year) FROM customers WHERE {where}"
    total, _ = moments(compile_step(sql))
    assert isinstance(total, Total)
    assert (total.value.low, total.value.high) == (1950, 1961)


@pytest.mark.parametrize(
    "item",
    [
        "SUM(order_id)",
        "AVG(amount * order_id)",
        "SUM(CAST(note AS DOUBLE))",
        "SUM(LENGTH(note))",
        "AVG(amount / order_id)",
        "SUM(CASE WHEN express THEN order_id ELSE 0 END)",
        "SUM(COALESCE(order_id, 0))",
    ],
)
def test_sums_without_bounds_are_refused(compile_step: Compile, item: str) -> None:
    with pytest.raises(QueryRefused) as refusal:
        compile_step(f"SELECT\n  {item}\nFROM orders")
    assert refusal.value.code == "DPQ120"
    assert refusal.value.position == (2, 3)


def test_a_count_of_a_value_needs_no_bounds(compile_step: Compile) -> None:
    assert kinds(compile_step("SELECT COUNT(order_id) FROM orders")) == [Present]
