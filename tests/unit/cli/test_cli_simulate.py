"""What simulate writes where."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from dpquery.cli.app import run

ROOT = Path(__file__).parents[3]
SQL = """-- a comment; with a semicolon
SELECT count(*) FROM visits;
SELECT count(*)
FROM visits;
SELECT *
FROM visit;
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for source in ("policies/clinic.yaml", "sample_data/clinic.duckdb"):
        (tmp_path / source).parent.mkdir()
        shutil.copy(ROOT / source, tmp_path / source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DPQUERY_POLICY", "policies/clinic.yaml")
    monkeypatch.setenv("DPQUERY_ANALYST", "alice")
    Path("q.sql").write_text(SQL, encoding="utf-8")
    return tmp_path


def test_csv_and_the_talk(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "-f", "q.sql"]) == 0
    out, err = capfd.readouterr()
    header, *lines = out.splitlines()
    assert header == (
        "query,where,decision,epsilon,analyst_spent,dataset_spent,code,why,delta,"
        "expected,sql"
    )
    assert lines[0].startswith("1,q.sql:2,answered,0.2,0.2,0.2,,,0.0,COUNT(*) ± ")
    assert lines[1].startswith("2,q.sql:3,free,0.0,0.2,0.2,,asked before,")
    assert any(line.startswith("3,q.sql:6,refused,0.0,0.2,0.2,DPQ") for line in lines)
    assert err.startswith("total   1 answered, 1 free, 1 refused · spent ε 0.2 of the")
    assert sorted(each.name for each in (folder / "policies").iterdir()) == [
        "clinic.yaml"
    ]


def test_table_json_and_what_no_longer_fits(
    folder: Path,  # noqa: ARG001 -- the place
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asks = [f"SELECT count(*) FROM visits WHERE cost < {at}" for at in range(14)]
    text = ";".join(asks).encode()
    for form in ("json", "table"):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
        assert run(["simulate", "-f", "-", "--epsilon", "1", "--format", form]) == 0
        out, err = capfd.readouterr()
        if form == "json":
            records = json.loads(out)
            first = next(each for each in records if each["decision"] == "over budget")
            assert first["code"] == "DPQ201"
            assert first["epsilon"] == 1
        note = f"note    query {first['query']} is the first that no longer fits"
        assert note in err
    assert "SELECT count(*) FROM visits WHERE cost < …" in out


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ([], 2, "DPQ406"),
        (["-f", "nowhere.sql"], 3, "DPQ404"),
        (["-f", "empty.sql"], 2, "DPQ406"),
        (["-f", "q.sql", "--as", "mallory"], 4, "DPQ250"),
        (["-f", "q.sql", "-p", "nowhere.yaml"], 3, "DPQ301"),
        (["-f", "q.sql", "--epsilon", "-1"], 2, "DPQ401"),
        (["-f", "q.sql", "--dialect", "klingon"], 3, "DPQ413"),
    ],
)
def test_mistakes(
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    code: str,
) -> None:
    (folder / "empty.sql").write_text("-- nothing;\n")
    assert run(["simulate", *arguments]) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(code)
    assert "Traceback" not in err
