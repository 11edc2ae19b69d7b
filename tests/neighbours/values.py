"""Random expressions of one row: numbers, texts, conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .columns import NUMBERS, TIMES, Column, Type, of_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .writer import Writer

Refs = list[tuple[str, Column]]

_UNITS = ("second", "hour", "day", "week", "month", "quarter", "year")
_ROUNDING = ("ABS", "FLOOR", "CEIL", "ROUND", "SIGN", "-", "TRUNC")
_PARTS = ("month", "dayofweek", "day", "quarter", "week", "isodow", "dayofyear")


def column(w: Writer, refs: Refs, types: Sequence[Type], instead: str) -> str:
    """Write a column of one of some types, or *instead*."""
    options = of_type(refs, *types)
    return w.one_of(options) if options else instead


def number(w: Writer, refs: Refs, depth: int = 1) -> str:
    """Write a number that has bounds."""
    if depth == 0 or w.one_of([False, False, True]):
        return _bounded(w, refs)
    match w.one_of(range(13)):
        case 0:
            return clamped(column(w, refs, NUMBERS, "7"))
        case 1 | 2:
            sign = w.one_of(["+", "-", "*"])
            one, other = number(w, refs, depth - 1), number(w, refs, depth - 1)
            return f"({one} {sign} {other})"
        case 3:
            sign = w.one_of(["/ 4", "// 2", "% 3", "/ -0.5"])
            return f"(CAST({number(w, refs, depth - 1)} AS INTEGER) {sign})"
        case 4:
            return f"{w.one_of(_ROUNDING)}({number(w, refs, depth - 1)})"
        case 5:
            return f"ROUND({number(w, refs, depth - 1)}, 1)"
        case 6:
            default = w.one_of(["", " ELSE 3"])
            then = number(w, refs, depth - 1)
            return f"CASE WHEN {condition(w, refs, depth - 1)} THEN {then}{default} END"
        case 7:
            return f"COALESCE({number(w, refs, depth - 1)}, -2)"
        case 8:
            to, cast = w.one_of(["INTEGER", "DOUBLE"]), w.one_of(["CAST", "TRY_CAST"])
            return f"{cast}({number(w, refs, depth - 1)} AS {to})"
        case 9:
            return f"{w.one_of(_PARTS)}({time(w, refs)})"
        case 10:
            return f"LEAST(GREATEST(EXTRACT(year FROM {time(w, refs)}), 2019), 2021)"
        case 11:
            return f"CAST({condition(w, refs, depth - 1)} AS INTEGER)"
        case _:
            return f"NULLIF({number(w, refs, depth - 1)}, 0)"


def clamped(value: str) -> str:
    """Write a number that may be anything within bounds."""
    return f"LEAST(GREATEST({value}, -4), 6)"


def _bounded(w: Writer, refs: Refs) -> str:
    options = of_type(refs, *NUMBERS, bounded=True)
    if options:
        return w.one_of(options)
    loose = of_type(refs, *NUMBERS)
    return clamped(w.one_of(loose)) if loose else w.one_of(["1", "2.5"])


def time(w: Writer, refs: Refs) -> str:
    """Write a date or a timestamp."""
    return column(w, refs, TIMES, "DATE '2020-02-29'")


def text(w: Writer, refs: Refs) -> str:
    """Write a text."""
    shapes = ["{}", "LOWER({})", "LEFT({}, 2)", "COALESCE({}, 'none')", "{} || 'ß'"]
    if w.rarely():
        return f"CAST({column(w, refs, NUMBERS, '1')} AS VARCHAR)"
    return w.one_of(shapes).format(column(w, refs, [Type.TEXT], "'a'"))


def condition(w: Writer, refs: Refs, depth: int = 1) -> str:
    """Write a condition on a row."""
    if depth and w.one_of([False, True]):
        one, other = condition(w, refs, depth - 1), condition(w, refs, depth - 1)
        shape = w.one_of(["NOT ({0})", "({0} OR {1})", "({0} AND {1})"])
        return shape.format(one, other)
    match w.one_of(range(9)):
        case 0 | 1:
            sign = w.one_of(["=", "<>", "<", "<=", ">", ">="])
            return f"{number(w, refs, 0)} {sign} {number(w, refs)}"
        case 2:
            return f"{_bounded(w, refs)} BETWEEN -2 AND 40"
        case 3:
            needle = column(w, refs, [Type.WHOLE], "1")
            test = w.one_of(["IN", "NOT IN"])
            return f"{needle} {test} (1, 2, -7, 9223372036854775807)"
        case 4:
            pattern = w.one_of(["'%a%'", "'_'", "'%'", "'ß%'"])
            return f"{text(w, refs)} {w.one_of(['LIKE', 'ILIKE'])} {pattern}"
        case 5:
            test = w.one_of(["IS NULL", "IS NOT NULL", "IS NOT NULL", "IS NOT NULL"])
            return f"{column(w, refs, list(Type), '1')} {test}"
        case 6:
            sign = w.one_of(["=", "<>", "<>", ">=", "IN"])
            values = "('a', '', 'b')" if sign == "IN" else "'a'"
            return f"{text(w, refs)} {sign} {values}"
        case 7:
            day = w.one_of(["2020-02-25", "2020-03-01"])
            return f"{time(w, refs)} {w.one_of(['<', '>='])} DATE '{day}'"
        case _:
            flags = of_type(refs, Type.FLAG)
            return w.one_of(flags) if flags else f"{_bounded(w, refs)} > 1"


def any_value(w: Writer, refs: Refs) -> str:
    """Write a value of any type."""
    match w.one_of(range(5)):
        case 0:
            return number(w, refs)
        case 1:
            return text(w, refs)
        case 2:
            return condition(w, refs, 0)
        case _:
            return column(w, refs, list(Type), "1")


def key(w: Writer, refs: Refs) -> str:
    """Write a group key; one that says whose row it is would be refused."""
    refs = [(name, each) for name, each in refs if not each.tie]
    match w.one_of(range(10)):
        case 0 if of_type(refs, *TIMES):
            return f"date_trunc('{w.one_of(_UNITS)}', {time(w, refs)})"
        case 1:
            one, other = condition(w, refs), condition(w, refs)
            return f"CASE WHEN {one} THEN 'yes' WHEN {other} THEN 'maybe' END"
        case 2:
            return f"({condition(w, refs)})"
        case 3 if of_type(refs, Type.WHOLE, bounded=True):
            whole = w.one_of(of_type(refs, Type.WHOLE, bounded=True))
            return f"{whole} {w.one_of(['+ 1', '// 2', '% 3', '* -1'])}"
        case 4:
            return text(w, refs)
        case 5:
            return f"CAST(FLOOR({number(w, refs)}) AS INTEGER)"
        case _:
            types = [each for each in Type if each is not Type.REAL]
            return column(w, refs, types, "1 = 1")
