"""
The newest link of the audit's chain, kept beside the ledger.

A ledger that was put back to an older copy is sound in itself, and would spend its
budget again. The head remembers, outside of it, how far the chain had come and what
was spent then.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from dpquery.ledger.failures import cannot_open, damaged

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Head:
    """How far a ledger's chain had come."""

    ledger: str
    """The ledger's own name, made up when it was created."""
    number: int
    hash: str
    spent: dict[str, tuple[int, int]]
    """What each scope had spent: amount and delta, in the ledger's units."""


def read(path: Path) -> Head | None:
    """
    Return the head at *path*; ``None`` when there is none.

    Raises:
        LedgerError: it cannot be read, or is no head.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        raise cannot_open(f"{path.name} beside it cannot be read") from None
    try:
        facts = json.loads(text)
        spent = {
            str(scope): (int(amount), int(delta))
            for scope, (amount, delta) in facts["spent"].items()
        }
        return Head(
            str(facts["ledger"]), int(facts["number"]), str(facts["hash"]), spent
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise damaged(f"{path.name} beside it cannot be understood") from None


def write(path: Path, head: Head) -> None:
    """
    Keep *head* at *path*, complete or not at all.

    Two processes that write at once may leave the older head: it is in the chain too.

    Raises:
        LedgerError: no file can be made there.
    """
    facts = {
        "ledger": head.ledger,
        "number": head.number,
        "hash": head.hash,
        "spent": head.spent,
    }
    try:
        with NamedTemporaryFile(
            "w",
            encoding="utf-8",
            dir=path.parent,
            prefix=path.name + ".",
            delete=False,
        ) as draft:
            draft.write(json.dumps(facts))
        os.replace(draft.name, path)  # noqa: PTH105 -- the name is a str
    except OSError:
        raise cannot_open(f"{path.name} beside it cannot be written") from None
