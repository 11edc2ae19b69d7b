"""On ordinary values every function gives what DuckDB's own gives."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest

from dpquery.engines.base import Limits
from dpquery.engines.lockdown import configuration
from dpquery.plan.expressions import Call, Expression
from dpquery.policy.catalog import Catalog
from dpquery.sql.functions import ALIASES, FUNCTIONS, OVERLOADS
from dpquery.sql.lowering.expressions import lower
from dpquery.sql.queries.bind import bind

from .conftest import PLAIN

_SAME = (
    *("x + y", "x - y", "x * y", "x / y", "i // j", "i % j", "-x", "fmod(x, 2)"),
    *("abs(x)", "sign(x)", "floor(x)", "ceil(x)", "trunc(x)", "round(x)", "even(x)"),
    *("round_even(x, 1)", "sqrt(abs(x))", "ln(y + 9)", "log10(y + 9)", "log2(y + 9)"),
    *("cbrt(x)", "exp(y)", "sin(x)", "cos(x)", "tan(x)", "cot(x + 9)", "atan(x)"),
    *("sinh(y)", "cosh(y)", "tanh(x)", "asinh(x)", "degrees(x)", "radians(x)"),
    *("asin(x / 9)", "acos(x / 9)", "atanh(x / 9)", "acosh(y + 9)", "gamma(y + 9)"),
    *("lgamma(y + 9)", "atan2(x, y)", "log(3, y + 9)", "pow(y, 2)"),
    *("isnan(x)", "isfinite(x)", "isinf(x)", "i & j", "i | j", "xor(i, j)", "~i"),
    *("i >> 1", "bit_count(i)", "gcd(i, j)", "lcm(i, j)", "factorial(abs(i))"),
    *("lower(t)", "upper(t)", "reverse(t)", "strip_accents(t)", "trim(t)", "ltrim(t)"),
    *("rtrim(t)", "length(t)", "strlen(t)", "bit_length(t)", "left(t, 3)"),
    *("right(t, 3)", "substring(t, 2, 3)", "starts_with(t, 'A')", "ends_with(t, 'z')"),
    *("contains(t, 'b')", "strpos(t, 'b')", "ascii(t)", "unicode(t)", "chr(i + 90)"),
    *("replace(t, 'b', 'xy')", "translate(t, 'ab', 'x')", "t || '!'"),
    *("concat_ws('-', t, 'x', NULL)", "repeat(t, 3)", "lpad(t, 6, '*')"),
    *("rpad(t, 2, '*')", "split_part(t, 'b', 1)", "string_split(t, 'b')"),
    *("levenshtein(t, 'Abz')", "damerau_levenshtein(t, 'bAz')"),
    *("jaro_similarity(t, 'Abz')", "jaro_winkler_similarity(t, 'Abz')"),
    *("t LIKE '%b_'", "t ILIKE '%B_'", "regexp_matches(t, 'b+')"),
    *("regexp_full_match(t, '[a-z]+')", "regexp_replace(t, '(b)', '<\\1>')"),
    *("regexp_extract(t, 'b(.)', 1)", "year(d)", "quarter(d)", "month(d)", "day(d)"),
    *("week(d)", "isoyear(d)", "yearweek(d)", "decade(d)", "century(d)"),
    *("millennium(d)", "dayofweek(d)", "isodow(d)", "dayofyear(d)", "hour(s)"),
    *("minute(s)", "second(s)", "millisecond(s)", "microsecond(s)", "epoch(s)"),
    *("julian(s)", "epoch_ms(s)", "epoch_us(s)", "monthname(d)", "dayname(d)"),
    *("days_in_month(d)", "date_diff('month', d, e)", "date_sub('month', d, e)"),
    *("age(s, e)", "last_day(d)", "make_date(1999 + j, 2, 28)"),
    *("make_timestamp(2000, 1, 2, 3, 4, y + 9)", "strftime(s, '%A %-d %b %Y, %H:%M')"),
    *("d + i", "d + INTERVAL 1 MONTH", "d - e", "s - e"),
    *("time_bucket(INTERVAL 7 DAY, s)", "list_contains(l, 7)", "list_position(l, 8)"),
    *("list_has_any(l, [7, 1])", "list_has_all(l, [7])", "l[1]", "list_min(l)"),
    *("list_max(l)", "list_sum(l)", "list_avg(l)", "list_unique(l)", "list_count(l)"),
    *("array_to_string(w, '+')", "len(l)"),
)
_NAMES = {
    "x + y": "add",
    "x - y": "subtract",
    "x * y": "multiply",
    "x / y": "divide",
    "i // j": "int_divide",
    "i % j": "modulo",
    "-x": "negate",
    "i & j": "bit_and",
    "i | j": "bit_or",
    "~i": "bit_not",
    "i >> 1": "shift_right",
    "d + i": "plus_days",
    "t || '!'": "concat",
    "t LIKE '%b_'": "like",
    "t ILIKE '%B_'": "ilike",
    "d + INTERVAL 1 MONTH": "plus_interval",
    "d - e": "days_between",
    "s - e": "time_between",
    "l[1]": "list_extract",
    "len(l)": "list_length",
}
ORDINARY: dict[str, tuple[str, str]] = {
    **{_NAMES.get(asked, asked.split("(")[0]): (asked, asked) for asked in _SAME},
    "shift_left": ("i << 2", "i * 4"),
    "jaccard": ("jaccard(t, 'Abz')", "jaccard(nullif(t, ''), 'Abz')"),
    "date_trunc": ("date_trunc('week', d)", "date_trunc('week', d)::TIMESTAMP"),
    "minus_interval": ("d - (s - e)", "d - (s - e)"),
    "interval_of": ("to_days(i) > INTERVAL 3 DAY", "to_days(i::INT) > INTERVAL 3 DAY"),
    "to_timestamp": ("to_timestamp(x)", "make_timestamp((x * 1000000)::BIGINT)"),
    "from_epoch_ms": ("epoch_ms(i)", "epoch_ms(i)"),
    "from_epoch_us": ("make_timestamp(i)", "make_timestamp(i)"),
    "strptime": ("strptime(t || '2024', '%Y')", "try_strptime(t || '2024', '%Y')"),
    "width_bucket": (
        "width_bucket(x, -2, 4, 3)",
        "CASE WHEN x < -2 THEN 0 WHEN x >= 4 THEN 4 ELSE 1 + floor((x + 2) / 2) END",
    ),
}
"""By the table's name: what is asked, and what DuckDB is asked."""

