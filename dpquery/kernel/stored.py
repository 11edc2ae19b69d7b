"""Readings as text and back: what was measured, never anything exact."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from dpquery.cells import from_json as cell_from_json
from dpquery.cells import to_json as cell_to_json
from dpquery.errors import LedgerError
from dpquery.noise.calibration import Additive, Law

if TYPE_CHECKING:
    from dpquery.kernel.readings import Key


@dataclass(slots=True)
class StoredReadings:
    """The noisy numbers of one piece, in the order of its shape."""

    noise: tuple[Additive, ...]
    """Of each moment, in sub-steps."""
    values: dict[Key, tuple[int, ...]]
    """For each group, the moments."""
    chosen: dict[Key, tuple[Fraction, ...]] = field(default_factory=dict)
    """For each group, what was chosen."""

    @property
    def keys(self) -> list[Key]:
        """The groups, in the order in which they were measured."""
        return list(self.values)

    def text(self) -> str:
        """Return the readings as JSON that :func:`read` reads back exactly."""
        data = {
            "noise": [[n.law.value, n.sensitivity, repr(n.scale)] for n in self.noise],
            "groups": [
                [
                    [cell_to_json(cell) for cell in key],
                    values,
                    [str(each) for each in self.chosen.get(key, ())],
                ]
                for key, values in self.values.items()
            ],
        }
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def read(text: str) -> StoredReadings:
    """
    Return what :meth:`StoredReadings.text` wrote.

    Raises:
        LedgerError: DPQ559, it is damaged.
    """
    try:
        data = json.loads(text)
        noise = tuple(Additive(Law(w), s, float(x)) for w, s, x in data["noise"])
        values: dict[Key, tuple[int, ...]] = {}
        chosen: dict[Key, tuple[Fraction, ...]] = {}
        for cells, numbers, picked in data["groups"]:
            key = tuple(cell_from_json(cell) for cell in cells)
            values[key] = tuple(map(_whole, numbers))
            chosen[key] = tuple(map(Fraction, picked))
        return StoredReadings(noise, values, chosen)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        msg = "what was measured before cannot be read back"
        hint = "restore the ledger from a backup; nothing was charged"
        raise LedgerError(msg, code="DPQ559", hint=hint) from None


def _whole(number: Any) -> int:  # noqa: ANN401 -- JSON
    if type(number) is not int:
        raise ValueError("a reading is an integer")
    return number
