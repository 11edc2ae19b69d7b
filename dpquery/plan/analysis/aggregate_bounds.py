"""Intervals of aggregates and window functions over the rows of one unit."""

from __future__ import annotations

from fractions import Fraction

from dpquery.plan.analysis.spans import UNBOUNDED, Bounds, product


def aggregate_bounds(function: str, of: list[Bounds], rows: Bounds) -> Bounds:
    """Bound an aggregate of the rows of one unit."""
    match function, of:
        case (("count" | "count_distinct"), _):
            return Bounds(Fraction(0), rows.high)
        case "sum", [a]:
            return product(a.hull(Bounds(Fraction(0), Fraction(0))), rows)
        case (("bool_or" | "bool_and"), _):
            return Bounds(Fraction(0), Fraction(1))
        case (("var_pop" | "var_samp" | "stddev_pop" | "stddev_samp"), [a]):
            return _spread(function, a)
        case _, [a, *_]:
            return a  # min, max, avg, median, …: between the values
        case _:
            return UNBOUNDED


def _spread(function: str, a: Bounds) -> Bounds:
    """Bound a variance by a quarter of the squared range, twice that for samples."""
    if a.low is None or a.high is None:
        return UNBOUNDED
    most = ((a.high - a.low) / 2) ** 2 * (2 if function.endswith("samp") else 1)
    if function.startswith("stddev"):
        most = a.high - a.low  # not below the root of twice a quarter of its square
    return Bounds(Fraction(0), most)


def window_bounds(function: str, of: list[Bounds], rows: Bounds) -> Bounds:
    """Bound a window function over the rows of one unit."""
    match function, of:
        case (("row_number" | "rank" | "dense_rank"), _):
            return Bounds(Fraction(1), rows.high)
        case "ntile", [a]:
            return Bounds(Fraction(1), a.high)
        case (("percent_rank" | "cume_dist"), _):
            return Bounds(Fraction(0), Fraction(1))
        case (("lag" | "lead"), [a, _, default]):
            return a.hull(default)
        case (("lag" | "lead" | "first_value" | "last_value" | "nth_value"), [a, *_]):
            return a
        case _:
            return aggregate_bounds(function, of, rows)
