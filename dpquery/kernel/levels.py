"""
Releases of one query that know of each other: levels of ROLLUP, and shares of a total.

Tables of the same sums by fewer and more groups, all measured for one answer, are put
together as tables of earlier answers are (marginals.py): each level is the best
estimate from all of them, so that levels add up, and are better than alone. It reads
what was measured, and costs nothing; what is kept for later is what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from dpquery.kernel.collect import in_shape, table_of_moment
from dpquery.kernel.consistency import largest_remainders
from dpquery.kernel.marginals import Table, put_together
from dpquery.kernel.readings import Noisy
from dpquery.kernel.reuse import (
    ALMOST_GAUSSIAN,
    Known,
    adds_up,
    groups_on,
    is_related,
    places_of,
    variance_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dpquery.accounting.loss import Loss
    from dpquery.kernel.marginals import Axes, Axis, Made
    from dpquery.kernel.pieces import Piece, Shape
    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.readings import Group, Key
    from dpquery.kernel.reuse import Load, Reuse, Store, Use
    from dpquery.kernel.stored import StoredReadings
    from dpquery.ledger.records import View
    from dpquery.plan.aggregates import Moment
    from dpquery.plan.program import Program


@dataclass(frozen=True, slots=True)
class Source:
    """One measurement that the query's answer is made of."""

    view: View
    shape: Shape
    loss: Loss
    readings: StoredReadings


@dataclass(frozen=True, slots=True)
class Level:
    """One table of sums of a release."""

    release: str
    use: Use

    @property
    def piece(self) -> Piece:
        """What was asked for."""
        return self.use.piece

    @property
    def axes(self) -> Axes:
        """The lists of its groups."""
        return frozenset(self.piece.shape.domain or ())


Values = dict["Key", Noisy]
"""Of one moment of a level, by its groups in the order of its shape."""


def fixed_by(program: Program) -> frozenset[str]:
    """Return the releases whose answers private rows were compared with."""
    return frozenset(name for each in program.inputs for name in each.computed.released)


def levels_of(
    uses: Mapping[str, Sequence[Use]], fixed: Iterable[str] = ()
) -> list[list[Level]]:
    """
    Return the tables that can be put together, in sets of at least two.

    Not those of the releases in *fixed*, whose answers were used already.
    """
    apart = frozenset(fixed)
    found: list[list[Level]] = []
    for name, some in uses.items():
        for use in some:
            if name in apart or not _can_be_added(use.piece):
                continue
            level = Level(name, use)
            same = (each for each in found if all(_related(level, o) for o in each))
            other = next(same, None)
            if other is None:
                found.append([level])
            else:
                other.append(level)
    return [each for each in found if len(each) > 1]


def _can_be_added(piece: Piece) -> bool:
    if piece.view is None or not adds_up(piece):
        return False
    return variance_of(piece.shape, piece.asked.amount) >= ALMOST_GAUSSIAN**2


def _related(one: Level, other: Level) -> bool:
    return all(
        b.view is not None and is_related(a, b.view, b.shape, b.asked)
        for a, b in ((one.piece, other.piece), (other.piece, one.piece))
    )


def with_own(reuse: Reuse, prepared: Prepared, store: Store) -> Reuse:
    """
    Return *reuse* with what each level was measured by itself, where that is known.

    Other tables may be enough for a level; but once it was measured, what the level was
    shown with is made of that, too. So levels that are asked for again, with other SQL
    above them or shaped otherwise, are the same numbers.
    """
    sets = sets_of(prepared, reuse)
    members = {id(level.use) for levels in sets for level in levels}
    return replace(
        reuse,
        uses=tuple(
            tuple(_with_own(u, store) if id(u) in members else u for u in some)
            for some in reuse.uses
        ),
    )


def _with_own(use: Use, store: Store) -> Use:
    view, asked = use.piece.view, use.piece.asked
    if use.fresh is not None or any(k.measurement.view == view for k in use.known):
        return use
    enough = (
        each
        for each in store.measurements
        if each.view == view and each.loss.amount >= asked.amount
    )
    own = next(enough, None)
    if own is None:
        return use
    known = Known(own, store.shape(own.view.shape))
    return replace(use, known=(*use.known, known))


def sets_of(prepared: Prepared, reuse: Reuse) -> list[list[Level]]:
    """Return the tables of a query that can be put together."""
    uses = dict(zip(_names(prepared), reuse.uses, strict=True))
    return levels_of(uses, fixed_by(prepared.program))


def _names(prepared: Prepared) -> list[str]:
    return [priced.step.name for priced in prepared.steps]


def put_levels_together(
    levels: Sequence[Level],
    fresh: Mapping[int, StoredReadings],
    load: Load,
    groups: Mapping[str, Sequence[Group]],
) -> None:
    """
    Make the readings of *groups* the best estimates from all *levels* together.

    *fresh* has what was just measured, by the identity of its use. Every level is made
    of the same measurements, in the same order, so that sums agree to the last digit.
    """
    if not all(groups[each.release] for each in levels):
        return  # a list of groups is empty
    sources = _sources(levels, fresh, load)
    for name, _ in levels[0].piece.shape.moments:  # of all: they are related
        found = _estimated(levels, name, sources, groups)
        for each, values in _rounded(levels, found):
            moment = _moment(each.piece, name)
            for group in groups[each.release]:
                key = in_shape(each.piece, group.keys)
                group.readings[moment] = values[key]


