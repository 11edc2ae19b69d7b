"""
Choices have the law that is charged, in every group, and their errors are as said.

OpenDP takes no seed: every test states its false alarm (at most 1e-9), and where it
compares a law, the power with which it would see a wrong one.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import product

import pytest

from dpquery.accounting.loss import Definition, Loss
from dpquery.noise.calibration import Choice, calibrate_choice
from dpquery.noise.choice import choose, rank_error
from dpquery.noise.ranks import End, end_penalties, end_rank, score_sensitivity

from .alarms import FALSE_ALARM, chi_square_limit, outside, power, statistic

DRAWS = 30_000
REPEATS = 2_000
PLENTY = {definition: Loss(definition, 10**15) for definition in Definition}
PENALTIES = [2, 0, 1, 6, 3, 1, 8]


def exponential_mechanism(penalties: list[int], scale: float) -> list[float]:
    weights = [math.exp(-(each - min(penalties)) / scale) for each in penalties]
    return [weight / math.fsum(weights) for weight in weights]


def permute_and_flip(penalties: list[int], scale: float) -> list[float]:
    """
    The largest of -penalty + exponential noise.

    With p = exp(-gap / scale) for each candidate, P[r] is p_r times the integral over t
    from 0 to 1 of the product over all others of 1 - t p: a polynomial.
    """
    flips = [math.exp(-(each - min(penalties)) / scale) for each in penalties]
    chances = []
    for chosen, flip in enumerate(flips):
        terms = [1.0]
        for other in flips[:chosen] + flips[chosen + 1 :]:
            pairs = zip([*terms, 0.0], [0.0, *terms], strict=True)
            terms = [term - other * before for term, before in pairs]
        integral = math.fsum(term / power for power, term in enumerate(terms, start=1))
        chances.append(flip * integral)
    return chances


LAWS = {
    Definition.ZCDP: exponential_mechanism,
    Definition.PURE: permute_and_flip,
}


@pytest.mark.parametrize("scale", [0.5, 2.0, 30.0])
def test_the_laws_are_laws(scale: float) -> None:
    for law in LAWS.values():
        assert math.fsum(law(PENALTIES, scale)) == pytest.approx(1.0, abs=1e-12)
    # two candidates: the worse one only if it comes first, and then by its flip
    flip = math.exp(-3 / scale)
    assert permute_and_flip([0, 3], scale)[1] == pytest.approx(flip / 2)
    assert exponential_mechanism([0, 3], scale)[1] == pytest.approx(flip / (1 + flip))


# scores near the edge of 64 bits have the same differences, and so the same law
@pytest.mark.parametrize("offset", [0, 2**61])
@pytest.mark.parametrize("definition", Definition)
def test_choices_follow_the_exact_law(definition: Definition, offset: int) -> None:
    scale = 2.0
    chances = LAWS[definition](PENALTIES, scale)
    (other,) = (law for name, law in LAWS.items() if name is not definition)
    assert min(chances) * DRAWS > 20
    # seen: 20 % too little noise, twice the noise, and the law of the other
    # definition, which under zCDP would lose four times what is charged
    for wrong in (
        LAWS[definition](PENALTIES, 0.8 * scale),
        LAWS[definition](PENALTIES, 2 * scale),
        other(PENALTIES, scale),
    ):
        assert power(chances, wrong, DRAWS) > 0.999
    choice = Choice(definition, 1, scale)
    penalties = [each + offset for each in PENALTIES]
    counts = Counter(choose(choice, [penalties] * DRAWS, PLENTY[definition]))
    seen = [counts[place] for place in range(len(PENALTIES))]
    assert statistic(seen, chances, DRAWS) <= chi_square_limit(len(PENALTIES) - 1)


@pytest.mark.parametrize("definition", Definition)
def test_groups_are_chosen_in_independently(definition: Definition) -> None:
    scale, pairs = 2.0, DRAWS // 2
    groups = [[0, 1], [2, 0, 1]]
    laws = [LAWS[definition](group, scale) for group in groups]
    chances = [a * b for a, b in product(*laws)]
    drawn = choose(Choice(definition, 1, scale), groups * pairs, PLENTY[definition])
    counts = Counter(zip(drawn[::2], drawn[1::2], strict=True))
    seen = [counts[pair] for pair in product(range(2), range(3))]
    # a shared coin for one draw in eight would be seen
    shared = [0.0] * 6
    shared[1], shared[4] = laws[0][0], laws[0][1]
    mixed = [7 / 8 * a + 1 / 8 * b for a, b in zip(chances, shared, strict=True)]
    assert power(chances, mixed, pairs) > 0.99
    assert statistic(seen, chances, pairs) <= chi_square_limit(5)


MISS = 0.05
MOST_MISSED = 165


def test_the_bound_on_misses_has_its_false_alarm() -> None:
    assert outside(0, MOST_MISSED, MISS, REPEATS) <= FALSE_ALARM
    assert outside(0, MOST_MISSED, 2.2 * MISS, REPEATS) > 0.99  # what it would see


@pytest.mark.parametrize("definition", Definition)
def test_rank_errors_cover(definition: Definition) -> None:
    choice = Choice(definition, 1, 40.0)
    penalties = [0, *range(60, 557)]
    error = rank_error(choice, len(penalties), MISS)
    drawn = choose(choice, [penalties] * REPEATS, PLENTY[definition])
    assert sum(penalties[place] > error for place in drawn) <= MOST_MISSED


@pytest.mark.parametrize("definition", Definition)
@pytest.mark.parametrize("epsilon", [0.1, 1.0])
def test_a_maximum_stays_inside_the_data(
    definition: Definition, epsilon: float
) -> None:
    # 4,000 rows on the lower 100 of 200 candidates
    amount = epsilon**2 / 2 if definition is Definition.ZCDP else epsilon
    handed_out = Loss.up(definition, amount)
    choice = calibrate_choice(score_sensitivity(End.HIGHEST, 1), handed_out)
    histogram = [40] * 100 + [0] * 100
    rank = end_rank(choice, len(histogram), row=1)
    scored = end_penalties(End.HIGHEST, histogram, rank)
    drawn = choose(choice, [scored] * 400, handed_out)
    # beyond it with chance 1 / 200 each at most: more than 20 of 400 has chance 2e-15
    assert outside(0, 20, 1 / 200, 400) < FALSE_ALARM
    assert sum(place >= 100 for place in drawn) <= 20
    # without the aim, all beyond would tie with the last value
    naive = end_penalties(End.HIGHEST, histogram, rank=1)
    drawn = choose(choice, [naive] * 400, handed_out)
    assert sum(place >= 100 for place in drawn) > 200
