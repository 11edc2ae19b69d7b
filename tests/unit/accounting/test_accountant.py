"""The conversion is sound to the last digit, tight, and what OpenDP computes."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING

import opendp.prelude as dp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpquery.accounting.accountant import (
    Promise,
    epsilon_of,
    log_delta,
    loss_of_events,
    rho_of,
)
from dpquery.accounting.events import (
    ExponentialMechanism,
    GaussianNoise,
    LaplaceNoise,
    PermuteAndFlip,
    Withholding,
)
from dpquery.accounting.loss import Definition, Loss

if TYPE_CHECKING:
    from dpquery.accounting.events import Event

EPSILONS = st.floats(-6, 9).map(lambda power: 10.0**power)
DELTAS = st.floats(-18, -2).map(lambda power: 10.0**power)


def exact_log_delta(rho: float, epsilon: float) -> Decimal:
    """Theorem in 60 digits; the optimal alpha by bisection of the derivative."""
    with localcontext() as context:
        context.prec = 60
        rho, epsilon = Decimal(rho), Decimal(epsilon)
        low, high = Decimal(-120), Decimal(120)  # of log(alpha - 1)
        for _ in range(220):
            middle = (low + high) / 2
            y = middle.exp()
            slope = rho - epsilon + 2 * y * rho - (1 + 1 / y).ln()
            low, high = (low, middle) if slope > 0 else (middle, high)
        alpha = 1 + high.exp()
        return (
            (alpha - 1) * (alpha * rho - epsilon)
            - (alpha - 1).ln()
            + alpha * (1 - 1 / alpha).ln()
        )


def opendp_epsilon(rho: float, delta: float) -> float:
    dp.enable_features("contrib")
    space = dp.atom_domain(T=int), dp.absolute_distance(T=float)
    gaussian = dp.m.make_gaussian(*space, scale=1 / math.sqrt(2 * rho))
    return dp.c.make_zCDP_to_approxDP(gaussian).map(1.0).epsilon(delta)


@pytest.mark.parametrize("rho", [1e-6, 1e-3, 0.01, 0.024356, 0.1, 0.5, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("delta", [1e-12, 1e-9, 1e-6, 1e-2])
def test_epsilon_is_what_opendp_says_and_never_less(rho: float, delta: float) -> None:
    ours, theirs = epsilon_of(rho, delta), opendp_epsilon(rho, delta)
    assert ours >= theirs * (1 - 1e-9)
    assert ours == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-3, 0.2, 1.0, 8.0, 1e3, 1e9])
@pytest.mark.parametrize("delta", [1e-18, 1e-10, 5e-7, 0.01])
def test_rho_keeps_the_promise_exactly_and_wastes_nothing(
    epsilon: float, delta: float
) -> None:
    rho = rho_of(epsilon, delta)
    bound = Decimal(delta).ln()
    assert exact_log_delta(rho, epsilon) <= bound
    assert exact_log_delta(rho * (1 + 1e-11), epsilon) > bound


@pytest.mark.parametrize("rho", [1e-9, 1e-4, 0.02, 1.0, 1e3, 1e9])
@pytest.mark.parametrize("delta", [1e-18, 1e-10, 5e-7])
def test_epsilon_and_log_delta_are_never_understated(rho: float, delta: float) -> None:
    epsilon = epsilon_of(rho, delta)
    assert exact_log_delta(rho, epsilon) <= Decimal(delta).ln()
    assert log_delta(rho, epsilon) >= exact_log_delta(rho, epsilon)
    slack = 1e-11 * max(1.0, rho)
    assert log_delta(rho, epsilon) == pytest.approx(math.log(delta), abs=slack)


def test_the_numbers_of_the_theory() -> None:
    assert epsilon_of(0.024356, 1e-6) == pytest.approx(1.0000007, abs=1e-7)
    assert rho_of(1, 1e-6) == pytest.approx(0.024356, abs=1e-6)
    assert Promise(1, 1e-6).limit().value == pytest.approx(0.02294, abs=1e-5)
    table = {0.001: 0.18, 0.005: 0.43, 0.01: 0.62, 0.05: 1.47, 0.5: 5.22, 1: 7.77}
    for rho, epsilon in table.items():
        assert epsilon_of(rho, 1e-6) == pytest.approx(epsilon, abs=6e-3)


@given(EPSILONS, DELTAS)
def test_there_and_back(epsilon: float, delta: float) -> None:
    rho = rho_of(epsilon, delta)
    assert epsilon_of(rho, delta) == pytest.approx(epsilon, rel=1e-9)
    assert log_delta(rho, epsilon) <= math.log(delta) + 1e-11 * max(1.0, epsilon)


@given(EPSILONS, DELTAS, st.floats(1 + 1e-6, 1e3))
def test_more_of_one_is_more_of_the_other(
    epsilon: float, delta: float, factor: float
) -> None:
    rho = rho_of(epsilon, delta)
    assert rho < rho_of(epsilon * factor, delta)
    assert epsilon_of(rho, delta) < epsilon_of(rho * factor, delta)
    assert epsilon_of(rho, min(0.9, delta * factor)) < epsilon_of(rho, delta)


def test_nothing_costs_nothing() -> None:
    assert epsilon_of(0.0, 1e-6) == 0.0
    assert log_delta(0.0, 0.0) == -math.inf
    assert log_delta(1e6, 0.0) == 0.0


@pytest.mark.parametrize("number", [math.nan, math.inf, -1.0, True, "1"], ids=repr)
def test_what_is_no_loss_is_refused(number: float) -> None:
    for convert in (epsilon_of, rho_of):
        with pytest.raises(ValueError, match="finite"):
            convert(number, 1e-6)
    with pytest.raises(ValueError, match="finite"):
        log_delta(number, 1.0)
    with pytest.raises(ValueError, match="finite"):
        Promise(number, None)


@pytest.mark.parametrize("delta", [math.nan, math.inf, 0.0, 1.0, -1e-6, True], ids=repr)
def test_what_is_no_delta_is_refused(delta: float) -> None:
    for convert in (epsilon_of, rho_of, Promise):
        with pytest.raises(ValueError, match="between 0 and 1"):
            convert(1.0, delta)


def test_a_promise_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no answer"):
        Promise(0.0, 1e-6)


def test_a_promise_shares_its_delta() -> None:
    promise = Promise(2.0, 1e-6)
    assert promise.definition is Definition.ZCDP
    assert promise.delta_for_groups + promise.delta_for_conversion == 1e-6
    limit = promise.limit()
    assert limit.delta <= Fraction(1e-6) / 2 * 10**18 < limit.delta + 1
    # all spent: the reading is the promise, to what one unit of 1e-12 rho is worth
    assert promise.epsilon_of(limit) == pytest.approx(2.0, abs=1e-9)
    assert promise.epsilon_of(limit) <= 2.0 + 1e-12


def test_a_pure_promise_adds_epsilons() -> None:
    promise = Promise(8.0, None)
    assert promise.definition is Definition.PURE
    assert promise.limit() == Loss(Definition.PURE, 8 * 10**12)
    assert promise.epsilon_of(promise.loss_of(0.25)) == 0.25
    with pytest.raises(ValueError, match="promise"):
        promise.epsilon_of(Loss.zero(Definition.ZCDP))


def test_forty_queries_of_a_fifth_cost_far_less_than_eight() -> None:
    promise = Promise(8.0, 1e-6)
    spent = sum([promise.loss_of(0.2)] * 40, start=Loss.zero(promise.definition))
    assert spent.within(promise.limit())
    assert promise.epsilon_of(spent) < 1.5


@given(EPSILONS, DELTAS)
def test_a_query_of_the_whole_epsilon_is_the_whole_limit(
    epsilon: float, delta: float
) -> None:
    promise = Promise(epsilon, delta)
    asked = promise.loss_of(epsilon)
    assert asked.within(promise.limit())
    assert asked.amount == promise.limit().amount
    assert asked.delta == 0


POSITIVE = st.floats(1e-3, 1e18)


@given(st.lists(st.tuples(POSITIVE, POSITIVE), max_size=5))
def test_noise_costs_what_its_parameters_say(
    parameters: list[tuple[float, float]],
) -> None:
    gaussian = loss_of_events(
        [GaussianNoise(*each) for each in parameters], Definition.ZCDP
    )
    laplace = loss_of_events(
        [LaplaceNoise(*each) for each in parameters], Definition.PURE
    )
    ratios = [Fraction(shift) / Fraction(scale) for shift, scale in parameters]
    assert gaussian == Loss.up(Definition.ZCDP, Fraction(sum(r * r for r in ratios), 2))
    assert laplace == Loss.up(Definition.PURE, Fraction(sum(ratios)))


@given(st.lists(st.tuples(POSITIVE, POSITIVE), max_size=5))
def test_choices_cost_what_their_parameters_say(
    parameters: list[tuple[float, float]],
) -> None:
    exponential = loss_of_events(
        [ExponentialMechanism(*each) for each in parameters], Definition.ZCDP
    )
    permuted = loss_of_events(
        [PermuteAndFlip(*each) for each in parameters], Definition.PURE
    )
    spans = [2 * Fraction(moved) / Fraction(scale) for moved, scale in parameters]
    bounded_range = Fraction(sum(span * span for span in spans), 8)
    assert exponential == Loss.up(Definition.ZCDP, bounded_range)
    assert permuted == Loss.up(Definition.PURE, Fraction(sum(spans)))


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=9), st.floats(0.1, 1e6))
def test_one_choice_event_covers_the_groups_one_by_one(
    moved: list[int], scale: float
) -> None:
    each = [ExponentialMechanism(distance, scale) for distance in moved]
    squares = sum(distance * distance for distance in moved)
    norm = math.isqrt(squares)
    together = ExponentialMechanism(norm + (norm * norm < squares), scale)
    assert loss_of_events(each, Definition.ZCDP).within(
        loss_of_events([together], Definition.ZCDP)
    )
    alone = [PermuteAndFlip(distance, scale) for distance in moved]
    assert loss_of_events(alone, Definition.PURE) == loss_of_events(
        [PermuteAndFlip(sum(moved), scale)], Definition.PURE
    )


def divergence(p: list[float], q: list[float], order: float) -> float:
    """Renyi's divergence of two laws, given as logarithms of their chances."""
    terms = [order * a + (1 - order) * b for a, b in zip(p, q, strict=True)]
    most = max(terms)
    moment = math.fsum(math.exp(term - most) for term in terms)
    return (most + math.log(moment)) / (order - 1)


