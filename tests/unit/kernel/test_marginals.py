"""Tables put together from tables: what least squares says, by linear algebra."""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dpquery.kernel.marginals import Table, missing, put_together, related, variance

if TYPE_CHECKING:
    from dpquery.kernel.marginals import Axes, Axis

NAMES = "abcd"


def axis(name: str) -> Axis:
    return ((name,), f"list of {name}")


def cells(axes: list[Axis], sizes: dict[Axis, int]) -> list[tuple[int, ...]]:
    return list(itertools.product(*(range(sizes[each]) for each in axes)))


def margin(some: list[Axis], axes: list[Axis], sizes: dict[Axis, int]) -> np.ndarray:
    """Return the matrix that adds the groups of all axes up to those of some."""
    whole, coarse = cells(axes, sizes), cells(some, sizes)
    rows = {key: at for at, key in enumerate(coarse)}
    found = np.zeros((len(coarse), len(whole)))
    for at, key in enumerate(whole):
        part = tuple(k for a, k in zip(axes, key, strict=True) if a in some)
        found[rows[part], at] = 1
    return found


@pytest.mark.parametrize("seed", range(40))
def test_least_squares(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 -- examples
    axes = [axis(name) for name in NAMES[: rng.randint(1, 4)]]
    sizes = {each: rng.randint(1, 4) for each in axes}
    wanted = sorted(rng.sample(axes, rng.randint(0, len(axes))))
    chosen = [sorted(rng.sample(axes, rng.randint(0, len(axes)))) for _ in range(5)]
    chosen.append(wanted)  # so that all of it is known
    tables, matrices, numbers, weights = [], [], [], []
    for some in chosen:
        steps, deviation = rng.choice([1, 7, 1024]), rng.uniform(0.5, 300)
        keys = cells(some, sizes)
        values = {key: rng.randint(-10_000, 10_000) for key in keys}
        places = {each: (at,) for at, each in enumerate(some)}
        tables.append(Table(frozenset(some), places, values, deviation, steps))
        matrices.append(margin(some, axes, sizes))
        numbers += [values[key] / steps for key in keys]
        weights += [(steps / deviation) ** 2] * len(keys)
    design, weight = np.vstack(matrices), np.diag(weights)
    inverse = np.linalg.pinv(design.T @ weight @ design)
    ask = margin(wanted, axes, sizes)
    expected = ask @ inverse @ design.T @ weight @ np.array(numbers)
    spread = np.diag(ask @ inverse @ ask.T)
    found = put_together(tables[-1], tables, sizes)
    for at, key in enumerate(cells(wanted, sizes)):
        assert float(found[key].value) == pytest.approx(
            expected[at], rel=1e-6, abs=1e-3
        )
        assert found[key].deviation ** 2 == pytest.approx(spread[at], rel=1e-6)
    known = [(each.axes, each.variance) for each in tables]
    assert variance(frozenset(wanted), known, sizes) == pytest.approx(spread[0])


def test_a_table_alone_has_its_own_variance() -> None:
    sizes = {axis("a"): 3, axis("b"): 5}
    table = frozenset(sizes)
    assert variance(table, [(table, 7.0)], sizes) == pytest.approx(7.0)
    assert variance(frozenset(), [(table, 7.0)], sizes) == pytest.approx(7.0 * 15)


def test_what_no_table_knows_has_no_variance() -> None:
    sizes = {axis("a"): 3, axis("b"): 5}
    one, both = frozenset([axis("a")]), frozenset(sizes)
    assert variance(both, [(one, 1.0)], sizes) == math.inf


@pytest.mark.parametrize("seed", range(20))
def test_what_is_missing_is_enough_and_no_more(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 -- examples
    axes = [axis(name) for name in NAMES]
    sizes = {each: rng.randint(2, 6) for each in axes}
    wanted: Axes = frozenset(rng.sample(axes, 2))
    known = [
        (frozenset(rng.sample(axes, rng.randint(0, 4))), rng.uniform(10, 1000))
        for _ in range(rng.randint(0, 4))
    ]
    target = rng.uniform(1, 100)
    precision = missing(wanted, known, sizes, target)
    assert 0 <= precision <= 1 / target
    if precision == 0:
        assert variance(wanted, known, sizes) <= target * 1.001
        return
    then = variance(wanted, [*known, (wanted, 1 / precision)], sizes)
    assert then == pytest.approx(target, rel=1e-6)


def test_keys_that_are_listed_otherwise_are_not_related() -> None:
    other = (("a",), "another list")
    pair = (("a", "b"), "pairs")
    assert related(frozenset([axis("a"), axis("b")]), frozenset([axis("b")]))
    assert related(frozenset([axis("a")]), frozenset([axis("b")]))
    assert not related(frozenset([axis("a")]), frozenset([other]))
    assert not related(frozenset([axis("a")]), frozenset([pair]))
