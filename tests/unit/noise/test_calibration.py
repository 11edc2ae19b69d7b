from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.events import (
    ExponentialMechanism,
    GaussianNoise,
    LaplaceNoise,
    PermuteAndFlip,
)
from dpquery.accounting.loss import Definition, Loss
from dpquery.noise.additive import spent
from dpquery.noise.calibration import (
    MOST_SENSITIVE,
    Additive,
    Choice,
    Law,
    calibrate,
    calibrate_choice,
    float_up,
)
from dpquery.noise.choice import choice_spent

# 1e-12 to 1e9 of rho or epsilon, evenly by size
amounts = st.integers(0, 69).flatmap(lambda bits: st.integers(2**bits, 2 ** (bits + 1)))
sensitivities = st.integers(0, 62).flatmap(lambda bits: st.integers(1, 2**bits))


@settings(max_examples=300, deadline=None)
@given(sensitivities, amounts, st.sampled_from(Definition))
@example(2**62, 1, Definition.ZCDP)
@example(2**62 - 1, 10**21, Definition.ZCDP)
@example(1, 1, Definition.PURE)
@example(2**53 + 1, 10**12, Definition.PURE)
def test_opendp_confirms_every_scale_and_none_is_wasteful(
    sensitivity: int, amount: int, definition: Definition
) -> None:
    handed_out = Loss(definition, amount)
    noise = calibrate(sensitivity, handed_out)
    confirmed = spent(noise)
    assert confirmed.within(handed_out)
    assert loss_of_events([noise.event()], definition).within(confirmed)
    # the optimum: sensitivity / scale is sqrt(2 rho) or epsilon, exactly
    loss = Fraction(amount, 10**12)
    ratio = Fraction(sensitivity) / Fraction(noise.scale)
    used = ratio**2 / 2 if definition is Definition.ZCDP else ratio
    assert 1 - Fraction(1, 10**9) < used / loss <= 1


@settings(max_examples=300, deadline=None)
@given(
    sensitivities.map(lambda most: min(most, MOST_SENSITIVE)),
    amounts,
    st.sampled_from(Definition),
)
@example(MOST_SENSITIVE, 1, Definition.ZCDP)
@example(MOST_SENSITIVE, 10**21, Definition.PURE)
@example(1, 1, Definition.PURE)
@example(1, 10**21, Definition.ZCDP)
@example(2**53 + 1, 10**12, Definition.ZCDP)
def test_opendp_confirms_every_choice_and_none_is_wasteful(
    sensitivity: int, amount: int, definition: Definition
) -> None:
    handed_out = Loss(definition, amount)
    choice = calibrate_choice(sensitivity, handed_out)
    assert (choice.definition, choice.sensitivity) == (definition, sensitivity)
    confirmed = choice_spent(choice)
    assert confirmed.within(handed_out)
    assert loss_of_events([choice.event()], definition).within(confirmed)
    # the optimum: the range 2 sensitivity / scale is sqrt(8 rho) or epsilon, exactly
    span = 2 * Fraction(sensitivity) / Fraction(choice.scale)
    used = span**2 / 8 if definition is Definition.ZCDP else span
    assert 1 - Fraction(1, 10**9) < used / Fraction(amount, 10**12) <= 1


def test_the_law_follows_the_definition() -> None:
    assert calibrate(1, Loss.up(Definition.ZCDP, 0.5)).law is Law.GAUSSIAN
    assert calibrate(1, Loss.up(Definition.PURE, 0.5)).law is Law.LAPLACE
    for definition in Definition:
        assert calibrate(1, Loss(definition, 5)).definition is definition


def test_the_event_is_the_noise() -> None:
    assert Additive(Law.GAUSSIAN, 7, 2.5).event() == GaussianNoise(7, 2.5)
    assert Additive(Law.LAPLACE, 7, 2.5).event() == LaplaceNoise(7, 2.5)


def test_the_event_of_a_choice_names_its_law() -> None:
    zcdp, pure = (Choice(definition, 7, 2.5) for definition in Definition)
    assert zcdp.event() == ExponentialMechanism(7, 2.5)
    assert pure.event() == PermuteAndFlip(7, 2.5)


@pytest.mark.parametrize("calibrated", [calibrate, calibrate_choice])
def test_no_loss_buys_no_noise(calibrated: Callable[[int, Loss], object]) -> None:
    with pytest.raises(ValueError, match="costs nothing"):
        calibrated(1, Loss(Definition.ZCDP, 0, delta=10))


@pytest.mark.parametrize("sensitivity", [0, -1, True, 1.0])
@pytest.mark.parametrize("definition", Definition)
@pytest.mark.parametrize("calibrated", [calibrate, calibrate_choice])
def test_a_sensitivity_is_a_positive_integer(
    calibrated: Callable[[int, Loss], object], sensitivity: int, definition: Definition
) -> None:
    with pytest.raises(ValueError, match="sensitivity"):
        calibrated(sensitivity, Loss(definition, 10**12))


def test_a_choice_is_no_more_sensitive_than_opendp_can_double() -> None:
    for definition in Definition:
        choice = calibrate_choice(MOST_SENSITIVE, Loss(definition, 10**12))
        assert choice_spent(choice).within(Loss(definition, 10**12))
        with pytest.raises(ValueError, match="sensitive"):
            calibrate_choice(MOST_SENSITIVE + 1, Loss(definition, 10**12))


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan, 3])
def test_a_scale_is_finite_and_positive(scale: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        Additive(Law.GAUSSIAN, 1, scale)
    with pytest.raises(ValueError, match="scale"):
        Choice(Definition.PURE, 1, scale)


@pytest.mark.parametrize("scale", [1e-320, 0.2, 1.0, 8.0, 300.0])
def test_the_laplace_deviation_is_exact(scale: float) -> None:
    terms = [math.exp(-z / scale) for z in range(1, int(60 * scale) + 2)]
    second = 2 * math.fsum(z * z * term for z, term in enumerate(terms, start=1))
    exact = math.sqrt(second / (1 + 2 * math.fsum(terms)))
    assert Additive(Law.LAPLACE, 1, scale).std == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("scale", [0.1, 0.5, 1.0, 8.0])
def test_the_gaussian_deviation_is_at_most_the_scale(scale: float) -> None:
    terms = [math.exp(-((z / scale) ** 2) / 2) for z in range(1, int(12 * scale) + 2)]
    second = 2 * math.fsum(z * z * term for z, term in enumerate(terms, start=1))
    exact = math.sqrt(second / (1 + 2 * math.fsum(terms)))
    assert exact <= Additive(Law.GAUSSIAN, 1, scale).std * (1 + 1e-12)
    if scale >= 1:
        assert Additive(Law.GAUSSIAN, 1, scale).std == pytest.approx(exact, rel=1e-6)


@given(st.integers(1, 2**200))
def test_floats_are_rounded_up(number: int) -> None:
    up = float_up(number)
    assert up >= number
    assert math.nextafter(up, 0) < number
