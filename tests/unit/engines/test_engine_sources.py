from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.base import Limits, Statement
from dpquery.engines.duckdb import DuckDBEngine
from dpquery.engines.source import Source
from dpquery.errors import EngineFailure
from dpquery.policy.catalog import DescribedColumn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FUNCTIONS = frozenset({"count", "sum", "max"})


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    visits, regions = tmp_path / "it's visits.parquet", tmp_path / "regions.csv"
    duckdb.sql("SELECT range AS id, 2.5 AS cost FROM range(5000)").write_parquet(
        str(visits)
    )
    regions.write_text("name,size\nnorth,1\nsouth,2\n")
    return {"visits": visits, "regions": regions}


def failing(source: Path | Mapping[str, Path], limits: Limits) -> EngineFailure:
    with pytest.raises(EngineFailure) as caught:
        DuckDBEngine.open(source, limits)
    assert caught.value.__context__ is None
    assert caught.value.hint
    return caught.value


def ask(engine: DuckDBEngine, sql: str, *tables: str) -> list[tuple[object, ...]]:
    return engine.execute(Statement(sql, frozenset(tables), FUNCTIONS)).open()


def test_files_are_tables(files: dict[str, Path], limits: Limits) -> None:
    engine = DuckDBEngine.open(files, limits)
    assert engine.describe() == [
        DescribedColumn("regions", "name", "VARCHAR", nullable=True),
        DescribedColumn("regions", "size", "BIGINT", nullable=True),
        DescribedColumn("visits", "id", "BIGINT", nullable=True),
        DescribedColumn("visits", "cost", "DECIMAL(2,1)", nullable=True),
    ]
    assert ask(engine, "SELECT sum(id), count(cost) FROM main.visits", "visits") == [
        (12497500, 5000)
    ]
    assert ask(engine, "SELECT name FROM main.regions ORDER BY 1", "regions") == [
        ("north",),
        ("south",),
    ]
    engine.close()


@pytest.mark.parametrize(("table", "rows"), [("visits", 5000), ("regions", 2)])
def test_rows_of_files_are_numbered(
    files: dict[str, Path], limits: Limits, table: str, rows: int
) -> None:
    engine = DuckDBEngine.open(files, limits)
    sql = f"SELECT count(DISTINCT rowid), max(rowid) FROM main.{table}"
    assert ask(engine, sql, table) == [(rows, rows - 1)]
    assert engine.check_unique(table, "rowid").duplicates == 0
    engine.close()


def test_other_files_stay_out_of_reach(
    files: dict[str, Path], limits: Limits, tmp_path: Path
) -> None:
    engine = DuckDBEngine.open(files, limits)
    (tmp_path / "other.csv").write_text("a\n1\n")
    assert engine._connection is not None
    for reached in ("other.csv", "regions.csv", "*"):
        with pytest.raises(duckdb.Error):
            engine._connection.execute(f"FROM read_text('{tmp_path}/{reached}')")
    engine.close()


def test_a_changed_parquet_file_is_another_version(
    files: dict[str, Path], limits: Limits
) -> None:
    engine = DuckDBEngine.open(files, limits)
    before = engine.refresh()
    duckdb.sql("SELECT 1 AS id, 2.5 AS cost").write_parquet(str(files["visits"]))
    with pytest.raises(EngineFailure) as caught:
        ask(engine, "SELECT count(*) FROM main.visits", "visits")
    assert caught.value.code == "DPQ503"
    assert engine.refresh() != before
    assert ask(engine, "SELECT count(*) FROM main.visits", "visits") == [(1,)]
    engine.close()


def test_a_loaded_csv_file_is_a_snapshot(
    files: dict[str, Path], limits: Limits
) -> None:
    engine = DuckDBEngine.open({"regions": files["regions"]}, limits)
    files["regions"].write_text("name,size\nwest,1\n")
    assert ask(engine, "SELECT count(*) FROM main.regions", "regions") == [(2,)]
    engine.refresh()
    assert ask(engine, "SELECT count(*) FROM main.regions", "regions") == [(1,)]
    engine.close()


def test_version_counts_the_write_ahead_log(clinic: Path) -> None:
    source = Source.of(clinic)
    before = source.version()
    log = clinic.with_name("clinic.duckdb.wal")
    log.write_bytes(b"x")
    with_log = source.version()
    log.write_bytes(b"xy")
    assert len({before, with_log, source.version()}) == 3
    log.unlink()
    assert source.version() == before


def test_missing_file(tmp_path: Path, limits: Limits) -> None:
    error = failing(tmp_path / "nowhere.duckdb", limits)
    assert error.code == "DPQ504"
    assert "nowhere.duckdb" in error.message
    assert str(tmp_path) not in str(error)
    assert failing({"t": tmp_path / "nowhere.csv"}, limits).code == "DPQ504"


@pytest.mark.parametrize("content", [b"", b"hello world" * 1000, b"DUCK" * 2000])
def test_not_a_database(tmp_path: Path, limits: Limits, content: bytes) -> None:
    path = tmp_path / "junk.duckdb"
    path.write_bytes(content)
    assert failing(path, limits).code == "DPQ505"


def test_a_folder_is_not_a_database(tmp_path: Path, limits: Limits) -> None:
    assert failing(tmp_path, limits).code == "DPQ505"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("broken.parquet", b"PAR1 but not really"),
        ("latin.csv", b'a,b\n"1\n\xff\xfe,3,4\n'),
        ("table.xlsx", b"whatever"),
        ("star*.csv", b"a\n1\n"),
        ("numbered.csv", b"RowId,a\n1,2\n"),
    ],
)
def test_unreadable_files(
    tmp_path: Path, limits: Limits, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = failing({"t": path}, limits)
    assert error.code == "DPQ505"
    assert name in error.message


@pytest.mark.parametrize("column", ["rowid", "ROWID", "file_row_number"])
def test_a_parquet_column_may_not_pose_as_the_row_number(
    tmp_path: Path, limits: Limits, column: str
) -> None:
    path = tmp_path / "posing.parquet"
    duckdb.sql(f"SELECT 1 AS {column}, 2 AS a").write_parquet(str(path))
    assert failing({"t": path}, limits).code == "DPQ505"


def test_a_newer_storage_version(clinic: Path, limits: Limits) -> None:
    content = bytearray(clinic.read_bytes())
    content[12:20] = (2000).to_bytes(8, "little")
    checksum = 5381
    for at in range(8, 4096, 8):
        word = int.from_bytes(content[at : at + 8], "little")
        checksum ^= word * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
    content[0:8] = checksum.to_bytes(8, "little")
    clinic.write_bytes(content)
    assert failing(clinic, limits).code == "DPQ506"


def test_locked_by_a_writer(clinic: Path, limits: Limits) -> None:
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); "
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(  # noqa: S603 -- our own interpreter
        [sys.executable, "-c", code, str(clinic)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        error = failing(clinic, limits)
        writer.communicate()
    assert error.code == "DPQ507"
    assert "PID" not in str(error)
    DuckDBEngine.open(clinic, limits).close()


def test_open_in_this_process_with_other_settings(clinic: Path, limits: Limits) -> None:
    with duckdb.connect(clinic, read_only=True):
        assert failing(clinic, limits).code == "DPQ508"
    engine = DuckDBEngine.open(clinic, limits)
    assert failing(clinic, Limits(memory="1GB")).code == "DPQ508"
    engine.close()


def test_too_little_memory_to_open(clinic: Path) -> None:
    assert failing(clinic, Limits(memory="1KB")).code == "DPQ500"
