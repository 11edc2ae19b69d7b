"""A histogram of units as one SELECT: (bin, units).

Every unit is one row of ``units``, computed from its own rows (theory.md 1.2), so that
it is in one bin and adds 1 to it, whatever it holds. Sizes of unions are a SELECT each,
that of a query which asks for one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.profile import Quantity, step_of
from dpquery.plan.program import BoundingMode
from dpquery.sql.functions import call, cast, text
from dpquery.sql.lowering.bounding import WIDE, within
from dpquery.sql.lowering.chain import Chain, or_zero, with_tables
from dpquery.sql.lowering.lower import EngineSQL, engine_sql
from dpquery.sql.lowering.rankings import lower_distinct
from dpquery.sql.lowering.select import plain, select

if TYPE_CHECKING:
    from dpquery.plan.profile import Sought

BIN, SIZE = "bin", "size"
LOGARITHMS = frozenset({"log2", "ceil"})
"""What a histogram calls beside what releases do."""
HAIR = 1e-9
"""Bins beyond its end that a size is still of the bin: its root and its logarithm are
rounded, and what is exactly as large as a bin goes up to is common."""


def lower_histogram(sought: Sought) -> EngineSQL:
    """Return the statement whose rows are (bin, units)."""
    step = step_of(sought)
    chain = Chain(step)
    units = select([(SIZE, _size(sought, chain))], _rows_of(sought))
    units = units.group_by(plain("u"), copy=False)
    bins = select([(BIN, _bin(sought))], "units")
    counted = select([(BIN, plain(BIN)), ("n", exp.Count(this=exp.Star()))], "bins")
    counted = counted.group_by(plain(BIN), copy=False)
    tables = [
        *chain.tables(None),
        ("units", units, None),
        ("bins", bins, None),
    ]
    lowered = engine_sql(step, with_tables(counted, tables))
    return replace(lowered, functions=lowered.functions | LOGARITHMS)


def lower_unions(sought: Sought) -> tuple[EngineSQL, ...]:
    """Return the statements for unions, each with one row: (size)."""
    step = step_of(sought)
    return tuple(lower_distinct(step, at) for at in range(len(step.distinct)))


def _rows_of(sought: Sought) -> str:
    match sought.quantity:
        case Quantity.LARGEST:
            return "rows"
        case Quantity.NORM | Quantity.GROUPS:
            return "parts"
        case Quantity.UNION:
            raise ValueError("units have no size there")


def _size(sought: Sought, chain: Chain) -> exp.Expr:
    """Return the size of a unit, from its rows or its parts."""
    match sought.quantity:
        case Quantity.LARGEST:
            return call("max", call("abs", cast(plain("x0"), "DOUBLE")))
        case Quantity.GROUPS:
            return exp.Count(this=exp.Star())
        case Quantity.NORM:
            return _norm(sought, chain)
        case Quantity.UNION:
            raise ValueError("units have no size there")


def _norm(sought: Sought, chain: Chain) -> exp.Expr:
    """
    Return the norm of a unit's parts, as the clip has it.

    Squares fit 106 bits, as in the clip. Where groups are dropped the limit is one
    per group, and the largest part decides.
    """
    squared = sought.bounding.norm != 1
    parts: list[exp.Expr] = []
    for name in chain.moments:
        value = within(plain(name), WIDE)
        wide = cast(value, "HUGEINT")
        square = exp.Mul(this=wide, expression=wide.copy())
        parts.append(square if squared else call("abs", wide))
    total = parts[0]
    for part in parts[1:]:
        total = exp.Add(this=total, expression=part)
    alone = sought.bounding.mode is BoundingMode.TRUNCATE
    size = cast(call("max" if alone else "sum", total), "DOUBLE")
    return call("sqrt", size) if squared else size


def _bin(sought: Sought) -> exp.Expr:
    """Return the bin of a size, within the ends."""
    size = or_zero(cast(plain(SIZE), "DOUBLE"))
    least = _double(sought.end(sought.first))
    octaves = call("log2", call("greatest", size, least))
    bins = exp.Mul(this=octaves, expression=_double(sought.per_octave))
    bin_ = call("ceil", exp.Sub(this=bins, expression=_double(HAIR)))
    first, last = _double(sought.first), _double(sought.last)
    return cast(call("least", call("greatest", bin_, first), last), "BIGINT")


def _double(number: float) -> exp.Expr:
    return cast(text(repr(number)), "DOUBLE")
