"""Plans as text for people: expressions inline, relations as an indented tree."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, assert_never

from dpquery.plan.expressions import (
    TRUE,
    Aggregated,
    Call,
    Case,
    Cast,
    ColumnRef,
    Constant,
    Expression,
    Frame,
    InSample,
    Interval,
    Literal,
    Ordering,
    Subquery,
    SubqueryKind,
    Window,
)
from dpquery.plan.relations import (
    Filter,
    Group,
    Join,
    Listed,
    Project,
    Relation,
    Released,
    Sample,
    Scan,
    SetOperation,
    Top,
    Unnest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dpquery.plan.relations import Named, Owned

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
        case Subquery():
            return _subquery_text(expression)
        case Window():
            return _window_text(expression)
        case Aggregated(function=function, arguments=arguments, distinct=distinct):
            inner = _texts(arguments) or "*"
            return f"{function}({'DISTINCT ' if distinct else ''}{inner})"
        case InSample(unit=unit, share=share):
            percent = f"{float(share * 100):g} %"
            return f"{expression_text(unit)} is in a sample of {percent}"
        case _:
            assert_never(expression)


def _texts(expressions: Iterable[Expression]) -> str:
    return ", ".join(map(expression_text, expressions))


def _subquery_text(subquery: Subquery) -> str:
    """Return a subquery by the tree of its rows, on one line."""
    inner = "; ".join(line.strip() for line in relation_lines(subquery.relation))
    match subquery.kind:
        case SubqueryKind.EXISTS:
            return f"EXISTS ({inner})"
        case SubqueryKind.SCALAR:
            return f"({inner})"
        case SubqueryKind.ANY if subquery.needle is not None:
            sign = _INFIX[subquery.comparison]
            return f"{expression_text(subquery.needle)} {sign} ANY ({inner})"
        case _:
            msg = "ANY compares with something"
            raise ValueError(msg)


def _window_text(window: Window) -> str:
    parts = []
    if window.partition:
        parts.append(f"PARTITION BY {_texts(window.partition)}")
    if window.order:
        parts.append(f"ORDER BY {_order_text(window.order)}")
    if window.frame is not None:
        parts.append(_frame_text(window.frame))
    return f"{window.function}({_texts(window.arguments)}) OVER ({' '.join(parts)})"


def _order_text(order: Iterable[Ordering]) -> str:
    return ", ".join(
        expression_text(each.expression) + (" DESC" if each.descending else "")
        for each in order
    )


def _frame_text(frame: Frame) -> str:
    ends = (_end_text(frame.start, "PRECEDING"), _end_text(frame.end, "FOLLOWING"))
    return f"{'ROWS' if frame.rows else 'RANGE'} BETWEEN {ends[0]} AND {ends[1]}"


def _end_text(end: int | None, unbounded: str) -> str:
    if end is None:
        return f"UNBOUNDED {unbounded}"
    if end == 0:
        return "CURRENT ROW"
    return f"{abs(end)} {'PRECEDING' if end < 0 else 'FOLLOWING'}"


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
        case Listed(name=name, rows=rows):
            return [f"{indent}{name}: {len(rows)} rows of constants"]
        case Released(name=name, source=source):
            return [f"{indent}{name}: the answer {source}"]
        case Join(left=left, right=right):
            inner = relation_lines(left, depth + 1) + relation_lines(right, depth + 1)
            return [f"{indent}{_head(relation)}", *inner]
        case SetOperation(left=left, right=right):
            inner = relation_lines(left, depth + 1) + relation_lines(right, depth + 1)
            return [f"{indent}{_head(relation)}", *inner]
        case Filter() | Unnest() | Sample() | Top() | Project() | Group():
            inner = relation_lines(relation.child, depth + 1)
            return [f"{indent}{_head(relation)}", *inner]
        case _:
            assert_never(relation)


def _head(
    relation: Filter | Join | Unnest | Sample | Top | Project | Group | SetOperation,
) -> str:
    """Return what an operator does, on one line."""
    match relation:
        case Filter(predicate=predicate):
            return f"filter {expression_text(predicate)}"
        case Join(kind=kind, condition=condition, lateral=lateral):
            on = "" if condition == TRUE else f" on {expression_text(condition)}"
            return f"{kind.lower()} join{' lateral' if lateral else ''}{on}"
        case Unnest(elements=elements, name=name):
            return f"{name}: each element of {expression_text(elements)}"
        case Sample(share=share):
            return f"sample of {float(share * 100):g} % of the units"
        case Top(order=order, count=count):
            by = f" by {_order_text(order)}" if order else ""
            return f"first {count}{by}"
        case Project(columns=columns, distinct=distinct, name=name):
            return f"{name}: {'distinct' if distinct else 'select'} {_made(columns)}"
        case Group(keys=keys, aggregates=aggregates, name=name):
            by = f" by {_made(keys)}" if keys else ""
            made = f", {_made(aggregates)}" if aggregates else ""
            return f"{name}: group{by}{made}"
        case SetOperation(kind=kind, distinct=distinct, name=name):
            return f"{name}: {kind.lower()}{'' if distinct else ' all'}"
        case _:
            assert_never(relation)


def _made(columns: Iterable[Named]) -> str:
    return ", ".join(
        text
        if (text := expression_text(each.expression)).endswith(f".{each.name}")
        else f"{text} as {each.name}"
        for each in columns
    )


def owned_lines(source: Owned, depth: int = 0) -> list[str]:
    """Return an owned relation as a tree that names its unit column."""
    indent = "  " * depth
    head = f"{indent}one {source.kind} is one value of {expression_text(source.unit)}"
    return [head, *relation_lines(source.relation, depth + 1)]
