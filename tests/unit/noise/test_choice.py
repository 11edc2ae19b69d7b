from __future__ import annotations

import math
from typing import Any

import opendp.measurements
import pytest

from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.loss import Definition, Loss
from dpquery.noise import choice as module
from dpquery.noise.calibration import Choice, calibrate_choice
from dpquery.noise.choice import choice_spent, choose, rank_error
from dpquery.noise.confirmation import LARGEST, CalibrationError

PLENTY = {definition: Loss(definition, 10**30) for definition in Definition}


class Recorded:
    """A measurement that draws nothing and remembers what it was asked."""

    def __init__(self, loss: float) -> None:
        self.loss = loss
        self.mapped: list[int] = []
        self.drawn: list[list[int]] = []

    def map(self, distance: int) -> float:
        self.mapped.append(distance)
        return self.loss

    def __call__(self, scores: list[int]) -> int:
        self.drawn.append(scores)
        return scores.index(max(scores))


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    stub = Recorded(0.25)
    monkeypatch.setattr(module, "_measurement", lambda _: stub)
    return stub


@pytest.mark.parametrize("definition", Definition)
@pytest.mark.parametrize("sensitivity", [3, 2**60 + 1])
def test_the_scale_used_is_the_scale_charged(
    monkeypatch: pytest.MonkeyPatch, definition: Definition, sensitivity: int
) -> None:
    calls: list[tuple[tuple[Any, ...], float, Any]] = []
    real = opendp.measurements.make_noisy_max

    def spy(*space: Any, scale: float) -> Any:  # noqa: ANN401 -- OpenDP's
        built = real(*space, scale=scale)
        calls.append((space, scale, built))
        return built

    monkeypatch.setattr(opendp.measurements, "make_noisy_max", spy)
    handed_out = Loss.up(definition, 0.125)
    choice = calibrate_choice(sensitivity, handed_out)
    assert len(choose(choice, [[1, 2], [3]], handed_out)) == 2
    (((domain, metric, measure), scale, built),) = calls
    event = choice.event()
    assert (event.scale, event.sensitivity) == (scale, sensitivity)
    match definition:
        case Definition.ZCDP:
            assert str(measure) == "ZeroConcentratedDivergence"
        case Definition.PURE:
            assert str(measure) == "MaxDivergence"
    assert "i64" in str(domain)
    # not the monotonic metric, which would charge half
    assert str(metric) == "LInfDistance(T=i64)"
    assert Loss.up(definition, built.map(sensitivity)) == choice_spent(choice)


@pytest.mark.parametrize("definition", Definition)
def test_what_opendp_says_is_what_the_accountant_says(definition: Definition) -> None:
    for sensitivity, scale in [(1, 1.0), (7, 40.0), (38, 1e-3), (2**40, 2.0**44)]:
        choice = Choice(definition, sensitivity, scale)
        ours, theirs = (
            loss_of_events([choice.event()], definition),
            choice_spent(choice),
        )
        assert ours.within(theirs)
        assert theirs.amount - ours.amount <= 1 + ours.amount * 1e-14


@pytest.mark.parametrize("definition", Definition)
def test_too_sharp_a_choice_is_refused_before_the_draw(
    recorded: Recorded, definition: Definition
) -> None:
    choice = Choice(definition, 5, 4.0)
    short = Loss(definition, 25 * 10**10 - 1)
    with pytest.raises(CalibrationError, match="for a loss of"):
        choose(choice, [[1, 2]], short)
    assert recorded.mapped == [5]
    assert recorded.drawn == []
    assert choose(choice, [[1, 2], [4, 3]], Loss(definition, 25 * 10**10)) == [0, 1]


@pytest.mark.parametrize("definition", Definition)
def test_a_slightly_smaller_scale_is_refused(definition: Definition) -> None:
    handed_out = Loss.up(definition, 0.1)
    choice = calibrate_choice(5, handed_out)
    choose(choice, [[0, 1]], handed_out)
    for sharper in (
        Choice(definition, 5, choice.scale * (1 - 1e-9)),
        Choice(definition, 6, choice.scale),
    ):
        with pytest.raises(CalibrationError):
            choose(sharper, [[0, 1]], handed_out)


@pytest.mark.parametrize("definition", Definition)
def test_no_noise_is_refused_whatever_was_handed_out(definition: Definition) -> None:
    none = Choice(definition, 1, 1.0)
    object.__setattr__(none, "scale", 0.0)
    for choice in (none, Choice(definition, 1, 5e-324)):
        with pytest.raises(CalibrationError, match="hides nothing"):
            choose(choice, [[0, 1]], PLENTY[definition])
        with pytest.raises(CalibrationError, match="hides nothing"):
            choice_spent(choice)


