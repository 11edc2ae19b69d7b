"""Plan expressions into sqlglot trees of total SQL: on no row do they raise."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, assert_never

from sqlglot import exp

from dpquery.plan.expressions import (
    NUMERIC,
    TEMPORAL,
    Aggregated,
    Call,
    Case,
    Cast,
    ColumnRef,
    Constant,
    Expression,
    InSample,
    Interval,
    Literal,
    Subquery,
    Window,
)
from dpquery.plan.relations import Relation, Released, Unnest
from dpquery.plan.walk import expressions as parts_of
from dpquery.plan.walk import relations, subexpressions
from dpquery.policy.catalog import SqlType
from dpquery.sql.functions import (
    FUNCTIONS,
    Function,
    Parameter,
    binary,
    call,
    cast,
    clamped_date,
    number,
    text,
    try_cast,
)
from dpquery.sql.lowering import aggregates as lower_aggregates
from dpquery.sql.lowering import relations as lower_relations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ENGINE_TYPES: dict[SqlType, str] = {
    SqlType.BOOLEAN: "BOOLEAN",
    SqlType.INTEGER: "BIGINT",
    SqlType.DECIMAL: "DOUBLE",
    SqlType.DOUBLE: "DOUBLE",
    SqlType.VARCHAR: "VARCHAR",
    SqlType.DATE: "DATE",
    SqlType.TIMESTAMP: "TIMESTAMP",
    SqlType.TIME: "TIME",
    SqlType.INTERVAL: "INTERVAL",
    SqlType.BOOLEAN_LIST: "BOOLEAN[]",
    SqlType.INTEGER_LIST: "BIGINT[]",
    SqlType.DOUBLE_LIST: "DOUBLE[]",
    SqlType.VARCHAR_LIST: "VARCHAR[]",
    SqlType.DATE_LIST: "DATE[]",
    SqlType.TIMESTAMP_LIST: "TIMESTAMP[]",
    SqlType.UNSUPPORTED: "VARCHAR",
}
"""What a plan type is cast to on the engine."""

COMPARISONS: dict[str, type[exp.Binary]] = {
    "eq": exp.EQ,
    "ne": exp.NEQ,
    "lt": exp.LT,
    "le": exp.LTE,
    "gt": exp.GT,
    "ge": exp.GTE,
    "distinct": exp.NullSafeNEQ,
    "not_distinct": exp.NullSafeEQ,
}

_OPERATORS: dict[str, frozenset[str]] = {
    "coalesce": frozenset({"coalesce"}),
    "least": frozenset({"least"}),
    "greatest": frozenset({"greatest"}),
    "nullif": frozenset({"nullif"}),
    "list_value": frozenset({"list_value"}),
    "struct_extract": frozenset({"struct_extract"}),
}
"""Functions with lowering rules of their own, and what they call."""


OPERATORS: frozenset[str] = frozenset(
    {"and", "or", "not", "is_null", "in", *COMPARISONS, *_OPERATORS}
)
"""Calls that this file lowers; all others are the table's."""


def functions_of(expressions: Iterable[Expression]) -> frozenset[str]:
    """Return the engine's functions that the lowered *expressions* may call."""
    found: set[str] = set()
    for expression in expressions:
        for part in subexpressions(expression):
            found |= lower_aggregates.functions_in(part)
            if isinstance(part, Cast) and _may_be_nan(part):
                found.add("replace")
            if isinstance(part, Call):
                known = FUNCTIONS.get(part.function)
                found |= _OPERATORS.get(part.function, frozenset())
                found |= known.engine if known is not None else frozenset()
            elif isinstance(part, Subquery):
                found |= functions_below(part.relation)
    return frozenset(found)


def _may_be_nan(cast_: Cast) -> bool:
    """Return whether a cast makes text of NaN."""
    return cast_.operand.type is SqlType.DOUBLE and cast_.type is SqlType.VARCHAR


def functions_below(relation: Relation) -> frozenset[str]:
    """Return the engine's functions that *relation* and all in it may call."""
    found: set[str] = set()
    for each in relations(relation):
        found |= functions_of(parts_of(each))
        if isinstance(each, Released | Unnest):
            found.add("unnest")
    return frozenset(found)


def column(relation: str, name: str) -> exp.Column:
    """Return ``"relation"."name"``, always quoted."""
    return exp.column(
        exp.to_identifier(name, quoted=True),
        table=exp.to_identifier(relation, quoted=True),
        copy=False,
    )


