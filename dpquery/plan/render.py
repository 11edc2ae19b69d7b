"""Plans as text for people: expressions inline, relations as an indented tree."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, assert_never

from dpquery.plan.expressions import (
    Call,
    Case,
    Cast,
    ColumnRef,
    Constant,
    Expression,
    Interval,
    Literal,
)
from dpquery.plan.relations import Filter, Join, Relation, Scan

if TYPE_CHECKING:
    from dpquery.plan.relations import Owned

_INFIX = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "int_divide": "//",
    "modulo": "%",
    "eq": "=",
    "ne": "<>",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "and": "AND",
    "or": "OR",
    "like": "LIKE",
    "ilike": "ILIKE",
    "concat": "||",
    "plus_days": "+",
    "days_between": "-",
    "plus_interval": "+",
    "minus_interval": "-",
    "time_between": "-",
    "distinct": "IS DISTINCT FROM",
    "not_distinct": "IS NOT DISTINCT FROM",
    "bit_and": "&",
    "bit_or": "|",
    "shift_left": "<<",
    "shift_right": ">>",
}


def expression_text(expression: Expression) -> str:
    """
    Return *expression* as SQL-like text.

    >>> from dpquery.policy.catalog import SqlType
    >>> cost = ColumnRef("visits", "cost", SqlType.DOUBLE)
    >>> ten = Literal(10, SqlType.INTEGER)
    >>> expression_text(Call("multiply", (cost, ten), SqlType.DOUBLE))
    'visits.cost * 10'
    """
    match expression:
        case ColumnRef(relation=relation, name=name):
            return f"{relation}.{name}"
        case Literal(value=value):
            return constant_text(value)
        case Cast(operand=operand, type=type_):
            return f"CAST({expression_text(operand)} AS {type_})"
        case Case(branches=branches, otherwise=otherwise):
            whens = "".join(
                f" WHEN {expression_text(when)} THEN {expression_text(then)}"
                for when, then in branches
            )
            return f"CASE{whens} ELSE {expression_text(otherwise)} END"
        case Call(function=function, arguments=arguments):
            return _call_text(function, arguments)
        case _:
            assert_never(expression)


def _call_text(function: str, arguments: tuple[Expression, ...]) -> str:
    parts = [expression_text(each) for each in arguments]
    match function:
        case "not":
            return f"NOT ({parts[0]})"
        case "negate":
            return f"-({parts[0]})"
        case "is_null":
            of = f"({parts[0]})" if _compound(arguments[0]) else parts[0]
            return f"{of} IS NULL"
        case "in":
            return f"{parts[0]} IN ({', '.join(parts[1:])})"
        case "list_value":
            return f"[{', '.join(parts)}]"
        case "struct_extract":
            return f"{parts[0]}[{parts[1]}]"
        case "like" | "ilike" if len(parts) > len("xp"):  # text, pattern, escape
            return f"{parts[0]} {_INFIX[function]} {parts[1]} ESCAPE {parts[2]}"
        case _ if function in _INFIX:
            inner = [
                f"({part})" if _compound(each) else part
                for each, part in zip(arguments, parts, strict=True)
            ]
            return f" {_INFIX[function]} ".join(inner)
        case _:
            return f"{function}({', '.join(parts)})"


def _compound(expression: Expression) -> bool:
    """Return whether an operand needs brackets."""
    return isinstance(expression, Call) and expression.function in _INFIX


def constant_text(value: Constant) -> str:
    """Return a constant as SQL text."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case dt.datetime():
            return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
        case dt.date():
            return f"DATE '{value.isoformat()}'"
        case dt.time():
            return f"TIME '{value.isoformat()}'"
        case Interval():
            return f"INTERVAL '{value}'"
        case _:
            return str(value)


def relation_lines(relation: Relation, depth: int = 0) -> list[str]:
    """Return *relation* as an indented tree, one operator a line."""
    indent = "  " * depth
    match relation:
        case Scan(table=table, name=name):
            alias = "" if table.name == name else f" as {name}"
            kind = "public" if table.public else "private"
            return [f"{indent}scan {table.name}{alias} ({kind})"]
        case Filter(child=child, predicate=predicate):
            head = f"{indent}filter {expression_text(predicate)}"
            return [head, *relation_lines(child, depth + 1)]
        case Join(left=left, right=right, kind=kind, condition=condition):
            head = f"{indent}{kind.lower()} join on {expression_text(condition)}"
            inner = relation_lines(left, depth + 1) + relation_lines(right, depth + 1)
            return [head, *inner]
        case _:
            assert_never(relation)


def owned_lines(source: Owned, depth: int = 0) -> list[str]:
    """Return an owned relation as a tree that names its unit column."""
    indent = "  " * depth
    head = f"{indent}one {source.kind} is one value of {expression_text(source.unit)}"
    return [head, *relation_lines(source.relation, depth + 1)]
