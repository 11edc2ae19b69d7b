from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import opendp.measurements
import pytest

from dpquery.accounting.events import GaussianNoise, LaplaceNoise
from dpquery.accounting.loss import Definition, Loss
from dpquery.noise import additive
from dpquery.noise.additive import measure, spent
from dpquery.noise.calibration import Additive, Law, calibrate, float_up
from dpquery.noise.confirmation import LARGEST, CalibrationError

DEFINITIONS = {Law.GAUSSIAN: Definition.ZCDP, Law.LAPLACE: Definition.PURE}
PLENTY = {law: Loss(definition, 10**30) for law, definition in DEFINITIONS.items()}


class Recorded:
    """A measurement that draws nothing and remembers what it was asked."""

    def __init__(self, loss: float) -> None:
        self.loss = loss
        self.mapped: list[float] = []
        self.drawn: list[list[int]] = []

    def map(self, distance: float) -> float:
        self.mapped.append(distance)
        return self.loss

    def __call__(self, values: list[int]) -> list[int]:
        self.drawn.append(values)
        return values


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    stub = Recorded(0.25)
    monkeypatch.setattr(additive, "_measurement", lambda _: stub)
    return stub


@pytest.mark.parametrize("law", Law)
@pytest.mark.parametrize("sensitivity", [3, 2**60 + 1])
def test_the_scale_used_is_the_scale_charged(
    monkeypatch: pytest.MonkeyPatch, law: Law, sensitivity: int
) -> None:
    calls: list[tuple[str, tuple[Any, ...], float, Any]] = []
    for name in ("make_gaussian", "make_laplace"):
        real = getattr(opendp.measurements, name)

        def spy(
            *space: Any,  # noqa: ANN401 -- OpenDP's
            scale: float,
            name: str = name,
            real: Any = real,  # noqa: ANN401 -- OpenDP's
        ) -> Any:  # noqa: ANN401 -- OpenDP's
            built = real(*space, scale=scale)
            calls.append((name, space, scale, built))
            return built

        monkeypatch.setattr(opendp.measurements, name, spy)
    handed_out = Loss.up(DEFINITIONS[law], 0.125)
    noise = calibrate(sensitivity, handed_out)
    measure(noise, [1, 2], handed_out)
    ((name, (domain, metric), scale, built),) = calls
    event = noise.event()
    assert isinstance(event, GaussianNoise | LaplaceNoise)
    assert (event.scale, event.sensitivity) == (scale, sensitivity)
    match law:
        case Law.GAUSSIAN:
            assert (name, type(event)) == ("make_gaussian", GaussianNoise)
            assert "L2Distance(f64)" in str(metric)
        case Law.LAPLACE:
            assert (name, type(event)) == ("make_laplace", LaplaceNoise)
            assert "L1Distance(f64)" in str(metric)
    assert "i64" in str(domain)
    assert Loss.up(noise.definition, built.map(float_up(sensitivity))) == spent(noise)


@pytest.mark.parametrize("law", Law)
def test_too_little_noise_is_refused_before_the_draw(
    recorded: Recorded, law: Law
) -> None:
    noise = Additive(law, 1, 4.0)
    short = Loss(DEFINITIONS[law], 25 * 10**10 - 1)
    with pytest.raises(CalibrationError, match="for a loss of"):
        measure(noise, [1, 2], short)
    assert recorded.mapped == [1.0]
    assert recorded.drawn == []
    enough = Loss(DEFINITIONS[law], 25 * 10**10)
    assert measure(noise, [1, 2], enough) == [1, 2]


@pytest.mark.parametrize("law", Law)
def test_a_slightly_smaller_scale_is_refused(law: Law) -> None:
    handed_out = Loss.up(DEFINITIONS[law], 0.1)
    noise = calibrate(5, handed_out)
    measure(noise, [0], handed_out)
    smaller = Additive(law, 5, noise.scale * (1 - 1e-9))
    with pytest.raises(CalibrationError):
        measure(smaller, [0], handed_out)
    more_sensitive = Additive(law, 6, noise.scale)
    with pytest.raises(CalibrationError):
        measure(more_sensitive, [0], handed_out)


