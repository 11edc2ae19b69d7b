"""The harness of benchmarks/faults.py: a small run always, the whole one if asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dpquery.errors

ROOT = Path(dpquery.errors.__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="the workers are forked from one process"
)


def harness(*options: str) -> dict[str, dict[str, int]]:
    done = subprocess.run(  # noqa: S603 -- our own interpreter
        [sys.executable, "-m", "benchmarks.faults", "--json", *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    return found


def test_thirty_kills_of_four_processes() -> None:
    found = harness("--kills", "30", "--processes", "4", "--kills-only")["kill -9"]
    assert found["kills"] == 30
    assert found["answers"] > 100
    assert found["debits"] >= found["answers"]


def test_thirty_kills_on_a_server() -> None:
    options = ("--kills", "30", "--processes", "4", "--kills-only", "--postgres")
    found = harness(*options)
    if "PostgreSQL" in found:
        pytest.skip("no PostgreSQL server can be started here")
    assert found["PostgreSQL, crashes"]["kills"] == 30


@pytest.mark.long
def test_a_thousand_kills_and_every_other_fault() -> None:
    found = harness("--postgres")
    assert found["kill -9"]["kills"] == 1000
