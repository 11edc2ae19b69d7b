"""The import contracts of pyproject.toml hold, and libraries have one door each."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_all_import_contracts_are_kept() -> None:
    program = (
        "from importlinter.cli import lint_imports; raise SystemExit("
        "lint_imports(config_filename='pyproject.toml', no_cache=True))"
    )
    linted = subprocess.run(  # noqa: S603 -- our own interpreter
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert " 0 broken" in linted.stdout


def test_every_driver_has_a_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    doors = {
        module: each["allowed_importers"]
        for each in contracts
        if each["type"] == "protected"
        for module in each["protected_modules"]
    }
    assert doors == {
        "dpquery.engines": [
            "dpquery.kernel.introspect",
            "dpquery.kernel.measurement",
            "dpquery.kernel.postprocess",
            "dpquery.kernel.release",
        ],
        "sqlglot": ["dpquery.sql"],
        "opendp": ["dpquery.noise"],
        "sqlalchemy": ["dpquery.ledger"],
        "cryptography": ["dpquery.ledger.signing"],
        "duckdb": ["dpquery.engines"],
        "yaml": ["dpquery.policy"],
        "altair": ["dpquery.display.chart"],
    }
    layers = next(each for each in contracts if each["type"] == "layers")
    assert layers["exhaustive"] is True
    assert layers["layers"] == [
        "cli",
        "service",
        "kernel",
        "sql | noise | engines | ledger",
        "plan",
        "policy | results | cells",
        "display",
        "accounting",
        "errors",
    ]
