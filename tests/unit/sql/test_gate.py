"""What never reaches the parser: size, characters, nesting; and what does."""

from __future__ import annotations

import re

import pytest
from sqlglot import Dialect, Dialects, TokenType

from dpquery.errors import SQLSyntaxError
from dpquery.sql.parsing import gate
from dpquery.sql.parsing.parse import parse

COUNT = "SELECT COUNT(*) FROM visits"


def refusal(sql: object, dialect: str = "duckdb") -> SQLSyntaxError:
    with pytest.raises(SQLSyntaxError) as caught:
        parse(sql, dialect)  # type: ignore[arg-type]
    return caught.value


# --- size -------------------------------------------------------------------------


def test_size_is_counted_in_bytes() -> None:
    room = gate.MAX_BYTES - len(COUNT) - len(" -- ")
    assert parse(f"{COUNT} -- {'x' * room}")
    assert refusal(f"{COUNT} -- {'x' * (room + 1)}").code == "DPQ002"
    assert refusal(f"{COUNT} -- {'é' * (room // 2 + 1)}").code == "DPQ002"


def test_tokens_are_counted() -> None:
    few = f"{COUNT} WHERE cost IN (0{', 1' * 900})"
    assert parse(few)
    many = refusal(f"{COUNT}\nWHERE cost IN (0{', 1' * 1000})")
    assert many.code == "DPQ002"
    assert many.position is not None
    assert many.position[0] == 2


@pytest.mark.parametrize("sql", ["", " ", "\n\t ", "\r\n"])
def test_an_empty_query_is_answered_with_an_example(sql: str) -> None:
    error = refusal(sql)
    assert error.code == "DPQ001"
    assert "for example" in str(error)


@pytest.mark.parametrize("sql", ["--", "/* nothing */", ";", ";;", "-- a\n-- b"])
def test_a_query_of_comments_is_no_select(sql: str) -> None:
    assert refusal(sql).code in {"DPQ001", "DPQ005"}


@pytest.mark.parametrize("sql", [None, 5, b"SELECT 1", ["SELECT 1"], object()])
def test_what_is_no_text_is_refused(sql: object) -> None:
    assert refusal(sql).code == "DPQ001"


# --- characters -------------------------------------------------------------------

# White space to DuckDB and letters to sqlglot, direction marks, controls, look-alikes.
EXOTIC = [
    *("\x00", "\x01", "\x07", "\x08", "\x0b", "\x0c", "\x1a", "\x1b", "\x7f"),
    *("\x80", "\x85", "\xa0", "\xad", "\u061c", "\u1680"),
    *("\u180e", "\u2000", "\u2003", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f"),
    *("\u2028", "\u2029", "\u202a", "\u202e", "\u202f", "\u205f", "\u2060", "\u2066"),
    *("\u3000", "\ufeff", "\ufff9", "\ud800", "\udfff", "\ue000", "\uffff"),
    *("\U000e0001", "\U000e0041", "\U0010ffff"),
]
SPACES = {"\xa0", "\u1680", "\u2000", "\u2003", "\u202f", "\u205f", "\u3000"}


@pytest.mark.parametrize("character", EXOTIC, ids=lambda c: f"U+{ord(c):04X}")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*){} FROM visits",
        "SELECT COUNT(*)\nFROM visits{}",
        '{}SELECT COUNT(*) FROM "visits"',
        'SELECT COUNT(*) FROM "visits{}"',
        "SELECT COUNT(*) FROM `visits{}`",
        "SELECT COUNT(*) FROM visits -- a{}b",
        "SELECT COUNT(*) /* a{}b */ FROM visits",
    ],
)
def test_exotic_characters_are_refused_outside_literals(
    sql: str, character: str
) -> None:
    error = refusal(sql.format(character))
    assert error.code == "DPQ003"
    assert error.place is not None
    line, column = error.place.line, error.place.column
    assert sql.format(character).split("\n")[line - 1][column - 1] == character
    assert character not in str(error)


