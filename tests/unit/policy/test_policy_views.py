"""Views: the owner's SELECTs, kept as they are written, and places in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpquery.errors import Place
from dpquery.policy.build import build
from dpquery.policy.catalog import Catalog, DescribedColumn
from dpquery.policy.document import parse
from dpquery.policy.load import LoadedPolicy, load

Write = Callable[[str], Path]
Load = Callable[..., LoadedPolicy]

VIEWS = """\
version: 1
name: wards
source: {duckdb: x.duckdb}
privacy_unit: patient
tables:
  Visits: {privacy_unit_column: patient_id, columns: {ward: {}, cost: {}}}
views:
  dear: |  # what costs much
    -- a comment of SQL
    SELECT ward,
           cost
    FROM visits

    WHERE cost > 100
  kept: |2+
      SELECT ward
    FROM visits

  short: SELECT ward FROM visits
  "in quotes": 'SELECT ward FROM visits'
  doubled: 'SELECT ''a'', ward FROM visits'
  folded: >-
    SELECT ward
    FROM visits
  plain: SELECT ward
    FROM visits
  tabbed: "SELECT\\tward\\nFROM visits"
budget: {epsilon: 1, delta: 1e-6}
"""
COLUMNS = [
    DescribedColumn("visits", "patient_id", "INTEGER", nullable=False),
    DescribedColumn("visits", "ward", "VARCHAR", nullable=True),
    DescribedColumn("visits", "cost", "DOUBLE", nullable=True),
]


@pytest.fixture
def loaded(write: Write) -> LoadedPolicy:
    return load(write(VIEWS))


def test_views_are_kept_as_they_are_written(loaded: LoadedPolicy) -> None:
    views = loaded.policy.views
    assert views["dear"] == (
        "-- a comment of SQL\nSELECT ward,\n       cost\nFROM visits\n\n"
        "WHERE cost > 100\n"
    )
    assert views["kept"] == "  SELECT ward\nFROM visits\n\n"
    assert views["short"] == views["in quotes"] == "SELECT ward FROM visits"
    assert views["doubled"] == "SELECT 'a', ward FROM visits"
    assert views["folded"] == views["plain"] == "SELECT ward FROM visits"
    assert views["tabbed"] == "SELECT\tward\nFROM visits"


def test_the_catalog_has_the_views(loaded: LoadedPolicy) -> None:
    catalog = build(loaded, COLUMNS)
    assert catalog.views == loaded.policy.views
    assert list(catalog.tables) == ["visits"]


def test_a_policy_needs_no_views(load_edited: Load) -> None:
    assert load_edited().policy.views == {}
    assert load_edited(("name: clinic", "name: clinic\nviews: {}")).policy.views == {}
    assert Catalog({}, "patient").views == {}


def test_a_view_is_part_of_what_a_policy_says(load_edited: Load) -> None:
    first = load_edited(("name: clinic", "name: clinic\nviews: {a: SELECT 1}"))
    other = load_edited(("name: clinic", "name: clinic\nviews: {a: SELECT 2}"))
    assert len({load_edited().digest, first.digest, other.digest}) == 3


def test_a_view_may_be_as_long_as_a_query(write: Write) -> None:
    sql = "é" * 8191 + "ab"
    policy = load(write(VIEWS.replace('SELECT ward FROM visits\n  "', f'{sql}\n  "')))
    assert policy.policy.views["short"] == sql


@pytest.mark.parametrize(
    ("view", "line", "column", "shown"),
    [
        ("dear", 1, 1, "-- a comment of SQL"),
        ("dear", 3, 8, "cost"),
        ("dear", 4, 6, "visits"),
        ("dear", 6, 7, "cost > 100"),
        ("kept", 1, 3, "SELECT ward"),
        ("kept", 2, 1, "FROM visits"),
        ("short", 1, 8, "ward FROM visits"),
        ("in quotes", 1, 8, "ward FROM visits'"),
    ],
)
def test_places_in_a_view_are_places_in_the_file(
    loaded: LoadedPolicy, view: str, line: int, column: int, shown: str
) -> None:
    place = loaded.place_in_view(view, Place(line, column, length=4))
    assert place.text is not None
    assert place.text[place.column - 1 :] == shown
    assert VIEWS.splitlines()[place.line - 1] == place.text
    assert (place.length, place.file) == (4, str(loaded.path))


@pytest.mark.parametrize(
    ("view", "line"),
    [
        *(("doubled", 1), ("folded", 1), ("plain", 1), ("tabbed", 2)),
        *(("dear", 0), ("dear", 99), ("short", 2)),
    ],
)
def test_otherwise_the_whole_view_is_shown(
    loaded: LoadedPolicy, view: str, line: int
) -> None:
    whole = loaded.place(("views", view))
    assert loaded.place_in_view(view, Place(line, 3)) == whole
    assert loaded.place_in_view(view, None) == whole


def test_the_end_of_a_view_is_in_the_file(loaded: LoadedPolicy) -> None:
    place = loaded.place_in_view("dear", Place(6, 500))
    assert place.text == "    WHERE cost > 100"
    assert place.column == len(place.text) + 1
    assert loaded.place_in_view("dear", Place(7, 1)).line == 15


SQL_LINES = st.text(st.sampled_from("ab ,'\"#:|>-é日"), max_size=8)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.lists(SQL_LINES, min_size=1, max_size=5),
    st.sampled_from(["|", "|-", "|+", "|  # a comment", "|3", "|3-"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_literal_blocks_are_found_to_the_character(
    lines: list[str], header: str, end: str
) -> None:
    lines = ["x" + lines[0], *lines[1:]]  # the first line fixes the indentation
    text = end.join([f"v: {header}", *("   " + each for each in lines), "w: 1", ""])
    document = parse(text, "f")
    assert isinstance(document.data, dict)
    for number, line in enumerate(document.data["v"].split("\n"), 1):
        for column in range(1, len(line) + 1):
            place = document.inside(("v",), Place(number, column))
            assert place.line == number + 1
            assert place.column == column + 3
            assert place.text is not None
            assert place.text[place.column - 1] == line[column - 1]
