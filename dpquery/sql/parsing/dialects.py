"""What a node means in its dialect, said with the nodes that DuckDB has for it.

The binder knows DuckDB's meanings only. Where dialects mean different things by one
spelling, this pass rewrites the tree; where it is not known what a dialect means, the
query is refused rather than answered wrongly.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlglot import exp

from dpquery.policy.catalog import fold

if TYPE_CHECKING:
    from collections.abc import Callable

Rule: TypeAlias = "Callable[[Any, str], exp.Expr | None]"
"""From a node and the dialect to the node to put in its place; ``None``: keep it."""

_SPARK = frozenset({"spark", "spark2", "databricks", "hive"})
_TRINO = frozenset({"trino", "presto", "athena"})
_TSQL = frozenset({"tsql", "fabric"})
_POSTGRES = frozenset({"postgres", "redshift", "materialize", "risingwave"})
_SUNDAY_IS_0 = _POSTGRES | {"duckdb", "snowflake"}
_SUNDAY_IS_1 = _SPARK | _TSQL | {"bigquery", "mysql"}
_ISO_WEEKS = _POSTGRES | _SPARK | _TRINO | {"duckdb", "snowflake"}
_BACKSLASH = (_POSTGRES | _SPARK | {"mysql", "bigquery"}) - {"materialize"}
"""Dialects in which a backslash in a LIKE pattern is an escape."""


class UnclearError(Exception):
    """A node that is refused in its dialect; the parser adds the position."""

    def __init__(self, node: exp.Expr, message: str, hint: str) -> None:
        super().__init__(message)
        self.node = node
        self.message = message
        self.hint = hint


def normalised(statement: exp.Expr, dialect: str) -> None:
    """
    Rewrite *statement* as DuckDB would write what it means in *dialect*.

    Raises:
        UnclearError: something in it has no meaning that is known.
    """
    for node in reversed(list(statement.walk())):
        rule = RULES.get(type(node))
        instead = None if rule is None else rule(node, dialect)
        if instead is not None:
            node.replace(instead)


def _literal(value: int) -> exp.Literal:
    return exp.Literal(this=str(value), is_string=False)


def _plus(node: exp.Expr, by: int) -> exp.Paren:
    """Return a number moved by a constant."""
    kind = exp.Add if by > 0 else exp.Sub
    return exp.Paren(this=kind(this=node, expression=_literal(abs(by))))


def _extract(part: str, of: exp.Expr) -> exp.Extract:
    return exp.Extract(this=exp.Var(this=part), expression=of.copy())


# --- days and weeks --------------------------------------------------------------


def _weekday_of(node: exp.Expr, of: exp.Expr, dialect: str) -> exp.Expr | None:
    """Return the day of the week as the dialect numbers it."""
    if dialect in _SUNDAY_IS_0:
        return None
    if dialect in _SUNDAY_IS_1:
        return _plus(_extract("DAYOFWEEK", of), 1)
    if dialect in _TRINO:
        return _extract("ISODOW", of)
    hint = "use a dialect whose numbers are known, e.g. isodow(date) in DuckDB's"
    msg = "dialects number the days of the week differently"
    raise UnclearError(node, msg, hint)


def _day_of_week(node: exp.DayOfWeek, dialect: str) -> exp.Expr | None:
    return _weekday_of(node, node.this, dialect)


_WEEKDAYS = frozenset({"dow", "dayofweek", "day_of_week", "weekday", "dw"})
_ISO_DAYS = frozenset({"dayofweekiso", "dayofweek_iso", "dow_iso", "isodow"})


def _extraction(node: exp.Extract, dialect: str) -> exp.Expr | None:
    """Rewrite parts of dates that dialects count differently."""
    part = fold(node.this.name)
    of = node.expression
    if part in _WEEKDAYS:
        return _weekday_of(node, of, dialect)
    if part in _ISO_DAYS:
        return None if part == "isodow" else _extract("ISODOW", of)
    if part in {"week", "weeks", "wk", "ww"}:
        _week(node, dialect)
        return None
    if dialect == "postgres" and part in {"second", "seconds", "sec"}:
        return _fraction(of, 1_000_000)
    if dialect == "postgres" and part in {"millisecond", "milliseconds"}:
        return _fraction(of, 1000)
    return None


def _fraction(of: exp.Expr, by: int) -> exp.Expr:
    """Return the seconds of a time with their fraction, as PostgreSQL has them."""
    return exp.Paren(
        this=exp.Div(this=_extract("MICROSECOND", of), expression=_literal(by))
    )


def _week(node: exp.Expr, dialect: str) -> None:
    """Refuse weeks that are not ISO's."""
    if dialect not in _ISO_WEEKS:
        hint = "use the ISO week: ISOWEEK, WEEKOFYEAR or iso_week"
        msg = f"weeks are counted differently in {dialect}"
        raise UnclearError(node, msg, hint)


