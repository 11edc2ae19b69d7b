"""How sqlglot spells what the plan knows, as tables."""

from __future__ import annotations

from typing import TypeAlias

from sqlglot import exp

from dpquery.policy.catalog import SqlType

_BOTH = ("this", "expression")
_ONE = ("this",)

NAMED_NODES: dict[type[exp.Expr], tuple[str, tuple[str, ...]]] = {
    **{
        node: (name, _ONE)
        for node, name in (
            (exp.Abs, "abs"),
            (exp.Sign, "sign"),
            (exp.Floor, "floor"),
            (exp.Ceil, "ceil"),
            (exp.Sqrt, "sqrt"),
            (exp.Cbrt, "cbrt"),
            (exp.Exp, "exp"),
            (exp.Ln, "ln"),
            (exp.Sin, "sin"),
            (exp.Cos, "cos"),
            (exp.Tan, "tan"),
            (exp.Cot, "cot"),
            (exp.Asin, "asin"),
            (exp.Acos, "acos"),
            (exp.Atan, "atan"),
            (exp.Sinh, "sinh"),
            (exp.Cosh, "cosh"),
            (exp.Tanh, "tanh"),
            (exp.Asinh, "asinh"),
            (exp.Acosh, "acosh"),
            (exp.Atanh, "atanh"),
            (exp.Degrees, "degrees"),
            (exp.Radians, "radians"),
            (exp.Factorial, "factorial"),
            (exp.IsNan, "isnan"),
            (exp.IsInf, "isinf"),
            (exp.BitwiseNot, "bit_not"),
            (exp.BitwiseCount, "bit_count"),
            (exp.Lower, "lower"),
            (exp.Upper, "upper"),
            (exp.Reverse, "reverse"),
            (exp.Length, "length"),
            (exp.ByteLength, "strlen"),
            (exp.BitLength, "bit_length"),
            (exp.Ascii, "ascii"),
            (exp.Unicode, "unicode"),
            (exp.Year, "year"),
            (exp.Quarter, "quarter"),
            (exp.Month, "month"),
            (exp.Week, "week"),
            (exp.WeekOfYear, "week"),
            (exp.YearOfWeek, "isoyear"),
            (exp.YearOfWeekIso, "isoyear"),
            (exp.Day, "day"),
            (exp.DayOfMonth, "day"),
            (exp.DayOfWeek, "dayofweek"),
            (exp.DayOfWeekIso, "isodow"),
            (exp.DayOfYear, "dayofyear"),
            (exp.Hour, "hour"),
            (exp.Minute, "minute"),
            (exp.Second, "second"),
            (exp.ArrayMin, "list_min"),
            (exp.ArrayMax, "list_max"),
        )
    },
    **{
        node: (name, _BOTH)
        for node, name in (
            (exp.SafeDivide, "divide"),
            (exp.IntDiv, "int_divide"),
            (exp.Mod, "modulo"),
            (exp.Pow, "pow"),
            (exp.Atan2, "atan2"),
            (exp.BitwiseAnd, "bit_and"),
            (exp.BitwiseOr, "bit_or"),
            (exp.BitwiseLeftShift, "shift_left"),
            (exp.BitwiseRightShift, "shift_right"),
            (exp.SafeAdd, "add"),
            (exp.SafeSubtract, "subtract"),
            (exp.SafeMultiply, "multiply"),
            (exp.Left, "left"),
            (exp.Right, "right"),
            (exp.StartsWith, "starts_with"),
            (exp.EndsWith, "ends_with"),
            (exp.Contains, "contains"),
            (exp.DPipe, "concat"),
            (exp.Split, "string_split"),
            (exp.Levenshtein, "levenshtein"),
            (exp.JarowinklerSimilarity, "jaro_winkler_similarity"),
            (exp.SimilarTo, "regexp_full_match"),
            (exp.ArrayContains, "list_contains"),
            (exp.ArrayPosition, "list_position"),
            (exp.ArrayOverlaps, "list_has_any"),
            (exp.ArrayContainsAll, "list_has_all"),
            (exp.ArrayToString, "array_to_string"),
        )
    },
    exp.Round: ("round", ("this", "decimals")),
    exp.Trunc: ("trunc", ("this", "decimals")),
    exp.Substring: ("substring", ("this", "start", "length")),
    exp.StrPosition: ("strpos", ("this", "substr")),
    exp.Replace: ("replace", ("this", "expression", "replacement")),
    exp.Translate: ("translate", ("this", "from_", "to")),
    exp.Repeat: ("repeat", ("this", "times")),
    exp.SplitPart: ("split_part", ("this", "delimiter", "part_index")),
    exp.WidthBucket: (
        "width_bucket",
        ("this", "min_value", "max_value", "num_buckets"),
    ),
    exp.RegexpFullMatch: ("regexp_full_match", ("this", "expression", "options")),
}
"""sqlglot's node, the plan's function, and the node's arguments in our order."""

