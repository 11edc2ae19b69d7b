"""The kinds of value a policy holds, and what is said about one that is wrong."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal, NoReturn

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from dpquery.policy.catalog import Scalar

PROBLEM = "problem"
"""The pydantic error type that carries our own sentences."""

_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_MEMORY = re.compile(r"[1-9][0-9]{0,5}(?:MB|GB)", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_NAME = 255  # characters in the name of a table or column
_MAX_TEXT = 4096  # characters in a path or URL
_MAX_LABEL = 100  # characters in the owner's name for a state of the data
_MAX_SHARES = 20  # alerts on one budget
_WEB = re.compile(r"https?://[^\s/?#]+(?:[/?#]\S*)?", re.ASCII | re.IGNORECASE)
_MAX_SQL = 16 * 1024  # bytes, as in a query
_NOT_IN_SQL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SHOWN = 40  # characters of a wrong text that a message repeats
_MAX_BOUND = Decimal(10) ** 30
_SIGNIFICANT = 12  # digits of a budget: more is a mistake, or an attack on rounding


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, *at* a location relative to the value checked."""

    message: str
    hint: str | None = None
    code: str = "DPQ313"
    at: tuple[str | int, ...] = ()
    key: bool = False
    """Whether the key is to be shown rather than its value."""


def refuse(*problems: Problem) -> NoReturn:
    """Make pydantic collect *problems* for the value that is being validated."""
    message = "; ".join(problem.message for problem in problems)
    raise PydanticCustomError(
        PROBLEM, "{message}", {"message": message, "problems": problems}
    )


def wrong_kind(expected: str, value: object, hint: str | None = None) -> NoReturn:
    """Refuse *value* for being of another kind than *expected*."""
    message = f"must be {expected}, not {describe(value)}"
    refuse(Problem(message, hint, code="DPQ312"))


def describe(value: object) -> str:
    """
    Name *value* as a reader of the file sees it.

    >>> describe("017"), describe(None), describe([1])
    ('the text "017"', 'nothing', 'a list')
    """
    match value:
        case None:
            said = "nothing"
        case bool():
            said = str(value).lower()
        case int() | Decimal():
            said = f"the number {value}"
        case dt.date():
            said = f"the date {value}"
        case str():
            cut = value if len(value) <= _SHOWN else value[:_SHOWN] + " …"
            said = f'the text "{cut}"'
        case Mapping():
            said = "a group of keys"
        case _:
            said = "a list"
    return said


