"""
What is put together from the store has the error that is said of it, and no bias.

The noise takes no seed. For normal errors with the deviation that is stated, the sum of
squares of N independent standardised errors is chi-square with N degrees of freedom:
each test states its false alarm (2e-9 on both sides) and what it would see.
"""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.accounting.loss import AMOUNT_UNITS, Definition, Loss
from dpquery.kernel.marginals import Table, put_together
from dpquery.kernel.readings import Noisy, merged
from dpquery.noise.additive import measure
from dpquery.noise.calibration import Additive, Law, calibrate
from dpquery.service import Service

from .alarms import FALSE_ALARM, chi_square_limit, gamma_tail

if TYPE_CHECKING:
    from pathlib import Path

    from dpquery.kernel.marginals import Axis

N = 3_500
PLENTY = Loss(Definition.ZCDP, 10**15)
NORMAL = 6.2
"""Deviations that a normal mean is beyond with chance 6e-10."""


def least(degrees: int) -> float:
    """The value that a chi-square variable is below with chance FALSE_ALARM."""
    low, high = 1e-9, float(degrees)
    for _ in range(200):
        middle = (low + high) / 2
        below = 1 - gamma_tail(degrees / 2, middle / 2)
        low, high = (middle, high) if below < FALSE_ALARM else (low, middle)
    return low


def seen(degrees: int, factor: float) -> float:
    """The chance to see that the variance is *factor* times what is stated."""
    above = gamma_tail(degrees / 2, chi_square_limit(degrees) / factor / 2)
    return above + 1 - gamma_tail(degrees / 2, least(degrees) / factor / 2)


def assert_true(errors: list[float]) -> None:
    """Assert that standardised errors are those of a standard normal."""
    squares = math.fsum(each * each for each in errors)
    assert squares <= chi_square_limit(len(errors)), "more noise than is stated"
    assert squares >= least(len(errors)), "less noise than is stated"
    bias = math.fsum(errors) / math.sqrt(len(errors))
    assert abs(bias) < NORMAL, "a bias"


def test_what_would_be_seen() -> None:
    assert seen(N, 1.25) > 0.99  # a deviation 12 % too large
    assert seen(N, 0.8) > 0.99
    assert seen(SEQUENCES, 4.5) > 0.99  # in a whole service: twice as wide,
    assert seen(SEQUENCES, 0.12) > 0.99  # or a third


# --- the kernel's own functions --------------------------------------------------


@pytest.mark.parametrize("scales", [(5.0,), (4.0, 9.0), (3.0, 3.0, 40.0)])
def test_merged_readings_have_the_deviation_that_is_said(
    scales: tuple[float, ...],
) -> None:
    steps, true, errors = 4, 1000, []
    noises = [Additive(Law.GAUSSIAN, 1, scale * steps) for scale in scales]
    drawn = [measure(noise, [true * steps] * N, PLENTY) for noise in noises]
    for values in zip(*drawn, strict=True):
        parts = [
            (1 / noise.scale**2, Noisy.of(value, noise, steps))
            for value, noise in zip(values, noises, strict=True)
        ]
        found = merged(parts)
        errors.append((float(found.value) - true) / found.deviation)
    assert_true(errors)


AXES: tuple[Axis, ...] = tuple(((name,), f"list of {name}") for name in "abc")
SIZES = dict(zip(AXES, (2, 3, 2), strict=True))
CASES = {
    "finer groups, added up": ("a", ["ab"]),
    "one and a finer one": ("a", ["a", "abc"]),
    "two of other axes": ("ab", ["ab", "ac", "bc"]),
    "a total of many": ("", ["a", "b", "c", "abc"]),
    "coarser ones help a finer": ("abc", ["abc", "a", "b", ""]),
}


