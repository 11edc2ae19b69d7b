"""The groups of a release: what is measured afresh, merged with what is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dpquery.kernel.marginals import Table, put_together
from dpquery.kernel.measurement import Draws, measured, sort_key, visible
from dpquery.kernel.pieces import Kind
from dpquery.kernel.readings import Group, Noisy, merged
from dpquery.kernel.reuse import groups_on, places_of
from dpquery.kernel.stored import StoredReadings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dpquery.accounting.loss import Loss
    from dpquery.kernel.marginals import Axes, Axis
    from dpquery.kernel.measurement import Ask, Statements
    from dpquery.kernel.pieces import Piece, Shape
    from dpquery.kernel.pricing import PricedStep
    from dpquery.kernel.readings import Key
    from dpquery.kernel.reuse import Known, Load, Use
    from dpquery.noise.calibration import Additive
    from dpquery.plan.aggregates import Moment


def collected(
    priced: PricedStep,
    uses: Sequence[Use],
    statements: Statements,
    ask: Ask,
    load: Load,
) -> tuple[list[Group], list[tuple[Use, str]]]:
    """
    Return the groups that are shown, and fresh readings as they are to be stored.

    Raises:
        EngineFailure: the engine failed.
        LedgerError: what was measured before cannot be read.
        RuntimeError: groups do not agree.
    """
    draws = _draws(priced, uses)
    groups: dict[Key, Group] = {}
    fresh: list[tuple[Use, str]] = []
    if draws is not None:
        found = measured(priced, statements, ask, draws)
        groups = {group.keys: group for group in found}
        fresh = [
            (use, _stored(use, found).text())
            for use in uses
            if use.fresh is not None and use.piece.view is not None
        ]
    for use in uses:
        if use.known:
            _merge(use, groups, load, known_only=draws is None)
    order = sorted(groups, key=lambda key: [sort_key(cell) for cell in key])
    return visible(priced, [groups[key] for key in order]), fresh


def _draws(priced: PricedStep, uses: Sequence[Use]) -> Draws | None:
    """Return what is measured; ``None`` for nothing."""
    fresh = [use for use in uses if use.fresh is not None]
    if not fresh:
        return None
    if fresh[0].piece.kind is Kind.WHOLE:
        return Draws.all(priced)

    def noisy(kind: Kind) -> dict[int, tuple[Additive, Loss]]:
        return {
            use.piece.at: (use.noise, use.fresh)
            for use in fresh
            if use.piece.kind is kind and use.fresh is not None
        }

    chosen = frozenset(u.piece.at for u in fresh if u.piece.kind is Kind.CHOICE)
    return Draws(noisy(Kind.VECTOR), noisy(Kind.UNION), chosen)


def _merge(use: Use, groups: dict[Key, Group], load: Load, *, known_only: bool) -> None:
    """Add what is known of a piece to *groups*, by inverse variance."""
    piece = use.piece
    earlier = [(known, load(known.measurement.id)) for known in use.known]
    if any(known.axes != _axes(piece) for known, _ in earlier):
        keys = None if known_only else [in_shape(piece, key) for key in groups]
        made = _from_tables(use, earlier, keys, groups)
        for stored, better in made.items():
            key = _in_order(piece, stored)
            groups.setdefault(key, Group(key, {})).readings.update(better)
        return
    for stored in earlier[0][1].keys:
        key = _in_order(piece, stored)
        if known_only:
            groups.setdefault(key, Group(key, {}))
        if key not in groups:
            msg = "a group that was measured before is not there"
            raise RuntimeError(msg)
        group = groups[key]
        for at, moment in enumerate(piece.moments):
            parts = [
                (
                    float(known.measurement.loss.amount),
                    _reading(piece, known, found, stored, at),
                )
                for known, found in earlier
            ]
            if use.fresh is not None:
                parts.append((float(use.fresh.amount), group.readings[moment]))
            group.readings[moment] = merged(parts)
        for at, choice in enumerate(piece.choices):
            group.chosen[choice] = earlier[0][1].chosen[stored][at]


def _reading(
    piece: Piece, known: Known, found: StoredReadings, key: Key, at: int
) -> Noisy:
    """Return one moment of one group as it was measured."""
    _, steps = piece.shape.moments[at]
    origin = (known.measurement.id, key, at)
    return Noisy.of(found.values[key][at], found.noise[at], steps, origin)


def _from_tables(
    use: Use,
    earlier: Sequence[tuple[Known, StoredReadings]],
    keys: Sequence[Key] | None,
    groups: Mapping[Key, Group],
) -> dict[Key, dict[Moment, Noisy]]:
    """
    Return a piece's readings, put together from tables (marginals.py).

    Keys are in the order of the piece's shape; without *keys*, a table with at least
    its axes says which there are.
    """
    piece, sizes = use.piece, _sizes(earlier)
    keys = _projected(piece, earlier) if keys is None else keys
    made: dict[Key, dict[Moment, Noisy]] = {key: {} for key in keys}
    for at, moment in enumerate(piece.moments):
        name, steps = piece.shape.moments[at]
        tables = [table_of_moment(k.shape, found, name) for k, found in earlier]
        places = {axis: places_of(piece.shape, axis) for axis in _axes(piece)}
        wanted = Table(_axes(piece), places, dict.fromkeys(keys, 0), 1.0, steps)
        if use.fresh is not None:
            drawn = {
                key: groups[_in_order(piece, key)].readings[moment].terms[0][1].value
                for key in keys
            }
            wanted = replace(wanted, values=drawn, deviation=use.noise.scale)
            tables.append(wanted)
        for key, noisy in put_together(wanted, tables, sizes).items():
            made[key][moment] = noisy
    return made


def table_of_moment(shape: Shape, found: StoredReadings, moment: str) -> Table:
    """Return one moment of a measurement."""
    column = [name for name, _ in shape.moments].index(moment)
    axes = frozenset(shape.domain or ())
    return Table(
        axes,
        {axis: places_of(shape, axis) for axis in axes},
        {key: values[column] for key, values in found.values.items()},
        found.noise[column].scale,
        dict(shape.moments)[moment],
    )


def _sizes(earlier: Sequence[tuple[Known, StoredReadings]]) -> dict[Axis, int]:
    """Return how many groups each axis has."""
    found: dict[Axis, int] = {}
    for known, stored in earlier:
        for axis in known.axes - found.keys():
            found[axis] = groups_on(known.shape, axis, stored)
    return found


def _projected(
    piece: Piece, earlier: Sequence[tuple[Known, StoredReadings]]
) -> list[Key]:
    """Return the groups of a piece, from a table of at least its axes."""
    for known, found in earlier:
        if _axes(piece) <= known.axes:
            places = [known.shape.keys.index(key) for key in piece.shape.keys]
            return list(
                dict.fromkeys(tuple(key[at] for at in places) for key in found.keys)
            )
    msg = "no table has all groups of this one"
    raise RuntimeError(msg)


def _axes(piece: Piece) -> Axes:
    return frozenset(piece.shape.domain or ())


def in_shape(piece: Piece, key: Key) -> Key:
    """Return a key of the release in the order of the piece's shape."""
    return tuple(key[at] for at in piece.order)


def _stored(use: Use, groups: Sequence[Group]) -> StoredReadings:
    """Return the fresh readings of a piece in the order of its shape."""
    piece = use.piece
    noise: tuple[Additive, ...] = ()
    values: dict[Key, tuple[int, ...]] = {}
    chosen = {}
    for group in groups:
        terms = [group.readings[moment].terms[0][1] for moment in piece.moments]
        noise = tuple(reading.noise for reading in terms)
        key = in_shape(piece, group.keys)
        values[key] = tuple(reading.value for reading in terms)
        chosen[key] = tuple(group.chosen[each] for each in piece.choices)
    return StoredReadings(noise, values, chosen)


def _in_order(piece: Piece, stored: Key) -> Key:
    """Return a stored key in the order of the release's own keys."""
    key = [None] * len(stored)
    for place, at in enumerate(piece.order):
        key[at] = stored[place]
    return tuple(key)