def constant(value: Constant, type_: SqlType) -> exp.Expr:
    """Return a constant with its type spelled out where SQL would guess."""
    match value:
        case None:
            return cast(exp.Null(), ENGINE_TYPES[type_])
        case bool():
            return exp.Boolean(this=value)
        case int() if type_ is SqlType.DOUBLE:
            return cast(number(value), "DOUBLE")
        case int():
            return number(value)
        case Decimal() | float():
            return cast(text(str(value)), "DOUBLE")
        case str():
            return text(value)
        case dt.datetime():
            return cast(text(value.isoformat(sep=" ")), "TIMESTAMP")
        case dt.date():
            return cast(text(value.isoformat()), "DATE")
        case dt.time():
            return cast(text(value.isoformat()), "TIME")
        case Interval():
            return cast(text(str(value)), "INTERVAL")
        case _:
            assert_never(value)


def lower(expression: Expression) -> exp.Expr:
    """Return *expression* as SQL that yields a value or NULL on every row."""
    match expression:
        case ColumnRef():
            return _column(expression)
        case Literal(value=value, type=type_):
            return constant(value, type_)
        case Cast(operand=operand, type=type_):
            if operand.type is SqlType.VARCHAR and type_ is SqlType.VARCHAR:
                return lower(operand)
            made = try_cast(lower(operand), ENGINE_TYPES[type_])
            if _may_be_nan(expression):
                # with its sign, DuckDB's GROUP BY makes another text of it each time
                return call("replace", made, text("-nan"), text("nan"))
            return made
        case Case(branches=branches, otherwise=otherwise):
            whens = [exp.If(this=lower(w), true=lower(t)) for w, t in branches]
            return exp.Case(ifs=whens, default=lower(otherwise))
        case Call():
            return _call(expression)
        case Subquery():
            return lower_relations.subquery(expression)
        case Window():
            return lower_aggregates.window(expression)
        case Aggregated():
            return lower_aggregates.aggregated(expression)
        case InSample():
            return lower_aggregates.in_sample(expression)
        case _:
            assert_never(expression)


def key_type(expression: Expression) -> str:
    """Return the engine's type of a group key; DECIMAL columns keep their digits."""
    if isinstance(expression, ColumnRef) and expression.type is SqlType.DECIMAL:
        return column_type(expression)
    return ENGINE_TYPES[expression.type]


def lower_key(expression: Expression) -> exp.Expr:
    """Return a group key; dates within the years that every driver can hold."""
    lowered = lower(expression)
    if expression.type in TEMPORAL and not _tame(expression):
        return clamped_date(lowered)
    return lowered


def _tame(expression: Expression) -> bool:
    """Return whether every value is a date of the years 1 to 9999, or NULL."""
    match expression:
        case Literal():
            return True
        case Case(branches=branches, otherwise=otherwise):
            return all(map(_tame, [*(then for _, then in branches), otherwise]))
        case Cast(operand=operand):
            return operand.type in TEMPORAL and _tame(operand)
        case Call(function="coalesce" | "least" | "greatest", arguments=arguments):
            return all(map(_tame, arguments))
        case Call(function=name):
            return name in FUNCTIONS and FUNCTIONS[name].tame
        case _:
            return False


_PLAIN = frozenset(
    {"", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "VARCHAR", "DATE", "TIMESTAMP"}
)
"""Engine types with which constants can be compared and computed as they are."""


def _column(reference: ColumnRef) -> exp.Expr:
    """
    Return a column in the plan's type.

    A narrow integer would make constants beside it narrow too, and overflow; a
    timestamp in nanoseconds cannot be compared with one of the year 1.
    """
    plain = column(reference.relation, reference.name)
    type_ = column_type(reference)
    return plain if type_ == reference.engine_type else try_cast(plain, type_)


def column_type(reference: ColumnRef) -> str:
    """Return the engine's type of a column in a plan."""
    engine = reference.engine_type
    kept = reference.type in {SqlType.DECIMAL, SqlType.STRUCT}
    if kept or engine in {*_PLAIN, ENGINE_TYPES[reference.type]}:
        return engine
    return ENGINE_TYPES[reference.type]


