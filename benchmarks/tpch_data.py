"""TPC-H data in a DuckDB file, made once by ``tpchgen-cli`` of the extra ``bench``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

CACHE = Path(__file__).parent / "cache"
TABLES = (
    *("region", "nation", "supplier", "part", "partsupp"),
    *("customer", "orders", "lineitem"),
)
"""Parents before their children."""


def generator() -> str | None:
    """Return the path of ``tpchgen-cli``, if it is installed."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("tpchgen-cli", path=beside) or shutil.which("tpchgen-cli")


def generate(scale: float, cache: Path) -> Path:
    """
    Return a DuckDB file with TPC-H at *scale*; it is made once.

    All columns are declared NOT NULL: its generator leaves no value out.
    """
    database = cache / f"tpch-declared-{scale:g}.duckdb"
    if database.exists():
        return database
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        tool = generator()
        if tool is None:
            sys.exit("tpchgen-cli is missing: pip install 'dpquery[bench]'")
        parquet = [tool, "parquet", "-s", f"{scale:g}", "-o", folder, "--quiet"]
        subprocess.run(parquet, check=True)  # noqa: S603 -- our own words
        unfinished = Path(folder) / "tpch.duckdb"
        with duckdb.connect(unfinished) as connection:
            for table in TABLES:
                file = str(Path(folder) / f"{table}.parquet")
                connection.execute(
                    f"CREATE TABLE {table} AS FROM read_parquet(?)", [file]
                )
                columns = connection.execute(f"DESCRIBE {table}").fetchall()
                for name, *_ in columns:
                    connection.execute(f"ALTER TABLE {table} ALTER {name} SET NOT NULL")
        unfinished.rename(database)
    return database


def policy_on(policy: Path, database: Path, folder: Path) -> Path:
    """Return a copy of *policy* in *folder*, about the data in *database*."""
    text = policy.read_text(encoding="utf-8")
    text = text.replace("tpch.duckdb", json.dumps(str(database.resolve())))
    copy = folder / policy.name
    copy.write_text(text, encoding="utf-8")
    return copy
