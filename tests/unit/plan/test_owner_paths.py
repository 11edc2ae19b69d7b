"""How rows find their unit, and which columns hold a key that finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.analysis.owner_paths import (
    Paths,
    owner_keys,
    owner_of,
    partner_outside,
)
from dpquery.plan.expressions import ColumnRef
from dpquery.plan.relations import Owned, Scan, Unowned
from dpquery.plan.render import expression_text
from dpquery.plan.walk import column_of

if TYPE_CHECKING:
    from dpquery.policy.catalog import Catalog


def scan(shop: Catalog, table: str, name: str = "") -> Scan:
    return Scan(shop.tables[table], name or table)


def owned(shop: Catalog, of: Scan) -> Owned:
    unit = Paths(shop, [of], [], None).unit(of)
    units = (unit,) if isinstance(unit, ColumnRef) else ()
    return Owned(of, unit, units, owner_of(of.table).kind, owner_keys(of, shop))


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        # declared, and what the paths of others lead to
        ("customers", {"customer_id": ("customers", "customer_id")}),
        ("orders", {"order_id": ("orders", "order_id")}),
        (
            "line_items",
            {"item_id": ("line_items", "item_id"), "order_id": ("orders", "order_id")},
        ),
        ("payments", {"order_id": ("orders", "order_id")}),
        ("picks", {"item_id": ("line_items", "item_id")}),
        ("sensors", {}),
    ],
)
def test_columns_that_find_the_owner(
    shop: Catalog, table: str, keys: dict[str, tuple[str, str]]
) -> None:
    found = owner_keys(scan(shop, table), shop)
    assert {column.name: key for column, key in found} == keys
    assert {column.relation for column, _ in found} <= {table}


def test_a_public_table_has_no_owner(shop: Catalog) -> None:
    with pytest.raises(ValueError, match="public"):
        owner_of(shop.tables["products"])


def test_paths_are_added_only_where_the_query_does_not_join_them(shop: Catalog) -> None:
    picks, items = scan(shop, "picks"), scan(shop, "line_items")
    alone = Paths(shop, [picks], [], None)
    assert expression_text(alone.unit(picks)) == "picks:line_items:orders.customer_id"
    assert [each.name for each, _ in alone.hidden] == [
        "picks:line_items",
        "picks:line_items:orders",
    ]
    pair = (column_of(items, "item_id"), column_of(picks, "item_id"))
    joined = Paths(shop, [picks, items], [pair], None)
    assert expression_text(joined.unit(picks)) == "line_items:orders.customer_id"
    assert [each.name for each, _ in joined.hidden] == ["line_items:orders"]


def test_a_table_is_no_parent_of_itself(shop: Catalog) -> None:
    items = scan(shop, "line_items")
    pair = (column_of(items, "order_id"), column_of(items, "order_id"))
    assert [s.name for s, _ in _found(Paths(shop, [items], [pair], None), items)] == [
        "line_items:orders"
    ]


def _found(paths: Paths, of: Scan) -> list[tuple[Scan, object]]:
    paths.unit(of)
    return list(paths.hidden)


@pytest.mark.parametrize(
    ("mine", "theirs", "is_found"),
    [
        ("order_id", "order_id", True),
        ("order_id", "customer_id", False),  # another key
        ("paid", "order_id", False),  # not where the path begins
    ],
)
def test_a_key_of_the_outer_row_finds_the_owner(
    shop: Catalog, mine: str, theirs: str, *, is_found: bool
) -> None:
    payments = scan(shop, "payments")
    outer = owned(shop, scan(shop, "orders"))
    pair = (
        column_of(payments, mine),
        column_of(scan(shop, "orders"), theirs),
    )
    for each in (pair, pair[::-1]):
        unit = partner_outside(payments, outer, [each])
        assert (unit == outer.unit) is is_found
    unowned = Unowned(scan(shop, "products"))
    assert partner_outside(payments, unowned, [pair]) is None
    assert partner_outside(payments, None, [pair]) is None