def is_number(value: object) -> bool:
    """Tell whether *value* is a number; true and false are none."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _number(value: object) -> Decimal:
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        wrong_kind("a number", value, "write it plainly, such as 8, 0.5 or 1e-6")
    number = Decimal(value)
    if not number.is_finite():
        refuse(Problem("a number must be finite"))
    return number


def _precise(number: Decimal) -> Decimal:
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if len(digits) > _SIGNIFICANT:
        message = f"has more than {_SIGNIFICANT} significant digits"
        refuse(Problem(message, "round it"))
    return number


def _epsilon(value: object) -> Decimal:
    number = _number(value)
    if number <= 0:
        refuse(Problem("epsilon must be greater than 0"))
    if not Decimal("1e-6") <= number <= Decimal("1e9"):
        refuse(Problem("epsilon must lie between 1e-6 and 1e9"))
    return _precise(number)


def _delta(value: object) -> Decimal:
    number = _number(value)
    if number <= 0:
        hint = "for a promise without delta, leave the key out"
        refuse(Problem("delta must be greater than 0", hint))
    if number >= 1:
        hint = "it is the chance that the promise fails: 1e-6, say"
        refuse(Problem("delta must be less than 1", hint))
    if number < Decimal("1e-18"):
        refuse(Problem("delta must be at least 1e-18, the ledger's unit"))
    return _precise(number)


def _step(value: object) -> Decimal:
    number = _number(value)
    if number <= 0:
        refuse(Problem("a grid must be greater than 0", "such as 0.01 for cents"))
    if not Decimal("1e-12") <= number <= Decimal("1e12"):
        refuse(Problem("a grid must lie between 1e-12 and 1e12"))
    return _precise(number)


def _integer(low: int, high: int) -> PlainValidator:
    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            wrong_kind("a whole number", value, "write it in digits only")
        if not low <= value <= high:
            refuse(Problem(f"must lie between {low} and {high}"))
        return value

    return PlainValidator(check)


def _text(value: object) -> str:
    if not isinstance(value, str):
        hint = None if value is None else "put it in quotes if it is meant as text"
        wrong_kind("text", value, hint)
    if not value.strip():
        refuse(Problem("must not be empty"))
    if _CONTROL.search(value):
        refuse(Problem("must not contain line breaks or control characters"))
    if len(value) > _MAX_TEXT:
        refuse(Problem(f"must not be longer than {_MAX_TEXT} characters"))
    return value


def _label(value: object) -> str:
    text = _text(value)
    if len(text) > _MAX_LABEL:
        refuse(Problem(f"must not be longer than {_MAX_LABEL} characters"))
    return text


def _web_address(value: object) -> str:
    text = _text(value)
    if not _WEB.fullmatch(text):
        hint = "such as https://hooks.example.org/dpquery; nothing else is called"
        refuse(Problem("must be an address with http:// or https://", hint))
    return text


def _shares(value: object) -> tuple[Decimal, ...]:
    if not isinstance(value, list | tuple):
        wrong_kind("a list of shares", value, "such as [0.5, 0.8, 1.0]")
    if not 1 <= len(value) <= _MAX_SHARES:
        message = f"must list 1 to {_MAX_SHARES} shares"
        refuse(Problem(message, "such as [0.5, 0.8, 1.0]"))
    shares: list[Decimal] = []
    for position, item in enumerate(value):
        if not is_number(item):
            message = f"a share must be a number, not {describe(item)}"
            refuse(Problem(message, "0.8 is 80 %", code="DPQ312", at=(position,)))
        share = Decimal(item)
        if not 0 < share <= 1:
            message = "a share of a budget lies above 0 and is at most 1"
            refuse(Problem(message, "0.8 is 80 %", at=(position,)))
        if share in shares:
            refuse(Problem("this share is in the list twice", at=(position,)))
        shares.append(share)
    return tuple(sorted(shares))


def _sql(value: object) -> str:
    if not isinstance(value, str):
        hint = "write `|` and the SELECT in the lines below, or put it in quotes"
        wrong_kind("SQL text", value, hint)
    if not value.strip():
        refuse(Problem("must not be empty", "for example SELECT ward FROM visits"))
    if _NOT_IN_SQL.search(value):
        refuse(Problem("must not contain control characters"))
    if len(value.encode("utf-8", "surrogatepass")) > _MAX_SQL:
        refuse(Problem(f"must not be longer than {_MAX_SQL:,} bytes"))
    return value


def _word(value: object) -> str:
    text = _text(value)
    if not _WORD.fullmatch(text):
        hint = "use letters, digits, `_`, `.` and `-`, at most 64 of them"
        refuse(Problem(f"`{text[:80]}` is not a plain name", hint))
    return text


def _column_name(value: object) -> str:
    text = _text(value)
    if len(text) > _MAX_NAME:
        refuse(Problem(f"a name has at most {_MAX_NAME} characters"))
    return text


def _table_name(value: object) -> str:
    text = _column_name(value)
    if "." in text:
        refuse(Problem(f"`{text}` has a dot; tables are named without their schema"))
    return text


def _dotted(value: object) -> str:
    text = _text(value)
    table, dot, column = text.partition(".")
    if not (table and dot and column):
        hint = "such as visits.visit_id"
        refuse(Problem(f"`{text}` is not of the form table.column", hint))
    return text


def _memory(value: object) -> str:
    text = _text(value)
    if not _MEMORY.fullmatch(text):
        refuse(Problem(f'"{text}" is not an amount of memory', "such as 512MB or 4GB"))
    return text


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        wrong_kind("true or false", value)
    return value


def _version(value: object) -> Literal[1]:
    if isinstance(value, bool) or value != 1 or not isinstance(value, int):
        refuse(Problem("this dpquery reads version 1 only", "write `version: 1`"))
    return 1


def _bounds(value: object) -> tuple[Scalar, Scalar]:
    if not isinstance(value, list | tuple) or len(value) != 2:  # noqa: PLR2004
        refuse(Problem("bounds are two values: [lowest, highest]", code="DPQ312"))
    low, high = value
    for position, bound in enumerate(value):
        if not is_number(bound) and not isinstance(bound, dt.date):
            message = f"a bound must be a number or a date, not {describe(bound)}"
            refuse(Problem(message, code="DPQ312", at=(position,)))
        if is_number(bound) and not abs(bound) <= _MAX_BOUND:
            refuse(Problem("a bound must lie within ±1e30", at=(position,)))
    if is_number(low) != is_number(high):
        refuse(Problem("one bound is a number, the other a date", code="DPQ312"))
    if not low < high:
        message = f"the lower bound {low} is not below the upper bound {high}"
        refuse(Problem(message, "swap them" if low > high else None))
    return low, high


def _values(value: object) -> tuple[Scalar | None, ...]:
    if not isinstance(value, list | tuple):
        wrong_kind("a list of values", value, "such as [a, b, null]")
    if not value:
        refuse(Problem("the list of values is empty", "leave the key out"))
    kind: type | None = None
    seen: set[object] = set()
    for position, item in enumerate(value):
        if not isinstance(item, bool | int | str | dt.date | Decimal | None):
            message = f"a value must be a single constant, not {describe(item)}"
            refuse(Problem(message, code="DPQ312", at=(position,)))
        if item is not None and kind not in {None, type(item)}:
            message = f"{describe(item)} is of another kind than the values before it"
            hint = "quote all of them if they are meant as text"
            refuse(Problem(message, hint, code="DPQ312", at=(position,)))
        if item in seen:
            refuse(Problem("this value is in the list twice", at=(position,)))
        kind = kind if item is None else type(item)
        seen.add(item)
    return tuple(value)


def _schema(kind: str, **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **more})


Epsilon = Annotated[
    Decimal,
    PlainValidator(_epsilon),
    _schema("number", exclusiveMinimum=0, maximum=1e9),
]
"""A privacy loss: 1e-6 to 1e9, at most 12 significant digits."""

Delta = Annotated[
    Decimal,
    PlainValidator(_delta),
    _schema("number", exclusiveMinimum=0, exclusiveMaximum=1),
]
"""A failure probability: 1e-18 up to 1, exclusive."""

Step = Annotated[Decimal, PlainValidator(_step), _schema("number", exclusiveMinimum=0)]
"""The step of a grid, in the column's own unit."""

