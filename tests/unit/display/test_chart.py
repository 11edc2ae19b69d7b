"""Charts: which marks, of which numbers, and that data is never more than data."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.errors import ConfigError
from dpquery.results import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dpquery.results import Release

    Made = Callable[..., Release]

pytest.importorskip("altair")

HOSTILE = (
    "<script>alert(1)</script>",
    '"); alert(1); ("',
    "' + datum.value + '",
    'x\\"+alert(1)+\\"\\',
    "\u202egnp.exe",
    "line\nbreak",
    "w" * 5000,
)
"""The third and fourth break out of quotes that are escaped by half."""


def spec(release: Release, **options: str | list[str]) -> dict[str, Any]:
    found: dict[str, Any] = release.plot(**options).to_dict()
    return found


def svg(release: Release) -> str:
    sink = io.StringIO()
    release.plot().save(sink, format="svg")
    return sink.getvalue()


def marks(found: object) -> Iterator[str]:
    """Return the kinds of marks anywhere in a chart."""
    if isinstance(found, list):
        for each in found:
            yield from marks(each)
    elif isinstance(found, dict):
        if isinstance(found.get("mark"), dict):
            yield found["mark"]["type"]
        for key, each in found.items():
            if key not in {"mark", "datasets"}:
                yield from marks(each)


def points(found: dict[str, Any]) -> list[list[dict[str, Any]]]:
    return list(found["datasets"].values())


def subtitle(found: dict[str, Any]) -> list[str]:
    lines: list[str] = found["title"]["subtitle"]
    return lines


def test_a_key_makes_bars_in_the_order_of_the_answer(made: Made) -> None:
    rows = [("b", 41), (None, 30), ("a", 50)]
    found = spec(made(("ward", "n"), rows, 12, notes=("small groups are withheld",)))
    assert "bar" in set(marks(found))
    (records,) = points(found)
    assert [each["key"] for each in records] == ["b", "NULL", "a"]
    assert [each["value"] for each in records] == [41, 30, 50]
    assert [each["text"] for each in records] == ["41 ± 12", "30 ± 12", "50 ± 12"]
    assert [(each["low"], each["high"]) for each in records] == [
        *((29, 53), (18, 42), (38, 62))
    ]
    assert found["title"]["text"] == "n by ward"
    assert subtitle(found) == ["ε 0.2 · 95 % intervals", "small groups are withheld"]


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ([dt.date(2024, 1, 1), dt.date(2024, 2, 1)], "temporal"),
        ([dt.datetime(2024, 1, 1, 5), dt.datetime(2024, 1, 1, 6)], "temporal"),
        ([2022, 2023, 2025], "quantitative"),
        ([0.5, 1.5, 10.0], "quantitative"),
    ],
)
def test_times_and_numbers_make_lines_with_bands(
    keys: list[Any], kind: str, made: Made
) -> None:
    rows = [(key, 10 * at) for at, key in enumerate(keys)]
    found = spec(made(("x", "n"), rows, 3))
    assert {"line", "area", "rule"} <= set(marks(found))
    assert found["layer"][1]["encoding"]["x"]["type"] == kind


def test_days_are_the_same_days_in_every_time_zone(made: Made) -> None:
    """JavaScript takes a date without a time of day for midnight in UTC."""
    rows = [(dt.date(2024, 1, 1), 3), (dt.date(2024, 2, 1), 4)]
    (records,) = points(spec(made(("day", "n"), rows, 1)))
    assert [each["key"] for each in records] == [
        "2024-01-01T00:00:00",
        "2024-02-01T00:00:00",
    ]


@pytest.mark.parametrize("keys", [[101, 2000, 90000], [1, 2], [True, False, True]])
def test_codes_and_truths_make_bars(keys: list[Any], made: Made) -> None:
    rows = [(key, 10) for key in keys]
    assert "line" not in set(marks(spec(made(("code", "n"), rows, 3))))


def test_a_second_key_has_colours(made: Made) -> None:
    rows = [(r, s, 5) for r in ("north", "south") for s in ("f", "m")]
    found = spec(made(("region", "sex", "n"), rows, 3))
    assert found["layer"][0]["encoding"]["color"]["title"] == "sex"
    rows = [(y, s, 5) for y in (2020, 2021, 2022) for s in ("f", "m")]
    found = spec(made(("year", "sex", "n"), rows, 3))
    assert found["layer"][1]["encoding"]["color"]["title"] == "sex"


def test_lines_have_shapes_for_print_in_the_legend_of_their_colours(made: Made) -> None:
    rows = [(y, s, 5) for y in (2020, 2021, 2022) for s in ("f", "m")]
    drawn = svg(made(("year", "sex", "n"), rows, 3))
    assert drawn.count(">m</text>") == 1


def test_many_lines_have_a_chart_each(made: Made) -> None:
    rows = [(y, f"ward {w}", 5) for y in (2020, 2021, 2022) for w in range(9)]
    found = spec(made(("year", "ward", "n"), rows, 3))
    assert found["facet"]["field"] == "series"


def test_keys_of_many_values_make_one_name(made: Made) -> None:
    rows = [(f"r{r}", f"w{w}", "x", 5) for r in range(3) for w in range(9)]
    (records,) = points(spec(made(("region", "ward", "c", "n"), rows, 3)))
    assert records[0]["key"] == "r0 · w0 · x"


def test_bars_of_one_name_are_kept_apart(made: Made) -> None:
    (records,) = points(spec(made(("k", "n"), [("same", 1), ("same", 2)], 3)))
    assert [each["key"] for each in records] == ["same", "same (2)"]


def test_each_column_has_its_own_scale(made: Made) -> None:
    bars = {"n": [Interval(1, 3)], "cost": [Interval(900, 1100)]}
    found = spec(made(("ward", "n", "cost"), [("a", 2, 1000)], bars))
    domains = [
        each["layer"][0]["encoding"]["x"]["scale"]["domain"]
        for each in found["vconcat"]
    ]
    assert domains[0][1] < 4
    assert domains[1][1] > 1000
    one = spec(made(("ward", "n", "cost"), [("a", 2, 1000)], bars), y="cost")
    assert one["title"]["text"] == "cost by ward"


def test_a_number_without_keys_is_a_point(made: Made) -> None:
    found = spec(made(("n",), [(41,)], 12))
    assert "bar" not in set(marks(found))
    assert {"point", "rule"} <= set(marks(found))


def test_no_rows_are_said(made: Made) -> None:
    found = spec(made(("ward", "n"), [], {"n": []}))
    assert set(marks(found)) == {"text"}
    assert "no rows" in points(found)[0][0]["text"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "no column of this answer has numbers"),
        ({"y": "ward"}, "the column ward has no numbers"),
        ({"y": ["m"]}, "the answer has no column m"),
        ({"x": "m"}, "the answer has no column m"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(
    options: dict[str, Any], words: str, made: Made
) -> None:
    with pytest.raises(ConfigError) as caught:
        made(("ward", "n"), [("a", None), ("b", None)], 3).plot(**options)
    assert caught.value.code == "DPQ460"
    assert words in caught.value.message


def test_confidence_is_a_probability(made: Made) -> None:
    with pytest.raises(ConfigError) as caught:
        made(("ward", "n"), [("a", 1)], 3).plot(confidence=95)
    assert caught.value.code == "DPQ402"


def test_without_altair_it_says_how_to_get_it(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(ConfigError) as caught:
        made(("ward", "n"), [("a", 1)], 3).plot()
    assert caught.value.code == "DPQ403"
    assert caught.value.hint == "pip install 'dpquery[plot]'"


def test_counts_are_not_drawn_below_zero_and_sums_are(made: Made) -> None:
    rows = [("a", -30), ("b", 5)]
    (counted,) = points(spec(made(("k", "n"), rows, 12, counts=("n",))))
    assert [(e["value"], e["low"], e["high"]) for e in counted] == [
        *((0, 0, 12), (5, 0, 17))
    ]
    (summed,) = points(spec(made(("k", "n"), rows, 12)))
    assert summed[0]["value"] == -30
    assert summed[0]["low"] == -42


def test_infinite_and_missing_ends_are_arrows_within_the_chart(made: Made) -> None:
    bars: Any = {
        "n": [
            Interval(3, math.inf),
            Interval(-math.inf, math.inf),
            None,
            Interval(None, 11),  # type: ignore[arg-type] -- what is not known
        ]
    }
    rows = [("a", 5), ("b", 7), ("c", None), ("d", 9.0)]
    found = spec(made(("k", "n"), rows, bars))
    json.dumps(found, allow_nan=False)
    (records,) = points(found)
    assert [(e["below"], e["above"]) for e in records] == [
        *((False, True), (True, True), (False, False), (True, False))
    ]
    low, high = found["layer"][0]["encoding"]["x"]["scale"]["domain"]
    drawn = [e[end] for e in records for end in ("low", "high") if e[end] is not None]
    assert all(low <= each <= high for each in drawn)
    assert records[2]["text"] == "NULL"


@pytest.mark.parametrize("value", [1e300, math.nan, math.inf, 1e-300, 10**30])
def test_any_number_makes_a_chart(value: float, made: Made) -> None:
    answer = made(("k", "n"), [("a", value), ("b", 1.5)], {"n": [None, None]})
    json.dumps(spec(answer), allow_nan=False)
    assert "<svg" in svg(answer)


def test_thousands_of_rows_are_no_error(made: Made) -> None:
    found = spec(made(("k", "n"), [(f"x{i}", i) for i in range(6000)], 3))
    assert "not drawn: rows after the first 400 of 6000" in subtitle(found)
    days = [dt.date(2000, 1, 1) + dt.timedelta(days=i) for i in range(6000)]
    (records,) = points(spec(made(("day", "n"), [(day, 5) for day in days], 3)))
    assert len(records) == 6000


def test_rows_without_a_place_on_the_axis_are_said(made: Made) -> None:
    rows = [(2020, 1), (2021, 2), (2022, 3), (None, 6)]
    found = spec(made(("year", "n"), rows, 3))
    assert len(points(found)[0]) == 3
    assert "not drawn: rows without year: 1" in subtitle(found)


def strings(found: object) -> Iterator[str]:
    """Return all texts of a chart but the values of its data."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, list):
        for each in found:
            yield from strings(each)
    elif isinstance(found, dict):
        for key, each in found.items():
            if key != "datasets":
                yield key
                yield from strings(each)


