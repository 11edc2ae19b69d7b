"""`python -m benchmarks.speed` runs and reports all of its times; not how long."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMES = {"plain", "whole", "engine", "ratio", "overhead", "price", "replay"}

pytestmark = pytest.mark.skipif(
    shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent)) is None,
    reason="tpchgen-cli is in the extra `bench`",
)


def run(cache: Path, *options: str) -> str:
    command = [sys.executable, "-m", "benchmarks.speed", "--scale", "0.01"]
    command += ["--runs", "1", "--cache", str(cache), *options]
    done = subprocess.run(  # noqa: S603 -- our own words
        command, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tpch")


def test_it_reports_every_time_of_ten_queries_and_makes_its_data_once(
    cache: Path,
) -> None:
    report = json.loads(run(cache, "--json"))
    assert (report["scale"], report["runs"]) == (0.01, 1)
    assert len({each["name"] for each in report["queries"]}) == 10
    for each in report["queries"]:
        assert set(each) == {"name", *TIMES}
        assert all(each[time] > 0 for time in TIMES)
        assert each["ratio"] == pytest.approx(each["whole"] / each["plain"])
    assert report["mean_ratio"] > 0
    (database,) = cache.glob("tpch-declared-0.01.duckdb")
    made = database.stat().st_mtime_ns
    lines = run(cache).splitlines()  # a line for each query, and the mean
    assert database.stat().st_mtime_ns == made
    assert len(lines) == 12
    assert lines[0].startswith("milliseconds")
    assert lines[-1].startswith("geometric mean of the ratios")
