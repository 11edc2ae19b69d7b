"""The policy joined with the database: names, types, owners, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from dpquery.errors import PolicyError
from dpquery.policy.build import build
from dpquery.policy.catalog import Catalog, DescribedColumn, Hop, Owner, SqlType
from dpquery.policy.load import LoadedPolicy

Load = Callable[..., LoadedPolicy]

DATABASE = """
Patients: Patient_ID INTEGER, sex VARCHAR, region VARCHAR, born SMALLINT, secret VARCHAR
visits: visit_id BIGINT, patient_id BIGINT, cost DECIMAL(10,2), ward VARCHAR, seen DATE
drugs: drug_id INTEGER, visit_id INTEGER, code VARCHAR, amount DOUBLE
regions: name VARCHAR, size BLOB
codes: code VARCHAR, title VARCHAR, hidden VARCHAR
sensors: reading FLOAT, place VARCHAR
unlisted: a INTEGER
"""


def described(*edits: tuple[str, str]) -> list[DescribedColumn]:
    text = DATABASE.strip()
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    columns = []
    for line in text.splitlines():
        table, _, rest = line.partition(": ")
        for column in rest.split(", "):
            name, _, kind = column.partition(" ")
            columns.append(DescribedColumn(table, name, kind, nullable=True))
    return columns


@pytest.fixture
def catalog(load_edited: Load) -> Catalog:
    return build(load_edited(), described())


def test_names_are_spelled_as_in_the_database(catalog: Catalog) -> None:
    assert list(catalog.tables) == [
        "Patients", "visits", "drugs", "regions", "codes", "sensors",
    ]  # fmt: skip
    patients = catalog.tables["Patients"]
    assert list(patients.columns) == ["Patient_ID", "sex", "region", "born"]
    assert patients.owner == Owner((), "Patient_ID", "patient")
    assert patients.key == "Patient_ID"
    assert catalog.unit == "patient"


def test_only_what_is_listed_or_joins_can_be_named(catalog: Catalog) -> None:
    assert list(catalog.tables["drugs"].columns) == ["visit_id", "code", "amount"]
    assert list(catalog.tables["codes"].columns) == ["code", "title"]
    assert list(catalog.tables["regions"].columns) == ["name", "size"]
    assert "unlisted" not in catalog.tables


def test_owners(catalog: Catalog) -> None:
    hop = Hop("visit_id", "visits", "visit_id")
    assert catalog.tables["drugs"].owner == Owner((hop,), "patient_id", "patient")
    assert catalog.tables["drugs"].references == (hop, Hop("code", "codes", "code"))
    assert catalog.tables["sensors"].owner == Owner((), "rowid", "row of sensors")
    assert catalog.tables["regions"].public


def test_a_path_of_two_hops_and_one_to_row_privacy(load_edited: Load) -> None:
    doses = "  doses: {references: {Drug_Id: drugs.DRUG_ID}}\n"
    parts = "  parts: {references: {place: sensors.place}}\n"
    loaded = load_edited(("budget:", doses + parts + "budget:"))
    tables = build(
        loaded,
        described(
            ("unlisted: a INTEGER", "doses: drug_id INTEGER\nparts: place VARCHAR")
        ),
    ).tables
    assert tables["doses"].owner == Owner(
        (Hop("drug_id", "drugs", "drug_id"), Hop("visit_id", "visits", "visit_id")),
        "patient_id",
        "patient",
    )
    assert "drug_id" in tables["drugs"].columns  # others refer to it
    assert tables["parts"].owner == Owner(
        (Hop("place", "sensors", "place"),), "rowid", "row of sensors"
    )


def test_what_the_policy_says_about_columns(catalog: Catalog) -> None:
    cost = catalog.tables["visits"].columns["cost"]
    assert (cost.type, cost.decimals, cost.bounds) == (SqlType.DECIMAL, 2, (0, 5000))
    assert cost.grid == Decimal("0.01")
    patients = catalog.tables["Patients"].columns
    assert patients["sex"].values == ("female", "male", None)
    assert patients["region"].values_from == ("regions", "name")
    assert catalog.tables["visits"].max_rows_per_unit == 50
    assert catalog.tables["regions"].columns["size"].type is SqlType.UNSUPPORTED


MISFITS = {
    "no table": ("", "", "visits:", "visit:", "DPQ330", "  visits:"),
    "a letter outside ASCII": ("", "", "drugs:", "drug\u017f:", "DPQ330", "  drugs:"),
    "no column": ("", "", "ward VARCHAR", "wards VARCHAR", "DPQ331", "      ward:"),
    "no unit column": (
        "", "", "Patient_ID INTEGER", "id INTEGER", "DPQ331",
        "    privacy_unit_column: patient_id",
    ),
    "no reference column": (
        "", "", "drug_id INTEGER, visit_id", "drug_id INTEGER, v", "DPQ331",
        "    references: {visit_id: visits.visit_id, code: codes.code}",
    ),
    "no referenced column": (
        "", "", "codes: code VARCHAR", "codes: c VARCHAR", "DPQ331",
        "    references: {visit_id: visits.visit_id, code: codes.code}",
    ),
    "no column for values": (
        "", "", "regions: name", "regions: title", "DPQ331",
        "      region: {values_from: regions.name}",
    ),
    "numbers for text": (
        "", "", "born SMALLINT", "born VARCHAR", "DPQ332",
        "      born: {bounds: [1900, 2026]}",
    ),
    "numbers for a date": (
        "", "", "born SMALLINT", "born DATE", "DPQ332",
        "      born: {bounds: [1900, 2026]}",
    ),
    "dates for numbers": (
        "", "", "seen DATE", "seen INTEGER", "DPQ332",
        "      seen: {bounds: [2020-01-01, 2026-12-31]}",
    ),
    "a grid for text": (
        "ward:", "ward: {grid: 1}", "", "", "DPQ332", "      ward: {grid: 1}",
    ),
    "text for numbers": (
        "", "", "sex VARCHAR", "sex INTEGER", "DPQ332",
        "      sex: {values: [female, male, null]}",
    ),
    "numbers for booleans": (
        "ward:", "ward: {values: [0, 1]}", "ward VARCHAR", "ward BOOLEAN", "DPQ332",
        "      ward: {values: [0, 1]}",
    ),
    "values for fractions": (
        "bounds: [0, 5000], grid: 0.01", "values: [1, 2]", "", "", "DPQ332",
        "      cost: {values: [1, 2]}",
    ),
    "values from another type": (
        "", "", "regions: name VARCHAR", "regions: name INTEGER", "DPQ332",
        "      region: {values_from: regions.name}",
    ),
    "units of two types": (
        "", "", "patient_id BIGINT", "patient_id VARCHAR", "DPQ333",
        "    privacy_unit_column: patient_id",
    ),
    "units that are fractions": (
        "", "", "Patient_ID INTEGER", "Patient_ID DOUBLE", "DPQ333",
        "    privacy_unit_column: patient_id",
    ),
    "units of no known type": (
        "", "", "Patient_ID INTEGER", "Patient_ID UUID", "DPQ333",
        "    privacy_unit_column: patient_id",
    ),
    "ends of two types": (
        "", "", "visit_id INTEGER", "visit_id VARCHAR", "DPQ333",
        "    references: {visit_id: visits.visit_id, code: codes.code}",
    ),
    "a column that hides row numbers": (
        "", "", "place VARCHAR", "RowId INTEGER", "DPQ333",
        "  sensors: {row_privacy: true, columns: {reading: {bounds: [0, 1]}}}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISFITS.values(), ids=MISFITS.keys())
def test_misfits_are_refused_at_their_place(
    load_edited: Load, case: tuple[str, ...]
) -> None:
    old, new, was, becomes, code, line = case
    loaded = load_edited(*([(old, new)] if old else []))
    columns = described(*([(was, becomes)] if was else []))
    with pytest.raises(PolicyError) as caught:
        build(loaded, columns)
    error = caught.value
    assert error.place is not None
    assert (error.code, error.place.text) == (code, line), str(error)
    assert error.exit_status == 3


def test_a_missing_name_brings_the_nearest_one(load_edited: Load) -> None:
    with pytest.raises(PolicyError) as caught:
        build(load_edited(), described(("ward VARCHAR", "wards VARCHAR")))
    assert caught.value.hint == "did you mean `wards`?"
