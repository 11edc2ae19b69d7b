"""A first policy: refused until its blanks are filled, and safe against any name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpquery.policy.document import parse
from dpquery.policy.guess import guess
from dpquery.policy.load import load, problems
from dpquery.policy.starter import Starter, starter, template
from dpquery.policy.stored import Store, StoredColumn, StoredReference, StoredTable

Write = Callable[[str], Path]
BLANK = re.compile(r": # FILL IN: .*?, such as (.*)$", re.MULTILINE)


def table(
    name: str,
    columns: str,
    keys: tuple[str, ...] = (),
    references: tuple[tuple[str, str, str], ...] = (),
) -> StoredTable:
    """Make a table of ``name type, name type``."""
    pairs = [each.split(maxsplit=1) for each in columns.split(", ")]
    return StoredTable(
        name,
        tuple(StoredColumn(column, kind) for column, kind in pairs),
        None,
        keys,
        tuple(StoredReference(*each) for each in references),
    )


def made(*tables: StoredTable) -> Starter:
    return starter("shop", Store(tables), "shop.duckdb")


def filled(text: str) -> str:
    return BLANK.sub(r": \1", text)


SHOP = (
    table("buyers", "nr BIGINT, town VARCHAR, email VARCHAR", ("nr",)),
    table("orders", "id BIGINT, buyer BIGINT, total DECIMAL(9,2)", ("id",),
          (("buyer", "buyers", "nr"),)),
    table("lines", "order_id BIGINT, article BIGINT, n INTEGER", (),
          (("order_id", "orders", "id"), ("article", "articles", "code"))),
    table("articles", "code BIGINT, title VARCHAR, price DOUBLE", ("code",)),
)  # fmt: skip


def test_every_blank_is_refused_at_its_place_until_it_is_filled(write: Write) -> None:
    text = made(*SHOP).text
    found = problems(write(text))
    lines = [number for number, line in enumerate(text.splitlines(), 1)
             if ": # FILL IN: " in line]  # fmt: skip
    assert [error.place and error.place.line for error in found] == lines
    assert {error.code for error in found} == {"DPQ311"}
    assert made(*SHOP).blanks == len(lines) == 5
    policy = load(write(filled(text))).policy
    assert policy.privacy_unit == "buyer"
    assert policy.tables["buyers"].privacy_unit_column == "nr"
    assert policy.tables["orders"].privacy_unit_column == "buyer"
    assert policy.tables["orders"].references == {"buyer": "buyers.nr"}
    assert policy.tables["lines"].references == {"order_id": "orders.id"}
    assert policy.tables["articles"].public
    assert "email" not in (policy.tables["buyers"].columns or {})
    assert "# email: {}   left out, as it may tell who it is" in text


def test_the_example_runs_too_when_it_is_filled(write: Write) -> None:
    assert len(problems(write(template().text))) == template().blanks
    policy = load(write(filled(template().text))).policy
    assert list(policy.tables) == ["patients", "visits", "regions"]


@pytest.mark.parametrize(
    ("tables", "unit", "root"),
    [
        (SHOP, "article", "articles"),  # by names alone: see the next test
        ((table("visits", "visit_id BIGINT, patient_id BIGINT"),
          table("stays", "stay_id BIGINT, patient_id BIGINT")), "patient", None),
        ((table("users", "id BIGINT"), table("posts", "id BIGINT, user_id BIGINT")),
         "user", "users"),
        ((table("a", "x BIGINT"), table("b", "y DATE")), None, None),
        ((table("companies", "company_id BIGINT"),), "company", "companies"),
        ((table("customers", "customer_id DOUBLE"), table("t", "a DOUBLE")), None,
         None),
    ],
)  # fmt: skip
def test_the_unit_is_guessed(
    tables: tuple[StoredTable, ...], unit: str | None, root: str | None
) -> None:
    if tables is SHOP:  # `buyers` is no word that is known: keys decide
        unit, root = "buyer", "buyers"
    found = guess(tables)
    assert (found.unit, found.table) == (unit, root)


def test_people_come_before_things_that_more_tables_refer_to() -> None:
    tables = (
        table("regions", "region_id BIGINT"),
        table("patients", "patient_id BIGINT, region_id BIGINT"),
        table("visits", "visit_id BIGINT, patient_id BIGINT, region_id BIGINT"),
    )
    found = guess(tables)
    assert (found.unit, found.followers) == ("patient", 1)
    assert not found.owners["regions"].known


def test_two_columns_that_could_say_whose_row_it_is_are_a_choice(write: Write) -> None:
    text = made(
        table("users", "id BIGINT", ("id",)),
        table("messages", "id BIGINT, sender BIGINT, receiver BIGINT", ("id",),
              (("sender", "users", "id"), ("receiver", "users", "id"))),
        table("words", "message_id BIGINT, word VARCHAR"),
    ).text  # fmt: skip
    blank = "privacy_unit_column: # FILL IN: the column that says whose row it is: "
    assert blank + "sender or receiver, such as sender" in text
    tables = load(write(filled(text))).policy.tables
    assert tables["messages"].privacy_unit_column == "sender"
    assert tables["words"].references == {"message_id": "messages.id"}


def test_two_ways_to_an_owner_are_cut_to_one(write: Write) -> None:
    text = made(
        table("users", "id BIGINT", ("id",)),
        table("orders", "id BIGINT, user_id BIGINT", ("id",)),
        table("parcels", "id BIGINT, order_id BIGINT", ("id",)),
        table("returns", "order_id BIGINT, parcel_id BIGINT"),
    ).text
    assert "# also parcel_id: parcels.id" in text
    tables = load(write(filled(text))).policy.tables
    assert tables["returns"].references == {"order_id": "orders.id"}


def test_labels_of_enums_are_values_and_stay_out() -> None:
    labels = "ENUM('hiv', 'it''s) odd')"
    one = StoredTable("users", (
        StoredColumn("id", "BIGINT"), StoredColumn("state", labels),
        StoredColumn("past", f"STRUCT(a {labels}, b DATE)"),
    ))  # fmt: skip
    text = made(one).text
    assert "hiv" not in text
    assert "odd" not in text
    assert "state: {} # ENUM\n" in text
    assert "STRUCT(a ENUM, b DATE)" in text


def test_comments_of_the_database_stay_comments(write: Write) -> None:
    evil = "one\ntables: {}\r\n\x85public: true\u2028budget: {}\x1b[2J"
    one = StoredTable(
        "users", (StoredColumn("id", "BIGINT", comment=evil),
                  StoredColumn("age", "SMALLINT", comment=evil)), evil, ("id",),
    )  # fmt: skip
    text = made(one).text
    assert "  users: # one tables: {} public: true budget: {}\ufffd[2J\n" in text
    assert load(write(filled(text))).policy.budget.epsilon == 8


def test_names_that_a_policy_cannot_say_are_left_out(write: Write) -> None:
    result = made(
        table("users", "id BIGINT", ("id",)), table("a.b", "id BIGINT"),
        StoredTable("a\nb", (StoredColumn("id", "BIGINT"),)),
    )  # fmt: skip
    assert result.left_out == ("a.b", "a\ufffdb")
    assert "# left out, as a policy cannot name it: a.b" in result.text
    assert list(load(write(filled(result.text))).policy.tables) == ["users"]


NAMES = st.text(min_size=1, max_size=12)


@given(
    st.lists(
        st.tuples(NAMES, st.lists(NAMES, min_size=1, max_size=3, unique=True)),
        min_size=1, max_size=3, unique_by=lambda each: each[0],
    ),
    NAMES,
)  # fmt: skip
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None,
    max_examples=60,
)  # fmt: skip
def test_whatever_names_there_are_the_file_is_yaml_of_this_shape(
    names: list[tuple[str, list[str]]], comment: str
) -> None:
    tables = tuple(
        StoredTable(
            name,
            tuple(StoredColumn(column, "INTEGER", comment=comment) for column in those),
            comment,
        )
        for name, those in names
    )
    result = made(*tables)
    data = parse(result.text, "policy.yaml").data
    assert isinstance(data, dict)
    assert list(data) == [
        "version", "name", "source", "privacy_unit", "tables", "budget", "query",
        "analysts", "ledger",
    ]  # fmt: skip
    kept = data["tables"] or {}
    assert len(kept) == len(tables) - len(result.left_out)
    assert set(kept) <= {each.name for each in tables}
