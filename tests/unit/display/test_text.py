"""How numbers are rounded, so that no digit is shown that the noise has drowned."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpquery.display.text import point, shown
from dpquery.results import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.results import Release


@pytest.mark.parametrize(
    ("cell", "half", "expected"),
    [
        (1234.567, 89.1, "1235 ± 89"),
        (1234567, 1894.3, "1234600 ± 1900"),
        (41, 12.1, "41 ± 12"),
        (41, 0.4, "41 ± 0"),
        (0.04321, 0.00123, "0.0432 ± 0.0012"),
        (Decimal("123.45"), 0.031, "123.45 ± 0.03"),
        (Decimal("123.45"), 31, "123 ± 31"),
        (3e22, 4e20, "3.000e22 ± 4.0e20"),
        (-2e-9, 3e-10, "-2.00e-9 ± 3.0e-10"),
        (4512.5, 1e-7, "4512.5 ± 1.0e-7"),
        (0.0, 1e-9, "0 ± 1.0e-9"),
        (5, math.inf, "5 ± ∞"),
        (5, 0, "5"),
    ],
)
def test_two_digits_of_the_half_width(
    cell: float | Decimal, half: float, expected: str
) -> None:
    assert shown(cell, Interval(float(cell) - half, float(cell) + half)) == expected


def test_what_has_no_interval() -> None:
    assert shown(None, None) == "NULL"
    assert shown(math.nan, None) == "NULL"
    assert shown(0.123456, None) == "0.1235"
    assert shown(-3, None, count=True) == "0"
    assert shown(123456, None) == "123456"
    assert shown("a\x1bb", None) == "a\\x1bb"
    assert shown(7, Interval(None, None)) == "7 ± ∞"  # type: ignore[arg-type]


@given(st.integers(-(10**9), 10**9), st.floats(0.5, 1e6))
def test_a_count_below_zero_keeps_its_width(cell: int, half: float) -> None:
    """What is possible of its interval is within what is shown."""
    bar = Interval(cell - half, cell + half)
    found = point(cell, bar, count=True)
    assert found is not None
    assert found.value == max(0, cell)
    assert found.low >= 0
    assert found.low <= max(0, bar.low)
    assert found.high >= max(0, bar.high)
    text = shown(cell, bar, count=True)
    assert not text.startswith("-")
    assert (
        text.split(" ± ")[1]
        == shown(abs(cell), bar_of(abs(cell), half)).split(" ± ")[1]
    )


def bar_of(value: float, half: float) -> Interval:
    return Interval(value - half, value + half)


@given(
    st.floats(-1e15, 1e15),
    st.floats(1e-12, 1e15),
)
def test_what_is_shown_is_near_what_is(value: float, half: float) -> None:
    bar = bar_of(value, half)
    number, _, width = shown(value, bar).partition(" ± ")
    real = max(bar.high - value, value - bar.low)
    if not width:
        assert real <= 0
        return
    assert float(width) == pytest.approx(real, rel=0.051)
    # A bar that is far smaller than its number does not round it.
    tiny = 1e-4 + 1e-3 * abs(value) if real < 1e-9 * abs(value) else 0.0
    assert abs(float(number) - value) <= max(0.051 * real, tiny)


def test_a_notebook_shows_the_same_numbers(made: Callable[..., Release]) -> None:
    page = made(("<k>", "n"), [("<b>", -3)], 12, counts=("n",))._repr_html_()
    assert "<td>&lt;b&gt;</td>" in page
    assert "0 ± 12" in page
    assert '<th scope="col">&lt;k&gt;</th>' in page
    assert "ε 0.2, δ 1e-10 · ε 2.8 left" in page