def _named_call(node: exp.Anonymous, dialect: str) -> exp.Expr | None:
    """Rewrite functions that sqlglot has no node for."""
    name, arguments = fold(str(node.this)), node.expressions
    if name == "weekday" and len(arguments) == 1 and dialect != "duckdb":
        if dialect in _SPARK | {"mysql"}:
            return _plus(_extract("ISODOW", arguments[0]), -1)
        return _weekday_of(node, arguments[0], dialect)
    if name in {"date_part", "datepart"} and len(arguments) == 2:  # noqa: PLR2004
        part = arguments[0]
        if dialect != "duckdb" and isinstance(part, exp.Literal) and part.is_string:
            found = exp.Extract(this=exp.Var(this=part.name), expression=arguments[1])
            return _extraction(found, dialect) or found
    if name == "unix_timestamp" and len(arguments) == 1 and dialect == "mysql":
        return exp.UnixSeconds(this=arguments[0])
    if name == "yearweek" and dialect != "duckdb":
        _week(node, "mysql")
    return None


_SHORT_UNITS = {
    "mm": "MONTH",
    "mon": "MONTH",
    "yy": "YEAR",
    "yyyy": "YEAR",
    "q": "QUARTER",
    "dd": "DAY",
}


def _truncation(node: exp.DateTrunc, dialect: str) -> exp.Expr | None:
    """Spell out the short units of Spark's trunc."""
    unit = node.args.get("unit")
    long = _SHORT_UNITS.get(fold(unit.name)) if isinstance(unit, exp.Literal) else None
    if dialect not in _SPARK or long is None:
        return None
    return exp.TimestampTrunc(this=node.this.copy(), unit=exp.Var(this=long))


# --- differences -----------------------------------------------------------------

_BOUNDARIES = _TSQL | {"redshift"}
"""Dialects that count boundaries, of which sqlglot does not say so."""
_PASSED = _TRINO | _SPARK | {"mysql"}
"""Dialects that count whole units that have passed."""


def _difference(node: exp.Expr, dialect: str) -> exp.Expr | None:
    """Say whether DATEDIFF counts boundaries of units or whole units."""
    unit = node.args.get("unit")
    name = "day" if unit is None else fold(unit.name)
    if dialect in _BOUNDARIES:
        node.set("date_part_boundary", True)
    bounded = node.args.get("date_part_boundary")
    if bounded and isinstance(unit, exp.Var) and name in {"week", "weeks", "isoweek"}:
        if dialect == "redshift":
            _week(node, "mysql")
        starts = "SUNDAY" if dialect in _TSQL else "MONDAY"
        if dialect != "duckdb":
            node.set("unit", exp.WeekStart(this=exp.Var(this=starts)))
    if bounded or dialect in _PASSED | {"duckdb"} or name == "day":
        return None
    if isinstance(node, exp.TimestampDiff) and dialect == "bigquery":
        return None
    hint = "subtract the dates, or count days"
    msg = f"it is not known how {dialect} counts the {name}s between two dates"
    raise UnclearError(node, msg, hint)


# --- texts -----------------------------------------------------------------------


def _pattern(node: exp.Like | exp.ILike, dialect: str) -> exp.Expr | None:
    """Give a LIKE the escape that its dialect takes for granted."""
    pattern = node.expression
    if not isinstance(pattern, exp.Literal) or isinstance(node.parent, exp.Escape):
        return None
    if dialect in _TSQL and "[" in pattern.name:
        hint = "write the alternatives with OR, or ask in another dialect"
        msg = "classes of characters in LIKE are not supported"
        raise UnclearError(node, msg, hint)
    if dialect not in _BACKSLASH or "\\" not in pattern.name:
        return None
    return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))


