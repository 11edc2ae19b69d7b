"""One error code, explained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """One code, explained to a person who has just met it."""

    code: str
    title: str
    meaning: str
    """Why dpquery stops here; a few sentences."""
    remedy: str
    """What to do next; a few sentences, with an example where one helps."""
