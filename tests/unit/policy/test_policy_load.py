"""Policies that are right: what they say, in which spellings, and their digest."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpquery.errors import PolicyError
from dpquery.policy.load import LoadedPolicy, load, problems
from dpquery.policy.model import Policy, Table

Write = Callable[[str], Path]
Load = Callable[..., LoadedPolicy]

INTERFACE = """\
# yaml-language-server: $schema=https://…/policy.schema.json   (or a relative path)
version: 1
name: clinic
source:
  duckdb: ../sample_data/clinic.duckdb     # opened read-only; paths are relative to this file
  # or  files: {visits: ../data/visits.parquet, regions: ../data/regions.csv}
privacy_unit: patient                      # whom we protect, in a word: one patient with all their rows in all private tables

tables:                                    # what is not listed does not exist for analysts
  patients:
    privacy_unit_column: patient_id                 # this column says whose row it is
    key: patient_id                                 # declared unique: a hint for noise, checked by `dpquery check --data`
    columns:
      sex: {values: [female, male, other]}          # closed, public list of keys
      birth_year: {bounds: [1900, 2026]}            # public bounds; values outside are clamped
      region: {values_from: regions.name}           # keys from a public table
  visits:
    privacy_unit_column: patient_id
    key: visit_id
    max_rows_per_unit: 50                           # a hint, never trusted
    columns:
      cost: {bounds: [0, 5000], grid: 0.01}
      ward: {}                                      # usable; keys unknown, so small groups are withheld
      visited_on: {bounds: [2020-01-01, 2026-12-31]}
  prescriptions:
    references: {visit_id: visits.visit_id}         # no unit column of its own: found through visits, a chain of any length
    columns: {drug: {}, quantity: {bounds: [0, 100]}}
  sensors: {row_privacy: true, columns: {reading: {bounds: [0, 1]}}}    # every row is its own unit
  regions: {public: true}                           # content that depends on no private row

budget: {epsilon: 8, delta: 1e-6}          # the promise: everything anyone ever learns together
query:                                     # defaults and limits of one query
  epsilon: 0.2
  max_epsilon: 1.0
  delta: 1e-10                             # for withholding small groups
  max_groups_per_unit: 8
analysts:
  alice: {epsilon: 3}
  bob: {epsilon: 1, max_epsilon_per_query: 0.1}
ledger: clinic.ledger                      # SQLite file beside the policy, or a SQLAlchemy URL (PostgreSQL)
"""  # noqa: E501  (word for word as it is documented)


def test_what_may_be_said_of_versions_blocks_sharing_alerts_and_audit(
    load_edited: Load,
) -> None:
    said = """name: clinic
data_version: november 2026
sharing: isolated
epochs:
  column: Visits.SEEN
  every: quarter
  privacy: unit-lifetime
  participation_cap: 4
  budget: {epsilon: 2, delta: 1e-7}
alerts: {at: [1, 0.25], webhook: "https://example.org/hook?to=me", log: false}
audit: {literals: redact}"""
    policy = load_edited(("name: clinic", said)).policy
    assert policy.data_version == "november 2026"
    assert policy.sharing == "isolated"
    assert policy.epochs is not None
    assert policy.epochs.budget.delta == Decimal("1e-7")
    assert policy.epochs.participation_cap == 4
    assert policy.alerts is not None
    assert policy.alerts.at == (Decimal("0.25"), Decimal(1))
    assert policy.audit.literals == "redact"


def test_what_holds_when_nothing_is_said_of_them(load_edited: Load) -> None:
    policy = load_edited().policy
    assert (policy.data_version, policy.epochs, policy.alerts) == (None, None, None)
    assert (policy.sharing, policy.audit.literals) == ("open", "keep")
    alerts = load_edited(("name: clinic", "name: x\nalerts: {}")).policy.alerts
    assert alerts is not None
    assert (*map(float, alerts.at), alerts.log) == (0.5, 0.8, 1.0, True)
    pure = (
        "budget: {epsilon: 8, delta: 1e-6}",
        """budget: {epsilon: 8}
