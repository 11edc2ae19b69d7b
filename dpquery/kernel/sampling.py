"""Error bars of what has no law of its own, by replicates of the same post-processing.

All releases of a query are drawn again together, with their groups held fixed, and so
are the answers that private rows were compared with: the bars are given those answers.
No private row is read. Whatever cannot be matched with its replicates has no bar.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from dpquery.kernel.ends import ends_of
from dpquery.kernel.postprocess import numbers
from dpquery.kernel.redraw import Redraw
from dpquery.kernel.spreads import bounds_of
from dpquery.noise.sampled import sampled
from dpquery.plan.program import REPLICATES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dpquery.kernel.postprocess import Above, Row, Table
    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.pricing import PricedStep
    from dpquery.kernel.readings import Group
    from dpquery.noise.sampled import Sampled
    from dpquery.plan.program import ReleasedColumn, Replicated

COUNTS = (999, 399, 199, 99, 39)
"""How often noise is drawn again, if there is room: (B + 1) times 2.5 % is about whole,
which is what makes quantiles of replicates unbiased."""
MOST_ROWS = 50_000
"""Released rows of all replicates, about half a second; larger answers have fewer."""
MOST_STATISTICS = 50_000
"""Statistics of all replicates: each takes some 10 microseconds."""
MOST_BIAS = 0.3
"""How far from a half the share of the replicates may be that is below a cell that
several rows meet in: 0.8 standard deviations. Rounding alone can make it a quarter."""
FEW, AT_LEAST = 99, 4
"""For so few replicates, how many times as much is done."""

Bars: TypeAlias = "list[Sampled | None]"
Statistic: TypeAlias = "tuple[PricedStep, ReleasedColumn, Group]"


@dataclass(frozen=True, slots=True)
class Sampling:
    """An answer as it was computed, and what it was computed from."""

    prepared: Prepared
    above: Above
    groups: Mapping[str, Sequence[Group]]
    tables: Mapping[str, Table]
    names: Sequence[str]
    """Of the columns, hidden ones last."""
    rows: Sequence[Row]
    others: Mapping[str, str] = field(default_factory=dict)
    """For releases with a row of what they withhold, the release that measured it."""

    def statistic(self, name: str, column: str, at: int) -> Statistic:
        """Return what a cell of a released table is made of."""
        if name in self.others and at == len(self.groups[name]):
            name, at = self.others[name], 0
        priced, found = self.prepared.column(name, column)
        return priced, found, self.groups[name][at]

    @property
    def _shown(self) -> int:
        return len(self.names) - self.prepared.program.post.rows

    def of_cells(self, cells: Sequence[Statistic | None]) -> Bars:
        """
        Return the bars of statistics that are shown as they are.

        No SQL takes part in them.
        """
        count = _count(len(cells), MOST_STATISTICS)
        if not count:
            return [None] * len(cells)
        redraw = Redraw.of(self.groups.values(), count)
        return [
            None
            if each is None
            else sampled(redraw.cells(*each[1:]), *bounds_of(each[1].estimator))
            for each in cells
        ]

    def of_columns(self) -> dict[int, Bars]:
        """Return the bars of computed columns, by position; of none that are fixed."""
        again = self.prepared.program.post.replicated
        if again is None or not self.rows:
            return {}
        count = _count(sum(map(len, self.groups.values())), MOST_ROWS)
        if not count:
            return {}
        mixed = any(_mixed(group) for each in self.groups.values() for group in each)
        if mixed and not again.levels:
            return {}  # noise that groups have in common is not drawn in common here
        runs = self._runs(again, count)
        return {} if runs is None else self._bars(again, self._matched(runs))

    def _bars(
        self, again: Replicated, found: Sequence[Sequence[Row] | None]
    ) -> dict[int, Bars]:
        """Return bars of rows from their replicates; ``None`` for what has none."""
        bars: dict[int, Bars] = {}
        for at in range(self._shown):
            if again.columns is not None and not again.columns[at]:
                continue
            column: Bars = []
            for row, rows in zip(self.rows, found, strict=True):
                replicates = [each[at] for each in rows or ()]
                told = rows is not None and (
                    again.levels or not _is_biased(row[at], replicates)
                )
                bar = _bar(row[at], replicates, smooth=again.smooth) if told else None
                column.append(bar)
            if any(each is not None and each.varies for each in column):
                bars[at] = column
        return bars

    def _runs(self, again: Replicated, count: int) -> list[list[Row]] | None:
        """Return the rows of every replicate; the first has the answer's own noise."""
        tables = self._tables(again, Redraw.of(self.groups.values(), count))
        names, rows = self.above.run(again.computed, tables)
        if not self._same(names[1:]):
            return None  # a PIVOT whose columns depend on the noise
        runs: list[list[Row]] = [[] for _ in range(count + 1)]
        for number, *row in rows:
            runs[number].append(tuple(row))
        return runs

    def _tables(self, again: Replicated, redraw: Redraw) -> dict[str, Table]:
        """Return the released tables of all replicates, one below the other."""
        number = numbers(again.number)
        every = [(at,) for at in range(redraw.count + 1)]
        found: dict[str, Table] = {REPLICATES: ((numbers(again.every),), every)}
        for priced in self.prepared.steps:
            name = priced.step.name
            if name not in again.computed.released:
                continue
            head, own = self.tables[name]
            rows = [(*row, 0) for row in own]
            for at, (*keys_, _) in enumerate(own):
                parts = [
                    self.statistic(name, each.name, at) for each in priced.step.columns
                ]
                cells = [
                    redraw.cells(column, group, ends_of(of, column, group))
                    for of, column, group in parts
                ]
                made = zip(*cells, strict=True) if cells else [()] * redraw.count
                keys = keys_[: len(priced.step.keys)]
                rows += [
                    (*keys, *row, at, drawn) for drawn, row in enumerate(made, start=1)
                ]
            found[name] = ((*head, number), rows)
        return found

    def _matched(self, runs: Sequence[Sequence[Row]]) -> list[list[Row] | None]:
        """
        Return the replicates of each row; ``None`` for one that cannot be told.

        A row is known again by what is the same in all replicates. It must be there in
        each of them once, and as it is in the answer in that of the answer's own noise.
        """
        keys = self._keys(runs)
        own = Counter(_key(row, keys) for row in self.rows)
        matched: list[list[Row] | None] = [
            [] if own[_key(row, keys)] == 1 else None for row in self.rows
        ]
        for number, rows in enumerate(runs):
            by_key: dict[tuple[Any, ...], list[Row]] = {}
            for row in rows:
                by_key.setdefault(_key(row, keys), []).append(row)
            for at, row in enumerate(self.rows):
                mine, found = matched[at], by_key.get(_key(row, keys), [])
                if mine is None:
                    continue
                if len(found) != 1 or (not number and not _equal(found[0], row)):
                    matched[at] = None
                elif number:
                    mine.append(found[0])
        return matched

    def _same(self, names: Sequence[str]) -> bool:
        """Return whether a replicate has the answer's columns."""
        if self.prepared.program.post.outputs is not None:
            return len(names) == len(self.names)
        return list(names) == list(self.names)

    def _keys(self, runs: Sequence[Sequence[Row]]) -> list[int]:
        """
        Return the columns by which rows are matched.

        Hidden row numbers where there are any, else the columns that have the same
        cells in all replicates.
        """
        if len(self.names) > self._shown:
            return list(range(self._shown, len(self.names)))
        found = []
        for at in range(self._shown):
            first = Counter(_hashable(row[at]) for row in runs[0])
            if all(Counter(_hashable(r[at]) for r in rows) == first for rows in runs):
                found.append(at)
        return found


