"""Every rule of theory.md 1.3 that is in scope: what is accepted, and what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused
from dpquery.plan.analysis.privacy_unit import own
from dpquery.plan.relations import Filter, Join, JoinKind, Relation
from dpquery.plan.render import expression_text
from dpquery.plan.walk import predicates, scans
from dpquery.policy.catalog import Hop
from dpquery.sql.bind import bind

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.relations import Owned
    from dpquery.policy.catalog import Catalog

    Rel = Callable[[str], Relation]

CO = "customers AS c JOIN orders AS o"


def owned(sql: str, relation: Rel, shop: Catalog) -> Owned:
    return own(relation(sql), shop)


def unit_of(found: Owned) -> str:
    return expression_text(found.unit)


def names(found: Owned) -> list[str]:
    return [scan.name for scan in scans(found.relation)]


# --- scans and paths --------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "unit", "read"),
    [
        ("customers", "customers.customer_id", ["customers"]),
        ("orders", "orders.customer_id", ["orders"]),
        (
            "line_items",
            "line_items:orders.customer_id",
            ["line_items", "line_items:orders"],
        ),
        (
            "picks",
            "picks:line_items:orders.customer_id",
            ["picks", "picks:line_items", "picks:line_items:orders"],
        ),
        (
            "picks AS p JOIN line_items AS i ON p.item_id = i.item_id",
            "line_items:orders.customer_id",
            ["picks", "line_items", "line_items:orders"],
        ),
        (
            (
                "picks AS p JOIN line_items AS i ON i.item_id = p.item_id"
                " JOIN orders AS o ON i.order_id = o.order_id"
            ),
            "orders.customer_id",
            ["picks", "line_items", "orders"],
        ),
        ("sensors", "sensors.rowid", ["sensors"]),
    ],
)
def test_the_unit_is_found_along_the_path(
    shop: Catalog, relation: Rel, sql: str, unit: str, read: list[str]
) -> None:
    found = owned(sql, relation, shop)
    assert unit_of(found) == unit
    assert names(found) == read


def test_hidden_paths_are_inner_joins_on_the_declared_key(
    shop: Catalog, relation: Rel
) -> None:
    found = owned("picks", relation, shop).relation
    assert isinstance(found, Join)
    assert found.kind is JoinKind.INNER
    assert expression_text(found.condition) == (
        "picks:line_items.order_id = picks:line_items:orders.order_id"
    )


def test_a_join_that_is_not_the_policy_s_hop_is_no_path(
    shop: Catalog, relation: Rel
) -> None:
    # the equality is on another column of the parent, so the real owner is joined too
    sql = (
        "line_items AS i JOIN orders AS o ON i.item_id = o.order_id"
        " AND i.order_id = o.order_id"
    )
    assert names(owned(sql, relation, shop)) == ["line_items", "orders"]
    with pytest.raises(QueryRefused) as refusal:
        owned(
            "line_items AS i JOIN orders AS o ON i.item_id = o.order_id", relation, shop
        )
    assert refusal.value.code == "DPQ110"


# --- joins with public tables -----------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "orders AS o JOIN products AS p ON o.kind = p.category",
        "orders AS o JOIN products AS p ON o.amount > p.list_price",
        "orders AS o JOIN products AS p ON TRUE",
        "products AS p JOIN orders AS o ON o.kind = p.category",
        "orders AS o LEFT JOIN products AS p ON o.kind = p.category",
        "orders AS o LEFT JOIN products AS p ON o.kind = p.category OR o.express",
        (
            "orders AS o JOIN products AS p ON o.kind = p.category"
            " JOIN products AS q ON p.list_price < q.list_price"
        ),
        (
            "products AS p LEFT JOIN products AS q ON p.list_price < q.list_price"
            " JOIN orders AS o ON o.kind = p.category"
        ),
    ],
)
def test_public_tables_join_in_any_way(shop: Catalog, relation: Rel, sql: str) -> None:
    assert unit_of(owned(sql, relation, shop)) == "orders.customer_id"


@pytest.mark.parametrize(
    "sql",
    [
        "products AS p LEFT JOIN orders AS o ON o.kind = p.category",
        (
            "products AS p JOIN products AS q ON p.product_id = q.product_id"
            " LEFT JOIN orders AS o ON o.kind = p.category"
        ),
        (
            "products AS p LEFT JOIN orders AS o ON o.kind = p.category"
            " JOIN customers AS c ON c.customer_id = o.customer_id"
        ),
    ],
)
def test_unmatched_public_rows_are_refused(
    shop: Catalog, relation: Rel, sql: str
) -> None:
    with pytest.raises(QueryRefused) as refusal:
        owned(sql, relation, shop)
    assert refusal.value.code == "DPQ111"


def test_public_tables_alone_are_refused(shop: Catalog, relation: Rel) -> None:
    with pytest.raises(QueryRefused) as refusal:
        owned("products", relation, shop)
    assert refusal.value.code == "DPQ119"


# --- joins of private tables ------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        f"{CO} ON c.customer_id = o.customer_id",
        f"{CO} ON o.customer_id = c.customer_id",
        f"{CO} ON c.customer_id = o.customer_id AND o.amount > c.income",
        f"{CO} ON o.amount > c.income WHERE c.customer_id = o.customer_id",
        f"{CO} ON TRUE WHERE o.express AND (c.customer_id = o.customer_id AND TRUE)",
        "orders AS a JOIN orders AS b ON a.customer_id = b.customer_id",
        (
            "orders AS a JOIN orders AS b ON a.customer_id = b.customer_id"
            " JOIN orders AS d ON b.customer_id = d.customer_id"
        ),
        # siblings: both columns lead to one parent
        "line_items AS i JOIN payments AS p ON i.order_id = p.order_id",
        "line_items AS i JOIN line_items AS j ON i.order_id = j.order_id",
        # grandchildren
        (
            "picks AS p JOIN line_items AS i ON p.item_id = i.item_id"
            " JOIN payments AS q ON q.order_id = i.order_id"
        ),
        # a chain that is tied through a table that comes later
        (
            "line_items AS i JOIN customers AS c ON TRUE JOIN orders AS o"
            " ON i.order_id = o.order_id AND o.customer_id = c.customer_id"
        ),
    ],
)
def test_ties_make_every_row_single_owned(
    shop: Catalog, relation: Rel, sql: str
) -> None:
    found = owned(sql, relation, shop)
    private = [s for s in scans(found.relation) if not s.table.public]
    assert len({unit.relation for unit in found.units}) <= len(private)
    # all units are equated, so what is owned by one is owned by all
    group = {found.units[0]}
    equated = list(predicates(found.relation))
    text = " AND ".join(map(expression_text, equated))
    for unit in found.units[1:]:
        assert any(
            f"{expression_text(a)} = {expression_text(b)}" in text
            for other in group
            for a, b in ((unit, other), (other, unit))
        )
        group.add(unit)


def test_the_tie_is_enforced_even_along_foreign_keys(
    shop: Catalog, relation: Rel
) -> None:
    sql = "line_items AS i JOIN payments AS p ON i.order_id = p.order_id"
    found = owned(sql, relation, shop)
    assert isinstance(found.relation, Filter)
    assert expression_text(found.relation.predicate) == (
        "payments:orders.customer_id = line_items:orders.customer_id"
    )


@pytest.mark.parametrize(
    "sql",
    [
        f"{CO} ON TRUE",
        f"{CO} ON c.name = o.note",
        f"{CO} ON c.customer_id = o.order_id",
        f"{CO} ON c.customer_id > o.customer_id",
        f"{CO} ON c.customer_id = o.customer_id OR o.express",
        f"{CO} ON NOT c.customer_id <> o.customer_id",
        f"{CO} ON c.customer_id + 0 = o.customer_id",
        f"{CO} ON COALESCE(c.customer_id, 1) = COALESCE(o.customer_id, 1)",
        f"{CO} ON CASE WHEN o.express THEN c.customer_id = o.customer_id END",
        f"{CO} ON c.customer_id = 5 AND o.customer_id = 5",
        f"{CO} ON c.customer_id IN (1, 2) AND o.customer_id IN (1, 2)",
        "orders AS a JOIN orders AS b ON a.order_id = b.order_id",
        "orders AS a JOIN orders AS b ON a.note = b.note",
        "customers AS a JOIN customers AS b ON a.customer_id < b.customer_id",
        "line_items AS i JOIN line_items AS j ON i.product_id = j.product_id",
        "line_items AS i JOIN orders AS o ON i.order_id = o.customer_id",
        "line_items AS i JOIN customers AS c ON i.order_id = c.customer_id",
        "picks AS p JOIN orders AS o ON p.item_id = o.order_id",
        # tied to one of three only
        f"{CO} ON c.customer_id = o.customer_id JOIN orders AS x ON x.amount > 5",
        # equated through a public table: nothing of the policy says it is a unit
        (
            "orders AS a JOIN products AS p ON a.order_id = p.product_id"
            " JOIN orders AS b ON b.order_id = p.product_id"
        ),
    ],
)
def test_rows_of_two_units_are_refused(shop: Catalog, relation: Rel, sql: str) -> None:
    with pytest.raises(QueryRefused) as refusal:
        owned(sql, relation, shop)
    assert refusal.value.code == "DPQ110"
    assert refusal.value.position is not None


@pytest.mark.parametrize(
    "sql",
    [
        "customers AS c LEFT JOIN orders AS o ON c.customer_id = o.customer_id",
        "orders AS o LEFT JOIN customers AS c ON c.customer_id = o.customer_id",
        (
            "customers AS c JOIN products AS p ON TRUE"
            " LEFT JOIN orders AS o ON c.customer_id = o.customer_id"
        ),
    ],
)
def test_left_joins_of_private_tables_are_refused(
    shop: Catalog, relation: Rel, sql: str
) -> None:
    with pytest.raises(QueryRefused) as refusal:
        owned(sql, relation, shop)
    assert refusal.value.code == "DPQ112"


def test_the_condition_of_a_left_join_ties_nothing(
    shop: Catalog, relation: Rel
) -> None:
    sql = (
        f"{CO} ON o.amount > c.income"
        " LEFT JOIN products AS p ON c.customer_id = o.customer_id"
    )
    with pytest.raises(QueryRefused) as refusal:
        owned(sql, relation, shop)
    assert refusal.value.code == "DPQ110"


def test_a_reference_that_says_nothing_about_the_unit_ties_nothing(
    shop: Catalog,
) -> None:
    # a second reference, beside the one that leads to the owner
    orders = shop.tables["orders"]
    also = (*orders.references, Hop("note", "customers", "name"))
    tables = {**shop.tables, "orders": replace(orders, references=also)}
    sql = "SELECT COUNT(*) FROM orders AS a JOIN orders AS b ON a.note = b.note"
    with pytest.raises(QueryRefused) as refusal:
        bind(sql, replace(shop, tables=tables))
    assert refusal.value.code == "DPQ110"


def test_two_kinds_of_unit_are_refused(shop: Catalog, relation: Rel) -> None:
    with pytest.raises(QueryRefused) as refusal:
        owned("orders AS o JOIN sensors AS s ON o.note = s.station", relation, shop)
    assert refusal.value.code == "DPQ113"


def test_rows_that_are_units_join_on_nothing(shop: Catalog, relation: Rel) -> None:
    with pytest.raises(QueryRefused) as refusal:
        owned("sensors AS a JOIN sensors AS b ON a.station = b.station", relation, shop)
    assert refusal.value.code == "DPQ110"