def _sources(
    levels: Sequence[Level], fresh: Mapping[int, StoredReadings], load: Load
) -> list[Source]:
    """Return all measurements of the levels, each once."""
    known = {k.measurement.id: k for each in levels for k in each.use.known}
    found = [
        Source(k.measurement.view, k.shape, k.measurement.loss, load(name))
        for name, k in known.items()
    ]
    for each in levels:
        use, view = each.use, each.piece.view
        if use.fresh is not None and view is not None:
            shape = each.piece.shape
            found.append(Source(view, shape, use.fresh, fresh[id(use)]))
    return found


def _estimated(
    levels: Sequence[Level],
    name: str,
    sources: Sequence[Source],
    groups: Mapping[str, Sequence[Group]],
) -> dict[int, Values]:
    """Return the best estimates of one moment of all levels, by their identity."""
    tables = [
        (each, table_of_moment(each.shape, each.readings, name))
        for each in sources
        if name in dict(each.shape.moments)
    ]
    sizes: dict[Axis, int] = {}
    for each, _ in tables:
        for axis in frozenset(each.shape.domain or ()) - sizes.keys():
            sizes[axis] = groups_on(each.shape, axis, each.readings)
    made: Made = {}
    found = {}
    for level in levels:
        piece = level.piece
        keys = [in_shape(piece, group.keys) for group in groups[level.release]]
        places = {axis: places_of(piece.shape, axis) for axis in level.axes}
        steps = dict(piece.shape.moments)[name]
        wanted = Table(level.axes, places, dict.fromkeys(keys, 0), 1.0, steps)
        related = [
            table
            for each, table in tables
            if is_related(piece, each.view, each.shape, each.loss)
        ]
        found[id(level)] = put_together(wanted, related, sizes, made)
    return found


def _moment(piece: Piece, name: str) -> Moment:
    names = [each for each, _ in piece.shape.moments]
    return piece.moments[names.index(name)]


# --- levels above each other ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parent:
    """The level whose groups another one divides."""

    upper: Level
    lower: Level

    @property
    def release(self) -> str:
        """Its release."""
        return self.upper.release

    def own(self, keys: Key) -> Key:
        """Return what names one of its groups, by the keys of its release."""
        return self._named(self.upper, keys)

    def part(self, keys: Key) -> Key:
        """Return what names the group that one of the lower level is part of."""
        return self._named(self.lower, keys)

    def _named(self, level: Level, keys: Key) -> Key:
        return _on(level, sorted(self.upper.axes), in_shape(level.piece, keys))


def parents_of(sets: Iterable[Sequence[Level]]) -> dict[str, Parent]:
    """Return the level above each release that has one, where levels are a chain."""
    found: dict[str, Parent] = {}
    for levels in sets:
        ordered = _chain(levels)
        for upper, lower in pairwise(ordered or ()):
            if upper.axes < lower.axes:
                found.setdefault(lower.release, Parent(upper, lower))
    return found


def _chain(levels: Sequence[Level]) -> list[Level] | None:
    """Return levels, each dividing the groups of the one before; or ``None``."""
    ordered = sorted(levels, key=lambda each: len(each.axes))
    divided = all(a.axes <= b.axes for a, b in pairwise(ordered))
    return ordered if divided else None


# --- whole numbers that add up -------------------------------------------------------


def _rounded(
    levels: Sequence[Level], made: Mapping[int, Values]
) -> list[tuple[Level, Values]]:
    """
    Return the values of all levels, in whole steps where that is no loss.

    Where each level divides the groups of the one before, as in ROLLUP, the top is
    rounded, and the groups of each of its groups to what adds up to it: down, and those
    with the largest rest up. So whole numbers add up too, and none is a step or more
    away. Not where noise is below a step; nor for CUBE, whose levels are no such order.
    """
    ordered = _chain(levels)
    whole = all(
        noisy.deviation >= 1 for each in made.values() for noisy in each.values()
    )
    if ordered is None or not whole:
        return [(each, made[id(each)]) for each in levels]
    found: list[tuple[Level, Values]] = []
    above: tuple[Level, dict[Key, int]] | None = None
    for level in ordered:
        values = made[id(level)]
        numbers = _whole(level, {k: v.value for k, v in values.items()}, above)
        found.append(
            (
                level,
                {
                    key: Noisy.normal(Fraction(number), values[key].deviation)
                    for key, number in numbers.items()
                },
            )
        )
        above = level, numbers
    return found


def _whole(
    level: Level,
    values: Mapping[Key, Fraction],
    above: tuple[Level, Mapping[Key, int]] | None,
) -> dict[Key, int]:
    """Return whole numbers near *values* that add up to those of the level above."""
    if above is None:
        return {key: round(value) for key, value in values.items()}
    upper, totals = above
    axes = sorted(upper.axes)
    parts: dict[Key, list[Key]] = {}
    for key in values:
        parts.setdefault(_on(level, axes, key), []).append(key)
    found: dict[Key, int] = {}
    for key, total in totals.items():
        inside = parts[_on(upper, axes, key)]
        shared = largest_remainders([values[each] for each in inside], total)
        found |= dict(zip(inside, shared, strict=True))
    return found


def _on(level: Level, axes: Sequence[Axis], key: Key) -> Key:
    """Return what a group's key says on some axes."""
    shape = level.piece.shape
    return tuple(key[at] for axis in axes for at in places_of(shape, axis))
