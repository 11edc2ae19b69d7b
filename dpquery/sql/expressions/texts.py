"""Handlers of the functions of texts that dialects spell in their own ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import Call, Case, Expression, Literal
from dpquery.policy.catalog import SqlType, fold
from dpquery.sql.expressions.arguments import MAX_VARIADIC
from dpquery.sql.expressions.casts import conversion
from dpquery.sql.literals import as_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.sql.expressions.binder import RowBinder
    from dpquery.sql.expressions.handler import Handler

EMPTY = Literal("", SqlType.VARCHAR)


def _concat(binder: RowBinder, node: exp.Concat) -> Expression:
    """Bind CONCAT, which skips NULLs in some dialects only."""
    parts = [_as_text(binder, each) for each in node.expressions]
    if len(parts) > MAX_VARIADIC:
        hint = "join the parts in groups"
        msg = f"CONCAT takes at most {MAX_VARIADIC} parts"
        raise binder.refusal(node, msg, "DPQ105", hint)
    if not node.args.get("coalesce"):
        return _joined(binder, node, parts)
    filled: list[Expression] = [
        each
        if isinstance(each, Literal) and not each.null
        else Call("coalesce", (each, EMPTY), SqlType.VARCHAR)
        for each in parts
    ]
    return _joined(binder, node, [EMPTY, *filled])


def _as_text(binder: RowBinder, node: exp.Expr) -> Expression:
    """Bind a part of a text; numbers and dates are written out."""
    bound = binder.bind(node)
    if bound.type in {SqlType.VARCHAR, SqlType.UNSUPPORTED}:
        return as_type(bound, SqlType.VARCHAR)
    return conversion(binder, node, bound, SqlType.VARCHAR)


def _joined(
    binder: RowBinder, node: exp.Expr, parts: Sequence[Expression]
) -> Expression:
    """Concatenate as a balanced tree: many parts are not a deep expression."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    sides = [_joined(binder, node, each) for each in (parts[:half], parts[half:])]
    return binder.typed(node, "concat", sides)


def _concat_ws(binder: RowBinder, node: exp.ConcatWs) -> Expression:
    return binder.named(node, "concat_ws", node.expressions)


def _trim(binder: RowBinder, node: exp.Trim) -> Expression:
    names = {"LEADING": "ltrim", "TRAILING": "rtrim"}
    name = names.get(str(node.args.get("position") or "").upper(), "trim")
    characters = [node.expression] if node.expression else []
    return binder.named(node, name, [node.this, *characters])


def _pad(binder: RowBinder, node: exp.Pad) -> Expression:
    fill = node.args.get("fill_pattern")
    nodes = [node.this, node.expression, *([fill] if fill else [])]
    return binder.named(node, "lpad" if node.args.get("is_left") else "rpad", nodes)


def _chr(binder: RowBinder, node: exp.Chr) -> Expression:
    return binder.named(node, "chr", node.expressions)


def _replaced(binder: RowBinder, node: exp.RegexpReplace) -> Expression:
    """Bind regexp_replace: the first match in some dialects, each one in others."""
    if node.args.get("position") or node.args.get("occurrence"):
        return binder.unknown(node)
    flags = node.args.get("modifiers")
    options = fold(flags.name) if isinstance(flags, exp.Literal) else ""
    if not node.args.get("single_replace") and "g" not in options:
        options = "g" + options
    replacement = node.args.get("replacement")
    parts = [binder.bind(node.this), binder.bind(node.expression)]
    parts.append(EMPTY if replacement is None else binder.bind(replacement))
    return binder.typed(
        node, "regexp_replace", [*parts, Literal(options, SqlType.VARCHAR)]
    )


def _extracted(binder: RowBinder, node: exp.RegexpExtract) -> Expression:
    """Bind regexp_extract; no match is '' in some dialects, NULL in others."""
    if node.args.get("position") or node.args.get("occurrence"):
        return binder.unknown(node)
    value, pattern = binder.bind(node.this), binder.bind(node.expression)
    parts = [value, pattern]
    given = [node.args.get("group"), node.args.get("parameters")]
    parts += [binder.bind(each) for each in given if each is not None]
    found = binder.typed(node, "regexp_extract", parts)
    if not node.args.get("null_if_no_match"):
        return found
    matches = binder.typed(node, "regexp_matches", [value, pattern, *parts[3:]])
    return Case(((matches, found),), Literal(None, SqlType.VARCHAR), SqlType.VARCHAR)


TEXTS: dict[type[exp.Expr], Handler] = {
    exp.Concat: _concat,
    exp.ConcatWs: _concat_ws,
    exp.Trim: _trim,
    exp.Pad: _pad,
    exp.Chr: _chr,
    exp.RegexpReplace: _replaced,
    exp.RegexpExtract: _extracted,
}
