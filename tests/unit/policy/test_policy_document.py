"""The part of YAML that policies use, and what is refused of the rest."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from dpquery.errors import PolicyError
from dpquery.policy.document import parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~", None),
        ("null", None),
        ("", None),
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("0", 0),
        ("-12", -12),
        ("+5", 5),
        ("017", "017"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("1:00", "1:00"),
        ("1e-6", Decimal("0.000001")),
        ("1E+3", Decimal(1000)),
        ("0.1", Decimal("0.1")),
        (".5", Decimal("0.5")),
        ("5.", Decimal(5)),
        ("1e9999", "1e9999"),
        ("\u0661", "\u0661"),  # a digit, but no ASCII digit
        ("2024-02-29", dt.date(2024, 2, 29)),
        ("2024-2-9", "2024-2-9"),
        ("2024-02-29 10:00:00", "2024-02-29 10:00:00"),
        ("'1'", "1"),
        ('"null"', "null"),
        ('"2024-02-29"', "2024-02-29"),
        ("inf", "inf"),
        ("nan", "nan"),
        ("é", "é"),
    ],
)
def test_scalars_are_what_they_look_like(text: str, value: object) -> None:
    read = parse(f"key: {text}\n", "f").data
    assert read == {"key": value}
    assert isinstance(read, dict)
    assert type(read["key"]) is type(value)


def test_keys_are_always_words() -> None:
    assert parse("{no: 1, 2: 2, null: 3, 2020-01-01: 4}", "f").data == {
        "no": 1,
        "2": 2,
        "null": 3,
        "2020-01-01": 4,
    }


def test_places_survive_windows_line_ends_and_wide_characters() -> None:
    document = parse("é: ü\r\nlist:\r\n  - 'å'\r\n  - {deep: x}\r\n", "f.yaml")
    place = document.place(("list", 1, "deep"))
    assert (place.line, place.column, place.length) == (4, 12, 1)
    assert (place.text, place.file) == ("  - {deep: x}", "f.yaml")
    assert document.place(("list", 0)).column == 5
    assert document.place(("é",)).column == 4
    assert document.place(("é",), key=True).column == 1


def test_a_place_that_is_not_there_is_the_nearest_around_it() -> None:
    document = parse("a:\n  b: {c: 1}\n", "f")
    assert document.place(("a", "b", "z", 3)) == document.place(("a", "b"))
    assert document.place(("q",)).line == 1


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for name, last in zip("bcdefghij", "abcdefghi", strict=True):
        bomb += f"{name}: &{name} [" + ", ".join([f"*{last}"] * 9) + "]\n"
    with pytest.raises(PolicyError, match="anchors such as `&a`") as caught:
        parse(bomb, "f")
    assert (caught.value.code, caught.value.position) == ("DPQ304", (1, 4))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_early(opening: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(opening * 100_000, "f")
    assert caught.value.code == "DPQ304"
    assert caught.value.position is not None
    assert caught.value.position[1] <= 100


def test_twenty_levels_are_enough_for_everybody() -> None:
    assert parse("[" * 20 + "]" * 20, "f").data is not None
    with pytest.raises(PolicyError, match="more than 20 levels"):
        parse("[" * 22 + "]" * 22, "f")


def test_control_characters_never_reach_a_terminal() -> None:
    with pytest.raises(PolicyError) as caught:
        parse("a: 1\nb: \x1b[31mred\n", "f")
    assert "\x1b" not in str(caught.value)