epochs: {column: visits.seen, every: day, privacy: unit-epoch, budget: {epsilon: 1}}""",
    )
    epochs = load_edited(pure).policy.epochs
    assert epochs is not None
    assert epochs.budget.delta is None


def test_the_documented_example(write: Write) -> None:
    policy = load(write(INTERFACE)).policy
    assert policy.budget.epsilon == 8
    assert policy.budget.delta == Decimal("0.000001")
    assert policy.query.delta == Decimal("1e-10")
    assert policy.query.max_groups_per_unit == 8
    visits = policy.tables["visits"]
    assert visits.columns is not None
    assert visits.columns["cost"].grid == Decimal("0.01")
    assert visits.columns["visited_on"].bounds == (
        dt.date(2020, 1, 1),
        dt.date(2026, 12, 31),
    )
    assert policy.tables["prescriptions"].references == {"visit_id": "visits.visit_id"}
    assert policy.tables["sensors"].row_privacy
    assert policy.tables["regions"].public
    assert policy.analysts["bob"].max_epsilon_per_query == Decimal("0.1")


def test_defaults(load_edited: Load) -> None:
    policy = load_edited(("query: {epsilon: 0.2, max_epsilon: 1.5}\n", "")).policy
    assert policy.query.epsilon == Decimal("0.2")
    assert policy.query.max_epsilon == 1
    assert policy.query.delta == Decimal("1e-10")
    assert (policy.query.max_groups_per_unit, policy.query.bounding) == (8, "norm")
    assert policy.ledger == "clinic.ledger"
    limits = policy.limits
    assert (limits.memory, limits.threads, limits.seconds) == ("4GB", 2, 60)


@pytest.mark.parametrize(
    ("budget", "query", "epsilon", "most"),
    [
        ("8", "", "0.2", "1"),
        ("0.1", "", "0.1", "1"),
        ("8", "max_epsilon: 0.05", "0.05", "0.05"),
        ("8", "epsilon: 3", "3", "3"),
        ("0.1", "delta: 1e-11", "0.1", "1"),
    ],
)
def test_default_epsilon_fits_into_the_budget_and_the_limit(
    load_edited: Load, budget: str, query: str, epsilon: str, most: str
) -> None:
    policy = load_edited(
        ("epsilon: 8", f"epsilon: {budget}"),
        ("epsilon: 0.2, max_epsilon: 1.5", query),
    ).policy
    assert policy.query.epsilon == Decimal(epsilon)
    assert policy.query.max_epsilon == Decimal(most)


def test_a_budget_without_delta_is_pure(load_edited: Load) -> None:
    assert load_edited((", delta: 1e-6", "")).policy.budget.delta is None


@pytest.mark.parametrize(
    "edits",
    [
        [("budget: {epsilon: 8, delta", "budget: {epsilon_budget: 8, delta_budget")],
        [
            (
                "budget: {epsilon: 8, delta: 1e-6}",
                "epsilon_budget: 8\ndelta_budget: 1e-6",
            )
        ],
        [("max_epsilon: 1.5", "max_epsilon_per_query: 1.5")],
        [(", max_epsilon: 1.5}", "}\nmax_epsilon_per_query: 1.5")],
        [("max_epsilon: 1.5", "max_epsilon: 1.5, delta_per_query: 1e-10")],
        [("max_epsilon: 1.5", "max_epsilon: 1.5, max_groups_contributed: 8")],
        [("name: clinic", "name: clinic\nmax_groups_contributed: 8")],
    ],
)  # fmt: skip
def test_bigquery_names_say_the_same(
    load_edited: Load, edits: list[tuple[str, str]]
) -> None:
    assert load_edited(*edits).digest == load_edited().digest


def test_an_alias_is_shown_where_it_is_written(good: str, write: Write) -> None:
    text = good.replace("epsilon: 8, delta: 1e-6", "epsilon_budget: 8, delta_budget: 2")
    (error,) = problems(write(text))
    assert error.place is not None
    assert error.place.text == "budget: {epsilon_budget: 8, delta_budget: 2}"
    assert error.place.column == 43


def test_digest_is_of_what_is_said(load_edited: Load) -> None:
    same = [
        [("# a policy for tests", "# another comment\n\n")],
        [("epsilon: 8", "epsilon: 8.0")],
        [("{epsilon: 8, delta: 1e-6}", "{delta: 0.000001, epsilon: 8}")],
        [("name: clinic", "ledger: clinic.ledger\nname: 'clinic'")],
        [("      ward:", "      ward: {}")],
    ]
    other = [
        [("epsilon: 8", "epsilon: 8.1")],
        [("[female, male, null]", "[female, male, 'null']")],
        [("[2020-01-01, 2026-12-31]", "[2020-01-01, 2026-12-30]")],
        [("[0, 1]", "[0, 2]")],
        [("max_epsilon: 1.5", "max_epsilon: 1.5, bounding: truncate")],
    ]
    digest = load_edited().digest
    assert len(digest) == 64
    assert {load_edited(*edits).digest for edits in same} == {digest}
    assert len({digest} | {load_edited(*edits).digest for edits in other}) == 6


def test_paths_are_relative_to_the_policy(
    write: Write, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(good)
    monkeypatch.chdir(path.parent.parent)
    loaded = load(os.path.relpath(path))
    monkeypatch.chdir("/")
    assert loaded.path == path
    assert loaded.policy.source.duckdb == "data/clinic.duckdb"
    assert loaded.resolve("data/clinic.duckdb") == path.parent / "data/clinic.duckdb"
    assert loaded.resolve("../x") == path.parent.parent / "x"


def test_places_for_later_checks(load_edited: Load) -> None:
    loaded = load_edited()
    place = loaded.place(("tables", "visits", "columns", "cost", "bounds"))
    assert (place.line, place.column, place.length) == (19, 22, 9)
    assert loaded.place(("tables", "visits")).text == "  visits:"
    assert loaded.place(("analysts", "bob", "epsilon")).line == 33


def test_a_policy_does_not_change(load_edited: Load) -> None:
    loaded = load_edited()
    with pytest.raises(pydantic.ValidationError):
        loaded.policy.budget.epsilon = Decimal(9)  # type: ignore[misc]
    with pytest.raises(AttributeError):
        loaded.digest = ""  # type: ignore[misc]


@pytest.mark.parametrize("epsilon", [Decimal("nan"), Decimal("inf"), 0.5, float("nan")])
def test_the_model_itself_takes_exact_numbers_only(epsilon: object) -> None:
    data = {
        "version": 1,
        "name": "p",
        "source": {"duckdb": "x"},
        "privacy_unit": "person",
        "tables": {"t": {"public": True}},
        "budget": {"epsilon": epsilon},
    }
    with pytest.raises(pydantic.ValidationError):
        Policy.model_validate(data)
    assert Policy.model_validate(data | {"budget": {"epsilon": 1}}).tables == {
        "t": Table(public=True)
    }


def test_a_unit_column_settles_whose_row_it_is(load_edited: Load) -> None:
    loaded = load_edited(
        (
            "key: visit_id",
            "references: {a: visits.visit_id, patient_id: patients.patient_id}",
        ),
    )
    assert len(loaded.policy.tables["visits"].references) == 2


def test_file_sources_need_one_file_a_table(load_edited: Load) -> None:
    files = "PATIENTS: p.csv, visits: v.parquet, drugs: d.csv, regions: r.csv, "
    files += "codes: c.csv, sensors: s.csv"
    loaded = load_edited(
        ("{duckdb: data/clinic.duckdb}", f"{{files: {{{files}}}}}"),
    )
    assert loaded.policy.source.files is not None
    assert loaded.policy.source.files["visits"] == "v.parquet"


def test_loading_needs_no_engine() -> None:
    code = (
        "import sys, dpquery.policy.load, dpquery.policy.lint, dpquery.policy.build\n"
        "print(sorted({'duckdb', 'sqlglot', 'opendp', 'pandas'} & sys.modules.keys()))"
    )
    done = subprocess.run(  # noqa: S603  (our own interpreter, fixed code)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_mutation_is_a_policy_or_a_policy_error(
    data: st.DataObject, good: str, write: Write
) -> None:
    text = good
    for _ in range(data.draw(st.integers(1, 4))):
        text = _mutate(text, data.draw)
    try:
        assert isinstance(load(write(text)), LoadedPolicy)
    except PolicyError as error:
        assert error.place  # noqa: PT017  (either outcome is right)


_PIECES = st.one_of(
    st.sampled_from(["&a ", "*a", "!!str ", "---\n", "null", "~", "{", "}", "[", "]"]),
    st.sampled_from([": ", "- ", "<<: ", "? ", ".inf", "1e999", "-1", "017", "no"]),
    st.sampled_from(["\t", "'", '"', "|\n", ">", "#", "%", "@", "\x00", "\ufeff"]),
    st.sampled_from(["\u2028", "\x85", "\udcff", "\\ud800", "9" * 60, "2020-01-01"]),
    st.text(max_size=3),
)


def _mutate(text: str, draw: Callable[[st.SearchStrategy[object]], object]) -> str:
    """Delete, double, swap or replace some lines or characters of *text*."""
    parts = text.splitlines(keepends=True) if draw(st.booleans()) else list(text)
    first = draw(st.integers(0, max(0, len(parts) - 1)))
    length = draw(st.integers(0, 3))
    assert isinstance(first, int)
    assert isinstance(length, int)
    here = parts[first : first + length]
    match draw(st.sampled_from(["delete", "double", "replace", "move"])):
        case "delete":
            parts[first : first + length] = []
        case "double":
            parts[first:first] = here
        case "replace":
            parts[first : first + length] = [str(draw(_PIECES))]
        case _:
            parts = parts[:first] + parts[first + length :] + here
    return "".join(parts)
