"""Handlers of lists and structs of one row: elements, fields, literals of lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import Call, ColumnRef, Expression, Literal
from dpquery.policy.catalog import SqlType, fold
from dpquery.policy.engine_types import sql_type, struct_fields
from dpquery.sql.expressions.scope import nearest
from dpquery.sql.literals import as_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.sql.expressions.binder import RowBinder
    from dpquery.sql.expressions.handler import Handler

MAX_ELEMENTS = 100
"""Elements of a list that is written into the query."""


# --- structs ---------------------------------------------------------------------


def struct_column(binder: RowBinder, node: exp.Column) -> Expression | None:
    """
    Return the field that ``column.field`` or ``table.column.field`` names.

    ``None`` where the name is that of a column: tables hide columns of their name.
    """
    parts = node.parts
    names = [part.name for part in parts]
    tables = {fold(each.name) for each in binder.scope.tables}
    place = binder.place(node)
    if len(names) < 2 or isinstance(parts[-1], exp.Star):  # noqa: PLR2004 -- s.f
        return None
    if fold(names[0]) in tables:
        if len(names) == 2:  # noqa: PLR2004 -- table.column
            return None
        found: Expression = binder.scope.column(names[1], names[0], place)
        rest = names[2:]
    elif binder.scope.has(names[0]):
        found = binder.scope.column(names[0], None, place)
        rest = names[1:]
    else:
        return None
    if found.type is not SqlType.STRUCT:
        return None
    for name in rest:
        found = field(binder, node, found, name)
    return found


def field(binder: RowBinder, node: exp.Expr, of: Expression, name: str) -> Expression:
    """Return one field of a struct, typed as the engine's type of the struct says."""
    if of.type is not SqlType.STRUCT:
        msg = f"{name} is asked of a value of type {of.type}, which has no fields"
        raise binder.refusal(node, msg, "DPQ102", "fields are those of STRUCT columns")
    fields = dict(struct_fields(_engine_type(of)))
    spelled = next((each for each in fields if fold(each) == fold(name)), None)
    if spelled is None:
        close = nearest(name, fields)
        hint = f"did you mean {close}?" if close else "it has " + ", ".join(fields)
        msg = f"there is no field {name} in this STRUCT"
        raise binder.refusal(node, msg, "DPQ102", hint)
    type_, _ = sql_type(fields[spelled])
    if type_ is SqlType.UNSUPPORTED:
        msg = f"{spelled} has the type {fields[spelled]}, which cannot be used"
        hint = "ask the owner for a view with a plain type"
        raise binder.refusal(node, msg, "DPQ105", hint)
    if type_ is SqlType.DECIMAL:
        type_ = SqlType.DOUBLE
    return Call("struct_extract", (of, Literal(spelled, SqlType.VARCHAR)), type_)


def _engine_type(of: Expression) -> str:
    """Return the engine's spelling of a struct's type."""
    match of:
        case ColumnRef(engine_type=engine_type):
            return engine_type
        case Call(
            function="struct_extract", arguments=(inner, Literal(value=str() as name))
        ):
            return dict(struct_fields(_engine_type(inner))).get(name, "")
        case _:
            return ""


def _dot(binder: RowBinder, node: exp.Dot) -> Expression:
    """Bind ``(struct).field``."""
    return field(binder, node, binder.bind(node.this), node.expression.name)


def _struct_extract(binder: RowBinder, node: exp.StructExtract) -> Expression:
    name = node.expression
    if not isinstance(name, exp.Literal) or not name.is_string:
        hint = "struct_extract(column, 'field')"
        raise binder.refusal(node, "a field is named by a text", "DPQ107", hint)
    return field(binder, node, binder.bind(node.this), name.name)


# --- lists -----------------------------------------------------------------------


def _bracket(binder: RowBinder, node: exp.Bracket) -> Expression:
    """
    Bind ``struct['field']`` and ``list[1]``.

    sqlglot counts from 0, or from what *offset* says; DuckDB counts from 1.
    """
    if len(node.expressions) != 1 or isinstance(node.expressions[0], exp.Slice):
        hint = "take one element: list[1]"
        raise binder.refusal(node, "slices are not supported", "DPQ100", hint)
    of, at = binder.bind(node.this), binder.bind(node.expressions[0])
    if of.type is SqlType.STRUCT and isinstance(at, Literal):
        return field(binder, node, of, str(at.value))
    if not isinstance(at, Literal) or not isinstance(at.value, int):
        hint = "write a whole number, e.g. list[1]"
        msg = "the position of an element must be a constant"
        raise binder.refusal(node, msg, "DPQ107", hint)
    offset = node.args.get("offset")
    position = at.value + (1 if not isinstance(offset, int) else 1 - offset)
    if of.type is SqlType.VARCHAR:
        hint = "use substring(text, position, length)"
        raise binder.refusal(node, "texts have no elements", "DPQ105", hint)
    return binder.typed(node, "list_extract", [of, Literal(position, SqlType.INTEGER)])


def _array(binder: RowBinder, node: exp.Array) -> Expression:
    """Bind ``[a, b]``, whose elements have one type."""
    parts = [binder.bind(each) for each in node.expressions]
    if not 0 < len(parts) <= MAX_ELEMENTS:
        msg = f"a list has 1 to {MAX_ELEMENTS} elements here, not {len(parts)}"
        raise binder.refusal(node, msg, "DPQ105", "write [1, 2, 3]")
    return list_of(binder, node, parts)


def list_of(
    binder: RowBinder, node: exp.Expr, parts: Sequence[Expression]
) -> Expression:
    """Return the list of bound elements."""
    element = binder.common(node, parts)
    if element is SqlType.DECIMAL:
        element = SqlType.DOUBLE
    type_ = element.list_of
    if type_ is None:
        msg = f"there are no lists of {element} here"
        hint = "lists hold numbers, texts, dates, timestamps, or TRUE and FALSE"
        raise binder.refusal(node, msg, "DPQ105", hint)
    return Call("list_value", tuple(as_type(each, element) for each in parts), type_)


def _swapped(binder: RowBinder, node: exp.ArrayContainedBy) -> Expression:
    """Bind ``a <@ b``: b has all of a."""
    return binder.named(node, "list_has_all", [node.expression, node.this])


def _size(binder: RowBinder, node: exp.ArraySize) -> Expression:
    """Bind array_length; its dimension is 1 where it is given."""
    dimension = node.expression
    if dimension is not None and dimension.name != "1":
        return binder.unknown(node)
    return binder.named(node, "list_length", [node.this])


NESTED: dict[type[exp.Expr], Handler] = {
    exp.Dot: _dot,
    exp.StructExtract: _struct_extract,
    exp.Bracket: _bracket,
    exp.Array: _array,
    exp.ArrayContainedBy: _swapped,
    exp.ArraySize: _size,
}
