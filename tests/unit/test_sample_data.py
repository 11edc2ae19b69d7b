"""The sample data is what `sample_data/README.md` says, and its policies fit it."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml

from dpquery.policy.build import build
from dpquery.policy.catalog import DescribedColumn
from dpquery.policy.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SCENARIOS = ("clinic", "bank", "trade")
SAMPLE_DATA = ROOT / "sample_data"
ROWS = "SELECT md5(string_agg(t::VARCHAR, chr(10) ORDER BY rowid)) FROM {table} AS t"
TRANSFERS = "transfers JOIN accounts USING (account_id)"
MAMMOGRAMS = "mammograms JOIN visits USING (visit_id)"


def policy(scenario: str) -> dict[str, Any]:
    text = (ROOT / "policies" / f"{scenario}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def queries(scenario: str) -> list[str]:
    text = (SAMPLE_DATA / "queries" / f"{scenario}.sql").read_text(encoding="utf-8")
    return [query.strip() for query in text.split(";") if query.strip()]


def ask(scenario: str, sql: str, folder: Path = SAMPLE_DATA) -> list[tuple[Any, ...]]:
    with duckdb.connect(folder / f"{scenario}.duckdb", read_only=True) as database:
        return database.execute(sql).fetchall()


def number(scenario: str, sql: str) -> Any:  # noqa: ANN401  (whatever SQL counts)
    return ask(scenario, sql)[0][0]


def private_tables() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for scenario in SCENARIOS:
        for name, table in policy(scenario)["tables"].items():
            if not table.get("public"):
                yield scenario, name, table


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample_data")
    script = str(SAMPLE_DATA / "make.py")
    subprocess.run([sys.executable, script, str(folder)], check=True)  # noqa: S603
    return folder


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_script_makes_the_committed_rows(scenario: str, rebuilt: Path) -> None:
    columns = (
        "SELECT table_name, column_name, data_type, is_nullable "
        "FROM information_schema.columns ORDER BY table_name, ordinal_position"
    )
    assert ask(scenario, columns, rebuilt) == ask(scenario, columns)
    for table in policy(scenario)["tables"]:
        rows = ROWS.format(table=table)
        assert ask(scenario, rows, rebuilt) == ask(scenario, rows), table


def test_the_files_are_small_enough_to_commit() -> None:
    sizes = [(SAMPLE_DATA / f"{name}.duckdb").stat().st_size for name in SCENARIOS]
    assert sum(sizes) < 8_000_000


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_policy_lists_the_tables_and_columns_that_exist(scenario: str) -> None:
    described: dict[str, set[str]] = {}
    sql = "SELECT table_name, column_name FROM information_schema.columns"
    for table, column in ask(scenario, sql):
        described.setdefault(table, set()).add(column)
    tables = policy(scenario)["tables"]
    assert set(tables) == set(described)
    for name, table in tables.items():
        links = {table.get("privacy_unit_column"), table.get("key")} - {None}
        linked = links | set(table.get("references", {}))
        if not table.get("public"):
            assert linked | set(table["columns"]) == described[name]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_policy_fits_the_database(scenario: str) -> None:
    sql = """
        SELECT table_name, column_name, data_type, is_nullable = 'YES'
        FROM information_schema.columns ORDER BY table_name, ordinal_position
    """
    described = [DescribedColumn(*column) for column in ask(scenario, sql)]
    loaded = load(ROOT / "policies" / f"{scenario}.yaml")
    tables = build(loaded, described).tables
    declared = policy(scenario)["tables"]
    public = {name for name, table in declared.items() if table.get("public")}
    assert {name for name, table in tables.items() if table.owner is None} == public
    assert loaded.resolve(loaded.policy.source.duckdb or "").is_file()


def test_declared_keys_are_unique_and_never_null() -> None:
    checked = set()
    for scenario, name, table in private_tables():
        key = table["key"]
        sql = f"SELECT count(*), count({key}), count(DISTINCT {key}) FROM {name}"
        rows, present, distinct = ask(scenario, sql)[0]
        assert rows == present == distinct > 0, (scenario, name)
        checked.add(name)
    assert {"visits", "mammograms", "accounts"} < checked


def test_references_point_at_declared_keys() -> None:
    for scenario, _, table in private_tables():
        tables = policy(scenario)["tables"]
        for target in table.get("references", {}).values():
            parent, column = target.split(".")
            assert tables[parent]["key"] == column


def test_a_chain_of_three_tables_leads_to_the_patient() -> None:
    tables = policy("clinic")["tables"]
    assert tables["biopsies"]["references"] == {
        "mammogram_id": "mammograms.mammogram_id"
    }
    assert tables["mammograms"]["references"] == {"visit_id": "visits.visit_id"}
    assert tables["visits"]["privacy_unit_column"] == "patient_id"
    owned = """
        SELECT count(DISTINCT v.patient_id) FROM biopsies AS b
        JOIN mammograms AS m USING (mammogram_id) JOIN visits AS v USING (visit_id)
    """
    assert number("clinic", owned) > 100


@pytest.mark.parametrize(
    ("scenario", "table", "rows", "unit"),
    [
        ("clinic", "visits", "visits", "patient_id"),
        ("bank", "transfers", TRANSFERS, "customer_id"),
        ("trade", "declarations", "declarations", "firm_id"),
    ],
)
def test_a_few_units_are_heavier_than_the_hint(
    scenario: str, table: str, rows: str, unit: str
) -> None:
    hint = policy(scenario)["tables"][table]["max_rows_per_unit"]
    heavy = f"""
        SELECT avg((n > {hint})::INT), max(n)
        FROM (SELECT count(*) AS n FROM {rows} WHERE {unit} IS NOT NULL GROUP BY {unit})
    """
    share, most = ask(scenario, heavy)[0]
    assert 0 < share < 0.05
    assert most > 1.8 * hint


@pytest.mark.parametrize(
    ("scenario", "rows", "key", "unit"),
    [
        ("clinic", "visits", "ward", "patient_id"),
        ("bank", TRANSFERS, "channel", "customer_id"),
        ("trade", "declarations", "good_code", "firm_id"),
        ("trade", "declarations", "office", "firm_id"),
    ],
)
def test_some_groups_hold_very_few_units(
    scenario: str, rows: str, key: str, unit: str
) -> None:
    units = f"SELECT count(DISTINCT {unit}) AS n FROM {rows} GROUP BY {key} ORDER BY n"
    assert number(scenario, units) in range(1, 9)


@pytest.mark.parametrize(
    ("scenario", "table", "unit", "units"),
    [
        ("clinic", "visits", "patient_id", "patients"),
        ("bank", "accounts", "customer_id", "customers"),
        ("trade", "declarations", "firm_id", "firms"),
    ],
)
def test_some_rows_have_no_unit_and_some_an_unregistered_one(
    scenario: str, table: str, unit: str, units: str
) -> None:
    missing = f"SELECT count(*) FROM {table} WHERE {unit} IS NULL"
    unknown = f"""
        SELECT count(*) FROM {table} AS t ANTI JOIN {units} AS u ON t.{unit} = u.{unit}
        WHERE t.{unit} IS NOT NULL
    """
    assert 0 < number(scenario, missing) < 50
    assert 0 < number(scenario, unknown) < 50


@pytest.mark.parametrize(
    ("scenario", "child", "parent", "key"),
    [
        ("clinic", "mammograms", "visits", "visit_id"),
        ("bank", "transfers", "accounts", "account_id"),
    ],
)
def test_some_rows_are_orphans(
    scenario: str, child: str, parent: str, key: str
) -> None:
    orphans = f"SELECT count(*) FROM {child} ANTI JOIN {parent} USING ({key})"
    assert 0 < number(scenario, orphans) < 50


@pytest.mark.parametrize(
    ("scenario", "table", "column"),
    [("clinic", "mammograms", "dose_mgy"), ("trade", "declarations", "weight_kg")],
)
def test_some_doubles_are_not_finite(scenario: str, table: str, column: str) -> None:
    odd = f"SELECT DISTINCT {column}::VARCHAR FROM {table} WHERE NOT isfinite({column})"
    assert {value for (value,) in ask(scenario, odd)} == {"nan", "inf", "-inf"}


@pytest.mark.parametrize(
    ("scenario", "table", "column"),
    [
        ("clinic", "patients", "birth_year"),
        ("clinic", "visits", "cost"),
        ("clinic", "mammograms", "dose_mgy"),
        ("bank", "transfers", "amount"),
        ("trade", "declarations", "value_eur"),
        ("trade", "declarations", "weight_kg"),
    ],
)
def test_few_values_lie_outside_their_bounds(
    scenario: str, table: str, column: str
) -> None:
    low, high = policy(scenario)["tables"][table]["columns"][column]["bounds"]
    share = f"""
        SELECT avg(({column} > {high})::INT), avg(({column} < {low})::INT) FROM {table}
    """
    above, below = ask(scenario, share)[0]
    assert 0 < above < 0.02
    assert 0 < below < 0.001


@pytest.mark.parametrize(
    ("scenario", "table", "column", "public"),
    [
        ("clinic", "patients", "region", "regions.name"),
        ("bank", "transfers", "country", "countries.code"),
        ("trade", "declarations", "country", "countries.code"),
    ],
)
def test_private_keys_and_public_keys_are_not_the_same(
    scenario: str, table: str, column: str, public: str
) -> None:
    declared = policy(scenario)["tables"][table]["columns"][column]
    assert declared == {"values_from": public}
    other, key = public.split(".")
    unlisted = f"""
        SELECT count(*) FROM {table} AS t ANTI JOIN {other} AS o ON t.{column} = o.{key}
        WHERE t.{column} IS NOT NULL
    """
    assert number(scenario, unlisted) == 1
    assert number(scenario, f"SELECT count(*) FROM {table} WHERE {column} IS NULL") > 0


def test_some_public_keys_occur_in_no_private_row() -> None:
    unused = """
        SELECT count(*) FROM goods AS g ANTI JOIN declarations AS d
        ON g.code = d.good_code
    """
    assert number("trade", unused) == 2


def test_screening_looks_like_screening() -> None:
    rates = f"""
        SELECT avg(recalled::INT), avg((finding = 'cancer')::INT)
        FROM {MAMMOGRAMS} WHERE ward IN ('Screening', 'Mobile screening')
    """
    recalled, cancers = ask("clinic", rates)[0]
    assert 0.03 < recalled < 0.05
    assert 0.005 < cancers < 0.007


def test_listed_countries_raise_more_alerts() -> None:
    rates = """
        SELECT avg(alert::INT) FILTER (listed), avg(alert::INT) FILTER (NOT listed)
        FROM transfers AS t JOIN countries AS c ON t.country = c.code
    """
    listed, others = ask("bank", rates)[0]
    assert listed > 5 * others > 0


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_example_query_has_a_title_and_an_answer(scenario: str) -> None:
    examples = queries(scenario)
    assert len(examples) in range(6, 9)
    for query in examples:
        assert query.startswith("-- "), query
        assert ask(scenario, query), query


def test_budgets_and_analysts_are_those_of_the_documentation() -> None:
    for scenario in SCENARIOS:
        promised = policy(scenario)
        assert promised["name"] == scenario
        assert promised["budget"]["epsilon"] == 8
        assert Decimal(str(promised["budget"]["delta"])) == Decimal("1e-6")
        assert promised["analysts"]["alice"] == {"epsilon": 3}
        bob = {"epsilon": 1, "max_epsilon_per_query": 0.1}
        assert promised["analysts"]["bob"] == bob
