"""New columns carry the unit, and rows are merged inside one unit only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused
from dpquery.plan.analysis.carried_unit import (
    UNIT,
    carried,
    combined,
    says_unit,
    windows_by_unit,
)
from dpquery.plan.analysis.privacy_unit import own
from dpquery.plan.expressions import Call, ColumnRef, Ordering, Window
from dpquery.plan.relations import (
    Group,
    Listed,
    Named,
    Owned,
    Project,
    SetKind,
    SetOperation,
)
from dpquery.plan.render import expression_text
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.expressions import Expression
    from dpquery.plan.relations import Relation
    from dpquery.policy.catalog import Catalog

    Rel = Callable[[str], Relation]

KEY = ("orders", "order_id")
U, K, X = (ColumnRef("t", name, SqlType.INTEGER, "BIGINT") for name in "ukx")
ROWS = Owned(Listed("t", (U, K, X), ()), U, (U,), "person", ((K, KEY),))
ATTACHED = Owned(Listed("t", (U, K, X), ()), U, (U,), "person", attached=True)


def named(*expressions: Expression) -> tuple[Named, ...]:
    return tuple(Named(f"n{at}", each) for at, each in enumerate(expressions))


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ([U], True),
        ([X, U], True),
        ([K], True),  # a key that finds the owner
        ([X], False),
        ([], False),
        ([Call("add", (U, X), SqlType.INTEGER)], False),
        ([Call("coalesce", (U, X), SqlType.INTEGER)], False),
    ],
)
def test_what_says_whose_a_row_is(made: list[Expression], *, says: bool) -> None:
    assert says_unit(named(*made), ROWS) is says
    assert says_unit(named(*made), ATTACHED)  # all rows are of the outer row's unit


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize(
    ("made", "columns", "unit"),
    [
        ([U, X], ["n0", "n1"], "n0"),
        ([K, X], ["n0", "n1", UNIT], UNIT),
        ([X], ["n0", UNIT], UNIT),
    ],
)
def test_the_unit_is_carried(
    made: list[Expression], columns: list[str], unit: str, *, group: bool
) -> None:
    of = named(*made)
    relation: Project | Group = Project(ROWS.relation, "p", of)
    if group:
        relation = Group(ROWS.relation, "p", of, ())
    found = carried(relation, ROWS)
    assert isinstance(found.relation, Project | Group)
    shown = (
        found.relation.keys
        if isinstance(found.relation, Group)
        else found.relation.columns
    )
    assert [each.name for each in shown] == columns
    assert expression_text(found.unit) == f"p.{unit}"
    assert found.units == (found.unit,)
    if K in made:
        assert [(c.name, key) for c, key in found.owner_keys] == [("n0", KEY)]


def test_what_is_attached_needs_no_column() -> None:
    found = carried(Project(ATTACHED.relation, "p", named(X)), ATTACHED)
    assert isinstance(found.relation, Project)
    assert [each.name for each in found.relation.columns] == ["n0"]
    assert (found.unit, found.attached) == (U, True)


# --- windows ----------------------------------------------------------------------


def window(*partition: Expression) -> Window:
    order = (Ordering(X, descending=False, nulls_first=False),)
    return Window("rank", (), partition, order, None, SqlType.INTEGER)


def test_every_window_gets_the_unit_in_its_partition() -> None:
    inner = window(K)
    outer = Call("add", (inner, window(U, X)), SqlType.INTEGER)
    found = windows_by_unit(outer, ROWS)
    assert isinstance(found, Call)
    assert [each.partition for each in found.arguments] == [(K, U), (U, X)]
    assert windows_by_unit(outer, ATTACHED) == outer


@pytest.mark.parametrize("partition", [(), (X,), (Call("negate", (U,), U.type),)])
def test_windows_over_several_units_are_refused(
    partition: tuple[Expression, ...],
) -> None:
    with pytest.raises(QueryRefused) as refusal:
        windows_by_unit(Call("negate", (window(*partition),), U.type), ROWS)
    assert refusal.value.code == "DPQ114"
    assert windows_by_unit(window(*partition), ATTACHED) == window(*partition)


# --- set operations ---------------------------------------------------------------


def union(
    left: list[Expression], right: list[Expression], *, distinct: bool
) -> tuple[SetOperation, Owned, Owned]:
    sides = []
    for name, made in (("a", left), ("b", right)):
        sides.append(carried(Project(ROWS.relation, name, named(*made)), ROWS))
    columns = tuple(
        ColumnRef("union", f"n{at}", SqlType.INTEGER) for at in range(len(left))
    )
    one, other = (side.relation for side in sides)
    assert isinstance(one, Project)
    assert isinstance(other, Project)
    operation = SetOperation(SetKind.UNION, distinct, one, other, "union", columns)
    return operation, sides[0], sides[1]


@pytest.mark.parametrize("distinct", [False, True])
def test_sides_have_the_unit_last(*, distinct: bool) -> None:
    found = combined(*union([U, X], [U, X], distinct=distinct))
    assert isinstance(found.relation, SetOperation)
    for side in (found.relation.left, found.relation.right):
        assert [each.name for each in side.columns] == ["n0", "n1", UNIT]
        assert side.columns[-1].expression == U
    assert expression_text(found.unit) == f"union.{UNIT}"
    assert [column.name for column in found.units] == ["n0", UNIT]


@pytest.mark.parametrize(
    ("left", "right", "accepted"),
    [
        ([U], [U], True),
        ([K], [K], True),
        ([U, X], [X, U], False),  # each says the unit, in another column
        ([U], [K], False),
        ([X], [X], False),
    ],
)
def test_what_merges_rows_says_the_unit_in_one_column(
    left: list[Expression], right: list[Expression], *, accepted: bool
) -> None:
    if accepted:
        assert combined(*union(left, right, distinct=True)).units
    else:
        with pytest.raises(QueryRefused) as refusal:
            combined(*union(left, right, distinct=True))
        assert refusal.value.code == "DPQ118"
    assert combined(*union(left, right, distinct=False)).unit.type is U.type


def test_a_hidden_unit_is_not_shown(shop: Catalog, relation: Rel) -> None:
    found = own(relation("(SELECT note FROM orders) AS t"), shop)
    assert expression_text(found.unit) == "query.__unit"
