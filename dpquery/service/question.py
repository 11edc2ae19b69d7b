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
    nonnegative: bool = False
    """Whether counts, and sums of what is not negative, are made non-negative."""
    monotone: bool = False
    """Whether running totals along the one date or number of GROUP BY never fall."""
    within: float | str | None = None
    """How exact every noisy value is to be: ``25``, or ``"5%"`` of it."""
    confidence: float | None = None
    """With which probability it is; ``None``: 0.95."""
    max_epsilon: float | None = None
    """What an answer ``within`` may cost; ``None``: the policy's limit of one query."""
