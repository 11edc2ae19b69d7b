"""What an answer says of its own exactness: error bars, and flags of doubtful rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.kernel.ends import ends_of
from dpquery.kernel.estimates import estimate
from dpquery.noise.intervals import point, unbounded
from dpquery.plan.aggregates import (
    AnyEstimator,
    LinearEstimator,
    PairEstimator,
    RankEstimator,
    SpreadEstimator,
    Units,
)
from dpquery.plan.expressions import TEMPORAL
from dpquery.plan.program import LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.kernel.pricing import PricedStep
    from dpquery.kernel.readings import Group
    from dpquery.kernel.sampling import Bars, Sampling, Statistic
    from dpquery.noise.intervals import Estimate
    from dpquery.plan.program import Cell

Estimates = dict[str, "list[Estimate | None]"]
NEAR = "near the threshold"
"""The flag of a group that noise may have let through (theory.md 4.1)."""
SMALL = "group too small"
"""The flag of a row with a statistic of which noise leaves nothing certain (4.2)."""
NEAR_DEVIATIONS = 2.0


@dataclass(frozen=True, slots=True)
class Exactness:
    """Error bars by column, flags by row, and what is to be noted."""

    estimates: Estimates
    flags: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def exactness(sampling: Sampling) -> Exactness:
    """Return the error bars and flags of an answer; they read released values only."""
    post = sampling.prepared.program.post
    shown = len(sampling.names) - post.rows
    estimates: Estimates = {}
    statistics: dict[str, list[Statistic | None]] = {}
    if post.outputs is not None:
        for at, output in enumerate(post.outputs):
            if output.cell is None:
                continue
            cells = [
                None if row[at] is None else _cell(sampling, output.cell, row[shown:])
                for row in sampling.rows
            ]
            estimates[output.name] = [_law(each) for each in cells]
            if any(each is not None and _is_statistic(each) for each in cells):
                statistics[output.name] = cells
    for name, bars in _statistics(sampling, statistics).items():
        estimates[name] = list(bars)
    for at, bars in _computed(sampling).items():
        if sampling.names.count(sampling.names[at]) == 1:
            estimates[sampling.names[at]] = list(bars)
    order = [name for name in sampling.names[:shown] if name in estimates]
    estimates = {name: estimates[name] for name in order}
    flags = _flags(sampling, estimates)
    return Exactness(estimates, flags, _counted(flags))


def _cell(
    sampling: Sampling, cell: Cell, hidden: Sequence[int | None]
) -> Statistic | None:
    """Return the released number that a cell shows; ``None``: of an outer join."""
    number = hidden[cell.row]
    if number is None:
        return None
    level, at = divmod(number, LEVEL)
    return sampling.statistic(cell.levels[level], cell.column, at)


def _law(cell: Statistic | None) -> Estimate | None:
    """Return the estimate of a cell that has a law; of a chosen value, its ends."""
    if cell is None:
        return None
    priced, column, group = cell
    if isinstance(column.estimator, RankEstimator):
        temporal = column.type in TEMPORAL
        return None if temporal else ends_of(priced, column, group)
    found = estimate(column.estimator, group.readings)
    return None if found is None or point(found) is None else found


def _is_statistic(cell: Statistic) -> bool:
    return isinstance(cell[1].estimator, SpreadEstimator | PairEstimator)


def _statistics(
    sampling: Sampling, columns: dict[str, list[Statistic | None]]
) -> dict[str, Bars]:
    """Return the bars of variances and the like, column by column."""
    if not columns:
        return {}
    cells = [each for column in columns.values() for each in column]
    bars = iter(sampling.of_cells(cells))
    return {name: [next(bars) for _ in column] for name, column in columns.items()}


def _computed(sampling: Sampling) -> dict[int, Bars]:
    """
    Return the bars of computed columns; none where they cannot be computed again.

    An answer that is there and paid for must not be lost for its bars. What is shaped
    on request has the bars of what it is made of, and computed columns none.
    """
    if sampling.prepared.shaping.any:
        return {}
    try:
        return sampling.of_columns()
    except Exception:  # noqa: BLE001 -- whatever fails above the boundary, or in time
        return {}


# --- flags ------------------------------------------------------------------------


def _flags(sampling: Sampling, estimates: Estimates) -> tuple[tuple[str, ...], ...]:
    """Return the flags of every row; nothing at all where no row has any."""
    near, small = _near(sampling), _small(sampling, estimates)
    found = tuple(
        ((NEAR,) if at in near else ()) + ((SMALL,) if at in small else ())
        for at in range(len(sampling.rows))
    )
    return found if any(found) else ()


def _near(sampling: Sampling) -> set[int]:
    """
    Return the rows of groups whose units are just enough to be shown.

    A number that has to reach a threshold is too large on average when it is near it:
    E[y | y >= T] (theory.md 4.1).
    """
    post, found = sampling.prepared.program.post, set()
    shown = len(sampling.names) - post.rows
    levels = _levels(sampling)
    steps = {priced.step.name: priced for priced in sampling.prepared.steps}
    for at, row in enumerate(sampling.rows):
        for place, names in levels.items():
            number = row[shown + place]
            if number is not None:
                level, index = divmod(number, LEVEL)
                groups = sampling.groups[names[level]]
                if index < len(groups) and _is_near(steps[names[level]], groups[index]):
                    found.add(at)
    return found


def _levels(sampling: Sampling) -> dict[int, tuple[str, ...]]:
    """Return the released tables that each hidden column says rows of."""
    post = sampling.prepared.program.post
    cells = [each.cell for each in post.outputs or () if each.cell is not None]
    found = {cell.row: cell.levels for cell in cells}
    if post.rows == 1 and not found and post.replicated is not None:
        found = {0: post.replicated.levels} if post.replicated.levels else {}
    return found


def _is_near(priced: PricedStep, group: Group) -> bool:
    if priced.threshold is None:
        return False
    steps, _ = priced.noise_of(Units())
    units = group.readings[Units()]
    least = priced.threshold / steps
    return float(units.value) < least + NEAR_DEVIATIONS * units.deviation


def _small(sampling: Sampling, estimates: Estimates) -> set[int]:
    """Return the rows with a mean or statistic that noise leaves open, or without."""
    found = set()
    for cells in estimates.values():
        for at, each in enumerate(cells):
            if each is not None and unbounded(each):
                found.add(at)
    for at, output in enumerate(sampling.prepared.program.post.outputs or ()):
        cell = output.cell
        if cell is None:
            continue
        _, column = sampling.prepared.column(cell.levels[0], cell.column)
        if isinstance(column.estimator, LinearEstimator | AnyEstimator):
            continue
        shown = len(sampling.names) - sampling.prepared.program.post.rows
        for index, row in enumerate(sampling.rows):
            if row[at] is None and row[shown + cell.row] is not None:
                found.add(index)
    return found


def _counted(flags: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Return how many rows have each flag, in words."""
    texts = {
        NEAR: "near the threshold: noise may have let groups like that through, whose "
        "numbers are too large on average",
        SMALL: "too small for the noise: a mean or statistic of so few rows could be "
        "anything, or is NULL",
    }
    found = []
    for flag, text in texts.items():
        many = sum(flag in each for each in flags)
        if many:
            are = "are" if many > 1 else "is"
            groups = f"{many} of {len(flags)} groups" if len(flags) > 1 else "the group"
            found.append(f"{groups} {are} {text}")
    return tuple(found)
