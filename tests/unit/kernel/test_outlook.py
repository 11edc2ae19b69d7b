"""How exact an answer will be, of assumed values, and in ranks."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.accounting.accountant import Promise
from dpquery.kernel.assumed import assumed_errors
from dpquery.kernel.outlook import assumed_value, expected, half_width
from dpquery.kernel.redraw import Current, Drawn
from dpquery.kernel.spreads import pair_value
from dpquery.kernel.typical import CORRELATIONS, MEANS, typical
from dpquery.noise.choice import rank_error
from dpquery.noise.intervals import interval
from dpquery.noise.sampled import sampled
from dpquery.plan.aggregates import PairEstimator, PairKind
from dpquery.plan.rewrite.decompose_aggregates import moments_of

from .conftest import PURE, TERMS

if TYPE_CHECKING:
    from dpquery.kernel.prepare import Prepared, Terms

    from .conftest import Price

AMPLE = replace(TERMS, promise=Promise(1e4, 1e-6), epsilon=100.0, max_epsilon=1e4)
PAIRS = [kind for kind in PairKind if kind.value[5:] not in {"COUNT", "AVGX", "AVGY"}]


def pair_of(prepared: Prepared) -> PairEstimator:
    (step,) = prepared.steps
    (column,) = step.step.columns
    assert isinstance(column.estimator, PairEstimator)
    return column.estimator


@pytest.mark.parametrize("kind", PAIRS)
def test_a_pair_is_as_exact_as_replicates_of_typical_values_say(
    price: Price, kind: PairKind
) -> None:
    """The delta method, against many draws of the noise, in the mean over cases."""
    prepared = price(f"SELECT {kind}(amount, order_id % 50) AS c FROM orders", AMPLE)
    (step,), estimator, chance = prepared.steps, pair_of(prepared), Random(1)  # noqa: S311 -- no secret
    (found,) = expected(prepared)
    assert found.assuming is not None
    assert found.assuming.startswith("a group of 1,000 rows, normal")
    assert found.half_width is not None
    names, squares = moments_of(estimator), []
    y, x = estimator.total_y.value.reach, estimator.total_x.value.reach
    deviations = []
    for name in names:
        steps, noise = step.noise_of(name)
        deviations.append(noise.std / steps)
    cases = [(a, b, r) for a in MEANS[::2] for b in MEANS[::2] for r in CORRELATIONS]
    for a, b, r in cases:
        moments = [
            1000.0,
            1000 * a * y,
            1000 * b * x,
            1000 * ((a * y) ** 2 + y * y / 9 - estimator.square_y.centre),
            1000 * ((b * x) ** 2 + x * x / 9 - estimator.square_x.centre),
            1000 * (a * y * b * x + r * y * x / 9),
        ]
        bar = sampled(drawn(estimator, moments, deviations, chance))
        assert bar is not None
        low, high = interval(bar, 0.95)
        squares.append(((high - low) / 2) ** 2)
    root = math.sqrt(sum(squares) / len(squares))
    assert found.half_width == pytest.approx(root, rel=0.2)


def drawn(
    estimator: PairEstimator,
    moments: list[float],
    deviations: list[float],
    chance: Random,
) -> list[float | None]:
    """Return a statistic of moments with many draws of their noise."""
    found = []
    for _ in range(199):
        current: Any = Current(
            {
                id(name): Drawn(chance.gauss(value, deviation), 0.0, 0.0)
                for name, value, deviation in zip(
                    moments_of(estimator), moments, deviations, strict=True
                )
            }
        )
        found.append(pair_value(estimator, current))
    return found


def test_what_noise_would_make_null_is_open(price: Price) -> None:
    sql = "SELECT CORR(amount, order_id % 50) AS c FROM orders"
    (found,) = expected(price(sql, replace(TERMS, epsilon=1e-3)))
    assert found.half_width == math.inf
    (found,) = expected(price(sql, AMPLE))
    assert found.half_width is not None
    assert found.half_width < 1


def test_the_sizes_that_are_assumed(price: Price) -> None:
    both = math.hypot(0.3, 0.7) / math.sqrt(2)
    for kind, size in (
        (PairKind.CORR, both),
        (PairKind.REGR_R2, math.sqrt((0.3**4 + 0.7**4) / 2)),
    ):
        prepared = price(f"SELECT {kind}(amount, order_id % 50) AS c FROM orders")
        step = prepared.steps[0]
        assert typical(pair_of(prepared), 1000).size == pytest.approx(size)
        (column,) = step.step.columns
        assert assumed_value(step, column) == pytest.approx(size)
    (step,) = price(
        "SELECT VAR_POP(amount) AS v, STDDEV_POP(amount) AS d FROM orders"
    ).steps
    variance, deviation = (assumed_value(step, each) for each in step.step.columns)
    assert variance == pytest.approx(deviation**2)


def test_a_column_beside_itself_is_one_measurement(price: Price) -> None:
    (found,) = expected(price("SELECT CORR(amount, amount) AS c FROM orders", AMPLE))
    assert found.half_width is not None
    assert 0 < found.half_width < 1


# --- ranks ------------------------------------------------------------------------


@pytest.mark.parametrize("terms", [AMPLE, PURE])
@pytest.mark.parametrize(
    "item",
    [
        "MEDIAN(amount)",
        "QUANTILE_CONT(amount, 0.9)",
        "MIN(amount)",
        "MAX(order_id % 7)",  # few values, and one choice
    ],
)
def test_a_choice_is_off_by_so_many_rows(price: Price, item: str, terms: Terms) -> None:
    (found,) = expected(price(f"SELECT {item} AS m FROM orders", terms))
    assert found.half_width is None
    assert found.rank_error is not None
    assert found.rank_error > 0
    assert found.assuming is not None
    assert "evenly" in found.assuming


def test_the_rank_error_of_a_median_is_three_scales(price: Price) -> None:
    prepared = price("SELECT MEDIAN(order_id % 50) AS m FROM orders")
    (step,) = prepared.steps
    choice = step.choices[0]
    ((level, _),) = choice.levels
    rows = level.scale / choice.units(step.step.rankings[choice.ranking])
    (found,) = expected(prepared)
    assert found.rank_error == pytest.approx(rows * math.log(20))
    # and no more than what holds whatever the values are
    worst = rank_error(level, 50, 0.05) / choice.units(step.step.rankings[0])
    assert found.rank_error < worst


def test_rank_errors_fall_with_what_is_paid(price: Price) -> None:
    for items in ("MEDIAN(amount)", "MIN(amount)", quantiles("0.25", "0.5", "0.75")):
        little, much = (
            expected(price(f"SELECT {items} FROM orders", terms))
            for terms in (TERMS, replace(TERMS, epsilon=0.8))
        )
        for one, other in zip(little, much, strict=True):
            assert one.rank_error is not None
            assert other.rank_error is not None
            assert one.rank_error / other.rank_error == pytest.approx(4, rel=0.1)


def quantiles(*fractions: str) -> str:
    return ", ".join(f"QUANTILE_DISC(amount, {each})" for each in fractions)


def test_of_several_quantiles_later_ones_inherit_errors(price: Price) -> None:
    found = expected(
        price(f"SELECT {quantiles('0.25', '0.5', '0.75')} FROM orders", AMPLE)
    )
    low, middle, high = (each.rank_error for each in found)
    assert low is not None
    assert middle is not None
    assert high is not None
    assert middle < min(low, high)
    assert low == pytest.approx(high)


def test_other_columns_have_no_rank(price: Price) -> None:
    prepared = price("SELECT COUNT(*) AS n, AVG(amount) AS a FROM orders")
    assert [each.rank_error for each in expected(prepared)] == [None, None]
    (step,) = price("SELECT MEDIAN(amount) AS m FROM orders").steps
    assert half_width(step, step.step.columns[0], 0.95) is None


# --- computed columns ---------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        (
            "SELECT a.n / p.list_price AS m FROM (SELECT COUNT(*) AS n FROM orders)"
            " AS a CROSS JOIN products AS p"
        ),
        "SELECT MEDIAN(amount) / COUNT(*) AS m FROM orders",
        "SELECT COUNT(*) AS n FROM orders",
    ],
)
def test_no_error_is_assumed_where_a_row_would_have_to_be_read(
    price: Price, sql: str
) -> None:
    nothing: Any = None  # nor anything run
    assert assumed_errors(price(sql), 0.95, nothing) == {}