def exponential_law(penalties: list[int], scale: float) -> list[float]:
    total = math.log(math.fsum(math.exp(-penalty / scale) for penalty in penalties))
    return [-penalty / scale - total for penalty in penalties]


def worst_divergence(penalties: list[int], scale: float, order: float) -> float:
    """The most over all neighbours that move each penalty up or down by 1."""
    law = exponential_law(penalties, scale)
    worst = 0.0
    for signs in range(2 ** len(penalties)):
        moved = [
            penalty + (1 if signs >> place & 1 else -1)
            for place, penalty in enumerate(penalties)
        ]
        other = exponential_law(moved, scale)
        worst = max(worst, divergence(law, other, order), divergence(other, law, order))
    return worst


@pytest.mark.parametrize("order", [1.01, 2.0, 8.0, 64.0])
@pytest.mark.parametrize("scale", [0.4, 2.0, 9.0])
@pytest.mark.parametrize("penalties", [[0, 0], [0, 1], [0, 3, 1, 1], [2, 0, 1, 0, 7]])
def test_the_loss_of_a_choice_holds_on_small_cases(
    penalties: list[int], scale: float, order: float
) -> None:
    claimed = loss_of_events([ExponentialMechanism(1, scale)], Definition.ZCDP)
    assert worst_divergence(penalties, scale, order) <= order * claimed.value


