"""What tables, budget, history, check and docs write where."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.errors import (
    EngineFailure,
    Place,
    PolicyError,
)
from dpquery.errors.codes import TOPICS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., Any]
    Fake = Any  # the fakes of conftest.py, which tests cannot import

SQL = "SELECT count(*) FROM visits"


def test_tables(command: Command) -> None:
    assert command("tables").out == (
        "table,access,unit,column,type,low,high,keys\n"
        "visits,private,patient_id,ward,VARCHAR,,,unknown\n"
        'visits,private,patient_id,cost,"DECIMAL(8,2)",0,5000,unknown\n'
        "regions,public,,name,VARCHAR,,,public\n"
    )
    assert command("tables", "VISITS").out.count("\n") == 3


def test_no_such_table(command: Command) -> None:
    got = command("tables", "visit")
    assert (got.status, got.out) == (2, "")
    assert "did you mean visits?" in got.err


def test_a_kelvin_sign_is_no_k(command: Command) -> None:
    assert command("tables", "visit\u017f").status == 2  # U+017F folds to s in Unicode


def test_history(command: Command) -> None:
    assert json.loads(command("history", "--format", "jsonl").out) == {
        "id": "rel_1",
        "asked_at": "2024-02-29T13:05:00+00:00",
        "state": "settled",
        "epsilon": 0.2,
        "delta": 1e-10,
        "rho": 0.0011,
        "sql": "SELECT 1",
    }


@pytest.mark.parametrize("code", ["DPQ401", "dpq401", "401"])
def test_docs_of_a_code(code: str, command: Command) -> None:
    got = command("docs", code)
    assert (got.status, got.err) == (0, "")
    assert got.out.startswith(f"DPQ401  {TOPICS['DPQ401'].title}\n\n")
    assert "What to do: Write for example --epsilon 0.2" in got.out


def test_docs_of_advice(command: Command) -> None:
    got = command("docs", "p116")
    assert (got.status, got.err) == (0, "")
    assert got.out.startswith("P116  the unit may be missing\n\n")


def test_check_of_a_folder(command: Command, tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "c.txt"):
        (tmp_path / name).touch()
    assert "2 checked" in command("check", tmp_path).err
    assert "1 checked" in command("check", tmp_path / "b.yaml").err


def test_docs_of_all_codes(command: Command) -> None:
    codes = [line.split()[0] for line in command("docs").out.splitlines()]
    assert codes == list(TOPICS)


def test_docs_of_no_code(command: Command) -> None:
    got = command("docs", "DPQ4O1")
    assert (got.status, got.out) == (2, "")
    assert "did you mean" in got.err
    assert "DPQ401" in got.err


def test_version(command: Command) -> None:
    got = command("--version")
    assert (got.status, got.out.split()[0]) == (0, "dpquery")


FINDING = SimpleNamespace(
    code="P103",
    severity="warning",
    message="100 % of\nthe budget",
    place=Place(3, 5, file="clinic.yaml"),
    hint="spend less",
)


def test_check_finds_nothing(command: Command, service: Fake) -> None:
    got = command("check", "clinic.yaml")
    assert (got.status, got.out, got.err) == (0, "", "1 checked, nothing found\n")
    assert service.checked == [False]


def test_check_of_the_data(command: Command, service: Fake) -> None:
    assert command("check", "--data").status == 0
    assert service.checked == [True]


def test_check_with_findings(command: Command, service: Fake) -> None:
    service.findings = [FINDING]
    got = command("check", "clinic.yaml")
    assert got.status == 1
    assert got.out.startswith("clinic.yaml:3:5: warning P103  100 % of")
    assert json.loads(command("check", "clinic.yaml", "--format", "json").out) == [
        {
            "file": "clinic.yaml",
            "line": 3,
            "column": 5,
            "severity": "warning",
            "code": "P103",
            "message": "100 % of\nthe budget",
            "hint": "spend less",
        }
    ]
    assert command("check", "a,b.yaml", "--format", "github").out == (
        "::warning file=a%2Cb.yaml,line=3,col=5,title=P103::"
        "100 %25 of%0Athe budget%0Ahint: spend less\n"
    )


def test_information_is_no_reason_to_fail(command: Command, service: Fake) -> None:
    service.findings = [SimpleNamespace(**vars(FINDING) | {"severity": "info"})]
    assert command("check", "clinic.yaml").status == 0


def test_check_of_what_is_no_policy(
    command: Command, policies: Fake, service: Fake
) -> None:
    place = Place(2, 1, 5, "budgt: 3", "clinic.yaml")
    policies.problems = [PolicyError("unknown key", code="DPQ305", place=place)]
    got = command("check", "clinic.yaml")
    assert (got.status, got.out, service.opened) == (3, "", [])
    assert "clinic.yaml:2:1:  budgt: 3" in got.err
    assert "^^^^^" in got.err
    got = command("check", "clinic.yaml", "--format", "json")
    assert (got.status, json.loads(got.out)[0]["code"]) == (3, "DPQ305")


def test_a_policy_that_does_not_fit_its_data(command: Command, service: Fake) -> None:
    service.failure = PolicyError("no such column", code="DPQ330")
    assert command("check", "clinic.yaml").status == 3


def test_check_without_the_database(
    command: Command, policies: Fake, service: Fake
) -> None:
    service.failure = EngineFailure("the data is not there", code="DPQ501")
    policies.findings = [FINDING]
    got = command("check", "clinic.yaml")
    assert (got.status, got.out.count("P103")) == (1, 1)
    assert "without its database (DPQ501)" in got.err
    assert command("check", "clinic.yaml", "--data").status == 5
