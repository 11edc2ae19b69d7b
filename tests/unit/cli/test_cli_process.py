"""What only a process of its own can show: imports, pipes and signals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = ("pandas", "opendp", "sqlglot", "duckdb", "sqlalchemy", "rich")


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


@pytest.mark.parametrize("arguments", [["--help"], ["query", "--help"], ["docs"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from dpquery.cli.app import run\n"
        f"status = run({arguments!r})\n"
        f"print(status, [each for each in {HEAVY!r} if each in sys.modules])\n"
    )
    done = subprocess.run(  # noqa: S603 -- our own interpreter
        python("-c", code), cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 []"


def test_python_dash_m() -> None:
    done = subprocess.run(  # noqa: S603
        python("-m", "dpquery", "--help"), cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Usage: dpquery ")


def test_a_reader_that_leaves_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(  # noqa: S603
            python("-m", "dpquery", "docs"),
            cwd=ROOT,
            stdout=write,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_is_said_once() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(  # noqa: S603
            python("-m", "dpquery", "docs"),
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr[:6]) == (3, b"DPQ407")
    assert b"Exception" not in done.stderr


def test_talk_survives_an_ascii_terminal() -> None:
    done = subprocess.run(  # noqa: S603
        python("-m", "dpquery", "docs", "DPQ4\u03b501"),
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"DPQ411  there is no code")
