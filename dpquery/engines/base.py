"""What the kernel asks of a database that holds private rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dpquery.engines.sealed import Sealed
    from dpquery.policy.catalog import DescribedColumn


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT that dpquery generated, and what it is expected to touch."""

    sql: str
    tables: frozenset[str]
    """Tables that the plan reads, as the engine spells them; no more, no fewer."""
    functions: frozenset[str]
    """Functions and aggregates that the plan may call, lower case, as the engine's
    parser names them: ``EXTRACT(year FROM d)`` is ``date_part``."""
    parameters: Mapping[str, list[Any]] = field(default_factory=dict)
    """Lists of released values, by the names that stand in the SQL as ``$name``."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one statement may use; the owner's choice, never the analyst's."""

    memory: str = "4GB"
    """A number and a unit; a statement that needs more fails, nothing is spilled."""
    threads: int = 2
    seconds: float = 60
    """Wall-clock seconds after which a statement is interrupted."""


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """Whether a column may serve as the key of an ownership path (theory.md 1.1)."""

    table: str
    column: str
    duplicates: int
    """Key values that occur more than once; exact, for the owner's eyes only."""
    nulls: int
    """Rows without a key; harmless, for NULL never joins. For the owner only."""
    values: int = field(default=0, compare=False)
    """Different values; exact, for the owner only."""


class Engine(Protocol):
    """A database that holds private rows.

    Every method may raise :class:`~dpquery.errors.EngineFailure`; none ever shows a
    driver's text or a value from a row.
    """

    def describe(self) -> list[DescribedColumn]:
        """Return the columns of all tables and views, in order of the table names."""
        ...

    def version(self) -> str:
        """Return a name for the data as it lies now, without reading its content."""
        ...

    def refresh(self) -> str:
        """Open the data as it lies now, and return the version that is open."""
        ...

    def execute(self, statement: Statement) -> Sealed:
        """Answer *statement* on the version that :meth:`refresh` returned last."""
        ...

    def check_unique(self, table: str, column: str) -> KeyCheck:
        """Count the values of *column* that occur more than once, and its NULLs."""
        ...

    def close(self) -> None:
        """Let go of the database; the next use opens it again."""
        ...
