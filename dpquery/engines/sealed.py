"""Exact answers, wrapped so that they cannot be printed by accident."""

from __future__ import annotations

from typing import Any, NoReturn


class Sealed:
    """
    Exact rows that only the kernel may open.

    They do not print, iterate, compare by content, pickle or copy. This guards
    against accident and drift, not against hostile code in the same process.

    >>> rows = Sealed([(41,)])
    >>> f"debug: {rows}"
    'debug: <Sealed>'
    """

    __slots__ = ("_rows",)

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows

    def __repr__(self) -> str:
        return "<Sealed>"

    def __bool__(self) -> NoReturn:
        # Whether there are rows is an exact fact as well.
        msg = "exact answers have no truth value"
        raise TypeError(msg)

    def __reduce__(self) -> NoReturn:
        msg = "exact answers are not serialisable"
        raise TypeError(msg)

    def open(self) -> list[tuple[Any, ...]]:
        """Return the exact rows; called where they become noisy, or are public."""
        return self._rows