def _count(number: int, most: int) -> int:
    """Return how many replicates there is room for; 0 for too few."""
    room = ((b, most if b > FEW else AT_LEAST * most) for b in COUNTS)
    return next((b for b, rows in room if b * max(1, number) <= rows), 0)


def _mixed(group: Group) -> bool:
    return any(noisy.mixed for noisy in group.readings.values())


def _equal(one: Row, other: Row) -> bool:
    """Return whether two rows are equal, but for the order of floating-point sums."""
    return all(
        a == b
        or (
            isinstance(a, float)
            and isinstance(b, float)
            and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
        )
        for a, b in zip(one, other, strict=True)
    )


def _key(row: Row, keys: Sequence[int]) -> tuple[Any, ...]:
    return tuple(_hashable(row[at]) for at in keys)


def _hashable(cell: object) -> object:
    return cell if cell.__hash__ is not None else repr(cell)


def _bar(cell: object, replicates: Sequence[object], *, smooth: bool) -> Sampled | None:
    """Return the bar of a cell; ``None`` for what is no number."""
    number = _number(cell)
    if number is None:
        return None
    numbers_ = [_number(each) for each in replicates]
    return sampled(numbers_, around=None if smooth else number)


def _is_biased(cell: object, replicates: Sequence[object]) -> bool:
    """
    Return whether noise moves a cell to one side, as it does a maximum.

    What it has done to the cell already is then not to be told from its replicates.
    """
    number = _number(cell)
    found = [x for x in map(_number, replicates) if x is not None]
    if number is None or not found:
        return False
    below = sum((x < number) + (x == number) / 2 for x in found)
    return abs(below / len(found) - 0.5) > MOST_BIAS


def _number(cell: object) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, int | float | Decimal):
        return None
    try:
        number = float(cell)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
