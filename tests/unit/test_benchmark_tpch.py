"""`python -m benchmarks.sql.tpch`: which queries are answered, and as by DuckDB."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW_LEVEL = {
    ("customer", 3),  # orders of one customer each
    ("customer", 10),  # customers
    ("customer", 18),  # customers
    ("supplier", 2),  # suppliers
    ("supplier", 15),  # suppliers
    ("supplier", 20),  # suppliers
    ("supplier", 21),  # suppliers
}

pytestmark = pytest.mark.skipif(
    shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent)) is None,
    reason="tpchgen-cli is in the extra `bench`",
)


@pytest.mark.parametrize("unit", ["customer", "supplier"])
def test_all_that_lists_no_individuals_is_answered_as_by_duckdb(
    tmp_path: Path, unit: str
) -> None:
    command = [sys.executable, "-m", "benchmarks.sql.tpch", "--json", "--unit", unit]
    done = subprocess.run(  # noqa: S603 -- our own words
        [*command, "--cache", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    outcomes = json.loads(done.stdout)
    assert len(outcomes) == 22
    refused = {(o["unit"], o["number"]) for o in outcomes if not o["answered"]}
    assert refused == {each for each in ROW_LEVEL if each[0] == unit}
    assert [o for o in outcomes if o["answered"] and not o["equal"]] == []
