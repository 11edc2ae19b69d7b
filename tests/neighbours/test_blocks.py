"""
Random databases and questions about blocks of time (theory.md 3.5).

What a release is debited to is all that it depends on: rows of the dated table in other
blocks may be any rows, or none. Under a cap, a unit moves no release that is debited to
none of its first blocks.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused
from dpquery.plan.analysis.blocks import UNDATED, Calendar
from dpquery.sql.lowering.lower import lower_release
from dpquery.sql.lowering.rankings import lower_distinct, lower_ranking

from .clinic import NAMES, people
from .examples import draw, make_example
from .removal import Removal

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from dpquery.plan.program import ReleaseStep

    from .clinic import Row, Rows
    from .examples import Asked, Example
    from .removal import Key
    from .worlds import World, Worlds

FIRST, LAST = dt.date(2020, 2, 20), dt.date(2020, 3, 10)
EVERY = ("day", "week", "month")
CHUNKS, EXAMPLES = 3, 12
SEEN = NAMES["visits"].index("seen")
PERSON = NAMES["visits"].index("person")
DAYS = ["2020-02-20", "2020-02-29", "2020-03-01", "2020-03-02", "2020-03-10"]
BOUNDS = [
    "seen >= DATE '2020-03-01'",
    "seen < DATE '2020-02-25'",
    "seen BETWEEN DATE '2020-02-24' AND DATE '2020-03-01'",
    "seen = DATE '2020-02-29' AND cost > 1",
    "seen > DATE '2020-03-20'",
    "seen <= TIMESTAMP '2020-03-01 00:00:00'",
]
Answers = list[list["Key"]]


def block_of(calendar: Calendar, seen: str | None) -> str | None:
    """Return the block of a cell, found apart from the product."""
    try:
        day = dt.date.fromisoformat(seen or "")
    except ValueError:  # NULL, infinity, before Christ, the year 20000
        return None
    if not FIRST <= day <= LAST:
        # of the first and the last block all days count, within bounds or not
        start, end = calendar.within(FIRST, LAST)
        if not start <= day < end:
            return None
    return calendar.name(calendar.start(day))


def dated(asked: Asked, calendar: Calendar, source: random.Random) -> Asked:
    """Return the question with blocks, most visits within some dates."""
    sql = asked.question.sql
    for alias in sorted({word for word in sql.split() if word.startswith("v")}):
        if source.random() < 0.7:
            bound = source.choice(BOUNDS)
            rows = f"(SELECT * FROM visits WHERE {bound})"
            sql = sql.replace(f"visits AS {alias} ", f"{rows} AS {alias} ")
    rules = replace(asked.rules, calendar=calendar)
    return replace(asked, rules=rules, question=replace(asked.question, sql=sql))


def steps_of(
    example: Example, calendar: Calendar, source: random.Random
) -> Iterator[tuple[Asked, ReleaseStep, dict[str, list[object]]]]:
    for each in example.asked:
        asked = dated(each, calendar, source)
        try:
            program = asked.program()
        except QueryRefused:
            continue
        inputs = asked.inputs(program)
        yield from ((asked, step, inputs) for step in program.releases[-2:])


def exact(
    worlds: Worlds, world: World, step: ReleaseStep, inputs: dict[str, list[object]]
) -> Answers:
    """Return all exact integers of a release."""
    lowered = [lower_release(step)] if step.moments else []
    lowered += [lower_distinct(step, at) for at in range(len(step.distinct))]
    lowered += [lower_ranking(step, at) for at in range(len(step.rankings))]
    found = []
    for each in lowered:
        given = {
            name: values
            for name, values in inputs.items()
            if name.partition("_")[0] in each.inputs
        }
        found.append(sorted(worlds.run(world, each.text, given), key=repr))
    return found


def altered(
    rows: Rows, calendar: Calendar, kept: tuple[str, ...], source: random.Random
) -> Rows:
    """Return rows, other ones in the blocks that are not *kept*."""
    left: list[Row] = []
    for row in rows["visits"]:
        block = block_of(calendar, row[SEEN])
        if (UNDATED if block is None else block) in kept:
            left.append(row)
    others: list[Row] = []
    for day in [*DAYS, "2019-01-01", "infinity", None]:
        block = block_of(calendar, day)
        if (UNDATED if block is None else block) in kept or source.random() < 0.3:
            continue
        for at, person in enumerate(["1", "2", "3", None]):
            key = f"{900 + 10 * len(others) + at}"
            others.append(
                (key, person, "a", "50.00", day, "true", "5", "1", "0", "1"),
            )
    source.shuffle(others)
    return rows | {"visits": [*left, *others]}


@dataclass
class Tally:
    releases: int = 0
    partial: int = 0
    """Debited to some of the blocks, not all."""
    moving: int = 0
    """Of these, what would move if the rows in its own blocks went."""


def check_other_blocks(worlds: Worlds, number: int, wanted: int) -> Tally:
    source, tally = random.Random(number), Tally()  # noqa: S311 -- seeded
    for drawn in islice(draw(1000 + number), wanted):
        calendar = Calendar("visits", "seen", source.choice(EVERY), FIRST, LAST)
        example = make_example(drawn)
        for asked, step, inputs in steps_of(example, calendar, source):
            whole = {*calendar.between(*calendar.within(FIRST, LAST)), UNDATED}
            assert {*step.blocks} <= whole
            tally.releases += 1
            if {*step.blocks} in ({UNDATED}, whole):
                continue
            tally.partial += 1
            others = altered(example.rows, calendar, step.blocks, source)
            gone = altered(example.rows, calendar, (), source)
            worlds.fill(example.rows, [], [])
            before = exact(worlds, worlds.all, step, inputs)
            worlds.fill(others, [], [])
            after = exact(worlds, worlds.all, step, inputs)
            assert before == after, (asked.question.sql, step.blocks)
            worlds.fill(gone, [], [])
            tally.moving += before != exact(worlds, worlds.all, step, inputs)
    return tally


@pytest.mark.parametrize("number", range(CHUNKS))
def test_rows_of_other_blocks_move_nothing(worlds: Worlds, number: int) -> None:
    tally = check_other_blocks(worlds, number, EXAMPLES)
    assert tally.partial > 0.15 * tally.releases, tally
    assert tally.moving > 0.3 * tally.partial, tally


def first_blocks(rows: Rows, calendar: Calendar, person: str | None) -> set[str]:
    """Return the first blocks that somebody has visits in, as many as count."""
    found = {
        block
        for row in rows["visits"]
        if row[PERSON] == person and (block := block_of(calendar, row[SEEN]))
    }
    return {*sorted(found)[: calendar.cap]}


@pytest.mark.parametrize("number", range(CHUNKS))
def test_under_a_cap_a_unit_is_in_its_first_blocks_only(
    worlds: Worlds, number: int
) -> None:
    source = random.Random(number)  # noqa: S311 -- seeded
    apart = moved = 0
    for drawn in islice(draw(2000 + number), EXAMPLES):
        cap = source.choice([1, 2, 3])
        calendar = Calendar("visits", "seen", source.choice(EVERY), FIRST, LAST, cap)
        example = make_example(drawn)
        rows = example.rows
        worlds.fill(rows, people(rows), [])
        for asked, step, inputs in steps_of(example, calendar, source):
            if UNDATED in step.blocks or not step.blocks:
                continue
            before = exact(worlds, worlds.all, step, inputs)
            for world in worlds.without("person", frozenset(NAMES)):
                after = exact(worlds, world, step, inputs)
                if first_blocks(rows, calendar, world.gone) & {*step.blocks}:
                    moved += before != after
                    continue
                apart += 1
                assert before == after, (asked.question.sql, world.gone, step.blocks)
    assert apart > 10
    assert moved > 5


@pytest.mark.parametrize("number", range(CHUNKS))
def test_within_blocks_units_move_no_further_than_is_claimed(
    connection: duckdb.DuckDBPyConnection, worlds: Worlds, number: int
) -> None:
    source = random.Random(number)  # noqa: S311 -- seeded
    shares = []
    for drawn in islice(draw(3000 + number), EXAMPLES // 2):
        cap = source.choice([None, 1, 2])
        calendar = Calendar("visits", "seen", source.choice(EVERY), FIRST, LAST, cap)
        example = make_example(drawn)
        worlds.fill(example.rows, people(example.rows), [])
        for _, step, inputs in steps_of(example, calendar, source):
            removal = Removal(connection, worlds, step, inputs)
            shares += [moved.share for moved in removal.check()]
    assert max(shares) > 0.9
