"""Handlers of constants, CASE and the functions whose arguments are alike."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import NULL, Call, Case, Expression, Literal
from dpquery.policy.catalog import SqlType
from dpquery.sql.expressions.conditions import (
    comparison,
    disjunction,
    is_null,
    negation,
)
from dpquery.sql.literals import as_type, negated, number_literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.sql.expressions.binder import RowBinder
    from dpquery.sql.expressions.handler import Handler

_PI = Literal(Decimal("3.141592653589793"), SqlType.DOUBLE)


# --- constants -------------------------------------------------------------------


def _literal(binder: RowBinder, node: exp.Literal) -> Expression:
    if node.is_string:
        return Literal(str(node.this), SqlType.VARCHAR)
    literal = number_literal(str(node.this))
    if literal is None:
        hint = "numbers are below 1e300, and have at most 100 characters"
        msg = f"{node.this} is not a number that can be used"
        raise binder.refusal(node, msg, "DPQ105", hint)
    return literal


def _text(_: RowBinder, node: exp.RawString | exp.National) -> Expression:
    """Bind ``r'…'`` and ``N'…'``."""
    return Literal(str(node.this), SqlType.VARCHAR)


def _negation(binder: RowBinder, node: exp.Neg) -> Expression:
    inner = binder.bind(node.this)
    if isinstance(inner, Literal):
        literal = negated(inner)
        if literal is not None:
            return literal
    return binder.typed(node, "negate", [inner])


# --- CASE ------------------------------------------------------------------------


def _case(binder: RowBinder, node: exp.Case | exp.If) -> Expression:
    if isinstance(node, exp.If):
        pairs = [(binder.boolean(node.this), binder.bind(node.args["true"]))]
        default = node.args.get("false")
    else:
        subject = None if node.this is None else binder.bind(node.this)
        pairs = [_branch(binder, each, subject) for each in node.args["ifs"]]
        default = node.args.get("default")
    otherwise = binder.bind(default) if default is not None else NULL
    return _chosen(binder, node, pairs, otherwise)


def _branch(
    binder: RowBinder, branch: exp.If, subject: Expression | None
) -> tuple[Expression, Expression]:
    """Bind one WHEN, of ``CASE x WHEN v`` as well as of ``CASE WHEN p``."""
    if subject is None:
        when = binder.boolean(branch.this)
    else:
        sides = [subject, binder.bind(branch.this)]
        when = comparison(binder, branch, "eq", sides)
    return when, binder.bind(branch.args["true"])


def _chosen(
    binder: RowBinder,
    node: exp.Expr,
    pairs: Sequence[tuple[Expression, Expression]],
    otherwise: Expression,
) -> Expression:
    """Return the CASE, its results in one type."""
    type_ = binder.common(node, [*(then for _, then in pairs), otherwise])
    branches = tuple((when, as_type(then, type_)) for when, then in pairs)
    return Case(branches, as_type(otherwise, type_), type_)


def _nvl2(binder: RowBinder, node: exp.Nvl2) -> Expression:
    """Bind ``NVL2(x, if not NULL, if NULL)``."""
    known = negation(is_null(binder.bind(node.this)))
    then = binder.bind(node.args["true"])
    false = node.args.get("false")
    otherwise = NULL if false is None else binder.bind(false)
    return _chosen(binder, node, [(known, then)], otherwise)


def _decode(binder: RowBinder, node: exp.DecodeCase) -> Expression:
    """Bind ``DECODE(x, value, result, …, default)``, to which NULL equals NULL."""
    subject, *rest = (binder.bind(each) for each in node.expressions)
    pairs = []
    for value, then in zip(rest[:-1:2], rest[1::2], strict=True):
        when = comparison(binder, node, "not_distinct", [subject, value])
        pairs.append((when, then))
    otherwise = rest[-1] if len(rest) % 2 else NULL
    return _chosen(binder, node, pairs, otherwise)


# --- functions whose arguments are alike -----------------------------------------


def _alike(binder: RowBinder, node: exp.Expr) -> Expression:
    """Bind a function whose arguments have one type, which it returns."""
    second = [node.expression] if node.expression else []
    nodes = [node.this, *second, *node.expressions]
    return alike(binder, node, node.key, [binder.bind(each) for each in nodes])


def alike(
    binder: RowBinder, node: exp.Expr, name: str, parts: Sequence[Expression]
) -> Expression:
    """Return COALESCE, LEAST, GREATEST or NULLIF of bound arguments."""
    type_ = binder.common(node, parts)
    return Call(name, tuple(as_type(each, type_) for each in parts), type_)


def _extreme(binder: RowBinder, node: exp.Least | exp.Greatest) -> Expression:
    """Bind LEAST and GREATEST, which skip NULLs in some dialects only."""
    parts = [binder.bind(each) for each in (node.this, *node.expressions)]
    found = alike(binder, node, node.key, parts)
    unsure = [each for each in parts if not isinstance(each, Literal) or each.null]
    if node.args.get("ignore_nulls") or not unsure or len(parts) == 1:
        return found
    unknown = disjunction([is_null(each) for each in unsure])
    return Case(((unknown, Literal(None, found.type)),), found, found.type)


# --- spellings that need a closer look -------------------------------------------


def _divide(binder: RowBinder, node: exp.Div) -> Expression:
    """Bind ``/``, which is a division of whole numbers in some dialects."""
    sides = [binder.bind(node.this), binder.bind(node.expression)]
    whole = all(each.type is SqlType.INTEGER for each in sides)
    name = "int_divide" if node.args.get("typed") and whole else "divide"
    return binder.typed(node, name, sides)


def _log(binder: RowBinder, node: exp.Log) -> Expression:
    """Bind logarithms: of base 10 without a base, as in DuckDB."""
    if node.expression is None:
        return binder.named(node, "log10", [node.this])
    base = node.this.name if isinstance(node.this, exp.Literal) else ""
    if base in {"2", "10"}:
        return binder.named(node, f"log{base}", [node.expression])
    return binder.named(node, "log", [node.this, node.expression])


def _pi(_: RowBinder, __: exp.Pi) -> Expression:
    return _PI


def _missing(binder: RowBinder, node: exp.Anonymous) -> Expression:
    """Bind ``isnull(x)``."""
    if len(node.expressions) != 1:
        return binder.unknown(node)
    return is_null(binder.bind(node.expressions[0]))


VALUES: dict[type[exp.Expr], Handler] = {
    exp.Literal: _literal,
    exp.Boolean: lambda _, node: Literal(bool(node.this), SqlType.BOOLEAN),
    exp.Null: lambda _, __: NULL,
    **dict.fromkeys((exp.RawString, exp.National), _text),
    exp.Neg: _negation,
    **dict.fromkeys((exp.Case, exp.If), _case),
    exp.Nvl2: _nvl2,
    exp.DecodeCase: _decode,
    **dict.fromkeys((exp.Coalesce, exp.Nullif), _alike),
    **dict.fromkeys((exp.Least, exp.Greatest), _extreme),
    exp.Div: _divide,
    exp.Log: _log,
    exp.Pi: _pi,
}

VALUE_CALLS: dict[str, Handler] = {
    "isnull": _missing,
    "isnotnull": lambda binder, node: negation(_missing(binder, node)),
}
"""Functions that sqlglot has no node for, by name."""
