from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from dpquery.engines.base import Limits, Statement
from dpquery.engines.duckdb import DuckDBEngine
from dpquery.engines.lockdown import IN_FORCE, PINNED, configuration, verify
from dpquery.errors import EngineFailure

HOSTILE = Path(__file__).parents[4] / "shared" / "design" / "hostile.jsonl"

EXPECTED = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
    "python_scan_all_frames": False,
    "enable_external_file_cache": False,
    "max_expression_depth": 250,
    "ieee_floating_point_ops": True,
    "integer_division": False,
    "error_on_division_by_zero": False,
    "scalar_subquery_error_on_multiple_rows": True,
    "default_collation": "",
    "disabled_optimizers": "statistics_propagation,common_subplan",
    "temp_directory": "",
    "TimeZone": "UTC",
    "enable_external_access": False,
    "lock_configuration": True,
}
ATTEMPTS = EXPECTED | {
    "memory_limit": "200GB",
    "threads": 64,
    "max_execution_time": 0,
    "allowed_paths": ["/"],
    "allowed_directories": ["/"],
    "allowed_configs": ["threads"],
}


def raw(engine: DuckDBEngine) -> duckdb.DuckDBPyConnection:
    assert engine._connection is not None
    return engine._connection.cursor()


def test_every_listed_setting_is_pinned() -> None:
    assert IN_FORCE == EXPECTED


@pytest.mark.parametrize("name", EXPECTED)
def test_setting_is_in_force(engine: DuckDBEngine, name: str) -> None:
    found = raw(engine).execute(f"SELECT current_setting('{name}')").fetchall()
    assert found == [(EXPECTED[name],)]


def test_limits_are_in_force(engine: DuckDBEngine) -> None:
    names = ("memory_limit", "threads", "max_execution_time")
    listed = ", ".join(f"current_setting('{name}')" for name in names)
    assert raw(engine).execute(f"SELECT {listed}").fetchall() == [
        ("190.7 MiB", 2, 20_000)
    ]


@pytest.mark.parametrize("name", ATTEMPTS)
def test_setting_cannot_be_changed(engine: DuckDBEngine, name: str) -> None:
    value = ATTEMPTS[name]
    other = f"'{not value}'" if isinstance(value, bool) else repr(value)
    for statement in (f"SET {name} = {other}", f"RESET {name}"):
        with pytest.raises(duckdb.Error):
            raw(engine).execute(statement)
    verify(raw(engine))


def test_verify_notices_a_setting_that_is_not_in_force() -> None:
    with duckdb.connect() as connection, pytest.raises(duckdb.Error):
        verify(connection)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(memory="-1GB"),
        Limits(memory="0GB"),
        Limits(memory="lots"),
        Limits(memory="none"),
        Limits(memory="80%"),
        Limits(threads=0),
        Limits(seconds=0),
        Limits(seconds=float("nan")),
        Limits(seconds=float("inf")),
    ],
)
def test_a_limit_that_limits_nothing_is_refused(limits: Limits) -> None:
    with pytest.raises(EngineFailure) as caught:
        configuration(limits)
    assert caught.value.code == "DPQ509"


READS = [
    "SELECT * FROM read_text('{folder}/secret.csv')",
    "SELECT * FROM read_blob('{folder}/secret.csv')",
    "SELECT * FROM read_csv('{folder}/secret.csv')",
    "SELECT * FROM read_json('{folder}/secret.csv')",
    "SELECT * FROM read_parquet('{folder}/secret.csv')",
    "SELECT * FROM sniff_csv('{folder}/secret.csv')",
    "SELECT * FROM glob('{folder}/*')",
    "FROM '{folder}/secret.csv'",
    "FROM 'https://attacker.example/x.csv'",
    "FROM 's3://bucket/x.parquet'",
    "ATTACH '{folder}/other.duckdb' AS other",
    "ATTACH '{folder}/new.duckdb' AS fresh",
    "COPY (SELECT * FROM visits) TO '{folder}/out.csv'",
    "COPY (SELECT * FROM visits) TO '/dev/stdout'",
    "EXPORT DATABASE '{folder}/out'",
    "IMPORT DATABASE '{folder}/out'",
    "INSTALL httpfs",
    "INSTALL gatekeeper FROM community",
    "LOAD httpfs",
    "LOAD '{folder}/x.duckdb_extension'",
    "CREATE PERSISTENT SECRET s (TYPE http)",
    "CREATE TABLE copied AS SELECT * FROM visits",
    "INSERT INTO visits SELECT * FROM visits",
    "DELETE FROM visits",
    "DROP TABLE visits",
    "ALTER TABLE visits ADD COLUMN z INTEGER",
    "PRAGMA enable_profiling",
    "CALL enable_logging()",
    "SELECT * FROM local_frame",
    "SELECT * FROM module_frame",
]
module_frame = pd.DataFrame({"secret": [41]})


