"""What a query says of its own release: options of a SELECT, bounds of an aggregate.

They can tighten the policy and never loosen it: what is more than it allows is refused.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.errors import QueryRefused
from dpquery.plan.aggregates import Clamp
from dpquery.plan.program import Wishes
from dpquery.plan.relations import Owned
from dpquery.sql.parsing.dp_options import GroupSelection
from dpquery.sql.parsing.dp_syntax import bounds_of, options_of
from dpquery.sql.queries.rows import BlockBinder

if TYPE_CHECKING:
    from dpquery.errors import Place
    from dpquery.sql.parsing.dp_options import DPOptions
    from dpquery.sql.queries.binder import QueryBinder
    from dpquery.sql.queries.bound import Block


def wishes_of(binder: QueryBinder, select: exp.Select, block: Block) -> Wishes:
    """
    Return what the options of *select* say.

    Raises:
        QueryRefused: they name another privacy unit than the policy's.
    """
    options = options_of(select)
    if options is None:
        return Wishes()
    _hear(binder, options.place)
    _check_unit(options, binder, block)
    strategy = options.group_selection_strategy
    return Wishes(
        epsilon=options.epsilon,
        delta=options.delta,
        groups=options.max_groups_contributed,
        min_units=options.min_privacy_units_per_group,
        public_groups=strategy is GroupSelection.PUBLIC_GROUPS,
        place=options.place,
    )


def _check_unit(options: DPOptions, binder: QueryBinder, block: Block) -> None:
    """Refuse a unit column that does not hold the policy's unit."""
    named, rows = options.privacy_unit_column, block.rows
    if named is None or not isinstance(rows, Owned):
        return
    node = exp.column(named.name, table=named.table)
    try:
        bound = BlockBinder(binder, block).column(node)
        if bound not in (rows.unit, *rows.units):
            msg = f"{named.name} does not say which {rows.kind} a row is of"
            hint = "leave privacy_unit_column out: whom the policy protects is fixed"
            raise block.refusal(node, msg, "DPQ139", hint)
    except QueryRefused as error:
        error.place = options.place_of("privacy_unit_column")
        raise


def clamp_of(binder: QueryBinder, call: exp.Expr) -> Clamp | None:
    """Return the bounds that an aggregate call gives its contributions."""
    bounds = bounds_of(call)
    if bounds is None:
        return None
    for each in (bounds.per_group, bounds.per_row):
        if each is not None:
            _hear(binder, each.place)
    chosen = bounds.per_group or bounds.per_row
    if chosen is None:
        return None
    low, high = Fraction(chosen.low), Fraction(chosen.high)
    return Clamp(low, high, per_group=bounds.per_group is not None)


def _hear(binder: QueryBinder, place: Place) -> None:
    binder.heard.add((place.line, place.column))
