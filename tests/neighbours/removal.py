"""What must hold when one unit is removed (theory.md 6.1: T1 and T2)."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dpquery.plan.aggregates import Units
from dpquery.plan.analysis.sensitivity import unit_weights
from dpquery.sql.lowering.lower import EngineSQL, lower_parts, lower_release
from dpquery.sql.lowering.rankings import (
    lower_chosen,
    lower_distinct,
    lower_ranking,
    lower_weights,
)

from .clinic import ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import duckdb

    from dpquery.plan.program import ReleaseStep

    from .worlds import World, Worlds

Key = tuple[Any, ...]
Inputs = "Mapping[str, Sequence[Any]]"
NOT_LOCAL = "removing a unit changes rows of other units"
NOBODY = "a row without a unit is left"
TOO_FAR = "moves further than its sensitivity"
SHAPE = "the shape of the answer is private"
TOO_VISIBLE = "a unit alone shows in more groups than the threshold assumes"
NEGATIVE = "a unit more makes a weight smaller"


@dataclass(frozen=True)
class Moved:
    """How far one measurement moved when a unit went."""

    what: str
    size: int
    """Squared where the norm is L2."""
    claimed: int

    @property
    def share(self) -> float:
        """The part of the claimed sensitivity, squared where the norm is L2."""
        return self.size / self.claimed


class Removal:
    """Checks one release in all worlds."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        worlds: Worlds,
        step: ReleaseStep,
        inputs: Mapping[str, Sequence[Any]],
    ) -> None:
        self._connection = connection
        self._worlds = worlds
        self._step = step
        self._inputs = inputs
        self._keys = len(step.keys)
        self._squared = step.bounding.norm == 2
        self.kind = ROW if step.source.kind == ROW else step.source.kind

    def check(self) -> list[Moved]:
        """
        Assert that removing a unit changes no other unit's rows, and little in all.

        Raises:
            AssertionError: one of the claims above is false.
        """
        step, found = self._step, []
        if step.moments:
            self._local(lower_parts(step), 1 + self._keys)
            found += self._compared(lower_release(step), self._moments)
        for at, union in enumerate(step.distinct):
            self._local(lower_chosen(step, at))
            claimed = union.sensitivity
            found += self._compared(
                lower_distinct(step, at),
                lambda a, b, claimed=claimed: [self._union(a, b, claimed)],
            )
        for at, ranking in enumerate(step.rankings):
            self._local(lower_weights(step, at), 1 + self._keys)
            claimed = ranking.sensitivity
            found += self._compared(
                lower_ranking(step, at),
                lambda a, b, claimed=claimed: [self._histogram(a, b, claimed)],
            )
        return found

    # --- T1 ----------------------------------------------------------------------

    def _local(self, lowered: EngineSQL, texts: int | None = None) -> None:
        """Exactly the unit's own rows are gone, and no unit is NULL."""
        before = self._exact(self._worlds.all, lowered, texts)
        assert all(row[0] is not None for row in before), NOBODY
        for world in self._touched(lowered):
            after = self._exact(world, lowered, texts)
            others = Counter({r: n for r, n in before.items() if r[0] != world.gone})
            if self.kind == ROW:  # the rows after it have new numbers
                after, others = _without_unit(after), _without_unit(others)
            assert after == others, NOT_LOCAL

    def _exact(
        self, world: World, lowered: EngineSQL, texts: int | None
    ) -> Counter[Key]:
        """Return rows, their first cells as texts: not every date is Python's."""
        sql = f"SELECT COLUMNS(*)::VARCHAR FROM ({lowered.text})"
        if texts is not None:
            sql = lowered.text
        rows = self._run(world, lowered, sql)
        return Counter(
            tuple(
                str(cell) if at == 0 and cell is not None else cell
                for at, cell in enumerate(row)
            )
            for row in rows
        )

    # --- T2 ----------------------------------------------------------------------

    def _compared(
        self,
        lowered: EngineSQL,
        compare: Callable[[list[Key], list[Key]], Iterable[Moved]],
    ) -> list[Moved]:
        """Return how far the released vectors move in each world."""
        before = self._run(self._worlds.all, lowered, lowered.text)
        found: list[Moved] = []
        for world in self._touched(lowered):
            after = self._run(world, lowered, lowered.text)
            found += compare(before, after)
        for moved in found:
            assert moved.size <= moved.claimed, f"{moved.what} {TOO_FAR}"
        return found

    def _moments(self, before: list[Key], after: list[Key]) -> Iterable[Moved]:
        """Compare moments over all groups, those of one vector together."""
        step = self._step
        one, other = self._by_key(before), self._by_key(after)
        self._assert_shape(one, other)
        zeros = (0,) * len(step.moments)
        keys = one.keys() | other.keys()
        if step.bounding.min_units > 1:  # others are in what one unit lifts above it
            keys = one.keys() & other.keys()
        sizes: dict[int, int] = defaultdict(int)
        claimed: dict[int, int] = {}
        for index, bounded in enumerate(step.moments):
            known = claimed.setdefault(bounded.vector, bounded.sensitivity)
            assert known == bounded.sensitivity, "one vector has two sensitivities"
            for key in keys:
                change = one.get(key, zeros)[index] - other.get(key, zeros)[index]
                sizes[bounded.vector] += self._size(change)
        for vector, most in claimed.items():
            kinds = {
                type(each.moment).__name__
                for each in step.moments
                if each.vector == vector
            }
            yield Moved(kinds.pop(), sizes[vector], self._size(most))

    def _union(self, before: list[Key], after: list[Key], claimed: int) -> Moved:
        one, other = self._by_key(before), self._by_key(after)
        changes = (
            (one.get(key, (0,))[0] or 0) - (other.get(key, (0,))[0] or 0)
            for key in one.keys() | other.keys()
        )
        return Moved("union", sum(map(self._size, changes)), self._size(claimed))

    def _histogram(self, before: list[Key], after: list[Key], claimed: int) -> Moved:
        """Compare weights: every one falls, and all of a group count together."""
        one, other = (dict(_split(rows)) for rows in (before, after))
        totals: dict[Key, int] = defaultdict(int)
        for place in one.keys() | other.keys():
            change = one.get(place, 0) - other.get(place, 0)
            assert change >= 0, NEGATIVE
            totals[place[:-1]] += change
        size = sum(map(self._size, totals.values()))
        return Moved("ranking", size, self._size(claimed))

    def _assert_shape(
        self, before: Mapping[Key, Key], after: Mapping[Key, Key]
    ) -> None:
        """Public groups stay; of others, a unit alone shows in as many as planned."""
        step = self._step
        if step.domain is not None:
            assert before.keys() == after.keys(), SHAPE
            return
        assert after.keys() <= before.keys(), SHAPE
        counted = next(i for i, b in enumerate(step.moments) if b.moment == Units())
        alone = [before[key][counted] for key in before.keys() - after.keys()]
        if alone:
            how = step.bounding
            others = (how.min_units - 1) * step.moments[counted].steps
            assert any(
                len(alone) <= g and max(alone) <= others + w
                for g, w in unit_weights(how)
            ), TOO_VISIBLE

    # --- rows --------------------------------------------------------------------

    def _size(self, change: int) -> int:
        return int(change) ** 2 if self._squared else abs(int(change))

    def _by_key(self, rows: list[Key]) -> dict[Key, Key]:
        found = {row[: self._keys]: row[self._keys :] for row in rows}
        assert len(found) == len(rows), "a group comes twice"
        return found

    def _touched(self, lowered: EngineSQL) -> Iterable[World]:
        return self._worlds.without(self.kind, lowered.tables)

    def _given(self, lowered: EngineSQL) -> dict[str, Sequence[Any]]:
        return {
            name: values
            for name, values in self._inputs.items()
            if name.partition("_")[0] in lowered.inputs
        }

    def _run(self, world: World, lowered: EngineSQL, sql: str) -> list[Key]:
        return self._worlds.run(world, sql, self._given(lowered))


def _split(rows: list[Key]) -> Iterable[tuple[Key, int]]:
    """Yield (key and bin) and weight."""
    found = set()
    for row in rows:
        assert row[:-1] not in found, "a bin comes twice"
        found.add(row[:-1])
        yield row[:-1], row[-1]


def _without_unit(rows: Counter[Key]) -> Counter[Key]:
    found: Counter[Key] = Counter()
    for row, count in rows.items():
        found[row[1:]] += count
    return found
