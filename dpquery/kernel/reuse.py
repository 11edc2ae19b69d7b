"""What of a query is known already, and what the rest costs everybody and the analyst.

The store (theory.md 5.1): a piece that was measured with at least the accuracy that is
asked for is free; one that was measured with less pays the difference, and both are
merged by inverse variance, for precision and ρ are proportional: ρ = Δ²/(2σ²). Tables
of sums by public groups also know of each other (marginals.py): finer ones are added
up, and what tables have in common is known better. Under pure DP losses are not
proportional to precisions, so there only what is accurate enough by itself is used.

Soundness: the dataset's ledger adds up every fresh measurement, and all else is made of
what was measured (docs/privacy.md). Decisions read the ledger and the query only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.loss import AMOUNT_UNITS, Definition, Loss
from dpquery.kernel.marginals import Axes, Axis, Sizes, missing, related
from dpquery.kernel.pieces import Kind, Piece, Shape
from dpquery.kernel.pricing import SMALLEST_SHARE
from dpquery.ledger.records import Holding, NewMeasurement
from dpquery.noise.calibration import Additive, calibrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dpquery.accounting.events import Event
    from dpquery.kernel.pricing import PricedStep
    from dpquery.kernel.stored import StoredReadings
    from dpquery.ledger.records import Measurement, View

    Load = Callable[[str], StoredReadings]

ALMOST_GAUSSIAN = 3.0
"""σ from which a sum of discrete Gaussians is one, within 1e-38 (Kairouz-Liu-Steinke
2021, arXiv 2102.06387); below, nothing is added up."""
MOST_AXES = 6
"""Lists of groups of one table whose parts are told apart: their number doubles with
each."""


@dataclass(frozen=True, slots=True)
class Known:
    """An earlier measurement that a piece is made of."""

    measurement: Measurement
    shape: Shape

    @property
    def axes(self) -> Axes:
        """The lists of its groups."""
        return frozenset(self.shape.domain or ())


@dataclass(frozen=True, slots=True)
class Use:
    """One piece: what is known of it, and what is measured afresh."""

    piece: Piece
    known: tuple[Known, ...]
    fresh: Loss | None
    """What fresh noise may cost; ``None``: nothing is measured."""
    price: Loss
    """What the analyst pays."""
    newest: int = 0
    """The number of the newest measurement of the piece's own view."""

    @property
    def noise(self) -> Additive:
        """Fresh noise of a vector or a union."""
        if self.fresh is None:
            msg = "nothing is measured"
            raise ValueError(msg)
        return calibrate(self.piece.shape.sensitivity, self.fresh)


@dataclass(frozen=True, slots=True)
class Reuse:
    """How a query is answered from what is known and from what is measured."""

    uses: tuple[tuple[Use, ...], ...]
    """For each release, its pieces."""
    losses: tuple[Loss, ...]
    """For each release, what everybody learns by it that nobody knew."""
    price: Loss
    """What the analyst pays."""
    events: tuple[Event, ...]
    """What will happen."""

    @property
    def loss(self) -> Loss:
        """What everybody learns that nobody knew."""
        return sum(self.losses, Loss.zero(self.price.definition))

    @property
    def all(self) -> list[Use]:
        """All pieces."""
        return [use for uses in self.uses for use in uses]

    @property
    def measures(self) -> bool:
        """Whether anything is measured."""
        return any(use.fresh is not None for use in self.all)

    @property
    def known(self) -> tuple[Known, ...]:
        """All earlier measurements in use, each once."""
        found = {k.measurement.id: k for use in self.all for k in use.known}
        return tuple(found.values())

    def new(self) -> list[tuple[Use, NewMeasurement]]:
        """Return what is to be measured and may be used again."""
        found = []
        for use in self.all:
            if use.fresh is not None and use.piece.view is not None:
                new = NewMeasurement(use.piece.view, use.fresh, use.newest)
                found.append((use, new))
        return found


@dataclass(frozen=True, slots=True)
class Store:
    """What the ledger knows of the sources of a query."""

    measurements: Sequence[Measurement] = ()
    holdings: Sequence[Holding] = ()
    """The analyst's."""
    load: Load | None = None
    """Reads the readings of a measurement, by its id."""
    shapes: dict[str, Shape] = field(default_factory=dict)

    def shape(self, text: str) -> Shape:
        """Return a shape, read once."""
        if text not in self.shapes:
            self.shapes[text] = Shape.read(text)
        return self.shapes[text]

    def held(self, piece: Piece) -> Loss | None:
        """Return how well the analyst has paid to know the piece itself."""
        return next((h.loss for h in self.holdings if h.view == piece.view), None)


def planned(
    steps: Sequence[PricedStep],
    pieces: Sequence[Sequence[Piece]],
    store: Store,
    definition: Definition,
) -> Reuse:
    """Return how a query is answered from *store* and what it costs."""
    uses, losses, events = [], [], []
    for priced, of_step in zip(steps, pieces, strict=True):
        found = tuple(_use(piece, store) for piece in of_step)
        happened = _events(priced, found)
        uses.append(found)
        events += happened
        losses.append(_loss(found, happened, definition))
    price = sum((u.price for each in uses for u in each), Loss.zero(definition))
    return Reuse(tuple(uses), tuple(losses), price, tuple(events))


