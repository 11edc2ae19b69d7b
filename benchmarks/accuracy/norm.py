"""
The best norm clip that there is, known for nothing: a floor for dpquery, and no peer.

Each unit's whole vector is scaled down to norm C, with Gaussian noise σ = C/√(2ρ). A
group whose key is not public shows by a count of units, in which a unit of g groups
weighs min(1, √(k/g)), and nothing beyond 16·k groups (docs/privacy.md).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.accuracy.lines import Kind
from benchmarks.accuracy.truncation import (
    FOR_SUM,
    FOR_UNITS,
    POINTS,
    Best,
    Law,
    Noise,
    grid,
    quotients,
    values_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.accuracy.cells import Cells, Floats
    from benchmarks.accuracy.lines import Line, Measure
    from benchmarks.accuracy.terms import Terms

CAP = 16
WIDTHS = (1, 2, 4, 8, 16, 32, 64, 128)


def best_norm(cells: Cells, line: Line, at: int, terms: Terms) -> Best | None:
    """Return the best limit, k and shares of one measure; ``None``: there is no way."""
    tried = candidates(cells, line, at, terms)
    return min(tried, key=lambda each: each.mean_square, default=None)


def candidates(
    cells: Cells, line: Line, at: int, terms: Terms, widths: Iterable[int] = WIDTHS
) -> Iterator[Best]:
    """Try limits, and where keys are not public numbers of groups and shares."""
    measure, share = line.measures[at], 1 / len(line.measures)
    rho = terms.rho * share
    match measure.kind:
        case Kind.COUNT | Kind.SUM | Kind.UNITS if line.public:
            yield from _sums(cells, values_of(cells, measure, at), rho)
        case Kind.COUNT | Kind.SUM:
            values = values_of(cells, measure, at)
            yield from _withheld(cells, values, terms, rho, widths)
        case Kind.AVG if line.public:
            points = Noise(Law.GAUSSIAN, terms).points()
            yield from _averages(cells, at, measure, rho, points)


def _norms(cells: Cells, values: Floats) -> Floats:
    """Return the norm of each cell's unit."""
    found: Floats = np.sqrt(np.bincount(cells.unit, values * values))[cells.unit]
    return found


def _limits(norms: Floats) -> list[float]:
    return grid(float(norms.max()), max(1.0, float(np.quantile(norms, 0.1))))


def _sums(cells: Cells, values: Floats, rho: float) -> Iterator[Best]:
    norms, count = _norms(cells, values), len(cells.groups)
    truth = np.bincount(cells.group, values, count)
    for c in _limits(norms):
        mean = np.bincount(cells.group, values * np.minimum(1, c / norms), count)
        bias = float(np.mean((mean - truth) ** 2))
        yield Best(bias + c * c / (2 * rho), 0, c, count, math.sqrt(bias))


def _withheld(
    cells: Cells, values: Floats, terms: Terms, rho: float, widths: Iterable[int]
) -> Iterator[Best]:
    shown = {
        (k, part): _shown(cells, k, part * rho / terms.rho, terms)
        for k in widths
        for part in FOR_UNITS
    }
    truth = np.bincount(cells.group, values, len(cells.groups))
    alone = list(_sums(cells, values, rho))
    for each in alone:
        clipped = values * np.minimum(1, each.bound / _norms(cells, values))
        bias = np.bincount(cells.group, clipped, len(cells.groups)) - truth
        for (k, part), chance in shown.items():
            added = each.bound**2 / (2 * rho * (1 - part))
            square = chance * (bias * bias + added) + (1 - chance) * truth * truth
            found = float(chance.sum())
            mean = float(np.mean(square))
            yield Best(mean, k, each.bound, found, each.bias, share=1 - part)


def _shown(cells: Cells, k: int, share: float, terms: Terms) -> Floats:
    """Return the chance of each group to show."""
    width = cells.width
    weight = np.where(width <= CAP * k, np.minimum(1, np.sqrt(k / width)), 0)
    units = np.bincount(cells.group, weight, len(cells.groups))
    noise = Noise(Law.GAUSSIAN, terms)
    scale = noise.scale(k, 1, share)
    least = max(
        min(1.0, math.sqrt(k / g)) - 1 + noise.threshold(g, scale)
        for g in range(1, CAP * k + 1)
    )
    drawn = np.sort(scale * noise.points())
    return 1 - np.searchsorted(drawn, least - units) / POINTS


def _averages(
    cells: Cells, at: int, measure: Measure, rho: float, points: Floats
) -> Iterator[Best]:
    middle = (measure.low + measure.high) / 2
    half = (measure.high - measure.low) / 2
    centred = cells.totals[at] - middle * cells.rows
    count = len(cells.groups)
    held = np.bincount(cells.group, cells.rows, count)
    truth: Floats = np.bincount(cells.group, centred, count) / held
    rows, sums = _norms(cells, cells.rows), _norms(cells, centred)
    for c in _limits(rows):
        for reach in (half, half / 2, half / 4, half / 8):
            kept = np.minimum(
                1, np.minimum(c / rows, c * reach / np.maximum(sums, 1e-9))
            )
            n = np.bincount(cells.group, cells.rows * kept, count)
            mean = np.bincount(cells.group, centred * kept, count) / n
            bias = (mean - truth) ** 2
            for part in FOR_SUM:
                above = c * reach / math.sqrt(2 * rho * part)
                below = c / math.sqrt(2 * rho * (1 - part))
                noisy = quotients(mean * n, n, above, below, half, points)
                square = float(np.mean(noisy + bias))
                bare = math.sqrt(float(np.mean(bias)))
                yield Best(square, 0, c, count, bare, share=part)
