"""Handlers of conditions: comparisons, IN, BETWEEN, IS, patterns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import (
    NUMERIC,
    Call,
    Case,
    Expression,
    Literal,
    conjunction,
)
from dpquery.policy.catalog import SqlType
from dpquery.sql.literals import as_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.sql.expressions.binder import RowBinder
    from dpquery.sql.expressions.handler import Handler

MAX_ALTERNATIVES = 100
"""Comparisons that one list of expressions becomes."""
_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "eq",
    exp.NEQ: "ne",
    exp.LT: "lt",
    exp.LTE: "le",
    exp.GT: "gt",
    exp.GTE: "ge",
    exp.NullSafeEQ: "not_distinct",
    exp.NullSafeNEQ: "distinct",
    exp.EqualNull: "not_distinct",
}


def negation(of: Expression) -> Call:
    """Return ``NOT of``."""
    return Call("not", (of,), SqlType.BOOLEAN)


def is_null(of: Expression) -> Call:
    """Return ``of IS NULL``."""
    return Call("is_null", (of,), SqlType.BOOLEAN)


def disjunction(parts: Sequence[Expression]) -> Expression:
    """Return the OR of *parts*, of which there is one at least."""
    return parts[0] if len(parts) == 1 else Call("or", tuple(parts), SqlType.BOOLEAN)


def comparison(
    binder: RowBinder, node: exp.Expr, name: str, sides: Sequence[Expression]
) -> Expression:
    """Return a comparison of two bound sides, in one type."""
    if all(each.type in NUMERIC for each in sides):
        return Call(name, tuple(sides), SqlType.BOOLEAN)
    type_ = binder.common(node, sides, compared=True)
    if type_ is SqlType.UNSUPPORTED:
        return Literal(None, SqlType.BOOLEAN)
    return Call(name, tuple(as_type(each, type_) for each in sides), SqlType.BOOLEAN)


# --- logic -----------------------------------------------------------------------


def _connector(binder: RowBinder, node: exp.Connector) -> Expression:
    """Bind a chain of ANDs or ORs, flat."""
    name = "and" if isinstance(node, exp.And) else "or"
    parts = tuple(binder.boolean(part) for part in node.flatten())
    return Call(name, parts, SqlType.BOOLEAN)


def _not(binder: RowBinder, node: exp.Not) -> Expression:
    return negation(binder.boolean(node.this))


def _xor(binder: RowBinder, node: exp.Binary) -> Expression:
    """Bind XOR: of conditions, that they differ; of whole numbers, bit by bit."""
    sides = [binder.bind(node.this), binder.bind(node.expression)]
    if all(each.type is SqlType.BOOLEAN for each in sides):
        return Call("ne", tuple(sides), SqlType.BOOLEAN)
    if isinstance(node, exp.Xor):
        sides = [binder.boolean(node.this), binder.boolean(node.expression)]
        return Call("ne", tuple(sides), SqlType.BOOLEAN)
    return binder.typed(node, "xor", sides)


def _is(binder: RowBinder, node: exp.Is) -> Expression:
    inner, right = binder.bind(node.this), node.expression
    if isinstance(right, exp.Not):
        return negation(_is_what(binder, node, inner, right.this))
    return _is_what(binder, node, inner, right)


def _is_what(
    binder: RowBinder, node: exp.Is, inner: Expression, right: exp.Expr
) -> Expression:
    if isinstance(right, exp.Null):
        return is_null(inner)
    if isinstance(right, exp.Boolean) and inner.type is SqlType.BOOLEAN:
        wanted = inner if right.this else negation(inner)
        never = Literal(False, SqlType.BOOLEAN)
        return Call("coalesce", (wanted, never), SqlType.BOOLEAN)
    return binder.unknown(node)


# --- comparisons -----------------------------------------------------------------


def _compare(binder: RowBinder, node: exp.Binary) -> Expression:
    name = _COMPARISONS[type(node)]
    left, right = node.this, node.expression
    if isinstance(right, exp.Any | exp.All) or _is_all(right):
        return _quantified(binder, node, name)
    if isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple):
        return _tuples(binder, node, left, right, name)
    return comparison(binder, node, name, [binder.bind(left), binder.bind(right)])


def _tuples(
    binder: RowBinder, node: exp.Expr, left: exp.Tuple, right: exp.Tuple, name: str
) -> Expression:
    """Bind ``(a, b) = (c, d)``: every pair is equal."""
    pairs = list(zip(left.expressions, right.expressions, strict=False))
    same = len(left.expressions) == len(right.expressions) and pairs
    if name not in {"eq", "ne"} or not same:
        hint = "compare the values one by one: a = c AND b = d"
        msg = "rows of values are compared with = and <>, and are equally long"
        raise binder.refusal(node, msg, "DPQ105", hint)
    equal = conjunction(
        [
            comparison(binder, node, "eq", [binder.bind(a), binder.bind(b)])
            for a, b in pairs
        ]
    )
    return equal if name == "eq" else negation(equal)


def _is_all(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and str(node.this).upper() == "ALL"


def _quantified(binder: RowBinder, node: exp.Binary, name: str) -> Expression:
    """Bind ``x = ANY (list)`` and ``x <> ALL (list)``."""
    right = node.expression
    every = isinstance(right, exp.All) or _is_all(right)
    of = right.expressions[0] if isinstance(right, exp.Anonymous) else right.this
    of = of.unnest() if isinstance(of, exp.Paren) else of
    if isinstance(of, exp.Query):
        return binder.quantified(node, name, of, every=every)
    if (name, every) not in {("eq", False), ("ne", True)}:
        hint = "x = ANY (…) and x <> ALL (…) are answered"
        raise binder.refusal(node, "this quantifier is not supported", hint=hint)
    needle = binder.bind(node.this)
    if isinstance(of, exp.Array | exp.Tuple):
        found = _among(binder, node, needle, [binder.bind(e) for e in of.expressions])
    else:
        found = _any_of(binder, node, needle, binder.bind(of))
    return negation(found) if every else found


def _any_of(
    binder: RowBinder, node: exp.Expr, needle: Expression, values: Expression
) -> Expression:
    """Return ``needle = ANY (values)``: NULL where only a NULL could be equal."""
    found = binder.typed(node, "list_contains", [values, needle])
    sizes = [
        binder.typed(node, name, [values]) for name in ("list_count", "list_length")
    ]
    unsure = Call("lt", tuple(sizes), SqlType.BOOLEAN)
    never = Literal(None, SqlType.BOOLEAN)
    branches = ((found, Literal(True, SqlType.BOOLEAN)), (unsure, never))
    return Case(branches, found, SqlType.BOOLEAN)


def _between(binder: RowBinder, node: exp.Between) -> Expression:
    value, low, high = (
        binder.bind(each) for each in (node.this, node.args["low"], node.args["high"])
    )
    if node.args.get("symmetric"):
        type_ = binder.common(node, [low, high], compared=True)
        ends = tuple(as_type(each, type_) for each in (low, high))
        low, high = (Call(name, ends, type_) for name in ("least", "greatest"))
    above = comparison(binder, node, "ge", [value, low])
    below = comparison(binder, node, "le", [value, high])
    return Call("and", (above, below), SqlType.BOOLEAN)


# --- IN --------------------------------------------------------------------------


def _in(binder: RowBinder, node: exp.In) -> Expression:
    if node.args.get("query"):
        return binder.in_query(node)
    items = list(node.expressions)
    unnest = node.args.get("unnest")
    if unnest is not None:
        items = [unnest.expressions[0]]
    field = node.args.get("field")
    if field is not None:
        items = [field]
    if isinstance(node.this, exp.Tuple):
        return _tuple_in(binder, node, node.this, items)
    needle = binder.bind(node.this)
    bound = [binder.bind(each) for each in items]
    if len(bound) == 1 and bound[0].type.element is not None:
        return _in_list(binder, node, needle, bound[0])
    if unnest is not None or field is not None or not bound:
        hint = "list the values: x IN (1, 2, 3)"
        raise binder.refusal(node, "IN takes a list of values", "DPQ107", hint)
    return _among(binder, node, needle, bound)


def _tuple_in(
    binder: RowBinder, node: exp.In, left: exp.Tuple, items: Sequence[exp.Expr]
) -> Expression:
    """Bind ``(a, b) IN ((1, 2), (3, 4))``."""
    parts = []
    for item in items:
        if not isinstance(item, exp.Tuple):
            hint = "(a, b) IN ((1, 2), (3, 4))"
            msg = "rows of values are sought among rows of values"
            raise binder.refusal(node, msg, "DPQ105", hint)
        parts.append(_tuples(binder, node, left, item, "eq"))
    return disjunction(_limited(binder, node, parts))


def _in_list(
    binder: RowBinder, node: exp.Expr, needle: Expression, values: Expression
) -> Expression:
    """Return whether a list of the row holds the needle."""
    if isinstance(values, Call) and values.function == "list_value":
        return _among(binder, node, needle, values.arguments)
    return binder.typed(node, "list_contains", [values, needle])


def _among(
    binder: RowBinder,
    node: exp.Expr,
    needle: Expression,
    values: Sequence[Expression],
) -> Expression:
    """Return whether the needle equals one of the values, constants or not."""
    constants = [each for each in values if isinstance(each, Literal)]
    others = [each for each in values if not isinstance(each, Literal)]
    parts = [comparison(binder, node, "eq", [needle, each]) for each in others]
    if constants:
        type_ = binder.common(node, [needle, *constants], compared=True)
        listed = tuple(as_type(each, type_) for each in (needle, *constants))
        parts.insert(0, Call("in", listed, SqlType.BOOLEAN))
    return disjunction(_limited(binder, node, parts))


def _limited(
    binder: RowBinder, node: exp.Expr, parts: list[Expression]
) -> list[Expression]:
    if len(parts) > MAX_ALTERNATIVES:
        msg = f"IN with expressions takes {MAX_ALTERNATIVES} of them"
        hint = "constants are not counted"
        raise binder.refusal(node, msg, "DPQ107", hint)
    return parts


# --- patterns --------------------------------------------------------------------


def _like(binder: RowBinder, node: exp.Like | exp.ILike) -> Expression:
    found = _patterns(binder, node, node.expression, [])
    return negation(found) if node.args.get("negate") else found


def _escape(binder: RowBinder, node: exp.Escape) -> Expression:
    """Bind ``x LIKE pattern ESCAPE character``."""
    inner = node.this
    if not isinstance(inner, exp.Like | exp.ILike):
        return binder.unknown(node)
    found = _patterns(binder, inner, inner.expression, [binder.bind(node.expression)])
    return negation(found) if inner.args.get("negate") else found


def _patterns(
    binder: RowBinder,
    node: exp.Like | exp.ILike,
    pattern: exp.Expr,
    escape: list[Expression],
) -> Expression:
    """Bind one pattern, or any or all of a list of them."""
    name = "ilike" if isinstance(node, exp.ILike) else "like"
    value = binder.bind(node.this)
    if not isinstance(pattern, exp.Any | exp.All):
        return binder.typed(node, name, [value, binder.bind(pattern), *escape])
    of = pattern.this.unnest() if isinstance(pattern.this, exp.Paren) else pattern.this
    if not isinstance(of, exp.Tuple | exp.Array | exp.Literal):
        hint = "x LIKE ANY ('a%', 'b%')"
        raise binder.refusal(node, "the patterns are constants", "DPQ107", hint)
    nodes = [of] if isinstance(of, exp.Literal) else of.expressions
    parts: list[Expression] = [
        binder.typed(node, name, [value, binder.bind(each), *escape]) for each in nodes
    ]
    if not parts:
        hint = "x LIKE ANY ('a%', 'b%')"
        raise binder.refusal(node, "there is no pattern", "DPQ107", hint)
    return conjunction(parts) if isinstance(pattern, exp.All) else disjunction(parts)


def _regexp(binder: RowBinder, node: exp.RegexpLike | exp.RegexpILike) -> Expression:
    """Bind a regular expression that is sought within a text."""
    whole = node.args.get("full_match")
    parts = [binder.bind(node.this), binder.bind(node.expression)]
    flag = node.args.get("flag")
    if isinstance(node, exp.RegexpILike):
        parts.append(Literal("i", SqlType.VARCHAR))
    elif flag is not None:
        parts.append(binder.bind(flag))
    return binder.typed(node, "regexp_full_match" if whole else "regexp_matches", parts)


def _glob(binder: RowBinder, node: exp.Glob) -> Expression:
    """Bind GLOB as the regular expression that it is; DuckDB's own can take long."""
    pattern = binder.bind(node.expression)
    value = binder.bind(node.this)
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        hint = "write the pattern out, e.g. 'a*'"
        raise binder.refusal(node, "a pattern must be a constant", "DPQ107", hint)
    expression = _glob_expression(pattern.value)
    if expression is None:
        hint = "use *, ? and [a-z]; or LIKE, or regexp_matches"
        raise binder.refusal(node, "this pattern is not supported", "DPQ107", hint)
    parts = [value, Literal(expression, SqlType.VARCHAR)]
    return binder.typed(
        node, "regexp_full_match", [*parts, Literal("s", SqlType.VARCHAR)]
    )


