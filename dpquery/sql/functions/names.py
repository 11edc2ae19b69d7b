"""Other names of the table's functions, and what a name means for some types."""

from __future__ import annotations

from dpquery.sql.functions.signature import INTEGER, LISTS, Types

ALIASES: dict[str, str] = {
    "ceiling": "ceil",
    "mod": "modulo",
    "power": "pow",
    **dict.fromkeys(("roundbankers", "bround"), "round_even"),
    "greatest_common_divisor": "gcd",
    "least_common_multiple": "lcm",
    "lcase": "lower",
    "ucase": "upper",
    "len": "length",
    "char_length": "length",
    "character_length": "length",
    "octet_length": "strlen",
    "substr": "substring",
    "mid": "substring",
    "prefix": "starts_with",
    "startswith": "starts_with",
    "suffix": "ends_with",
    "endswith": "ends_with",
    "instr": "strpos",
    "position": "strpos",
    "ord": "unicode",
    "codepoint": "unicode",
    "editdist3": "levenshtein",
    "str_split": "string_split",
    "string_to_array": "string_split",
    "split": "string_split",
    "regexp_like": "regexp_matches",
    "regexp": "regexp_matches",
    "dayofmonth": "day",
    "dow": "dayofweek",
    "weekday": "dayofweek",
    "doy": "dayofyear",
    "weekofyear": "week",
    "datetrunc": "date_trunc",
    "datediff": "date_diff",
    "datesub": "date_sub",
    "try_strptime": "strptime",
    "array_length": "list_length",
    "cardinality": "list_length",
    "array_contains": "list_contains",
    "array_has": "list_contains",
    "list_has": "list_contains",
    "array_position": "list_position",
    "array_indexof": "list_position",
    "list_indexof": "list_position",
    "array_has_any": "list_has_any",
    "array_has_all": "list_has_all",
    "array_extract": "list_extract",
    "array_unique": "list_unique",
    "ifnull": "coalesce",
    "nvl": "coalesce",
}
"""Other spellings that analysts use."""

PARTS: dict[str, str] = {
    **dict.fromkeys(("y", "yr", "yrs", "years"), "year"),
    **dict.fromkeys(("quarters",), "quarter"),
    **dict.fromkeys(("mon", "mons", "months"), "month"),
    **dict.fromkeys(("w", "weeks", "isoweek", "week_iso", "weekiso"), "week"),
    **dict.fromkeys(("d", "days", "dayofmonth", "day_of_month"), "day"),
    **dict.fromkeys(("dow", "weekday"), "dayofweek"),
    **dict.fromkeys(("dow_iso", "dayofweek_iso", "dayofweekiso"), "isodow"),
    **dict.fromkeys(("doy", "day_of_year"), "dayofyear"),
    **dict.fromkeys(("h", "hr", "hours"), "hour"),
    **dict.fromkeys(("min", "mins", "minutes"), "minute"),
    **dict.fromkeys(("s", "sec", "secs", "seconds"), "second"),
    **dict.fromkeys(("ms", "msec", "milliseconds"), "millisecond"),
    **dict.fromkeys(("us", "usec", "microseconds"), "microsecond"),
    **dict.fromkeys(("decades",), "decade"),
    **dict.fromkeys(("centuries",), "century"),
    **dict.fromkeys(("yearofweekiso", "yearofweek"), "isoyear"),
    **dict.fromkeys(("epoch_second", "epoch_seconds"), "epoch"),
}
"""Words that EXTRACT and date_part take, where they are not a function's own name."""

PART_NAMES: frozenset[str] = frozenset(
    {
        *("year", "quarter", "month", "week", "day", "dayofweek", "isodow"),
        *("dayofyear", "hour", "minute", "second", "millisecond", "microsecond"),
        *("decade", "century", "millennium", "isoyear", "yearweek", "epoch"),
        *("julian",),
    }
)

OVERLOADS: dict[str, tuple[tuple[Types, str], ...]] = {
    "length": ((LISTS, "list_length"),),
    "contains": ((LISTS, "list_contains"),),
    "epoch_ms": ((INTEGER, "from_epoch_ms"),),
    "epoch_us": ((INTEGER, "from_epoch_us"),),
}
"""Which function of the table a name means when its first argument has these types."""