@pytest.mark.parametrize("character", EXOTIC, ids=lambda c: f"U+{ord(c):04X}")
def test_exotic_characters_inside_literals(character: str) -> None:
    sql = f"{COUNT} WHERE ward = 'a{character}b'"
    if character in SPACES:
        assert parse(sql)
    else:
        assert refusal(sql).code == "DPQ003"


SIGNS = [
    *("\u2265", "\u00d7", "\u2212", "\u201c", "\u201d", "\u2018", "\u2019"),
    *("\uff1b", "\uff08", "\uff09", "\uff1d", "\uff0a", "\uff0f", "\uff01"),
    *("\u3002", "\u3001", "\u2026", "\u2022", "\u00a7", "\u20ac", "\u00b4"),
]


@pytest.mark.parametrize("character", SIGNS)
def test_signs_that_look_like_sql_are_refused_outside_literals(character: str) -> None:
    assert refusal(f"SELECT COUNT(*) {character} FROM visits").code == "DPQ003"
    assert parse(f"{COUNT} WHERE ward = '{character}'")


@pytest.mark.parametrize(
    "text",
    ["Ålesund", "日本", "naïve", "e\u0301", "العربية", "🙂", "Å\nb", "a\tb", "''"],
)
def test_texts_may_be_of_any_language(text: str) -> None:
    assert parse(f"{COUNT} WHERE ward = '{text}'")


@pytest.mark.parametrize("name", ["größe", "年", "étage_2", "K"])  # the last is Kelvin
def test_names_may_be_of_any_language(name: str) -> None:
    assert parse(f"SELECT COUNT({name}) FROM visits")


def test_a_text_that_is_not_closed_hides_nothing() -> None:
    assert refusal(f"{COUNT} WHERE ward = 'a\u200b").code == "DPQ003"
    assert refusal(f"{COUNT} WHERE ward = 'a").code == "DPQ001"
    assert refusal(f'{COUNT} WHERE "ward').code == "DPQ001"
    assert refusal(f"{COUNT} /* WHERE").code in {"DPQ001", "DPQ005"}


# --- nesting ----------------------------------------------------------------------


def test_brackets_nest_to_a_depth() -> None:
    def nested(levels: int) -> str:
        return f"SELECT {'(' * levels}1{')' * levels} FROM visits"

    assert parse(nested(gate.MAX_NESTING))
    assert refusal(nested(gate.MAX_NESTING + 1)).code == "DPQ004"
    assert refusal(nested(1900)).code in {"DPQ004", "DPQ002"}


@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_other_brackets_count_as_well(pair: str) -> None:
    levels = gate.MAX_NESTING + 1
    sql = f"SELECT {pair[0] * levels}1{pair[1] * levels} FROM visits"
    assert refusal(sql).code in {"DPQ004", "DPQ001"}


@pytest.mark.parametrize("closing", ["')'", '")"', "']'", "'}'", "$$)$$"])
def test_a_bracket_in_quotes_closes_nothing(closing: str) -> None:
    levels = gate.MAX_NESTING + 1
    sql = f"SELECT {f'f({closing}, ' * levels}1{')' * levels} FROM visits"
    assert refusal(sql).code == "DPQ004"


def test_closed_brackets_do_not_count() -> None:
    assert parse(f"SELECT {'+'.join(['(1)'] * 200)} FROM visits")


