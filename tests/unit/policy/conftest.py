"""A small policy that is right, and a way to write and read variations of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dpquery.policy.load import LoadedPolicy, load

GOOD = """\
# a policy for tests
version: 1
name: clinic
source: {duckdb: data/clinic.duckdb}
privacy_unit: patient
tables:
  patients:
    privacy_unit_column: patient_id
    key: patient_id
    columns:
      sex: {values: [female, male, null]}
      region: {values_from: regions.name}
      born: {bounds: [1900, 2026]}
  visits:
    privacy_unit_column: patient_id
    key: visit_id
    max_rows_per_unit: 50
    columns:
      cost: {bounds: [0, 5000], grid: 0.01}
      ward:
      seen: {bounds: [2020-01-01, 2026-12-31]}
  drugs:
    references: {visit_id: visits.visit_id, code: codes.code}
    max_rows_per_unit: 9
    columns: {amount: {bounds: [0, 100]}}
  regions: {public: true}
  codes: {public: true, columns: {code: {}, title: {}}}
  sensors: {row_privacy: true, columns: {reading: {bounds: [0, 1]}}}
budget: {epsilon: 8, delta: 1e-6}
query: {epsilon: 0.2, max_epsilon: 1.5}
analysts:
  alice: {epsilon: 3}
  bob: {epsilon: 1, max_epsilon_per_query: 0.1}
"""

Write = Callable[[str], Path]
Load = Callable[..., LoadedPolicy]


@pytest.fixture
def good() -> str:
    return GOOD


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_policy(text: str) -> Path:
        path = tmp_path / "policy.yaml"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return path

    return write_policy


@pytest.fixture
def load_edited(write: Write) -> Load:
    """Load the good policy after replacing each first text by the second."""

    def load_policy(*edits: tuple[str, str]) -> LoadedPolicy:
        text = GOOD
        for old, new in edits:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return load(write(text))

    return load_policy
