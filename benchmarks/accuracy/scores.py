"""From answers to errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import geometric_mean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Answer = Mapping[str, tuple[float, ...]]

GOAL, MEAN_GOAL, RELEASED_GOAL = 1 / 2, 1 / 3, 3.0
"""What is aimed at: on every line, in geometric mean, and in groups released."""


@dataclass(frozen=True, slots=True)
class Score:
    """How good the answers of one peer to one line are."""

    rmse: float
    """Over all groups of the exact answer; of several columns, relative to their size:
    the root mean square of the exact column."""
    released: float
    """The median number of those groups that were shown."""
    bias: float = math.nan
    """The root mean square of the mean errors, less what noise leaves in it."""


def score(exact: Answer, answers: Sequence[Answer]) -> Score:
    """
    Return the score of *answers* to one line.

    A group that is missing, NULL or infinite counts with its whole exact value.
    """
    columns = range(len(next(iter(exact.values()))))
    squares, biases = [], []
    for at in columns:
        errors = [
            [_cell(each.get(key), at) - row[at] for key, row in exact.items()]
            for each in answers
        ]
        square = _mean([error * error for each in errors for error in each])
        means = [_mean(each) for each in zip(*errors, strict=True)]
        steady = _mean([each * each for each in means])
        count = len(answers)
        left = max(0.0, (steady * count - square) / (count - 1)) if count > 1 else 0.0
        size = (
            _mean([row[at] ** 2 for row in exact.values()]) if len(columns) > 1 else 1
        )
        squares.append(square / size)
        biases.append(left / size)
    released = median(sum(_shown(each.get(key)) for key in exact) for each in answers)
    return Score(math.sqrt(_mean(squares)), released, math.sqrt(_mean(biases)))


def _cell(row: tuple[float, ...] | None, at: int) -> float:
    return row[at] if row is not None and math.isfinite(row[at]) else 0.0


def _shown(row: tuple[float, ...] | None) -> bool:
    return row is not None


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


@dataclass(frozen=True, slots=True)
class Result:
    """One line, and everybody's score."""

    name: str
    public: bool
    groups: int
    own: Score
    peers: Mapping[str, Score | str]
    """A score, or why there is none."""
    floor: Score | str = ""
    """What the best norm clip would give, known for nothing."""

    @property
    def scores(self) -> dict[str, Score]:
        """The scores of the peers that answered."""
        return {k: v for k, v in self.peers.items() if isinstance(v, Score)}

    def ratio(self, peer: str | None = None) -> float:
        """Return our error over that of *peer*, or of the best; NaN: no answer."""
        return self.own.rmse / self._least(peer)

    def _least(self, peer: str | None = None) -> float:
        errors = (v.rmse for k, v in self.scores.items() if peer in (None, k))
        return min(errors, default=math.nan)

    @property
    def floor_ratio(self) -> float:
        """The error of the best norm clip over the best peer's; NaN: not known."""
        found = self.floor
        return found.rmse / self._least() if isinstance(found, Score) else math.nan

    @property
    def most_released(self) -> float:
        """Groups that the best peer released."""
        return max((each.released for each in self.scores.values()), default=0)

    @property
    def released(self) -> float:
        """Groups that we released, over those that the best peer did."""
        most = self.most_released
        if most:
            return self.own.released / most
        return math.inf if self.own.released else math.nan


def mean_ratio(results: Sequence[Result], peer: str | None = None) -> float:
    """Return the geometric mean of the ratios to *peer*, or to each line's best."""
    found = [ratio for each in results if (ratio := each.ratio(peer)) > 0]
    return geometric_mean(found) if found else math.nan
