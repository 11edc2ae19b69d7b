"""
(L0, L∞) truncation with the best bounds there are: what a careful peer could do.

Each unit keeps k groups, drawn at random, and at most c in each. All k and c on a grid
are tried on the exact data, and the best is taken for nothing: an oracle. The error is
computed, not drawn: bias and variance of what is kept, and variance of the noise

    Gaussian  σ = c·√k / √(2ρ)      Laplace  b = k·c/ε

A query's columns share ρ or ε equally. An average is two sums. Groups whose keys are
not public show when a count of units, with a share of the loss, or the count that was
asked for, is above the threshold of delta (Korolova et al. 2009).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.accuracy.lines import Kind, Line, Measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import duckdb

    from benchmarks.accuracy.cells import Cells, Floats
    from benchmarks.accuracy.terms import Terms

POINTS = 200
"""Quantiles that stand for a law of noise."""
EVERY = 8
"""Of so many quantiles one stands for all where two laws meet."""
FOR_UNITS = (0.05, 0.1, 0.2, 0.35, 0.5)
"""Shares of a loss that a count of units may have."""
FOR_SUM = (0.5, 2 / 3, 0.8, 0.9)
"""Shares of an average's loss that its sum may have."""


class Law(StrEnum):
    """A law of noise."""

    GAUSSIAN = "gaussian"
    LAPLACE = "laplace"
    """ε adds up, or ε²/2 under zCDP, whichever leaves more."""
    BASIC = "basic"
    """Laplace noise where ε adds up: per-query ε, split over the columns."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise for a share of one question's loss."""

    law: Law
    terms: Terms

    def scale(self, k: int, c: float, share: float) -> float:
        """Return σ or b for *k* groups of at most *c*."""
        if self.law is Law.GAUSSIAN:
            return c * math.sqrt(k / (2 * self.terms.rho * share))
        return k * c / self._epsilon(share)

    def _epsilon(self, share: float) -> float:
        """Return the ε of Laplace noise with a share of the loss."""
        added_up = self.terms.epsilon_alone * share
        if self.law is Law.BASIC:
            return added_up
        return max(added_up, math.sqrt(2 * self.terms.rho * share))

    def variance(self, scale: float) -> float:
        """Return the variance of noise of *scale*."""
        return scale * scale * (1 if self.law is Law.GAUSSIAN else 2)

    def threshold(self, k: int, scale: float) -> float:
        """Return the least noisy count of units that shows (theory: Korolova)."""
        if self.law is Law.GAUSSIAN:
            alone = -math.expm1(math.log1p(-self.terms.delta_of_groups) / k)
            return 1 - scale * NormalDist().inv_cdf(alone)
        alone = -math.expm1(math.log1p(-self._delta) / k)
        return 1 - scale * math.log(2 * alone)

    @property
    def _delta(self) -> float:
        """What withholding may lose under Laplace noise."""
        basic = self.law is Law.BASIC
        return self.terms.delta_alone if basic else self.terms.delta_of_groups

    def points(self) -> Floats:
        """Return quantiles of noise of scale 1."""
        at = (np.arange(POINTS) + 0.5) / POINTS
        if self.law is Law.GAUSSIAN:
            normal = NormalDist()
            return np.array([normal.inv_cdf(each) for each in at])
        found: Floats = -np.sign(at - 0.5) * np.log1p(-2 * np.abs(at - 0.5))
        return found


@dataclass(frozen=True, slots=True)
class Best:
    """The best bounds for one measure, and the error with them."""

    mean_square: float
    groups: int
    bound: float
    released: float
    bias: float = 0.0
    """The root of the mean square error without noise."""
    one_count: bool = False
    """Whether the count that is shown decides which groups are."""
    share: float = 1.0
    """The share of the loss that the sum has, beside a count."""


def grid(most: float, least: float = 1) -> list[float]:
    """Return numbers from *least* to *most*, each a sixth above the one before."""
    found, at = [], float(least)
    while at < most:
        found.append(at)
        at *= 1.16
    return [*found, float(most)]


def counts(most: int) -> list[int]:
    """Return the whole numbers of a grid up to *most*."""
    return sorted({round(each) for each in grid(max(1, most))})


def best(cells: Cells, line: Line, at: int, law: Law, terms: Terms) -> Best | None:
    """Return the best error of one measure; ``None`` where truncation has no way."""
    tried = _tried(cells, line, at, law, terms)
    return min(tried, key=lambda each: each.mean_square, default=None)


def best_one_count(cells: Cells, line: Line, law: Law, terms: Terms) -> Best:
    """Return the best bounds for counts of rows, one count a group and no other."""
    counted = replace(line, measures=(Measure(Kind.COUNT),))
    tried = _tried(cells, counted, 0, law, terms)
    one = (each for each in tried if line.public or each.one_count)
    return min(one, key=lambda each: each.mean_square)


