"""Patterns: LIKE and regular expressions, as data. Every pattern is a constant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import Expression, Literal
from dpquery.policy.catalog import SqlType
from dpquery.sql.functions.forms import Lowered, binary, call, shortened
from dpquery.sql.functions.regular_expressions import (
    PatternError,
    check_replacement,
    groups_of,
)
from dpquery.sql.functions.signature import (
    TEXT,
    Function,
    Parameter,
    T,
    always,
    constant,
)
from dpquery.sql.functions.texts import read

if TYPE_CHECKING:
    from collections.abc import Sequence

_OPTIONS = frozenset({"", "c", "i", "s", "is", "si"})
_REPLACE_OPTIONS = frozenset({*_OPTIONS, "g", "gi", "ig", "gs", "sg", "gis"})
_READ = "of the first 1024 characters"


def _complaint(pattern: str) -> str | None:
    """Say why a regular expression is not taken, if it is not."""
    try:
        groups_of(pattern)
    except PatternError as error:
        return str(error)
    return None


_LIKE = Parameter(TEXT, "pattern", constant=True, longest=256)
"""With ``_`` in it, the engine's time is the product of both lengths."""
_ESCAPE = Parameter(
    TEXT,
    "escape",
    constant=True,
    longest=1,
    complaint=lambda value: None if value else "it is one character",
)
_PATTERN = Parameter(TEXT, "pattern", constant=True, complaint=_complaint)
_REPLACEMENT = Parameter(TEXT, "replacement", constant=True, longest=256)


def _like(name: str, kind: type[exp.Binary], signs: frozenset[str]) -> Function:
    escaped = f"{name}_escape"

    def lower(
        value: Lowered, pattern: Lowered, escape: Lowered | None = None
    ) -> Lowered:
        if escape is None:
            return binary(kind, value, pattern)
        return call(escaped, value, pattern, escape)

    return Function(
        name,
        (T, _LIKE, _ESCAPE),
        always(SqlType.BOOLEAN),
        lower,
        signs | {escaped},
        optional=1,
        usage=f"text {name.upper()} pattern [ESCAPE escape]",
        check=_check_escape,
    )


def _check_escape(arguments: Sequence[Expression]) -> str | None:
    """Say whether the pattern ends in an escape with nothing behind it."""
    if len(arguments) < 3:  # noqa: PLR2004 -- text, pattern, escape
        return None
    pattern, escape = (str(each.value) for each in map(_literal, arguments[1:3]))
    open_end = False
    for character in pattern:
        open_end = not open_end and character == escape
    return "the pattern ends with its escape character" if open_end else None


def _literal(argument: Expression) -> Literal:
    if not isinstance(argument, Literal):
        msg = "the parameter is not a constant one"
        raise TypeError(msg)
    return argument


def _test(name: str) -> Function:
    return Function(
        name,
        (T, _PATTERN, Parameter(TEXT, "options", constant=True, one_of=_OPTIONS)),
        always(SqlType.BOOLEAN),
        lambda value, *rest: call(name, read(value), *rest),
        frozenset({name, "left"}),
        _READ,
        optional=1,
    )


def _check_group(arguments: Sequence[Expression]) -> str | None:
    """Say whether the group that is extracted exists."""
    if len(arguments) < 3:  # noqa: PLR2004 -- text, pattern, group
        return None
    groups = groups_of(str(_literal(arguments[1]).value))
    group = _literal(arguments[2]).value
    exists = isinstance(group, int) and group <= groups
    return None if exists else f"there is no group {group} in the pattern"


def _check_replacement(arguments: Sequence[Expression]) -> str | None:
    groups = groups_of(str(_literal(arguments[1]).value))
    return check_replacement(str(_literal(arguments[2]).value), groups)


def _extracted(value: Lowered, pattern: Lowered, *rest: Lowered) -> Lowered:
    return call("regexp_extract", read(value), pattern, *rest)


MATCHING: tuple[Function, ...] = (
    _like("like", exp.Like, frozenset({"~~"})),
    _like("ilike", exp.ILike, frozenset({"~~*"})),
    _test("regexp_matches"),
    _test("regexp_full_match"),
    Function(
        "regexp_replace",
        (
            T,
            _PATTERN,
            _REPLACEMENT,
            Parameter(TEXT, "options", constant=True, one_of=_REPLACE_OPTIONS),
        ),
        always(SqlType.VARCHAR),
        lambda value, *rest: shortened(call("regexp_replace", read(value), *rest)),
        frozenset({"regexp_replace", "left"}),
        f"{_READ}, cut at 256",
        optional=1,
        check=_check_replacement,
    ),
    Function(
        "regexp_extract",
        (
            T,
            _PATTERN,
            constant("group", at_most=9),
            Parameter(TEXT, "options", constant=True, one_of=_OPTIONS),
        ),
        always(SqlType.VARCHAR),
        _extracted,
        frozenset({"regexp_extract", "left"}),
        f"{_READ}; '' where nothing matches",
        optional=2,
        check=_check_group,
    ),
)
