from __future__ import annotations

import math

import pytest

from .alarms import (
    FALSE_ALARM,
    chi_square_limit,
    gamma_tail,
    outside,
    power,
    statistic,
)


def test_the_chi_square_limit_is_right() -> None:
    # two degrees: exp(-x / 2); one degree: erfc(sqrt(x / 2))
    assert chi_square_limit(2) == pytest.approx(-2 * math.log(FALSE_ALARM), rel=1e-9)
    one = chi_square_limit(1)
    assert math.erfc(math.sqrt(one / 2)) == pytest.approx(FALSE_ALARM, rel=1e-6)
    assert gamma_tail(50, 40) + (1 - gamma_tail(50, 40)) == 1
    assert gamma_tail(2, 3) == pytest.approx(4 * math.exp(-3))
    assert gamma_tail(3, 2) == pytest.approx(5 * math.exp(-2))


def test_the_statistic_and_the_power() -> None:
    assert statistic([60, 40], [0.5, 0.5], 100) == pytest.approx(4.0)
    # draws enough that the distance is the limit: seen about half of the time
    draws = round(chi_square_limit(1) / 0.04)
    assert power([0.5, 0.5], [0.6, 0.4], draws) == pytest.approx(0.5, abs=0.05)
    assert power([0.5, 0.5], [0.5, 0.5], draws) < 1e-6


def test_binomial_tails() -> None:
    assert outside(1, 9, 0.5, 10) == pytest.approx(2 / 1024)
    assert outside(0, 9, 0.5, 10) == pytest.approx(1 / 1024)
