"""The allow-list of scalar functions: spelling, types, and a form that never raises.

A function that is not in this table does not exist for analysts. Each entry is
deterministic, reads nothing but its arguments, and is lowered to a total form: on no
row whatsoever does it raise (theory.md 1.4, ``duckdb_functions.csv``). The rules:

* arithmetic is done in DOUBLE; whole-number results go back by TRY_CAST, so what
  leaves 64 bits is NULL, and what leaves 53 bits is rounded;
* division and remainder by zero are NULL;
* dates are brought into the years 1 to 9999 first;
* strings that a function can lengthen are cut at 256 characters;
* patterns, units, lengths and digits are constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from sqlglot import exp

from dpquery.plan.expressions import NUMERIC, TEMPORAL, Expression
from dpquery.policy.catalog import SqlType

Types: TypeAlias = frozenset[SqlType]
Lowered: TypeAlias = exp.Expr
Rule: TypeAlias = Callable[[Sequence[Expression]], SqlType]

BOOLEAN: Types = frozenset({SqlType.BOOLEAN})
INTEGER: Types = frozenset({SqlType.INTEGER})
TEXT: Types = frozenset({SqlType.VARCHAR})
DATES: Types = TEMPORAL
CLOCK: Types = frozenset({SqlType.TIMESTAMP})

MAX_TEXT = 256
"""Characters that a string result keeps."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one argument may be."""

    types: Types
    constant: bool = False
    """Must be a literal of the query."""
    at_most: int | None = None
    """For constant whole numbers: 0 … at_most."""
    one_of: frozenset[str] | None = None
    """For constant texts."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the allow-list."""

    name: str
    """The plan's name for it."""
    parameters: tuple[Parameter, ...]
    result: Rule
    lower: Callable[..., Lowered]
    """Builds the total form from lowered arguments."""
    engine: frozenset[str]
    """The engine's functions that the total form calls."""
    optional: int = 0
    """How many of the last parameters may be left out."""
    as_double: bool = False
    """Numeric arguments are cast to DOUBLE before, whole results cast back after."""


# --- building blocks -------------------------------------------------------------


def call(name: str, *arguments: Lowered) -> exp.Anonymous:
    """Return a call that is printed exactly as named."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def _type(name: str) -> exp.DataType:
    """Return an engine type; reading its name runs a parser, so that is done once."""
    return _parsed_type(name).copy()


@cache
def _parsed_type(name: str) -> exp.DataType:
    return exp.DataType.build(name, dialect="duckdb")


def cast(operand: Lowered, to: str) -> exp.Cast:
    """Return a CAST that cannot fail because the target is wider."""
    return exp.Cast(this=operand, to=_type(to))


def try_cast(operand: Lowered, to: str) -> exp.TryCast:
    """Return a TRY_CAST: NULL where the value does not fit."""
    return exp.TryCast(this=operand, to=_type(to), safe=True)


def number(value: int) -> Lowered:
    """Return a whole number, with its sign bracketed."""
    return (
        exp.Literal.number(str(value))
        if value >= 0
        else exp.Paren(this=exp.Neg(this=exp.Literal.number(str(-value))))
    )


def text(value: str) -> exp.Literal:
    """Return a string literal; the generator doubles its quotes."""
    return exp.Literal.string(value)


def binary(kind: type[exp.Binary], left: Lowered, right: Lowered) -> exp.Paren:
    """Return a bracketed infix operation."""
    return exp.Paren(this=kind(this=left, expression=right))


def nonzero(divisor: Lowered) -> Lowered:
    """Return the divisor, NULL instead of zero."""
    return call("nullif", divisor, number(0))


def clamped_date(value: Lowered) -> Lowered:
    """
    Return a date or timestamp within the years that all date functions take.

    Compared as DATE on purpose: casting an extreme DATE to TIMESTAMP raises.
    """
    low, high = (cast(text(end), "DATE") for end in ("0001-01-01", "9999-12-31"))
    return exp.Case(
        ifs=[
            exp.If(this=binary(exp.LT, value.copy(), low.copy()), true=low),
            exp.If(this=binary(exp.GT, value.copy(), high.copy()), true=high),
        ],
        default=value,
    )


def shortened(value: Lowered) -> Lowered:
    """Return at most the first 256 characters."""
    return call("left", value, number(MAX_TEXT))


# --- type rules ------------------------------------------------------------------


def always(type_: SqlType) -> Rule:
    """Return a rule for functions with one result type."""
    return lambda _: type_


def whole_or_double(arguments: Sequence[Expression]) -> SqlType:
    """INTEGER when every number is; DOUBLE otherwise."""
    whole = all(each.type is SqlType.INTEGER for each in arguments)
    return SqlType.INTEGER if whole else SqlType.DOUBLE


def rounded(arguments: Sequence[Expression]) -> SqlType:
    """INTEGER without a second argument; DOUBLE with digits."""
    whole = len(arguments) == 1 or arguments[0].type is SqlType.INTEGER
    return SqlType.INTEGER if whole else SqlType.DOUBLE


# --- the table -------------------------------------------------------------------

_N = Parameter(NUMERIC)
_I = Parameter(INTEGER)
_T = Parameter(TEXT)
_D = Parameter(DATES)
_SMALL = Parameter(INTEGER, constant=True, at_most=1000)
_FIXED_TEXT = Parameter(TEXT, constant=True)
_UNITS = frozenset(
    {"second", "minute", "hour", "day", "week", "month", "quarter", "year"}
)


def _arithmetic(name: str, kind: type[exp.Binary], sign: str) -> Function:
    return Function(
        name,
        (_N, _N),
        whole_or_double,
        lambda a, b: binary(kind, a, b),
        frozenset({sign}),
        as_double=True,
    )


def _named(
    name: str, parameters: Sequence[Parameter], result: SqlType, *, optional: int = 0
) -> Function:
    """Return a function that is total under its own name."""
    return Function(
        name,
        tuple(parameters),
        always(result),
        lambda *arguments: call(name, *arguments),
        frozenset({name}),
        optional,
    )


def _number(name: str, rule: Rule, optional: int = 0) -> Function:
    """Return a function of one number, and digits if *optional*."""
    digits = Parameter(INTEGER, constant=True, at_most=10)
    return Function(
        name,
        (_N, digits)[: 1 + optional],
        rule,
        lambda *arguments: call(name, *arguments),
        frozenset({name}),
        optional,
        as_double=True,
    )


def _growing(name: str, *parameters: Parameter) -> Function:
    """Return a string function whose result is cut."""
    return Function(
        name,
        parameters,
        always(SqlType.VARCHAR),
        lambda *arguments: shortened(call(name, *arguments)),
        frozenset({name, "left"}),
    )


def _part(name: str, types: Types = DATES) -> Function:
    """Return a part of a date; the engine's own function is total."""
    return _named(name, [Parameter(types)], SqlType.INTEGER)


