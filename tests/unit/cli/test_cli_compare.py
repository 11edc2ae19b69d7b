"""What diff writes where, and its exit statuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dpquery.cli.app import run

if TYPE_CHECKING:
    from pathlib import Path

POLICY = """\
version: 1
name: ward
source: {duckdb: ward.duckdb}
privacy_unit: patient
tables: {patients: {privacy_unit_column: id, columns: {age: {bounds: [0, 120]}}}}
budget: {epsilon: 4, delta: 1e-6}
analysts: {alice: {epsilon: 1}}
"""


BOUNDS = "[0, 120] → [0, 99]"


@pytest.fixture
def pair(tmp_path: Path) -> list[str]:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(POLICY)
    new.write_text(
        POLICY.replace("epsilon: 4", "epsilon: 5").replace("[0, 120]", "[0, 99]")
    )
    return [str(old), str(new)]


def test_text(pair: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", *pair]) == 0
    out, err = capfd.readouterr()
    *lines, reason = out.splitlines()
    assert lines == [
        f"{pair[1]}:6:19: weaker  budget.epsilon  4 → 5",
        "  more may be learned of each unit",
        f"{pair[1]}:5:70: neutral  tables.patients.columns.age.bounds  {BOUNDS}",
    ]
    assert reason.startswith("  noise grows with the bounds, and what lies outside")
    assert err == "1 weaker, 1 neutral\n"


def test_json(pair: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", *reversed(pair), "--format", "json"]) == 0
    out, _ = capfd.readouterr()
    first = json.loads(out)[0]
    assert first.pop("reason").startswith("less may be learned")
    assert first == {
        "effect": "stronger",
        "key": "budget.epsilon",
        "change": "5 → 4",
        "file": pair[0],
        "line": 6,
        "column": 19,
    }


def test_fail_on_weaker(pair: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", *pair, "--fail-on", "weaker"]) == 1
    assert run(["diff", *reversed(pair), "--fail-on", "weaker"]) == 0
    assert run(["diff", pair[0], pair[0], "--fail-on", "weaker"]) == 0
    _, err = capfd.readouterr()
    assert err.endswith("the two policies say the same\n")


def test_wrong_files(pair: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", pair[0], "nowhere.yaml"]) == 3
    assert run(["diff", pair[0]]) == 2
    assert run(["diff", *pair, "--fail-on", "anything"]) == 2
    _, err = capfd.readouterr()
    assert "DPQ301" in err
    assert "Traceback" not in err
