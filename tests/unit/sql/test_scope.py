"""Names to tables and columns: folded as DuckDB folds them, and never guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpquery.errors import QueryRefused
from dpquery.plan.relations import Scan
from dpquery.plan.walk import column_of
from dpquery.policy.catalog import fold
from dpquery.sql.expressions.scope import Named, Scope, find_table, nearest
from dpquery.sql.queries.bind import bind

if TYPE_CHECKING:
    from dpquery.policy.catalog import Catalog

KELVIN = "\u212a"
LONG_S = "\u017f"
DOTTED_I = "\u0130"


@given(st.text(max_size=20))
def test_folding_changes_ascii_letters_only(name: str) -> None:
    for before, after in zip(name, fold(name), strict=True):
        assert after == (before.lower() if before.isascii() else before)


@pytest.mark.parametrize(
    ("one", "other"), [(KELVIN, "k"), (LONG_S, "s"), (DOTTED_I, "i"), ("Å", "å")]
)
def test_look_alikes_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)
    assert fold(one) == one


@pytest.mark.parametrize("name", ["orders", "ORDERS", "Orders", "oRdErS"])
def test_tables_are_found_whatever_their_case(shop: Catalog, name: str) -> None:
    assert find_table(name, shop, None).name == "orders"
    assert bind(f'SELECT COUNT(*) FROM "{name}"', shop)


@pytest.mark.parametrize(
    "name", [f"pic{KELVIN}s", f"order{LONG_S}", "órders", "orders_"]
)
def test_look_alikes_of_tables_do_not_exist(shop: Catalog, name: str) -> None:
    with pytest.raises(QueryRefused) as caught:
        bind(f'SELECT COUNT(*) FROM "{name}"', shop)
    assert caught.value.code == "DPQ101"


@pytest.mark.parametrize("name", [f"{KELVIN}ind", f"note{DOTTED_I}", f"expre{LONG_S}s"])
def test_look_alikes_of_columns_do_not_exist(shop: Catalog, name: str) -> None:
    with pytest.raises(QueryRefused) as caught:
        bind(f'SELECT COUNT("{name}") FROM orders', shop)
    assert caught.value.code == "DPQ102"


def test_the_plan_has_the_names_of_the_catalog(shop: Catalog) -> None:
    query = bind("SELECT COUNT(O.AMOUNT) FROM ORDERS AS o", shop)
    (count,) = query.boundaries[0].aggregates
    assert (count.argument.relation, count.argument.name) == ("orders", "amount")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("visit", ["visits", "patients"], "visits"),
        ("PATEINTS", ["visits", "Patients"], "Patients"),
        ("zzz", ["visits"], None),
        ("", ["visits"], None),
    ],
)
def test_nearest(name: str, known: list[str], found: str | None) -> None:
    assert nearest(name, known) == found


@pytest.fixture
def two(shop: Catalog) -> Scope:
    return Scope((named(shop, "orders", "O"), named(shop, "customers", "c")))


def named(shop: Catalog, table: str, alias: str) -> Named:
    scan = Scan(shop.tables[table], table)
    return Named(
        alias, tuple((each, column_of(scan, each)) for each in scan.table.columns)
    )


@pytest.mark.parametrize(
    ("name", "qualifier", "relation"),
    [
        ("amount", None, "orders"),
        ("amount", "o", "orders"),
        ("Income", None, "customers"),
        ("customer_id", "C", "customers"),
        ("customer_id", "o", "orders"),
    ],
)
def test_columns(two: Scope, name: str, qualifier: str | None, relation: str) -> None:
    assert two.column(name, qualifier, None).relation == relation


@pytest.mark.parametrize(
    ("name", "qualifier", "code", "said"),
    [
        ("customer_id", None, "DPQ103", "O.customer_id or c.customer_id"),
        ("ammount", None, "DPQ102", "did you mean amount"),
        ("amount", "c", "DPQ102", "in c"),
        ("amount", "orders", "DPQ101", "FROM has O, c"),
        ("rowid", None, "DPQ102", "there is no column rowid"),
    ],
)
def test_columns_that_are_refused(
    two: Scope, name: str, qualifier: str | None, code: str, said: str
) -> None:
    with pytest.raises(QueryRefused) as caught:
        two.column(name, qualifier, None)
    assert caught.value.code == code
    assert said in str(caught.value)


def test_what_the_policy_does_not_list_does_not_exist(shop: Catalog) -> None:
    for sql in (
        "SELECT COUNT(rowid) FROM orders",
        "SELECT COUNT(*) FROM sensors WHERE rowid = 5",
        "SELECT COUNT(*) FROM duckdb_tables",
        "SELECT COUNT(*) FROM other.orders",
        "SELECT COUNT(*) FROM cat.main.orders",
        "SELECT COUNT(*) FROM orders WHERE orders.main.amount = 1",
        'SELECT COUNT(*) FROM "orders:line_items"',
    ):
        with pytest.raises(QueryRefused) as caught:
            bind(sql, shop)
        assert caught.value.code in {"DPQ101", "DPQ102"}


def test_own_tables_come_before_those_around(shop: Catalog, two: Scope) -> None:
    inner = Scope((named(shop, "payments", "p"),), outer=two)
    assert inner.column("order_id", None, None).relation == "payments"
    assert inner.column("amount", None, None).relation == "orders"  # of the outer row
    assert inner.column("income", "c", None).relation == "customers"
    with pytest.raises(QueryRefused) as caught:
        inner.column("customer_id", None, None)  # two tables around have one
    assert caught.value.code == "DPQ103"


def test_an_alias_hides_an_outer_one_whole(shop: Catalog, two: Scope) -> None:
    inner = Scope((named(shop, "payments", "O"),), outer=two)
    with pytest.raises(QueryRefused) as caught:
        inner.column("amount", "O", None)
    assert caught.value.code == "DPQ102"


def test_shared_columns_are_one_and_come_first(two: Scope) -> None:
    shared = two.column("customer_id", "O", None)
    using = Scope(two.tables, {"customer_id": shared})
    assert using.column("customer_id", None, None) == shared
    assert using.column("customer_id", "c", None).relation == "customers"
    stars = [name for name, _ in using.stars()]
    assert stars[0] == "customer_id"
    assert stars.count("customer_id") == 1
    assert len(stars) == sum(len(each.columns) for each in two.tables) - 1


def test_has(two: Scope) -> None:
    assert two.has("AMOUNT")
    assert not two.has(f"{KELVIN}ind")
