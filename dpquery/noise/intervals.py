"""
From noisy integers to estimates and their confidence intervals.

An interval is for what the query says of this data after contribution bounding: it
covers noise, not clipping. The terms of an estimate are independent draws of noise,
each drawn reading at most once, and a ratio's two halves share none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, assert_never

from dpquery.noise import sampled
from dpquery.noise.calibration import Additive, Law
from dpquery.noise.sampled import Ends, Sampled, ends_interval, sampled_interval
from dpquery.noise.spread import Noises, spread
from dpquery.results import Interval

HALF_A_ROW = 0.5
"""An average over fewer rows than this is NULL, as SQL's average over none is."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One noisy integer, in grid units."""

    value: int
    noise: Additive
    origin: tuple[Any, ...] | None = field(default=None, compare=False, repr=False)
    """What it was read as before: two with one origin are one draw of noise."""


@dataclass(frozen=True, slots=True)
class Linear:
    """The sum of coefficient times reading: a count, a sum, a merge of releases."""

    terms: tuple[tuple[float, Reading], ...]

    def __post_init__(self) -> None:
        if not all(math.isfinite(coefficient) for coefficient, _ in self.terms):
            raise ValueError("coefficients are finite")


@dataclass(frozen=True, slots=True)
class Ratio:
    """``centre + numerator / denominator``, clamped into [low, high]: an average."""

    numerator: Linear
    denominator: Linear
    centre: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.centre) and self.low <= self.high):
            raise ValueError("a ratio has a finite centre and low <= high")


Estimate: TypeAlias = Linear | Ratio | Sampled | Ends


def point(estimate: Linear | Ratio) -> float | None:
    """Return the estimate; ``None`` for a ratio over less than half a row."""
    match estimate:
        case Linear():
            return _total(estimate)
        case Ratio():
            below = _total(estimate.denominator)
            if below < HALF_A_ROW:
                return None
            return _clamped(estimate, _total(estimate.numerator) / below)
        case _:
            assert_never(estimate)


def interval(estimate: Estimate, confidence: float) -> Interval:
    """
    Return the interval that covers the noiseless value with chance *confidence*.

    >>> noise = Additive(Law.LAPLACE, sensitivity=1, scale=10.0)
    >>> interval(Linear(((1.0, Reading(100, noise)),)), 0.95)
    Interval(low=70.0, high=130.0)

    Raises:
        ValueError: For a confidence outside (0, 1).
    """
    miss = _miss(confidence)
    match estimate:
        case Linear():
            middle, half = _total(estimate), spread(_noises(estimate), miss)
            return Interval(middle - half, middle + half)
        case Ratio():
            return _ratio(estimate, miss)
        case Sampled():
            return sampled_interval(estimate, miss)
        case Ends():
            return ends_interval(estimate, miss)
        case _:
            assert_never(estimate)


def unbounded(estimate: Estimate, confidence: float = 0.95) -> bool:
    """
    Return whether noise leaves the estimate open on some side: all values are possible.

    Fieller's interval of a ratio is bounded iff its denominator is surely not zero.
    """
    match estimate:
        case Ratio(denominator=below):
            return _total(below) <= spread(_noises(below), _miss(confidence))
        case Sampled():
            free = replace(estimate, least=-math.inf, most=math.inf)
            return any(map(math.isinf, sampled_interval(free, _miss(confidence))))
        case Linear() | Ends():
            return False
        case _:
            assert_never(estimate)


def half_width(noise: Additive, coefficient: float, confidence: float) -> float:
    """
    Return half the interval of one reading times *coefficient*, before it is drawn.

    Raises:
        ValueError: For a confidence outside (0, 1).
    """
    return spread(((abs(coefficient), noise),), _miss(confidence))


def to_json(estimate: Estimate) -> dict[str, Any]:
    """
    Return *estimate* as JSON-ready data that :func:`from_json` reads back exactly.

    Integers stay integers; floats are text, which every JSON library keeps to the
    last bit, infinities included.
    """
    match estimate:
        case Linear():
            return {"linear": _terms_to_json(estimate)}
        case Ratio():
            return {
                "numerator": _terms_to_json(estimate.numerator),
                "denominator": _terms_to_json(estimate.denominator),
                "centre": repr(estimate.centre),
                "low": repr(estimate.low),
                "high": repr(estimate.high),
            }
        case Sampled() | Ends():
            return sampled.to_json(estimate)
        case _:
            assert_never(estimate)


