"""Blocks of time: what they are called, and what rows a query reads of them."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.lockdown import PINNED
from dpquery.errors import PolicyError
from dpquery.kernel.blocks import calendar_of
from dpquery.plan.analysis.blocks import UNDATED, Calendar
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.policy.catalog import (
    Catalog,
    CatalogColumn,
    CatalogTable,
    Hop,
    Owner,
    SqlType,
)
from dpquery.policy.model import Epochs
from dpquery.sql.lowering.lower import lower_release
from dpquery.sql.queries.bind import bind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.plan.program import ReleaseStep

D = dt.date
FIRST, LAST = D(2023, 12, 20), D(2024, 3, 10)
PLENTY = 10**6
"""Rows of a unit: bounds that bind nobody."""


# --- which blocks there are ------------------------------------------------------


def calendar(every: str, first: D = FIRST, last: D = LAST) -> Calendar:
    return Calendar("events", "day", every, first, last)


@pytest.mark.parametrize(
    ("every", "day", "name", "start", "after"),
    [
        ("day", D(2024, 2, 28), "2024-02-28", D(2024, 2, 28), D(2024, 2, 29)),
        ("day", D(2024, 12, 31), "2024-12-31", D(2024, 12, 31), D(2025, 1, 1)),
        ("week", D(2024, 12, 31), "2025-W01", D(2024, 12, 30), D(2025, 1, 6)),
        ("week", D(2021, 1, 3), "2020-W53", D(2020, 12, 28), D(2021, 1, 4)),
        ("week", D(2024, 2, 29), "2024-W09", D(2024, 2, 26), D(2024, 3, 4)),
        ("week", D(2023, 1, 1), "2022-W52", D(2022, 12, 26), D(2023, 1, 2)),
        ("month", D(2024, 2, 29), "2024-02", D(2024, 2, 1), D(2024, 3, 1)),
        ("month", D(2023, 12, 31), "2023-12", D(2023, 12, 1), D(2024, 1, 1)),
        ("quarter", D(2023, 12, 31), "2023-Q4", D(2023, 10, 1), D(2024, 1, 1)),
        ("quarter", D(2024, 2, 29), "2024-Q1", D(2024, 1, 1), D(2024, 4, 1)),
        ("year", D(2024, 12, 31), "2024", D(2024, 1, 1), D(2025, 1, 1)),
        ("year", D(2024, 1, 1), "2024", D(2024, 1, 1), D(2025, 1, 1)),
    ],
)
def test_a_block_has_its_name_and_its_ends(
    every: str, day: D, name: str, start: D, after: D
) -> None:
    blocks = calendar(every)
    assert blocks.start(day) == start
    assert blocks.after(start) == after
    assert blocks.name(start) == name


@pytest.mark.parametrize("every", ["day", "week", "month", "quarter", "year"])
def test_every_day_is_in_one_block_and_names_differ(every: str) -> None:
    """Ten years: leap years, and the years of 53 weeks 2015 and 2020."""
    blocks, names = calendar(every), {}
    for ordinal in range(D(2015, 1, 1).toordinal(), D(2025, 1, 1).toordinal()):
        day = D.fromordinal(ordinal)
        start = blocks.start(day)
        assert start <= day < blocks.after(start)
        assert blocks.start(start) == start
        assert blocks.start(blocks.after(start)) == blocks.after(start)
        assert names.setdefault(blocks.name(start), start) == start
    assert list(names) == sorted(names)
    assert set(blocks.between(blocks.start(D(2015, 1, 1)), D(2025, 1, 1))) == set(names)


@pytest.mark.parametrize("every", ["day", "week", "month", "quarter", "year"])
def test_the_engine_begins_blocks_on_the_same_day(every: str) -> None:
    """The rank of a block under a cap is made by ``date_trunc`` of the engine."""
    blocks = calendar(every)
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT d, date_trunc(?, d)::DATE FROM (SELECT (DATE '2015-01-01' + i::INT)"
            " AS d FROM range(3653) AS r(i))",
            [every],
        ).fetchall()
    assert len(rows) == 3653
    assert all(blocks.start(day) == start for day, start in rows)


def test_what_is_asked_for_is_cut_to_the_bounds() -> None:
    blocks = calendar("month")
    whole = blocks.within(FIRST, LAST)
    assert whole == (D(2023, 12, 1), D(2024, 4, 1))
    assert blocks.within(D.min, D.max) == whole
    assert blocks.within(D(2024, 1, 31), D(2024, 2, 1)) == (
        D(2024, 1, 1),
        D(2024, 3, 1),
    )
    # with no day within the bounds, one block at their end
    assert blocks.within(D(2030, 1, 1), D.max) == (D(2024, 3, 1), D(2024, 4, 1))
    assert blocks.within(D.min, D(1990, 1, 1)) == (D(2023, 12, 1), D(2024, 1, 1))
    assert blocks.within(D(2024, 2, 2), D(2024, 1, 1)) == (D(2024, 2, 1), D(2024, 3, 1))
    assert list(blocks.between(*whole)) == ["2023-12", "2024-01", "2024-02", "2024-03"]


# --- a world with dates ----------------------------------------------------------


def table(
    name: str, owner: Owner | None, columns: str, key: str | None = None
) -> CatalogTable:
    found = {}
    for each in columns.split(", "):
        column, type_ = each.split()
        bounds = {"day": (FIRST, LAST), "at": (FIRST, LAST), "x": (-100, 100)}
        found[column] = CatalogColumn(
            column, SqlType(type_), type_, 0, bounds=bounds.get(column)
        )
    hops = owner.path if owner else ()
    return CatalogTable(
        name, found, owner, key, hops, max_rows_per_unit=PLENTY if owner else None
    )


OWN = Owner((), "person", "person")
THROUGH = Owner((Hop("event", "events", "id"),), "person", "person")


def world(*, stamp: bool = False, through_people: bool = False) -> Catalog:
    """Return a catalog whose ``events`` are dated."""
    day = "day TIMESTAMP" if stamp else "day DATE"
    events = Owner((Hop("person", "people", "person"),), "person", "person")
    tables = [
        table(
            "events",
            events if through_people else OWN,
            f"id INTEGER, person INTEGER, {day}, x INTEGER, kind VARCHAR",
            "id",
        ),
        table("people", OWN, "person INTEGER, x INTEGER", "person"),
        table("notes", THROUGH, "event INTEGER, x INTEGER"),
        table("kinds", None, "kind VARCHAR, label VARCHAR", "kind"),
    ]
    return Catalog({each.name: each for each in tables}, "person", {})


def step_of(
    sql: str, catalog: Catalog, every: str = "month", cap: int | None = None
) -> ReleaseStep:
    (step,) = steps_of(sql, catalog, Calendar("events", "day", every, FIRST, LAST, cap))
    return step


def steps_of(
    sql: str, catalog: Catalog, blocks: Calendar | None
) -> tuple[ReleaseStep, ...]:
    rules = BoundingRules(BoundingMode.NORM, norm=1, groups=100, calendar=blocks)
    return compile_program(bind(sql, catalog), catalog, rules).releases


ALL = ("2023-12", "2024-01", "2024-02", "2024-03")


@pytest.mark.parametrize(
    ("sql", "blocks"),
    [
        ("FROM events", ALL),
        ("FROM events WHERE day >= DATE '2024-02-01'", ALL[2:]),
        ("FROM events WHERE day = DATE '2024-02-29'", ALL[2:3]),
        ("FROM events WHERE DATE '2024-01-31' >= day", ALL[:2]),
        ("FROM events WHERE day BETWEEN '2024-01-31' AND '2024-02-01'", ALL[1:3]),
        ("FROM events WHERE day > '2024-02-01' OR x > 1", ALL),
        ("FROM (SELECT * FROM events WHERE day < '2024-01-01')", ALL[:1]),
        ("FROM events WHERE day > '2030-01-01'", ALL[3:]),
        ("FROM events WHERE day < '1990-01-01'", ALL[:1]),
        (
            (
                "FROM (SELECT * FROM events WHERE day < '2024-01-01' UNION ALL"
                " SELECT * FROM events WHERE day >= '2024-03-01')"
            ),
            (ALL[0], ALL[3]),
        ),
        (
            (
                "FROM events AS e JOIN events AS f ON e.person = f.person"
                " WHERE e.day < '2024-01-01' AND f.day >= '2024-03-01'"
            ),
            (ALL[0], ALL[3]),
        ),
        # what is chosen before a filter, is chosen from all
        (
            (
                "FROM (SELECT person, day, ROW_NUMBER() OVER (PARTITION BY person"
                " ORDER BY day) AS r FROM events) WHERE day >= '2024-03-01' AND r = 1"
            ),
            ALL,
        ),
        ("FROM events JOIN kinds USING (kind) WHERE day >= '2024-03-01'", ALL[3:]),
    ],
)
@pytest.mark.parametrize("stamp", [False, True])
def test_a_query_is_debited_to_the_blocks_that_its_filters_leave(
    sql: str, blocks: tuple[str, ...], *, stamp: bool
) -> None:
    catalog = world(stamp=stamp)
    assert step_of(f"SELECT COUNT(*) {sql}", catalog).blocks == blocks


@pytest.mark.parametrize(
    ("sql", "undated"),
    [
        ("FROM events WHERE day >= '2024-03-01'", False),
        ("FROM events JOIN kinds USING (kind)", False),
        (
            "FROM events AS e WHERE EXISTS (FROM kinds AS k WHERE k.kind = e.kind)",
            False,
        ),
        ("FROM people", True),
        ("FROM notes", True),
        ("FROM events JOIN people USING (person)", True),
        ("FROM people LEFT JOIN events USING (person)", True),
        (
            (
                "FROM events AS e WHERE EXISTS (SELECT 1 FROM people AS p"
                " WHERE p.person = e.person)"
            ),
            True,
        ),
        ("FROM events AS e JOIN notes AS n ON n.event = e.id", True),
        ("FROM (SELECT person FROM people UNION SELECT person FROM events)", True),
    ],
)
def test_undated_is_debited_where_another_private_table_is_read(
    sql: str, *, undated: bool
) -> None:
    step = step_of(f"SELECT COUNT(*) {sql}", world())
    assert (UNDATED in step.blocks) == undated


def test_undated_is_debited_where_dates_are_owned_through_another_table() -> None:
    sql = "SELECT COUNT(*) FROM events WHERE day >= '2024-03-01'"
    assert step_of(sql, world()).blocks == ("2024-03",)
    assert step_of(sql, world(through_people=True)).blocks == ("2024-03", UNDATED)


def test_rows_that_are_owned_through_dates_are_debited_to_all_of_them() -> None:
    assert step_of("SELECT COUNT(*) FROM notes", world()).blocks == (*ALL, UNDATED)


def test_public_questions_and_other_private_tables_have_no_dates() -> None:
    assert step_of("SELECT COUNT(*) FROM people", world()).blocks == (UNDATED,)


def test_without_blocks_nothing_is_said_of_them() -> None:
    (step,) = steps_of("SELECT COUNT(*) FROM events", world(), None)
    assert step.blocks == ()


# --- what is read ----------------------------------------------------------------


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={**PINNED, "threads": 1}) as connection:
        yield connection


Row = tuple[object, ...]
KINDS = ["a", "b", "c", None]
ODD = ["infinity", "-infinity", "2023-11-30", "2024-04-01", "0044-03-15 (BC)", None]


def fill(
    connection: duckdb.DuckDBPyConnection,
    events: list[Row],
    others: random.Random,
    stamp: str = "DATE",
) -> None:
    connection.execute(
        "CREATE OR REPLACE TABLE events (id INTEGER, person INTEGER, "
        f"day {stamp}, x INTEGER, kind VARCHAR);"
        "CREATE OR REPLACE TABLE people AS SELECT i::INTEGER AS person, "
        "(i * 7 % 13)::INTEGER AS x FROM range(8) AS r(i);"
        "CREATE OR REPLACE TABLE notes (event INTEGER, x INTEGER);"
        "CREATE OR REPLACE TABLE kinds AS SELECT * FROM (VALUES ('a', 'A'), "
        "('b', 'B'), ('z', 'Z')) AS v(kind, label)"
    )
    insert(connection, "events", events)
    notes: list[Row] = [(others.randrange(40), others.randrange(9)) for _ in range(20)]
    insert(connection, "notes", notes)


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[Row]) -> None:
    """Insert all rows by one statement: DuckDB plans each, and that takes longest."""
    if rows:
        values = ", ".join(f"({', '.join('?' * len(row))})" for row in rows)
        cells = [cell for row in rows for cell in row]
        connection.execute(f"INSERT INTO {table} VALUES {values}", cells)


def events_of(source: random.Random, *, odd: float = 0.0) -> list[Row]:
    """Return events of some people; some perhaps without a date that counts."""
    made: list[Row] = []
    for at in range(source.randrange(10, 40)):
        day: object = D.fromordinal(source.randint(FIRST.toordinal(), LAST.toordinal()))
        if source.random() < odd:
            day = source.choice(ODD)
        person = source.choice([0, 1, 2, 3, 4, 5, None])
        made.append((at, person, day, source.randint(-50, 50), source.choice(KINDS)))
    return made


def write(source: random.Random) -> str:
    """Write a question about events whose plain answer is known from plain SQL."""
    one_of = source.choice
    days = [D(2023, 12, 20), D(2024, 1, 1), D(2024, 2, 29), D(2024, 3, 9)]

    def on(name: str) -> str:
        low, high = sorted(source.choices(days, k=2))
        return one_of(
            [
                f"{name}.day >= DATE '{low}'",
                f"{name}.day < DATE '{high}'",
                f"{name}.day BETWEEN DATE '{low}' AND DATE '{high}'",
                f"NOT ({name}.day <= DATE '{low}')",
                f"({name}.day > DATE '{low}' OR {name}.x > 5)",
                f"{name}.x BETWEEN -10 AND 40",
                f"{name}.day IS NOT NULL AND {name}.day = DATE '{low}'",
                f"DATE '{high}' > {name}.day AND {name}.kind <> 'a'",
                f"date_trunc('month', {name}.day) = DATE '2024-02-01'",
                f"year({name}.day) = 2024",
            ]
        )

    tie = "f.person = e.person"
    inner = "e.person IS NOT NULL"
    shapes = [
        f"FROM events AS e WHERE {inner} AND {on('e')} AND {on('e')}",
        (
            f"FROM (SELECT * FROM events AS f WHERE {on('f')}) AS e WHERE {inner}"
            f" AND {on('e')}"
        ),
        f"FROM events AS e JOIN events AS f ON {tie} AND {on('e')} WHERE {on('f')}",
        (
            f"FROM events AS e LEFT JOIN events AS f ON {tie} AND {on('f')}"
            f" AND {on('e')}"
            f" WHERE {inner} AND {on('e')}"
        ),
        (
            f"FROM events AS e LEFT JOIN events AS f ON {tie} AND {on('f')}"
            f" WHERE {inner} AND (f.day IS NULL OR {on('f')})"
        ),
        f"FROM events AS e LEFT JOIN events AS f ON {tie} WHERE {inner} AND {on('f')}",
        f"FROM people AS e LEFT JOIN events AS f ON {tie} AND {on('f')}",
        f"FROM events AS f RIGHT JOIN people AS e ON {tie} AND {on('f')}",
        (
            "FROM events AS e FULL JOIN"
            f" (SELECT * FROM events AS f WHERE {on('f')}) AS f ON {tie}"
            f" AND {on('e')} WHERE COALESCE(e.person, f.person) IS NOT NULL"
        ),
        (
            f"FROM events AS e SEMI JOIN events AS f ON {tie} AND {on('f')}"
            f" WHERE {inner} AND {on('e')}"
        ),
        (
            f"FROM events AS e ANTI JOIN events AS f ON {tie} AND {on('f')}"
            f" WHERE {inner} AND {on('e')}"
        ),
        (
            f"FROM events AS e WHERE {inner} AND {on('e')}"
            f" AND {one_of(['', 'NOT '])}EXISTS (SELECT 1 FROM events AS f"
            f" WHERE {tie} AND {on('f')})"
        ),
        (
            f"FROM people AS e WHERE {one_of(['', 'NOT '])}EXISTS"
            f" (SELECT 1 FROM events AS f WHERE {tie} AND {on('f')})"
        ),
        (
            f"FROM people AS e WHERE (SELECT COUNT(*) FROM events AS f WHERE {tie}"
            f" AND {on('f')}) >= {one_of([0, 1, 2])}"
        ),
        (
            "FROM (SELECT f.person, f.day, f.x, f.kind, ROW_NUMBER() OVER (PARTITION BY"
            f" f.person ORDER BY f.x, f.id) AS r FROM events AS f WHERE {on('f')}) AS e"
            f" WHERE {inner} AND r <= 2 AND {on('e')}"
        ),
        (
            "FROM (SELECT f.person, f.day, f.x, f.kind, LAG(f.x) OVER (PARTITION BY"
            " f.person ORDER BY f.day, f.id) AS before FROM events AS f) AS e"
            f" WHERE {inner} AND before > 0 AND {on('e')}"
        ),
        (
            "FROM (SELECT person, COUNT(*) AS x, MIN(day) AS day FROM events AS f"
            f" WHERE {on('f')} GROUP BY person) AS e"
            f" WHERE {inner} AND e.day >= DATE '2024-01-20'"
        ),
        (
            f"FROM (SELECT person, MAX(day) AS day FROM events GROUP BY person) AS e"
            f" WHERE {inner} AND e.day < DATE '{one_of(days)}'"
        ),
        (
            f"FROM (SELECT person, day, x, kind FROM events AS f WHERE {on('f')}"
            f" UNION ALL SELECT person, day, x, kind FROM events AS f"
            f" WHERE {on('f')}) AS e"
            f" WHERE {inner} AND e.day >= DATE '{one_of(days)}'"
        ),
        (
            f"FROM (SELECT person, kind FROM events AS f WHERE {on('f')}"
            f" {one_of(['UNION', 'EXCEPT', 'INTERSECT', 'EXCEPT ALL'])}"
            f" SELECT person, kind FROM events AS f WHERE {on('f')}) AS e WHERE {inner}"
        ),
        (
            f"FROM people AS e, LATERAL (SELECT f.x AS y, f.day FROM events AS f"
            f" WHERE {tie} ORDER BY f.x, f.id LIMIT 2) AS l"
            " WHERE l.day < DATE '2024-02-01'"
        ),
        f"FROM events AS e JOIN kinds AS k USING (kind) WHERE {inner} AND {on('e')}",
    ]
    return f"SELECT COUNT(*) {one_of(shapes)}"


def answer(
    connection: duckdb.DuckDBPyConnection, step: ReleaseStep
) -> list[tuple[int, ...]]:
    return connection.execute(lower_release(step).text).fetchall()


@pytest.mark.parametrize("seed", range(4))
def test_where_all_rows_are_dated_the_answer_is_that_of_plain_sql(
    database: duckdb.DuckDBPyConnection, seed: int
) -> None:
    source = random.Random(seed)  # noqa: S311 -- seeded
    stamp = seed % 2 == 1
    catalog, found = world(stamp=stamp), 0
    for at in range(100):
        if at % 10 == 0:
            events = events_of(source)
            fill(database, events, source, "TIMESTAMP" if stamp else "DATE")
        sql = write(source)
        every = source.choice(["day", "week", "month", "quarter", "year"])
        step = step_of(sql, catalog, every)
        ((exact,),) = answer(database, step)
        ((plain,),) = database.execute(sql).fetchall()
        # bounds are halves of a step at most away: no unit has that many rows
        steps = step.moments[0].steps
        assert exact == plain * steps, (sql, step.blocks)
        found += plain > 0
    assert found > 50


@pytest.mark.parametrize("seed", range(4))
def test_rows_without_a_date_or_in_no_block_count_nowhere(
    database: duckdb.DuckDBPyConnection, seed: int
) -> None:
    source = random.Random(100 + seed)  # noqa: S311 -- seeded
    for at in range(60):
        if at % 10 == 0:
            events = events_of(source, odd=0.3)
        sql = write(source)
        step = step_of(sql, world(), "month")
        start, end = calendar("month").within(FIRST, LAST)
        counted = [e for e in events if isinstance(e[2], D) and start <= e[2] < end]
        if UNDATED in step.blocks and "notes" in sql:
            continue
        fill(database, events, random.Random(0))  # noqa: S311 -- seeded
        before = answer(database, step)
        fill(database, counted, random.Random(0))  # noqa: S311 -- seeded
        assert answer(database, step) == before, sql


@pytest.mark.parametrize("cap", [1, 2, 3])
def test_under_a_cap_the_rows_of_a_unit_are_those_of_its_first_blocks(
    database: duckdb.DuckDBPyConnection, cap: int
) -> None:
    source = random.Random(cap)  # noqa: S311 -- seeded
    catalog, fewer = world(), 0
    for _ in range(25):
        every = source.choice(["day", "week", "month"])
        blocks = calendar(every)
        events = events_of(source, odd=0.1)
        low, high = blocks.within(FIRST, LAST)
        inside = [e for e in events if isinstance(e[2], D) and low <= e[2] < high]
        first: dict[object, list[D]] = {}
        for _, person, day, *_ in sorted(inside, key=lambda e: e[2]):
            mine = first.setdefault(person, [])
            if blocks.start(day) not in mine and len(mine) < cap:
                mine.append(blocks.start(day))
        kept = [e for e in inside if blocks.start(e[2]) in first[e[1]]]
        fewer += len(kept) < len(inside)
        sql = write(source)
        step = step_of(sql, catalog, every, cap)
        fill(database, events, random.Random(0))  # noqa: S311 -- seeded
        before = answer(database, step)
        fill(database, kept, random.Random(0))  # noqa: S311 -- seeded
        assert answer(database, step) == before, sql
        ((plain,),) = database.execute(sql).fetchall()
        assert before == [(plain * step.moments[0].steps,)], sql
    assert fewer > 10


# --- the policy's words ----------------------------------------------------------


def epochs(column: str, **more: object) -> Epochs:
    values = {
        "column": column,
        "every": "week",
        "privacy": "unit-epoch",
        "budget": {"epsilon": Decimal(1), "delta": Decimal("1e-6")},
    }
    return Epochs.model_validate(values | more)


def test_names_are_those_of_the_catalog() -> None:
    found = calendar_of(epochs("Events.DAY"), world())
    assert found == Calendar("events", "day", "week", FIRST, LAST)


LIFETIME = {"privacy": "unit-lifetime", "participation_cap": 2}


@pytest.mark.parametrize(
    ("catalog", "column", "more", "code"),
    [
        (world(), "events.kind", {}, "DPQ311"),
        (world(), "events.nothing", {}, "DPQ320"),
        (world(), "events.x", {}, "DPQ314"),
        (world(through_people=True), "events.day", LIFETIME, "DPQ314"),
    ],
)
def test_what_does_not_fit_the_catalog_is_refused(
    catalog: Catalog, column: str, more: dict[str, object], code: str
) -> None:
    with pytest.raises(PolicyError) as refusal:
        calendar_of(epochs(column, **more), catalog)
    assert refusal.value.code == code
