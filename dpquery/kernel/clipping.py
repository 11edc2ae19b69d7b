"""How much of an answer survives the clip: bias, apart from noise (theory.md 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.aggregates import LinearEstimator
from dpquery.plan.analysis.clips import retained
from dpquery.plan.rewrite.decompose_aggregates import moments_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.kernel.prepare import Prepared
    from dpquery.plan.aggregates import Estimator
    from dpquery.plan.program import ReleasedColumn, ReleaseStep

WORTH_SAYING = 0.98
"""A share from which on nothing is said."""
WORTH_NAMING = 0.2
"""A share below which it says more about the noise of the profile than about units."""


def retained_shares(prepared: Prepared) -> dict[str, float]:
    """
    Return, for the columns of an answer, which share of what units add is in it.

    One-sided: with about 95 % it is no less. Of the columns that show a released number
    as it is, where a profile says how large units are; post-processing of it.
    """
    return {name: share for name, share, _ in _retained(prepared)}


def _retained(prepared: Prepared) -> Iterator[tuple[str, float, Estimator]]:
    for output in prepared.program.post.outputs or ():
        if output.cell is None:
            continue
        priced, column = prepared.column(output.cell.levels[0], output.cell.column)
        shares = list(_shares(priced.step, column))
        if shares:
            yield output.name, min(shares), column.estimator


def _shares(step: ReleaseStep, column: ReleasedColumn) -> Iterator[float]:
    moments = set(moments_of(column.estimator))
    for clip in step.clips:
        if moments & {step.moments[at].moment for at in clip.moments}:
            yield retained(clip.histogram, clip.limit)


def clipping_notes(prepared: Prepared) -> tuple[str, ...]:
    """Say which columns lack a part of what units add."""
    return tuple(
        _said(name, share, of_sums=isinstance(estimator, LinearEstimator))
        for name, share, estimator in _retained(prepared)
        if share < WORTH_SAYING
    )


def _said(name: str, share: float, *, of_sums: bool) -> str:
    """Say which share of a column is sure to be in it; 0: of none is it sure."""
    if share < WORTH_NAMING:
        return (
            f"{name}: so little is known of so few units that its limit is a guess; "
            "what was clipped may be most of it, and is not in the error bar"
        )
    if not of_sums:
        return (
            f"{name}: single units that add much weigh less in it than their rows; at "
            f"least {share:.0%} of what units add counts"
        )
    return (
        f"{name}: at least {share:.0%} of what single units add is in it; the rest was "
        "clipped, and is not in the error bar"
    )
