from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dpquery.accounting.loss import Definition, Loss
from dpquery.noise.calibration import calibrate_choice
from dpquery.noise.choice import choose
from dpquery.noise.ranks import (
    ENDS_MISS,
    Beside,
    End,
    Quantile,
    Wanted,
    beside_penalties,
    beside_rank,
    end_penalties,
    end_rank,
    quantile_penalties,
    score_sensitivity,
)

MEDIAN = Quantile(1, 2)
counts = st.integers(0, 5) | st.integers(0, 2**40)
quantiles = st.integers(2, 100).flatmap(
    lambda den: st.builds(Quantile, st.integers(1, den - 1), st.just(den))
)


def penalties(wanted: Wanted, histogram: list[int], row: int, rank: int) -> list[int]:
    match wanted:
        case Quantile():
            return quantile_penalties(wanted, histogram, row)
        case End():
            return end_penalties(wanted, histogram, rank)
        case Beside():
            outside = rank % 2 if len(histogram) > 2 else 0
            return beside_penalties(wanted, histogram, row, rank, outside)


def moved(wanted: Wanted, with_it: list[int], without: list[int], rank: int) -> int:
    """The L-infinity distance between the penalties of two histograms."""
    both = (penalties(wanted, each, 8, rank) for each in (with_it, without))
    return max(abs(a - b) for a, b in zip(*both, strict=True))


@given(
    st.lists(st.tuples(counts, counts), min_size=1, max_size=12),
    quantiles | st.sampled_from(End) | st.builds(Beside, quantiles, st.booleans()),
    st.integers(0, 2**42),
)
@example([(0, 1), (9, 0)], MEDIAN, 1)
@example([(0, 0)], MEDIAN, 1)
@example([(1, 3), (4, 0), (1, 0)], End.HIGHEST, 2)
def test_no_unit_moves_a_penalty_further_than_is_claimed(
    parts: list[tuple[int, int]], wanted: Wanted, rank: int
) -> None:
    others, own = zip(*parts, strict=True)
    everybody = [a + b for a, b in parts]
    claimed = score_sensitivity(wanted, sum(own))
    assert moved(wanted, everybody, list(others), rank) <= claimed


@given(
    st.lists(
        st.lists(st.tuples(counts, counts), min_size=1, max_size=5),
        min_size=1,
        max_size=4,
    ),
    quantiles | st.sampled_from(End) | st.builds(Beside, quantiles, st.booleans()),
    st.integers(0, 50),
)
def test_over_groups_the_norm_of_the_weights_is_enough(
    groups: list[list[tuple[int, int]]], wanted: Wanted, rank: int
) -> None:
    distances, weights = [], []
    for parts in groups:
        others, own = zip(*parts, strict=True)
        everybody = [a + b for a, b in parts]
        distances.append(moved(wanted, everybody, list(others), rank))
        weights.append(sum(own))
    squares = sum(weight * weight for weight in weights)
    norm = math.isqrt(squares) + (math.isqrt(squares) ** 2 < squares)
    assert sum(d * d for d in distances) <= score_sensitivity(wanted, norm) ** 2
    assert sum(distances) <= score_sensitivity(wanted, sum(weights))


@pytest.mark.parametrize(
    "wanted", [MEDIAN, Quantile(19, 20), Quantile(1, 4), Quantile(2, 3), *End]
)
def test_some_unit_moves_a_penalty_as_far_as_is_claimed(wanted: Wanted) -> None:
    # a claim of less would be wrong: so much noise is needed
    reached = 0
    for others in product(range(4), repeat=3):
        for place in range(3):
            histogram = [8 * count for count in others]
            with_it = [*histogram]
            with_it[place] += 8
            reached = max(reached, moved(wanted, with_it, histogram, 12))
    assert reached == score_sensitivity(wanted, 8)


