"""Functions of texts, as data.

A result that could be longer than its input is cut at 256 characters. A function
whose cost or result could grow reads the first 1024 characters; a distance, whose
cost is the product of two lengths, the first 64.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from dpquery.policy.catalog import SqlType
from dpquery.sql.functions.forms import (
    MAX_DISTANCE_TEXT,
    MAX_INPUT,
    Lowered,
    between,
    binary,
    call,
    cast,
    shortened,
    text,
    try_cast,
)
from dpquery.sql.functions.signature import (
    CONSTANT_TEXT,
    ENDS,
    Function,
    I,
    Parameter,
    T,
    always,
    called,
    constant,
    named,
)

VARCHAR, INTEGER, BOOLEAN = SqlType.VARCHAR, SqlType.INTEGER, SqlType.BOOLEAN
DOUBLE = SqlType.DOUBLE
_CUT = "cut at 256 characters"
_READ = "of the first 1024 characters"
_ANY = replace(T, as_text=True)
_OLD, _NEW = (called(CONSTANT_TEXT, name) for name in ("old", "new"))
_SEPARATOR = called(CONSTANT_TEXT, "separator")
_FILLED = replace(
    CONSTANT_TEXT,
    name="fill",
    complaint=lambda value: None if value else "it must not be empty",
)


def read(value: Lowered) -> Lowered:
    """Return the part of a text that costly functions read."""
    return shortened(value, MAX_INPUT)


def _whole(name: str, *parameters: Parameter) -> Function:
    """Return a function whose whole result is narrower than BIGINT in the engine."""
    return Function(
        name,
        parameters,
        always(INTEGER),
        lambda *arguments: cast(call(name, *arguments), "BIGINT"),
        frozenset({name}),
    )


def _distance(name: str, result: SqlType) -> Function:
    """Return a distance or similarity of two texts, of which the start is read."""

    def lower(a: Lowered, b: Lowered) -> Lowered:
        return call(name, *(shortened(each, MAX_DISTANCE_TEXT) for each in (a, b)))

    misfit = f"of the first {MAX_DISTANCE_TEXT} characters"
    return Function(
        name,
        (T, called(T, "other")),
        always(result),
        lower,
        frozenset({name, "left"}),
        misfit,
    )


def _jaccard(a: Lowered, b: Lowered) -> Lowered:
    """Return the similarity of two texts, NULL where one has no letters."""
    sides = (shortened(each, MAX_DISTANCE_TEXT) for each in (a, b))
    return call("jaccard", *(call("nullif", each, text("")) for each in sides))


def _padded(name: str) -> Function:
    def lower(value: Lowered, length: Lowered, fill: Lowered | None = None) -> Lowered:
        return call(name, shortened(value), length, fill or text(" "))

    return Function(
        name,
        (T, constant("length", at_most=256), _FILLED),
        always(VARCHAR),
        lower,
        frozenset({name, "left"}),
        _CUT,
        optional=1,
    )


def _joined(*parts: Lowered) -> Lowered:
    return shortened(call("concat_ws", *parts))


TEXTS: tuple[Function, ...] = (
    named("lower", [T], VARCHAR),
    named("upper", [T], VARCHAR),
    named("reverse", [T], VARCHAR),
    named("strip_accents", [T], VARCHAR),
    *(
        named(name, [T, called(CONSTANT_TEXT, "characters")], VARCHAR, optional=1)
        for name in ("trim", "ltrim", "rtrim")
    ),
    named("length", [T], INTEGER),
    named("strlen", [T], INTEGER),
    named("bit_length", [T], INTEGER),
    named("left", [T, ENDS], VARCHAR),
    named("right", [T, ENDS], VARCHAR),
    named("substring", [T, called(ENDS, "start"), ENDS], VARCHAR, optional=1),
    named("starts_with", [T, called(T, "start")], BOOLEAN),
    named("ends_with", [T, called(T, "end")], BOOLEAN),
    named("contains", [T, called(T, "part")], BOOLEAN),
    named("strpos", [T, called(T, "part")], INTEGER),
    _whole("ascii", T),
    _whole("unicode", T),
    Function(
        "chr",
        (I,),
        always(VARCHAR),
        lambda code: call("chr", try_cast(between(code, 1, 0xD7FF), "INTEGER")),
        frozenset({"chr"}),
        "NULL outside 1 … 55295",
    ),
    Function(
        "replace",
        (T, _OLD, _NEW),
        always(VARCHAR),
        lambda value, old, new: shortened(call("replace", read(value), old, new)),
        frozenset({"replace", "left"}),
        f"{_READ}, {_CUT}",
    ),
    Function(
        "translate",
        (T, _OLD, _NEW),
        always(VARCHAR),
        lambda value, old, new: call("translate", read(value), old, new),
        frozenset({"translate", "left"}),
        _READ,
    ),
    Function(
        "concat",
        (_ANY, _ANY),
        always(VARCHAR),
        lambda a, b: shortened(binary(exp.DPipe, a, b)),
        frozenset({"||", "left"}),
        _CUT,
        usage="text || text",
    ),
    Function(
        "concat_ws",
        (_SEPARATOR, _ANY),
        always(VARCHAR),
        _joined,
        frozenset({"concat_ws", "left"}),
        f"NULLs are left out, {_CUT}",
        variadic=True,
    ),
    Function(
        "repeat",
        (T, constant("times", at_most=256)),
        always(VARCHAR),
        lambda value, times: shortened(call("repeat", shortened(value), times)),
        frozenset({"repeat", "left"}),
        _CUT,
    ),
    _padded("lpad"),
    _padded("rpad"),
    Function(
        "split_part",
        (T, _SEPARATOR, constant("part", at_least=-1000, at_most=1000)),
        always(VARCHAR),
        lambda value, by, part: call("split_part", read(value), by, part),
        frozenset({"split_part", "left"}),
        f"{_READ}; '' where there is no such part",
    ),
    Function(
        "string_split",
        (T, _SEPARATOR),
        always(SqlType.VARCHAR_LIST),
        lambda value, by: call("string_split", read(value), by),
        frozenset({"string_split", "left"}),
        _READ,
    ),
    _distance("levenshtein", INTEGER),
    _distance("damerau_levenshtein", INTEGER),
    _distance("jaro_similarity", DOUBLE),
    _distance("jaro_winkler_similarity", DOUBLE),
    Function(
        "jaccard",
        (T, called(T, "other")),
        always(DOUBLE),
        _jaccard,
        frozenset({"jaccard", "nullif", "left"}),
        f"of the first {MAX_DISTANCE_TEXT} characters; NULL for an empty text",
    ),
)
