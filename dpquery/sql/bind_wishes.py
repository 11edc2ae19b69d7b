"""What a SELECT says of its own release: WITH DIFFERENTIAL_PRIVACY OPTIONS (…)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.program import Wishes

if TYPE_CHECKING:
    from sqlglot import exp

    from dpquery.plan.aggregates import Clamp
    from dpquery.sql.bound import Block


def wishes_of(select: exp.Select, block: Block) -> Wishes:
    """Return what *select* wishes."""
    _ = select, block
    return Wishes()


def clamp_of(call: exp.Expr, block: Block) -> Clamp | None:
    """Return the bounds that an aggregate call gives its contributions."""
    _ = call, block
    return None