MORE = [
    *("round(x, 1)", "round(-x, 1)", "trunc(x, 1)", "substring(t, 3)", "x % y"),
    *("substring(t, -2)", "left(t, -1)", "right(t, -1)", "trim(t, 'ab')", "x ^ 2"),
    *("date_trunc('quarter', s)", "date_trunc('hour', s)", "extract(year FROM s)"),
    *("date_part('month', s)", "date_part('dow', s)", "extract(epoch FROM s - e)"),
    *("extract(day FROM s - e)", "hour(s - e)", "epoch(d)", "hour(o)", "d + 5"),
    *(
        "5 + d",
        "d - 5",
        "d - INTERVAL '1 year 2 months'",
        "s + INTERVAL '1 day 02:30'",
    ),
    *("s - INTERVAL (j) HOUR", "j * INTERVAL 2 DAY + d", "date_diff('week', d, s)"),
    *("date_diff('hour', d, s)", "date_sub('day', s, e)", "age(d, e) > INTERVAL 1 DAY"),
    *("strptime(CAST(d AS VARCHAR), '%Y-%m-%d')", "monthname(s)", "last_day(s)"),
    *("concat(t, NULL, 'z')", "concat(t, i)", "t || d", "t LIKE '%!_%' ESCAPE '!'"),
    *("t ILIKE 'a!%%' ESCAPE '!'", "t NOT LIKE 'a%'", "t GLOB '*b?'", "t GLOB '[!A]*'"),
    *("t LIKE ANY ('A%', '%z')", "t SIMILAR TO '[a-z]+'", "t ~ 'b'", "t ^@ 'A'"),
    *("t !~ 'b'", "regexp_matches(t, 'B', 'i')", "regexp_extract(t, 'b.')"),
    *("regexp_replace(t, 'b', '', 'g')", "regexp_extract(t, '(?P<n>B)', 1, 'i')"),
    *("CASE WHEN x > 1 THEN i END", "CASE t WHEN 'Abc' THEN 1 ELSE 2 END"),
    *("IF(x > 1, x, y)", "COALESCE(NULLIF(i, 7), 0)", "LEAST(x, y, 2)"),
    *("GREATEST(i, j)", "x BETWEEN 0 AND 3", "x BETWEEN SYMMETRIC 3 AND y"),
    *("i IN (7, -7)", "i IN (7, j, NULL)", "i NOT IN (7, NULL)", "i IN (j + 5, i + j)"),
    *("(i, j) = (7, 2)", "(i, t) IN ((7, 'Abc'), (8, NULL))", "(i, j) <> (7, 2)"),
    *("i IS DISTINCT FROM j", "i IS NOT DISTINCT FROM NULL", "(x > 2) IS UNKNOWN"),
    *("t IS NOT NULL AND NOT (x > 2 OR y < 2)", "(x > 2) IS TRUE"),
    *("(x > 2) IS NOT FALSE", "i = ANY ([7, 8])", "i = ANY (l)", "i <> ALL ([7])"),
    *("8 IN (l)", "l && [8]", "l @> [7]", "[7] <@ l", "l[-1]", "len(w)", "l IS NULL"),
    *("array_length(l)", "cardinality(l)", "contains(l, 7)", "l = [7, 8]"),
    *("COALESCE(l, [0])", "list_max([i, j, 3])", "list_max(f)", "w[1] = t"),
    *("z.p", 'z."q r"', "z['p']", "z.n.k", "z.n.v[1]", "struct_extract(z, 'q r')"),
    *("plain.z.n.k", "(z).p", "CAST(i AS VARCHAR)", "CAST(d AS TIMESTAMP)"),
    *(
        "CAST(s AS DATE)",
        "CAST(s AS TIME)",
        "CAST('2024-02-29' AS DATE) = d",
        "m = 1.5",
    ),
    *("CAST(x AS DECIMAL(10, 1))", "m > 1", "o > TIME '12:00:00'", "o <= '12:30:00'"),
    *("d = TIMESTAMP '2024-02-29 00:00:00'", "d < TIMESTAMP '2024-02-29 12:00:00'"),
    *("s - e > INTERVAL 3 DAY", "s - e <= '3 days'", "pi() * x", "xor(x > 1, y > 1)"),
    *("(x > 1) = (y > 1)", "isnan(y)", "x / 0", "i // 0", "x % 0"),
]
"""Asked as they are."""
DIFFERENT = {
    "CAST(x AS INTEGER)": "CAST(x AS BIGINT)",
    "m * 2": "(m * 2)::DOUBLE",
    "x / 0": "NULL",
    "x % 0": "NULL",
    "sqrt(x)": "CASE WHEN x >= 0 THEN sqrt(x) END",
    "ln(x)": "CASE WHEN x > 0 THEN ln(x) END",
    "pow(x, 0.5)": "CASE WHEN x >= 0 THEN pow(x, 0.5) END",
    "factorial(i)": "CASE WHEN i >= 0 THEN factorial(i::INT) END",
    "i = ANY (l)": "CASE WHEN l IS NOT NULL THEN i = ANY (l) END",
    "make_date(2023, 2, 29 + j * j)": "NULL",
    "xor(x > 1, y > 1)": "(x > 1) <> (y > 1)",
    "x BETWEEN SYMMETRIC 3 AND y": "x BETWEEN least(3, y) AND greatest(3, y)",
    "t LIKE ANY ('A%', '%z')": "t LIKE 'A%' OR t LIKE '%z'",
    "(i, t) IN ((7, 'Abc'), (8, NULL))": "i = 7 AND t = 'Abc' OR i = 8 AND NULL",
    "NVL2(t, i, j)": "CASE WHEN t IS NOT NULL THEN i ELSE j END",
    "z.n.v[1]": "z.n.v[1]::DOUBLE",
    "s - INTERVAL (j) HOUR": "s - to_hours(j)",
    "j * INTERVAL 2 DAY + d": "d + to_days((2 * j)::INT)",
    "d + i": "d + i::INT",
    "list_sum(l)": "list_sum(l)::BIGINT",
    "factorial(abs(i))": "factorial(abs(i)::INT)",
    "chr(i + 90)": "chr((i + 90)::INT)",
    "CAST(x AS DECIMAL(10, 1))": "CAST(x AS DECIMAL(10, 1))::DOUBLE",
    "even(x)": "even(x)::BIGINT",
    "date_diff('week', d, s)": "date_diff('week', d::TIMESTAMP, s)",
    "date_diff('hour', d, s)": "date_diff('hour', d::TIMESTAMP, s)",
    "date_sub('day', s, e)": "date_sub('day', s, e::TIMESTAMP)",
    "5 + d": "d + 5",
    "8 IN (l)": "list_contains(l, 8)",
    "contains(l, 7)": "list_contains(l, 7)",
    "strptime(CAST(d AS VARCHAR), '%Y-%m-%d')": "d::TIMESTAMP",
    "s - e <= '3 days'": "s - e <= INTERVAL '3 days'",
    "cardinality(l)": "len(l)",
    "(x > 2) IS UNKNOWN": "(x > 2) IS NULL",
}
ROWS = """
    (7, 2, 1.5, 2.25, 12.50, 'Abc', '2024-02-29', '2023-11-30', '2024-02-29 23:59:58',
     TRUE, '12:30:00', [7, 8], ['a', NULL], [1.5, 'nan'::DOUBLE],
     {'p': 1, 'q r': 'u', 'n': {'k': '2020-01-01', 'v': [1.25, 2]}}),
    (-7, 2, -2.5, 4.0, 1.50, ' bz ', '2021-01-03', '2021-01-03', '2021-01-03 00:00:00',
     FALSE, '00:00:00', [], [], [], {'p': NULL, 'q r': NULL, 'n': NULL}),
    (8, -3, 3.75, -0.5, -0.01, 'aabbz', '1999-12-31', '2000-02-01',
     '1999-12-31 12:30:00', NULL, '23:59:59', [NULL, 7], ['b'], [NULL, -1], NULL),
    (0, 5, 0.0, 1.0, 0, '', '2000-01-01', '1999-01-31', '2000-01-01 01:01:01.5', TRUE,
     '01:02:03.004', [7, 7, 1], ['Abc', 'x'], [2], {'p': 5, 'q r': '', 'n': NULL}),
    (NULL, 1, NULL, 1.0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL)
"""


