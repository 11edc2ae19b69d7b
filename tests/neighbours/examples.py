"""Random databases with questions to each: small, and as unclean as real ones."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.policy.catalog import SqlType
from dpquery.sql.queries.bind import bind

from .choices import Choices
from .clinic import Hints, Row, Rows, catalog
from .questions import Question, write_question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dpquery.plan.program import Program

_PERSON = ["1", "1", "1", "1", "2", "2", "2", None]
_DOUBLES = [
    *("1", "0", "1", "2", "2.5", "-1.25", "19.9995", "1e-9", "1000", "-0.0"),
    *("0", "1e300", "-1e300", "nan", "-nan", "inf", "-inf", None),
]
_DATES = [
    *("2020-02-20", "2020-02-29", "2020-02-29", "2020-03-01", "2020-03-10"),
    *("2019-01-01", "20000-01-01", "0044-03-15 (BC)", "9999-12-31", "0001-01-01"),
    *("infinity", "-infinity", None),
]
_TIMES = [
    *("2020-02-20 23:59:59.999999", "2020-02-29 12:00:00", "2020-03-10 00:00:00"),
    *("20000-01-01 00:00:00", "infinity", "-infinity", None),
]
_TEXT = ["a", "b", "A", "", "ß'\"", "Ålesund 北", "x" * 300, "|", None]
_CODES = ["1", "1", "0", "2", "-7", None]
_POOLS: dict[str, list[list[str | None]]] = {
    "people": [
        ["1", "1", "2", "2", "3", None],
        ["f", "f", "m", "x", None],
        ["1998", "2000", "2003", "-2147483648", "2147483647", None],
        ["north", "north", "south", "Nørd", "nowhere", None],
        [*_DOUBLES, "10", "-10"],
    ],
    "visits": [
        _PERSON,
        _TEXT,
        ["50.00", "50.00", "0.00", "12.345", "99999999.99", "-99999999.99", None],
        _DATES,
        ["true", "true", "false", None],
        ["5", "5", "-3", "0", "9223372036854775807", "-9223372036854775808", None],
        _DOUBLES,
        ["0", "3", "9223372036854775807", "-9223372036854775808", None],
        _CODES,
    ],
    "bills": [_PERSON, ["1", "2", "3", "9", None], [*_DOUBLES, "1000"], _DATES],
    "exams": [
        ["1", "1", "2", "3", "4", "99", None],
        ["a", "a", "", "ß'\"", "other", None],
        [*_DOUBLES, "20"],
        ["6", "0", "32767", "-32768", None],
    ],
    "findings": [
        ["e1", "e1", "e2", "e3", "e9", None],
        ["100", "0", "33.3", "nan", "inf", "-3e38", "3e38", None],
        _TEXT,
        _TIMES,
    ],
    "sensors": [["lab", "lab", "", None], _DOUBLES, _CODES],
    "regions": [
        ["north", "south", "Nørd", "Nørd", None],
        ["N", "S", "", None],
        ["2", "0", "7", None],
    ],
    "codes": [_CODES, ["a", "b", "", None], _DOUBLES],
}
"""What the cells of each table hold; keys on the way to the owner are added after."""
_ROWS = [4, 0, 2, 3, 4, 5, 5, 6, 6, 7]
_COPIES = [1, 1, 1, 2, 5]
"""A row may come several times: that is how a unit becomes a heavy one."""


def make_rows(choices: Choices) -> Rows:
    """Choose all rows; only keys that lead to an owner are unique."""
    made: Rows = {}
    for table, cells in _POOLS.items():
        # the first of each comes often, so that rows meet and units are heavy
        pools = [pool + pool[:1] * (len(pool) // 2) for pool in cells]
        made[table] = []
        for _ in range(choices.one_of(_ROWS)):
            row = tuple(choices.one_of(pool) for pool in pools)
            made[table] += [row] * choices.one_of(_COPIES)
    made["visits"] = _numbered(made["visits"], "")
    made["exams"] = _numbered(made["exams"], "e")
    return made


def _numbered(without_keys: list[Row], prefix: str) -> list[Row]:
    """Put a unique key before each row, and NULL before every seventh."""
    return [
        (f"{prefix}{at}" if at % 7 else None, *row)
        for at, row in enumerate(without_keys, start=1)
    ]


# --- questions -------------------------------------------------------------------

_GIVEN: dict[SqlType, list[Any]] = {
    SqlType.INTEGER: [1, 0, 2, 5, -3, None],
    SqlType.DOUBLE: [0.0, 1.5, 25.0, -1.0, None],
    SqlType.VARCHAR: ["a", "b", "", "north", None],
    SqlType.BOOLEAN: [True, False, None],
    SqlType.DATE: [dt.date(2020, 2, 29), dt.date(2020, 3, 1), None],
    SqlType.TIMESTAMP: [dt.datetime(2020, 2, 29, 12), None],
}
"""What earlier answers may have said: anything, for what follows holds given them."""


@dataclass(frozen=True)
class Asked:
    """A question under the owner's rules."""

    question: Question
    rules: BoundingRules
    hints: Hints
    given: bytes
    """Chooses the rows of earlier answers."""

    def program(self) -> Program:
        """Return the releases that answer the question."""
        views = "view" in self.question.features
        known = catalog(self.hints, views=views)
        return compile_program(bind(self.question.sql, known), known, self.rules)

    def inputs(self, program: Program) -> dict[str, list[Any]]:
        """Return rows of earlier answers, by the names of the parameters."""
        choices, found = Choices(self.given), {}
        for each in program.inputs:
            count = choices.one_of(range(5))
            for at, (_, type_) in enumerate(each.columns):
                values = [choices.one_of(_GIVEN[type_]) for _ in range(count)]
                found[f"{each.name}_c{at}"] = values
        return found


