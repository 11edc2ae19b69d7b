"""One question as it is written: the choices left, and what it is made of so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .choices import Choices
    from .columns import Table

T = TypeVar("T")


class Writer:
    """What the parts of one question share."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._aliases = 0
        self.features: set[str] = set()
        """What the question is made of, by the words of ``features``."""
        self.queries: list[str] = []
        """What stands in WITH."""
        self.named: list[Table] = []
        """The tables that it makes."""
        self.depth = 0
        """Queries around the place that is written."""

    def one_of(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return self._choices.one_of(options)

    def rarely(self) -> bool:
        """Return ``True`` one time in eight."""
        return self.one_of([False] * 7 + [True])

    def misses(self, feature: str) -> bool:
        """
        Return whether to write something that is nearly right, one time in sixteen.

        It must be refused, or be as private as the rest: the checks do not know.
        """
        missed = self.one_of([False] * 15 + [True])
        if missed:
            self.features.add(f"miss: {feature}")
        return missed

    def made(self, feature: str) -> None:
        """Remember that the question has a *feature*."""
        self.features.add(feature)

    def alias(self, letter: str) -> str:
        """Return a name that nothing else has."""
        self._aliases += 1
        return f"{letter[:1]}{self._aliases}"