HARMLESS = frozenset(
    {
        *("big_int", "safe", "typed", "clamp_position", "null_if_pos_overflow"),
        *("casts_non_integer_decimals", "fractions_supported", "check_null"),
    }
)
"""Marks on nodes that change nothing that a constant or a NULL rule does not."""

_T = exp.DType
_INTEGERS = (
    *(_T.TINYINT, _T.SMALLINT, _T.INT, _T.BIGINT, _T.INT128, _T.MEDIUMINT),
    *(_T.UTINYINT, _T.USMALLINT, _T.UINT, _T.UBIGINT, _T.UINT128),
)
_STAMPS = (
    *(_T.TIMESTAMP, _T.DATETIME, _T.TIMESTAMPNTZ, _T.DATETIME2, _T.SMALLDATETIME),
    *(_T.TIMESTAMPTZ, _T.TIMESTAMPLTZ),  # all clocks are UTC's
)
CAST_TYPES: dict[exp.DType, SqlType] = {
    **dict.fromkeys(_INTEGERS, SqlType.INTEGER),
    **dict.fromkeys((_T.FLOAT, _T.DOUBLE, _T.DECIMAL), SqlType.DOUBLE),
    **dict.fromkeys((_T.TEXT, _T.VARCHAR, _T.NVARCHAR, _T.CHAR), SqlType.VARCHAR),
    _T.BOOLEAN: SqlType.BOOLEAN,
    _T.DATE: SqlType.DATE,
    **dict.fromkeys(_STAMPS, SqlType.TIMESTAMP),
    _T.TIME: SqlType.TIME,
    _T.INTERVAL: SqlType.INTERVAL,
}

SPECIAL: tuple[type[exp.Expr], ...] = (
    *(exp.Window, exp.Filter, exp.AggFunc, exp.Subquery, exp.Query, exp.Exists),
    *(exp.Any, exp.All, exp.IgnoreNulls, exp.RespectNulls, exp.WithinGroup),
)
"""What a binder of subqueries, aggregates and windows may answer."""

Kinds: TypeAlias = type[exp.Expr] | tuple[type[exp.Expr], ...]
UNSUPPORTED: tuple[tuple[Kinds, str, str, str], ...] = (
    (
        exp.Window,
        "a window function stands where none may stand",
        "DPQ114",
        "windows stand in SELECT, ORDER BY and QUALIFY",
    ),
    (
        (exp.Subquery, exp.Select, exp.Exists, exp.Any, exp.All, exp.SetOperation),
        "a subquery stands where none may stand",
        "DPQ115",
        "write it as a WITH, and join it",
    ),
    (
        exp.Filter,
        "FILTER stands behind something that is no aggregate",
        "DPQ121",
        "COUNT(*) FILTER (WHERE …); of other values: CASE WHEN … THEN x END",
    ),
    (
        exp.AggFunc,
        "this aggregate is not answered, or stands where none may stand",
        "DPQ121",
        "aggregates stand in SELECT, HAVING and ORDER BY; see `dpquery docs DPQ121`",
    ),
    (
        exp.Star,
        "* would list rows of individuals",
        "DPQ122",
        "name the columns to group by, and COUNT(*) or another aggregate",
    ),
    (
        (exp.Rollup, exp.Cube, exp.GroupingSets),
        "several levels of GROUP BY stand where none may stand",
        "DPQ100",
        "ask for each level in a query of its own",
    ),
    (
        (exp.Placeholder, exp.Parameter),
        "parameters are not supported",
        "DPQ100",
        "write the value into the query",
    ),
    (
        (exp.Rand, exp.Randn, exp.Uuid),
        "chance has no part in a query: the same question has the same answer",
        "DPQ106",
        "noise is added to every answer anyway",
    ),
    (
        exp.Try,
        "TRY is not needed: what would fail on a row is NULL",
        "DPQ106",
        "write the expression without TRY",
    ),
    (
        (exp.Lambda, exp.Transform, exp.ArrayFilter),
        "functions of elements are not supported",
        "DPQ106",
        "list_contains, list_min, list_max and list_sum look at all elements",
    ),
)
"""Nodes that people write and that are refused, with what to do instead."""
