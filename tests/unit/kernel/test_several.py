"""Several quantiles at once: exact without noise, in order, and no more costly."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpquery.accounting.accountant import Promise, loss_of_events
from dpquery.kernel.pricing import CANDIDATES, PricedStep
from dpquery.kernel.ranked import ranked_together
from dpquery.kernel.several import (
    DIVISIONS,
    UNITS,
    Cut,
    Part,
    PricedQuantiles,
    Step,
    factor,
    parts_of,
    tree,
)
from dpquery.noise.choice import rank_error
from dpquery.noise.ranks import HALVES, quantile_penalties
from dpquery.plan.aggregates import RankKind, RankTarget

from .conftest import PURE, TERMS
from .test_ranked import cents, fill

if TYPE_CHECKING:
    import duckdb

    from .conftest import Price, Rows

    Released = Callable[..., Rows]

LARGE = replace(TERMS, promise=Promise(50.0, 1e-6), epsilon=10.0, max_epsilon=50.0)
DECILES = [f"0.{at}" for at in range(1, 10)]


def asked(fractions: list[str], of: str = "amount") -> str:
    return ", ".join(f"QUANTILE_DISC({of}, {each})" for each in fractions)


@pytest.mark.usefixtures("no_noise")
@pytest.mark.parametrize("fractions", [["0.25", "0.5", "0.75"], DECILES])
@settings(
    derandomize=True,
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(amounts=st.lists(cents | st.sampled_from([1.0, 2.0]), min_size=1, max_size=20))
def test_the_values_of_plain_sql(
    orders: duckdb.DuckDBPyConnection,
    released: Released,
    fractions: list[str],
    amounts: list[float | None],
) -> None:
    """Also where many rows have one value, which is then divided."""
    fill(orders, amounts)
    sql = f"SELECT {asked(fractions)} FROM orders"
    (expected,) = orders.execute(sql).fetchall()
    (found,) = released(sql)
    assert found == tuple(None if e is None else float(e) for e in expected)


def test_answers_are_in_order(
    orders: duckdb.DuckDBPyConnection, released: Released
) -> None:
    """At a small ε, with real noise, in groups with rows and without."""
    fill(orders, [float(at % 7) for at in range(40)])
    orders.execute("UPDATE orders SET express = (order_id < 20)")
    sql = f"SELECT {asked(DECILES)} FROM orders GROUP BY express = true"
    for _ in range(3):
        for row in released(f"SELECT {asked(DECILES)} FROM orders", TERMS):
            known = [each for each in row if each is not None]
            assert known == sorted(known)
    assert released(sql)


def test_what_the_tree_looks_like() -> None:
    targets = [RankTarget(RankKind.QUANTILE, Fraction(at, 10)) for at in range(1, 10)]
    depths = tree(targets)
    assert [len(steps) for steps in depths] == [1, 2, 4, 2]
    assert sorted(step.at for steps in depths for step in steps) == list(range(9))
    (middle,), (left, right) = depths[0], depths[1]
    assert (middle.at, middle.after, middle.before) == (4, None, None)
    assert (left.after, left.before, right.after, right.before) == (None, 4, 4, None)
    aim = Fraction(left.aim.numerator, left.aim.denominator)
    assert aim == Fraction(targets[left.at].fraction or 0) / Fraction(1, 2)
    for steps in depths[1:]:
        done = {s.at for earlier in depths[: depths.index(steps)] for s in earlier}
        assert {at for s in steps for at in (s.after, s.before)} - {None} <= done


def together_of(step: PricedStep) -> PricedQuantiles:
    """Return what is chosen together; the ends of intervals are chosen apart."""
    (found,) = (c for c in step.choices if isinstance(c, PricedQuantiles))
    return found


@pytest.mark.parametrize("terms", [TERMS, PURE])
@pytest.mark.parametrize("value", ["amount", "order_id % 100"])
def test_one_choice_a_depth_and_kind(price: Price, value: str, terms: object) -> None:
    sql = f"SELECT {asked(DECILES, value)} FROM orders"
    (step,) = price(sql, terms).steps
    choice = together_of(step)
    kinds = 3 if value == "amount" else 2
    assert len(choice.levels) == kinds * 4 - 1  # the last depth divides nothing
    events = [event for event in step.events() if "Noise" not in type(event).__name__]
    levels = [each for one in step.choices for each in one.levels]
    assert len(events) == len(levels)
    spent = sum(loss.amount for _, loss in levels)
    definition = choice.levels[0][1].definition
    assert loss_of_events(events, definition).amount <= spent
    sensitivity = step.step.rankings[0].sensitivity
    for steps, depth in zip(tree(choice.targets), choice.depths, strict=True):
        least = max(
            HALVES * max(s.aim.numerator, s.aim.denominator - s.aim.numerator)
            for s in steps
        )
        for made, _ in depth.all:
            assert made.sensitivity == least * UNITS * DIVISIONS * sensitivity


@pytest.mark.parametrize(
    ("items", "alone"),
    [
        (asked(["0.25", "0.75"]), 2),
        (f"{asked(['0.25', '0.5', '0.75'])}, MIN(amount)", 1),
        (asked(["0.25", "0.5"]) + ", MEDIAN(order_id % 100)", 3),
        (asked(["0.00010027", "0.00010001", "0.75"]), 3),
    ],
)
def test_others_are_chosen_alone(price: Price, items: str, alone: int) -> None:
    """Two, ends, those of another value, and those of no small denominator."""
    (step,) = price(f"SELECT {items} FROM orders").steps
    ends = {RankKind.BELOW, RankKind.ABOVE}
    chosen = [
        each
        for each in step.choices
        if not isinstance(each, PricedQuantiles) and each.target.kind not in ends
    ]
    assert len(chosen) == alone


def chosen_cuts(chance: random.Random, bins: int, count: int) -> list[Cut]:
    made = [
        (chance.randrange(bins), chance.randint(0, DIVISIONS)) for _ in range(count)
    ]
    return [Cut(*each) for each in sorted(made)]


def test_a_unit_moves_all_parts_of_a_depth_by_no_more_than_is_paid_for() -> None:
    """With and without a unit: the L1 norm over parts, of every penalty, exactly."""
    chance = random.Random(5)  # noqa: S311 -- rows, not secrets
    targets = [
        RankTarget(RankKind.QUANTILE, Fraction(at, 12)) for at in (1, 5, 6, 7, 9)
    ]
    depths, bins, most = tree(targets), 9, 0.0
    for _ in range(100):
        unit = {b: chance.randrange(4) for b in range(bins)}
        rest = {b: chance.choice([0, 0, 3, 40]) for b in range(bins)}
        both = {b: unit[b] + rest[b] for b in range(bins)}
        cuts = dict(enumerate(chosen_cuts(chance, bins, len(targets))))
        for steps in depths:
            bound = UNITS * max(
                HALVES * max(s.aim.numerator, s.aim.denominator - s.aim.numerator)
                for s in steps
            )
            weight = DIVISIONS * sum(unit.values())
            with_unit = parts_of(both, steps, cuts, bins)
            without = parts_of(rest, steps, cuts, bins)
            moved = 0
            for step, one, other in zip(steps, with_unit, without, strict=True):
                times = factor(step, steps)
                pairs = [
                    *bin_pairs(step, one, other),
                    *division_pairs(step, one, other),
                ]
                moved += max(times * abs(a - b) for a, b in pairs)
            assert moved <= bound * weight
            most = max(most, moved / max(1, bound * weight))
    assert most > 0.9


def bin_pairs(step: Step, one: Part, other: Part) -> list[tuple[int, int]]:
    return [
        pair
        for size in (1, 2)
        for pair in zip(
            quantile_penalties(step.aim, one.cells(size), DIVISIONS),
            quantile_penalties(step.aim, other.cells(size), DIVISIONS),
            strict=True,
        )
    ]


def division_pairs(step: Step, one: Part, other: Part) -> list[tuple[int, int]]:
    return [
        pair
        for at in range(one.low.bin, one.high.bin + 1)
        for pair in zip(
            one.divisions(step.aim, at)[1],
            other.divisions(step.aim, at)[1],
            strict=True,
        )
    ]


def test_ranks_are_as_near_as_the_choices_promise(price: Price) -> None:
    """
    With real noise, but for one time in 1e9.

    A choice is off by ``rank_error`` at most; a fine one also by what the coarse one
    was, a division by both, and a depth by the one before it, for its aim is a mean of
    what was chosen there.
    """
    (step,) = price(f"SELECT {asked(DECILES)} FROM orders", LARGE).steps
    choice = together_of(step)
    ranking, values, each_has = step.step.rankings[0], 20_000, 100
    histogram = {at * 10: each_has * ranking.steps for at in range(values)}
    rows = values * each_has
    found = ranked_together(step, choice, [histogram])
    most = 0.0
    for steps, depth in zip(tree(choice.targets), choice.depths, strict=True):
        units = DIVISIONS * ranking.steps * HALVES
        least = min(factor(each, steps) * each.aim.denominator for each in steps)
        for made, _ in depth.all:
            off = rank_error(made, CANDIDATES + 1, 1e-9 / 30)
            most += off / units / least
        for each in steps:
            (value,) = found[each.at]
            rank = (value - ranking.value.low) / 10 * each_has
            wanted = (each.at + 1) * rows / 10
            assert abs(rank - wanted) <= most + 2 * each_has
    assert most < rows / 100  # and that is not far


def test_parts_divide_the_rows() -> None:
    histogram = {0: 3, 2: 5, 3: 1}
    cuts = [Cut(0, 0), Cut(0, 100), Cut(2, 7), Cut(2, 900), Cut(3, DIVISIONS)]
    parts = [Part.of(histogram, low, high) for low, high in pairwise(cuts)]
    for at, weight in histogram.items():
        assert sum(part.weights.get(at, 0) for part in parts) == weight * DIVISIONS
    assert sum(parts[2].cells(1)) == 5 * 893