def from_json(data: object) -> Estimate:
    """
    Return the estimate that :func:`to_json` wrote.

    Raises:
        ValueError: For anything that it does not write.
    """
    match data:
        case {"linear": terms, **rest} if not rest:
            return _terms_from_json(terms)
        case {
            "numerator": above,
            "denominator": below,
            "centre": str(centre),
            "low": str(low),
            "high": str(high),
            **rest,
        } if not rest:
            return Ratio(
                _terms_from_json(above),
                _terms_from_json(below),
                float(centre),
                float(low),
                float(high),
            )
        case _:
            return sampled.from_json(data)


def _terms_to_json(linear: Linear) -> list[list[Any]]:
    """Return the terms as [coefficient, value, law, sensitivity, scale]."""
    return [
        [
            repr(coefficient),
            reading.value,
            reading.noise.law.value,
            reading.noise.sensitivity,
            repr(reading.noise.scale),
        ]
        for coefficient, reading in linear.terms
    ]


def _terms_from_json(terms: object) -> Linear:
    """Undo :func:`_terms_to_json`."""
    if not isinstance(terms, list):
        raise ValueError("terms are a list")  # noqa: TRY004 -- bad input
    return Linear(tuple(_term_from_json(term) for term in terms))


def _term_from_json(term: object) -> tuple[float, Reading]:
    """Return one coefficient and reading."""
    match term:
        case [str(coefficient), int(value), str(law), int(sensitivity), str(scale)]:
            noise = Additive(Law(law), sensitivity, float(scale))
            return float(coefficient), Reading(value, noise)
        case _:
            raise ValueError("this is no term of an estimate")


def _noises(linear: Linear) -> Noises:
    """Return the noises that can move *linear*."""
    return tuple(
        (abs(coefficient), reading.noise)
        for coefficient, reading in linear.terms
        if coefficient
    )


def _ratio(ratio: Ratio, miss: float) -> Interval:
    """Return the interval of a ratio, within its bounds; all of them if unbounded."""
    above, below = _noises(ratio.numerator), _noises(ratio.denominator)
    quotients = (
        _fieller
        if all(noise.law is Law.GAUSSIAN for _, noise in above + below)
        else _box
    )(_total(ratio.numerator), above, _total(ratio.denominator), below, miss)
    if quotients is None:
        return Interval(ratio.low, ratio.high)
    return Interval(*(_clamped(ratio, quotient) for quotient in quotients))


def _fieller(
    total: float, above: Noises, count: float, below: Noises, miss: float
) -> tuple[float, float] | None:
    """
    Return {q: (total - q count)^2 <= a^2 + q^2 b^2}, ``None`` if unbounded.

    a and b are the two half widths, z standard deviations each: Fieller's interval
    with known variances, exact for Gaussian noise (theory.md 4.2). All is divided by
    count^2 and the discriminant is a sum of positive terms, so nothing cancels.
    """
    a, b = spread(above, miss), spread(below, miss)
    if count <= b:
        return None
    middle, apart = total / count, b / count
    square = (count - b) / count * (1 + apart)
    swing = math.hypot(a / count * math.sqrt(square), apart * middle)
    return (middle - swing) / square, (middle + swing) / square


def _box(
    total: float, above: Noises, count: float, below: Noises, miss: float
) -> tuple[float, float] | None:
    """Return all quotients when each half keeps to its own interval (Bonferroni)."""
    a, b = spread(above, miss / 2), spread(below, miss / 2)
    if count <= b:
        return None
    corners = [x / y for x in (total - a, total + a) for y in (count - b, count + b)]
    return min(corners), max(corners)


def _total(linear: Linear) -> float:
    """Return the sum of coefficient times value."""
    return math.fsum(
        coefficient * reading.value for coefficient, reading in linear.terms
    )


def _clamped(ratio: Ratio, quotient: float) -> float:
    """Return centre + *quotient*, within the ratio's bounds."""
    return max(ratio.low, min(ratio.high, ratio.centre + quotient))


def _miss(confidence: float) -> float:
    """Return the probability that an interval may miss."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is between 0 and 1: {confidence!r}")
    return 1 - confidence
