"""What goes into a ledger and what comes out of it, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from dpquery.accounting.events import Event
    from dpquery.accounting.loss import Loss

DATASET = "dataset"
"""The scope of the promise: everything anyone ever learns together."""

ANALYST = "analyst:"
"""What the scopes of analysts begin with."""


def analyst_scope(analyst: str) -> str:
    """Return the scope of one analyst's share of the budget."""
    return ANALYST + analyst


def block_scope(block: str) -> str:
    """Return the scope of one block of time, e.g. ``block:2026-01``."""
    return f"block:{block}"


@dataclass(frozen=True, slots=True)
class Debit:
    """What an answer takes from one scope."""

    scope: str
    loss: Loss
    limit: Loss | None
    """``None`` for a scope that is only read, never a limit."""


@dataclass(frozen=True, slots=True)
class View:
    """One exact integer vector, or one choice, that noise can be added to."""

    view: str
    """Equal for the same function of the data, and for no other."""
    source: str
    """Equal for the same rows: what can be added up from one another has one source."""
    shape: str
    """The kernel's own words for keys and moments."""


@dataclass(frozen=True, slots=True)
class NewMeasurement:
    """What is about to be measured with fresh noise."""

    view: View
    loss: Loss
    after: int
    """The newest measurement of the view when this one was planned; 0 for none."""


@dataclass(frozen=True, slots=True)
class Holding:
    """How well an analyst has paid to know a view, all in all."""

    view: View
    loss: Loss


@dataclass(frozen=True, slots=True)
class Charge:
    """What an answer will cost, and the limits that it must stay within."""

    analyst: str
    fingerprint: str
    """Of the normalised query; with the analyst and the data version, the question."""
    data_version: str
    sql: str
    """As the analyst wrote it, or as the policy lets it be kept."""
    loss: Loss
    """The analyst's price."""
    events: tuple[Event, ...]
    """What will happen, from the parameters in use; no more than ``dataset_loss``."""
    dataset_limit: Loss | None
    """``None`` where the blocks are the promise, and this a reading."""
    analyst_limit: Loss
    dataset_loss: Loss | None = None
    """What everybody together learns that nobody knew; ``None``: as ``loss``."""
    blocks: tuple[Debit, ...] = ()
    measurements: tuple[NewMeasurement, ...] = ()
    holdings: tuple[Holding, ...] = ()
    used: tuple[str, ...] = ()
    """Earlier measurements that the answer is made of, by their ids."""
    policy: str = ""
    """A digest of the policy in force."""
    tables: tuple[str, ...] = ()
    """The tables whose rows are read for it."""

    @property
    def debits(self) -> tuple[Debit, ...]:
        """All that is debited, the analyst's first."""
        whole = self.loss if self.dataset_loss is None else self.dataset_loss
        return (
            Debit(analyst_scope(self.analyst), self.loss, self.analyst_limit),
            Debit(DATASET, whole, self.dataset_limit),
            *self.blocks,
        )


@dataclass(frozen=True, slots=True)
class Crossing:
    """A share of a limit that spending has reached."""

    scope: str
    share: Decimal
    """In (0, 1]."""
    spent: Loss
    limit: Loss
    at: str
    """UTC, ISO 8601, in seconds."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A debit that was made: the right to release one answer."""

    release_id: str
    measurements: tuple[str, ...] = ()
    """The ids of what is to be measured, in the order of the charge."""
    holdings: tuple[Holding, ...] = ()
    """What the analyst knows once the answer is there."""
    crossed: tuple[Crossing, ...] = ()
    """The shares of limits that this debit reached, to be told once."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer as the ledger remembers it."""

    release_id: str
    analyst: str
    sql: str
    reserved_at: str
    """UTC, ISO 8601, in seconds."""
    state: str
    """``settled``, or ``reserved`` when no answer was stored for the debit."""
    loss: Loss
    payload: str | None
    """The answer, as it was given to :meth:`Ledger.settle`."""
    data_version: str
    events: str
    """What happened, as :func:`dpquery.accounting.events.to_json` has it."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Noisy numbers that were released, of one view."""

    number: int
    id: str
    release_id: str
    view: View
    loss: Loss


class Outdated(Exception):
    """Somebody has measured the same view since this charge was planned."""