@pytest.mark.parametrize("case", CASES)
def test_tables_put_together_have_the_deviation_that_is_said(case: str) -> None:
    source = random.Random(case)  # noqa: S311 -- seeded
    wanted, known = CASES[case]
    shapes = {name: [AXES["abc".index(each)] for each in name] for name in known}
    shapes[wanted] = [AXES["abc".index(each)] for each in wanted]
    cells = list(itertools.product(*(range(SIZES[axis]) for axis in AXES)))
    true = {cell: source.randint(0, 500) for cell in cells}

    def exact(name: str) -> dict[tuple[int, ...], int]:
        places = ["abc".index(each) for each in name]
        found: dict[tuple[int, ...], int] = {}
        for cell, count in true.items():
            part = tuple(cell[at] for at in places)
            found[part] = found.get(part, 0) + count
        return found

    scales = {name: source.uniform(4, 40) for name in known}
    steps = {name: source.choice((1, 8)) for name in known}
    noises = {n: Additive(Law.GAUSSIAN, 1, scales[n] * steps[n]) for n in known}
    repeats = N // 2
    drawn = {}
    for name in known:
        values = [value * steps[name] for value in exact(name).values()]
        drawn[name] = measure(noises[name], values * repeats, PLENTY)
    expected, errors = exact(wanted), []
    keys = list(expected)
    for at in range(repeats):
        tables = []
        for name in known:
            groups = list(exact(name))
            row = drawn[name][at * len(groups) : (at + 1) * len(groups)]
            places = {axis: (i,) for i, axis in enumerate(shapes[name])}
            values = dict(zip(groups, row, strict=True))
            axes = frozenset(shapes[name])
            scale = noises[name].scale
            tables.append(Table(axes, places, values, scale, steps[name]))
        places = {axis: (i,) for i, axis in enumerate(shapes[wanted])}
        axes = frozenset(shapes[wanted])
        asked = Table(axes, places, dict.fromkeys(keys, 0), 1.0, 1)
        key = source.choice(keys)  # one group of each: those of one table are not apart
        found = put_together(asked, tables, SIZES)[key]
        errors.append((float(found.value) - expected[key]) / found.deviation)
    assert seen(repeats, 1.4) > 0.99
    assert_true(errors)


def test_a_top_up_costs_the_difference_and_is_as_good_as_all_at_once() -> None:
    whole, first = (Loss(Definition.ZCDP, AMOUNT_UNITS // n) for n in (200, 700))
    rest = whole.minus(first)
    noises = [calibrate(64, each) for each in (first, rest)]
    once = calibrate(64, whole)
    drawn = [measure(noise, [0] * N, PLENTY) for noise in noises]
    errors = []
    for values in zip(*drawn, strict=True):
        amounts = (float(first.amount), float(rest.amount))
        parts = [
            (amount, Noisy.of(value, noise, 64))
            for amount, value, noise in zip(amounts, values, noises, strict=True)
        ]
        errors.append(float(merged(parts).value) * 64 / once.std)
    assert_true(errors)


# --- a whole service -------------------------------------------------------------

SEQUENCES = 55
POLICY = """\
version: 1
name: shop
source: {duckdb: shop.duckdb}
privacy_unit: person
tables:
  people:
    privacy_unit_column: id
    key: id
    columns:
      a: {values: [x, y]}
      b: {values: [p, q, r]}
      age: {bounds: [0, 1000]}
budget: {epsilon: 500, delta: 1e-6}
query: {max_epsilon: 20}
analysts: {alice: {epsilon: 400}, bob: {epsilon: 400}}
"""
DATA = """
CREATE TABLE people (id BIGINT, a VARCHAR NOT NULL, b VARCHAR NOT NULL, age INTEGER);
INSERT INTO people SELECT i, ['x', 'y'][1 + i % 2], ['p', 'q', 'r'][1 + i % 3], i % 997
FROM range(5000) AS r(i);
"""
HISTORIES = [
    # who, which groups, and epsilon; the last one is looked at
    [("alice", "a", 0.1), ("alice", "a", 0.2)],
    [("bob", "a, b", 0.2), ("alice", "a", 0.1)],
    [("alice", "a", 0.1), ("bob", "b", 0.15), ("alice", "a, b", 0.1)],
    [("bob", "a", 0.12), ("alice", "a, b", 0.1), ("bob", "a", 0.25)],
    [("bob", "b", 0.2), ("alice", "b", 0.2)],
]


def test_answers_of_a_service_have_the_error_that_they_state(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "shop.duckdb") as database:
        database.execute(DATA)
        exact = {
            (by, below): {
                (*keys,): count
                for *keys, count in database.execute(
                    f"SELECT {by}, COUNT(*) FROM people WHERE age < {below}"
                    " GROUP BY ALL"
                ).fetchall()
            }
            for by in ("a", "b", "a, b")
            for below in range(400, 400 + SEQUENCES)
        }
    (tmp_path / "shop.yaml").write_text(POLICY)
    source, errors = random.Random(7), []  # noqa: S311 -- seeded
    with Service.open(tmp_path / "shop.yaml") as service:
        for at in range(SEQUENCES):  # each of other rows: their noise is independent
            below = 400 + at
            for who, by, epsilon in HISTORIES[at % len(HISTORIES)]:
                sql = f"SELECT {by}, COUNT(*) AS n FROM people WHERE age < {below}"
                answer = service.session(who).query(
                    f"{sql} GROUP BY {by}", epsilon=epsilon
                )
            row = source.randrange(len(answer.rows))
            *keys, count = answer.rows[row]
            bar = answer.intervals(0.95)["n"][row]
            deviation = (bar.high - bar.low) / 2 / 1.959964
            errors.append((count - exact[by, below][(*keys,)]) / deviation)
    assert_true(errors)