def _tried(cells: Cells, line: Line, at: int, law: Law, terms: Terms) -> Iterable[Best]:
    measure, noise = line.measures[at], Noise(law, terms)
    share = 1 / len(line.measures)
    match measure.kind:
        case Kind.COUNT | Kind.SUM | Kind.UNITS:
            values = values_of(cells, measure, at)
            counted = measure.kind is not Kind.SUM
            public = line.public
            return _sums(cells, values, noise, share, public=public, counted=counted)
        case Kind.AVG if line.public:
            return _averages(cells, at, measure, noise, share)
        case _:
            return ()


def values_of(cells: Cells, measure: Measure, at: int) -> Floats:
    """Return what is added up for a measure, cell by cell."""
    if measure.kind is Kind.COUNT:
        return cells.rows
    if measure.kind is Kind.UNITS:
        return np.ones_like(cells.rows)
    return cells.totals[at]


def _bounds(values: Floats) -> list[float]:
    most = float(values.max())
    return grid(most, max(1.0, float(np.quantile(values, 0.2))))


def _sums(
    cells: Cells,
    values: Floats,
    noise: Noise,
    share: float,
    *,
    public: bool,
    counted: bool,
) -> Iterator[Best]:
    truth = np.bincount(cells.group, values, len(cells.groups))
    widths = counts(int(cells.width.max()))
    units = {k: cells.expected(np.ones_like(values), k)[0] for k in widths}
    for c in _bounds(values):
        clipped = np.minimum(values, c)
        for k, (mean, spread) in _expected(cells, clipped, widths):
            bias = mean - truth
            bare = math.sqrt(float(np.mean(bias * bias)))
            if public:
                added = noise.variance(noise.scale(k, c, share))
                square = float(np.mean(bias * bias + spread)) + added
                yield Best(square, k, c, len(truth), bare)
                continue
            if counted:  # the count that is asked for decides by itself
                yield _same(truth, bias, spread, noise, k, c, share)
            if values.max() == 1:
                continue
            for part in FOR_UNITS:
                shown = _shown(units[k], noise, k, share * part)
                added = noise.variance(noise.scale(k, c, share * (1 - part)))
                each = shown * (bias * bias + spread + added)
                each += (1 - shown) * truth * truth
                yield Best(float(np.mean(each)), k, c, float(shown.sum()), bare)


def _expected(
    cells: Cells, values: Floats, widths: list[int]
) -> Iterator[tuple[int, tuple[Floats, Floats]]]:
    """Return :meth:`Cells.expected` for each of *widths*, from one pass over cells."""
    most, count = int(cells.width.max()), len(cells.groups)
    if most * count > 4 * len(values) + 1_000_000:
        for k in widths:
            yield k, cells.expected(values, k)
        return
    place = cells.group * most + (cells.width - 1)
    once = np.bincount(place, values, count * most).reshape(count, most)
    twice = np.bincount(place, values * values, count * most).reshape(count, most)
    for k in widths:
        chance = np.minimum(1, k / np.arange(1, most + 1))
        yield k, (once @ chance, twice @ (chance * (1 - chance)))


def _shown(units: Floats, noise: Noise, k: int, share: float) -> Floats:
    """Return the chance of each group to show."""
    scale = noise.scale(k, 1, share)
    least = noise.threshold(k, scale)
    drawn = np.sort(scale * noise.points())
    below = np.searchsorted(drawn, least - units)
    return 1 - below / POINTS


def _same(
    truth: Floats,
    bias: Floats,
    spread: Floats,
    noise: Noise,
    k: int,
    c: float,
    share: float,
) -> Best:
    """Return the error where the count that decides is the one that is shown."""
    scale = noise.scale(k, c, share)
    least = noise.threshold(k, scale) + c - 1
    drawn = np.sort(scale * noise.points())
    below = np.searchsorted(drawn, least - truth - bias)
    once = np.append(np.cumsum(drawn[::-1])[::-1], 0)[below] / POINTS
    twice = np.append(np.cumsum(drawn[::-1] ** 2)[::-1], 0)[below] / POINTS
    shown = 1 - below / POINTS
    each = shown * (bias * bias + spread) + 2 * bias * once + twice
    each += (1 - shown) * truth * truth
    bare = math.sqrt(float(np.mean(bias * bias)))
    return Best(float(np.mean(each)), k, c, float(shown.sum()), bare, one_count=True)