def sources_of(pieces: Iterable[Sequence[Piece]]) -> set[str]:
    """Return the sources whose measurements could be of use."""
    return {p.view.source for each in pieces for p in each if p.view is not None}


def _use(piece: Piece, store: Store) -> Use:
    """Return what is known of a piece, and what is left to measure and to pay."""
    asked = piece.asked
    if piece.view is None:
        return Use(piece, (), asked, asked)
    free = Loss.zero(asked.definition)
    held = store.held(piece)
    mine = [each for each in store.measurements if each.view == piece.view]
    newest = max((each.number for each in mine), default=0)
    if adds_up(piece):
        known, fresh = _of_tables(piece, store)
        price = _missing_for_analyst(piece, store)
        return Use(piece, known, fresh, price or free, newest)
    direct = [Known(each, store.shape(each.view.shape)) for each in mine]
    known, fresh = _first_that_suffice(piece, direct)
    amounts = [] if held is None else [held.amount]
    price = _missing(piece, amounts)
    return Use(piece, known, fresh, price or free, newest)


def adds_up(piece: Piece) -> bool:
    """Return whether a piece is a table that others may have a part in."""
    shape = piece.shape
    if not (_merges(piece) and shape.adds_up and piece.kind is Kind.VECTOR):
        return False
    return shape.domain is not None and len(shape.domain) <= MOST_AXES


def _merges(piece: Piece) -> bool:
    """Return whether measurements of a piece can be merged."""
    gaussian = piece.asked.definition is Definition.ZCDP
    return gaussian and piece.kind in {Kind.VECTOR, Kind.UNION}


def _first_that_suffice(
    piece: Piece, direct: list[Known]
) -> tuple[tuple[Known, ...], Loss | None]:
    """
    Return the oldest measurements that are enough, or all and what is missing.

    The oldest, so that the same question has the same answer for as long as the data
    is the same, whatever others ask meanwhile.
    """
    if not _merges(piece):
        enough = [k for k in direct if k.measurement.loss.amount >= piece.asked.amount]
        return tuple(enough[:1]), None if enough else piece.asked
    amounts = [known.measurement.loss.amount for known in direct]
    for count in range(1, len(direct) + 1):
        if _missing(piece, amounts[:count]) is None:
            return tuple(direct[:count]), None
    return tuple(direct), _missing(piece, amounts)


def _missing(piece: Piece, known: Sequence[int]) -> Loss | None:
    """Return what is left to spend on a piece; ``None``: enough is known."""
    asked = piece.asked
    if not _merges(piece):
        enough = any(amount >= asked.amount for amount in known)
        return None if enough else asked
    return _at_least(piece, asked.amount - sum(known))


def _at_least(piece: Piece, amount: int) -> Loss | None:
    """Return a loss that noise can be made for; ``None`` for nothing."""
    if amount <= 0:
        return None
    asked = piece.asked
    least = min(SMALLEST_SHARE, asked.amount)
    return Loss(asked.definition, min(max(amount, least), asked.amount))


# --- tables ------------------------------------------------------------------------


def _of_tables(piece: Piece, store: Store) -> tuple[tuple[Known, ...], Loss | None]:
    """Return the oldest tables that are enough, or all and what is missing."""
    tables = _tables(piece, store)
    sizes = _sizes(tables, store)
    if not set(piece.shape.domain or ()) <= sizes.keys():
        return (), piece.asked  # how its groups are divided is not known yet
    first = _first_by_itself(piece, tables)
    if first is not None and _missing(piece, [first.measurement.loss.amount]) is None:
        return (first,), None
    known = [(k.axes, k.shape, k.measurement.loss.amount) for k in tables]
    for count in range(1, len(tables) + 1):
        if _missing_of_table(piece, known[:count], sizes) is None:
            return tuple(tables[:count]), None
    return tuple(tables), _missing_of_table(piece, known, sizes)


def _first_by_itself(piece: Piece, tables: Sequence[Known]) -> Known | None:
    """
    Return the piece as it was measured before its groups could be put together.

    Tables before it did not say how its groups are divided, so that its answer was made
    of it alone; the same question has the same answer again.
    """
    domain, divided = frozenset(piece.shape.domain or ()), set[Axis]()
    for each in tables:
        if domain <= divided:
            return None
        if each.measurement.view == piece.view:
            return each
        divided |= each.axes
    return None


def _missing_for_analyst(piece: Piece, store: Store) -> Loss | None:
    """Return what the analyst has yet to pay for a table, with what they know."""
    sizes = _sizes(_tables(piece, store), store)
    known, divided = [], set[Axis]()
    for each in store.holdings:
        shape = store.shape(each.view.shape)
        axes = frozenset(shape.domain or ())
        if is_related(piece, each.view, shape, each.loss) and axes <= sizes.keys():
            known.append((axes, shape, each.loss.amount))
            divided |= axes
    if not set(piece.shape.domain or ()) <= divided:  # as if there were nobody else
        held = store.held(piece)
        return _missing(piece, [] if held is None else [held.amount])
    return _missing_of_table(piece, known, sizes)


