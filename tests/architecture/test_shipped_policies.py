"""The policies that are shipped are good examples."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dpquery.policy.lint import Severity
from dpquery.policy.load import load
from dpquery.service import Service

ROOT = Path(__file__).parents[2]
POLICIES = sorted((ROOT / "policies").glob("*.yaml"))


def test_three_scenarios_are_shipped() -> None:
    assert [path.stem for path in POLICIES] == ["bank", "clinic", "trade"]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda path: path.stem)
def test_a_shipped_policy_fits_its_data_and_lints_clean(
    policy: Path, tmp_path: Path
) -> None:
    data = Path(load(policy).policy.source.duckdb or "").name
    for source in (policy, ROOT / "sample_data" / data):
        target = tmp_path / source.relative_to(ROOT)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(source, target)
    with Service.open(tmp_path / "policies" / policy.name) as service:
        found = service.check(data=True)
    assert [each for each in found if each.severity is not Severity.INFO] == []


@pytest.mark.parametrize("policy", POLICIES, ids=lambda path: path.stem)
def test_a_shipped_policy_has_its_ledger_ignored_and_its_schema_named(
    policy: Path,
) -> None:
    assert load(policy).policy.ledger.endswith(".ledger")
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert "*.ledger" in ignored
    first = policy.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=policy.schema.json"
