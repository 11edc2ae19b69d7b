"""The final SELECT over released tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.sql.functions import number
from dpquery.sql.lower_expressions import lower

if TYPE_CHECKING:
    from dpquery.plan.program import PostQuery

ROW = "row"
"""The released table's column that numbers its rows, in the order of its keys."""


def lower_post(post: PostQuery, released: str) -> str:
    """
    Return the SELECT whose columns are the outputs, and last the row number.

    Without ORDER BY, and within its ties, rows come in the order of the keys: never
    in an order that the private data had a part in.
    """
    row = exp.column(ROW, table=released, quoted=True)
    items = [
        exp.alias_(lower(output.expression), f"o{index}", quoted=True)
        for index, output in enumerate(post.outputs)
    ]
    table = exp.Table(this=exp.to_identifier(released, quoted=True))
    query = exp.Select().select(*items, row, copy=False).from_(table, copy=False)
    if post.having is not None:
        query = query.where(lower(post.having), copy=False)
    order = [
        exp.Ordered(
            this=lower(each.expression),
            desc=each.descending,
            nulls_first=each.nulls_first,
        )
        for each in post.order
    ]
    query.set("order", exp.Order(expressions=[*order, exp.Ordered(this=row.copy())]))
    if post.limit is not None:
        query.set("limit", exp.Limit(expression=number(post.limit)))
    if post.offset:
        query.set("offset", exp.Offset(expression=number(post.offset)))
    return query.sql("duckdb", comments=False, copy=False)
