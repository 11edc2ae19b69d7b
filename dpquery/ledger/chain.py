"""
The audit's hash chain: pure functions from events to hashes and back.

Each event's hash covers its own fields and the hash before it, so that whoever changes,
removes, adds or moves an event has to change every later one, and the head that was
written elsewhere (Haber, Stornetta 1991, "How to time-stamp a digital document").
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GENESIS = "0" * 64
"""The hash before the first event."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the audit."""

    number: int
    """1, 2, 3, … without gaps."""
    at: str
    """UTC, ISO 8601, in seconds."""
    actor: str
    """An analyst's name, ``(owner)`` or ``(dpquery)``."""
    kind: str
    body: str
    """JSON, in the form of :func:`to_body`."""
    previous: str
    hash: str

    def facts(self) -> dict[str, Any]:
        """
        Return the body as data.

        Raises:
            ValueError: it is no JSON object.
        """
        facts = json.loads(self.body)
        if not isinstance(facts, dict):
            raise ValueError("an event's body is a JSON object")  # noqa: TRY004
        return facts


def to_body(facts: Mapping[str, Any]) -> str:
    """Return *facts* as JSON in one form only: sorted keys, no spaces."""
    return json.dumps(
        facts,
        sort_keys=True,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )


def digest(text: str) -> str:
    """Return the SHA-256 of *text* in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def link(number: int, at: str, actor: str, kind: str, body: str, previous: str) -> str:
    """Return the hash of an event: of its fields, as a JSON array."""
    fields = [number, at, actor, kind, body, previous]
    return digest(json.dumps(fields, ensure_ascii=False, separators=(",", ":")))


def flaw(entries: Iterable[Entry], previous: str = GENESIS, first: int = 1) -> str:
    """
    Return what is wrong with a chain that begins at *first*, or nothing.

    The first event that was edited, moved, or that follows a gap is named.
    """
    expected = first
    for entry in entries:
        if entry.number != expected:
            return f"event {expected} is missing"
        if entry.previous != previous:
            return f"event {entry.number} does not follow the event before it"
        fields = (entry.number, entry.at, entry.actor, entry.kind, entry.body)
        if link(*fields, entry.previous) != entry.hash:
            return f"event {entry.number} was changed"
        previous, expected = entry.hash, expected + 1
    return ""
