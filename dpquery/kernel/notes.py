"""What an analyst should know of an answer: of the plan, never of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.kernel.clipping import clipping_notes
from dpquery.kernel.levels import sets_of
from dpquery.kernel.other_row import CALLED, SHARE
from dpquery.plan.aggregates import RankEstimator, RankKind, Units
from dpquery.plan.analysis.dependencies import DEFAULT_ROWS_PER_UNIT, undeclared
from dpquery.plan.expressions import InSample
from dpquery.plan.profile import Quantity
from dpquery.plan.program import BoundingMode
from dpquery.plan.walk import expressions, relations, subexpressions
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.pricing import PricedStep
    from dpquery.kernel.reuse import Reuse
    from dpquery.plan.program import ReleaseStep
    from dpquery.plan.relations import Relation


def notes(prepared: Prepared) -> tuple[str, ...]:
    """Return what is worth knowing of *prepared*, each thing once."""
    steps = prepared.steps
    found = [note for priced in steps for note in _of_release(priced, prepared)]
    if prepared.other and not any(priced.step.other_of for priced in steps):
        found.append("there is no row of what is withheld: no group is")
    return tuple(dict.fromkeys((*found, *clipping_notes(prepared))))


def reuse_notes(reuse: Reuse, *, ids: bool = True) -> tuple[str, ...]:
    """Return what an answer is made of, where it is not all new; with *ids* of it."""
    found = []
    uses = reuse.all
    known = [use for use in uses if use.known]
    if known:
        made = "made of what earlier answers have measured"
        if ids:
            named = dict.fromkeys(k.measurement.release_id for k in reuse.known)
            made += f" ({', '.join(named)})"
        if not reuse.measures:
            found.append(f"{made}: nothing new was measured")
        else:
            fresh = sum(use.fresh is not None for use in uses)
            found.append(
                f"{made}, and of {fresh} new measurement{'s' if fresh > 1 else ''}"
            )
    if any(k.shape.domain != u.piece.shape.domain for u in uses for k in u.known):
        found.append(
            "put together from answers by other groups, too: they are taken to list "
            "every row's group, as the policy says"
        )
    return tuple(found)


def level_notes(prepared: Prepared, reuse: Reuse) -> tuple[str, ...]:
    """Return whether the levels of ROLLUP and the like add up."""
    outputs = prepared.program.post.outputs or ()
    several = {o.cell.levels for o in outputs if o.cell and len(o.cell.levels) > 1}
    made = [{level.release for level in levels} for levels in sets_of(prepared, reuse)]
    found = []
    if made and not prepared.shaping.any:
        found.append(
            "sums by fewer and by more groups were put together: they add up, but for "
            "rounding"
        )
    if any(not any(set(levels) <= each for each in made) for levels in several):
        found.append(
            "levels of groups are measured apart, and need not add up: only sums and "
            "counts of rows do, by groups whose lists are complete"
        )
    return tuple(found)


def _of_release(priced: PricedStep, prepared: Prepared) -> Iterator[str]:
    step = priced.step
    kind = step.source.kind
    several = step.keys and not step.bounding.single_group
    if several and any(not clip.grouped for clip in step.clips):
        yield (
            f"limits fit all rows of a {kind}; a profile of the query's own groups can "
            "make its noise several times smaller: dpquery profile 'SELECT …'"
        )
    unknown = undeclared(step.source.relation)
    profiled = bool(step.clips or step.missing or not (step.moments or step.rankings))
    for table in [] if profiled else unknown:
        yield (
            f"the policy does not say how many rows of {table} a {kind} has; "
            f"{DEFAULT_ROWS_PER_UNIT} are assumed, and whoever has more counts for less"
        )
    if unknown and step.distinct and not _unions_known(step):
        few = max(union.per_group for union in step.distinct)
        yield (
            f"a {kind} adds up to {few} of its different values, for nobody says how "
            "many rows it has: values that few have may be missing"
        )
    if priced.threshold is not None:
        yield from _of_withheld(priced, priced.threshold, prepared)
    ends = {
        column.estimator.target.kind
        for column in step.columns
        if isinstance(column.estimator, RankEstimator)
    }
    if ends & {RankKind.LOWEST, RankKind.HIGHEST}:
        yield (
            "MIN and MAX are values near the end of the rows, so that no single "
            f"{kind} decides them"
        )
    if _samples(step.source.relation):
        yield f"TABLESAMPLE takes a share of the {kind}s, the same ones every time"


def _unions_known(step: ReleaseStep) -> bool:
    """Return whether how many values are kept is measured, or will be."""
    known = (*step.missing, *(sought for sought, _ in step.profile))
    return any(sought.quantity is Quantity.UNION for sought in known)


def _of_withheld(
    priced: PricedStep, threshold: int, prepared: Prepared
) -> Iterator[str]:
    """
    Say why groups are missing, about how large one must be, and what can be done.

    What is above the minimum of units is noise, which about halves with twice the ε.
    """
    step, minimum = priced.step, priced.step.bounding.min_units
    kind = step.source.kind
    steps, _ = priced.noise_of(Units())
    small = f"groups with fewer than about {-(-threshold // steps):,} {kind}s"
    never = f"; with fewer than {minimum:,} always" if minimum > 1 else ""
    how, less = step.bounding, ""
    if how.mode is BoundingMode.NORM and not how.single_group:
        less = f", and a {kind} in {4 * how.full_units:,} of them counts half in each"
    yield f"{small} are withheld: their keys are not public{less}{never}"
    others = (minimum - 1) * steps
    better = -(-(threshold - others) // (2 * steps)) + minimum - 1
    alone = len(prepared.steps) == 1 and step.columns
    yield (
        f"to see more: twice the ε shows groups from about {better:,} {kind}s on, "
        "`values` in the policy all of them"
        + (", --other what is withheld as one row" if alone else "")
    )
    if any(each.step.other_of == step.name for each in prepared.steps):
        texts = any(key.expression.type is SqlType.VARCHAR for key in step.keys)
        key = f"the key {CALLED}" if texts else "NULL for a key"
        yield (
            f"the last group, with {key}, holds all that is withheld, together; "
            f"it takes {SHARE:.0%} of the price"
        )


def _samples(relation: Relation) -> bool:
    """Return whether a condition below takes a sample of the units."""
    return any(
        isinstance(part, InSample)
        for each in relations(relation)
        for expression in expressions(each)
        for part in subexpressions(expression)
    )
