"""Replicates of released cells: the same post-processing, with other noise."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

import pytest

from dpquery.kernel.ends import ends_of
from dpquery.kernel.estimates import value
from dpquery.kernel.readings import Group, Noisy
from dpquery.kernel.redraw import Redraw
from dpquery.noise.calibration import Additive, Law

from .conftest import EXACT, TERMS

if TYPE_CHECKING:
    import duckdb

    from .conftest import Measure, Price

ITEMS = [
    "COUNT(*)",
    "SUM(amount)",
    "AVG(amount)",
    "VAR_SAMP(amount)",
    "STDDEV_POP(amount)",
    "CORR(amount, order_id % 7)",
    "REGR_SLOPE(amount, order_id % 7)",
    "BOOL_OR(amount > 5)",
    "BOOL_AND(amount > 5)",
    "MEDIAN(amount)",
]


@pytest.mark.usefixtures("no_noise")
@pytest.mark.parametrize("item", ITEMS)
def test_without_noise_replicates_are_the_released_cell(
    item: str, price: Price, measure: Measure, orders: duckdb.DuckDBPyConnection
) -> None:
    orders.execute(
        "INSERT INTO orders (order_id, customer_id, amount) SELECT n, n, 3 + n % 11"
        " FROM range(50) AS r(n)"
    )
    sql = f"SELECT {item} FROM orders"
    (group,) = measure(sql)
    silent = Additive(Law.GAUSSIAN, 1, 1e-9)
    quiet = {
        moment: Noisy(
            tuple((c, replace(reading, noise=silent)) for c, reading in noisy.terms)
        )
        for moment, noisy in group.readings.items()
    }
    (step,) = price(sql, EXACT).steps
    (column,) = step.step.columns
    group = Group(group.keys, quiet, group.chosen)
    shown = value(column, group.readings, group.chosen)
    assert shown is not None
    ends = ends_of(step, column, group)
    for each in Redraw.of([[group]], 5).cells(column, group, ends):
        if item.startswith("MEDIAN"):  # one row on either side
            assert abs(each - shown) <= 1
        elif isinstance(shown, float):
            assert each == pytest.approx(shown, rel=1e-9)
        else:
            assert each == shown
            assert type(each) is type(shown)


@pytest.mark.parametrize("law", Law)
def test_replicates_have_the_law_of_the_noise(price: Price, law: Law) -> None:
    (step,) = price("SELECT COUNT(*) FROM orders", TERMS).steps
    (column,) = step.step.columns
    moment = step.step.moments[0].moment
    noise = Additive(law, 1, 50.0)
    group = Group((), {moment: Noisy.of(5000, noise, 1)})
    drawn = Redraw.of([[group]], 4000).moment(moment, group)
    assert fmean(drawn) == pytest.approx(5000, abs=6.2 * noise.std / math.sqrt(4000))
    assert pstdev(drawn) == pytest.approx(noise.std, rel=0.15)
    assert all(
        isinstance(each, int) for each in Redraw.of([[group]], 9).cells(column, group)
    )


def test_what_was_read_once_is_drawn_once(price: Price) -> None:
    """Two releases made of one earlier measurement have the same noise."""
    (step,) = price("SELECT COUNT(*) FROM orders", TERMS).steps
    moment = step.step.moments[0].moment
    noise = Additive(Law.GAUSSIAN, 1, 50.0)

    def group(origin: tuple[object, ...] | None) -> Group:
        return Group((), {moment: Noisy.of(70, noise, 1, origin)})

    one, same, other = group(("m1", (), 0)), group(("m1", (), 0)), group(("m2", (), 0))
    fresh = group(None)
    redraw = Redraw.of([[one], [same], [other], [fresh]], 20)
    assert redraw.moment(moment, one) == redraw.moment(moment, same)
    assert redraw.moment(moment, one) != redraw.moment(moment, other)
    assert redraw.moment(moment, one) != redraw.moment(moment, fresh)


def test_the_same_answer_has_the_same_replicates(price: Price) -> None:
    (step,) = price("SELECT COUNT(*) FROM orders", TERMS).steps
    moment = step.step.moments[0].moment

    def drawn(count: int) -> list[float]:
        noisy = Noisy.of(count, Additive(Law.GAUSSIAN, 1, 50.0), 1)
        group = Group((), {moment: noisy})
        return [each - count for each in Redraw.of([[group]], 9).moment(moment, group)]

    assert drawn(70) == drawn(70)
    assert drawn(70) != drawn(71)


def test_a_variance_that_noise_has_made_negative_is_drawn_around_zero(
    price: Price,
) -> None:
    (step,) = price("SELECT VAR_POP(amount) FROM orders", TERMS).steps
    (column,) = step.step.columns
    readings = {}
    for bounded in step.step.moments:
        steps, noise = step.noise_of(bounded.moment)
        readings[bounded.moment] = Noisy.of(round(20 * noise.std), noise, steps)
    square = column.estimator.square  # type: ignore[union-attr]
    steps, noise = step.noise_of(square)
    readings[square] = Noisy.of(round(-1000 * noise.std), noise, steps)
    group = Group((), readings)
    assert value(column, readings, {}) == 0.0
    drawn = Redraw.of([[group]], 99).cells(column, group)
    assert 20 < sum(each > 0 for each in drawn) < 80