OURS = ("isValid(datum.low)", "datum.below", "datum.above")
"""The only expressions of a chart."""


def could_break_out(found: dict[str, Any]) -> list[str]:
    """Return texts outside of the data that quotes in an expression would not hold."""
    return [
        each
        for each in strings(found)
        if set(each) & set("\"'`\\\u202e") and not each.startswith(OURS)
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_data_is_never_more_than_data(text: str, made: Made) -> None:
    """Keys are values of the data set; other texts have no quotes to break out of."""
    rows = [(text, f"{text}{s}", n) for n, s in ((1, "a"), (2, "b"))]
    found = spec(made(("k", "s", "n"), rows, 3))
    assert text not in set(strings(found))
    assert could_break_out(found) == []
    # PIVOT makes names of columns out of data
    named = made((text, f"{text} too", f"{text} n"), rows, 3, notes=(text,))
    lines = [(y, f"{text}{s}", y) for s in ("a", "b") for y in (1, 2, 3)]
    for release in (named, made((text, f"{text} too", "n"), lines, 3)):
        assert could_break_out(spec(release)) == []
        drawn = svg(release)
        assert "<script" not in drawn
        assert "\u202e" not in drawn
        assert len(drawn) < 100_000


def test_a_public_answer_has_no_error_bars(made: Made) -> None:
    found = spec(made(("region", "people"), [("north", 3), ("south", 4)]))
    (records,) = points(found)
    assert [(e["value"], e["low"]) for e in records] == [(3, None), (4, None)]
