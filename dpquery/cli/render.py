"""The output formats: one sheet of rows in, bytes out."""

from __future__ import annotations

import datetime as dt
import importlib.util
import io
import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from dpquery.display import bars, markup, page
from dpquery.display.page import Asked
from dpquery.display.text import is_number, missing, plain, printable, shown
from dpquery.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dpquery.results import Cell, Interval, Release


class Format(StrEnum):
    """How data is written."""

    TABLE = "table"
    BARS = "bars"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    MARKDOWN = "markdown"
    PARQUET = "parquet"
    HTML = "html"


PEOPLE = frozenset({Format.TABLE, Format.BARS, Format.HTML})
"""Formats for people: rounded, with the error bars within the cells."""

SUFFIXES: Mapping[str, Format] = {
    ".csv": Format.CSV,
    ".html": Format.HTML,
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".md": Format.MARKDOWN,
    ".parquet": Format.PARQUET,
}
"""What the name of an output file says about its format."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows under column names."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    bars: Mapping[str, Sequence[Interval | None]] = field(default_factory=dict)
    """The error bars of the cells of a column, which a table shows as ``± 12``."""
    counts: tuple[str, ...] = ()
    """Columns of counts, which people see from 0 on."""
    report: tuple[Release, Asked] | None = None
    """What a page shows beside the rows."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What a sheet for people is shown on."""

    colour: bool = False
    width: int = 80
    unicode: bool = True
    """Whether it has more than ASCII."""


def answer(release: Release, form: Format, *, intervals: bool, sql: str = "") -> Sheet:
    """Lay out a release: error bars within the cells for people, else beside them."""
    if form not in PEOPLE:
        return Sheet(*release.table(intervals=intervals))
    if not intervals:
        release = replace(release, _intervals=lambda _: {})
    asked = Asked(sql, dt.datetime.now(dt.UTC))
    return Sheet(
        release.columns,
        release.rows,
        release.intervals(),
        release.counts,
        (release, asked),
    )


def check_library(form: Format) -> None:
    """
    Make sure before a charge that *form* can be written after it.

    Raises:
        ConfigError: A library is missing (DPQ403).
    """
    if form is Format.PARQUET and importlib.util.find_spec("pyarrow") is None:
        raise ConfigError(
            "parquet needs pyarrow, which is not installed",
            code="DPQ403",
            hint="pip install 'dpquery[frames]', or choose --format csv",
        )
    needed = ("altair", "vl_convert") if form is Format.HTML else ()
    if any(importlib.util.find_spec(name) is None for name in needed):
        raise ConfigError(
            "html needs altair and vl-convert, and one is not installed",
            code="DPQ403",
            hint="pip install 'dpquery[plot]', or choose --format bars",
        )


def render_all(sheets: Sequence[Sheet], form: Format, screen: Screen) -> bytes:
    """Return *sheets* one after the other: one page, or an empty line between them."""
    if form is Format.HTML:
        return page.tables([_markup(each) for each in sheets]).encode()
    return b"\n".join(render(each, form, screen) for each in sheets)


def render(sheet: Sheet, form: Format, screen: Screen = Screen()) -> bytes:
    """Return *sheet* in the format *form*, UTF-8 where that is text."""
    match form:
        case Format.TABLE:
            return _table(sheet, colour=screen.colour).encode()
        case Format.BARS:
            return _bars(sheet, screen).encode()
        case Format.HTML:
            if sheet.report is None:
                return page.tables([_markup(sheet)]).encode()
            return page.report(*sheet.report).encode()
        case Format.CSV:
            return _csv(sheet).encode()
        case Format.JSON:
            return _json(sheet).encode()
        case Format.JSONL:
            return "".join(f"{each}\n" for each in _objects(sheet)).encode()
        case Format.MARKDOWN:
            return _markdown(sheet).encode()
        case Format.PARQUET:
            return _parquet(sheet)
        case _:
            assert_never(form)


def _markup(sheet: Sheet) -> str:
    return markup.table(sheet.columns, sheet.rows, sheet.bars, sheet.counts)


def _bars(sheet: Sheet, screen: Screen) -> str:
    """Draw bars of an answer's numbers; what is no answer is a table."""
    if sheet.report is not None and sheet.rows:
        with suppress(ConfigError):  # nothing to draw, but it is paid for
            return bars.draw(sheet.report[0], screen.width, unicode=screen.unicode)
    return _table(sheet, colour=screen.colour)


