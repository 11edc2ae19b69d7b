"""What of a query is known already, and what the rest costs everybody and the analyst.

The store (theory.md 5.1): a piece that was measured with at least the accuracy that is
asked for is free; one that was measured with less pays the difference, and both are
merged by inverse variance, for precision and ρ are proportional: ρ = Δ²/(2σ²). What is
added up from finer groups counts with the precision that it has then. Under pure DP
losses are not proportional to precisions, so there only what is accurate enough by
itself is used.

Soundness: the dataset's ledger adds up every fresh measurement, and all else is made of
what was measured (docs/privacy.md). Decisions read the ledger and the query only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.loss import AMOUNT_UNITS, Definition, Loss
from dpquery.kernel.pieces import Kind, Piece, Shape
from dpquery.kernel.pricing import SMALLEST_SHARE
from dpquery.kernel.stored import StoredReadings
from dpquery.ledger.records import Holding, NewMeasurement
from dpquery.noise.calibration import Additive, Law, calibrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dpquery.accounting.events import Event
    from dpquery.kernel.pricing import PricedStep
    from dpquery.kernel.readings import Key
    from dpquery.ledger.records import Measurement

    Load = Callable[[str], StoredReadings]

ALMOST_GAUSSIAN = 3.0
"""σ from which a sum of discrete Gaussians is one, within 1e-38 (Kairouz-Liu-Steinke
2021, arXiv 2102.06387); below, nothing is added up."""
MOST_CELLS = 1 << 20
"""Groups that one group is added up from, at most."""


@dataclass(frozen=True, slots=True)
class Known:
    """An earlier measurement that a piece is made of."""

    measurement: Measurement
    shape: Shape
    worth: int
    """The ρ, in the ledger's units, that a measurement of this precision costs."""
    places: tuple[int, ...]
    """Where each key of the piece stands among the measurement's keys."""


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
    known = _known(piece, store)
    fresh = _missing(piece, [(k.worth, k.measurement.loss.delta) for k in known])
    if not _merges(piece):  # one measurement that is good enough, or a fresh one
        best = max(known, key=lambda k: k.worth, default=None)
        known = () if best is None or fresh is not None else (best,)
    held = store.held(piece)
    paid = [] if held is None else [(held.amount, held.delta)]
    paid += [(worth, 0) for worth in _worths_held(piece, store)]
    missing = _missing(piece, paid)
    price = Loss.zero(asked.definition) if missing is None else missing
    same = (each.number for each in store.measurements if each.view == piece.view)
    return Use(piece, known, fresh, price, max(same, default=0))


def _merges(piece: Piece) -> bool:
    """Return whether measurements of a piece can be merged."""
    gaussian = piece.asked.definition is Definition.ZCDP
    return gaussian and piece.kind in {Kind.VECTOR, Kind.UNION}


def _missing(piece: Piece, known: Sequence[tuple[int, int]]) -> Loss | None:
    """Return what is left to spend on a piece; ``None``: enough is known."""
    asked = piece.asked
    if not _merges(piece):
        enough = any(amount >= asked.amount for amount, _ in known)
        return None if enough else asked
    amount = asked.amount - sum(amount for amount, _ in known)
    if amount <= 0:
        return None
    least = min(SMALLEST_SHARE, asked.amount)
    return Loss(asked.definition, max(amount, least))


def _known(piece: Piece, store: Store) -> tuple[Known, ...]:
    found = []
    for each in store.measurements:
        shape = store.shape(each.view.shape)
        if each.view == piece.view:
            places = tuple(range(len(shape.keys)))
            found.append(Known(each, shape, each.loss.amount, places))
        elif _rolls_up(piece, each.view.source, shape):
            worth = _worth(piece, shape, each.loss, _cells(piece, shape, each, store))
            if worth:
                places = tuple(shape.keys.index(key) for key in piece.shape.keys)
                found.append(Known(each, shape, worth, places))
    return tuple(found)


