"""Whatever a SELECT above the boundary does, it fails alone and the next one works."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dpquery.engines import child_process
from dpquery.engines.base import Limits
from dpquery.engines.child_process import ChildGoneError, ChildProcess
from dpquery.engines.frames import FrameError, TooLongError, receive, send
from dpquery.engines.process_limits import address_space
from dpquery.engines.released import BindError, ReleasedColumn, ReleasedDatabase
from dpquery.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.engines.duckdb import DuckDBEngine

ROOT = Path(__file__).parents[3]
LIMITS = Limits(memory="200MB", threads=2, seconds=20)
SHORT = Limits(memory="200MB", threads=2, seconds=0.3)
COUNTS = (
    (ReleasedColumn("ward", "VARCHAR"), ReleasedColumn("n", "BIGINT")),
    [("a", 3), (None, 39)],
)
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/limits").exists(), reason="this system has no /proc"
)


@pytest.fixture(scope="module")
def database() -> Iterator[ReleasedDatabase]:
    opened = ReleasedDatabase()
    yield opened
    opened.close()


def child_of(database: ReleasedDatabase) -> ChildProcess:
    assert database._open is not None
    return database._open.child


def failure_of(database: ReleasedDatabase, sql: str, limits: Limits = LIMITS) -> str:
    """Return the code with which *sql* fails, having seen that the next run works."""
    with pytest.raises(EngineFailure) as caught:
        database.run({"r": COUNTS}, sql, limits)
    assert caught.value.__context__ is None
    found = database.run({"r": COUNTS}, "SELECT sum(n) FROM main.r", limits)
    assert found == (["sum(n)"], [(42,)])
    return caught.value.code


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('x', 2000000000)",
        "SELECT length(repeat(ward, 2000000000)) FROM r",
        "SELECT list_resize([1], 1000000000)",
        "SELECT list_resize([n], 300000000) FROM r",
        "SELECT rpad(ward, 2000000000, 'x') FROM r",
        "SELECT list_sum(range(300000000))",
        "SELECT list(i) FROM range(100000000) t(i)",
        "SELECT string_agg(repeat('x', 1000), '') FROM range(10000000)",
        "SELECT count(DISTINCT i) FROM range(200000000) t(i)",
        "SELECT len(list_transform(range(100000000), LAMBDA x: x::VARCHAR))",
        "SELECT md5(repeat(ward || 'x', 1500000000)) FROM r",
    ],
)
def test_memory_is_bounded(database: ReleasedDatabase, sql: str) -> None:
    assert failure_of(database, sql) == "DPQ520"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM range(1000000000000)",
        "SELECT sum(a.i * b.i) FROM range(1000000) a(i), range(1000000) b(i)",
        "SELECT levenshtein(repeat('a', 200000), repeat(ward, 200000)) FROM r",
        "SELECT damerau_levenshtein(repeat(ward, 9999), repeat('x', 9999)) FROM r",
        "WITH RECURSIVE x AS (SELECT 1 n UNION ALL SELECT n + 1 FROM x) FROM x",
        "WITH RECURSIVE x USING KEY (n) AS (SELECT 1 n UNION SELECT n+1 FROM x) FROM x",
    ],
)
def test_time_is_bounded(database: ReleasedDatabase, sql: str) -> None:
    assert failure_of(database, sql, SHORT) == "DPQ520"


def test_a_statement_that_does_not_stop_ends_with_its_process(
    database: ReleasedDatabase,
) -> None:
    """DuckDB looks at an interrupt between vectors of rows only."""
    database.run({}, "SELECT 1", SHORT)
    before = child_of(database)
    sql = "SELECT jaro_similarity(repeat('a', 3000000), repeat('b', 3000000))"
    failure_of(database, sql, SHORT)
    assert not before.alive()
    assert child_of(database) is not before


def test_a_statement_that_stops_costs_no_process(database: ReleasedDatabase) -> None:
    database.run({}, "SELECT 1", SHORT)
    before = child_of(database)
    failure_of(database, "SELECT count(*) FROM range(1000000000000)", SHORT)
    assert child_of(database) is before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT range(6000000)",
        "SELECT repeat('x', 140000000)",
        "SELECT repeat('x', 2000000) FROM range(70)",
        "SELECT i, i, i, i, i FROM range(1100000) t(i)",
    ],
)
def test_an_answer_that_is_too_large_has_its_own_error(
    database: ReleasedDatabase, sql: str
) -> None:
    limits = Limits(memory="600MB", threads=2, seconds=60)
    assert failure_of(database, sql, limits) == "DPQ521"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sleep_ms(3000)",
        "SELECT pg_sleep(3)",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_duckdb('ledger.db')",
        "FROM 'ledger.csv'",
        "SELECT COUNT(*) FROM r JOIN 'x.parquet' x ON x.a = r.n",
        "SELECT * FROM 'https://attacker.example/x.csv'",
        "SELECT COUNT(*) FROM parquet_scan('s3://bucket/x')",
        "SELECT * FROM sniff_csv('x.csv')",
        "COPY (SELECT * FROM r) TO '/dev/stdout'",
        "COPY r TO 'out.parquet'",
        "IMPORT DATABASE 'exported'",
        "EXPORT DATABASE 'exported'",
        "ATTACH 'ledger.db' AS l (TYPE sqlite)",
        "ATTACH ':memory:' AS l",
        "DETACH memory",
        "USE temp",
        "INSTALL httpfs",
        "INSTALL gatekeeper FROM community",
        "LOAD icu",
        "UPDATE EXTENSIONS",
        "PRAGMA storage_info('r')",
        "PRAGMA version",
        "PRAGMA enable_profiling",
        "SET memory_limit = '100GB'",
        "SET lock_configuration = false",
        "SET search_path = 'temp'",
        "SET VARIABLE x = 1",
        "RESET lock_configuration",
        "CREATE SECRET s (TYPE http)",
        "DROP SECRET s",
        "CREATE OR REPLACE TEMP MACRO upper(x) AS error(x)",
        "CREATE MACRO sum(x) AS 1",
        "CREATE TEMP TABLE r AS SELECT 1",
        "CREATE TABLE x AS SELECT * FROM r",
        "CREATE VIEW v AS FROM r",
        "CREATE TYPE t AS INT",
        "CREATE SEQUENCE s",
        "CREATE EXTERNAL RESOURCE x",
        "INSERT INTO r VALUES ('x', 1)",
        "UPDATE r SET n = 0",
        "DELETE FROM r",
        "TRUNCATE r",
        "ALTER TABLE r ADD COLUMN z INT",
        "DROP TABLE r",
        "VACUUM",
        "CHECKPOINT",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "DEALLOCATE p",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "CALL pragma_version()",
        "EXPLAIN ANALYZE SELECT 1",
        "SELECT getenv('HOME')",
        "SELECT current_setting('secret_directory')",
        "SELECT getvariable('x')",
        "SELECT txid_current()",
        "SELECT currval('seq')",
        "SELECT stats(n) FROM r",
        "SELECT json_serialize_plan('SELECT 1')",
        "SELECT * FROM json_execute_serialized_sql('{}')",
        "SELECT * FROM duckdb_columns()",
        "SELECT * FROM duckdb_logs()",
        "SELECT * FROM duckdb_prepared_statements()",
        "SELECT * FROM duckdb_memory()",
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM duckdb_temporary_files()",
        "SELECT * FROM pragma_storage_info('r')",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM information_schema.columns",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT COUNT(*) FROM query('SELECT 1 FROM r')",
        "SELECT COUNT(*) FROM query_table('r')",
        "SELECT * FROM enable_logging()",
        "SELECT * FROM create_external_resource('x')",
        "SELECT * FROM arrow_scan(0, 0, 0)",
        "SELECT * FROM pandas_scan(0)",
        "SELECT * FROM seq_scan('r')",
        "SELECT * FROM df",
        "FROM sys",
        "FROM (SHOW TABLES)",
        "SELECT COUNT(*) FROM r AT (VERSION => 1)",
        'FROM stored."0"',
        "SUMMARIZE r",
    ],
)
def test_nothing_but_the_tables_can_be_reached(
    database: ReleasedDatabase, sql: str
) -> None:
    database.run({}, "SELECT 1", LIMITS)
    child = child_of(database)
    assert failure_of(database, sql) == "DPQ520"
    with pytest.raises(BindError):
        database.check({"r": COUNTS[0]}, sql, LIMITS)
    assert child_of(database) is child
    assert child.alive()


def test_a_process_that_is_killed_is_replaced(database: ReleasedDatabase) -> None:
    """Before a request, and in the middle of one."""
    database.run({}, "SELECT 1", LIMITS)
    os.kill(child_of(database).pid, signal.SIGKILL)
    child_of(database)._process.wait()
    assert database.run({}, "SELECT 1", LIMITS)[1] == [(1,)]
    child = child_of(database)
    killer = threading.Timer(0.2, os.kill, (child.pid, signal.SIGKILL))
    killer.start()
    assert failure_of(database, "SELECT count(*) FROM range(1000000000000)") == "DPQ520"
    killer.join()
    assert child_of(database) is not child


def test_closing_ends_a_run_that_is_under_way() -> None:
    database = ReleasedDatabase()
    database.run({}, "SELECT 1", LIMITS)
    child = child_of(database)
    closer = threading.Timer(0.2, database.close)
    closer.start()
    with pytest.raises(EngineFailure):
        database.run({}, "SELECT count(*) FROM range(1000000000000)", LIMITS)
    closer.join()
    assert not child.alive()
    assert database._open is None


def test_threads_share_one_process(database: ReleasedDatabase) -> None:
    answers: dict[int, object] = {}
    columns = [ReleasedColumn("n", "BIGINT")]

    def ask(index: int) -> None:
        tables = {"t": (columns, [(index,)] * 100)}
        for _ in range(10):
            answers[index] = database.run(tables, "SELECT sum(n) FROM t", LIMITS)[1]
            database.check({"t": columns}, "SELECT n FROM t", LIMITS)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {index: [(100 * index,)] for index in range(4)}


@needs_proc
def test_the_process_has_limits_and_nothing_else(engine: DuckDBEngine) -> None:
    assert len(engine.describe()) == 6  # this process has the data file open
    database = ReleasedDatabase()
    database.run({"r": COUNTS}, "SELECT sum(n) FROM r", LIMITS)
    process = Path("/proc") / str(child_of(database).pid)
    limits = (process / "limits").read_text(encoding="ascii")
    found = {line[:26].strip(): line[26:].split()[:2] for line in limits.splitlines()}
    size = str(address_space("200MB", 2))
    assert found["Max address space"] == [size, size]
    assert found["Max core file size"] == ["0", "0"]
    assert found["Max file size"] == ["0", "0"]
    assert found["Max open files"] == ["4", "4"]
    files = [str(each.readlink()) for each in (process / "fd").iterdir()]
    kinds = sorted(file.partition(":")[0] for file in files)
    assert kinds == ["/dev/null", "/dev/null", "pipe", "pipe"]
    variables = (process / "environ").read_bytes().split(b"\0")
    names = {each.partition(b"=")[0].decode() for each in variables if each}
    assert names <= {*child_process._KEPT, "MALLOC_ARENA_MAX"}
    assert os.getsid(child_of(database).pid) == child_of(database).pid
    mapped = (process / "maps").read_text(encoding="utf-8")
    assert ".duckdb\n" not in mapped
    database.close()
    assert not process.exists()


PARENT = """
import os, sys
from dpquery.engines.base import Limits
from dpquery.engines.released import ReleasedDatabase
database = ReleasedDatabase()
database.run({}, "SELECT 1", Limits(memory="200MB", seconds=20))
print(database._open.child.pid, flush=True)
if sys.argv[1] == "ends":
    sys.exit()
