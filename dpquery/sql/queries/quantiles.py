"""The many ways in which SQL asks for a quantile."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.policy.catalog import fold

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Quantiles:
    """One or more quantiles of one value."""

    value: exp.Expr
    fractions: tuple[Decimal, ...]
    """Each from 0 to 1."""
    continuous: bool
    """Whether a value between two values may be the answer."""
    as_list: bool
    """Whether the answer is a list, even of one."""


def fractions_of(node: exp.Expr) -> Quantiles | None:
    """
    Return which quantiles an aggregate asks for; ``None`` when it is none.

    >>> import sqlglot
    >>> found = fractions_of(sqlglot.parse_one("quantile_disc(x, 0.9)", read="duckdb"))
    >>> found.fractions, found.continuous
    ((Decimal('0.9'),), False)
    """
    match node:
        case exp.Median(this=value):
            return Quantiles(value, (Decimal("0.5"),), continuous=True, as_list=False)
        case exp.WithinGroup():
            return _within(node)
        case exp.PercentileCont(this=value, expression=of) if of is not None:
            return _of(value, of, continuous=True)
        case exp.PercentileDisc(this=value, expression=of) if of is not None:
            return _of(value, of, continuous=False)
        case exp.Quantile(this=value) | exp.ApproxQuantile(this=value):
            continuous = isinstance(node, exp.ApproxQuantile)
            return _of(value, node.args.get("quantile"), continuous=continuous)
        case exp.ApproxQuantiles(this=value, expression=count):
            return _evenly(value, count)
        case exp.Anonymous(this=str() as name, expressions=[value, of]):
            kinds = {
                "quantile": False,
                "quantile_cont": True,
                "approx_percentile": True,
            }
            kinds |= {"quantile_disc": False, "percentile_approx": True}
            if fold(name) in kinds:
                return _of(value, of, continuous=kinds[fold(name)])
    return None


def _within(node: exp.WithinGroup) -> Quantiles | None:
    """Read ``PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY x DESC)``."""
    call, order = node.this, node.expression
    if not isinstance(call, exp.PercentileCont | exp.PercentileDisc):
        return None
    if not isinstance(order, exp.Order) or len(order.expressions) != 1:
        return None
    (ordered,) = order.expressions
    continuous = isinstance(call, exp.PercentileCont)
    found = _of(ordered.this, call.this, continuous=continuous)
    if found is None or not ordered.args.get("desc"):
        return found
    turned = tuple(1 - each for each in found.fractions)
    return Quantiles(found.value, turned, continuous, found.as_list)


def _of(value: exp.Expr, of: exp.Expr | None, *, continuous: bool) -> Quantiles | None:
    listed = isinstance(of, exp.Array)
    nodes: Sequence[exp.Expr | None] = of.expressions if listed and of else [of]
    fractions = [_fraction(each) for each in nodes]
    if not fractions or any(each is None for each in fractions):
        return None
    known = tuple(each for each in fractions if each is not None)
    return Quantiles(value, known, continuous, as_list=listed)


def _evenly(value: exp.Expr, count: exp.Expr | None) -> Quantiles | None:
    """Read BigQuery's ``APPROX_QUANTILES(x, 4)``: minimum, quartiles, maximum."""
    if not isinstance(count, exp.Literal) or not count.name.isdigit():
        return None
    parts = int(count.name)
    if not 1 <= parts <= 100:  # noqa: PLR2004 -- per cent
        return None
    fractions = tuple(Decimal(at) / parts for at in range(parts + 1))
    return Quantiles(value, fractions, continuous=True, as_list=True)


def _fraction(node: exp.Expr | None) -> Decimal | None:
    if not isinstance(node, exp.Literal) or node.is_string:
        return None
    try:
        fraction = Decimal(node.name)
    except InvalidOperation:
        return None
    return fraction if 0 <= fraction <= 1 else None
