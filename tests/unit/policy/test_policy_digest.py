"""Policies that promise the same have one digest, and others another."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpquery.policy.digest import digest_of, promises_of
from dpquery.policy.load import load

TEXT = """\
version: 1
name: ward
source: {files: {visits: visits.csv}}
privacy_unit: patient
tables:
  visits:
    privacy_unit_column: id
    columns: {cost: {bounds: [0, 100]}, code: {values: [1, 2, null]}}
budget: {epsilon: 8, delta: 1e-6}
analysts: {alice: {epsilon: 3}, bob: {epsilon: 1}}
"""


def digest(folder: Path, *replacements: tuple[str, str]) -> str:
    text = TEXT
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path = folder / "ward.yaml"
    path.write_text(text, encoding="utf-8")
    return digest_of(load(path).policy)


@pytest.mark.parametrize(
    "change",
    [
        ("version: 1", "# a comment\nversion: 1"),
        ("epsilon: 8", "epsilon: 8.0"),
        ("delta: 1e-6", "delta: 0.000001"),
        (
            "{alice: {epsilon: 3}, bob: {epsilon: 1}}",
            "{bob: {epsilon: 1}, alice: {epsilon: 3}}",
        ),
        ("epsilon: 8, delta", "epsilon_budget: 8, delta"),
        ("bounds: [0, 100]", "bounds: [0, 100.0]"),
        ("version: 1\n", "version: 1\nsharing: open\n"),
    ],
    ids=lambda change: change[1][:30],
)
def test_the_same_promises(tmp_path: Path, change: tuple[str, str]) -> None:
    assert digest(tmp_path, change) == digest(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        ("epsilon: 8", "epsilon: 8.000001"),
        ("bob: {epsilon: 1}", "bob: {epsilon: 2}"),
        ("bounds: [0, 100]", "bounds: [0, 101]"),
        ("[1, 2, null]", '["1", "2", null]'),
        ("[1, 2, null]", "[1, 2]"),
        ("privacy_unit: patient", "privacy_unit: person"),
        ("version: 1\n", "version: 1\nsharing: isolated\n"),
    ],
    ids=lambda change: change[1][:30],
)
def test_other_promises(tmp_path: Path, change: tuple[str, str]) -> None:
    assert digest(tmp_path, change) != digest(tmp_path)


def test_what_the_audit_keeps(tmp_path: Path) -> None:
    known = digest(tmp_path)
    facts = promises_of(load(tmp_path / "ward.yaml").policy)
    assert facts == {
        "digest": known,
        "name": "ward",
        "budget": {"epsilon": "8", "delta": "0.000001"},
        "epochs": None,
        "analysts": {"alice": "3", "bob": "1"},
    }
    assert len(known) == 64
