"""Each format, byte for byte, on every hard type; `DPQUERY_UPDATE_GOLDENS=1` renews."""

from __future__ import annotations

import csv
import io
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpquery.cli.render import Format, Screen, Sheet, answer, render
from dpquery.results import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.results import Release

GOLDENS = Path(__file__).parents[2] / "golden" / "formats"
TEXT = [each for each in Format if each not in (Format.PARQUET, Format.HTML)]
"""A page holds a date and what a drawing library drew: `tests/unit/display`."""


def agree(name: str, data: bytes) -> None:
    path = GOLDENS / name
    if os.environ.get("DPQUERY_UPDATE_GOLDENS") == "1":
        path.write_bytes(data)
    assert data == path.read_bytes()


@pytest.mark.parametrize("form", TEXT)
def test_every_hard_type_with_intervals(form: Format, hard_release: Release) -> None:
    sheet = answer(hard_release, form, intervals=True)
    agree(f"intervals.{form}", render(sheet, form))


@pytest.mark.parametrize("form", TEXT)
def test_every_hard_type_without_intervals(form: Format, hard_release: Release) -> None:
    sheet = answer(hard_release, form, intervals=False)
    agree(f"plain.{form}", render(sheet, form))


@pytest.mark.parametrize("form", TEXT)
def test_no_rows(form: Format, release_of: Callable[..., Release]) -> None:
    release = release_of(("ward", "n"), [], {"n": []})
    agree(f"empty.{form}", render(answer(release, form, intervals=True), form))


def test_coloured_table(hard_release: Release) -> None:
    sheet = answer(hard_release, Format.TABLE, intervals=True)
    data = render(sheet, Format.TABLE, Screen(colour=True))
    agree("coloured.table", data)
    assert b"\x1b[2mNULL" in data


def test_people_see_no_count_below_zero_and_programs_do(
    release_of: Callable[..., Release],
) -> None:
    rows = [("a", -3, -3.5)]
    bars = {"n": [Interval(-15, 9)], "cost": [Interval(-15, 8)]}
    release = release_of(("k", "n", "cost"), rows, bars, counts=("n",))
    for form in (Format.TABLE, Format.BARS):
        text = render(answer(release, form, intervals=True), form).decode()
        assert "0 ± 12" in text
        assert "-3 ± 12" not in text
        assert "-4 ± 12" in text
    table = render(answer(release, Format.TABLE, intervals=False), Format.TABLE)
    assert table.decode().splitlines()[-1].split() == ["a", "0", "-3.5"]
    for form in (Format.CSV, Format.JSON, Format.MARKDOWN):
        assert b"-3" in render(answer(release, form, intervals=True), form)
    assert release.rows == rows


def test_bars_follow_the_width_of_the_screen(
    release_of: Callable[..., Release],
) -> None:
    rows = [("north", 41), ("Ålesund " * 20, 30)]
    bars = {"n": [Interval(29, 53), Interval(18, 42)]}
    sheet = answer(release_of(("k", "n"), rows, bars), Format.BARS, intervals=True)
    for width in (40, 80, 200):
        text = render(sheet, Format.BARS, Screen(width=width)).decode()
        assert {len(line) for line in text.splitlines()[1:]} == {width}
        assert "41 ± 12" in text
    narrow = render(sheet, Format.BARS, Screen(width=5)).decode()
    assert "30 ± 12" in narrow


def test_bars_on_a_screen_of_ascii(hard_release: Release) -> None:
    sheet = answer(hard_release, Format.BARS, intervals=True)
    text = render(sheet, Format.BARS, Screen(unicode=False))
    text.decode("ascii")
    assert b"41 +/- 12" in text


def test_a_table_shows_no_control_character_of_the_data(hard_release: Release) -> None:
    data = render(answer(hard_release, Format.TABLE, intervals=True), Format.TABLE)
    assert b"\x1b" not in data
    assert b"\\x1b[31mred" in data


def test_parquet_keeps_types_and_intervals(hard_release: Release) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    sheet = answer(hard_release, Format.PARQUET, intervals=True)
    table = parquet.read_table(io.BytesIO(render(sheet, Format.PARQUET)))
    assert [str(field.type) for field in table.schema] == [
        "string",
        "date32[day]",
        "timestamp[us]",
        "decimal128(19, 2)",
        "bool",
        "int64",
        "double",
        "double",
        "double",
        "double",
        "double",
    ]
    assert table.column_names[5:8] == ["n", "n_low", "n_high"]
    for name, column in zip(sheet.columns[:6], zip(*sheet.rows, strict=True)):  # noqa: B905 -- the first six
        assert table[name].to_pylist() == list(column)


def test_parquet_without_rows(release_of: Callable[..., Release]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    sheet = answer(release_of(("n",), [], {"n": []}), Format.PARQUET, intervals=True)
    table = parquet.read_table(io.BytesIO(render(sheet, Format.PARQUET)))
    assert (table.num_rows, table.column_names) == (0, ["n", "n_low", "n_high"])


def test_equal_names_lose_nothing_in_json() -> None:
    data = render(Sheet(("n", "n", "n_2"), [(1, 2, 3)]), Format.JSON)
    assert json.loads(data) == [{"n": 1, "n_2": 2, "n_2_2": 3}]


def test_a_lone_null_is_no_blank_line() -> None:
    data = render(Sheet(("n",), [(None,), (1,)]), Format.CSV)
    assert data == b'n\n""\n1\n'


cells = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False, places=3)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))
)


@given(st.lists(st.tuples(cells, cells), max_size=5))
def test_json_reads_back(rows: list[tuple[object, object]]) -> None:
    data = render(Sheet(("a", "b"), rows), Format.JSON)
    back = json.loads(data, parse_float=Decimal)
    for record, row in zip(back, rows, strict=True):
        for got, cell in zip(record.values(), row, strict=True):
            expected = Decimal(repr(cell)) if isinstance(cell, float) else cell
            assert got == expected
            assert isinstance(got, bool) == isinstance(cell, bool)


@given(st.lists(st.tuples(cells, st.text(st.characters(codec="utf-8"))), max_size=5))
def test_csv_reads_back(rows: list[tuple[object, str]]) -> None:
    data = render(Sheet(("a", "b"), rows), Format.CSV).decode()
    # csv.reader does not tell NULL from "", but splits fields and rows as RFC 4180
    _, *back = csv.reader(io.StringIO(data, newline=""))
    assert [record[1] for record in back] == [text for _, text in rows]
    assert [record[0] == "" for record in back] == [
        cell is None or cell == "" for cell, _ in rows
    ]


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_line_formats_write_a_line_a_row(rows: list[tuple[object, object]]) -> None:
    for form, extra in ((Format.JSONL, 0), (Format.MARKDOWN, 2), (Format.TABLE, 2)):
        text = render(Sheet(("a", "b"), rows), form).decode()
        assert text.count("\n") == len(rows) + extra
