"""What init writes where: the path on stdout, the talk on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.cli.app import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SAMPLE = "sample_data/clinic.duckdb"


def test_init(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], pytestconfig: pytest.Config
) -> None:
    store = str(pytestconfig.rootpath / SAMPLE)
    folder = tmp_path / "policies"
    assert run(["init", "--from", store, str(folder)]) == 0
    out, err = capfd.readouterr()
    assert out == f"{folder / 'policy.yaml'}\n"
    assert "guess   whom you protect: patient; 3 tables refer to patients" in err
    assert "blanks marked FILL IN" in err
    assert run(["init", "--from", store, str(folder)]) == 3
    out, err = capfd.readouterr()
    assert (out, err.splitlines()[0][:6]) == ("", "DPQ430")
    assert "Traceback" not in err


def test_init_of_an_example(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(tmp_path)]) == 0
    _, err = capfd.readouterr()
    assert "guess" not in err
    assert run(["check", str(tmp_path / "policy.yaml")]) == 3
    _, err = capfd.readouterr()
    assert err.count("is empty") == 6