@dataclass(frozen=True)
class Example:
    """One database, and what is asked about it."""

    rows: Rows
    asked: tuple[Asked, ...]


@dataclass(frozen=True)
class Drawn:
    """The bytes that an example is chosen by."""

    database: bytes
    questions: tuple[bytes, ...]


QUESTIONS = 8
"""Asked about one database, which takes as long to make as one question to check."""
DATABASE_BYTES, QUESTION_BYTES, GIVEN_BYTES = 500, 250, 20


def make_question(drawn: bytes) -> Asked:
    """Choose one question and the rules."""
    choices = Choices(drawn[GIVEN_BYTES:])
    per_unit = choices.one_of([1, 2, 3, 4])
    per_group = choices.one_of([None, *range(1, per_unit + 1)])
    mode, norm = choices.one_of(list(BoundingMode)), choices.one_of([2, 1])
    least = (1, 1, 1, 1, 1, 1, 2, 3)[drawn[0] % 8]
    rules = BoundingRules(mode, norm, choices.one_of([1, 2, 3, 4]), min_units=least)
    hints = Hints(per_unit, per_group)
    return Asked(write_question(choices), rules, hints, drawn[:GIVEN_BYTES])


def make_example(drawn: Drawn) -> Example:
    """Choose one database with its questions."""
    rows = make_rows(Choices(drawn.database))
    return Example(rows, tuple(map(make_question, drawn.questions)))


def draw(number: int) -> Iterator[Drawn]:
    """
    Yield what examples are chosen by: the same for the same *number*.

    Not drawn by hypothesis: its texts of bytes are so much alike that two questions of
    three moved nothing; and what fails is made smaller by ``shrunk``.
    """
    source = random.Random(number)  # noqa: S311 -- the same in every run
    while True:
        questions = [source.randbytes(QUESTION_BYTES) for _ in range(QUESTIONS)]
        yield Drawn(source.randbytes(DATABASE_BYTES), tuple(questions))


def shrunk(drawn: Drawn, fails: Callable[[Drawn], bool], tries: int = 300) -> Drawn:
    """Return a smaller example that fails too: first options instead of drawn ones."""
    for alone in drawn.questions:
        if fails(replace(drawn, questions=(alone,))):
            drawn = replace(drawn, questions=(alone,))
            break
    size = 64
    while size and tries:
        for smaller in _smaller(drawn, size):
            tries -= 1
            if fails(smaller):
                drawn = smaller
            if not tries:
                break
        size //= 4
    return drawn


def _smaller(drawn: Drawn, size: int) -> Iterator[Drawn]:
    """Yield examples with so many bytes of zero more; each is one choice less."""
    (question, *others) = drawn.questions
    for at in range(0, QUESTION_BYTES, size):
        yield replace(drawn, questions=(_zero(question, at, size), *others))
    for at in range(0, DATABASE_BYTES, size):
        yield replace(drawn, database=_zero(drawn.database, at, size))


def _zero(text: bytes, at: int, size: int) -> bytes:
    return text[:at] + bytes(len(text[at : at + size])) + text[at + size :]
