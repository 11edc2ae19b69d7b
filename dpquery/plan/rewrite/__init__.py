"""From a bound query to a program of releases; pure, and reads no data.

The order is part of the privacy argument:

0. ``fill_groups``, then ``restrict_blocks``: rows of blocks of time that are debited,
   and no others. Before ``own``, which puts units to whatever is scanned.
1. ``own``: every row gets its unit, or the query is refused. First, because a limit
   per unit means nothing for a row without one. ``own_values`` does the same for what
   is computed of each row: subqueries in keys and aggregates.
2. ``decompose_aggregates``: aggregates become integer moments on clamped values. It
   reads bounds from the filters of the owned relation.
3. ``key_domain``: public keys, or none. Before bounding, because rows outside the
   domain must not use up a unit's contribution (theory.md 2.4).
4. ``bound_contributions``: limits per unit, after the last operator that multiplies
   rows. What nobody has fixed is looked up in histograms of units (``seek_profile``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dpquery.errors import QueryRefused
from dpquery.plan.aggregates import RankEstimator, Units
from dpquery.plan.analysis.dependencies import undeclared
from dpquery.plan.analysis.partitions import key_domain
from dpquery.plan.analysis.privacy_unit import own
from dpquery.plan.expressions import ColumnRef
from dpquery.plan.program import Program, ReleaseStep
from dpquery.plan.rewrite.bound_contributions import (
    BoundingRules,
    bound_contributions,
    bound_distinct,
    bound_rankings,
    bounding,
)
from dpquery.plan.rewrite.clamp_inputs import inputs_of
from dpquery.plan.rewrite.decompose_aggregates import (
    Decomposed,
    counted_once,
    decompose_aggregates,
    moments_of,
    of_ratios,
)
from dpquery.plan.rewrite.fill_groups import fill_groups
from dpquery.plan.rewrite.own_values import own_values
from dpquery.plan.rewrite.profile_forms import Form, forms_of, without_conditions
from dpquery.plan.rewrite.restrict_blocks import restrict_blocks
from dpquery.plan.rewrite.seek_profile import ProfileReader
from dpquery.plan.walk import columns, subqueries
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from dpquery.plan.aggregates import AdditiveMoment
    from dpquery.plan.program import AggregateQuery, GroupKey, Query, Wishes
    from dpquery.plan.relations import Owned
    from dpquery.policy.catalog import Catalog


def compile_program(query: Query, catalog: Catalog, rules: BoundingRules) -> Program:
    """
    Return the releases that answer *query*, and the SELECT over them.

    Raises:
        QueryRefused: some row has no single owner, or some value no bounds.
    """
    steps = tuple(compile_release(each, catalog, rules) for each in query.boundaries)
    return Program(steps, query.inputs, query.post)


def compile_release(
    query: AggregateQuery, catalog: Catalog, rules: BoundingRules
) -> ReleaseStep:
    """Return one DP boundary as a bounded integer aggregate."""
    query = fill_groups(query)
    blocks: tuple[str, ...] = ()
    if rules.calendar is not None:
        query, blocks = restrict_blocks(query, rules.calendar)
    source = own(query.source, catalog)
    query = own_values(query, source, catalog)
    _check_keys(query, source)
    rules = _tightened(rules, query.wishes)
    profile = _profile(query, source, blocks, catalog, rules)
    inputs = inputs_of(source.relation, profile)
    made = decompose_aggregates(query.aggregates, inputs, grouped=bool(query.keys))
    domain = key_domain(query.keys, source.relation, catalog)
    if domain is None:
        made = counted_once(made, source)
    else:
        _check_minimum(query)
    moments = _with_units(made, needed=domain is None or not query.aggregates)
    how = bounding(rules, source, query.keys, domain, counts_units=_counts_units(made))
    chosen, kept = None, None
    if profile is not None:
        chosen, kept = profile.choosers(how, domain, of_ratios(made))
    step = ReleaseStep(
        name=query.name,
        source=source,
        keys=query.keys,
        domain=domain,
        moments=bound_contributions(moments, source, how, chosen),
        distinct=bound_distinct(made.distinct, source, how, kept),
        rankings=bound_rankings(made.columns, source, how, chosen),
        bounding=how,
        columns=made.columns,
        wishes=query.wishes,
        blocks=blocks,
    )
    return step if profile is None else profile.told(step)


def _with_units(made: Decomposed, *, needed: bool) -> tuple[AdditiveMoment, ...]:
    """Return the moments, with the count of units where it says which groups show."""
    return tuple(dict.fromkeys((*((Units(),) if needed else ()), *made.moments)))


def _profile(
    query: AggregateQuery,
    source: Owned,
    blocks: tuple[str, ...],
    catalog: Catalog,
    rules: BoundingRules,
) -> ProfileReader | None:
    """Return what knows the units of *source*; ``None`` where nothing may."""
    if rules.profile is None:
        return None
    exact = Form(source, query.keys, blocks)
    general = None if blocks else without_conditions(query.source)
    forms = forms_of(exact, general, catalog)
    if not forms:
        return None
    declared = not undeclared(source.relation)
    needed = rules.seeks or not declared
    return ProfileReader(
        forms, rules.profile, needed, declared, rules.noise, rules.seeks
    )


def _tightened(rules: BoundingRules, wishes: Wishes) -> BoundingRules:
    """Return *rules* with what the query wishes, where that is less."""
    groups = rules.groups if wishes.groups is None else wishes.groups
    return replace(
        rules,
        groups=min(rules.groups, groups),
        min_units=max(rules.min_units, wishes.min_units or 1),
    )


def _counts_units(made: Decomposed) -> bool:
    """
    Return whether the number of units is a part of what is asked for.

    Beside what is chosen by rank, it only says whether there are enough, and in a group
    that shows there are.
    """
    return any(
        Units() in moments_of(column.estimator)
        for column in made.columns
        if not isinstance(column.estimator, RankEstimator)
    )


def _check_minimum(query: AggregateQuery) -> None:
    """Refuse a minimum of units where groups are shown whatever is in them."""
    if (query.wishes.min_units or 1) > 1:
        msg = "min_privacy_units_per_group is for groups whose keys are not public"
        hint = (
            "public groups are shown whatever they hold: leave it out, or drop those\n"
            "with a small noisy count: HAVING COUNT(DISTINCT …) >= …"
        )
        raise QueryRefused(msg, code="DPQ136", place=query.wishes.place, hint=hint)


_KEY_TYPES = frozenset(
    {
        SqlType.BOOLEAN,
        SqlType.INTEGER,
        SqlType.VARCHAR,
        SqlType.DATE,
        SqlType.TIMESTAMP,
    }
)


def _check_keys(query: AggregateQuery, source: Owned) -> None:
    for key in query.keys:
        _check_key(key, source)


def _check_key(key: GroupKey, source: Owned) -> None:
    """
    Refuse keys that would show units, or that print differently when equal.

    A function of the unit alone has a group for each, or might as well be asked of each
    by itself; nothing of it would be shown. What is looked up for a unit is no such
    function, and neither is protected by this: groups of few units are withheld.
    """
    read = columns(key.expression)
    alone = bool(read) and read <= set(source.units)
    looked_up = next(subqueries(key.expression), None) is not None
    if key.expression == source.unit or (alone and not looked_up):
        msg = f"a group per {source.kind} would show individuals"
        hint = f"group by what a {source.kind} has in common with others"
        raise QueryRefused(msg, code="DPQ123", place=key.place, hint=hint)
    exact = isinstance(key.expression, ColumnRef)  # computed ones are DOUBLE below
    if key.expression.type is SqlType.DECIMAL and exact:
        return
    if key.expression.type not in _KEY_TYPES:
        msg = f"{key.expression.type} values cannot be group keys"
        hint = "round to whole numbers: CAST(FLOOR(x) AS INTEGER)"
        raise QueryRefused(msg, code="DPQ126", place=key.place, hint=hint)


__all__ = ["BoundingRules", "compile_program", "compile_release"]