@pytest.mark.parametrize("law", Law)
def test_no_noise_is_refused_whatever_was_handed_out(law: Law) -> None:
    none = Additive(law, 1, 1.0)
    object.__setattr__(none, "scale", 0.0)
    for noise in (none, Additive(law, 1, 5e-324)):
        with pytest.raises(CalibrationError, match="hides nothing"):
            measure(noise, [0], PLENTY[law])
        with pytest.raises(CalibrationError, match="hides nothing"):
            spent(noise)


@pytest.mark.parametrize("loss", [math.inf, math.nan])
def test_a_map_that_is_no_number_is_refused(recorded: Recorded, loss: float) -> None:
    recorded.loss = loss
    with pytest.raises(CalibrationError):
        measure(Additive(Law.GAUSSIAN, 1, 1.0), [0], PLENTY[Law.GAUSSIAN])
    assert recorded.drawn == []


def test_the_other_definition_is_refused(recorded: Recorded) -> None:
    with pytest.raises(CalibrationError):
        measure(Additive(Law.GAUSSIAN, 1, 2.0), [0], PLENTY[Law.LAPLACE])
    with pytest.raises(CalibrationError):
        measure(Additive(Law.LAPLACE, 1, 2.0), [0], PLENTY[Law.GAUSSIAN])
    assert recorded.drawn == []


def test_the_map_is_asked_at_no_less_than_the_sensitivity(recorded: Recorded) -> None:
    measure(Additive(Law.GAUSSIAN, 2**60 + 1, 1.0), [], PLENTY[Law.GAUSSIAN])
    assert recorded.mapped[0] > 2**60


def test_inputs_are_saturated(recorded: Recorded) -> None:
    values = [2**31, -(2**31), LARGEST, LARGEST + 1, -LARGEST - 1, 10**40, -(10**40)]
    measure(Additive(Law.GAUSSIAN, 1, 4.0), values, PLENTY[Law.GAUSSIAN])
    (seen,) = recorded.drawn
    edge = 2**62
    assert seen == [2**31, -(2**31), edge, edge, -edge, edge, -edge]


@pytest.mark.parametrize("value", [None, 1.5, "7"])
def test_only_integers_are_measured(recorded: Recorded, value: Any) -> None:  # noqa: ANN401
    with pytest.raises(TypeError):
        measure(Additive(Law.GAUSSIAN, 1, 4.0), [1, value], PLENTY[Law.GAUSSIAN])
    assert recorded.drawn == []


@pytest.mark.parametrize("law", Law)
def test_64_bit_values_pass_whole(law: Law) -> None:
    # at this scale a draw differs from 0 with chance below exp(-1000)
    noise = Additive(law, 1, 1e-3)
    values = [0, 2**31, -(2**31), 2**53 + 1, LARGEST, -LARGEST]
    assert measure(noise, values, PLENTY[law]) == values


@pytest.mark.parametrize("law", Law)
def test_far_noise_saturates_instead_of_wrapping(law: Law) -> None:
    noise = Additive(law, 1, 1e40)
    drawn = set(measure(noise, [LARGEST] * 200, PLENTY[law]))
    # one sign only has chance 2^-199
    assert drawn == {2**63 - 1, -(2**63)}


@pytest.mark.parametrize("law", Law)
def test_an_empty_vector_is_empty(law: Law) -> None:
    assert measure(Additive(law, 1, 4.0), [], PLENTY[law]) == []


@pytest.mark.parametrize("law", Law)
def test_every_draw_is_fresh(law: Law) -> None:
    noise = Additive(law, 1, 1e9)
    first = measure(noise, [0] * 20, PLENTY[law])
    assert len(set(first)) > 10
    assert first != measure(noise, [0] * 20, PLENTY[law])


def test_pricing_does_not_load_opendp_and_measuring_not_its_prelude() -> None:
    program = (
        "import sys, dpquery.noise.calibration, dpquery.noise.partition_selection\n"
        "import dpquery.noise.intervals, dpquery.noise.additive as additive\n"
        "import dpquery.noise.ranks, dpquery.noise.choice as choice\n"
        "print('opendp' in sys.modules)\n"
        "from dpquery.noise.calibration import Additive, Choice, Definition, Law\n"
        "additive.spent(Additive(Law.LAPLACE, 1, 1.0))\n"
        "choice.choice_spent(Choice(Definition.PURE, 1, 1.0))\n"
        "print('opendp' in sys.modules, 'opendp.prelude' in sys.modules)\n"
    )
    done = subprocess.run(  # noqa: S603 -- our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True", "False"]
