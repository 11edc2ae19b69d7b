"""
Random databases and questions: remove one unit, and compare (theory.md 6.1).

A question counts when it is answered: those that are refused are few, and most of them
were written to be (``Writer.misses``). What is answered is checked alike.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.errors import QueryRefused

from .clinic import ROW, people
from .examples import QUESTION_BYTES, draw, make_example, make_question, shrunk
from .features import FEATURES
from .removal import Removal

if TYPE_CHECKING:
    from dpquery.plan.program import Program

    from .examples import Asked, Drawn, Example
    from .worlds import Worlds

CHUNKS = 10
"""In the normal run, shared by all processes."""
ACCEPTED = 200
"""Questions in each, so 2,000 in all."""
LONG = 100_000
REFUSED = 0.15
"""At most this share of the questions."""
STEPS = 2
"""Releases of a program that are checked, the last ones; ROLLUP makes more."""
DRAWN, OFTEN = 4_000, 3
"""Questions that are written, and how often each feature is answered among them."""
ROWS_GONE = 2
"""Rows of the table under row privacy that go, in turn."""


@dataclass
class Tally:
    """What became of the questions."""

    accepted: int = 0
    refused: int = 0
    moved: int = 0
    """Questions with a measurement that some unit moves."""
    most: float = 0.0


class Check:
    """Asks the questions of examples about each of their worlds."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, worlds: Worlds) -> None:
        self._connection = connection
        self._worlds = worlds
        self.tally = Tally()

    def example(self, example: Example) -> None:
        """
        Raises:
            AssertionError: a claim is false.
        """
        rows = example.rows
        sensors = [str(at) for at in range(min(len(rows[ROW]), ROWS_GONE))]
        self._worlds.fill(rows, people(rows), sensors)
        for asked in example.asked:
            try:
                program = asked.program()
            except QueryRefused:
                self.tally.refused += 1
            else:
                self._removals(asked, program)

    def _removals(self, asked: Asked, program: Program) -> None:
        inputs, tally = asked.inputs(program), self.tally
        shares = [
            moved.share
            for step in program.releases[-STEPS:]
            for moved in Removal(self._connection, self._worlds, step, inputs).check()
        ]
        tally.accepted += 1
        tally.moved += any(shares)
        tally.most = max([tally.most, *shares])

    def fails(self, drawn: Drawn) -> bool:
        """Return whether some claim is false of an example."""
        try:
            self.example(make_example(drawn))
        except (AssertionError, duckdb.Error):
            return True
        return False


def remove_at_random(check: Check, number: int, wanted: int) -> None:
    """Check examples until so many questions were answered."""
    for drawn in draw(number):
        try:
            check.example(make_example(drawn))
        except (AssertionError, duckdb.Error) as error:
            small = make_example(shrunk(drawn, check.fails))
            pytest.fail(f"{error}\n{small.asked[0]}\n{small.rows}")
        if check.tally.accepted >= wanted:
            break
    tally = check.tally
    assert tally.refused <= REFUSED * (tally.accepted + tally.refused)
    assert tally.moved > 0.4 * tally.accepted  # many are about somebody
    assert tally.most > 0.99


@pytest.mark.parametrize("number", range(CHUNKS))
def test_a_unit_more_or_less(
    connection: duckdb.DuckDBPyConnection, worlds: Worlds, number: int
) -> None:
    remove_at_random(Check(connection, worlds), number, ACCEPTED)


@pytest.mark.long
@pytest.mark.parametrize("number", range(CHUNKS, 3 * CHUNKS))
def test_a_unit_more_or_less_in_many_databases(
    connection: duckdb.DuckDBPyConnection, worlds: Worlds, number: int
) -> None:
    remove_at_random(Check(connection, worlds), number, LONG // (2 * CHUNKS))


def test_every_feature_is_asked_about_and_answered() -> None:
    """What is always refused would be checked by nothing."""
    drawn = random.Random(1)  # noqa: S311 -- the same in every run
    found = Counter[str]()
    for _ in range(DRAWN):
        asked = make_question(drawn.randbytes(QUESTION_BYTES))
        rare = [each for each in asked.question.features if found[each] < OFTEN]
        if not rare:
            continue  # would only take time
        try:
            asked.program()
        except QueryRefused:
            continue
        found.update(asked.question.features)
    assert {each: found[each] for each in FEATURES if found[each] < OFTEN} == {}
