"""The samples under loose policies, and beside them what plain SQL may read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ROWS = {"clinic": 200, "bank": 2_000, "trade": 1_000}
"""More rows than any unit of the sample has, so that nothing is scaled down."""


def _unparented(table: str, key: str, parent: str) -> str:
    missing = f"{key} NOT IN (SELECT {key} FROM {parent})"
    return f"DELETE FROM {table} WHERE {key} IS NULL OR {missing}"


OWNED = {
    "clinic": (
        "DELETE FROM patients WHERE patient_id IS NULL",
        "DELETE FROM visits WHERE patient_id IS NULL",
        _unparented("mammograms", "visit_id", "visits"),
        _unparented("biopsies", "mammogram_id", "mammograms"),
    ),
    "bank": (
        "DELETE FROM customers WHERE customer_id IS NULL",
        "DELETE FROM accounts WHERE customer_id IS NULL",
        _unparented("transfers", "account_id", "accounts"),
    ),
    "trade": (
        "DELETE FROM firms WHERE firm_id IS NULL",
        "DELETE FROM declarations WHERE firm_id IS NULL",
    ),
}
"""Leaves out the rows that belong to nobody: their owner is NULL, or a row on the way
to it is missing. dpquery never counts those (theory.md 1.1)."""


def loose_policy(scenario: str, folder: Path) -> Path:
    """Write the sample's policy with bounds on contributions that bind nobody."""
    text = (ROOT / "policies" / f"{scenario}.yaml").read_text()
    said: dict[str, Any] = yaml.safe_load(text)
    said["source"] = {"duckdb": str(ROOT / "sample_data" / f"{scenario}.duckdb")}
    said["budget"] = {"epsilon": 1e9, "delta": 1e-6}
    said["query"] |= {"max_epsilon": 1e9, "delta": 1e-10, "max_groups_per_unit": 100}
    said["analysts"] = {name: {"epsilon": 1e9} for name in ("alice", "bob")}
    for table in said["tables"].values():
        if table.get("public"):
            continue
        table["max_rows_per_unit"] = ROWS[scenario]
        table.pop("max_rows_per_group", None)
        for column in table["columns"].values():
            (column or {}).pop("grid", None)  # each value's own decimals
    path = folder / f"{scenario}.yaml"
    path.write_text(yaml.safe_dump(said, allow_unicode=True, sort_keys=False))
    return path


def owned_rows(scenario: str) -> duckdb.DuckDBPyConnection:
    """Return a database in memory with the sample's rows that belong to a unit."""
    connection = duckdb.connect()
    file = ROOT / "sample_data" / f"{scenario}.duckdb"
    connection.execute(f"ATTACH '{file}' AS sample (READ_ONLY)")
    tables = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'sample'"
    for (name,) in connection.execute(tables).fetchall():
        connection.execute(f"CREATE TABLE {name} AS FROM sample.{name}")
    connection.execute("DETACH sample")
    for statement in OWNED[scenario]:
        connection.execute(statement)
    return connection


def sample_queries(scenario: str) -> Iterator[tuple[str, str]]:
    """Yield the title and the text of each sample query."""
    text = (ROOT / "sample_data" / "queries" / f"{scenario}.sql").read_text()
    for block in text.strip().split("\n\n"):
        title, _, sql = block.partition("\n")
        yield title.removeprefix("-- "), sql.rstrip(";\n")