if sys.argv[1] == "forgets":
    del database
    sys.stdin.read()
if sys.argv[1] == "dies":
    os.abort()
"""


def has_ended(process: Path) -> bool:
    """Say whether it is gone, or a zombie that nobody has waited for."""
    try:
        return (process / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return True


@needs_proc
@pytest.mark.parametrize("way", ["ends", "dies", "forgets"])
def test_the_process_does_not_outlive_its_parent(way: str) -> None:
    """dpquery is found through the parent's path, whatever put it there."""
    with subprocess.Popen(  # noqa: S603 -- our own interpreter
        [sys.executable, "-c", PARENT, way],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        child = Path("/proc") / parent.stdout.readline().decode().strip()
        assert child.name.isdigit()
        for _ in range(1000):
            if has_ended(child):
                break
            threading.Event().wait(0.01)
        else:
            pytest.fail("the process is still there")
        if way == "forgets":
            assert parent.poll() is None
    assert parent.returncode == (-signal.SIGABRT if way == "dies" else 0)


def test_a_process_that_cannot_start_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    database = ReleasedDatabase()
    for broken in (str(tmp_path / "nothing"), "/bin/false"):
        monkeypatch.setattr(sys, "executable", broken)
        with pytest.raises(EngineFailure) as caught:
            database.run({}, "SELECT 1", LIMITS)
        assert caught.value.code == "DPQ520"
        with pytest.raises(EngineFailure):
            database.check({}, "SELECT 1", LIMITS)
    monkeypatch.undo()
    assert database.run({}, "SELECT 1", LIMITS)[1] == [(1,)]
    database.close()


NONSENSE = """
import sys
sys.stdout.buffer.write({answer!r})
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense",
        b"\0\0\0\2[]",
        b"\0\0\0\1{",
        b"\xff\xff\xff\xff{}",
        b"\0\1\0\0" + b"[" * 65536,
        b"\0\0\0\2\xff\xff",
        b"",
    ],
)
def test_nonsense_from_the_process_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    program = NONSENSE.format(answer=answer)
    monkeypatch.setattr(child_process, "_PROGRAM", program)
    monkeypatch.setattr(child_process, "_STARTING", 0.5)
    child = ChildProcess({})
    with pytest.raises(ChildGoneError):
        child.ask({}, 0.5, longest=100_000)
    assert not child.alive()


def test_ctrl_c_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    database = ReleasedDatabase()
    database.run({}, "SELECT 1", LIMITS)
    child = child_of(database)

    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(child, "_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        database.run({}, "SELECT 1", LIMITS)
    assert not child.alive()
    assert database.run({}, "SELECT 1", LIMITS)[1] == [(1,)]
    database.close()


def test_messages_are_framed() -> None:
    stream = io.BytesIO()
    assert send(stream, {"é": [None, "\ud800"]}) == 19
    with pytest.raises(TooLongError):
        send(stream, {"a": 1}, longest=3)
    stream.seek(0)
    assert receive(stream) == ({"é": [None, "\ud800"]}, 19)
    with pytest.raises(FrameError):
        receive(stream)
