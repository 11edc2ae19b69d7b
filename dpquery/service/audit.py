"""The owner's audit and everybody's receipts, from a policy's path."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dpquery.ledger import audit, receipts
from dpquery.ledger.acceptance import Acceptance
from dpquery.ledger.acceptance import accept as accept_loss
from dpquery.ledger.opening import head_beside, is_server
from dpquery.policy.load import load
from dpquery.service.access import dataset_promise

if TYPE_CHECKING:
    from pathlib import Path

    from dpquery.ledger.audit import Verdict
    from dpquery.ledger.chain import Entry
    from dpquery.policy.load import LoadedPolicy


@dataclass(frozen=True, slots=True)
class Place:
    """Where a policy's ledger is, and what lies beside it."""

    location: str
    head: Path | None
    """``None`` when a server has the ledger and the policy's directory is read-only."""
    keys: Path
    """The private key that signs receipts."""

    @property
    def server_head(self) -> Path | None:
        """The head of a server's ledger; a file's is beside it, and must be there."""
        return self.head if is_server(self.location) else None


def place_of(loaded: LoadedPolicy) -> Place:
    """Return where the ledger of *loaded* is; a server's head is beside the policy."""
    location = loaded.policy.ledger
    if is_server(location):
        beside = loaded.path.with_name(loaded.path.stem + ".ledger")
        head = beside.with_name(beside.name + ".head")
        kept = head.exists() or os.access(head.parent, os.W_OK)
        return Place(location, head if kept else None, _keys(head))
    if "://" not in location:
        location = str(loaded.resolve(location))
    head = head_beside(location)
    return Place(location, head, _keys(head))


def _keys(head: Path) -> Path:
    return head.with_name(head.name.removesuffix(".head") + ".key")


def verify(policy: Path | str) -> Verdict:
    """
    Check the ledger of *policy*.

    Raises:
        PolicyError: the policy is wrong.
        LedgerError: there is no ledger, or it cannot be reached.
    """
    place = place_of(load(policy))
    return audit.verify(place.location, place.head)


def events(policy: Path | str) -> list[Entry]:
    """Return all events of the ledger of *policy*; raises as :func:`verify`."""
    return audit.events(place_of(load(policy)).location)


def accept(policy: Path | str) -> Acceptance:
    """
    Go on with a ledger that was put back, charging what its head knows to be spent.

    Raises:
        PolicyError, LedgerError: as :func:`verify`; or the ledger itself is damaged.
    """
    loaded = load(policy)
    place = place_of(loaded)
    definition = dataset_promise(loaded.policy).definition
    return accept_loss(place.location, definition, place.head)


def receipt(policy: Path | str, release: str) -> dict[str, Any]:
    """
    Return the signed receipt of *release*.

    Raises:
        PolicyError: the policy is wrong.
        LedgerError: there is no such release (DPQ561), or no key (DPQ562).
    """
    place = place_of(load(policy))
    return receipts.issue(place.location, release, place.keys)


check_receipt = receipts.check
receipts_follow = receipts.follows
