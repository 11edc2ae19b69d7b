"""What one entry of the table of functions says: parameters, result, total form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from dpquery.plan.expressions import NUMERIC, TEMPORAL, Expression
from dpquery.policy.catalog import SqlType
from dpquery.sql.functions.forms import Lowered, call

Types: TypeAlias = frozenset[SqlType]
Rule: TypeAlias = Callable[[Sequence[Expression]], SqlType]

BOOLEAN: Types = frozenset({SqlType.BOOLEAN})
INTEGER: Types = frozenset({SqlType.INTEGER})
TEXT: Types = frozenset({SqlType.VARCHAR})
DATES: Types = TEMPORAL
CLOCK: Types = frozenset({SqlType.TIMESTAMP, SqlType.TIME})
SPAN: Types = frozenset({SqlType.INTERVAL})
LISTS: Types = frozenset(each for each in SqlType if each.element is not None)


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one argument may be."""

    types: Types
    name: str
    """For the documentation."""
    constant: bool = False
    """Must be a literal of the query."""
    at_least: int = 0
    at_most: int | None = None
    """For constant whole numbers."""
    longest: int | None = None
    """Characters of a constant text."""
    one_of: frozenset[str] | None = None
    """For constant texts."""
    complaint: Callable[[str], str | None] | None = None
    """Says what is wrong with a constant text, if anything."""
    clamped: bool = False
    """Dates are brought into the years 1 to 9999 before the function sees them."""
    as_text: bool = False
    """Other plain types are converted to text."""
    element: bool = False
    """Has the type of the elements of the first argument, which is a list."""
    same: bool = False
    """Has the type of the first argument."""


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
    misfit: str = ""
    """What becomes of values that have no result, for the documentation."""
    optional: int = 0
    """How many of the last parameters may be left out."""
    variadic: bool = False
    """The last parameter may be repeated, up to 50 times."""
    as_double: bool = False
    """Numeric arguments are cast to DOUBLE before, whole results cast back after."""
    tame: bool = False
    """Every result is a date within the years 1 to 9999."""
    usage: str = ""
    """How it is written where that is not ``name(arguments)``."""
    check: Callable[[Sequence[Expression]], str | None] | None = None
    """Says what is wrong with arguments that fit one by one, if anything."""


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


def element_type(arguments: Sequence[Expression]) -> SqlType:
    """Return the type of the elements of the first argument."""
    return arguments[0].type.element or SqlType.UNSUPPORTED


# --- parameters that many functions have -----------------------------------------

N = Parameter(NUMERIC, "x")
I = Parameter(INTEGER, "i")  # noqa: E741 -- one letter a type, as in the tables
T = Parameter(TEXT, "text")
D = Parameter(DATES, "date")
YEARS = replace(D, clamped=True)
"""A date for functions that raise outside the years 1 to 9999."""
Y, J = (replace(N, name="y"), replace(I, name="j"))
"""The second of two numbers."""
LIST = Parameter(LISTS, "list")
LENGTH = Parameter(INTEGER, "length", constant=True, at_most=1000)
ENDS = replace(LENGTH, at_least=-1000)
"""A length that counts from the end when it is negative."""
CONSTANT_TEXT = Parameter(TEXT, "constant", constant=True, longest=256)


def called(parameter: Parameter, name: str) -> Parameter:
    """Return the parameter by another name."""
    return replace(parameter, name=name)


def constant(
    name: str, *, at_least: int = 0, at_most: int, types: Types = INTEGER
) -> Parameter:
    """Return a parameter for a constant whole number."""
    return Parameter(types, name, constant=True, at_least=at_least, at_most=at_most)


def choice(name: str, *options: str) -> Parameter:
    """Return a parameter for one of some words."""
    return Parameter(TEXT, name, constant=True, one_of=frozenset(options))


def named(
    name: str,
    parameters: Sequence[Parameter],
    result: SqlType,
    *,
    optional: int = 0,
    misfit: str = "",
) -> Function:
    """Return a function that is total under its own name."""
    return Function(
        name,
        tuple(parameters),
        always(result),
        lambda *arguments: call(name, *arguments),
        frozenset({name}),
        misfit,
        optional,
    )