_GLOB = re.compile(r"\[(!?)([\w-]+)\]|(.)", re.DOTALL)


def _glob_expression(pattern: str) -> str | None:
    """
    Return a GLOB as a regular expression; ``None`` for what is in neither.

    >>> _glob_expression("a?[!b-d]*")
    'a.[^b-d].*'
    """
    found = ""
    for negated, listed, one in _GLOB.findall(pattern):
        if listed:
            found += f"[{'^' if negated else ''}{listed}]"
        elif one in "[]\\":
            return None
        elif one in "*?":
            found += ".*" if one == "*" else "."
        else:
            found += one if one.isalnum() or not one.isascii() else f"\\{one}"
    return found


CONDITIONS: dict[type[exp.Expr], Handler] = {
    **dict.fromkeys((exp.And, exp.Or), _connector),
    **dict.fromkeys((exp.Xor, exp.BitwiseXor), _xor),
    **dict.fromkeys(_COMPARISONS, _compare),
    **dict.fromkeys((exp.Like, exp.ILike), _like),
    **dict.fromkeys((exp.RegexpLike, exp.RegexpILike), _regexp),
    exp.Not: _not,
    exp.Is: _is,
    exp.Between: _between,
    exp.In: _in,
    exp.Escape: _escape,
    exp.Glob: _glob,
}
