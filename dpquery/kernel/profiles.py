"""Private profiles: histograms of units, found in the ledger or measured once.

Upheld here: a histogram's noise is charged before any row is read, each unit is in one
bin, or adds to a union as many values as its noise is for, and what was measured of a
version of the data is never measured again: whoever comes later reads it for nothing
(theory.md 2.6, 2.8, docs/privacy.md).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from dpquery.accounting.allocation import split
from dpquery.accounting.loss import Loss
from dpquery.kernel.measurement import union_sizes, units_by_size
from dpquery.kernel.payload import Published, to_text
from dpquery.kernel.release import asked_of, untold
from dpquery.kernel.stored import StoredReadings, read
from dpquery.ledger.chain import digest
from dpquery.ledger.records import Charge, NewMeasurement, Outdated, View
from dpquery.noise.calibration import calibrate
from dpquery.noise.intervals import Linear, Reading
from dpquery.plan.aggregates import (
    DistinctValues,
    Present,
    Rows,
    Square,
    Total,
    expression_of,
)
from dpquery.plan.analysis.canonical import canonical
from dpquery.plan.profile import Histogram, Quantity, step_of
from dpquery.plan.render import expression_text
from dpquery.plan.walk import scans
from dpquery.sql.lowering.profile import lower_histogram, lower_unions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dpquery.kernel.release import Asked, Backends
    from dpquery.ledger.records import Debit, Measurement
    from dpquery.ledger.store import Ledger
    from dpquery.noise.calibration import Additive
    from dpquery.noise.intervals import Estimate
    from dpquery.plan.profile import Sought
    from dpquery.sql.lowering.lower import EngineSQL

VERSION = 2
"""Raised by one when a histogram is of another function of the data."""
SENSITIVITY = 1
"""A unit is in one bin of a histogram, and adds 1 to it."""


@dataclass(slots=True)
class Profiles:
    """What one ledger knows of the units of one version of the data."""

    ledger: Ledger | None
    """``None``: nothing is known, as in a simulation."""
    asked: Asked
    least: Loss
    """What a histogram must have cost at least, to be exact enough."""
    known: dict[str, list[Measurement]] | None = None
    """Measurements by their views, oldest first; read when first needed."""

    def lookup(self, sought: Sought) -> Histogram | None:
        """
        Return a histogram that was measured before; ``None``: there is none.

        The oldest that is exact enough, so that limits stay as they are.
        """
        enough = (e for e in self._all(sought) if e.loss.amount >= self.least.amount)
        first = next(enough, None)
        if first is None or self.ledger is None:
            return None
        return _histogram(sought, _readings(self.ledger, first.id))

    def newest(self, sought: Sought) -> int:
        """Return the number of the newest measurement of a histogram; 0 for none."""
        return max((each.number for each in self._all(sought)), default=0)

    def _all(self, sought: Sought) -> list[Measurement]:
        if self.known is None:
            self.known = {}
            if self.ledger is not None:
                source, version = source_of(self.asked), self.asked.data_version
                for each in self.ledger.measurements({source}, version):
                    self.known.setdefault(each.view.view, []).append(each)
        if not self.known:  # before canonical forms are made for nothing
            return []
        return self.known.get(view_of(sought, self.asked).view, [])


@lru_cache(maxsize=256)
def _readings(ledger: Ledger, measurement_id: str) -> StoredReadings:
    """Return what was measured; it never changes."""
    return read(ledger.readings(measurement_id))


def source_of(asked: Asked) -> str:
    """Return what all histograms that *asked* may read are filed under."""
    return digest("profiles" + (asked.analyst if asked.isolated else ""))


def view_of(sought: Sought, asked: Asked) -> View:
    """Return what names a histogram: equal for the same function of the data."""
    return _view(sought, source_of(asked))


@lru_cache(maxsize=1024)
def _view(sought: Sought, source: str) -> View:
    form = canonical(step_of(sought))
    facts = [
        VERSION,
        source,
        form.source,
        form.bounding,
        sorted(form.keys),
        sorted(form.moments),
        [sought.quantity.value, sought.first, sought.last, sought.per_octave],
        *form.distinct,
    ]
    shape = json.dumps({"profile": sought.quantity.value, "first": sought.first})
    return View(digest(json.dumps(facts)), source, shape)


def _histogram(sought: Sought, stored: StoredReadings) -> Histogram:
    if sought.quantity is Quantity.UNION:
        counts = list(stored.values[()])
    else:
        counts = [stored.values[(at,)][0] for at in sought.bins]
    numbers, noise = tuple(map(float, counts)), stored.noise[0].std
    return Histogram(sought.first, numbers, noise, sought.per_octave)


def draws_of(sought: Sought, each: Loss) -> tuple[tuple[Additive, Loss], ...]:
    """
    Return the noise of each draw, and its share of *each*, which one histogram costs.

    Of a histogram there is one draw. Unions have one each, with equal shares, for as
    many values as a unit keeps there.
    """
    unions = step_of(sought).distinct
    if not unions:
        return ((calibrate(SENSITIVITY, each), each),)
    shares = split(each, [1.0] * len(unions))
    return tuple(
        (calibrate(union.sensitivity, share), share)
        for union, share in zip(unions, shares, strict=True)
    )


def _statements(sought: Sought) -> tuple[EngineSQL, ...]:
    """Return what is read: one SELECT a draw."""
    if sought.quantity is Quantity.UNION:
        return lower_unions(sought)
    return (lower_histogram(sought),)


def measure(
    missing: Sequence[Sought],
    each: Loss,
    asked: Asked,
    backends: Backends,
    *,
    of_analyst: bool = True,
) -> None:
    """
    Measure histograms, *each* for its loss, in one charge.

    What others have measured meanwhile is left out. Without *of_analyst* the dataset
    pays alone.

    Raises:
        BudgetExceeded: nothing was charged.
        EngineFailure: the charge stands.
        LedgerError: the ledger cannot be trusted, read or written.
    """
    while True:
        known = Profiles(backends.ledger, asked, each)
        left = {one: known.newest(one) for one in missing if known.lookup(one) is None}
        if not left:
            return
        try:
            _measured(left, each, asked, backends, of_analyst=of_analyst)
        except Outdated:  # somebody has just measured one of them
            continue


def _measured(
    missing: Mapping[Sought, int],
    each: Loss,
    asked: Asked,
    backends: Backends,
    *,
    of_analyst: bool,
) -> None:
    statements = [_statements(one) for one in missing]
    tables = frozenset().union(*(s.tables for several in statements for s in several))
    charge = _charge(missing, each, asked, of_analyst=of_analyst)
    lease = backends.ledger.reserve(replace(charge, tables=tuple(sorted(tables))))
    with untold():
        found = [
            _drawn(one, lowered, each, backends)
            for one, lowered in zip(missing, statements, strict=True)
        ]
        payload = to_text(_published([*missing], found))
    texts = {
        name: readings.text()
        for name, readings in zip(lease.measurements, found, strict=True)
    }
    backends.ledger.settle(lease, payload, texts)


def _drawn(
    sought: Sought, statements: Sequence[EngineSQL], each: Loss, backends: Backends
) -> StoredReadings:
    """Return the noisy numbers of one histogram."""
    draws = draws_of(sought, each)
    sealed = [asked_of(backends.engine, lowered, {}) for lowered in statements]
    if sought.quantity is Quantity.UNION:
        return union_sizes(sealed, draws)
    ((noise, handed_out),) = draws
    return units_by_size(sought, sealed[0], noise, handed_out)


def _charge(
    missing: Mapping[Sought, int],
    each: Loss,
    asked: Asked,
    *,
    of_analyst: bool,
) -> Charge:
    views = [view_of(one, asked) for one in missing]
    zero = Loss.zero(each.definition)
    whole = sum((each for _ in missing), zero)
    blocks: tuple[Debit, ...] = ()
    if asked.blocks is not None:
        blocks = asked.blocks.debits([(one.blocks, each) for one in missing])
    return Charge(
        analyst=asked.analyst,
        fingerprint=digest(json.dumps([view.view for view in views])),
        data_version=asked.data_version,
        sql=f"-- profile: {'; '.join(map(told, missing))}",
        loss=whole if of_analyst else zero,
        events=tuple(
            noise.event() for one in missing for noise, _ in draws_of(one, each)
        ),
        dataset_limit=asked.dataset_limit,
        analyst_limit=asked.analyst_limit,
        dataset_loss=whole,
        measurements=tuple(
            NewMeasurement(view, each, newest)
            for view, newest in zip(views, missing.values(), strict=True)
        ),
        blocks=blocks,
        policy=asked.policy,
    )


def _published(missing: Sequence[Sought], found: Sequence[StoredReadings]) -> Published:
    """Return histograms as an answer that can be looked at."""
    rows = []
    estimates: list[Estimate | None] = []
    for sought, stored in zip(missing, found, strict=True):
        union = sought.quantity is Quantity.UNION
        found_ = stored.values[()] if union else [n for (n,) in stored.values.values()]
        noises = stored.noise if union else stored.noise * len(found_)
        for bin_, count, noise in zip(sought.bins, found_, noises, strict=True):
            up_to = step_size(sought) * sought.end(bin_)
            rows.append((told(sought, bin_), up_to, count))
            estimates.append(Linear(((1.0, Reading(count, noise)),)))
    columns = ("size_of", "up_to", "units")
    return Published(columns, rows, {"units": estimates}, ())


def step_size(sought: Sought) -> float:
    """Return how large a step of the histogram's sizes is."""
    match sought.quantity, sought.moments:
        case Quantity.NORM, (Total(value=value),):
            return float(value.grid)
        case Quantity.NORM, (Square(value=value),):
            return float(value.grid**2)
        case _:
            return 1.0


