"""Many small choices from one drawn text of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Choices:
    """
    Chooses by drawn bytes, and the first option when they have run out.

    Drawn choice by choice, four questions of five were the same: hypothesis fills up
    with first options and changes one draw at a time. One draw of many bytes differs
    every time, and still shrinks, towards the first options.
    """

    def __init__(self, drawn: bytes) -> None:
        self._drawn = iter(drawn)

    def one_of(self, options: Sequence[T]) -> T:
        """Return one of at most 256 options."""
        return options[next(self._drawn, 0) % len(options)]