def _averages(
    cells: Cells, at: int, measure: Measure, noise: Noise, share: float
) -> Iterator[Best]:
    """Try the average of values of which *c* rows a unit and group count."""
    middle, half = (
        (measure.low + measure.high) / 2,
        (measure.high - measure.low) / 2,
    )
    centred = cells.totals[at] - middle * cells.rows
    size = len(cells.groups)
    rows = np.bincount(cells.group, cells.rows, size)
    truth = np.bincount(cells.group, centred, size) / rows
    widths, points = counts(int(cells.width.max())), noise.points()
    for c in counts(int(cells.rows.max())):
        kept = np.minimum(1, c / cells.rows)
        counted = _expected(cells, cells.rows * kept, widths)
        summed = _expected(cells, centred * kept, widths)
        for (k, (n, _)), (_, (total, spread)) in zip(counted, summed, strict=True):
            mean = total / n
            for part in FOR_SUM:
                drawn = noise.scale(k, c * half, share * part)
                above = np.sqrt(drawn**2 + spread / noise.variance(1))
                below = noise.scale(k, c, share * (1 - part))
                square = quotients(total, n, above, below, half, points)
                square += (mean - truth) ** 2
                bare = math.sqrt(float(np.mean((mean - truth) ** 2)))
                yield Best(float(np.mean(square)), k, c, len(truth), bare)


def quotients(
    total: Floats,
    rows: Floats,
    above: Floats | float,
    below: float,
    half: float,
    points: Floats,
) -> Floats:
    """
    Return the mean square error of noisy sums over noisy counts, by group.

    Averages are kept within *half* of the middle, and are the middle where there seem
    to be no rows. Of few rows an average is off by more than the delta method says.
    """
    drawn = points[EVERY // 2 :: EVERY]
    tops = total[:, None] + np.multiply.outer(
        np.broadcast_to(above, total.shape), drawn
    )
    bottoms = rows[:, None] + below * drawn
    positive = np.maximum(bottoms, 1e-9)[:, None, :]
    value = np.clip(tops[:, :, None] / positive, -half, half)
    value = np.where(bottoms[:, None, :] > 0, value, 0.0)
    error = value - (total / rows)[:, None, None]
    found: Floats = np.mean(error * error, axis=(1, 2))
    return found


def best_distinct(
    connection: duckdb.DuckDBPyConnection,
    line: Line,
    law: Law,
    terms: Terms,
    truth: float,
) -> Best:
    """Return the best error of one count of different values, a few of each unit's."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE firsts AS SELECT v0, min(place) AS place FROM "
        "(SELECT v0, row_number() OVER (PARTITION BY u ORDER BY hash(u, v0)) AS place "
        f"FROM (SELECT DISTINCT u, v0 FROM ({line.flat}))) GROUP BY v0"
    )
    noise = Noise(law, terms)
    tried = []
    rows = connection.execute("SELECT place FROM firsts").fetchall()
    places = np.array([row[0] for row in rows])
    for most in counts(int(places.max())):
        missing = float(truth - np.count_nonzero(places <= most))
        added = noise.variance(noise.scale(1, most, 1))
        square = missing * missing + added
        tried.append(Best(square, 1, most, 1, missing))
    return min(tried, key=lambda each: each.mean_square)


def best_rows(cells: Cells, line: Line, terms: Terms) -> int:
    """
    Return the best bound on a unit's rows in all, for Laplace noise: SmartNoise's.

    One such bound limits all columns; a hidden count of units has a share as well.
    """
    truth = np.bincount(cells.group, cells.rows, len(cells.groups))
    parts = sum(2 if m.kind is Kind.AVG else 1 for m in line.measures)
    parts += 0 if line.public else 1
    tried = []
    for most in counts(int(cells.height.max())):
        scale = parts * most / terms.epsilon_alone
        square = 0.0
        for at, measure in enumerate(line.measures):
            values = values_of(cells, measure, at)
            reach = measure.high if measure.kind in (Kind.SUM, Kind.AVG) else 1.0
            bias = cells.expected_rows(values, most) - np.bincount(
                cells.group, values, len(cells.groups)
            )
            if measure.kind is Kind.AVG:
                bias = bias * 0
                kept = cells.expected_rows(cells.rows, most)
                square += float(np.mean(np.minimum(1, scale / kept) ** 2))
                continue
            size = float(np.mean(np.bincount(cells.group, values) ** 2))
            square += (float(np.mean(bias * bias)) + 2 * (scale * reach) ** 2) / size
        if not line.public:
            least = 1 + scale * math.log(1 / terms.delta_alone)
            missing = cells.expected_rows(np.ones_like(cells.rows), most) < least
            square += float(np.sum(truth[missing] ** 2) / np.sum(truth**2))
        tried.append((square, most))
    return min(tried)[1]