@pytest.fixture(scope="module")
def plain() -> duckdb.DuckDBPyConnection:
    limits = Limits(memory="300MB", threads=1)
    connection = duckdb.connect(config=configuration(limits))
    columns = ", ".join(f"{name} {kind}" for name, kind in PLAIN.items() if name != "g")
    connection.execute(f"CREATE TABLE plain ({columns})")
    connection.execute(f"INSERT INTO plain VALUES {ROWS}")
    return connection


def argument(catalog: Catalog, asked: str, dialect: str = "duckdb") -> Expression:
    query = bind(f"SELECT COUNT({asked}) FROM plain", catalog, dialect)
    (count,) = query.boundaries[0].aggregates
    assert count.argument is not None  # type: ignore[union-attr]
    return count.argument  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "asked", "own"),
    [
        *((name, *pair) for name, pair in ORDINARY.items()),
        *(("", asked, asked) for asked in MORE),
        *(("", asked, own) for asked, own in DIFFERENT.items()),
    ],
)
def test_on_ordinary_values_it_is_duckdb_s_own(
    plain: duckdb.DuckDBPyConnection,
    boundary_catalog: Catalog,
    name: str,
    asked: str,
    own: str,
) -> None:
    expression = argument(boundary_catalog, asked)
    if name in FUNCTIONS and name != "interval_of":
        assert isinstance(expression, Call)
        assert expression.function == name
    lowered = lower(expression).sql("duckdb")
    own = DIFFERENT.get(own, own)
    rows = plain.execute(f"SELECT {lowered}, {own} FROM plain").fetchall()
    for ours, theirs in rows:
        if isinstance(ours, float) and theirs is not None:
            assert ours == pytest.approx(float(theirs), nan_ok=True)
        else:
            assert ours == theirs