def test_the_sensitivity_is_linear() -> None:
    for wanted in (MEDIAN, Quantile(19, 20), End.LOWEST):
        assert score_sensitivity(wanted, 70) == 7 * score_sensitivity(wanted, 10)
    assert score_sensitivity(MEDIAN, 5) == 2 * 5
    assert score_sensitivity(Quantile(1, 20), 5) == 2 * 19 * 5
    assert score_sensitivity(Quantile(19, 20), 5) == 2 * 19 * 5
    assert score_sensitivity(End.HIGHEST, 5) == 2 * 5


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), quantiles)
def test_the_best_candidate_is_what_percentile_disc_gives(
    rows: list[int], quantile: Quantile
) -> None:
    total = sum(rows)
    scored = quantile_penalties(quantile, [8 * count for count in rows], row=8)
    if not total:
        assert len(set(scored)) == 1
        return
    share = Fraction(quantile.numerator, quantile.denominator)
    first = next(v for v in range(len(rows)) if sum(rows[: v + 1]) >= share * total)
    assert scored[first] == 0
    # all others are half a row away, so that a huge epsilon gives this one
    assert all(each >= 8 for v, each in enumerate(scored) if v != first)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), quantiles)
def test_without_a_row_all_quantiles_by_definition_are_best(
    rows: list[int], quantile: Quantile
) -> None:
    share = Fraction(quantile.numerator, quantile.denominator) * sum(rows)
    for v, scored in enumerate(quantile_penalties(quantile, rows, row=0)):
        below, up_to = sum(rows[:v]), sum(rows[: v + 1])
        assert (scored == 0) == (below <= share <= up_to)
        far = max(Fraction(0), below - share, share - up_to)
        assert scored == 2 * quantile.denominator * far


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.sampled_from(End))
def test_half_a_row_from_the_end_is_the_extreme_value_alone(
    rows: list[int], end: End
) -> None:
    scored = end_penalties(end, [8 * count for count in rows], rank=8)
    if not sum(rows):
        assert set(scored) == {0}
        return
    present = [v for v, count in enumerate(rows) if count]
    extreme = present[0] if end is End.LOWEST else present[-1]
    assert scored[extreme] == 0
    assert all(each >= 8 for v, each in enumerate(scored) if v != extreme)


def test_the_two_ends_are_mirrors() -> None:
    histogram = [0, 3, 0, 7, 1, 0, 0]
    for rank in range(12):
        lowest = end_penalties(End.LOWEST, histogram[::-1], rank)
        assert end_penalties(End.HIGHEST, histogram, rank) == lowest[::-1]


@pytest.mark.parametrize("end", End)
def test_an_aim_beyond_the_middle_is_the_middle(end: End) -> None:
    # ten rows and an aim at the 139th: not at the candidates below all data
    histogram = [0] * 5 + [2] * 5 + [0] * 5
    scored = end_penalties(end, histogram, rank=2 * 139)
    assert [v for v, each in enumerate(scored) if each == 0] == [7]
    assert scored[0] == scored[-1] == max(scored)


@pytest.mark.parametrize("definition", Definition)
@pytest.mark.parametrize("candidates", [1, 2, 256, 4000])
def test_the_aim_leaves_little_chance_beyond_the_end(
    definition: Definition, candidates: int
) -> None:
    choice = calibrate_choice(
        score_sensitivity(End.HIGHEST, 8), Loss(definition, 10**9)
    )
    rank = end_rank(choice, candidates, row=8)
    assert rank >= 8
    beyond = candidates * math.exp(-rank / choice.scale)
    assert beyond <= 1 / candidates * (1 + 1e-9)
    if candidates > 1:  # and no further in than that needs
        assert candidates * math.exp(-(rank - 1) / choice.scale) > 1 / candidates


def test_the_aim_is_what_was_measured_to_be_right() -> None:
    # opendp.md: 1,000 candidates, rho = epsilon^2 / 2: 139 rows at 0.1, 14 at 1
    for epsilon, rows in ((0.1, 139), (1.0, 14)):
        handed_out = Loss.up(Definition.ZCDP, epsilon**2 / 2)
        choice = calibrate_choice(score_sensitivity(End.LOWEST, 1), handed_out)
        assert math.ceil(end_rank(choice, 1000, row=1) / 2) == rows


