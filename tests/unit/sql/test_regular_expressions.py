"""What is taken as a regular expression compiles in DuckDB, and runs in no time."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpquery.sql.functions.regular_expressions import (
    MAX_PATTERN,
    PatternError,
    check_replacement,
    groups_of,
)

TAKEN = {
    "": 0,
    "abc": 0,
    "a|b|": 0,
    "^(a+)(?:b*?)(c??)$": 2,
    r"(?P<year>\d{4})-(\d\d)": 2,
    r"[a-z\d_.-]+@[^@\s]{1,60}": 0,
    r"[[:alpha:]][[:^digit:]x]": 0,
    r"\bé🙂\x41\x{1F600}\.\*\\": 0,
    "(?i)a(?s-i:.)": 0,
    "((a))": 2,
    "a{0,999}": 0,
    "(ab{2,}){3}": 1,
    r"[\]\[^-]": 0,
    "[-a]": 0,
    "()": 1,
    r"\A\w+\z": 0,
}
NOT_TAKEN = {
    "(?=a)": "lookaround",
    "(?!a)": "lookaround",
    "(?<=a)b": "lookaround",
    "(?>a)": "lookaround",
    "(?#note)": "lookaround",
    "(?P=name)": "lookaround",
    "(?x)a b": "lookaround",
    r"(a)\1": "escape",
    r"\pL": "escape",
    r"\Z": "escape",
    r"\u0041": "escape",
    r"\Qa\E": "escape",
    r"\C": "escape",
    "\\": "escape",
    "a**": "repetition of a repetition",
    "a*+": "repetition of a repetition",
    "a{2}{3}": "repetition of a repetition",
    "*a": "nothing stands before",
    "(|*)": "nothing stands before",
    "^*": "cannot be repeated",
    r"\b{2}": "cannot be repeated",
    "(?i)*": "cannot be repeated",
    "a{1001}": "not a number of repetitions",
    "a{3,2}": "not a number of repetitions",
    "((a{30}){30}){30}": "too large",
    "(a{600}|b{600})": "too large",
    "a{,3}": "write",
    "{": "write",
    "a}": "write",
    "]": "write",
    "(a": r"a \( without",
    "a)": r"a \) without",
    "[a": r"a \[ without",
    "[]a]": "write",
    "[a[b]": "brackets within",
    "[z-a]": "no range",
    r"[\d-z]": "no range",
    r"[a-\w]": "no range",
    "[[:word]]": "brackets within",
    r"[\b]": "escape",
    "a" * (MAX_PATTERN + 1): "at most 200",
}


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE t AS SELECT unnest([NULL, '', 'abc', repeat('ab', 512),"
        " repeat('🙂', 1024), chr(0) || 'x']) AS v"
    )
    return connection


def run(database: duckdb.DuckDBPyConnection, pattern: str, groups: int) -> None:
    quoted = "'" + pattern.replace("'", "''") + "'"
    database.execute(
        f"SELECT regexp_matches(v, {quoted}), regexp_full_match(v, {quoted}, 's'),"
        f" regexp_replace(v, {quoted}, '<\\{min(groups, 9)}>', 'g'),"
        f" regexp_extract(v, {quoted}, {groups}) FROM t"
    ).fetchall()


@pytest.mark.parametrize("pattern", TAKEN)
def test_patterns_that_are_taken(
    database: duckdb.DuckDBPyConnection, pattern: str
) -> None:
    assert groups_of(pattern) == TAKEN[pattern]
    run(database, pattern, TAKEN[pattern])


@pytest.mark.parametrize("pattern", NOT_TAKEN)
def test_patterns_that_are_not(pattern: str) -> None:
    with pytest.raises(PatternError, match=NOT_TAKEN[pattern]):
        groups_of(pattern)


pieces = st.sampled_from(
    [
        *"abz09 .^$|()[]{}*+?-,:\\_é🙂'\"",
        *(r"\d", r"\W", r"\s", r"\b", r"\B", r"\A", r"\z", r"\x41", r"\.", r"\-"),
        *("(?:", "(?i)", "(?s:", "(?P<n>", "[^", "a-z", "[:alpha:]", "{2}", "{1,}"),
        *("{0,3}", "*?", "+?", "??", "[a-z]", "(a|b)", r"[\w-]", r"\x{1F600}"),
    ]
)


@settings(derandomize=True, max_examples=3000, deadline=None)
@given(st.lists(pieces, max_size=9).map("".join))
def test_whatever_is_taken_compiles(
    database: duckdb.DuckDBPyConnection, pattern: str
) -> None:
    try:
        groups = groups_of(pattern)
    except PatternError:
        return
    run(database, pattern, groups)


@pytest.mark.parametrize(
    "pattern",
    [
        *("[^a]{900}x", r"(?i)\W{900}", "(.*a){30}b", "(a*)*b", "(a?){100}a{100}"),
        *("(.*)(.*)(.*)(.*)(.*)x", "(a|b)*a(a|b){180}", "((a|b|.)*){90}$"),
    ],
)
def test_the_worst_that_is_taken_runs(
    database: duckdb.DuckDBPyConnection, pattern: str
) -> None:
    run(database, pattern, groups_of(pattern))


@pytest.mark.parametrize(
    ("replacement", "groups", "wrong"),
    [
        ("", 0, None),
        ("x$1", 0, None),
        (r"\0\1", 1, None),
        (r"\\", 0, None),
        (r"\2", 1, "no group 2"),
        (r"\x", 1, "write"),
        ("\\", 1, "write"),
        (r"\\\1", 0, "no group 1"),
        (r"\²", 9, "write"),
    ],
)
def test_replacements(replacement: str, groups: int, wrong: str | None) -> None:
    found = check_replacement(replacement, groups)
    if wrong is None:
        assert found is None
    else:
        assert found is not None
        assert wrong in found


texts = st.lists(st.sampled_from([*"ab\\$0129'é", "\\\\"]), max_size=6).map("".join)


@settings(derandomize=True, max_examples=500, deadline=None)
@given(texts, st.integers(0, 3))
def test_whatever_replaces_can_be_used(
    database: duckdb.DuckDBPyConnection, replacement: str, groups: int
) -> None:
    if check_replacement(replacement, groups) is None:
        quoted = replacement.replace("'", "''")
        database.execute(
            f"SELECT regexp_replace(v, '{'(a)' * groups}b', '{quoted}', 'g') FROM t"
        ).fetchall()
