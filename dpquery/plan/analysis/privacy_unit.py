"""Which privacy unit owns each row, and the refusal of whatever loses it.

Upholds theory.md 1.2: what this module returns is *unit-local*. Removing a unit
removes exactly its own rows and changes no other. The proof is by induction over
the operators; each rule of theory.md 1.3 that is accepted here is one case.

Inside a subquery there is a second way to be local: every row belongs to the unit of
the outer row (*attached*). Whatever is computed from such rows is computed from the
outer row's unit alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from dpquery.errors import Place, QueryRefused
from dpquery.plan.analysis.carried_unit import (
    carried,
    combined,
    merged_rows,
    says_unit,
    windows_by_unit,
)
from dpquery.plan.analysis.inner_joins import (
    attached_to,
    merged,
    put_together,
    taken_apart,
)
from dpquery.plan.analysis.owner_paths import (
    Paths,
    owner_keys,
    owner_of,
    partner_outside,
)
from dpquery.plan.analysis.ties import (
    equal_units,
    place_of,
    same_kind,
    tied,
    ties,
    untied,
)
from dpquery.plan.analysis.total_order import tie_breakers, without_ties
from dpquery.plan.analysis.unambiguous import check_names
from dpquery.plan.expressions import (
    Call,
    ColumnRef,
    Expression,
    InSample,
    Subquery,
    conjunction,
    conjuncts,
)
from dpquery.plan.relations import (
    Filter,
    Group,
    Join,
    JoinKind,
    Listed,
    Named,
    Owned,
    Project,
    Relation,
    Released,
    Rows,
    Sample,
    Scan,
    SetOperation,
    Top,
    Unnest,
    Unowned,
)
from dpquery.plan.walk import equated, visible, with_operands, with_sides
from dpquery.policy.catalog import ROW_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.plan.analysis.owner_paths import Pair
    from dpquery.policy.catalog import Catalog


def own(relation: Relation, catalog: Catalog) -> Owned:
    """
    Return *relation* with the expression that says whose row it is.

    The owner's path is joined by the planner, never by the analyst; private tables
    are tied to each other by an explicit equality of their units, which is a no-op
    where the policy's foreign keys are right and enforces locality where they are
    wrong (theory.md 1.3).

    Raises:
        QueryRefused: a row could belong to no unit, or to two.
    """
    rows = owners(relation, catalog)
    if isinstance(rows, Unowned):
        msg = "this query reads public tables only"
        hint = "public tables need no privacy; query them directly, or join one"
        place = place_of(relation)
        raise QueryRefused(msg, place=place, hint=hint)
    check_names(rows.relation)
    return rows


def owners(relation: Relation, catalog: Catalog, outer: Rows | None = None) -> Rows:
    """
    Return *relation* as rows with owners, or as rows that depend on nobody.

    *outer* is the row outside, for a subquery or the right side of a lateral join.

    Raises:
        QueryRefused: a row could belong to no unit, or to two.
    """
    return _Owners(catalog).of(relation, outer)


def of_row(expression: Expression, row: Rows, catalog: Catalog) -> Expression:
    """
    Return *expression* with each subquery in it tied to the unit of its *row*.

    Raises:
        QueryRefused: a subquery reads rows of others.
    """
    return _Owners(catalog).of_row(expression, row, None)


class _Owners:
    """Gives every relation its owners, from the leaves up."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def of(self, relation: Relation, outer: Rows | None) -> Rows:
        """Return the rows of *relation*."""
        match relation:
            case Listed() | Released():
                return Unowned(relation)
            case Scan() | Filter():
                return self._inner_joins(relation, outer)
            case Join(kind=JoinKind.INNER, lateral=False):
                return self._inner_joins(relation, outer)
            case Join(lateral=True):
                return self._lateral(relation, outer)
            case Join():
                return self._outer_join(relation, outer)
            case Unnest():
                return self._unnest(relation, outer)
            case Sample():
                return self._sample(relation, outer)
            case Top():
                return self._top(relation, outer)
            case Project():
                return self._project(relation, outer)
            case Group():
                return self._group(relation, outer)
            case SetOperation():
                return self._set_operation(relation, outer)
            case _:
                assert_never(relation)

    # --- expressions with subqueries ---------------------------------------------

    def of_row(
        self, expression: Expression, row: Rows, outer: Rows | None
    ) -> Expression:
        """
        Return *expression* with each subquery tied to the unit of its row.

        A public row inside a subquery is looked at for the unit of the *outer* row.
        """
        if isinstance(row, Unowned) and outer is not None:
            row = outer
        if isinstance(expression, Subquery):
            pairs = _compared(expression)
            place = expression.place
            inner = self._tied_to(expression.relation, row, place, pairs)
            expression = replace(expression, relation=inner)
        return with_operands(expression, lambda part: self.of_row(part, row, None))

    def _tied_to(
        self,
        relation: Relation,
        row: Rows,
        place: Place | None,
        pairs: Sequence[Pair] = (),
    ) -> Relation:
        """
        Return a relation of which every row has the owner of the outer *row*.

        *pairs* of an inner and an outer column are compared by what stands around:
        rows of other units could not be equal, and are left out.
        """
        inner = self.of(relation, row)
        if isinstance(inner, Unowned):
            return inner.relation
        if isinstance(row, Unowned):
            msg = "which of these public rows are kept depends on everybody's rows"
            hint = (
                "ask about the private table instead, joined to the public one:\n"
                "COUNT(DISTINCT key) of the public rows that have a partner"
            )
            raise QueryRefused(msg, code="DPQ111", place=place, hint=hint)
        same_kind(row, inner, place)
        if inner.attached:
            return inner.relation
        if not tied(inner, row, pairs):
            raise _loose(inner, place)
        return Filter(inner.relation, conjunction(equal_units(inner, row)))

    # --- scans, filters and inner joins ------------------------------------------

    def _inner_joins(self, relation: Relation, outer: Rows | None) -> Rows:
        """Own inner joins at once: a condition anywhere ties all that it names."""
        joins = taken_apart(relation)
        pairs = list(equated(joins.conditions))
        tables = [
            leaf
            for leaf in joins.leaves
            if isinstance(leaf, Scan) and not leaf.table.public
        ]
        paths = Paths(self._catalog, tables, pairs, outer)
        leaves = [self._leaf(leaf, paths, outer) for leaf in joins.leaves]
        rebuilt = put_together(relation, [leaf.relation for leaf in leaves])
        private = [leaf for leaf in leaves if isinstance(leaf, Owned)]
        whole: Rows = Unowned(rebuilt.relation)
        needed: list[Expression] = []
        if private:
            for each in private[1:]:
                same_kind(private[0], each, place_of(each.relation))
            together = rebuilt.relation
            for hidden, condition in paths.hidden:
                together = Join(together, hidden, JoinKind.INNER, condition)
            needed = ties(private, pairs)
            whole = merged(together, private)
            attached = _attachment(private, pairs, outer)
            if attached is not None and isinstance(outer, Owned):
                needed += attached
                whole = attached_to(outer, whole)
        needed += [self.of_row(part, whole, outer) for part in rebuilt.moved]
        if not needed:
            return whole
        return replace(whole, relation=Filter(whole.relation, conjunction(needed)))

    def _leaf(self, leaf: Relation, paths: Paths, outer: Rows | None) -> Rows:
        if not isinstance(leaf, Scan):
            return self.of(leaf, outer)
        return (
            Unowned(leaf) if leaf.table.public else self._scan(leaf, paths.unit(leaf))
        )

    def _scan(self, scan: Scan, unit: Expression) -> Owned:
        units = (unit,) if isinstance(unit, ColumnRef) else ()
        keys = owner_keys(scan, self._catalog)
        owner = owner_of(scan.table)
        by_row = owner.column == ROW_ID
        return Owned(scan, unit, units, owner.kind, keys, by_row=by_row)

    # --- other joins -------------------------------------------------------------

    def _outer_join(self, join: Join, outer: Rows | None) -> Rows:
        left = self.of(join.left, outer)
        pairs = list(equated([join.condition]))
        partner = None
        if join.kind is JoinKind.LEFT:
            partner = self._partner(join.right, left, pairs)
        right = partner or self.of(join.right, outer)
        if isinstance(right, Unowned) and (
            isinstance(left, Unowned) or join.kind is JoinKind.LEFT
        ):
            return replace(left, relation=self._put(join, left, right.relation, outer))
        if isinstance(left, Unowned) or isinstance(right, Unowned):
            raise _unmatched_public(join)
        return self._joined(join, left, right, pairs)

    def _partner(
        self, right: Relation, left: Rows, pairs: Sequence[Pair]
    ) -> Owned | None:
        """Return a table whose rows, where they match, have the left row's owner."""
        if not isinstance(right, Scan) or right.table.public:
            return None
        unit = partner_outside(right, left, pairs)
        return None if unit is None else self._scan(right, unit)

    def _joined(
        self, join: Join, left: Owned, right: Owned, pairs: Sequence[Pair]
    ) -> Owned:
        """Return an outer join of rows that have one unit where they match."""
        same_kind(left, right, join.place)
        if not tied(left, right, pairs):
            raise untied(right, join.place)
        put = self._put(join, left, right.relation, None)
        condition = conjunction([*conjuncts(put.condition), *equal_units(left, right)])
        both = merged(replace(put, condition=condition), [left, right])
        if join.kind is JoinKind.LEFT:
            return replace(both, units=left.units, attached=left.attached)
        unit = left.unit
        if left.unit != right.unit:
            unit = Call("coalesce", (left.unit, right.unit), left.unit.type)
        attached = left.attached and right.attached
        return replace(both, unit=unit, units=(), attached=attached)

    def _lateral(self, join: Join, outer: Rows | None) -> Rows:
        left = self.of(join.left, outer)
        row = outer if isinstance(left, Unowned) and outer is not None else left
        right = self._tied_to(join.right, row, join.place)
        return replace(left, relation=self._put(join, left, right, outer))

    def _put(self, join: Join, left: Rows, right: Relation, outer: Rows | None) -> Join:
        """Return *join* over sides that have owners."""
        condition = self.of_row(join.condition, left, outer)
        return replace(join, left=left.relation, right=right, condition=condition)

    # --- rows of one unit --------------------------------------------------------

    def _unnest(self, unnest: Unnest, outer: Rows | None) -> Rows:
        child = self.of(unnest.child, outer)
        elements = self.of_row(unnest.elements, child, outer)
        relation = replace(unnest, child=child.relation, elements=elements)
        return replace(child, relation=relation)

    def _sample(self, sample: Sample, outer: Rows | None) -> Rows:
        child = self.of(sample.child, outer)
        hint = "leave TABLESAMPLE out, or filter by a column instead"
        if isinstance(child, Unowned):
            msg = "whole units are sampled, and public rows have none"
            raise QueryRefused(msg, code="DPQ133", place=sample.place, hint=hint)
        if child.by_row:
            msg = "where every row is a unit, there is nothing to choose units by"
            raise QueryRefused(msg, code="DPQ133", place=sample.place, hint=hint)
        chosen = InSample(child.unit, sample.share, sample.seed)
        return replace(child, relation=Filter(child.relation, chosen))

    def _top(self, top: Top, outer: Rows | None) -> Rows:
        child = self.of(top.child, outer)
        if isinstance(child, Owned) and not child.attached:
            msg = "which rows come first depends on everybody's rows"
            hint = (
                f"number the rows of each {child.kind} instead: QUALIFY ROW_NUMBER() "
                "OVER\n(PARTITION BY unit column ORDER BY …) <= 10"
            )
            raise QueryRefused(msg, code="DPQ130", place=top.place, hint=hint)
        wanted = (
            replace(each, expression=self.of_row(each.expression, child, outer))
            for each in top.order
        )
        order = (*wanted, *tie_breakers(visible(top.child)))
        return replace(child, relation=replace(top, child=child.relation, order=order))

    def _project(self, project: Project, outer: Rows | None) -> Rows:
        child = self.of(project.child, outer)
        made = self._named(project.columns, child, outer)
        if isinstance(child, Unowned):
            project = replace(project, child=child.relation, columns=made)
            return Unowned(without_ties(project, ()))
        if project.distinct and not says_unit(made, child):
            raise merged_rows("DISTINCT", child.kind, project.place)
        by_unit = (
            replace(each, expression=windows_by_unit(each.expression, child))
            for each in made
        )
        project = replace(project, child=child.relation, columns=tuple(by_unit))
        found = carried(project, child)
        if not isinstance(found.relation, Project):
            msg = "a SELECT list stays one"
            raise TypeError(msg)
        partition = () if child.attached else (child.unit,)
        return replace(found, relation=without_ties(found.relation, partition))

    def _group(self, group: Group, outer: Rows | None) -> Rows:
        child = self.of(group.child, outer)
        group = replace(
            group,
            child=child.relation,
            keys=self._named(group.keys, child, outer),
            aggregates=self._named(group.aggregates, child, outer),
        )
        if isinstance(child, Unowned):
            return Unowned(group)
        if not says_unit(group.keys, child):
            raise merged_rows("GROUP BY", child.kind, group.place)
        return carried(group, child)

    def _named(
        self, made: Sequence[Named], child: Rows, outer: Rows | None
    ) -> tuple[Named, ...]:
        return tuple(
            replace(each, expression=self.of_row(each.expression, child, outer))
            for each in made
        )

    def _set_operation(self, operation: SetOperation, outer: Rows | None) -> Rows:
        left, right = self.of(operation.left, outer), self.of(operation.right, outer)
        if isinstance(left, Unowned) and isinstance(right, Unowned):
            return Unowned(with_sides(operation, left.relation, right.relation))
        if isinstance(left, Unowned) or isinstance(right, Unowned):
            msg = f"{operation.kind} of private rows and rows that nobody owns"
            hint = "ask about the private rows alone"
            raise QueryRefused(msg, code="DPQ131", place=operation.place, hint=hint)
        same_kind(left, right, operation.place)
        if left.attached != right.attached:
            raise _loose(right if left.attached else left, operation.place)
        return combined(operation, left, right)