@pytest.mark.parametrize("definition", Definition)
def test_a_huge_epsilon_gives_the_exact_answers(definition: Definition) -> None:
    plenty = Loss.up(definition, 1e8)
    rows = [0, 4, 0, 0, 2, 1, 3, 0]  # values 1 1 1 1 4 4 5 6 6 6
    histogram = [1024 * count for count in rows]
    asked = {MEDIAN: 4, Quantile(1, 4): 1, Quantile(9, 10): 6, Quantile(69, 100): 5}
    for quantile, exact in asked.items():
        choice = calibrate_choice(score_sensitivity(quantile, 1024), plenty)
        scored = quantile_penalties(quantile, histogram, row=1024)
        assert choose(choice, [scored] * 20, plenty) == [exact] * 20
    for end, exact in ((End.LOWEST, 1), (End.HIGHEST, 6)):
        choice = calibrate_choice(score_sensitivity(end, 1024), plenty)
        rank = end_rank(choice, len(rows), row=1024)
        scored = end_penalties(end, histogram, rank)
        assert choose(choice, [scored] * 20, plenty) == [exact] * 20


@pytest.mark.parametrize("share", [(0, 2), (2, 2), (-1, 2), (3, 2)])
def test_a_quantile_is_strictly_inside(share: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Quantile(*share)


def test_an_aim_needs_candidates() -> None:
    choice = calibrate_choice(2, Loss.up(Definition.PURE, 1.0))
    with pytest.raises(ValueError, match="candidates"):
        end_rank(choice, 0, row=1)


@given(
    rows=st.lists(st.integers(0, 4), min_size=1, max_size=9),
    quantile=quantiles,
    above=st.booleans(),
    apart=st.integers(8, 100),
)
def test_beside_a_quantile_the_wrong_side_has_a_penalty_and_another_has_none(
    *, rows: list[int], quantile: Quantile, above: bool, apart: int
) -> None:
    scored = beside_penalties(Beside(quantile, above), [8 * n for n in rows], 8, apart)
    assert min(scored) == 0
    if sum(rows):
        share = Fraction(quantile.numerator, quantile.denominator) * sum(rows)
        true = next(v for v in range(len(rows)) if sum(rows[: v + 1]) >= share)
        wrong = scored[:true] if above else scored[true + 1 :]
        assert all(each >= apart for each in wrong)


def test_inside_of_a_cell_the_outermost_candidate_is_open() -> None:
    """Three rows below the cell and four above it are in no candidate."""
    below = beside_penalties(Beside(MEDIAN, above=False), [3, 1, 1, 4], 1, 9, outside=1)
    assert below[1:-1] == [
        0,
        8,
    ]  # the median is in the last place; 9 ranks back is open
    above = beside_penalties(Beside(MEDIAN, above=True), [4, 1, 1, 3], 1, 9, outside=1)
    assert above[1] > 0
    assert above[2] == 0


@pytest.mark.parametrize("definition", Definition)
@pytest.mark.parametrize("above", [False, True])
def test_ends_are_hardly_ever_on_the_wrong_side(
    *, definition: Definition, above: bool
) -> None:
    """The worst case: all candidates but one are just on the wrong side."""
    beside = Beside(MEDIAN, above)
    sensitivity = score_sensitivity(beside, 1)
    choice = calibrate_choice(sensitivity, Loss.up(definition, 0.5))
    histogram = [0] * 50 + [1000] + [0] * 50
    apart = beside_rank(choice, len(histogram), 1, MEDIAN, parts=2)
    scored = beside_penalties(beside, histogram, 1, apart)
    drawn = choose(choice, [scored] * 400, Loss.up(definition, 0.5))
    # each with chance ENDS_MISS / 2 at most: more than 20 of 400 has chance 1e-14
    assert ENDS_MISS / 2 == 0.005
    assert sum(at < 50 if above else at > 50 for at in drawn) <= 20
