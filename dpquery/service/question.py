"""What an analyst asks, with all that they say beside the SQL."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """One query and its options; what is not given follows the policy."""

    sql: str
    epsilon: float | None = None
    """What the query alone may give; ``None``: the policy's default."""
    dialect: str = "duckdb"
    other: bool = False
    """Whether a row is asked for that holds what is withheld."""