def _compared(subquery: Subquery) -> list[Pair]:
    """Return the columns that ``x = ANY (SELECT y …)`` compares, if it does."""
    needle = subquery.needle
    column = next(iter(visible(subquery.relation)), None)
    if not isinstance(needle, ColumnRef) or column is None:
        return []
    return [(column, needle)] if subquery.comparison == "eq" else []


def _attachment(
    private: Sequence[Owned], pairs: Sequence[Pair], outer: Rows | None
) -> list[Expression] | None:
    """Return what ties these rows to the outer row; ``None`` when nothing does."""
    if not isinstance(outer, Owned):
        return None
    if any(each.attached for each in private):
        return []
    for each in private:
        if each.kind == outer.kind and tied(each, outer, pairs):
            return equal_units(each, outer)
    return None


def _unmatched_public(join: Join) -> QueryRefused:
    msg = "this join keeps public rows that no private row matches"
    hint = (
        "whether a row has no match is a statement about everybody; put the\n"
        "private table first, or group by columns of the public table and count a\n"
        "column of the private one: COUNT(x), not COUNT(*)"
    )
    return QueryRefused(msg, code="DPQ111", place=join.place, hint=hint)


def _loose(inner: Owned, place: Place | None) -> QueryRefused:
    msg = f"this subquery reads rows of every {inner.kind} at once"
    hint = (
        f"tie it to the outer row by an equality of the {inner.kind}, or make it an\n"
        "aggregate that can be released by itself"
    )
    return QueryRefused(msg, code="DPQ115", place=place, hint=hint)