def test_every_function_is_compared_with_duckdb() -> None:
    assert set(ORDINARY) == set(FUNCTIONS)
    assert set(ALIASES.values()) <= set(FUNCTIONS) | {"coalesce"}
    assert {name for each in OVERLOADS.values() for _, name in each} <= set(FUNCTIONS)


SHAPES = {
    "int_divide": "(i, j)",
    "modulo": "(i, j)",
    "pow": "(x, 2)",
    "coalesce": "(t, 'x')",
    "list_extract": "(l, 1)",
    "list_length": "(l)",
    "shift_left": "(i, 2)",
}


@pytest.mark.parametrize("spelling", sorted(ALIASES))
def test_other_spellings_bind(boundary_catalog: Catalog, spelling: str) -> None:
    name = ALIASES[spelling]
    asked = ORDINARY.get(name, ("", ""))[0]
    shape = SHAPES.get(name) or asked[asked.index("(") :]
    found = argument(boundary_catalog, spelling + shape)
    assert isinstance(found, Call)
    assert found.function == name


CLOCK = [
    *("current_date", "today()", "now()", "current_timestamp", "localtimestamp"),
    *("get_current_timestamp()", "current_localtimestamp()", "transaction_timestamp()"),
    *("current_time", "localtime", "age(d)"),
]


@pytest.mark.parametrize("asked", CLOCK)
def test_the_clock_is_refused_without_a_moment(
    boundary_catalog: Catalog, asked: str
) -> None:
    from dpquery.errors import QueryRefused  # noqa: PLC0415 -- one use

    with pytest.raises(QueryRefused, match="the clock is not read"):
        argument(boundary_catalog, asked)


def test_rows_hold_what_python_can_compare(plain: duckdb.DuckDBPyConnection) -> None:
    first = plain.execute("SELECT d, s, o FROM plain").fetchone()
    assert first is not None
    assert [type(each) for each in first] == [dt.date, dt.datetime, dt.time]
