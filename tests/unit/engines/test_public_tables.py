"""Public tables above the boundary: sent once, kept, dropped when room is needed."""

from __future__ import annotations

import datetime as dt
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.engines import public_store
from dpquery.engines.base import Limits
from dpquery.engines.public_store import PUBLIC_CELLS, PublicStore
from dpquery.engines.released import (
    BindError,
    PublicTable,
    ReleasedColumn,
    ReleasedDatabase,
)
from dpquery.errors import EngineFailure, PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LIMITS = Limits(memory="200MB", threads=2, seconds=20)
COLUMNS = (ReleasedColumn("k", "VARCHAR"), ReleasedColumn("x", "BIGINT"))


class Source:
    """A public table that counts how often it is read."""

    def __init__(
        self,
        rows: Iterable[tuple[Any, ...]],
        version: str = "1",
        columns: tuple[ReleasedColumn, ...] = COLUMNS,
        name: str = "products",
    ) -> None:
        self.rows = list(rows)
        self.reads = 0
        self.table = PublicTable(name, columns, version, self.read)

    def read(self) -> Iterator[tuple[Any, ...]]:
        self.reads += 1
        yield from self.rows


@pytest.fixture
def database() -> Iterator[ReleasedDatabase]:
    opened = ReleasedDatabase()
    yield opened
    opened.close()


def total(database: ReleasedDatabase, *sources: Source) -> int:
    """Return the sum of x over all *sources*, read in one SELECT."""
    public = {f"p{index}": source.table for index, source in enumerate(sources)}
    parts = " UNION ALL ".join(f"FROM public_tables.{name}" for name in public)
    sql = f"SELECT sum(x)::BIGINT FROM ({parts})"
    _, ((found,),) = database.run({}, sql, LIMITS, public)
    return int(found)


def test_a_table_is_read_once(database: ReleasedDatabase) -> None:
    source = Source([("a", 1), ("b", 2)])
    assert [total(database, source) for _ in range(3)] == [3, 3, 3]
    assert source.reads == 1


def test_a_sequence_of_rows_is_a_table(database: ReleasedDatabase) -> None:
    table = PublicTable("products", COLUMNS, "1", [("a", 1), (None, None)])
    found = database.run({}, "FROM public_tables.p", LIMITS, {"p": table})
    assert found == (["k", "x"], [("a", 1), (None, None)])


def test_a_table_is_joined_to_released_ones(database: ReleasedDatabase) -> None:
    source = Source([("a", 1), ("b", 2)])
    released = {"r": (COLUMNS, [("b", 40), ("c", 50)])}
    sql = (
        "SELECT k, r.x + coalesce(p.x, 0) FROM r LEFT JOIN public_tables.p p USING (k)"
    )
    found = database.run(released, sql + " ORDER BY k", LIMITS, {"p": source.table})
    assert found[1] == [("b", 42), ("c", 50)]


def test_many_rows_arrive_in_order(database: ReleasedDatabase) -> None:
    rows = [(f"key {index}", index) for index in range(120_000)]
    source = Source(rows)
    sql = "FROM public_tables.p"
    assert database.run({}, sql, LIMITS, {"p": source.table})[1] == rows


def test_no_rows_and_odd_values(database: ReleasedDatabase) -> None:
    assert database.run(
        {}, "FROM public_tables.p", LIMITS, {"p": Source([]).table}
    ) == (
        ["k", "x"],
        [],
    )
    columns = (ReleasedColumn("x", "DOUBLE"), ReleasedColumn("d", "DATE"))
    rows = [(float("nan"), dt.date(2024, 2, 29)), (float("inf"), None)]
    source = Source(rows, columns=columns)
    sql = "SELECT isnan(x), isinf(x), d FROM public_tables.p"
    assert database.run({}, sql, LIMITS, {"p": source.table})[1] == [
        (True, False, dt.date(2024, 2, 29)),
        (False, True, None),
    ]


def test_a_new_version_is_another_table(database: ReleasedDatabase) -> None:
    first, second = Source([("a", 1)], "1"), Source([("a", 2)], "2")
    narrow = Source([(5,)], "1", COLUMNS[1:])
    assert total(database, first) == 1
    assert total(database, second) == 2
    assert total(database, narrow) == 5
    assert total(database, first, second) == 3
    assert [each.reads for each in (first, second, narrow)] == [1, 1, 1]


def test_a_run_sees_the_public_tables_it_was_given(database: ReleasedDatabase) -> None:
    source = Source([("a", 1)])
    assert total(database, source) == 1
    for sql in ("FROM public_tables.p0", 'FROM stored."0"', 'FROM "0"'):
        with pytest.raises(EngineFailure):
            database.run({}, sql, LIMITS)
        with pytest.raises(BindError):
            database.check({}, sql, LIMITS)
    assert total(database, source) == 1
    assert source.reads == 1


