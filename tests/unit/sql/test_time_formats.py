"""Formats that are taken are written and read by DuckDB on every date."""

from __future__ import annotations

import string

import duckdb
import pytest

from dpquery.sql.functions.time_formats import readable, written

LETTERS = string.ascii_letters + "%"


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        "CREATE TABLE t AS SELECT unnest(['0001-01-01', '9999-12-31 23:59:59.999999',"
        " '2024-02-29 12:30:00']::TIMESTAMP[]) AS s, unnest(['', '2024', '31'])"
        " AS v"
    )
    return connection


@pytest.mark.parametrize("letter", LETTERS)
def test_what_is_written(database: duckdb.DuckDBPyConnection, letter: str) -> None:
    for form in (f"%{letter}", f"%-{letter}"):
        if written(form) is None:
            sql = f"SELECT strftime(s, '{form}'), strftime(s::DATE, '{form}') FROM t"
            database.execute(sql).fetchall()


@pytest.mark.parametrize("letter", LETTERS)
def test_what_is_read(database: duckdb.DuckDBPyConnection, letter: str) -> None:
    for form in (f"%{letter}", f"%Y-%{letter}"):
        if readable(form) is None:
            sql = f"SELECT typeof(try_strptime(v, '{form}')) FROM t"
            assert {kind for (kind,) in database.execute(sql).fetchall()} == {
                "TIMESTAMP"
            }


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d %H:%M:%S", "%d.%m.%y", "%-d %b", "%%", "at"]
)
def test_common_formats_are_taken(form: str) -> None:
    assert written(form) is None
    assert readable(form) is None


@pytest.mark.parametrize(
    "form", ["", "%", "%Q", "%-", "%-A", "100%", "%z", "%Z", "%s", "x" * 101, "%\n"]
)
def test_others_are_not(form: str) -> None:
    assert written(form)
    assert readable(form)
