"""Functions of lists and structs of one row, as data.

A list is as long as it is stored: none of these makes it longer, so that their cost is
that of reading the row. What would add up decimals or order elements is not here.
"""

from __future__ import annotations

from dataclasses import replace

from dpquery.policy.catalog import SqlType
from dpquery.sql.functions.forms import Lowered, call, cast, shortened, whole
from dpquery.sql.functions.signature import (
    CONSTANT_TEXT,
    LIST,
    LISTS,
    Function,
    Parameter,
    Types,
    always,
    constant,
    element_type,
    named,
)

BOOLEAN, INTEGER, DOUBLE = SqlType.BOOLEAN, SqlType.INTEGER, SqlType.DOUBLE
ELEMENTS: Types = frozenset(
    each.element for each in SqlType if each.element is not None
)
_ELEMENT = Parameter(ELEMENTS, "value", element=True)
_OTHER = Parameter(LISTS, "other", same=True)
_INTEGERS = replace(LIST, types=frozenset({SqlType.INTEGER_LIST}))
_TEXTS = replace(LIST, types=frozenset({SqlType.VARCHAR_LIST}))
_AT = constant("position", at_least=-1000, at_most=1000)


def _as_bigint(name: str, *parameters: Parameter) -> Function:
    return Function(
        name,
        parameters,
        always(INTEGER),
        lambda *arguments: cast(call(name, *arguments), "BIGINT"),
        frozenset({name}),
    )


def _extreme(name: str) -> Function:
    return Function(
        name,
        (LIST,),
        element_type,
        lambda values: call(name, values),
        frozenset({name}),
        "NULLs are left out; NULL for an empty list",
    )


def _sum(values: Lowered) -> Lowered:
    return whole(call("list_sum", values))


NESTED: tuple[Function, ...] = (
    Function(
        "list_length",
        (LIST,),
        always(INTEGER),
        lambda values: call("len", values),
        frozenset({"len"}),
        usage="length(list)",
    ),
    named("list_contains", [LIST, _ELEMENT], BOOLEAN),
    _as_bigint("list_position", LIST, _ELEMENT),
    named("list_has_any", [LIST, _OTHER], BOOLEAN),
    named("list_has_all", [LIST, _OTHER], BOOLEAN),
    Function(
        "list_extract",
        (LIST, _AT),
        element_type,
        lambda values, at: call("list_extract", values, at),
        frozenset({"list_extract"}),
        "NULL where there is no such element",
        usage="list[position]",
    ),
    _extreme("list_min"),
    _extreme("list_max"),
    Function(
        "list_sum",
        (_INTEGERS,),
        always(INTEGER),
        _sum,
        frozenset({"list_sum"}),
        "sums beyond 64 bits are NULL",
    ),
    Function(
        "list_avg",
        (_INTEGERS,),
        always(DOUBLE),
        lambda values: call("list_avg", values),
        frozenset({"list_avg"}),
        "NULL for an empty list",
    ),
    _as_bigint("list_unique", LIST),
    _as_bigint("list_count", LIST),
    Function(
        "array_to_string",
        (_TEXTS, replace(CONSTANT_TEXT, name="separator")),
        always(SqlType.VARCHAR),
        lambda values, by: shortened(call("array_to_string", values, by)),
        frozenset({"array_to_string", "left"}),
        "NULLs are left out, cut at 256 characters",
    ),
)
"""``[a, b]`` and fields of structs have rules of their own in the binder."""
