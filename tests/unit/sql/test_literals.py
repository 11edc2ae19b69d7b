"""Constants: how they are read, and what they become beside other types."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpquery.errors import QueryRefused
from dpquery.plan.expressions import NULL, Call, Case, Cast, ColumnRef, Literal
from dpquery.policy.catalog import Catalog, SqlType
from dpquery.sql.literals import (
    as_type,
    coerced,
    common_type,
    negated,
    number_literal,
    parse_date,
    parse_timestamp,
)
from dpquery.sql.queries.bind import bind

INTEGER, DECIMAL, DOUBLE = SqlType.INTEGER, SqlType.DECIMAL, SqlType.DOUBLE
VARCHAR, DATE, TIMESTAMP = SqlType.VARCHAR, SqlType.DATE, SqlType.TIMESTAMP
BOOLEAN, UNSUPPORTED = SqlType.BOOLEAN, SqlType.UNSUPPORTED


def col(type_: SqlType, spelling: str = "") -> ColumnRef:
    return ColumnRef("t", type_.lower(), type_, spelling or str(type_))


@pytest.mark.parametrize(
    ("text", "value", "type_"),
    [
        ("0", 0, INTEGER),
        ("007", 7, INTEGER),
        ("9223372036854775807", 2**63 - 1, INTEGER),
        ("9223372036854775808", Decimal(2**63), DECIMAL),
        ("1.50", Decimal("1.50"), DECIMAL),
        (".5", Decimal("0.5"), DECIMAL),
        ("1e3", Decimal("1e3"), DOUBLE),
        ("1" * 39, Decimal("1" * 39), DOUBLE),
        ("1e300", Decimal("1e300"), DOUBLE),
    ],
)
def test_numbers(text: str, value: object, type_: SqlType) -> None:
    assert number_literal(text) == Literal(value, type_)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "1_000", "nan", "inf", "-1x", "1e999", "1e-999", "1e99999999999"),
        *(
            "٣",
            "²",
            "0x10",
            "1.2.3",
            "--1",
            "9" * 5000,
            "0." + "9" * 5000,
            "1e" + "9" * 4000,
        ),
    ],
)
def test_what_is_no_number(text: str) -> None:
    found = number_literal(text)
    assert found is None or len(text) > 1000


@given(st.text(alphabet="0123456789.eE+-_ xnaif²", max_size=12))
def test_numbers_never_raise(text: str) -> None:
    found = number_literal(text)
    assert found is None or isinstance(found.value, int | Decimal)


def test_negation() -> None:
    assert negated(Literal(5, INTEGER)) == Literal(-5, INTEGER)
    assert negated(Literal(Decimal("0.5"), DECIMAL)) == Literal(
        Decimal("-0.5"), DECIMAL
    )
    for value, type_ in ((True, BOOLEAN), ("5", VARCHAR), (None, UNSUPPORTED)):
        assert negated(Literal(value, type_)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-02-29", dt.date(2024, 2, 29)),
        ("2023-02-29", None),
        ("2024-2-9", None),
        ("20240229", None),
        ("2024-W09-4", None),
        ("infinity", None),
        ("10000-01-01", None),
        ("0000-01-01", None),
        ("2024-02-29 ", None),
        ("", None),
    ],
)
def test_dates(text: str, day: dt.date | None) -> None:
    assert parse_date(text) == day


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("2024-02-29 12:30:00", dt.datetime.fromisoformat("2024-02-29 12:30:00")),
        (
            "2024-02-29T12:30:00.5",
            dt.datetime.fromisoformat("2024-02-29 12:30:00.500000"),
        ),
        ("2024-02-29", dt.datetime.fromisoformat("2024-02-29")),
        ("2024-02-29 12:30:00+02", None),
        ("2024-02-29 12:30:00Z", None),
        ("2024-02-29 25:00:00", None),
        ("noon", None),
    ],
)
def test_timestamps(text: str, stamp: dt.datetime | None) -> None:
    assert parse_timestamp(text) == stamp


@pytest.mark.parametrize(
    ("value", "of", "to", "becomes"),
    [
        (5, INTEGER, DOUBLE, 5),
        (Decimal("5.0"), DECIMAL, INTEGER, 5),
        (Decimal("5.5"), DECIMAL, INTEGER, None),
        (Decimal("1e300"), DOUBLE, INTEGER, None),
        ("2024-02-29", VARCHAR, DATE, dt.date(2024, 2, 29)),
        ("2024-02-29", VARCHAR, TIMESTAMP, dt.datetime.fromisoformat("2024-02-29")),
        (
            dt.date(2024, 2, 29),
            DATE,
            TIMESTAMP,
            dt.datetime.fromisoformat("2024-02-29"),
        ),
        ("5", VARCHAR, INTEGER, None),
        (5, INTEGER, VARCHAR, None),
        (True, BOOLEAN, INTEGER, None),
        (1, INTEGER, BOOLEAN, None),
    ],
)
def test_coercion_of_constants(
    value: object, of: SqlType, to: SqlType, becomes: object
) -> None:
    found = coerced(Literal(value, of), to)  # type: ignore[arg-type]
    if becomes is None:
        assert found is None
    else:
        assert found == Literal(becomes, to)  # type: ignore[arg-type]
        assert type(found.value) is type(becomes)


def test_null_takes_any_type() -> None:
    for type_ in SqlType:
        assert coerced(NULL, type_) == Literal(None, type_)


TEXT = Literal("x", VARCHAR)
DAY_TEXT = Literal("2024-02-29", VARCHAR)
TIME_TEXT = Literal("2024-02-29 12:00:00", VARCHAR)


@pytest.mark.parametrize(
    ("parts", "type_"),
    [
        ([col(INTEGER), col(INTEGER)], INTEGER),
        ([col(INTEGER), col(DOUBLE)], DOUBLE),
        ([col(INTEGER), Literal(Decimal("0.5"), DECIMAL)], DOUBLE),
        ([col(DECIMAL, "DECIMAL(10,2)"), col(DECIMAL, "DECIMAL(10,2)")], DECIMAL),
        ([col(DECIMAL, "DECIMAL(10,2)"), col(DECIMAL, "DECIMAL(9,3)")], DOUBLE),
        ([col(DATE), col(TIMESTAMP)], TIMESTAMP),
        ([col(DATE), DAY_TEXT], DATE),
        ([col(DATE), TIME_TEXT], TIMESTAMP),
        ([col(TIMESTAMP), DAY_TEXT], TIMESTAMP),
        ([col(DATE), DAY_TEXT, NULL], DATE),
        ([NULL, NULL], UNSUPPORTED),
        ([NULL, col(BOOLEAN)], BOOLEAN),
        ([col(DATE), TEXT], None),
        ([col(DATE), col(VARCHAR)], None),
        ([col(INTEGER), TEXT], None),
        ([col(INTEGER), Literal("5", VARCHAR)], None),
        ([col(BOOLEAN), Literal(1, INTEGER)], None),
        ([col(DATE), Literal(5, INTEGER)], None),
        ([col(UNSUPPORTED), TEXT], None),
    ],
)
def test_common_types(parts: list[Literal | ColumnRef], type_: SqlType | None) -> None:
    assert common_type(list(parts)) == type_
    assert common_type(list(reversed(parts))) == type_


def test_casts_go_into_branches() -> None:
    when = col(BOOLEAN)
    case = Case(((when, Literal(1, INTEGER)),), col(INTEGER), INTEGER)
    assert as_type(case, DOUBLE) == Case(
        ((when, Literal(1, DOUBLE)),), Cast(col(INTEGER), DOUBLE), DOUBLE
    )
    coalesce = Call("coalesce", (col(INTEGER), Literal(0, INTEGER)), INTEGER)
    assert as_type(coalesce, DOUBLE) == Call(
        "coalesce", (Cast(col(INTEGER), DOUBLE), Literal(0, DOUBLE)), DOUBLE
    )
    assert as_type(col(INTEGER), INTEGER) == col(INTEGER)


@pytest.mark.parametrize(
    ("constant", "becomes"),
    [
        ("CAST('5' AS INTEGER)", 5),
        ("CAST('-5' AS INTEGER)", -5),
        ("'5'::BIGINT", 5),
        ("CAST(5.0 AS INTEGER)", 5),
        ("TRY_CAST('5' AS INTEGER)", 5),
        ("CAST(NULL AS INTEGER)", None),
    ],
)
def test_casts_of_constants(shop: Catalog, constant: str, becomes: object) -> None:
    query = bind(f"SELECT COUNT(*) FROM orders WHERE order_id = {constant}", shop)
    source = query.boundaries[0].source
    assert source.predicate.arguments[1] == Literal(becomes, INTEGER)  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize(
    "constant",
    [
        "CAST('x' AS INTEGER)",
        "CAST('' AS INTEGER)",
        "CAST('1e999' AS INTEGER)",
        f"CAST('{'9' * 5000}' AS INTEGER)",
        "CAST('٣' AS INTEGER)",
        "9" * 5000,
        "CAST('9223372036854775808' AS INTEGER)",
    ],
)
def test_casts_that_cannot_be(shop: Catalog, constant: str) -> None:
    with pytest.raises(QueryRefused) as caught:
        bind(f"SELECT COUNT(*) FROM orders WHERE order_id = {constant}", shop)
    assert caught.value.code == "DPQ105"
    assert "Decimal(" not in str(caught.value)