def _worths_held(piece: Piece, store: Store) -> list[int]:
    """Return the precision of what the analyst holds of finer groups."""
    found = []
    for held in store.holdings:
        shape = store.shape(held.view.shape)
        if held.view != piece.view and _rolls_up(piece, held.view.source, shape):
            for each in store.measurements:
                if each.view == held.view:
                    cells = _cells(piece, shape, each, store)
                    found.append(_worth(piece, shape, held.loss, cells))
                    break
    return found


def _rolls_up(piece: Piece, source: str, shape: Shape) -> bool:
    """
    Return whether a piece's groups are sums of a measurement's groups.

    The same rows and bounding, more keys, and the lists of groups of the keys that
    both have are the same. A group is then the sum over the lists of the others.
    """
    mine = piece.shape
    if piece.view is None or source != piece.view.source or not _merges(piece):
        return False
    if shape.kind is not Kind.VECTOR or not (shape.adds_up and mine.adds_up):
        return False
    if mine.domain is None or shape.domain is None:
        return False
    more = set(shape.keys) - set(mine.keys)
    if not more or not set(mine.keys) < set(shape.keys):
        return False
    dropped = [keys for keys, _ in shape.domain if not set(keys) <= set(mine.keys)]
    kept = {each for each in shape.domain if set(each[0]) <= set(mine.keys)}
    if not all(set(keys) <= more for keys in dropped) or kept != set(mine.domain):
        return False
    return {name for name, _ in mine.moments} <= {name for name, _ in shape.moments}


def _cells(piece: Piece, shape: Shape, measured: Measurement, store: Store) -> int:
    """Return how many of the measurement's groups make one of the piece's."""
    if store.load is None:
        return 0
    kept = [shape.keys.index(key) for key in piece.shape.keys]
    keys = store.load(measured.id).keys
    coarse = {tuple(key[at] for at in kept) for key in keys}
    return len(keys) // len(coarse) if coarse else 0


def _worth(piece: Piece, shape: Shape, loss: Loss, cells: int) -> int:
    """
    Return the ρ of a direct measurement with the precision of a sum of *cells*.

    In steps of the grid the sum has σ = √cells·σ_fine; a direct measurement of that σ
    costs Δ²/(2σ²). The moment of least precision counts, rounded down.
    """
    mine = piece.shape
    fine_steps = dict(shape.moments)
    if not 0 < cells <= MOST_CELLS or not loss.amount:
        return 0
    # σ² in sub-steps, from ρ = Δ²/(2σ²)
    fine = Fraction(shape.sensitivity**2 * AMOUNT_UNITS, 2 * loss.amount)
    if fine < ALMOST_GAUSSIAN**2:
        return 0
    worths = []
    for name, steps in mine.moments:
        variance = fine * cells * Fraction(steps, fine_steps[name]) ** 2
        worths.append(Fraction(mine.sensitivity**2 * AMOUNT_UNITS, 2) / variance)
    return math.floor(min(worths))


def _same(known: Known, piece: Piece) -> bool:
    return known.measurement.view == piece.view


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


def rolled(known: Known, stored: StoredReadings, piece: Piece) -> StoredReadings:
    """
    Return an earlier measurement as readings of *piece*: as they are, or added up.

    A sum of n Gaussians of deviation σ is one of √n·σ.
    """
    names = [name for name, _ in known.shape.moments]
    columns = [names.index(name) for name, _ in piece.shape.moments]
    if _same(known, piece):
        return stored
    sums: dict[Key, list[int]] = {}
    cells = 0
    for key, values in stored.values.items():
        coarse = tuple(key[at] for at in known.places)
        found = sums.setdefault(coarse, [0] * len(columns))
        for at, column in enumerate(columns):
            found[at] += values[column]
        cells += 1
    each = math.sqrt(cells / len(sums)) if sums else 1.0
    fine = [stored.noise[column] for column in columns]
    noise = tuple(Additive(Law.GAUSSIAN, n.sensitivity, n.scale * each) for n in fine)
    return StoredReadings(noise, {key: tuple(found) for key, found in sums.items()})


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