def _similar(node: exp.SimilarTo, dialect: str) -> None:
    """Refuse SIMILAR TO outside DuckDB, where it is a regular expression."""
    if dialect != "duckdb":
        hint = "use LIKE, or a regular expression"
        msg = "SIMILAR TO has a language of its own in this dialect"
        raise UnclearError(node, msg, hint)


_DOLLAR_GROUPS = _SPARK | _TRINO | {"snowflake", "mysql"}


def _replacement(node: exp.RegexpReplace, dialect: str) -> None:
    r"""Write ``$1`` as ``\1`` for dialects whose groups are written so."""
    new = node.args.get("replacement")
    if not isinstance(new, exp.Literal) or dialect not in _DOLLAR_GROUPS:
        return
    if "$" not in new.name and dialect not in _SPARK | _TRINO | {"mysql"}:
        return
    if "\\" in new.name and dialect != "snowflake":
        hint = "write groups as $1, and no backslashes"
        raise UnclearError(node, "this replacement is not supported", hint)
    if dialect == "snowflake":
        return  # groups are \1 there, and a dollar is a dollar
    if re.search(r"\$(?!\d)", new.name):
        hint = "a dollar is followed by the number of a group"
        raise UnclearError(node, "this replacement is not supported", hint)
    new.replace(exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", new.name)))


_START_IS_1 = _SPARK | {"bigquery", "snowflake", "oracle"}
"""Dialects in which a substring from 0 is one from 1."""
_FROM_THE_END = _START_IS_1 | _TRINO | {"duckdb", "mysql", "sqlite"}
"""Dialects in which a negative start counts from the end."""


def _substring(node: exp.Substring, dialect: str) -> None:
    """Refuse or move the start of a substring where it is not a position."""
    node.set("zero_start", None)
    start, length = node.args.get("start"), node.args.get("length")
    if dialect == "duckdb" or start is None:
        return
    if isinstance(length, exp.Neg):
        raise UnclearError(node, "a length is not negative", "use a positive one")
    if isinstance(start, exp.Neg) and dialect not in _FROM_THE_END:
        hint = "use RIGHT(text, length)"
        msg = f"a negative start is not supported in {dialect}"
        raise UnclearError(node, msg, hint)
    if isinstance(start, exp.Literal) and start.name == "0":
        if dialect not in _START_IS_1:
            hint = "texts start at 1"
            raise UnclearError(node, "a start of 0 is not supported", hint)
        node.set("start", _literal(1))


def _side(node: exp.Left | exp.Right, dialect: str) -> None:
    """Refuse negative lengths where they are not "all but the last"."""
    negative = isinstance(node.expression, exp.Neg)
    if negative and dialect not in _POSTGRES | {"duckdb"}:
        hint = "use a positive length"
        msg = f"a negative length is not supported in {dialect}"
        raise UnclearError(node, msg, hint)


def _length(node: exp.Length, dialect: str) -> exp.Expr | None:
    """Count bytes where LENGTH counts bytes, and T-SQL's texts without their end."""
    if dialect == "mysql" and node.args.get("binary"):
        return exp.ByteLength(this=node.this.copy())
    node.set("binary", None)
    if dialect in _TSQL:
        return exp.Length(this=exp.Trim(this=node.this.copy(), position="TRAILING"))
    return None


def _split(node: exp.Split | exp.SplitPart | exp.RegexpSplit, dialect: str) -> None:
    """Drop marks that say nothing where the separator is not empty."""
    key = "delimiter" if isinstance(node, exp.SplitPart) else "expression"
    by = node.args.get(key)
    marks = ("null_returns_null", "empty_delimiter_returns_whole")
    if isinstance(by, exp.Literal) and by.name:
        for mark in marks:
            node.set(mark, None)
        part = node.args.get("part_index")
        if node.args.get("part_index_zero_as_one"):
            node.set("part_index_zero_as_one", None)
            if isinstance(part, exp.Literal) and part.name == "0":
                node.set("part_index", _literal(1))
    elif dialect not in {"duckdb", *_POSTGRES}:
        hint = "split at a constant that is not empty"
        raise UnclearError(node, "the separator is a constant", hint)


def _regexp_split(node: exp.RegexpSplit, dialect: str) -> exp.Expr:
    """Take Spark's split at a text that means only itself."""
    by = node.expression
    plain = isinstance(by, exp.Literal) and re.fullmatch(r"[\w ,;:/=&@#%-]+", by.name)
    if not plain or node.args.get("limit") or dialect not in _SPARK:
        hint = "split at a constant without special characters"
        raise UnclearError(node, "splitting at a pattern is not supported", hint)
    return exp.Split(this=node.this.copy(), expression=by.copy())


# --- numbers and conversions -----------------------------------------------------

_TRUNCATING = _SPARK | _TSQL | {"clickhouse"}
"""Dialects whose casts to whole numbers cut the fraction; others round."""


def _conversion(node: exp.Cast, dialect: str) -> None:
    """Mark casts that cut the fraction, and drop marks without a meaning here."""
    node.set("requires_string", None)
    if dialect in _TRUNCATING:
        node.set("truncate", True)


def _convert(node: exp.Convert, dialect: str) -> exp.Expr:
    """Read T-SQL's CONVERT(type, value) as a cast."""
    if node.args.get("style") is not None:
        hint = "use CAST, or FORMAT for dates"
        raise UnclearError(node, "styles of CONVERT are not supported", hint)
    kind = exp.TryCast if node.args.get("safe") else exp.Cast
    found = kind(this=node.expression.copy(), to=node.this.copy())
    _conversion(found, dialect)
    return found


def _to_number(node: exp.ToNumber, _: str) -> exp.Expr:
    """Read TO_NUMBER(text, precision, scale) as a cast."""
    if node.args.get("format") is not None:
        hint = "use CAST"
        raise UnclearError(node, "formats of numbers are not supported", hint)
    sizes = [node.args.get("precision"), node.args.get("scale")]
    given = [exp.DataTypeParam(this=each.copy()) for each in sizes if each is not None]
    to = exp.DataType(this=exp.DType.DECIMAL, expressions=given)
    return exp.TryCast(this=node.this.copy(), to=to, safe=True)


def _rounding(node: exp.Round, dialect: str) -> exp.Expr | None:
    """Read T-SQL's ROUND(x, digits, 1), which cuts."""
    cut = node.args.get("truncate")
    if cut is None or dialect not in _TSQL:
        return None
    kind = exp.Round if cut.name == "0" else exp.Trunc
    return kind(this=node.this.copy(), decimals=node.args["decimals"].copy())


def _sum(node: exp.Add, dialect: str) -> None:
    """Mark the sum that joins texts in T-SQL."""
    if dialect in _TSQL:
        node.set("text", True)


def _bits(node: exp.BitwiseNot, dialect: str) -> None:
    """Refuse the complement of unsigned numbers."""
    if dialect == "mysql":
        hint = "use -x - 1"
        raise UnclearError(node, "~ gives an unsigned number in mysql", hint)


def _parts(node: exp.DateFromParts, _: str) -> None:
    """Take Snowflake's dates from parts that need no carrying over."""
    month, day = node.args.get("month"), node.args.get("day")
    fixed = all(isinstance(each, exp.Literal) for each in (month, day))
    if not node.args.get("allow_overflow") or not fixed:
        return
    in_year = 1 <= int(month.name) <= 12 and 1 <= int(day.name) <= 28  # type: ignore[union-attr]  # noqa: PLR2004 -- both are literals; any month has 28 days
    if in_year:
        node.set("allow_overflow", None)


RULES: dict[type[exp.Expr], Rule] = {
    exp.DayOfWeek: _day_of_week,
    exp.Extract: _extraction,
    exp.Week: _week,
    exp.Anonymous: _named_call,
    exp.DateTrunc: _truncation,
    **dict.fromkeys(
        (exp.DateDiff, exp.TimestampDiff, exp.DatetimeDiff, exp.TsOrDsDiff), _difference
    ),
    **dict.fromkeys((exp.Like, exp.ILike), _pattern),
    exp.SimilarTo: _similar,
    exp.RegexpReplace: _replacement,
    exp.Substring: _substring,
    **dict.fromkeys((exp.Left, exp.Right), _side),
    exp.Length: _length,
    **dict.fromkeys((exp.Split, exp.SplitPart), _split),
    exp.RegexpSplit: _regexp_split,
    **dict.fromkeys((exp.Cast, exp.TryCast), _conversion),
    exp.Convert: _convert,
    exp.ToNumber: _to_number,
    exp.Round: _rounding,
    exp.Add: _sum,
    exp.BitwiseNot: _bits,
    exp.DateFromParts: _parts,
}
"""By the kind of node."""