_ALL = (
    _arithmetic("add", exp.Add, "+"),
    _arithmetic("subtract", exp.Sub, "-"),
    _arithmetic("multiply", exp.Mul, "*"),
    Function(
        "divide",
        (_N, _N),
        always(SqlType.DOUBLE),
        lambda a, b: binary(exp.Div, a, nonzero(b)),
        frozenset({"/", "nullif"}),
        as_double=True,
    ),
    Function(
        "int_divide",
        (_I, _I),
        always(SqlType.INTEGER),
        lambda a, b: call("trunc", binary(exp.Div, a, nonzero(b))),
        frozenset({"/", "nullif", "trunc"}),
        as_double=True,
    ),
    Function(
        "modulo",
        (_N, _N),
        whole_or_double,
        lambda a, b: binary(exp.Mod, a, nonzero(b)),  # not fmod: that one is floored
        frozenset({"%", "nullif"}),
        as_double=True,
    ),
    Function(
        "negate",
        (_N,),
        whole_or_double,
        lambda a: exp.Paren(this=exp.Neg(this=a)),
        frozenset({"-"}),
        as_double=True,
    ),
    _number("abs", whole_or_double),
    _number("sign", always(SqlType.INTEGER)),
    _number("floor", always(SqlType.INTEGER)),
    _number("ceil", always(SqlType.INTEGER)),
    _number("trunc", always(SqlType.INTEGER)),
    _number("round", rounded, optional=1),
    _named("lower", [_T], SqlType.VARCHAR),
    _named("upper", [_T], SqlType.VARCHAR),
    _named("trim", [_T], SqlType.VARCHAR),
    _named("ltrim", [_T], SqlType.VARCHAR),
    _named("rtrim", [_T], SqlType.VARCHAR),
    _named("length", [_T], SqlType.INTEGER),
    _named("left", [_T, _SMALL], SqlType.VARCHAR),
    _named("right", [_T, _SMALL], SqlType.VARCHAR),
    _named("substring", [_T, _SMALL, _SMALL], SqlType.VARCHAR, optional=1),
    _named("starts_with", [_T, _T], SqlType.BOOLEAN),
    _named("ends_with", [_T, _T], SqlType.BOOLEAN),
    _named("contains", [_T, _T], SqlType.BOOLEAN),
    _growing("replace", _T, _FIXED_TEXT, _FIXED_TEXT),
    Function(
        "concat",
        (_T, _T),
        always(SqlType.VARCHAR),
        lambda a, b: shortened(binary(exp.DPipe, a, b)),
        frozenset({"||", "left"}),
    ),
    Function(
        "like",
        (_T, _FIXED_TEXT),
        always(SqlType.BOOLEAN),
        lambda a, b: binary(exp.Like, a, b),
        frozenset({"~~"}),
    ),
    Function(
        "ilike",
        (_T, _FIXED_TEXT),
        always(SqlType.BOOLEAN),
        lambda a, b: binary(exp.ILike, a, b),
        frozenset({"~~*"}),
    ),
    *(
        _part(name)
        for name in (
            "year",
            "quarter",
            "month",
            "day",
            "dayofweek",
            "isodow",
            "dayofyear",
        )
    ),
    *(_part(name, CLOCK) for name in ("hour", "minute", "second")),
    Function(
        "week",
        (_D,),
        always(SqlType.INTEGER),
        lambda value: call("week", clamped_date(value)),
        frozenset({"week"}),
    ),
    Function(
        "date_trunc",
        (Parameter(TEXT, constant=True, one_of=_UNITS), _D),
        always(SqlType.TIMESTAMP),
        lambda unit, value: call("date_trunc", unit, clamped_date(value)),
        frozenset({"date_trunc"}),
    ),
)

FUNCTIONS: dict[str, Function] = {function.name: function for function in _ALL}
"""By the plan's name. Operators with rules of their own are in ``bind_expressions``."""

ALIASES: dict[str, str] = {
    "ceiling": "ceil",
    "mod": "modulo",
    "lcase": "lower",
    "ucase": "upper",
    "len": "length",
    "char_length": "length",
    "character_length": "length",
    "substr": "substring",
    "prefix": "starts_with",
    "startswith": "starts_with",
    "suffix": "ends_with",
    "endswith": "ends_with",
    "dayofmonth": "day",
    "dow": "dayofweek",
    "weekday": "dayofweek",
    "doy": "dayofyear",
    "weekofyear": "week",
    "datetrunc": "date_trunc",
    "ifnull": "coalesce",
    "nvl": "coalesce",
}
"""Other spellings that analysts use."""