def told(sought: Sought, power: int | None = None) -> str:
    """Return in words what a histogram is of, or one number of it."""
    tables = ", ".join(
        dict.fromkeys(s.table.name for s in scans(sought.source.relation))
    )
    kind = sought.source.kind
    what = " and ".join(dict.fromkeys(map(_moment_text, _measured_of(sought))))
    by = ", ".join(expression_text(key.expression) for key in sought.keys)
    grouped = f" by {by}" if by else ""
    match sought.quantity:
        case Quantity.LARGEST:
            return f"largest {what} of a {kind} in {tables}"
        case Quantity.GROUPS:
            return f"groups of a {kind} in {tables}{grouped}"
        case Quantity.NORM:
            return f"{what} of a {kind} in {tables}{grouped}"
        case Quantity.UNION:
            few = "few" if power is None else f"up to {1 << power}"
            return f"different values of {what} in {tables} when a {kind} keeps {few}"


def _measured_of(sought: Sought) -> tuple[object, ...]:
    return sought.moments if sought.distinct is None else (sought.distinct,)


def _moment_text(moment: object) -> str:
    match moment:
        case DistinctValues(values=values):
            return ", ".join(expression_text(expression_of(v)) for v in values)
        case Rows():
            return "rows"
        case Present(value=value):
            return expression_text(expression_of(value))
        case Total(value=value):
            return f"sum of {expression_text(value.expression)}"
        case Square(value=value):
            return f"sum of squares of {expression_text(value.expression)}"
        case _:
            return "sum of products"
