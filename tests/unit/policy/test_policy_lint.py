"""Advice on valid policies: every rule speaks when it should, and only then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dpquery.policy.build import build
from dpquery.policy.catalog import DescribedColumn
from dpquery.policy.lint import RULES, Severity, lint
from dpquery.policy.load import LoadedPolicy

Load = Callable[..., LoadedPolicy]

TYPES = {
    "patients": {"patient_id": "INTEGER", "sex": "VARCHAR", "region": "VARCHAR",
                 "born": "SMALLINT"},
    "visits": {"visit_id": "BIGINT", "patient_id": "INTEGER", "cost": "DECIMAL(6,2)",
               "ward": "VARCHAR", "seen": "DATE"},
    "drugs": {"visit_id": "BIGINT", "code": "VARCHAR", "amount": "DOUBLE"},
    "regions": {"name": "VARCHAR"},
    "codes": {"code": "VARCHAR", "title": "VARCHAR"},
    "sensors": {"reading": "FLOAT"},
}  # fmt: skip

EVERY_MONTH = (
    "budget: {epsilon: 8, delta: 1e-6}",
    """budget: {epsilon: 8, delta: 1e-6}
epochs: {column: visits.seen, every: month, privacy: unit-epoch,
  budget: {epsilon: 1, delta: 1e-6}}""",
)

CASES = {
    "P101": [("epsilon: 8", "epsilon: 20.1")],
    "P102": [("delta: 1e-6", "delta: 1.1e-5")],
    "P103": [("max_epsilon: 1.5", "max_epsilon: 1.5, delta: 1.1e-9")],
    "P104": [(", delta: 1e-6", ""), ("max_epsilon: 1.5", "delta: 1e-10")],
    "P105": [("epsilon: 8", "epsilon: 3"), ("{epsilon: 0.2, max_epsilon: 1.5",
                                            "{epsilon: 3.1")],
    "P106": [("alice: {epsilon: 3}", "alice: {epsilon: 8.1}")],
    "P107": [("analysts:\n  alice: {epsilon: 3}\n", ""),
             ("  bob: {epsilon: 1, max_epsilon_per_query: 0.1}\n", "")],
    "P108": [("{row_privacy: true",
              "{references: {reading: visits.visit_id}, row_privacy: true"),
             ("{reading: {bounds: [0, 1]}}", "{}")],
    "P109": [("key: visit_id", "key: ward")],
    "P110": [("    max_rows_per_unit: 50\n", "")],
    "P111": [("code: {}", "code: {values: [a]}")],
    "P112": [("      born:", "      patient_id: {values: [1, 2]}\n      born:")],
    "P113": [("{bounds: [0, 5000], grid: 0.01}", "{}")],
    "P114": [("[1900, 2026]", "[-32769, 2026]")],
    "P115": [("[1900, 2026]}", "[1900, 2026], values: [1950, 2000]}")],
    "P116": [],
    "P117": [("max_epsilon_per_query: 0.1", "max_epsilon_per_query: 1.1")],
    "P118": [("alice: {epsilon: 3}", "alice: {epsilon: 0.1}"),
             ("bob: {epsilon: 1,", "bob: {epsilon: 0.1,")],
    "P119": [("name: clinic", "name: x\nledger: clinic-2026-11.ledger")],
    "P120": [EVERY_MONTH, ("{epsilon: 0.2,", "{epsilon: 1.1,")],
    "P121": [EVERY_MONTH, ("unit-epoch", "unit-lifetime, participation_cap: 12"),
             ("{epsilon: 1, delta: 1e-6}", "{epsilon: 9, delta: 1e-6}")],
    "P122": [EVERY_MONTH, ("every: month", "every: day"),
             ("2020-01-01, 2026", "1996-01-01, 2026")],
    "P123": [("name: clinic", "name: x\nalerts: {webhook: http://example.org/a}")],
}  # fmt: skip


def codes(
    loaded: LoadedPolicy, reading: str = "FLOAT", nullable: str = ""
) -> list[str]:
    types = TYPES | {"sensors": {"reading": reading}}
    columns = [
        DescribedColumn(table, name, kind, nullable=f"{table}.{name}" == nullable)
        for table, those in types.items()
        for name, kind in those.items()
    ]
    return [finding.code for finding in lint(loaded, build(loaded, columns))]


def test_the_good_policy_has_no_findings(load_edited: Load) -> None:
    assert codes(load_edited()) == []
    assert lint(load_edited()) == []
    assert codes(load_edited(EVERY_MONTH)) == []


def test_alerts_may_stay_on_the_machine(load_edited: Load) -> None:
    alerts = "name: x\nalerts: {webhook: 'http://localhost:9093/a'}"
    assert codes(load_edited(("name: clinic", alerts))) == []


@pytest.mark.parametrize("code", RULES)
def test_each_rule_speaks_and_no_other(load_edited: Load, code: str) -> None:
    loaded = load_edited(*CASES[code])
    reading = "BIGINT" if code == "P108" else "FLOAT"
    nullable = "visits.patient_id" if code == "P116" else "visits.ward"
    assert codes(loaded, reading, nullable) == [code]


def test_limits_of_rules_are_silent(load_edited: Load) -> None:
    loaded = load_edited(
        ("epsilon: 8, delta: 1e-6", "epsilon: 20, delta: 1e-5"),
        ("max_epsilon: 1.5", "max_epsilon: 1.5, delta: 1e-8"),
        ("[1900, 2026]", "[-32768, 32767]"),
        ("[0, 5000]", "[-9999.99, 9999.99]"),
        ("alice: {epsilon: 3}", "alice: {epsilon: 20}"),
    )
    assert codes(loaded) == []


def test_a_reason_silences_a_finding(load_edited: Load) -> None:
    old, _ = CASES["P119"][0]

    def found(line: str, above: str = "") -> list[str]:
        return codes(load_edited((old, f"name: x\n{above}ledger: a.q3.ledger{line}")))

    assert found("") == ["P119"]
    assert found(" # dpq: ignore[P119] the people change with it") == []
    assert found("", "# dpq: ignore[P101, P119] as above\n") == []
    assert found(" # dpq: ignore[P119]") == ["P119"]
    assert found(" # dpq: ignore[P118] wrong") == ["P119"]
    assert found("", "privacy_unit_: 1 # dpq: ignore[P119] not above\n".replace(
        "privacy_unit_: 1", "data_version: a")) == ["P119"]  # fmt: skip


@pytest.mark.parametrize(
    ("ledger", "heard"),
    [
        ("clinic.ledger", False), ("census2021.ledger", False),
        ("a/2026/x.ledger", False),
        ("marina.ledger", False), ("postgresql://host/dp", False),
        ("q3.ledger", True), ("c_202611.ledger", True), ("weekly-c.ledger", True),
        ("2026w07.ledger", True), ("postgresql://host/dp_2026_q3", True),
    ],
)  # fmt: skip
def test_ledgers_named_after_a_time(
    load_edited: Load,
    ledger: str,
    heard: bool,  # noqa: FBT001
) -> None:
    edit = ("name: clinic", f"name: x\nledger: '{ledger}'")
    assert codes(load_edited(edit)) == (["P119"] if heard else [])


def test_limits_above_the_budget(load_edited: Load) -> None:
    edits = [("epsilon: 8", "epsilon: 1.2"), ("alice: {epsilon: 3}", "a: {epsilon: 1}")]
    assert codes(load_edited(*edits)) == ["P117"]
    assert codes(load_edited(*edits, (", max_epsilon: 1.5", ""))) == []


def test_files_declare_no_nulls(load_edited: Load) -> None:
    files = """source:
  files: {patients: p.csv, visits: v.csv, drugs: d.csv, codes: c.csv, sensors: s.csv,
    regions: r.csv}"""
    loaded = load_edited(("source: {duckdb: data/clinic.duckdb}", files))
    assert codes(loaded, nullable="visits.patient_id") == []


def test_decimals_have_limits_too(load_edited: Load) -> None:
    assert codes(load_edited(("[0, 5000]", "[0, 10000]"))) == ["P114"]


def test_findings_have_places_hints_and_reasons(load_edited: Load) -> None:
    (finding,) = lint(load_edited(*CASES["P110"]))
    assert finding.severity is Severity.INFO
    assert finding.place.text == "  visits:"
    assert finding.hint
    for _, rule in RULES.values():
        assert (rule.__doc__ or "").strip().endswith(".")


def test_findings_come_in_the_order_of_the_file(load_edited: Load) -> None:
    loaded = load_edited(*CASES["P114"], *CASES["P101"], *CASES["P110"])
    assert [finding.code for finding in lint(loaded)] == ["P110", "P101"]
