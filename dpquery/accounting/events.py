"""
What happened to private data, as values that a ledger keeps for years.

Compatibility law: an event class is never removed and its meaning never changes; a new
meaning is a new class. Software that meets an event it does not know says so and does
not guess: :func:`from_json` and the accountant raise, so an older dpquery can never
under-count what a newer one recorded.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class GaussianNoise:
    """Discrete Gaussian noise was added to every element of an integer vector."""

    sensitivity: float
    """L2 sensitivity of the vector to one privacy unit, in grid units."""
    scale: float
    """Sigma, in grid units."""

    def __post_init__(self) -> None:
        _check_noise(self.sensitivity, self.scale)


@dataclass(frozen=True, slots=True)
class LaplaceNoise:
    """Discrete Laplace noise was added to every element of an integer vector."""

    sensitivity: float
    """L1 sensitivity of the vector to one privacy unit, in grid units."""
    scale: float
    """The scale b (log-ratio 1/b per unit), in grid units."""

    def __post_init__(self) -> None:
        _check_noise(self.sensitivity, self.scale)


@dataclass(frozen=True, slots=True)
class ExponentialMechanism:
    """
    In every group of a release one of several public candidates was chosen by score.

    Independently in each group, with P[candidate] ~ exp(score / scale), and by no
    other law: the loss under zCDP rests on it. A unit that moves every score of group
    g by at most d_g moves the log-odds of any two candidates by at most 2 d_g / scale
    (a bounded range), so the choice in g costs rho = (2 d_g / scale)^2 / 8 (Cesar-
    Rogers 2020, arXiv 2004.07223; Rogers-Steinke 2021). zCDP adds up over groups:
    sum_g (2 d_g / scale)^2 / 8 <= (2 sensitivity / scale)^2 / 8.
    """

    sensitivity: float
    """At least sqrt(sum_g d_g^2) for every privacy unit, in units of the scores."""
    scale: float
    """What a score is divided by in the exponent, in units of the scores."""

    def __post_init__(self) -> None:
        _check_noise(self.sensitivity, self.scale)


@dataclass(frozen=True, slots=True)
class PermuteAndFlip:
    """
    In every group of a release one of several public candidates was chosen by score.

    Independently in each group: candidates in random order, each taken with chance
    exp((score - best score) / scale), until one is (McKenna-Sheldon 2020, arXiv
    2010.12603; the largest score after adding exponential noise). A unit that moves
    every score of group g by at most d_g costs epsilon = 2 d_g / scale there. Pure DP
    adds up over groups: sum_g 2 d_g / scale <= 2 sensitivity / scale. The range is not
    bounded as that of the exponential mechanism is: read as zCDP with epsilon^2 / 8
    this would cost up to four times what is said (opendp#2911).
    """

    sensitivity: float
    """At least sum_g d_g for every privacy unit, in units of the scores."""
    scale: float
    """What a score is divided by in the exponent, in units of the scores."""

    def __post_init__(self) -> None:
        _check_noise(self.sensitivity, self.scale)


@dataclass(frozen=True, slots=True)
class Withholding:
    """Groups were shown or withheld by a threshold on a noisy count of units."""

    delta: float
    """The probability that any group of a single unit is shown."""

    def __post_init__(self) -> None:
        if not (_is_number(self.delta) and 0 <= self.delta < 1):
            raise ValueError(f"delta is a number in [0, 1): {self.delta!r}")


Event: TypeAlias = (
    GaussianNoise | LaplaceNoise | ExponentialMechanism | PermuteAndFlip | Withholding
)

_KINDS: dict[str, type[Event]] = {
    "gaussian_noise": GaussianNoise,
    "laplace_noise": LaplaceNoise,
    "exponential_mechanism": ExponentialMechanism,
    "permute_and_flip": PermuteAndFlip,
    "withholding": Withholding,
}
_NAMES: dict[type[Event], str] = {kind: name for name, kind in _KINDS.items()}


def to_json(events: Iterable[Event]) -> str:
    """
    Return *events* as a JSON array that :func:`from_json` reads back exactly.

    >>> to_json([Withholding(1e-10)])
    '[{"event":"withholding","delta":1e-10}]'
    """
    return json.dumps(
        [{"event": _NAMES[type(event)], **asdict(event)} for event in events],
        separators=(",", ":"),
        allow_nan=False,
    )


def from_json(text: str) -> tuple[Event, ...]:
    """
    Return the events in *text*.

    Raises:
        ValueError: For anything but an array of known events with exactly their
            fields; an unknown kind is one that a newer dpquery recorded.
    """
    items = json.loads(text)
    if not isinstance(items, list):
        raise ValueError("events are a JSON array")  # noqa: TRY004 -- bad input
    return tuple(_event(item) for item in items)


def _event(item: object) -> Event:
    """Return one event from its JSON object."""
    if not isinstance(item, dict):
        raise ValueError("an event is a JSON object")  # noqa: TRY004 -- bad input
    values = dict(item)
    kind = _KINDS.get(str(values.pop("event", None)))
    if kind is None:
        raise ValueError("an event of an unknown kind")
    if values.keys() != {field.name for field in fields(kind)}:
        raise ValueError(f"{kind.__name__} with other fields than it has")
    return kind(**values)


def _check_noise(sensitivity: float, scale: float) -> None:
    """Refuse parameters that describe no noise."""
    if not (_is_number(sensitivity) and sensitivity >= 0):
        raise ValueError(f"a sensitivity is a finite number >= 0: {sensitivity!r}")
    if not (_is_number(scale) and scale > 0):
        raise ValueError(f"a scale is a finite number > 0: {scale!r}")


def _is_number(value: object) -> bool:
    """Return whether *value* is a finite int or float, and no boolean."""
    return type(value) is int or (type(value) is float and math.isfinite(value))