@pytest.mark.parametrize("loss", [math.inf, math.nan])
def test_a_map_that_is_no_number_is_refused(recorded: Recorded, loss: float) -> None:
    recorded.loss = loss
    with pytest.raises(CalibrationError):
        choose(Choice(Definition.ZCDP, 1, 1.0), [[0]], PLENTY[Definition.ZCDP])
    assert recorded.drawn == []


def test_the_other_definition_is_refused(recorded: Recorded) -> None:
    for one, other in (tuple(Definition), tuple(Definition)[::-1]):
        with pytest.raises(CalibrationError):
            choose(Choice(one, 1, 2.0), [[0]], PLENTY[other])
    assert recorded.drawn == []


def test_least_penalties_are_best_and_saturate(recorded: Recorded) -> None:
    choice = Choice(Definition.ZCDP, 1, 4.0)
    penalties = [[3, 0, 2], [10**40, LARGEST, LARGEST - 1, -(10**40)]]
    assert choose(choice, penalties, PLENTY[Definition.ZCDP]) == [1, 3]
    edge = 2**62
    assert recorded.drawn == [[-3, 0, -2], [-edge, -edge, 1 - edge, edge]]


@pytest.mark.parametrize("penalty", [None, 1.5, "7"])
def test_only_integers_are_penalties(recorded: Recorded, penalty: Any) -> None:  # noqa: ANN401
    with pytest.raises(TypeError):
        choose(Choice(Definition.ZCDP, 1, 4.0), [[1, penalty]], PLENTY[Definition.ZCDP])
    assert recorded.drawn == []


def test_a_group_without_candidates_is_refused_before_any_draw(
    recorded: Recorded,
) -> None:
    with pytest.raises(ValueError, match="candidates"):
        choose(Choice(Definition.ZCDP, 1, 4.0), [[1], []], PLENTY[Definition.ZCDP])
    assert recorded.drawn == []


@pytest.mark.parametrize("definition", Definition)
def test_edges(definition: Definition) -> None:
    plenty, sharp = PLENTY[definition], Choice(definition, 1, 1e-6)
    assert choose(sharp, [], plenty) == []
    assert choose(sharp, [[5]], plenty) == [0]
    # a gap of 1 is passed over except with chance exp(-10^6); so are huge ones
    groups = [[2, 1, 3], [LARGEST, -LARGEST], [1, 0, LARGEST, 2**53], [0, 1]]
    assert choose(sharp, groups, plenty) == [1, 1, 1, 0]
    # next to each other at the very edge of what 64 bits hold
    assert choose(sharp, [[LARGEST, LARGEST - 1], [-LARGEST, 0]], plenty) == [1, 0]


@pytest.mark.parametrize("definition", Definition)
@pytest.mark.parametrize("penalties", [[7] * 3, [0, 1, 2]])
def test_ties_and_wide_scales_leave_every_candidate_a_chance(
    definition: Definition, penalties: list[int]
) -> None:
    scale = 1e-6 if len(set(penalties)) == 1 else 1e30
    choice = Choice(definition, 1, scale)
    drawn = choose(choice, [penalties] * 200, PLENTY[definition])
    # one that is never chosen has chance 3 (2/3)^200 < 1e-34
    assert set(drawn) == {0, 1, 2}


def exponential(penalties: list[int], scale: float) -> list[float]:
    weights = [math.exp(-(each - min(penalties)) / scale) for each in penalties]
    return [weight / math.fsum(weights) for weight in weights]


@pytest.mark.parametrize("candidates", [1, 2, 10, 1000])
@pytest.mark.parametrize("miss", [0.5, 0.05, 1e-9])
@pytest.mark.parametrize("scale", [0.3, 40.0])
def test_the_rank_error_covers_in_the_worst_case(
    candidates: int, miss: float, scale: float
) -> None:
    choice = Choice(Definition.ZCDP, 1, scale)
    error = rank_error(choice, candidates, miss)
    assert 0 <= error <= scale * math.log(candidates / miss)
    # one best candidate and all others just beyond
    beyond = math.floor(error) + 1
    law = exponential([0] + [beyond] * (candidates - 1), scale)
    assert math.fsum(law[1:]) <= miss


def test_the_rank_error_is_not_overstated() -> None:
    choice = Choice(Definition.ZCDP, 1, 40.0)
    error = math.floor(rank_error(choice, 100, 0.01))
    law = exponential([0] + [error] * 99, 40.0)
    assert math.fsum(law[1:]) > 0.009


@pytest.mark.parametrize(
    ("candidates", "miss"), [(0, 0.5), (5, 0.0), (5, 1.0), (5, math.nan)]
)
def test_rank_errors_need_candidates_and_a_chance(candidates: int, miss: float) -> None:
    with pytest.raises(ValueError, match="missed with chance"):
        rank_error(Choice(Definition.PURE, 1, 1.0), candidates, miss)
