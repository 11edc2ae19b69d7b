"""The groups of a release: what is measured afresh, merged with what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.kernel.measurement import Draws, measured, sort_key, visible
from dpquery.kernel.pieces import Kind
from dpquery.kernel.readings import Group, Noisy, merged
from dpquery.kernel.reuse import rolled
from dpquery.kernel.stored import StoredReadings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dpquery.accounting.loss import Loss
    from dpquery.engines.sealed import Sealed
    from dpquery.kernel.measurement import Statements
    from dpquery.kernel.pieces import Piece
    from dpquery.kernel.pricing import PricedStep
    from dpquery.kernel.readings import Key
    from dpquery.kernel.reuse import Load, Use
    from dpquery.noise.calibration import Additive
    from dpquery.sql.lowering.lower import EngineSQL


def collected(
    priced: PricedStep,
    uses: Sequence[Use],
    statements: Statements,
    ask: Callable[[EngineSQL], Sealed],
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
    parts: list[tuple[float, StoredReadings, tuple[int, ...]]] = []
    for known in use.known:
        steps = dict(known.shape.moments)
        found = rolled(known, load(known.measurement.id), piece)
        columns = tuple(steps[name] for name, _ in piece.shape.moments)
        parts.append((float(known.worth), found, columns))
    for stored in parts[0][1].keys:
        key = _in_order(piece, stored)
        if known_only:
            groups.setdefault(key, Group(key, {}))
        if key not in groups:
            msg = "a group that was measured before is not there"
            raise RuntimeError(msg)
        group = groups[key]
        for at, moment in enumerate(piece.moments):
            readings = [
                (precision, Noisy.of(f.values[stored][at], f.noise[at], steps[at]))
                for precision, f, steps in parts
            ]
            if use.fresh is not None:
                readings.append((float(use.fresh.amount), group.readings[moment]))
            group.readings[moment] = merged(readings)
        for at, choice in enumerate(piece.choices):
            group.chosen[choice] = parts[0][1].chosen[stored][at]


def _stored(use: Use, groups: Sequence[Group]) -> StoredReadings:
    """Return the fresh readings of a piece in the order of its shape."""
    piece = use.piece
    noise: tuple[Additive, ...] = ()
    values: dict[Key, tuple[int, ...]] = {}
    chosen = {}
    for group in groups:
        terms = [group.readings[moment].terms[0][1] for moment in piece.moments]
        noise = tuple(reading.noise for reading in terms)
        key = tuple(group.keys[at] for at in piece.order)
        values[key] = tuple(reading.value for reading in terms)
        chosen[key] = tuple(group.chosen[each] for each in piece.choices)
    return StoredReadings(noise, values, chosen)


def _in_order(piece: Piece, stored: Key) -> Key:
    """Return a stored key in the order of the release's own keys."""
    key = [None] * len(stored)
    for place, at in enumerate(piece.order):
        key[at] = stored[place]
    return tuple(key)