@pytest.mark.parametrize("template", READS)
def test_nothing_outside_can_be_reached(
    engine: DuckDBEngine, tmp_path: Path, template: str
) -> None:
    (tmp_path / "secret.csv").write_text("secret\n41\n")
    duckdb.connect(tmp_path / "other.duckdb").close()
    before = sorted(tmp_path.iterdir())
    local_frame = pd.DataFrame({"secret": [41]})
    assert len(local_frame) == 1
    with pytest.raises(duckdb.Error):
        raw(engine).execute(template.format(folder=tmp_path)).fetchall()
    assert sorted(tmp_path.iterdir()) == before


def hostile_statements() -> list[str]:
    if not HOSTILE.exists():
        return [template.format(folder="/tmp") for template in READS]  # noqa: S108
    entries = map(json.loads, HOSTILE.read_text().splitlines())
    return [each["sql"] for each in entries if each["class"] == "escape"]


def test_hostile_statements_change_nothing_and_never_run(
    clinic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = DuckDBEngine.open(clinic, Limits(memory="200MB", seconds=2))
    content, files = clinic.read_bytes(), sorted(tmp_path.rglob("*"))
    tables = frozenset({"visits"})
    for sql in hostile_statements():
        with pytest.raises(EngineFailure) as caught:
            engine.execute(Statement(sql, tables, frozenset({"count"})))
        assert caught.value.code == "DPQ510", sql
        try:  # and were it to run after all
            raw(engine).execute(sql).fetchall()
        except duckdb.Error:
            continue
    verify(raw(engine))
    assert engine.execute(
        Statement('SELECT count(*) FROM "main"."visits"', tables, frozenset({"count"}))
    ).open() == [(1000,)]
    engine.close()
    assert clinic.read_bytes() == content
    assert sorted(tmp_path.rglob("*")) == files


MERGED_WRONGLY = """
    WITH r AS NOT MATERIALIZED (
      SELECT e.u, coalesce(g2.name, 'none') AS k, e.x FROM e JOIN g AS g1
      ON e.r <= g1.name LEFT JOIN g AS g2 ON g1.land = g2.land WHERE e.l IN (1, 2)),
    h AS MATERIALIZED (SELECT u FROM r GROUP BY u HAVING count(*) > 1)
    SELECT h.u, k, sum(x) FROM r LEFT JOIN h ON r.u = h.u GROUP BY ALL ORDER BY ALL
"""


def test_a_subquery_that_is_read_twice_is_read_right() -> None:
    """DuckDB 2.0.0 put all of these rows into one group (common_subplan)."""
    with duckdb.connect(config=dict(PINNED)) as connection:
        connection.execute("CREATE TABLE e (u INT, r VARCHAR, x INT, l INT)")
        connection.execute("INSERT INTO e SELECT 1, 's', 5, 2 FROM range(7)")
        connection.execute("INSERT INTO e VALUES (1, 'N', 0, 2), (2, 'n', 0, 2)")
        connection.execute("INSERT INTO e SELECT 3, 'n', 5, NULL FROM range(7)")
        connection.execute("CREATE TABLE g (name VARCHAR, land VARCHAR)")
        connection.execute(
            "INSERT INTO g VALUES ('s', NULL), ('N', 'A'), ('s', NULL), ('n', 'B'),"
            " ('q', 'B'), ('s', 'B')"
        )
        found = connection.execute(MERGED_WRONGLY).fetchall()
        connection.execute("PRAGMA disable_optimizer")
        assert found == connection.execute(MERGED_WRONGLY).fetchall()
    # each of unit 1's seven rows has partners n, q, s by land, and 's' twice without
    assert [(k, x) for u, k, x in found if u == 1 and k != "N"] == [
        ("n", 35),
        ("none", 70),
        ("q", 35),
        ("s", 35),
    ]
