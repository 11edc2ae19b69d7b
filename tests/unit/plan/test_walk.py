"""Traversals reach everything: no column, subquery or table is overlooked."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

import pytest

from dpquery.plan.expressions import (
    Aggregated,
    Call,
    Case,
    Cast,
    ColumnRef,
    InSample,
    Literal,
    Ordering,
    Subquery,
    SubqueryKind,
    Window,
)
from dpquery.plan.relations import (
    Filter,
    Group,
    Listed,
    Named,
    Project,
    Relation,
    Scan,
)
from dpquery.plan.walk import (
    columns,
    depth,
    equated,
    expressions,
    free_columns,
    is_private,
    made_column,
    optional_names,
    predicates,
    relations,
    scans,
    subexpressions,
    substituted,
    visible,
    with_parts,
)
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.expressions import Expression

    Rel = Callable[[str], Relation]

A, B = (ColumnRef("t", name, SqlType.DECIMAL, "DECIMAL(10,2)", 2) for name in "ab")
INNER = Filter(
    Listed("s", (ColumnRef("s", "x", SqlType.INTEGER),), ()),
    Call("lt", (ColumnRef("s", "x", SqlType.INTEGER), A), SqlType.BOOLEAN),
)
BY_B = (Ordering(B, descending=False, nulls_first=False),)
EVERY: list[Expression] = [
    A,
    Call("add", (A, B), SqlType.DOUBLE),
    Case(((A, B),), Literal(1, SqlType.INTEGER), SqlType.DOUBLE),
    Cast(A, SqlType.INTEGER),
    Subquery(SubqueryKind.EXISTS, INNER, SqlType.BOOLEAN),
    Subquery(SubqueryKind.ANY, INNER, SqlType.BOOLEAN, B),
    Window("lag", (A,), (B,), BY_B, None, SqlType.DECIMAL),
    Aggregated("sum", (A,), distinct=False, type=SqlType.DOUBLE),
    InSample(A, share=None, seed=0),  # type: ignore[arg-type]
]


def everything(value: object) -> set[ColumnRef]:
    """Return all columns anywhere in *value*, by looking at every field of it."""
    if isinstance(value, ColumnRef):
        return {value}
    if isinstance(value, tuple):
        return {column for each in value for column in everything(each)}
    if is_dataclass(value) and not isinstance(value, type):
        inside = (getattr(value, field.name) for field in fields(value))
        return {column for each in inside for column in everything(each)}
    return set()


@pytest.mark.parametrize("expression", EVERY, ids=lambda each: type(each).__name__)
def test_every_column_of_an_expression_is_found(expression: Expression) -> None:
    of_row = {each for each in everything(expression) if each.relation == "t"}
    assert columns(expression) == of_row


@pytest.mark.parametrize("expression", EVERY, ids=lambda each: type(each).__name__)
def test_every_column_of_an_expression_is_exchanged(expression: Expression) -> None:
    other = ColumnRef("u", "c", SqlType.INTEGER)
    changed = substituted(expression, lambda each: other if each in (A, B) else each)
    assert everything(changed) & {A, B} == set()
    assert substituted(expression, lambda each: each) == expression
    assert type(changed) is type(expression) or expression == A


def test_depth_and_order() -> None:
    deep = Call("add", (Cast(A, SqlType.INTEGER), B), SqlType.INTEGER)
    assert depth(deep) == 3
    assert list(subexpressions(deep)) == [deep, deep.arguments[0], A, B]


RELATIONS = [
    "orders",
    "orders WHERE amount > 5",
    "customers AS c LEFT JOIN orders AS o ON c.customer_id = o.customer_id",
    "(SELECT customer_id, SUM(amount) AS s FROM orders GROUP BY 1) AS t WHERE s > 5",
    (
        "(SELECT LAG(amount) OVER (PARTITION BY customer_id ORDER BY placed_on) AS l"
        " FROM orders) AS t"
    ),
    "(SELECT customer_id FROM orders UNION ALL SELECT customer_id FROM customers) AS t",
    "orders TABLESAMPLE BERNOULLI (5%)",
    (
        "customers AS c, LATERAL (SELECT amount FROM orders AS o WHERE o.customer_id ="
        " c.customer_id ORDER BY amount LIMIT 1) AS t"
    ),
    (
        "customers AS c WHERE EXISTS"
        " (SELECT 1 FROM orders o WHERE o.customer_id = c.customer_id AND o.amount > 5)"
    ),
    "orders AS o JOIN (VALUES (1), (2)) AS v(x) ON o.amount > v.x",
]


@pytest.mark.parametrize("sql", RELATIONS)
def test_every_expression_of_a_relation_is_found_and_exchanged(
    relation: Rel, sql: str
) -> None:
    before = relation(sql)
    shown = {column for each in relations(before) for column in visible(each)}
    read = {
        column
        for each in relations(before)
        for expression in expressions(each)
        for column in everything(expression)
    }
    assert read <= shown
    other = ColumnRef("u", "c", SqlType.INTEGER)

    def changed(node: Relation) -> Relation:
        return with_parts(
            node, changed, lambda each: substituted(each, lambda _: other)
        )

    after = {
        column
        for each in relations(changed(before))
        for expression in expressions(each)
        for column in everything(expression)
    }
    assert after <= {other}
    assert with_parts(before, lambda each: each, lambda each: each) == before


@pytest.mark.parametrize(
    ("sql", "private", "tables"),
    [
        (
            "orders AS o WHERE o.kind IN (SELECT category FROM products)",
            True,
            ["orders", "products"],
        ),
        (
            (
                "orders AS o WHERE EXISTS"
                " (SELECT 1 FROM line_items AS i WHERE i.order_id = o.order_id)"
            ),
            True,
            ["orders", "line_items"],
        ),
    ],
)
def test_tables_of_subqueries_count(
    relation: Rel, sql: str, tables: list[str], *, private: bool
) -> None:
    found = relation(sql)
    names = [each.table.name for each in relations(found) if isinstance(each, Scan)]
    assert names == tables
    assert [each.table.name for each in scans(found)] == tables[:1]
    assert is_private(found) is private


def test_free_columns_are_those_of_a_row_outside(relation: Rel) -> None:
    found = relation(
        "customers AS c WHERE EXISTS (SELECT 1 FROM orders AS o"
        " WHERE o.customer_id = c.customer_id AND EXISTS"
        " (SELECT 1 FROM payments AS p WHERE p.order_id = o.order_id))"
    )
    assert free_columns(found) == frozenset()
    assert isinstance(found, Filter)
    assert isinstance(found.predicate, Subquery)
    free = free_columns(found.predicate.relation)
    assert {(each.relation, each.name) for each in free} == {
        ("customers", "customer_id")
    }


@pytest.mark.parametrize(
    ("kind", "optional"),
    [
        ("JOIN", set()),
        ("LEFT JOIN", {"orders"}),
        ("RIGHT JOIN", {"customers"}),
        ("FULL JOIN", {"customers", "orders"}),
    ],
)
def test_conditions_and_nulls_of_joins(
    relation: Rel, kind: str, optional: set[str]
) -> None:
    on = "c.customer_id = o.customer_id"
    found = relation(f"customers AS c {kind} orders AS o ON {on} WHERE c.income > 5")
    assert optional_names(found) == optional
    pairs = list(equated(predicates(found)))
    assert len(pairs) == (1 if kind == "JOIN" else 0)  # only an inner join's ON holds


@pytest.mark.parametrize(
    ("made", "engine_type", "digits"),
    [
        (A, "DECIMAL(10,2)", 2),
        (
            Aggregated("max", (A,), distinct=False, type=SqlType.DECIMAL),
            "DECIMAL(10,2)",
            2,
        ),
        (
            Window(
                "lag", (A, Literal(1, SqlType.INTEGER)), (), (), None, SqlType.DECIMAL
            ),
            "DECIMAL(10,2)",
            2,
        ),
        (
            Window(
                "first_value",
                (Aggregated("min", (A,), distinct=False, type=SqlType.DECIMAL),),
                (),
                (),
                None,
                SqlType.DECIMAL,
            ),
            "DECIMAL(10,2)",
            2,
        ),
        (Case(((A, A),), Literal(None, SqlType.DECIMAL), SqlType.DECIMAL), "", 2),
        (Cast(A, SqlType.INTEGER), "", 0),
        (Aggregated("sum", (A,), distinct=False, type=SqlType.DOUBLE), "", 0),
    ],
)
def test_columns_that_are_made_keep_their_digits(
    made: Expression, engine_type: str, digits: int
) -> None:
    named = Named("n", made)
    column = made_column("p", named)
    assert (column.relation, column.name, column.type) == ("p", "n", made.type)
    assert (column.engine_type, column.decimals) == (engine_type, digits)
    for relation in (Project(INNER, "p", (named,)), Group(INNER, "p", (named,), ())):
        assert visible(relation) == (column,)