def _call(expression: Call) -> exp.Expr:
    name, arguments = expression.function, expression.arguments
    if name in COMPARISONS:
        return binary(COMPARISONS[name], *_comparable(arguments))
    match name:
        case "and":
            return exp.Paren(this=balanced(exp.And, [*map(lower, arguments)]))
        case "or":
            return exp.Paren(this=balanced(exp.Or, [*map(lower, arguments)]))
        case "not":
            return exp.Paren(this=exp.Not(this=exp.Paren(this=lower(arguments[0]))))
        case "is_null":
            return exp.Paren(
                this=exp.Is(this=lower(arguments[0]), expression=exp.Null())
            )
        case "in":
            needle, *items = _comparable(arguments)
            return exp.Paren(this=exp.In(this=needle, expressions=items))
        case "coalesce" | "least" | "greatest" | "nullif":
            return call(name, *map(lower, arguments))
        case "list_value":
            elements = call(name, *map(lower, arguments))
            return cast(elements, ENGINE_TYPES[expression.type])
        case "struct_extract":
            field = call(name, *map(lower, arguments))
            nested = expression.type is SqlType.STRUCT
            return field if nested else try_cast(field, ENGINE_TYPES[expression.type])
        case _:
            return _function(expression)


def balanced(kind: type[exp.And | exp.Or], parts: list[exp.Expr]) -> exp.Expr:
    """Return the parts joined as a balanced tree: long chains are not deep ones."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    left, right = balanced(kind, parts[:middle]), balanced(kind, parts[middle:])
    return kind(this=left, expression=right)


def _function(expression: Call) -> exp.Expr:
    function = FUNCTIONS[expression.function]
    repeated = len(expression.arguments) - len(function.parameters)
    parameters = function.parameters + function.parameters[-1:] * max(repeated, 0)
    lowered = [
        _argument(function, parameter, argument)
        for parameter, argument in zip(parameters, expression.arguments, strict=False)
    ]
    result = function.lower(*lowered)
    whole = function.as_double and expression.type is SqlType.INTEGER
    return try_cast(result, "BIGINT") if whole else result


def _argument(
    function: Function, parameter: Parameter, argument: Expression
) -> exp.Expr:
    """Return one argument as the function's total form wants it."""
    if parameter.clamped and not _tame(argument):
        return clamped_date(lower(argument))
    setting = parameter.constant and parameter.at_most is not None
    if function.as_double and argument.type in NUMERIC and not setting:
        return as_double(argument)
    return lower(argument)


def as_double(expression: Expression) -> exp.Expr:
    """Return a number as DOUBLE; from 64-bit integers and DECIMAL that cannot fail."""
    if expression.type is SqlType.DOUBLE:
        return lower(expression)
    return cast(lower(expression), "DOUBLE")


def _comparable(arguments: tuple[Expression, ...]) -> list[exp.Expr]:
    """
    Return the sides of a comparison in one engine type.

    Implicit conversion is what raises on a row (threats.md 0.2): whole numbers
    compare as they are, a DECIMAL column with constants of its own type, any other
    mixture of numbers as DOUBLE, and dates with timestamps by TRY_CAST.
    """
    types = {each.type for each in arguments}
    if types <= NUMERIC and types != {SqlType.INTEGER}:
        return _comparable_numbers(arguments)
    if types == {SqlType.DATE, SqlType.TIMESTAMP}:
        return [
            lower(each)
            if each.type is SqlType.TIMESTAMP
            else try_cast(lower(each), "TIMESTAMP")
            for each in arguments
        ]
    return [lower(each) for each in arguments]


def _comparable_numbers(arguments: tuple[Expression, ...]) -> list[exp.Expr]:
    spellings = {e.engine_type for e in arguments if isinstance(e, ColumnRef)}
    literals = [e for e in arguments if isinstance(e, Literal)]
    others = [e for e in arguments if not isinstance(e, ColumnRef | Literal)]
    if len(spellings) == 1 and not others:
        spelling = next(iter(spellings))
        fits = _decimal_fit(spelling)
        if fits is not None and all(fits(each.value) for each in literals):
            return [
                cast(text(str(each.value)), spelling)
                if isinstance(each, Literal)
                else lower(each)
                for each in arguments
            ]
    return [as_double(each) for each in arguments]


def _decimal_fit(spelling: str) -> Callable[[Constant], bool] | None:
    """Return a test for constants that a DECIMAL(p,s) holds exactly."""
    if not spelling.startswith("DECIMAL("):
        return None
    precision, scale = (int(part) for part in spelling[8:-1].split(","))

    def fits(value: Constant) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return False
        exact = Decimal(value)
        digits = -int(exact.as_tuple().exponent)
        return digits <= scale and abs(exact) < Decimal(10) ** (precision - scale)

    return fits