def test_a_check_reads_no_rows(database: ReleasedDatabase) -> None:
    source = Source([("a", 1)])
    sql = "SELECT max(x) AS m FROM public_tables.p"
    expected = (ReleasedColumn("m", "BIGINT"),)
    assert database.check({}, sql, LIMITS, {"p": source.table}) == expected
    assert source.reads == 0
    assert database.run({}, sql, LIMITS, {"p": source.table})[1] == [(1,)]
    assert database.check({}, sql, LIMITS, {"p": source.table}) == expected
    assert source.reads == 1


def test_a_new_process_is_sent_the_table_again(database: ReleasedDatabase) -> None:
    source = Source([("a", 1)])
    assert total(database, source) == 1
    assert database._open is not None
    os.kill(database._open.child.pid, signal.SIGKILL)
    database._open.child._process.wait()
    assert total(database, source) == 1
    database.close()
    assert total(database, source) == 1
    assert source.reads == 3


def test_a_failed_statement_keeps_the_tables(database: ReleasedDatabase) -> None:
    source = Source([("a", 1)])
    assert total(database, source) == 1
    sql = "SELECT k::INT FROM public_tables.p"
    with pytest.raises(EngineFailure):
        database.run({}, sql, LIMITS, {"p": source.table})
    assert total(database, source) == 1
    assert source.reads == 1


def store_of(database: ReleasedDatabase) -> PublicStore:
    assert database._open is not None
    return database._open.store


def test_the_least_recently_used_is_dropped(database: ReleasedDatabase) -> None:
    database.start(LIMITS)
    store_of(database)._room = 100
    one, two, three = (Source([("a", n)] * 20, str(n)) for n in (1, 2, 3))
    assert total(database, one) == 20
    assert total(database, two) == 40
    assert total(database, one) == 20
    assert total(database, three) == 60  # 120 cells: two goes, one is fresher
    assert total(database, one) == 20
    assert [each.reads for each in (one, two, three)] == [1, 1, 1]
    assert total(database, two) == 40
    assert [each.reads for each in (one, two, three)] == [1, 2, 1]
    assert sum(cells for _, cells in store_of(database)._kept.values()) == 80


def test_tables_that_have_no_room_together_are_refused(
    database: ReleasedDatabase,
) -> None:
    database.start(LIMITS)
    store_of(database)._room = 100
    small = Source([("a", 1)] * 20, "small")
    large = Source([("a", 1)] * 51, "large")
    other = Source([("a", 1)] * 40, "other")
    assert total(database, small) == 20
    for sources in ((large,), (small, other)):
        with pytest.raises(EngineFailure) as caught:
            total(database, *sources)
        assert caught.value.code == "DPQ522"
    assert total(database, other) == 40


def test_room_is_half_of_the_memory_and_never_more_than_the_budget(
    database: ReleasedDatabase,
) -> None:
    database.start(LIMITS)
    assert store_of(database)._room == 200_000_000 // 2 // public_store._BYTES_PER_CELL
    assert database._open is not None
    assert PublicStore(database._open.child, "1TB")._room == PUBLIC_CELLS


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([("a", 1), ("b", "x")], COLUMNS),
        ([("a", 1), ("b",)], COLUMNS),
        ([("a", object())], COLUMNS),
        ([("a", 1)], (ReleasedColumn("k", "NO SUCH TYPE"), COLUMNS[1])),
    ],
)
def test_a_table_that_cannot_be_sent_is_a_failure_and_not_kept(
    database: ReleasedDatabase,
    rows: list[tuple[Any, ...]],
    columns: tuple[ReleasedColumn, ...],
) -> None:
    good, wrong = Source([("a", 1)]), Source(rows, "2", columns)
    assert total(database, good) == 1
    for _ in range(2):
        with pytest.raises(EngineFailure) as caught:
            total(database, wrong)
        assert caught.value.code == "DPQ520"
        assert caught.value.__context__ is None
    assert total(database, good) == 1


def test_a_reader_that_fails_leaves_nothing_behind(database: ReleasedDatabase) -> None:
    """An error of ours is shown; any other has the one text."""

    def broken(error: Exception) -> PublicTable:
        def rows() -> Iterator[tuple[Any, ...]]:
            yield from [("a", 1)] * 200_000
            raise error

        return PublicTable("products", COLUMNS, "1", rows)

    sql = "SELECT count(*) FROM public_tables.p"
    ours = PolicyError("the table is gone", code="DPQ304")
    with pytest.raises(PolicyError):
        database.run({}, sql, LIMITS, {"p": broken(ours)})
    with pytest.raises(EngineFailure):
        database.run({}, sql, LIMITS, {"p": broken(OSError("secret"))})
    good = PublicTable("products", COLUMNS, "1", [("a", 1)])
    assert database.run({}, sql, LIMITS, {"p": good})[1] == [(1,)]