def test_the_loss_of_a_choice_is_not_overstated() -> None:
    claimed = loss_of_events([ExponentialMechanism(1, 9.0)], Definition.ZCDP)
    assert worst_divergence([0, 0], 9.0, 1.01) > 0.99 * claimed.value


def test_permute_and_flip_loses_more_than_the_exponential_mechanism() -> None:
    # why it is an event of its own: two candidates, order 2, both scores move by 1
    claimed = loss_of_events([ExponentialMechanism(1, 1.0)], Definition.ZCDP)
    flip = math.exp(-2)
    before, after = [0.5, 0.5], [1 - flip / 2, flip / 2]
    logs = [[math.log(chance) for chance in law] for law in (before, after)]
    assert divergence(*logs, order=2) > 1.3 * 2 * claimed.value
    pure = loss_of_events([PermuteAndFlip(1, 1.0)], Definition.PURE)
    assert divergence(*logs, order=1e6) <= pure.value


def test_withholding_costs_its_delta() -> None:
    events = [Withholding(1e-10), GaussianNoise(1.0, 10.0), Withholding(1e-10)]
    loss = loss_of_events(events, Definition.ZCDP)
    assert loss.amount == 5 * 10**9
    assert 2 * Fraction(1e-10) * 10**18 <= loss.delta <= 2 * 10**8 + 1


@pytest.mark.parametrize(
    ("event", "definition"),
    [
        (GaussianNoise(1.0, 1.0), Definition.PURE),
        (LaplaceNoise(1.0, 1.0), Definition.ZCDP),
        (Withholding(1e-10), Definition.PURE),
        (ExponentialMechanism(1, 1.0), Definition.PURE),
        (PermuteAndFlip(1, 1.0), Definition.ZCDP),
        ("an event of tomorrow", Definition.ZCDP),
    ],
)
def test_an_event_without_a_loss_here_is_refused(
    event: Event, definition: Definition
) -> None:
    with pytest.raises(ValueError, match="has no loss"):
        loss_of_events([event], definition)