def _tables(piece: Piece, store: Store) -> list[Known]:
    """Return the tables that have a part in common with a piece, oldest first."""
    found = []
    for each in store.measurements:
        shape = store.shape(each.view.shape)
        if is_related(piece, each.view, shape, each.loss):
            found.append(Known(each, shape))
    return found


def is_related(piece: Piece, view: View, shape: Shape, loss: Loss) -> bool:
    """Return whether a table of the same rows has a part in common with a piece."""
    if view == piece.view:
        return True
    if piece.view is None or view.source != piece.view.source:
        return False
    if shape.kind is not Kind.VECTOR or not shape.adds_up or shape.domain is None:
        return False
    if len(shape.domain) > MOST_AXES:
        return False
    if not {name for name, _ in piece.shape.moments} <= dict(shape.moments).keys():
        return False
    wanted, axes = frozenset(piece.shape.domain or ()), frozenset(shape.domain)
    # rows that one table has no group for must not be in the other's total
    apart = (wanted - axes) | (axes - wanted)
    if not apart <= piece.shape.complete_axes | shape.complete_axes:
        return False
    gaussian = variance_of(shape, loss.amount) >= ALMOST_GAUSSIAN**2
    return gaussian and related(wanted, axes)


def _sizes(tables: Sequence[Known], store: Store) -> dict[Axis, int]:
    """Return how many groups each axis of the tables has."""
    found: dict[Axis, int] = {}
    for each in tables:
        if store.load is not None and not each.axes <= found.keys():
            stored = store.load(each.measurement.id)
            for axis in each.axes - found.keys():
                found[axis] = groups_on(each.shape, axis, stored)
    return found


def groups_on(shape: Shape, axis: Axis, stored: StoredReadings) -> int:
    """Return how many groups an axis of a measurement has."""
    places = places_of(shape, axis)
    return len({tuple(key[at] for at in places) for key in stored.keys})


def places_of(shape: Shape, axis: Axis) -> tuple[int, ...]:
    """Return where the keys of an axis stand among a shape's keys."""
    return tuple(shape.keys.index(key) for key in axis[0])


def _missing_of_table(
    piece: Piece, known: Sequence[tuple[Axes, Shape, int]], sizes: Sizes
) -> Loss | None:
    """Return what is left to spend, for every moment to be as good as asked for."""
    if not any(amount for _, _, amount in known):
        return piece.asked
    mine, axes = piece.shape, frozenset(piece.shape.domain or ())
    if all(shape == mine for _, shape, _ in known):  # exact, for whoever pays
        return _missing(piece, [amount for _, _, amount in known])
    amounts = []
    for name, steps in mine.moments:
        target = variance_of(mine, piece.asked.amount) / steps**2
        variances = [
            (each, variance_of(shape, amount) / dict(shape.moments)[name] ** 2)
            for each, shape, amount in known
            if amount
        ]
        precision = missing(axes, variances, sizes, target)
        # ρ = Δ²/(2σ²), with σ in sub-steps
        rho = precision * mine.sensitivity**2 / (2 * steps**2)
        amounts.append(math.ceil(rho * AMOUNT_UNITS))
    return _at_least(piece, max(amounts))


def variance_of(shape: Shape, amount: int) -> float:
    """Return σ² in sub-steps of noise that costs an amount of ρ; σ² = Δ²/(2ρ)."""
    return shape.sensitivity**2 * AMOUNT_UNITS / (2 * amount) if amount else math.inf


def _events(priced: PricedStep, uses: Sequence[Use]) -> list[Event]:
    """Return what the ledger records of what is measured."""
    found: list[Event] = []
    for use in uses:
        if use.fresh is None:
            continue
        match use.piece.kind:
            case Kind.WHOLE:
                return priced.events()
            case Kind.VECTOR | Kind.UNION:
                found.append(use.noise.event())
            case Kind.CHOICE:
                levels = priced.choices[use.piece.at].levels
                found += [choice.event() for choice, _ in levels]
    return found


def _loss(uses: Sequence[Use], events: Sequence[Event], definition: Definition) -> Loss:
    """Return what is debited for what is measured, checked against what happens."""
    loss = sum((u.fresh for u in uses if u.fresh is not None), Loss.zero(definition))
    if not loss_of_events(events, definition).within(loss):
        msg = "the noise of this query would lose more than its price"
        raise RuntimeError(msg)
    return loss


def holdings_of(reuse: Reuse, store: Store) -> tuple[Holding, ...]:
    """Return what the analyst will have paid to know, once the price is paid."""
    found: dict[str, Holding] = {}
    for use in reuse.all:
        view = use.piece.view
        if view is None or use.price == Loss.zero(use.price.definition):
            continue
        before = store.held(use.piece)
        if not _merges(use.piece):
            before = None
        loss = use.price if before is None else before + use.price
        found[view.view] = Holding(view, loss)
    return tuple(found.values())