def _csv(sheet: Sheet) -> str:
    r"""
    Write RFC 4180 with ``\n``; NULL is nothing and an empty text is ``""``.

    >>> _csv(Sheet(("a", "b"), [(None, ""), (1, "x,y")]))
    'a,b\n,""\n1,"x,y"\n'
    """
    rows = (sheet.columns, *sheet.rows)
    lines = [",".join(_csv_field(cell) for cell in row) for row in rows]
    # Most readers skip a blank line, so a lone NULL is written as the empty text.
    return "".join(f"{line or _quoted('')}\n" for line in lines)


def _csv_field(cell: Cell) -> str:
    """One cell, quoted where it must be."""
    if missing(cell):
        return ""
    text = plain(cell)
    must = text == "" or text != text.strip() or any(each in text for each in ',"\r\n')
    return _quoted(text) if must else text


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _json(sheet: Sheet) -> str:
    """Write an array of objects, one a line."""
    lines = ",\n".join(_objects(sheet))
    return f"[\n{lines}\n]\n" if lines else "[]\n"


def _objects(sheet: Sheet) -> list[str]:
    """Return each row as a JSON object, keys in column order."""
    keys = [json.dumps(name, ensure_ascii=False) for name in unique(sheet.columns)]
    return [
        "{"
        + ", ".join(
            f"{key}: {_json_value(cell)}" for key, cell in zip(keys, row, strict=True)
        )
        + "}"
        for row in sheet.rows
    ]


def _json_value(cell: Cell) -> str:
    """
    Return one JSON value; a decimal keeps all its digits.

    >>> _json_value(Decimal("12345678901234567890.10")), _json_value(float("nan"))
    ('12345678901234567890.10', 'null')
    """
    if missing(cell):
        return "null"
    if isinstance(cell, bool | int | float | Decimal):
        return plain(cell)
    return json.dumps(plain(cell), ensure_ascii=False)


def _markdown(sheet: Sheet) -> str:
    """Write a GitHub table, numbers to the right."""
    right = _numeric_columns(sheet)
    rule = ["--:" if numeric else "---" for numeric in right]
    body = [
        ["NULL" if missing(cell) else _markdown_text(plain(cell)) for cell in row]
        for row in (sheet.columns, *sheet.rows)
    ]
    lines = [body[0], rule, *body[1:]]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _markdown_text(text: str) -> str:
    """Keep a cell within its cell, and its text text."""
    for special in "\\|*`<[":
        text = text.replace(special, "\\" + special)
    return "<br>".join(printable(line) for line in text.splitlines())


def _parquet(sheet: Sheet) -> bytes:
    """Write one Parquet file; the types are those of the values."""
    pyarrow = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    columns = list(zip(*sheet.rows, strict=True)) or [()] * len(sheet.columns)
    table = pyarrow.table(
        [pyarrow.array(column) for column in columns], unique(sheet.columns)
    )
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    return sink.getvalue()


def _table(sheet: Sheet, *, colour: bool) -> str:
    """Draw a table for a person."""
    # rich costs 60 ms that only tables need
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, numeric in zip(sheet.columns, _numeric_columns(sheet), strict=True):
        grid.add_column(
            Text(printable(name)), justify="right" if numeric else "left", no_wrap=True
        )
    for at, row in enumerate(sheet.rows):
        grid.add_row(
            *(
                Text("NULL", style="dim")
                if missing(cell)
                else Text(
                    shown(
                        cell,
                        sheet.bars[name][at] if name in sheet.bars else None,
                        count=name in sheet.counts,
                    )
                )
                for name, cell in zip(sheet.columns, row, strict=True)
            )
        )
    sink = io.StringIO()
    # As wide as the data: a terminal wraps or scrolls, but no digit may be cut off.
    console = Console(
        file=sink,
        width=1_000_000,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        legacy_windows=False,
    )
    console.print(grid)
    return "".join(f"{line.rstrip()}\n" for line in sink.getvalue().splitlines())


def _numeric_columns(sheet: Sheet) -> list[bool]:
    """Tell which columns hold numbers only."""
    columns = ([row[at] for row in sheet.rows] for at in range(len(sheet.columns)))
    return [
        all(is_number(cell) for cell in column if cell is not None)
        and any(cell is not None for cell in column)
        for column in columns
    ]


def unique(names: Sequence[str]) -> list[str]:
    """
    Number repeated names: JSON and Parquet would lose a column that was paid for.

    >>> unique(["n", "ward", "n"])
    ['n', 'ward', 'n_2']
    """
    result: list[str] = []
    for name in names:
        new, count = name, 1
        while new in result:
            count += 1
            new = f"{name}_{count}"
        result.append(new)
    return result
