"""A constant of the plan is the same constant for the engine, to the last byte."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpquery.plan.expressions import Constant
from dpquery.policy.catalog import SqlType
from dpquery.sql.lowering.expressions import constant


def round_trip(value: Constant, type_: SqlType) -> object:
    sql = constant(value, type_).sql("duckdb", comments=False)
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT {sql}").fetchall()[0][0]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_texts(value: str) -> None:
    assert round_trip(value, SqlType.VARCHAR) == value


@pytest.mark.parametrize(
    "value",
    ["__SQLGLOT__LB__", "a\nb", "it''s", "\\", "\\'", "--", "/* */", "$$", "{{x}}", ""],
)
def test_texts_that_a_generator_could_touch(value: str) -> None:
    assert round_trip(value, SqlType.VARCHAR) == value


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (-5, SqlType.INTEGER),
        (2**63 - 1, SqlType.INTEGER),
        (True, SqlType.BOOLEAN),
        (dt.date(1, 1, 1), SqlType.DATE),
        (dt.date(9999, 12, 31), SqlType.DATE),
        (dt.datetime(2024, 2, 29, 23, 59, 59, 999_999), SqlType.TIMESTAMP),
        (None, SqlType.DATE),
    ],
)
def test_other_constants(value: Constant, type_: SqlType) -> None:
    assert round_trip(value, type_) == value