Rows = Annotated[int, _integer(1, 10**9), _schema("integer", minimum=1)]
"""A number of rows."""

Groups = Annotated[int, _integer(1, 10**6), _schema("integer", minimum=1)]
"""A number of groups."""

Units = Annotated[int, _integer(1, 10**6), _schema("integer", minimum=1)]
"""A number of privacy units."""

Blocks = Annotated[int, _integer(1, 10**6), _schema("integer", minimum=1)]
"""A number of blocks in time."""

Threads = Annotated[int, _integer(1, 256), _schema("integer", minimum=1, maximum=256)]
"""A number of threads."""

Seconds = Annotated[int, _integer(1, 86400), _schema("integer", minimum=1)]
"""A length of time, in seconds."""

Memory = Annotated[
    str,
    PlainValidator(_memory),
    _schema("string", pattern="^[1-9][0-9]{0,5}(MB|GB)$"),
]
"""An amount of memory, such as 4GB."""

Version = Annotated[Literal[1], PlainValidator(_version), WithJsonSchema({"const": 1})]
"""The version of the policy language."""

Flag = Annotated[bool, PlainValidator(_flag), _schema("boolean")]
"""True or false."""

Text = Annotated[str, PlainValidator(_text), _schema("string", minLength=1)]
"""Printable text in one line."""

Label = Annotated[
    str,
    PlainValidator(_label),
    _schema("string", minLength=1, maxLength=_MAX_LABEL),
]
"""A short text of the owner's."""

WebAddress = Annotated[
    str, PlainValidator(_web_address), _schema("string", pattern="^https?://")
]
"""A URL of http or https."""

Shares = Annotated[
    tuple[Decimal, ...],
    PlainValidator(_shares),
    _schema(
        "array",
        items={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        minItems=1,
        maxItems=_MAX_SHARES,
        uniqueItems=True,
    ),
]
"""Shares of a whole, in ascending order; 1 is all of it."""

Sql = Annotated[
    str,
    PlainValidator(_sql),
    _schema("string", minLength=1, maxLength=_MAX_SQL),
]
"""SQL, in as many lines as it takes; whether it can be answered is not known here."""

Word = Annotated[
    str,
    PlainValidator(_word),
    _schema("string", pattern="^[A-Za-z0-9_.-]{1,64}$"),
]
"""A name that is safe in file names, logs and terminals."""

TableName = Annotated[
    str,
    PlainValidator(_table_name),
    _schema("string", pattern="^[^.]+$", maxLength=_MAX_NAME),
]
"""The name of a table, without its schema."""

ColumnName = Annotated[
    str,
    PlainValidator(_column_name),
    _schema("string", minLength=1, maxLength=_MAX_NAME),
]
"""The name of a column."""

Dotted = Annotated[
    str, PlainValidator(_dotted), _schema("string", pattern="^[^.]+[.].+$")
]
"""A column of another table: ``table.column``."""

Bounds = Annotated[
    tuple[Scalar, Scalar],
    PlainValidator(_bounds),
    _schema("array", items={"type": ["number", "string"]}, minItems=2, maxItems=2),
]
"""A public lowest and highest value: two numbers or two dates."""

Values = Annotated[
    tuple[Scalar | None, ...],
    PlainValidator(_values),
    _schema(
        "array",
        items={"type": ["number", "string", "boolean", "null"]},
        minItems=1,
        uniqueItems=True,
    ),
]
"""A closed, public list of constants of one kind; null stands for SQL NULL."""
