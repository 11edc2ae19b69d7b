"""Values that no row lacks: by the database, or by the query's conditions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dpquery.plan.analysis.never_null import never_lacking, never_null
from dpquery.plan.analysis.sources import sources
from dpquery.plan.walk import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.analysis.sources import Sources
    from dpquery.plan.expressions import ColumnRef
    from dpquery.plan.relations import Relation

    Rel = Callable[[str], Relation]


def known(relation: Relation) -> Sources:
    """Return what *relation* is made of, as if the database had ids NOT NULL."""
    found = sources(relation)
    leaves = dict(found.leaves)
    for name, leaf in leaves.items():
        columns = {
            column: replace(each, nullable=not column.endswith("_id"))
            for column, each in leaf.table.columns.items()
        }
        leaves[name] = replace(leaf, table=replace(leaf.table, columns=columns))
    return replace(found, leaves=leaves)


def column(relation: Relation, name: str) -> ColumnRef:
    (found,) = [each for each in visible(relation) if each.name == name]
    return found


@pytest.mark.parametrize(
    ("sql", "name", "never"),
    [
        ("orders", "order_id", True),
        ("orders", "amount", False),
        ("(SELECT order_id AS o FROM orders) AS t", "o", True),
        ("(SELECT order_id + 1 AS o FROM orders) AS t", "o", False),
        ("customers c LEFT JOIN orders o USING (customer_id)", "order_id", False),
        ("customers c JOIN orders o USING (customer_id)", "order_id", True),
        ("orders WHERE amount > 0", "amount", True),
        ("orders WHERE 0 <> amount AND express", "amount", True),
        ("orders WHERE amount IS NOT NULL", "amount", True),
        ("orders WHERE NOT amount IS NULL", "amount", True),
        ("orders WHERE amount IS NULL", "amount", False),
        ("orders WHERE amount > 0 OR express", "amount", False),
        ("orders WHERE amount IS DISTINCT FROM 1", "amount", False),
        ("orders WHERE amount + 1 > 0", "amount", False),
    ],
)
def test_what_no_row_lacks(relation: Rel, sql: str, name: str, *, never: bool) -> None:
    found = relation(sql)
    assert never_null(column(found, name), known(found)) == never


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("sensors WHERE reading > 0", "reading"),  # NaN is greater than any number
        ("orders WHERE placed_on > DATE '2020-01-01'", "placed_on"),  # as infinity is
    ],
)
def test_what_no_row_lacks_may_still_not_be_finite(
    relation: Rel, sql: str, name: str
) -> None:
    found = relation(sql)
    assert never_null(column(found, name), known(found))
    assert not never_lacking(column(found, name), known(found))
