"""The moment of a query above the boundary: one constant wherever it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.policy.catalog import fold
from dpquery.sql.expressions.binder import RowBinder
from dpquery.sql.expressions.dates import CLOCK, CLOCK_CALLS
from dpquery.sql.expressions.scope import Scope
from dpquery.sql.lowering.expressions import lower

if TYPE_CHECKING:
    import datetime as dt


def frozen(tree: exp.Query, now: dt.datetime | None) -> exp.Query:
    """
    Return *tree* with the clock's functions replaced by what they were at *now*.

    Raises:
        QueryRefused: there is no such moment, or a time zone is asked for.
    """
    found = [node for node in tree.walk() if _reads_clock(node)]
    if not found:
        return tree
    binder = RowBinder("", Scope(()), now)
    for node in found:
        node.replace(lower(binder.bind(node)))
    return tree


def _reads_clock(node: exp.Expr) -> bool:
    if isinstance(node, exp.Anonymous):
        return fold(str(node.this)) in CLOCK_CALLS
    return type(node) in CLOCK