CLOSED, CLOSED_NAME = "(')', ", '(")", '
BOMB = "date(" * 20 + "1" + ")" * 20
HIDDEN = [
    ("duckdb", f"SELECT {BOMB} FROM visits"),
    ("duckdb", f"SELECT date /**/ {BOMB[4:]} FROM visits"),
    ("duckdb", f"SELECT $$'$$, {BOMB}, $$'$$ FROM visits"),
    ("duckdb", f"SELECT $a$'$a$, {BOMB}, $a$'$a$ FROM visits"),
    ("duckdb", f"SELECT E'\\'', {BOMB}, '' FROM visits"),
    ("duckdb", f"SELECT /* /* */ ' */ {BOMB} -- '\n FROM visits"),
    ("duckdb", f"SELECT {{# ' #}} {BOMB} {{# ' #}} FROM visits"),
    ("duckdb", f"SELECT -- '\n {BOMB} -- '\n FROM visits"),
    ("duckdb", f'SELECT "\'", {BOMB}, "\'" FROM visits'),
    ("duckdb", f"SELECT {BOMB.replace('(', CLOSED)} FROM visits"),
    ("duckdb", f"SELECT {BOMB.replace('(', CLOSED_NAME)} FROM visits"),
    ("mysql", f"SELECT '\\'', {BOMB}, '' FROM visits"),
    ("mysql", f"SELECT # ' \n {BOMB} # ' \n FROM visits"),
    ("tsql", f"SELECT ['], {BOMB}, ['] FROM visits"),
    ("bigquery", f"SELECT '''a'b''', {BOMB}, '' FROM visits"),
    ("snowflake", f"SELECT // ' \n {BOMB} // ' \n FROM visits"),
    ("clickhouse", f"SELECT # ' \n {BOMB} # ' \n FROM visits"),
]


@pytest.mark.parametrize(("dialect", "sql"), HIDDEN)
def test_nested_types_are_refused_before_they_are_parsed(
    dialect: str, sql: str
) -> None:
    # parsing them would take half a minute, and the next level a minute
    assert refusal(sql, dialect).code == "DPQ004"


def type_words() -> list[tuple[str, str]]:
    """Return every word that some dialect's parser takes for a type."""
    found: dict[str, str] = {}
    for member in Dialects:
        if not member.value:
            continue
        dialect = Dialect.get_or_raise(member.value)
        types = dialect.parser_class.TYPE_TOKENS
        for word, token in dialect.tokenizer_class.KEYWORDS.items():
            if token in types and word.replace(" ", "").replace("_", "").isalnum():
                found.setdefault(word, member.value)
    return sorted(found.items())


@pytest.mark.parametrize(("word", "dialect"), type_words())
def test_every_word_for_a_type_counts(word: str, dialect: str) -> None:
    sql = f"SELECT {f'{word}(' * 20}1{')' * 20} FROM visits"
    assert refusal(sql, dialect).code == "DPQ004"


def test_nesting_is_counted_on_the_parser_s_own_tokens() -> None:
    types = Dialect.get_or_raise("duckdb").parser_class.TYPE_TOKENS
    assert TokenType.DATE in types
    tokens = Dialect.get_or_raise("duckdb").tokenize("date(date(date(1)))")
    with pytest.raises(SQLSyntaxError) as caught:
        gate.check_nesting("date(date(date(1)))", tokens, types)
    assert caught.value.position == (1, 15)


# --- comments ---------------------------------------------------------------------


@pytest.mark.parametrize("dialect", sorted(d.value for d in Dialects if d.value))
def test_comments_and_hints_do_not_reach_the_parser(dialect: str) -> None:
    reader = Dialect.get_or_raise(dialect)
    sql = "SELECT /*+ x */ a /* c */, b -- d\nFROM t /*e*/"
    bare = re.sub(r"/\*.*?\*/|-- d", lambda found: " " * len(found[0]), sql)
    kept = gate.without_comments(reader.tokenize(sql))
    assert [each.comments for each in kept] == [[]] * 6
    assert [(t.token_type, t.text, t.start, t.end) for t in kept] == [
        (t.token_type, t.text, t.start, t.end) for t in reader.tokenize(bare)
    ]


# --- places -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "start", "line", "column", "shown"),
    [
        ("SELECT 1", 7, 1, 8, "SELECT 1"),
        ("SELECT\n  x", 9, 2, 3, "  x"),
        ("a\r\nb", 3, 2, 1, "b"),
        ("\n\n", 1, 2, 1, ""),
        ("ab", 99, 1, 3, "ab"),
        ("ab", -5, 1, 1, "ab"),
        ("x\ty", 2, 1, 3, "x y"),
        ("\x1b[31mx", 0, 1, 1, " [31mx"),
    ],
)
def test_places(sql: str, start: int, line: int, column: int, shown: str) -> None:
    place = gate.place(sql, start)
    assert (place.line, place.column, place.text) == (line, column, shown)
    assert place.length == 1
