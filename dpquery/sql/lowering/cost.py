"""How large an expression becomes for the engine, from its form alone.

Upholds: no expression makes the engine's planner work without bound. A total form may
mention an argument several times (a guard, a clamp, DuckDB's NULLIF, which is a macro):
inside each other, these double the text with every level.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import assert_never

from sqlglot import exp

from dpquery.plan.expressions import (
    Aggregated,
    Call,
    Case,
    Cast,
    ColumnRef,
    Expression,
    InSample,
    Literal,
    Subquery,
    Window,
)
from dpquery.plan.walk import expressions as parts_of
from dpquery.plan.walk import operands, relations
from dpquery.sql.functions import FUNCTIONS
from dpquery.sql.lowering.expressions import ENGINE_TYPES, OPERATORS, lower

MAX_NODES = 4000
"""Operations, columns and constants that one expression may become."""
MAX_LEVELS = 200
"""Operations inside each other; the engine's parser stops at 250."""
_MACROS: dict[str, tuple[tuple[int, ...], int]] = {
    "nullif": ((2, 1), 3),
    "fmod": ((2, 2), 4),
    "split_part": ((2, 2, 2), 6),
    "array_to_string": ((2, 1), 4),
}
"""Functions that the engine writes out: how often each argument is mentioned then, and
how many operations inside each other they become."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The size of an expression's total form."""

    nodes: int
    levels: int


def cost(expression: Expression) -> Cost:
    """Return how large *expression* becomes; shared parts are looked at once."""
    return _cost(expression, {})


def _cost(expression: Expression, seen: dict[int, Cost]) -> Cost:
    known = seen.get(id(expression))
    if known is not None:
        return known
    inner = [_cost(each, seen) for each in operands(expression)]
    if isinstance(expression, Subquery | Window | Aggregated | InSample):
        found = _of_other_rows(expression, inner, seen)
        seen[id(expression)] = found
        return found
    if isinstance(expression, Call) and not _lowered_here(expression.function):
        own, mentions = Cost(1, 1), dict.fromkeys(range(len(inner)), (1, 1))
    else:
        own, mentions = _skeleton(_hollow(expression))
    nodes, levels = own.nodes, own.levels
    for at, each in enumerate(inner):
        count, depth = mentions.get(at, (0, 0))
        nodes += count * each.nodes
        levels = max(levels, depth + each.levels)
    found = Cost(min(nodes, 10 * MAX_NODES), levels)
    seen[id(expression)] = found
    return found


_OF_ROWS = Cost(12, 8)
"""What the form of an aggregate or a window adds, which mentions a value four times."""


def _of_other_rows(
    expression: Subquery | Window | Aggregated | InSample,
    inner: list[Cost],
    seen: dict[int, Cost],
) -> Cost:
    """Return the size of what reads more rows than one."""
    if isinstance(expression, Subquery):
        parts = (p for each in relations(expression.relation) for p in parts_of(each))
        inner = inner + [_cost(part, seen) for part in parts]
    nodes = _OF_ROWS.nodes + 4 * sum(each.nodes for each in inner)
    levels = _OF_ROWS.levels + max((each.levels for each in inner), default=0)
    return Cost(min(nodes, 10 * MAX_NODES), levels)


def _lowered_here(function: str) -> bool:
    """Return whether the total form is made of the call alone, as for most."""
    return function in FUNCTIONS or function in OPERATORS


def _hollow(expression: Expression) -> Expression:
    """Return the expression with its parts replaced by columns that number them."""
    parts = [_stand_in(at, each) for at, each in enumerate(operands(expression))]
    match expression:
        case ColumnRef() | Literal():
            return expression
        case Cast():
            return replace(expression, operand=parts[0])
        case Call():
            return replace(expression, arguments=tuple(parts))
        case Case():
            pairs = tuple(zip(parts[:-1:2], parts[1:-1:2], strict=True))
            return replace(expression, branches=pairs, otherwise=parts[-1])
        case Subquery() | Window() | Aggregated() | InSample():
            msg = "what reads other rows has no form of its own"
            raise TypeError(msg)
        case _:
            assert_never(expression)


def _stand_in(at: int, part: Expression) -> Expression:
    if isinstance(part, Literal):
        return part
    return ColumnRef("", str(at), part.type, ENGINE_TYPES.get(part.type, ""))


@lru_cache(maxsize=4096)
def _skeleton(hollow: Expression) -> tuple[Cost, dict[int, tuple[int, int]]]:
    """Return the size of a form, and how often and how deep its parts stand in it."""
    mentions: dict[int, tuple[int, int]] = {}
    nodes = levels = 0
    stack: list[tuple[object, int, int]] = [(lower(hollow), 0, 1)]
    while stack:
        node, depth, times = stack.pop()
        if not isinstance(node, exp.Expr) or isinstance(node, exp.DataType):
            continue
        if isinstance(node, exp.Column) and node.table == "":
            count, deepest = mentions.get(int(node.name), (0, 0))
            mentions[int(node.name)] = (count + times, max(deepest, depth))
            continue
        nodes += times
        deeper = depth + _levels(node)
        levels = max(levels, deeper)
        stack += [(part, deeper, times * by) for part, by in _below(node)]
    return Cost(nodes, levels), mentions


def _levels(node: exp.Expr) -> int:
    """Return how many operations inside each other a node is for the engine."""
    if isinstance(node, exp.Anonymous) and node.this in _MACROS:
        return _MACROS[node.this][1]
    return 0 if isinstance(node, exp.Paren) else 1


def _below(node: exp.Expr) -> list[tuple[object, int]]:
    """Return the parts of one node, and how often the engine writes each out."""
    if isinstance(node, exp.Anonymous) and node.this in _MACROS:
        return list(zip(node.expressions, _MACROS[node.this][0], strict=True))
    if isinstance(node, exp.Column | exp.Literal | exp.Identifier):
        return []
    found: list[tuple[object, int]] = []
    for value in node.args.values():
        found += [(each, 1) for each in (value if isinstance(value, list) else [value])]
    return found
