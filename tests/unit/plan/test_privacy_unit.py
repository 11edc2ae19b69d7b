"""Every rule of theory.md 1.3: what is accepted, and what is not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused
from dpquery.plan.analysis.privacy_unit import own
from dpquery.plan.expressions import ColumnRef, InSample, conjunction
from dpquery.plan.relations import Filter, Join, JoinKind, Relation, Scan
from dpquery.plan.render import expression_text
from dpquery.plan.walk import predicates, scans, visible
from dpquery.policy.catalog import Hop
from dpquery.sql.queries.bind import bind

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


def test_public_tables_alone_are_refused(shop: Catalog) -> None:
    with pytest.raises(QueryRefused) as refusal:
        own(Scan(shop.tables["products"], "products"), shop)
    assert refusal.value.code == "DPQ100"


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
        # the key of the policy: equal keys are one row
        "orders AS a JOIN orders AS b ON a.order_id = b.order_id",
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


# --- outer joins ------------------------------------------------------------------

UNITS = "c.customer_id = o.customer_id"


@pytest.mark.parametrize(
    ("sql", "unit"),
    [
        (f"customers AS c LEFT JOIN orders AS o ON {UNITS}", "customers.customer_id"),
        (f"orders AS o LEFT JOIN customers AS c ON {UNITS}", "orders.customer_id"),
        (f"orders AS o RIGHT JOIN customers AS c ON {UNITS}", "customers.customer_id"),
        (
            f"customers AS c FULL JOIN orders AS o ON {UNITS}",
            "coalesce(customers.customer_id, orders.customer_id)",
        ),
        (
            f"customers c JOIN products p ON TRUE LEFT JOIN orders o ON {UNITS}",
            "customers.customer_id",
        ),
        (
            f"{CO} ON {UNITS} LEFT JOIN products AS p ON p.category = o.kind",
            "customers.customer_id",
        ),
        # the row on the right is found by its owner's key: no path is needed
        (
            "orders AS o LEFT JOIN line_items AS i ON i.order_id = o.order_id",
            "orders.customer_id",
        ),
        (
            (
                "customers AS c LEFT JOIN (orders AS o JOIN line_items AS i"
                f" ON i.order_id = o.order_id) ON {UNITS}"
            ),
            "customers.customer_id",
        ),
    ],
)
def test_outer_joins_keep_rows_of_their_own_unit(
    shop: Catalog, relation: Rel, sql: str, unit: str
) -> None:
    assert unit_of(owned(sql, relation, shop)) == unit


def test_the_units_of_an_outer_join_are_made_equal(
    shop: Catalog, relation: Rel
) -> None:
    on = "i.order_id = p.order_id"
    found = owned(f"line_items AS i FULL JOIN payments AS p ON {on}", relation, shop)
    assert isinstance(found.relation, Join)
    equal = "line_items:orders.customer_id = payments:orders.customer_id"
    assert equal in expression_text(found.relation.condition)


def test_a_row_that_is_joined_by_its_owner_s_key_needs_no_path(
    shop: Catalog, relation: Rel
) -> None:
    on = "i.order_id = p.order_id"
    found = owned(f"line_items AS i LEFT JOIN payments AS p ON {on}", relation, shop)
    assert names(found) == ["line_items", "line_items:orders", "payments"]
    assert unit_of(found) == "line_items:orders.customer_id"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        (f"{CO} ON o.amount > c.income LEFT JOIN products AS p ON {UNITS}", "DPQ110"),
        ("customers AS c LEFT JOIN orders AS o ON o.amount > c.income", "DPQ110"),
        ("customers AS c FULL JOIN orders AS o ON c.name = o.note", "DPQ110"),
        ("customers AS c LEFT JOIN orders AS o ON c.name = o.note OR TRUE", "DPQ110"),
        (
            "products p RIGHT JOIN orders o ON TRUE FULL JOIN products q ON TRUE",
            "DPQ111",
        ),
        ("orders AS o RIGHT JOIN products AS p ON p.category = o.kind", "DPQ111"),
        ("orders AS o FULL JOIN products AS p ON p.category = o.kind", "DPQ111"),
        ("orders AS o LEFT JOIN sensors AS s ON s.station = o.note", "DPQ113"),
    ],
)
def test_outer_joins_that_are_refused(
    shop: Catalog, relation: Rel, sql: str, code: str
) -> None:
    with pytest.raises(QueryRefused) as refusal:
        owned(sql, relation, shop)
    assert refusal.value.code == code
    assert refusal.value.position is not None


# --- subqueries -------------------------------------------------------------------

TIED = "o.customer_id = c.customer_id"


@pytest.mark.parametrize(
    "sql",
    [
        f"customers AS c WHERE EXISTS (SELECT 1 FROM orders AS o WHERE {TIED})",
        f"customers AS c WHERE NOT EXISTS (SELECT 1 FROM orders AS o WHERE {TIED})",
        "customers AS c WHERE customer_id IN (SELECT customer_id FROM orders)",
        "customers AS c WHERE customer_id NOT IN (SELECT customer_id FROM orders)",
        "customers AS c WHERE name IN (SELECT category FROM products)",
        f"customers AS c WHERE 5 < (SELECT COUNT(*) FROM orders AS o WHERE {TIED})",
        f"customers AS c WHERE 5 < ALL (SELECT amount FROM orders AS o WHERE {TIED})",
        (
            f"customers AS c WHERE EXISTS (SELECT 1 FROM orders AS o WHERE {TIED}"
            " ORDER BY placed_on LIMIT 1)"
        ),
        # by the key of the owner, found in the outer row
        (
            "orders AS o WHERE EXISTS"
            " (SELECT 1 FROM line_items AS i WHERE i.order_id = o.order_id)"
        ),
        "orders AS o SEMI JOIN line_items AS i ON i.order_id = o.order_id",
        "orders AS o ANTI JOIN payments AS p ON p.order_id = o.order_id",
        "orders WHERE order_id IN (SELECT order_id FROM payments WHERE paid > 5)",
        # a subquery of a subquery is tied to the outer row, through whichever
        (
            f"customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE {TIED} AND EXISTS"
            " (SELECT 1 FROM line_items AS i WHERE i.order_id = o.order_id))"
        ),
        (
            "customers AS c WHERE EXISTS (SELECT 1 FROM products AS p WHERE EXISTS"
            f" (SELECT 1 FROM orders AS o WHERE {TIED} AND o.kind = p.category))"
        ),
        # a lateral join, which is a subquery of the row before it
        (
            f"customers AS c, LATERAL (SELECT amount FROM orders AS o WHERE {TIED}"
            " ORDER BY placed_on DESC LIMIT 3) AS t"
        ),
        (
            "orders AS o ASOF JOIN orders AS b"
            " ON o.customer_id = b.customer_id AND o.placed_on > b.placed_on"
        ),
    ],
)
def test_subqueries_of_the_row_s_own_unit(
    shop: Catalog, relation: Rel, sql: str
) -> None:
    found = owned(sql, relation, shop)
    assert unit_of(found) in {"customers.customer_id", "orders.customer_id"}
    assert not found.attached


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("customers AS c WHERE EXISTS (SELECT 1 FROM orders)", "DPQ115"),
        (
            "customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.note = c.name)",
            "DPQ115",
        ),
        (
            (
                "customers AS c WHERE EXISTS"
                f" (SELECT 1 FROM orders AS o WHERE {TIED} OR o.express)"
            ),
            "DPQ115",
        ),
        ("customers AS c WHERE name IN (SELECT note FROM orders)", "DPQ115"),
        (
            "customers c WHERE c.customer_id + 0 IN (SELECT customer_id FROM orders)",
            "DPQ115",
        ),
        (
            "customers AS c WHERE customer_id > ANY (SELECT customer_id FROM orders)",
            "DPQ115",
        ),
        ("orders AS o SEMI JOIN customers AS c ON c.name = o.note", "DPQ115"),
        (
            (
                "orders AS o WHERE EXISTS"
                " (SELECT 1 FROM line_items AS i WHERE i.item_id = o.order_id)"
            ),
            "DPQ115",
        ),
        (
            "orders o WHERE EXISTS (SELECT 1 FROM sensors s WHERE s.station = o.note)",
            "DPQ113",
        ),
        # one of two tables is tied, the other is not
        (
            (
                "customers AS c WHERE EXISTS (SELECT 1 FROM orders AS o, payments AS p"
                f" WHERE {TIED} AND p.paid > o.amount)"
            ),
            "DPQ110",
        ),
        (
            (
                "customers AS c, LATERAL (SELECT amount FROM orders AS o"
                " ORDER BY placed_on LIMIT 1) AS t"
            ),
            "DPQ130",
        ),
        (
            (
                "products AS p JOIN orders AS o ON TRUE, LATERAL"
                " (SELECT 1 AS one FROM customers AS c WHERE c.name = p.category) AS t"
            ),
            "DPQ115",
        ),
    ],
)
def test_subqueries_of_other_units_are_refused(
    shop: Catalog, relation: Rel, sql: str, code: str
) -> None:
    with pytest.raises(QueryRefused) as refusal:
        owned(sql, relation, shop)
    assert refusal.value.code == code
    assert refusal.value.position is not None


def test_the_unit_of_a_subquery_is_made_equal_where_a_key_ties_it(
    shop: Catalog, relation: Rel
) -> None:
    sql = (
        "payments AS p WHERE EXISTS (SELECT 1 FROM line_items AS i"
        " JOIN orders AS o ON i.order_id = o.order_id WHERE o.order_id = p.order_id)"
    )
    found = owned(sql, relation, shop)
    text = expression_text(conjunction(list(predicates(found.relation))))
    assert "filter orders.customer_id = payments:orders.customer_id" in text


# --- rows of one unit: groups, windows, set operations, samples -------------------


@pytest.mark.parametrize(
    "sql",
    [
        "(SELECT note FROM orders) AS t",
        "(SELECT DISTINCT customer_id, note FROM orders) AS t",
        "(SELECT DISTINCT order_id FROM orders) AS t",  # it finds the owner
        "(SELECT customer_id, COUNT(*) AS n FROM orders GROUP BY customer_id) AS t",
        "(SELECT order_id, SUM(quantity) AS n FROM line_items GROUP BY order_id) AS t",
        (
            "(SELECT RANK() OVER (PARTITION BY customer_id ORDER BY amount) AS r"
            " FROM orders) AS t"
        ),
        (
            "(SELECT COUNT(*) OVER (PARTITION BY o.order_id) AS n FROM line_items AS i"
            " JOIN orders AS o ON i.order_id = o.order_id) AS t"
        ),
        (
            "(SELECT customer_id, note FROM orders UNION ALL"
            " SELECT customer_id, name FROM customers) AS t"
        ),
        "(SELECT note FROM orders UNION ALL SELECT name FROM customers) AS t",
        "(SELECT customer_id FROM orders EXCEPT SELECT customer_id FROM customers) t",
        "(SELECT DISTINCT ON (customer_id) note FROM orders ORDER BY placed_on) AS t",
        "orders TABLESAMPLE BERNOULLI (5%)",
        (
            "(SELECT note FROM orders QUALIFY"
            " ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY placed_on) <= 3) t"
        ),
    ],
)
def test_what_is_computed_inside_a_unit_keeps_it(
    shop: Catalog, relation: Rel, sql: str
) -> None:
    found = owned(sql, relation, shop)
    assert isinstance(found.unit, ColumnRef)
    shown = {column.name for column in visible(found.relation)}
    assert found.unit.name in shown | {"customer_id"}


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        (
            (
                "(SELECT customer_id, ROW_NUMBER() OVER (ORDER BY amount) AS r"
                " FROM orders) AS t"
            ),
            "DPQ114",
        ),
        (
            (
                "(SELECT RANK() OVER (PARTITION BY note ORDER BY amount) AS r"
                " FROM orders) AS t"
            ),
            "DPQ114",
        ),
        ("(SELECT customer_id FROM orders ORDER BY placed_on LIMIT 5) AS t", "DPQ130"),
        (
            "(SELECT DISTINCT ON (note) customer_id FROM orders ORDER BY note) AS t",
            "DPQ114",
        ),
        ("(SELECT note FROM orders UNION SELECT name FROM customers) AS t", "DPQ118"),
        (
            "(SELECT note FROM orders INTERSECT SELECT name FROM customers) AS t",
            "DPQ118",
        ),
        (
            "(SELECT order_id FROM orders EXCEPT SELECT customer_id FROM customers) t",
            "DPQ118",
        ),
        (
            "(SELECT note FROM orders UNION ALL SELECT category FROM products) AS t",
            "DPQ131",
        ),
        (
            "(SELECT note FROM orders UNION ALL SELECT station FROM sensors) AS t",
            "DPQ113",
        ),
        ("sensors TABLESAMPLE BERNOULLI (5%)", "DPQ133"),
        ("orders AS o JOIN products AS p TABLESAMPLE BERNOULLI (5%) ON TRUE", "DPQ133"),
    ],
)
def test_what_mixes_units_is_refused(
    shop: Catalog, relation: Rel, sql: str, code: str
) -> None:
    with pytest.raises(QueryRefused) as refusal:
        owned(sql, relation, shop)
    assert refusal.value.code == code
    assert refusal.value.position is not None


def test_whole_units_are_sampled_wherever_the_sample_stands(
    shop: Catalog, relation: Rel
) -> None:
    found = owned("line_items TABLESAMPLE BERNOULLI (25%)", relation, shop)
    (chosen,) = [p for p in predicates(found.relation) if isinstance(p, InSample)]
    assert chosen.unit == found.unit
    assert chosen.share == Fraction(1, 4)


# --- what is not a tie ------------------------------------------------------------


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
