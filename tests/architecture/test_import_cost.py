"""What is imported when: contracts do not see imports inside functions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DRIVERS = ("duckdb", "opendp", "sqlglot", "sqlalchemy", "cryptography")
FRAMES = ("pandas", "polars", "pyarrow", "altair", "vl_convert")

_AFTER = """
import atexit, json, sys
@atexit.register
def show():
    with open(sys.argv.pop(1), "w", encoding="utf-8") as out:
        json.dump(sorted({name.partition(".")[0] for name in sys.modules}), out)
"""


def loaded_by(program: str, folder: Path, *arguments: str) -> set[str]:
    """Return the top-level modules that *program* has loaded when it ends."""
    out = folder / "modules.json"
    done = subprocess.run(  # noqa: S603 -- our own interpreter
        [sys.executable, "-c", _AFTER + program, str(out), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(out.read_text(encoding="utf-8")))


COMMAND = """
path = sys.argv[1]
from dpquery.cli.app import run
status = run(sys.argv[2:])
sys.argv[1:] = [path]
raise SystemExit(status)
"""


def test_import_dpquery_loads_nothing(tmp_path: Path) -> None:
    found = loaded_by("import dpquery; dpquery.connect", tmp_path)
    assert "dpquery" in found
    assert found.isdisjoint((*DRIVERS, *FRAMES, "pydantic", "yaml", "typer", "rich"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["query", "--help"],
        ["init", "--help"],
        ["diff", "--help"],
        ["simulate", "--help"],
        ["check", "--help"],
        ["docs", "DPQ110"],
    ],
    ids=" ".join,
)
def test_help_loads_no_driver_and_no_frames(
    arguments: list[str], tmp_path: Path
) -> None:
    found = loaded_by(COMMAND, tmp_path, *arguments)
    assert "typer" in found
    assert found.isdisjoint((*DRIVERS, *FRAMES))


_STARTED = """
import sys
@sys.addaudithook
def refuse(event, _):
    if event in {"subprocess.Popen", "os.fork", "os.posix_spawn"}:
        raise RuntimeError(event)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["query", "--help"]], ids=" ".join)
def test_imports_and_help_start_no_process(
    arguments: list[str], tmp_path: Path
) -> None:
    """Released values have a process of their own, once there are any."""
    imports = "import dpquery, dpquery.engines.released; dpquery.Service\n"
    found = loaded_by(_STARTED + imports + COMMAND, tmp_path, *arguments)
    assert "subprocess" in found


def copy_of_clinic(folder: Path) -> str:
    """Return the path of a policy whose ledger is not in the tree."""
    for name in ("policies/clinic.yaml", "sample_data/clinic.duckdb"):
        target = folder / name
        target.parent.mkdir(parents=True)
        shutil.copy(ROOT / name, target)
    return str(folder / "policies/clinic.yaml")


def test_a_dry_run_loads_no_noise_and_no_frames(tmp_path: Path) -> None:
    arguments = ["-p", copy_of_clinic(tmp_path), "--as", "alice", "--dry-run"]
    sql = "SELECT ward, COUNT(*) FROM visits GROUP BY ward"
    found = loaded_by(COMMAND, tmp_path, "query", sql, *arguments)
    assert {"duckdb", "sqlglot"} <= found
    assert found.isdisjoint(("opendp", *FRAMES))


def test_an_answer_loads_no_frames(tmp_path: Path) -> None:
    arguments = ["-p", copy_of_clinic(tmp_path), "--as", "alice", "--format", "csv"]
    found = loaded_by(
        COMMAND, tmp_path, "query", "SELECT COUNT(*) FROM visits", *arguments
    )
    assert "opendp" in found
    assert found.isdisjoint(FRAMES)
